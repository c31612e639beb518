"""Each SOP class allows the requests that PS3.4 says, and no others (`ps34_services.csv`)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dicomproto.dimse.commands import COMMANDS, CEchoRQ, NEventReportRQ, Request
from dicomproto.services import (
    ServiceClass,
    _sop_class_table,
    check_request,
    sop_class,
    sop_class_uids,
    storage_sop_classes,
    uid_of,
)

REQUESTS = {kind.name.removesuffix("-RQ"): kind for kind in COMMANDS.values() if issubclass(kind, Request)}
ANNEXES = {
    "A": "VERIFICATION",
    "B": "STORAGE",
    "C": "QUERY_RETRIEVE",
    "Y": "QUERY_RETRIEVE",
    "Z": "QUERY_RETRIEVE",
    "F": "PROCEDURE_STEP",
    "H": "PRINT_MANAGEMENT",
    "I": "MEDIA_STORAGE",
    "J": "STORAGE_COMMITMENT",
    "K": "BASIC_WORKLIST_MANAGEMENT",
    "P": "APPLICATION_EVENT_LOGGING",
    "Q": "RELEVANT_PATIENT_INFORMATION_QUERY",
    "R": "INSTANCE_AVAILABILITY_NOTIFICATION",
    "S": "MEDIA_CREATION_MANAGEMENT",
    "U": "HANGING_PROTOCOL_QUERY_RETRIEVE",
    "V": "SUBSTANCE_ADMINISTRATION_QUERY",
    "X": "COLOR_PALETTE_QUERY_RETRIEVE",
    "BB": "IMPLANT_TEMPLATE_QUERY_RETRIEVE",
    "CC": "UNIFIED_PROCEDURE_STEP",
    "DD": "RT_MACHINE_VERIFICATION",
    "EE": "DISPLAY_SYSTEM_MANAGEMENT",
    "GG": "NON_PATIENT_OBJECT_STORAGE",
    "HH": "DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE",
    "II": "PROTOCOL_APPROVAL_QUERY_RETRIEVE",
    "JJ": "INVENTORY_QUERY_RETRIEVE",
    "KK": "STORAGE_MANAGEMENT",
}
GRAYSCALE, COLOR = "BasicGrayscalePrintManagementMeta", "BasicColorPrintManagementMeta"
MEMBERS = {
    GRAYSCALE: {"BasicFilmSession", "BasicFilmBox", "BasicGrayscaleImageBox", "Printer"},
    COLOR: {"BasicFilmSession", "BasicFilmBox", "BasicColorImageBox", "Printer"},
}

with (Path(__file__).parent / "ps34_services.csv").open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table))
USAGE = {row["keyword"]: dict(part.split() for part in row["services"].split(" + ") if part) for row in ROWS}


def command(kind: type[Request], named: str) -> Request:
    """Return a request that names a SOP class, of a type that it defines (`test_types.py` has the others)."""
    known = sop_class(named)
    type_id = min(known.types_of(kind), default=1) if known else 1
    fields: dict[str, object] = {
        field: type_id if field.endswith("TypeID") else "1.2"
        for field in kind._fields
        if "UID" in field or field.endswith("TypeID") or field == "MoveDestination"
    }
    fields["RequestedSOPClassUID" if "RequestedSOPClassUID" in fields else "AffectedSOPClassUID"] = named
    return kind(**fields)  # type: ignore[arg-type]


def test_the_size_of_the_table() -> None:
    assert len(ROWS) == 82
    assert len(ServiceClass) == 24
    assert {service.name for service in ServiceClass} == set(ANNEXES.values())
    # Those of the table and the storage classes are all that there are, but one.
    known = {uid for service in ServiceClass for uid in sop_class_uids(service)}
    assert known - {row["uid"] for row in ROWS} - set(storage_sop_classes()) == {uid_of("VOILUTBox")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["keyword"])
def test_a_sop_class_allows_what_its_clause_says(row: dict[str, str]) -> None:
    known = sop_class(row["uid"])
    assert known is not None
    assert (known.uid, known.keyword) == (row["uid"], row["keyword"])
    assert known.service_class is ServiceClass[ANNEXES[row["clause"].split(".")[0]]]
    usage = USAGE[row["keyword"]]
    assert dict(part.split() for part in known.usage.split(", ") if part) == usage
    if known.members:
        return
    assert set(known.requests) == {REQUESTS[service] for service in usage}
    assert known.scp_requests == tuple(kind for kind in known.requests if kind is NEventReportRQ)
    assert set(known.scu_requests) == set(known.requests) - {NEventReportRQ}
    for service, kind in REQUESTS.items():
        verdict = check_request(command(kind, known.uid), known.uid, strict=True)
        if service in usage:
            assert verdict.status is None, kind.name
        else:
            assert verdict.status == (0x0122 if kind is CEchoRQ else 0x0211), kind.name


@pytest.mark.parametrize("uid", storage_sop_classes())
def test_a_storage_sop_class_allows_storage_alone(uid: str) -> None:
    known = sop_class(uid)
    assert known is not None
    assert known.usage == "C-STORE M/M"
    for kind in REQUESTS.values():
        verdict = check_request(command(kind, uid), uid, strict=True)
        assert (verdict.status is None) == (kind.name == "C-STORE-RQ")


@pytest.mark.parametrize("meta", MEMBERS)
def test_the_context_of_a_meta_sop_class_carries_what_its_members_allow(meta: str) -> None:
    known = sop_class(uid_of(meta) or "")
    assert known is not None
    assert {uid_of(member) for member in MEMBERS[meta]} == set(known.members)
    carried = {service for member in MEMBERS[meta] for service in USAGE[member]}
    assert {REQUESTS[service] for service in carried} == set(known.requests)
    printing = [row["keyword"] for row in ROWS if row["clause"].startswith("H.")]
    assert len(printing) == 11
    for member in printing:
        for service, kind in REQUESTS.items():
            verdict = check_request(command(kind, uid_of(member) or ""), known.uid)
            if kind is CEchoRQ:
                assert verdict.warning is not None
            elif member in MEMBERS[meta] and service in USAGE[member]:
                assert verdict == type(verdict)()
            elif service not in carried or member in MEMBERS[meta]:
                assert verdict.status == 0x0211, (member, service)
            else:
                assert verdict.status == 0x0122, (member, service)
    # A request that names nothing may be meant for any of them.
    assert check_request(command(REQUESTS["N-CREATE"], ""), known.uid).status is None
    assert check_request(command(REQUESTS["C-FIND"], ""), known.uid).status == 0x0211


def test_voi_lut_boxes_are_still_known() -> None:
    known = sop_class(uid_of("VOILUTBox") or "")
    assert known is not None
    assert known.service_class is ServiceClass.PRINT_MANAGEMENT
    assert set(known.requests) == {REQUESTS[name] for name in ("N-CREATE", "N-SET", "N-DELETE")}


def test_there_are_252_sop_classes_in_use() -> None:
    current = {**_sop_class_table.STORAGE, **_sop_class_table.NON_PATIENT_OBJECT_STORAGE}
    for service in _sop_class_table.SERVICES.values():
        current |= service
    assert len(current) == 252
    assert len(set(current.values())) == 252
