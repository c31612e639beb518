"""How many Python calls a message costs with the drop-in, and what it makes for each."""

from __future__ import annotations

import pickle
import sys
from copy import copy, deepcopy
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CStoreRSP
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto_transports import pynetdicom
from dicomproto_transports.pynetdicom._statuses import status_data_set
from tests.associations import CT_IMAGE
from tests.transports.test_message_calls import CT_SMALL, MESSAGES, WARM_UP, Calls


@pytest.mark.parametrize(
    ("event", "most_of_user", "most_of_provider"),
    [(pynetdicom.evt.EVT_C_STORE, 202, 131), (pynetdicom.evt.EVT_C_ECHO, 86, 93)],
    ids=["C-STORE", "C-ECHO"],
)
def test_a_message_takes_few_calls(event: Any, most_of_user: int, most_of_provider: int) -> None:
    """On either side: from call to return, and from one call of the handler to the next."""
    user, provider = Calls(), Calls()

    def handle(_: Any) -> int:
        sys.setprofile(None)
        provider.begin()
        return 0x0000

    ae = pynetdicom.AE()
    for uid in (CT_IMAGE, VERIFICATION):
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
        ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(event, handle)])
    assoc = ae.associate(*server.server_address[:2])
    for _ in range(WARM_UP + MESSAGES + 1):
        user.begin()
        try:
            is_echo = event is pynetdicom.evt.EVT_C_ECHO
            status = assoc.send_c_echo() if is_echo else assoc.send_c_store(CT_SMALL)
        finally:
            user.end()
        assert status
        assert status.Status == 0x0000
    assoc.release()
    ae.shutdown()
    for calls, most in ((user, most_of_user), (provider, most_of_provider)):
        count, by_function = calls.of_a_message()
        assert count <= most, (count, by_function)


def test_a_status_is_a_data_set_like_any_other() -> None:
    ae = pynetdicom.AE()
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    assoc = ae.associate(*server.server_address[:2])
    first, second = assoc.send_c_echo(), assoc.send_c_echo()
    assoc.release()
    ae.shutdown()
    expected = Dataset()
    expected.Status = 0x0000
    for status in (first, deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert isinstance(status, Dataset)
        assert status == expected
        assert type(status) is Dataset
        assert str(status) == str(expected)
        assert vars(status).keys() == vars(expected).keys()
        assert (expected == status, status == Dataset(), Dataset() == status) == (True, False, False)
    first.Status, first.ErrorComment = 0x0110, "mine"
    assert second == expected


def changed(status: Any) -> object:
    status.Status, status.ErrorComment = 0x0110, "mine"
    return status


def set_within(status: Any) -> object:
    status[0x0000_0900].value = 0xFE00
    return status.Status


def replaced(status: Any) -> object:
    status[0x0000_0900] = DataElement(0x0000_0900, "US", 0xC000)
    return status.Status, status.get("Status"), status["Status"].value


def without_status(status: Any) -> object:
    del status.Status
    with pytest.raises(AttributeError, match="'Dataset' object has no attribute 'Status'"):
        status.Status  # noqa: B018
    return hasattr(status, "Status"), "Status" in status, len(status)


def set_again(status: Any) -> object:
    del status.Status
    status.Status = 0x0001
    return status.Status


def extended(status: Any) -> object:
    status.mine = 7
    status.PatientName = "A^B"
    return status.mine, status.Status, str(status)


def walked(status: Any) -> object:
    tags: list[int] = []
    status.walk(lambda within, element: tags.append(element.tag))
    return tags


USES: list[Any] = [
    bool, len, list, str, repr, deepcopy, copy, changed, set_within, replaced, without_status, set_again,
    extended, Dataset,
    lambda status: status.Status,
    lambda status: (status.ErrorComment, status.OffendingElement),
    lambda status: (hasattr(status, "ErrorComment"), hasattr(status, "Nothing"), hasattr(status, "ErrorID")),
    lambda status: status.to_json_dict(),
    lambda status: pickle.loads(pickle.dumps(status)),
    lambda status: (Dataset() == status, status == Dataset(), status == deepcopy(status)),
    lambda status: (sorted(status.keys()), len(status.values()), dict(status.items()), [*status.elements()]),
    lambda status: (status.get("Status"), status.get(0x0000_0900), status.get("Nothing", 3)),
    lambda status: ("Status" in status, 0x0000_0900 in status, status[0x0000_0900].VR),
    walked,
    lambda status: (isinstance(status, Dataset), status.__class__.__name__ and len(status)),
    lambda status: {name for name in dir(status) if not name.startswith("_")},
    lambda status: (status.pop("Status").value, len(status), bool(status)),
    lambda status: status.update({"ErrorComment": "other"}) or str(status),
    lambda status: (status.is_little_endian, status.original_encoding, status.is_implicit_VR),
    lambda status: f"{status.Status:04X} {status.get('ErrorComment', '')}",
]  # fmt: skip


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("fields", [{}, {"ErrorComment": "why", "OffendingElement": (0x0010_0010,)}])
def test_whatever_is_done_first_with_a_status_a_data_set_does(use: Any, fields: Any) -> None:
    """It is filled when more than its code is asked for."""
    response = CStoreRSP(MessageIDBeingRespondedTo=1, Status=0xA700, **fields)
    plain = Dataset()
    plain.Status = 0xA700
    for name, value in fields.items():
        setattr(plain, name, list(value) if isinstance(value, tuple) else value)

    def outcome(status: Dataset) -> object:
        try:
            return use(status)
        except AttributeError as error:
            return type(error)

    status = status_data_set(response)
    assert outcome(status) == outcome(plain)
    assert len(status) == len(plain)
    assert type(status) is Dataset
