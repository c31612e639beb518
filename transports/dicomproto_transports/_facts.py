"""Who is at the two ends of an association, and what each of them said of itself."""

from __future__ import annotations

import operator

from dicomproto._record import Record
from dicomproto.uids import normalize_uid
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    normalize_ae_title,
)

from ._stream import Address
from ._text import named


class ServiceUser(Record):
    """One end of an association: its name, its address and what it sent in the negotiation.

    `maximum_length` is how many bytes of a P-DATA-TF it takes (0 for any number), `primitive` the
    PDU that it sent, None as long as it has sent none. What was not sent is None or empty.
    """

    ae_title: str
    address: str | None = None
    port: int | None = None
    primitive: AssociateRQ | AssociateAC | None = None

    @property
    def maximum_length(self) -> int | None:
        """Bytes of a P-DATA-TF after its header that this end takes; 0 for any number."""
        return None if self.primitive is None else self.primitive.maximum_length

    @property
    def implementation_class_uid(self) -> str | None:
        """Item 52H."""
        return None if self.primitive is None else self.primitive.implementation_class_uid

    @property
    def implementation_version_name(self) -> str | None:
        """Item 55H."""
        return None if self.primitive is None else self.primitive.implementation_version_name

    @property
    def asynchronous_operations(self) -> AsynchronousOperationsWindow | None:
        """The window that this end proposed or answered."""
        return None if self.primitive is None else self.primitive.asynchronous_operations_window

    @property
    def role_selection(self) -> dict[str, RoleSelection]:
        """The roles that this end proposed or answered, by SOP class UID."""
        items = () if self.primitive is None else self.primitive.role_selections
        return {normalize_uid(item.sop_class_uid): item for item in items}

    @property
    def sop_class_extended(self) -> dict[str, bytes]:
        """The application information that this end sent, by SOP class UID."""
        items = () if self.primitive is None else self.primitive.sop_class_extended
        return {normalize_uid(item.sop_class_uid): item.application_information for item in items}

    @property
    def sop_class_common_extended(self) -> dict[str, SOPClassCommonExtendedNegotiation]:
        """The common extended negotiation items that this end sent, by SOP class UID."""
        items = () if self.primitive is None else self.primitive.sop_class_common_extended
        return {normalize_uid(item.sop_class_uid): item for item in items}

    @property
    def user_identity(self) -> UserIdentityRQ | UserIdentityAC | None:
        """The identity that the requestor presented, or the acceptor's response to it."""
        if isinstance(self.primitive, AssociateAC):
            return self.primitive.user_identity_response
        return None if self.primitive is None else self.primitive.user_identity

    @property
    def requested_contexts(self) -> tuple[PresentationContextRQ, ...]:
        """The presentation contexts that the requestor proposed; empty for the acceptor."""
        return self.primitive.presentation_contexts if isinstance(self.primitive, AssociateRQ) else ()


def requestor_of(rq: AssociateRQ | None, address: Address) -> ServiceUser:
    """Return the requestor as far as it is known."""
    title = "" if rq is None else normalize_ae_title(rq.calling_ae_title)
    host, port = host_and_port(address)
    return ServiceUser(ae_title=title, address=host, port=port, primitive=rq)


def acceptor_of(rq: AssociateRQ | None, ac: AssociateAC | None, address: Address) -> ServiceUser:
    """Return the acceptor; its name is what it was called, since that of the answer means nothing."""
    title = "" if rq is None else normalize_ae_title(rq.called_ae_title)
    host, port = host_and_port(address)
    return ServiceUser(ae_title=title, address=host, port=port, primitive=ac)


def host_and_port(address: Address) -> tuple[str | None, int | None]:
    """Return both parts of an address, or Nones where the transport has none."""
    return (None, None) if address is None else (address[0], address[1])


def name_of(title: str, address: Address) -> str:
    """Return the name of a peer for an error text, such as `'STORESCP' at [::1]:104`."""
    host, port = host_and_port(address)
    where = "" if host is None else f" at [{host}]:{port}" if ":" in host else f" at {host}:{port}"
    return f"{title!r}{where}" if title else f"the peer{where}"


def window_of(operations: object) -> AsynchronousOperationsWindow:
    """Return the window of (operations invoked, operations performed) by the requestor, 0 for any number.

    Raises TypeError for what are no two whole numbers and ValueError for those that no PDU can hold.
    """
    invoked, performed = map(operator.index, operations)  # type: ignore[call-overload]
    if not (0 <= invoked <= 0xFFFF and 0 <= performed <= 0xFFFF):
        raise ValueError(f"numbers of operations are from 0 to 65535, unlike {operations!r}")
    return AsynchronousOperationsWindow(maximum_invoked=invoked, maximum_performed=performed)


def own_title(title: str | bytes) -> str:
    """Return an AE title without padding; raises ValueError for one that PS3.5 Table 6.2-1 does not allow.

    What is no text raises TypeError.
    """
    if not isinstance(title, str | bytes):
        raise TypeError(f"an AE title is str or bytes, not {named(title)}")
    text = title.decode("latin-1") if isinstance(title, bytes) else title
    text = normalize_ae_title(text)
    if not 0 < len(text) <= 16 or not all(" " <= c <= "~" and c != "\\" for c in text):
        raise ValueError(f"an AE title has 1 to 16 ASCII characters and no backslash, unlike {title!r}")
    return text
