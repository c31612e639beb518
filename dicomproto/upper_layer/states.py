"""The state machine of PS3.8 9.2 as data: Table 9-10, with the standard's names.

Theory of operation. An association is in one of thirteen states. Nineteen events move it: requests of the
local user (Evt1, 7, 8, 9, 11, 14, 15), reports of the transport (Evt2, 5, 17), PDUs of the peer (Evt3, 4, 6,
10, 12, 13, 16, and 19 for an invalid one) and the expiry of the ARTIM timer (Evt18). Each of the 123 filled
cells names one action and the state after it; two actions choose between two states. A blank cell cannot
happen, or is local misuse.

`UpperLayer` has one method for each action; this table alone decides what it does. The diagram and the table
of the documentation are drawn from this module.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from types import MappingProxyType


class State(Enum):
    """The thirteen states of PS3.8 Tables 9-1 to 9-5."""

    STA1 = "Sta1"
    STA2 = "Sta2"
    STA3 = "Sta3"
    STA4 = "Sta4"
    STA5 = "Sta5"
    STA6 = "Sta6"
    STA7 = "Sta7"
    STA8 = "Sta8"
    STA9 = "Sta9"
    STA10 = "Sta10"
    STA11 = "Sta11"
    STA12 = "Sta12"
    STA13 = "Sta13"

    __hash__: Callable[..., int] = object.__hash__  # Enum's is a Python call, several times a message

    @property
    def meaning(self) -> str:
        """What an association in this state waits for."""
        return _MEANINGS[self.value]


_MEANINGS = {
    "Sta1": "idle",
    "Sta2": "transport connection open, awaiting A-ASSOCIATE-RQ",
    "Sta3": "awaiting the local answer to A-ASSOCIATE-RQ",
    "Sta4": "awaiting the transport connection",
    "Sta5": "awaiting the answer to A-ASSOCIATE-RQ",
    "Sta6": "association established",
    "Sta7": "awaiting A-RELEASE-RP",
    "Sta8": "awaiting the local answer to A-RELEASE-RQ",
    "Sta9": "release collision, requestor: awaiting the local answer",
    "Sta10": "release collision, acceptor: awaiting A-RELEASE-RP",
    "Sta11": "release collision, requestor: awaiting A-RELEASE-RP",
    "Sta12": "release collision, acceptor: awaiting the local answer",
    "Sta13": "awaiting the close of the transport connection",
}

EVENTS = MappingProxyType(
    {
        "Evt1": "A-ASSOCIATE request (local user)",
        "Evt2": "transport connection confirmed",
        "Evt3": "A-ASSOCIATE-AC received",
        "Evt4": "A-ASSOCIATE-RJ received",
        "Evt5": "transport connection indicated",
        "Evt6": "A-ASSOCIATE-RQ received",
        "Evt7": "A-ASSOCIATE accept (local user)",
        "Evt8": "A-ASSOCIATE reject (local user)",
        "Evt9": "P-DATA request (local user)",
        "Evt10": "P-DATA-TF received",
        "Evt11": "A-RELEASE request (local user)",
        "Evt12": "A-RELEASE-RQ received",
        "Evt13": "A-RELEASE-RP received",
        "Evt14": "A-RELEASE response (local user)",
        "Evt15": "A-ABORT request (local user)",
        "Evt16": "A-ABORT received",
        "Evt17": "transport connection closed",
        "Evt18": "ARTIM timer expired",
        "Evt19": "invalid or unrecognized PDU received",
    }
)

# One row an event. `3:AA-8/13` means: in Sta3 do AA-8, then be in Sta13. `6-12:` means each of Sta6 to Sta12.
_ROWS = """
Evt1   1:AE-1/4
Evt2   4:AE-2/5
Evt3   2:AA-1/13  3:AA-8/13  5:AE-3/6   6-12:AA-8/13  13:AA-6/13
Evt4   2:AA-1/13  3:AA-8/13  5:AE-4/1   6-12:AA-8/13  13:AA-6/13
Evt5   1:AE-5/2
Evt6   2:AE-6/3|13  3:AA-8/13  5-12:AA-8/13  13:AA-7/13
Evt7   3:AE-7/6
Evt8   3:AE-8/13
Evt9   6:DT-1/6   8:AR-7/8
Evt10  2:AA-1/13  3:AA-8/13  5:AA-8/13  6:DT-2/6  7:AR-6/7  8-12:AA-8/13  13:AA-6/13
Evt11  6:AR-1/7
Evt12  2:AA-1/13  3:AA-8/13  5:AA-8/13  6:AR-2/8  7:AR-8/9|10  8-12:AA-8/13  13:AA-6/13
Evt13  2:AA-1/13  3:AA-8/13  5-6:AA-8/13  7:AR-3/1  8-9:AA-8/13  10:AR-10/12  11:AR-3/1
Evt13  12:AA-8/13 13:AA-6/13
Evt14  8:AR-4/13  9:AR-9/11  12:AR-4/13
Evt15  3:AA-1/13  4:AA-2/1   5-12:AA-1/13
Evt16  2:AA-2/1   3:AA-3/1   5-12:AA-3/1  13:AA-2/1
Evt17  2:AA-5/1   3-12:AA-4/1  13:AR-5/1
Evt18  2:AA-2/1   13:AA-2/1
Evt19  2:AA-1/13  3:AA-8/13  5-12:AA-8/13  13:AA-7/13
"""


def _parse_rows() -> dict[tuple[str, State], tuple[str, tuple[State, ...]]]:
    table = {}
    for row in _ROWS.split("\n")[1:-1]:
        event, *cells = row.split()
        for cell in cells:
            states, _, outcome = cell.partition(":")
            action, _, followers = outcome.partition("/")
            first, _, last = states.partition("-")
            following = tuple(State(f"Sta{number}") for number in followers.split("|"))
            for number in range(int(first), int(last or first) + 1):
                table[event, State(f"Sta{number}")] = action, following
    return table


TRANSITIONS = MappingProxyType(_parse_rows())
"""(event, state) -> (action, possible next states); a missing key is a blank cell of Table 9-10."""
