"""UIDs as pydicom's `UID`, made when a program asks for them; the engine has plain text.

A `UID` is text as well, and has `name`, `keyword`, `is_little_endian` and more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, overload

from dicomproto.record import Record

from .contexts import uid_of

R = TypeVar("R", bound=Record)
V = TypeVar("V")

if TYPE_CHECKING:
    from pydicom.uid import UID

    from dicomproto.negotiation import AcceptedContext, RejectedContext
    from dicomproto.upper_layer.pdu import PresentationContextRQ

    from .contexts import PresentationContext
    from .uid_types import (
        ShownAcceptedContext,
        ShownProposedContext,
        ShownRejectedContext,
        ShownRequestedContext,
    )

_UID_FIELDS = frozenset(
    (
        "AffectedSOPClassUID", "AffectedSOPInstanceUID", "RequestedSOPClassUID", "RequestedSOPInstanceUID",
        "abstract_syntax", "transfer_syntax", "transfer_syntaxes", "service_class_uid",
    )
)  # fmt: skip
"""The fields of commands and presentation contexts that hold a UID, or several."""


def by_uid(given: Iterable[tuple[str, V]]) -> dict[UID, V]:
    """Return a dictionary of what is given by UIDs."""
    return {uid_of(uid): value for uid, value in given}


@overload
def with_uids(record: AcceptedContext) -> ShownAcceptedContext: ...
@overload
def with_uids(record: RejectedContext) -> ShownRejectedContext: ...
@overload
def with_uids(record: PresentationContext) -> ShownRequestedContext: ...
@overload
def with_uids(record: PresentationContextRQ) -> ShownProposedContext: ...
@overload
def with_uids(record: R) -> R: ...
def with_uids(record: Record) -> Record:
    """Return a copy of a command or presentation context whose UIDs are pydicom's."""
    changed: dict[str, object] = {}
    for name in _UID_FIELDS.intersection(type(record)._fields):
        value = getattr(record, name, None)
        if isinstance(value, str):
            changed[name] = uid_of(value)
        elif isinstance(value, tuple):
            changed[name] = tuple([uid_of(one) for one in value])
    shown: Record = record.replace(**changed)
    return shown
