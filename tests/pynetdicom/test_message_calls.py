"""How many Python calls a message costs with the drop-in, and what it makes for each."""

from __future__ import annotations

import pickle
import sys
from copy import deepcopy
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto_transports import pynetdicom
from tests.associations import CT_IMAGE
from tests.transports.test_message_calls import CT_SMALL, MESSAGES, WARM_UP, Calls


@pytest.mark.parametrize(
    ("event", "most_of_user", "most_of_provider"),
    [(pynetdicom.evt.EVT_C_STORE, 203, 131), (pynetdicom.evt.EVT_C_ECHO, 88, 93)],
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
        assert str(status) == str(expected)
        assert vars(status).keys() == vars(expected).keys()
        assert (expected == status, status == Dataset(), Dataset() == status) == (True, False, False)
    first.Status, first.ErrorComment = 0x0110, "mine"
    assert second == expected
    assert (first.Status, first[0x0000_0900].value, first["Status"].value) == (0x0110,) * 3
    first[0x0000_0900].value = 0xFE00
    assert (first.Status, first.get("Status")) == (0xFE00, 0xFE00)
    first[0x0000_0900] = DataElement(0x0000_0900, "US", 0xC000)
    assert (first.Status, first.to_json_dict()["00000900"]) == (0xC000, {"vr": "US", "Value": [0xC000]})
    del first.Status
    assert not hasattr(first, "Status")
    assert "Status" not in first
    with pytest.raises(AttributeError, match="object has no attribute 'Status'"):
        first.Status  # noqa: B018
    first.Status = 0x0000
    assert first.Status == 0x0000
