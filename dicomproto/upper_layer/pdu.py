"""The seven PDUs and their items as values (PS3.8 9.3, PS3.7 Annex D).

The same classes are sent and received. Received text stays as it came, one character a byte (ISO 8859-1), so
that nothing is lost and everything can be decoded. Only the trailing spaces that pad an AE title to 16 bytes
are removed. `normalize_ae_title` and `normalize_uid` return the significant part of a text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..judging import octets, short, text, texts, truth
from ..record import Record
from ..uids import APPLICATION_CONTEXT_NAME

Buffer = bytes | bytearray | memoryview
"""The types of byte buffers that are taken and returned."""


def normalize_ae_title(title: str) -> str:
    """Return `title` without leading and trailing spaces and NULs, which are not significant."""
    return title.strip(" \0")


class UnknownItem(Record):
    """An item of a type that the standard does not define; it is kept as bytes and ignored (PS3.8 9.3.1)."""

    item_type: int
    data: bytes


class PresentationContextRQ(Record):
    """One proposed presentation context (20H; PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    unknown_items: tuple[UnknownItem, ...] = ()


class PresentationContextAC(Record):
    """The answer to one proposed presentation context (21H; PS3.8 9.3.3.2).

    `result` is 0 acceptance, 1 user-rejection, 2 no-reason, 3 abstract-syntax-not-supported,
    4 transfer-syntaxes-not-supported. `transfer_syntax` means nothing unless `result` is 0.
    """

    context_id: int
    result: int
    transfer_syntax: str = ""
    unknown_items: tuple[UnknownItem, ...] = ()


_NOT_SET: Any = None
"""The value of a field that an item made empty does not have yet."""

_JUDGES: dict[str, Callable[[str, object], object]] = {
    "str": text,
    "tuple[str, ...]": texts,
    "bytes": octets,
    "bool": truth,
    "int": short,
}
"""The check of each type of a field."""


def _judged(item: type[NegotiationItem], field: str, kind: str, value: object) -> object:
    is_missing = value is None and item._fields[field] is None
    return value if is_missing else _JUDGES[kind](field, value)


class NegotiationItem(Record):
    """Base of the items of the extended negotiation, which may be made empty and filled field by field.

    A field can be set while it has its default, and never again. A request with an item that lacks a field is
    not sent. Raises TypeError or ValueError for a value of the wrong type or size.
    """

    def __init_subclass__(cls) -> None:
        cls._converters = {
            field: partial(_judged, cls, field, kind) for field, kind in cls.__annotations__.items()
        }

    def __setattr__(self, name: str, value: object) -> None:
        fields, judges = type(self)._fields, type(self)._converters
        if name in fields and getattr(self, name) == fields[name]:
            object.__setattr__(self, name, judges[name](value))
        else:
            super().__setattr__(name, value)


class AsynchronousOperationsWindow(NegotiationItem):
    """Operations that may be outstanding at once, 0 for any number (53H; PS3.7 D.3.3.3)."""

    maximum_invoked: int = _NOT_SET
    maximum_performed: int = _NOT_SET


class RoleSelection(NegotiationItem):
    """Roles that the requestor proposes for itself, or that the acceptor grants it (54H; PS3.7 D.3.3.4)."""

    sop_class_uid: str = _NOT_SET
    scu_role: bool = False
    scp_role: bool = False


class SOPClassExtendedNegotiation(NegotiationItem):
    """Service class application information for one SOP class (56H; PS3.7 D.3.3.5)."""

    sop_class_uid: str = _NOT_SET
    application_information: bytes = _NOT_SET


class SOPClassCommonExtendedNegotiation(NegotiationItem):
    """Service class and related general SOP classes of a SOP class (57H; PS3.7 D.3.3.6)."""

    sop_class_uid: str = _NOT_SET
    service_class_uid: str = _NOT_SET
    related_general_sop_class_uids: tuple[str, ...] = ()
    version: int = 0


class UserIdentityRQ(NegotiationItem):
    """The identity of the requestor's user (58H; PS3.7 D.3.3.7.1).

    `identity_type` is 1 user name, 2 user name and passcode, 3 Kerberos ticket, 4 SAML assertion, 5 JWT.
    """

    identity_type: int = _NOT_SET
    primary_field: bytes = _NOT_SET
    secondary_field: bytes = b""
    positive_response_requested: bool = False


class UserIdentityAC(Record):
    """The acceptor's positive response to a user identity (59H; PS3.7 D.3.3.7.2)."""

    server_response: bytes = b""


class _Associate(Record):
    """The base of A-ASSOCIATE-RQ and -AC; `warnings` lists the tolerated faults."""

    called_ae_title: str
    calling_ae_title: str
    application_context_name: str = APPLICATION_CONTEXT_NAME
    maximum_length: int | None = None
    implementation_class_uid: str | None = None
    implementation_version_name: str | None = None
    asynchronous_operations_window: AsynchronousOperationsWindow | None = None
    role_selections: tuple[RoleSelection, ...] = ()
    sop_class_extended: tuple[SOPClassExtendedNegotiation, ...] = ()
    sop_class_common_extended: tuple[SOPClassCommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentityRQ | None = None
    user_identity_response: UserIdentityAC | None = None
    unknown_items: tuple[UnknownItem, ...] = ()
    unknown_user_information: tuple[UnknownItem, ...] = ()
    protocol_version: int = 1
    reserved: bytes = bytes(32)
    """Bytes 43 to 74; an A-ASSOCIATE-AC returns them as they came (PS3.8 Table 9-17)."""
    raw_ae_titles: bytes = b""
    """Bytes 11 to 42, both titles as they came, if they were padded with NULs.

    An A-ASSOCIATE-AC returns them. They are sent only while they agree with the two texts.
    """
    warnings: tuple[str, ...] = ()


class AssociateRQ(_Associate):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2).

    An absent user information item is None. Items that belong to the other direction are kept too.
    """

    presentation_contexts: tuple[PresentationContextRQ, ...] = ()


class AssociateAC(_Associate):
    """A-ASSOCIATE-AC (PS3.8 9.3.3). Its AE titles are reserved: we return them, and never test them."""

    presentation_contexts: tuple[PresentationContextAC, ...] = ()


class AssociateRJ(Record):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4); any value from 0 to 255 is kept."""

    result: int
    source: int
    reason: int

    @property
    def meaning(self) -> str:
        """The three fields in words (PS3.8 Table 9-21)."""
        result = {1: "rejected permanently", 2: "rejected transiently"}.get(
            self.result, f"rejected (result {self.result})"
        )
        source = _REJECT_SOURCES.get(self.source, f"source {self.source}")
        reason = REJECT_REASONS.get((self.source, self.reason), f"reason {self.reason}")
        return f"{result} by the {source}: {reason}"


class PresentationDataValue(Record):
    """One PDV item: a fragment of a command set or data set (PS3.8 9.3.5.1, Annex E.2)."""

    context_id: int
    is_command: bool
    is_last: bool
    data: Buffer


class PDataTF(Record):
    """P-DATA-TF (PS3.8 9.3.5), to be sent. A received one becomes `PDVChunk`s."""

    values: tuple[PresentationDataValue, ...]


class ReleaseRQ(Record):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""


class ReleaseRP(Record):
    """A-RELEASE-RP (PS3.8 9.3.7)."""


class Abort(Record):
    """A-ABORT (PS3.8 9.3.8): source 0 is the service-user, 2 the service-provider."""

    source: int = 0
    reason: int = 0

    @property
    def meaning(self) -> str:
        """Both fields in words (PS3.8 Table 9-26)."""
        if self.source == 2:
            reason = _ABORT_REASONS.get(self.reason, f"reason {self.reason}")
            return f"aborted by the service-provider: {reason}"
        if self.source == 0:
            return "aborted by the service-user"
        return f"aborted (source {self.source}, reason {self.reason})"


PDU = AssociateRQ | AssociateAC | AssociateRJ | PDataTF | ReleaseRQ | ReleaseRP | Abort
"""The seven PDUs of PS3.8 9.3."""

_REJECT_SOURCES = {
    1: "service-user",
    2: "service-provider (ACSE related function)",
    3: "service-provider (presentation related function)",
}
REJECT_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_ABORT_REASONS = {
    0: "reason not specified",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}
