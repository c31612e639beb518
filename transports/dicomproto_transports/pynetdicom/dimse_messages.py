"""The messages that handlers of EVT_DIMSE_RECV and EVT_DIMSE_SENT see, a class for each kind."""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import COMMANDS, DATA_SET_PRESENT, NO_DATA_SET
from dicomproto.record import slots_of

from ..events.message import Message


class DIMSEMessage:
    """A message that was received or sent: its command set and its data set."""

    def __init__(self, message: Message) -> None:
        """Show a message of the library."""
        self._message = message

    def __repr__(self) -> str:
        """Return the name of the message."""
        return f"<{self.msg_type}>"

    @property
    def msg_type(self) -> str:
        """The name of the message, such as C-STORE-RQ."""
        return self._message.command.name

    @property
    def context_id(self) -> int:
        """The ID of its presentation context."""
        return self._message.context_id

    @property
    def ID(self) -> int:
        """The same as `context_id`."""
        return self._message.context_id

    @cached_property
    def command_set(self) -> Dataset:
        """The command set (PS3.7 Annex E)."""
        command, made = self._message.command, Dataset()
        made.CommandField = type(command).command_field
        made.CommandDataSetType = DATA_SET_PRESENT if self._message.data_length else NO_DATA_SET
        for name, slot in slots_of(type(command)).items():
            value: Any = getattr(command, slot)
            if value is not None and name != "CommandDataSetType" and tag_for_keyword(name) is not None:
                setattr(made, name, list(value) if isinstance(value, tuple) else value)
        return made

    @cached_property
    def data_set(self) -> BytesIO:
        """The encoded data set, empty without one."""
        return BytesIO(bytes(self._message.data or b""))


def _kind(name: str) -> type[DIMSEMessage]:
    return type(
        name, (DIMSEMessage,), {"__doc__": f"A {name.replace('_', '-')} message.", "__module__": __name__}
    )


C_CANCEL_RQ: type[DIMSEMessage] = _kind("C_CANCEL_RQ")
C_ECHO_RQ: type[DIMSEMessage] = _kind("C_ECHO_RQ")
C_ECHO_RSP: type[DIMSEMessage] = _kind("C_ECHO_RSP")
C_FIND_RQ: type[DIMSEMessage] = _kind("C_FIND_RQ")
C_FIND_RSP: type[DIMSEMessage] = _kind("C_FIND_RSP")
C_GET_RQ: type[DIMSEMessage] = _kind("C_GET_RQ")
C_GET_RSP: type[DIMSEMessage] = _kind("C_GET_RSP")
C_MOVE_RQ: type[DIMSEMessage] = _kind("C_MOVE_RQ")
C_MOVE_RSP: type[DIMSEMessage] = _kind("C_MOVE_RSP")
C_STORE_RQ: type[DIMSEMessage] = _kind("C_STORE_RQ")
C_STORE_RSP: type[DIMSEMessage] = _kind("C_STORE_RSP")
N_ACTION_RQ: type[DIMSEMessage] = _kind("N_ACTION_RQ")
N_ACTION_RSP: type[DIMSEMessage] = _kind("N_ACTION_RSP")
N_CREATE_RQ: type[DIMSEMessage] = _kind("N_CREATE_RQ")
N_CREATE_RSP: type[DIMSEMessage] = _kind("N_CREATE_RSP")
N_DELETE_RQ: type[DIMSEMessage] = _kind("N_DELETE_RQ")
N_DELETE_RSP: type[DIMSEMessage] = _kind("N_DELETE_RSP")
N_EVENT_REPORT_RQ: type[DIMSEMessage] = _kind("N_EVENT_REPORT_RQ")
N_EVENT_REPORT_RSP: type[DIMSEMessage] = _kind("N_EVENT_REPORT_RSP")
N_GET_RQ: type[DIMSEMessage] = _kind("N_GET_RQ")
N_GET_RSP: type[DIMSEMessage] = _kind("N_GET_RSP")
N_SET_RQ: type[DIMSEMessage] = _kind("N_SET_RQ")
N_SET_RSP: type[DIMSEMessage] = _kind("N_SET_RSP")

_KINDS: dict[str, type[DIMSEMessage]] = {
    command.name: globals()[command.name.replace("-", "_")] for command in COMMANDS.values()
}


def message_of(message: Message) -> DIMSEMessage:
    """Return a message of the library as one of its kind."""
    return _KINDS[message.command.name](message)
