"""Handlers that programs bind to see what passes.

The bytes of PDUs are not logged, as they hold passcodes and the data of patients.
"""

from __future__ import annotations

import logging
from typing import Any

LOGGER = logging.getLogger("pynetdicom._handlers")

_NAMES = {
    1: "A-ASSOCIATE-RQ",
    2: "A-ASSOCIATE-AC",
    3: "A-ASSOCIATE-RJ",
    4: "P-DATA-TF",
    5: "A-RELEASE-RQ",
    6: "A-RELEASE-RP",
    7: "A-ABORT",
}


def debug_fsm(event: Any) -> None:
    """Log a transition of the state machine; bind it to EVT_FSM_TRANSITION."""
    mode = event.assoc.mode[0].upper()
    LOGGER.debug(
        "%s: %s + %s -> %s -> %s", mode, event.current_state, event.fsm_event, event.action, event.next_state
    )


def debug_data(
    event: Any, pdu_type: int | None = None, print_raw: bool = True, print_summary: bool = False
) -> None:
    """Log type and length of a PDU; bind it to EVT_DATA_SENT or EVT_DATA_RECV.

    `pdu_type` chooses one type. `print_raw` and `print_summary` change nothing: see the module.
    """
    data: bytes = event.data
    if data and (not pdu_type or data[0] == pdu_type):
        name = _NAMES.get(data[0], f"PDU of type {data[0]:02X}H")
        LOGGER.debug("%s: %s, %d bytes", event.event.name, name, len(data))
