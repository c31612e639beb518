"""The SOP class tables: as generated, by UID, by keyword."""

from __future__ import annotations

import runpy
from pathlib import Path

import pydicom
import pytest

from dicomproto.dimse.commands import CEchoRQ, CStoreRQ
from dicomproto.services import (
    ServiceClass,
    _sop_class_table,
    allowed_requests,
    is_storage,
    keyword_of,
    service_class_of,
    sop_classes,
    storage_sop_classes,
    uid_of,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
STORAGE_SERVICES = {ServiceClass.STORAGE, ServiceClass.NON_PATIENT_OBJECT_STORAGE}
TABLES = {
    "STORAGE": 170,
    "NON_PATIENT_OBJECT_STORAGE": 9,
    "OTHER_STORAGE": 9,
    "RETIRED_STORAGE": 20,
    "INSTANCES": 9,
    "TRANSFER_SYNTAXES": 45,
    "COMMON_STORAGE": 120,
}


def test_the_table_is_what_its_script_writes() -> None:
    script = runpy.run_path(str(Path(__file__).with_name("generate_sop_classes.py")))
    written = Path(_sop_class_table.__file__).read_text(encoding="utf-8")
    if f"from pydicom {pydicom.__version__}." in written:
        assert script["generate"]() == written
    # Another pydicom may know more or fewer SOP classes, but none by another name.
    for name, (_, generated) in script["tables"]().items():
        table = getattr(_sop_class_table, name)
        assert {uid: generated[uid] for uid in generated if uid in table}.items() <= table.items()


@pytest.mark.parametrize(("name", "size"), TABLES.items())
def test_how_many_there_are(name: str, size: int) -> None:
    assert len(getattr(_sop_class_table, name)) == size


@pytest.mark.parametrize(
    ("uid", "service_class", "keyword"),
    [
        ("1.2.840.10008.1.1", ServiceClass.VERIFICATION, "Verification"),
        (CT, ServiceClass.STORAGE, "CTImageStorage"),
        (CT + "\0", ServiceClass.STORAGE, "CTImageStorage"),
        (CT + " ", ServiceClass.STORAGE, "CTImageStorage"),
        ("1.2.840.10008.5.1.4.1.1.66.7", ServiceClass.STORAGE, "LabelMapSegmentationStorage"),
        ("1.2.840.10008.5.1.4.39.1", ServiceClass.NON_PATIENT_OBJECT_STORAGE, "ColorPaletteStorage"),
        ("1.2.840.10008.5.1.4.1.1.6", ServiceClass.STORAGE, "UltrasoundImageStorageRetired"),
        ("1.2.840.10008.5.1.4.1.1.501.1", ServiceClass.STORAGE, "DICOSCTImageStorage"),
        ("1.2.840.10008.4.2", ServiceClass.STORAGE, None),
        ("1.2.840.10008.5.1.4.34.6", ServiceClass.UNIFIED_PROCEDURE_STEP, None),
        ("1.2.840.10008.1.3.10", ServiceClass.MEDIA_STORAGE, "MediaStorageDirectoryStorage"),
        ("1.2.840.10008.1.20.1", ServiceClass.STORAGE_COMMITMENT, "StorageCommitmentPushModel"),
        ("1.2.840.10008.1.20.1.1", None, "StorageCommitmentPushModelInstance"),
        ("1.2.3.4", None, None),
        ("", None, None),
    ],
)
def test_by_uid(uid: str, service_class: ServiceClass | None, keyword: str | None) -> None:
    assert service_class_of(uid) is service_class
    assert keyword_of(uid) == keyword
    assert is_storage(uid) == (service_class in STORAGE_SERVICES)


def test_allowed_requests() -> None:
    assert allowed_requests("1.2.840.10008.1.1") == (CEchoRQ,)
    assert allowed_requests(CT) == (CStoreRQ,)
    assert allowed_requests("1.2.840.10008.5.1.4.39.1") == (CStoreRQ,)
    assert allowed_requests("1.2.3.4") is None


@pytest.mark.parametrize(
    ("keyword", "uid"),
    [
        ("Verification", "1.2.840.10008.1.1"),
        ("VerificationSOPClass", "1.2.840.10008.1.1"),
        ("CTImageStorage", CT),
        ("CTImageStorageSOPClass", CT),
        ("PseudoColorSoftcopyPresentationStateStorage", "1.2.840.10008.5.1.4.1.1.11.3"),
        ("PseudoColorSoftcopyPresentationStageStorage", "1.2.840.10008.5.1.4.1.1.11.3"),
        ("ModalityWorklistInformationFind", "1.2.840.10008.5.1.4.31"),
        ("ModalityWorklistInformationFindSOPClass", "1.2.840.10008.5.1.4.31"),
        ("ColorPaletteInformationModelGet", "1.2.840.10008.5.1.4.39.4"),
        ("PrinterInstance", "1.2.840.10008.5.1.1.17"),
        ("PrinterSOPInstance", "1.2.840.10008.5.1.1.17"),
        ("UPSGlobalSubscriptionInstance", "1.2.840.10008.5.1.4.34.5"),
        ("SOPClass", None),
        ("SOPInstance", None),
        ("CTStorage", None),
    ],
)
def test_by_keyword(keyword: str, uid: str | None) -> None:
    assert uid_of(keyword) == uid


def test_every_keyword_is_of_one_uid() -> None:
    for name in ("STORAGE", "NON_PATIENT_OBJECT_STORAGE", "OTHER_STORAGE", "RETIRED_STORAGE", "INSTANCES"):
        for uid, keyword in getattr(_sop_class_table, name).items():
            assert uid_of(keyword) == uid
            assert keyword_of(uid) == keyword


def test_the_keywords_are_those_of_the_tables_and_their_aliases() -> None:
    keywords = sop_classes.keywords()
    assert len(keywords) == len(set(keywords)) == 300
    assert {"CTImageStorage", "StorageCommitmentPushModelInstance", *sop_classes._ALIASES} <= set(keywords)
    assert None not in map(uid_of, keywords)


def test_all_storage_sop_classes_are_there_once() -> None:
    uids = storage_sop_classes()
    assert len(set(uids)) == len(uids) > 150
    assert CT in uids
    assert all(map(is_storage, uids))


def test_the_aliases_name_known_sop_classes() -> None:
    for alias, uid in sop_classes._ALIASES.items():
        assert uid_of(alias) == uid
        assert keyword_of(uid) not in {None, alias}


def test_sop_classes_are_attributes_of_the_module() -> None:
    assert sop_classes.CTImageStorage == CT
    assert sop_classes.VerificationSOPClass == "1.2.840.10008.1.1"
    with pytest.raises(AttributeError, match="no SOP class 'CTStorage'"):
        _ = sop_classes.CTStorage
