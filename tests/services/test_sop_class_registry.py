"""Private SOP classes, and those of which no more is known than their service class."""

from __future__ import annotations

import pytest

from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from dicomproto.services import STANDARD, ServiceClass, SOPClassRegistry, check_request, is_storage

PRIVATE = "1.2.3.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STORAGE, UPS = "1.2.840.10008.4.2", "1.2.840.10008.5.1.4.34.6"  # the service classes


def store(uid: str) -> CStoreRQ:
    return CStoreRQ(AffectedSOPClassUID=uid, AffectedSOPInstanceUID="1.2.9")


@pytest.mark.parametrize(
    ("service_class", "dimse_msg_type", "requests"),
    [
        (ServiceClass.STORAGE, "", {CStoreRQ}),
        (ServiceClass.QUERY_RETRIEVE, "C-FIND", {CFindRQ}),
        (ServiceClass.QUERY_RETRIEVE, "C-GET", {CGetRQ}),
        (ServiceClass.INVENTORY_QUERY_RETRIEVE, "C-MOVE", {CMoveRQ}),
        (ServiceClass.BASIC_WORKLIST_MANAGEMENT, "", {CFindRQ}),
        (ServiceClass.BASIC_WORKLIST_MANAGEMENT, "C-FIND", {CFindRQ}),
        (ServiceClass.MEDIA_CREATION_MANAGEMENT, "", {NActionRQ, NCreateRQ, NGetRQ}),
        (ServiceClass.MEDIA_STORAGE, "", set()),
        ([NCreateRQ, NSetRQ], "", {NCreateRQ, NSetRQ}),
        ((CFindRQ, CGetRQ, CMoveRQ), "", {CFindRQ, CGetRQ, CMoveRQ}),
        ((CFindRQ, CGetRQ), "C-GET", {CGetRQ}),
    ],
)
def test_registered(
    service_class: ServiceClass | list[type[Request]], dimse_msg_type: str, requests: set[type[Request]]
) -> None:
    registry = STANDARD.with_sop_class(PRIVATE + "\0", "PrivateClass", service_class, dimse_msg_type)
    known = registry.find(PRIVATE)
    assert known is not None
    assert (known.uid, known.keyword) == (PRIVATE, "PrivateClass")
    assert known.service_class is (service_class if isinstance(service_class, ServiceClass) else None)
    assert set(known.requests) == requests
    assert registry.is_storage(PRIVATE) == (CStoreRQ in requests)
    # The standard's are still there, and those of others as they were.
    assert registry.find(CT) is STANDARD.find(CT)
    assert STANDARD.find(PRIVATE) is None
    assert not is_storage(PRIVATE)
    verdict = check_request(CEchoRQ(AffectedSOPClassUID=PRIVATE), PRIVATE, registry=registry, strict=True)
    assert verdict.status == 0x0122
    assert check_request(
        NGetRQ(RequestedSOPClassUID=PRIVATE, RequestedSOPInstanceUID="1"), PRIVATE, registry=registry
    ).status == (None if NGetRQ in requests else 0x0211)


@pytest.mark.parametrize(
    ("uid", "service_class", "dimse_msg_type", "error"),
    [
        (PRIVATE, ServiceClass.QUERY_RETRIEVE, "", "give its dimse_msg_type"),
        (PRIVATE, ServiceClass.HANGING_PROTOCOL_QUERY_RETRIEVE, "", "give its dimse_msg_type"),
        (PRIVATE, ServiceClass.QUERY_RETRIEVE, "C-STORE", "C-STORE is no operation of"),
        (PRIVATE, ServiceClass.STORAGE, "C-FIND", "C-FIND is no operation of"),
        (PRIVATE, ServiceClass.STORAGE, "C-FIRE", "C-FIRE is no operation of"),
        (PRIVATE, [NGetRQ], "C-FIND", "C-FIND is no operation of Private"),
        ("Private", ServiceClass.STORAGE, "", "uid: 'Private' is no valid UID"),
        ("", ServiceClass.STORAGE, "", "uid: '' is no valid UID"),
        (PRIVATE, "STORAGE", "", "a ServiceClass or classes of requests"),
        (PRIVATE, [NGetRQ, "C-FIND"], "", "a ServiceClass or classes of requests"),
    ],
    ids=str,
)
def test_what_cannot_be_registered(
    uid: str, service_class: ServiceClass, dimse_msg_type: str, error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        STANDARD.with_sop_class(uid, "Private", service_class, dimse_msg_type)


@pytest.mark.parametrize(
    ("command", "service_class_uid", "status"),
    [
        (store(PRIVATE), "", None),
        (CFindRQ(AffectedSOPClassUID=PRIVATE), "", None),
        (store(PRIVATE), STORAGE, None),
        (CFindRQ(AffectedSOPClassUID=PRIVATE), STORAGE, 0x0211),
        (CFindRQ(AffectedSOPClassUID=PRIVATE), UPS, None),
        (NCreateRQ(AffectedSOPClassUID=PRIVATE), UPS, None),
        (store(PRIVATE), UPS, 0x0211),
        # What cannot be looked up says nothing.
        (CFindRQ(AffectedSOPClassUID=PRIVATE), "1.2.3", None),
    ],
    ids=str,
)
def test_common_extended_negotiation_tells_the_service_class(
    command: Request, service_class_uid: str, status: int | None
) -> None:
    assert check_request(command, PRIVATE, service_class_uid=service_class_uid).status == status


def test_it_tells_nothing_of_a_known_sop_class() -> None:
    assert check_request(store(CT), CT, service_class_uid=UPS).status is None


def test_what_is_unknown_may_count_as_storage() -> None:
    registry = SOPClassRegistry(unknown=ServiceClass.STORAGE)
    assert registry.is_storage(PRIVATE)
    assert check_request(store(PRIVATE), PRIVATE, registry=registry, strict=True).status is None
    assert check_request(store("1.2.3"), PRIVATE, registry=registry).warning is not None
    find = CFindRQ(AffectedSOPClassUID=PRIVATE)
    assert check_request(find, PRIVATE, registry=registry).status == 0x0211
    assert check_request(find, PRIVATE, service_class_uid=UPS, registry=registry).status is None
    assert not registry.is_storage(VERIFICATION)
    registered = registry.with_sop_class(PRIVATE, "Private", [CFindRQ])
    assert check_request(find, PRIVATE, registry=registered).status is None


@pytest.mark.parametrize("given", [None, 5, [], [[]], [CStoreRQ, int], CStoreRQ])
def test_what_allows_no_request(given: object) -> None:
    with pytest.raises(ValueError, match="a ServiceClass or classes of requests"):
        STANDARD.with_sop_class(PRIVATE, "PrivateClass", given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 5, b"1.2.3", [PRIVATE], CStoreRQ])
def test_what_is_no_uid(given: object) -> None:
    with pytest.raises(TypeError, match="uid: must be text, not "):
        STANDARD.with_sop_class(given, "PrivateClass", ServiceClass.STORAGE)  # type: ignore[arg-type]


def test_what_is_no_keyword() -> None:
    with pytest.raises(TypeError, match="keyword: must be text, not bytes"):
        STANDARD.with_sop_class(PRIVATE, b"PrivateClass", ServiceClass.STORAGE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="keyword: must be the name of the SOP class"):
        STANDARD.with_sop_class(PRIVATE, " ", ServiceClass.STORAGE)
