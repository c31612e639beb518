"""The plain modules of the drop-in have the names and the values of pynetdicom's."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"

both = pytest.mark.parametrize("package", [OURS, THEIRS])


def module(name: str, package: str = OURS) -> Any:
    return import_module(f"{package}.{name}")


def public(found: ModuleType, kind: type[Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(found).items()
        if isinstance(value, kind) and not name.startswith("__")
    }


@pytest.mark.parametrize("name", ["_config", "_globals", "status"])
def test_constants_are_the_same(name: str) -> None:
    ours, theirs = module(name), module(name, THEIRS)
    wanted = {key: value for key, value in vars(theirs).items() if key.isupper() and "STATUS_" not in key}
    tables = {key for key, value in wanted.items() if isinstance(value, dict)}
    assert {key: getattr(ours, key) for key in wanted.keys() - tables} == {
        key: wanted[key] for key in wanted.keys() - tables
    }


def test_status_tables_have_the_same_codes_and_categories() -> None:
    ours, theirs = module("status"), module("status", THEIRS)
    tables = {name: table for name, table in public(theirs, dict).items() if name.endswith("STATUS")}
    assert len(tables) == 18
    for name, table in tables.items():
        found = getattr(ours, name)
        assert {code: row[0] for code, row in found.items()} == {
            code: row[0] for code, row in table.items()
        }, name


def test_every_code_has_the_same_category() -> None:
    ours, theirs = module("status").code_to_category, module("status", THEIRS).code_to_category
    assert [ours(code) for code in range(0x10000)] == [theirs(code) for code in range(0x10000)]


@both
@pytest.mark.parametrize("code", [-1, "0000", None])
def test_codes_are_whole_numbers(package: str, code: object) -> None:
    for name in ("code_to_category", "code_to_status"):
        with pytest.raises(ValueError, match="positive integer"):
            getattr(module("status", package), name)(code)


@both
def test_statuses_are_named_and_added(package: str) -> None:
    found = module("status", package)
    found.Status.add("UNABLE_TO_PROCESS", 0xC000)
    assert found.Status.UNABLE_TO_PROCESS == 0xC000
    assert [int(status) for status in found.Status] == [0, 0xFE00, 0xFF00, 0xA801]
    assert found.code_to_status(0xFE00).Status == found.Status.CANCEL


def test_sop_classes_have_the_same_names_and_service_classes() -> None:
    ours, theirs = module("sop_class"), module("sop_class", THEIRS)
    names = public(theirs, str)
    assert len(names) > 250
    for name, uid in names.items():
        found = getattr(ours, name)
        assert found == uid, name
        if isinstance(uid, theirs.SOPClass):
            assert found.service_class.__name__ == uid.service_class.__name__, name
            assert ours.uid_to_sop_class(uid) is found, name
    for name, group in public(theirs, dict).items():
        if name.endswith("_CLASSES") and name != "_SERVICE_CLASSES":
            assert getattr(ours, name) == group, name


def test_old_names_of_sop_classes_are_known() -> None:
    ours = module("sop_class")
    assert ours.VerificationSOPClass is ours.Verification
    assert ours.PseudoColorSoftcopyPresentationStateStorage == "1.2.840.10008.5.1.4.1.1.11.3"
    with pytest.raises(AttributeError, match="NoSuchStorage"):
        _ = ours.NoSuchStorage


@both
def test_a_sop_class_is_registered(package: str) -> None:
    sop_class, service_class = module("sop_class", package), module("service_class", package)
    storage, query = service_class.StorageServiceClass, service_class.QueryRetrieveServiceClass
    sop_class.register_uid("1.2.246.352.70.1.70", "FooStorage", storage)
    assert sop_class.FooStorage == "1.2.246.352.70.1.70"
    assert sop_class.FooStorage.service_class is storage
    assert sop_class._STORAGE_CLASSES.pop("FooStorage") == "1.2.246.352.70.1.70"
    for keyword, service, error in (
        ("2Foo", storage, ValueError),
        ("class", storage, ValueError),
        ("Foo", storage(None) if package == THEIRS else storage(), TypeError),
        ("Foo", str, TypeError),
        ("Foo", query, ValueError),
    ):
        with pytest.raises(error):
            sop_class.register_uid("1.2.3", keyword, service)
    for name in ("Foo", "FooStorage"):  # pynetdicom registers before it refuses
        vars(sop_class).pop(name, None)
        sop_class._QR_CLASSES.pop(name, None)


def test_the_library_knows_what_is_registered() -> None:
    sop_class, service_class = module("sop_class"), module("service_class")
    sop_class.register_uid("1.2.3.4", "FooFind", service_class.BasicWorklistManagementServiceClass)
    known = sop_class.registry().find("1.2.3.4")
    assert known is not None
    assert [request.name for request in known.requests] == ["C-FIND-RQ"]
    del sop_class._BASIC_WORKLIST_CLASSES["FooFind"]


def test_context_lists_have_the_same_members_in_the_same_order() -> None:
    ours, theirs = module("presentation"), module("presentation", THEIRS)
    lists = {name: found for name, found in public(theirs, list).items() if name.endswith("Contexts")}
    assert len(lists) == 24
    for name, contexts in lists.items():
        assert [(str(cx), repr(cx), cx.context_id) for cx in getattr(ours, name)] == [
            (str(cx), repr(cx), cx.context_id) for cx in contexts
        ], name


@both
def test_pydicom_knows_all_transfer_syntaxes(package: str) -> None:
    program = f"""
from pydicom.uid import UID
from {package} import _globals
for uid in map(UID, _globals.ALL_TRANSFER_SYNTAXES):
    assert uid.is_little_endian or uid.is_implicit_VR or uid.is_transfer_syntax
    assert not uid.name.startswith("1.2"), uid
print(UID("1.2.840.10008.1.2.4.110").name)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "JPEG XL Lossless\n"
