"""A DIMSE message that was received or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.dimse.commands import Command
    from dicomproto.upper_layer.pdu import Buffer


class Message:
    """A DIMSE message that was received or sent: `event.message`.

    `command` is its command set, `context_id` its presentation context and `transfer_syntax` that of the
    context. `data_length` is the length of its data set in bytes, 0 without one; `data` is the encoded data
    set, or None if it is longer than `Limits.collect` or no handler reads it.
    """

    __slots__ = ("command", "context_id", "transfer_syntax", "data", "data_length", "_limit", "_dataset")

    def __init__(
        self,
        command: Command,
        context_id: int,
        transfer_syntax: str,
        data: Buffer | None,
        data_length: int,
        limit: int,
    ) -> None:
        self.command: Command = command
        self.context_id: int = context_id
        self.transfer_syntax: str = transfer_syntax
        self.data: Buffer | None = data
        self.data_length: int = data_length
        self._limit: int = limit
        self._dataset: Dataset | None = None

    def __repr__(self) -> str:
        return f"<Message {self.command!r} on context {self.context_id}, {self.data_length} bytes of data>"

    @property
    def dataset(self) -> Dataset | None:
        """The data set, decoded by pydicom at first use; None without `data`. Raises DataSetError."""
        if self._dataset is None and self.data is not None and self.data_length:
            from dicomproto.datasets import decode_data_set

            self._dataset = decode_data_set(
                self.data, self.transfer_syntax, inflate_limit=self._limit, file_meta=False
            )
        return self._dataset
