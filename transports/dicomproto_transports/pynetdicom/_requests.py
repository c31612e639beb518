"""The events of the peer's requests: what handlers read of them is made when it is read."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from dicomproto.dimse.commands import CStoreRQ, Request

from . import events as evt
from .dimse_primitives import primitive_of
from .dsutils import create_file_meta, encode_file_meta
from .presentation import PresentationContextTuple

if TYPE_CHECKING:
    from ..scp.data_sets import IncomingDataSet

KINDS: dict[str, tuple[evt.InterventionEvent, str]] = {
    "C-ECHO-RQ": (evt.EVT_C_ECHO, ""),
    "C-STORE-RQ": (evt.EVT_C_STORE, "DataSet"),
    "C-FIND-RQ": (evt.EVT_C_FIND, "Identifier"),
    "C-GET-RQ": (evt.EVT_C_GET, "Identifier"),
    "C-MOVE-RQ": (evt.EVT_C_MOVE, "Identifier"),
    "N-EVENT-REPORT-RQ": (evt.EVT_N_EVENT_REPORT, "EventInformation"),
    "N-GET-RQ": (evt.EVT_N_GET, ""),
    "N-SET-RQ": (evt.EVT_N_SET, "ModificationList"),
    "N-ACTION-RQ": (evt.EVT_N_ACTION, "ActionInformation"),
    "N-CREATE-RQ": (evt.EVT_N_CREATE, "AttributeList"),
    "N-DELETE-RQ": (evt.EVT_N_DELETE, ""),
}
"""The event of each request, by the name of its command, and the parameter that holds its data set."""


class RequestEvent(evt.Event):
    """A request of the peer; its primitive and its data set are made when they are asked for."""

    def __init__(
        self, assoc: Any, event: evt.InterventionEvent, data_set: IncomingDataSet, parameter: str
    ) -> None:
        """Make the event of a request; `parameter` is the one that holds its data set."""
        super().__init__(assoc, event)
        self._data = data_set
        self.command: Request = data_set.received.command
        """The request as the library knows it."""
        self._name = parameter
        self._is_cut_told = False

    @cached_property
    def context(self) -> PresentationContextTuple:
        """The presentation context of the request."""
        accepted = self._data.context
        return PresentationContextTuple(
            accepted.context_id, UID(accepted.abstract_syntax), UID(accepted.transfer_syntax)
        )

    @cached_property
    def request(self) -> Any:
        """The request as a primitive, with its data set as a stream, empty for one that is in a file."""
        data = None
        if self._data.received.has_data_set and self._name:
            data = bytes(self._data.data) if self.stored_at is None else b""
        return primitive_of(self.command, data, self._data.received.context_id)

    def _parameter(self, name: str, text: str) -> Any:
        if name == "MessageID":
            return self.command.MessageID
        return super()._parameter(name, text)

    def _decode(self, name: str, text: str) -> Dataset:
        if name == self._name and "request" not in self.__dict__:
            return self._data.dataset
        return super()._decode(name, text)

    @property
    def file_meta(self) -> FileMetaDataset:
        """File Meta Information for the data set of a C-STORE."""
        command = self.command
        if not isinstance(command, CStoreRQ):
            raise AttributeError("The corresponding event is not a C-STORE request")
        return create_file_meta(
            sop_class_uid=UID(command.AffectedSOPClassUID),
            sop_instance_uid=UID(command.AffectedSOPInstanceUID),
            transfer_syntax=self.context.transfer_syntax,
        )

    def encoded_dataset(self, include_meta: bool = True) -> bytes:
        """Return the data set of a C-STORE as received, by default as the content of a Part 10 file.

        Raises AttributeError for one that is in a file: pynetdicom returns a head without a data set.
        """
        if self.stored_at is not None:
            raise AttributeError("the data set is in a file: read 'dataset_path'")
        if self._name != "DataSet" or "request" in self.__dict__:
            return super().encoded_dataset(include_meta)
        data = self._data.data
        if not include_meta:
            return bytes(data)
        return b"".join((bytes(128), b"DICM", encode_file_meta(self.file_meta), data))

    @property
    def is_cancelled(self) -> bool:
        """True once, when the peer has cancelled the operation or is gone; False before that and after it."""
        if not self._is_cut_told and self.assoc.session.runner.is_cut(self.command.MessageID):
            self._is_cut_told = True
            return True
        return False
