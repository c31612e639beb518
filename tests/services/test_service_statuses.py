"""What statuses mean by service class and operation, against the tables of PS3.4 (`ps34_statuses.json`)."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path

import pytest

from dicomproto.dimse.commands import (
    COMMANDS,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NSetRQ,
    Request,
)
from dicomproto.dimse.status import Category, Status, category_of
from dicomproto.services import (
    ServiceClass,
    ServiceStatus,
    SOPClass,
    sop_class,
    sop_class_uids,
    status_meaning,
    status_of,
    status_table,
    uid_of,
)

TABLES = json.loads((Path(__file__).parent / "ps34_statuses.json").read_text(encoding="utf-8"))["tables"]
REQUESTS = {kind.name.removesuffix("-RQ"): kind for kind in COMMANDS.values() if issubclass(kind, Request)}
SERVICES = [
    (name, operation, table["rows"])
    for table in TABLES
    for name in [table["of"]]
    for operation in table["operations"]
]


def named(keyword: str) -> SOPClass:
    known = sop_class(uid_of(keyword) or "")
    assert known is not None
    return known


def explained_by(name: str) -> ServiceClass | SOPClass:
    return ServiceClass[name] if name.isupper() else named(name)


def plain(text: str) -> str:
    """Return a meaning without what editions and house styles write differently."""
    text = re.sub(r"^(failed|error|refused): |success\. ", "", text.lower())
    return re.sub(
        r"[^a-z0-9]+", " ", text.replace(" size is larger", " size larger").replace(" the ", " ")
    ).strip()


def test_how_many_tables_there_are() -> None:
    assert len(TABLES) == 36
    assert sum(len(table["rows"]) for table in TABLES) == 205


@pytest.mark.parametrize(("name", "operation", "rows"), SERVICES, ids=lambda value: str(value)[:40])
def test_a_status_means_what_its_table_says(name: str, operation: str, rows: list[list[str]]) -> None:
    service, kind = explained_by(name), REQUESTS[operation]
    table = {(row.first, row.last) for row in status_table(service, kind)}
    for code, category, meaning in rows:
        first, last = (int(code.replace("x", digit), 16) for digit in "0F")
        assert (first, last) in table, code
        assert category_of(first) == category_of(last) == Category(category)
        if category != "Success":
            for number in (first, last):
                assert plain(meaning).startswith(plain(status_meaning(number, service, kind))), code


@pytest.mark.parametrize(("name", "operation", "rows"), SERVICES, ids=lambda value: str(value)[:40])
def test_a_table_has_no_status_besides_those_of_ps34_and_ps37(
    name: str, operation: str, rows: list[list[str]]
) -> None:
    service, kind = explained_by(name), REQUESTS[operation]
    merged = [row for other, also, more in SERVICES if (other, also) == (name, operation) for row in more]
    if isinstance(service, SOPClass) and service.service_class is ServiceClass.QUERY_RETRIEVE:
        merged += [
            row
            for other, also, more in SERVICES
            if (other, also) == ("QUERY_RETRIEVE", operation)
            for row in more
        ]
    listed = {tuple(int(code.replace("x", digit), 16) for digit in "0F") for code, *_ in merged}
    for row in status_table(service, kind):
        assert row.first < 0x0300 or row.first == 0xFE00 or (row.first, row.last) in listed


@pytest.mark.parametrize(
    ("code", "service", "kind", "meaning"),
    [
        # newer than the tables
        (0xA710, named("RepositoryQuery"), CFindRQ, "Invalid prior record key"),
        (
            0xB001,
            named("RepositoryQuery"),
            CFindRQ,
            "Response limit reached; a further request may return more",
        ),
        (
            0xB010,
            ServiceClass.STORAGE_MANAGEMENT,
            NActionRQ,
            "Attribute list error - one or more of the key attributes are not supported for matching",
        ),
        # and of no other query
        (
            0xB001,
            named("StudyRootQueryRetrieveInformationModelFind"),
            CFindRQ,
            "Warning of the service class",
        ),
        (0xB001, ServiceClass.BASIC_WORKLIST_MANAGEMENT, CFindRQ, "Warning of the service class"),
        # the same code in different services and operations
        (0xC302, ServiceClass.UNIFIED_PROCEDURE_STEP, NActionRQ, "The UPS is already IN PROGRESS"),
        (0xC302, ServiceClass.UNIFIED_PROCEDURE_STEP, CFindRQ, "Unable to process"),
        (0xC310, ServiceClass.UNIFIED_PROCEDURE_STEP, NSetRQ, 'The UPS is not in the "IN PROGRESS" state'),
        (0xA801, ServiceClass.QUERY_RETRIEVE, CMoveRQ, "Refused: move destination unknown"),
        (0xB000, ServiceClass.STORAGE, CStoreRQ, "Coercion of data elements"),
        (
            0xB000,
            ServiceClass.QUERY_RETRIEVE,
            CGetRQ,
            "Sub-operations complete - one or more failures or warnings",
        ),
        # PS3.4 Table B.2-1, which some have the other way round
        (0xB006, ServiceClass.STORAGE, CStoreRQ, "Elements discarded"),
        (0xB007, ServiceClass.STORAGE, CStoreRQ, "Data set does not match SOP class"),
        # without an operation, any that knows the code
        (
            0xC309,
            ServiceClass.UNIFIED_PROCEDURE_STEP,
            None,
            'The provided value of UPS state was not "SCHEDULED"',
        ),
        (0x0107, ServiceClass.PRINT_MANAGEMENT, NCreateRQ, "Attribute list error"),
    ],
    ids=str,
)
def test_what_a_status_means_there(
    code: int, service: ServiceClass | SOPClass, kind: type[Request] | None, meaning: str
) -> None:
    assert status_meaning(code, service, kind) == meaning


@pytest.mark.parametrize(
    "service", [service for service in ServiceClass if service.name.endswith("QUERY_RETRIEVE")]
)
def test_the_query_and_retrieve_services_share_their_statuses(service: ServiceClass) -> None:
    for kind in (CFindRQ, CGetRQ, CMoveRQ):
        assert status_table(service, kind) == status_table(ServiceClass.QUERY_RETRIEVE, kind)


def test_every_sop_class_has_a_table_for_each_of_its_operations() -> None:
    for service in ServiceClass:
        for uid in sop_class_uids(service):
            known = sop_class(uid)
            assert known is not None
            for kind in known.requests:
                codes = [row.first for row in status_table(known, kind)]
                assert codes == sorted(codes)
                assert {0x0000, 0x0211} <= set(codes)


def test_a_status_of_a_service_is_its_number() -> None:
    status = status_of(0xC302, named("UnifiedProcedureStepPush"), NActionRQ)
    assert isinstance(status, ServiceStatus)
    assert status == 0xC302
    assert hash(status) == hash(0xC302)
    assert status.category is Category.FAILURE
    assert status.service_class is ServiceClass.UNIFIED_PROCEDURE_STEP
    assert status.operation is NActionRQ
    assert str(status) == "C302H (The UPS is already IN PROGRESS)"
    assert repr(status) == "Status(0xc302)"
    for copied in (copy.copy(status), pickle.loads(pickle.dumps(status))):
        assert copied == status
        assert copied.meaning == status.meaning


def test_a_status_of_an_unknown_service_has_its_general_meaning() -> None:
    status = status_of(0xC302, None, NActionRQ)
    assert type(status) is Status
    assert status.service_class is None
    assert status.operation is None
    private = SOPClass(uid="1.2.3", keyword="Private", service_class=None, requests=(NActionRQ,))
    assert status_of(0xC302, private, NActionRQ).meaning == status.meaning
    assert status_of(0xC302, private, NActionRQ).service_class is None
