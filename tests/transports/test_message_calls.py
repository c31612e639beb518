"""How many Python calls one message costs over an association of the blocking flavour."""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median
from types import CodeType, FrameType

import pytest
from pydicom.data import get_testdata_file

from dicomproto.uids import VERIFICATION
from dicomproto_transports import evt
from dicomproto_transports.blocking import AE, Association
from tests.associations import CT_IMAGE

WARM_UP, MESSAGES = 20, 50
CT_SMALL = str(get_testdata_file("CT_small.dcm", download=False))


class Calls:
    """Counts the Python calls of a thread, message by message."""

    def __init__(self) -> None:
        self.counts: list[Counter[CodeType]] = []

    def begin(self) -> None:
        """Count for the next message from now on."""
        self.counts.append(Counter())
        sys.setprofile(self._count)

    def end(self) -> None:
        """Count no longer."""
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename != __file__:
            self.counts[-1][frame.f_code] += 1

    def of_a_message(self) -> tuple[float, dict[str, int]]:
        """Return the median, and the calls of the last message by function."""
        steady = self.counts[WARM_UP : WARM_UP + MESSAGES]
        assert len(steady) == MESSAGES
        by_function = {code.co_qualname: count for code, count in steady[-1].items()}
        return median(sum(count.values()) for count in steady), by_function


def send(assoc: Association, event: evt.EventKind) -> int:
    if event is evt.EVT_C_ECHO:
        return assoc.send_c_echo().Status
    return assoc.send_c_store(CT_SMALL).Status


@pytest.mark.parametrize(
    ("event", "most_of_user", "most_of_provider"),
    [(evt.EVT_C_STORE, 258, 201), (evt.EVT_C_ECHO, 145, 150)],
    ids=["C-STORE", "C-ECHO"],
)
def test_a_message_takes_few_calls(event: evt.EventKind, most_of_user: int, most_of_provider: int) -> None:
    """On either side: from call to return, and from one call of the handler to the next."""
    user, provider = Calls(), Calls()

    def handle(_: evt.Event) -> int:
        provider.end()
        provider.begin()
        return 0x0000

    ae = AE()
    for uid in (CT_IMAGE, VERIFICATION):
        ae.add_requested_context(uid)
        ae.add_supported_context(uid)
    with (
        ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(event, handle)]) as server,
        ae.associate("127.0.0.1", server.address[1]) as assoc,
    ):
        for _ in range(WARM_UP + MESSAGES + 1):
            user.begin()
            try:
                status = send(assoc, event)
            finally:
                user.end()
            assert status == 0x0000
    for calls, most in ((user, most_of_user), (provider, most_of_provider)):
        count, by_function = calls.of_a_message()
        assert count <= most, by_function
