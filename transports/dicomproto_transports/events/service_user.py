"""One end of an association, as the other end knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from dicomproto.record import Record
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
)

from ..contexts import uid_of
from ..uid_values import by_uid, with_uids

if TYPE_CHECKING:
    from pydicom.uid import UID

    from ..uid_types import ShownProposedContext


class UserInfo(TypedDict):
    """The facts of one end that programs read most, by the keys that pynetdicom's users know."""

    ae_title: str
    address: str | None
    port: int | None
    mode: Literal["requestor", "acceptor"]
    pdv_size: int | None
    """`ServiceUser.maximum_length`."""


class ServiceUser(Record):
    """One end of an association: its name, its address and what it sent in the negotiation.

    `primitive` is the A-ASSOCIATE PDU that it sent, None before that. Values that it did not send are None or
    empty. UIDs are `pydicom.uid.UID`, but those of the PDU and its items.
    """

    ae_title: str
    address: str | None = None
    port: int | None = None
    primitive: AssociateRQ | AssociateAC | None = None

    def info(self, mode: Literal["requestor", "acceptor"]) -> UserInfo:
        """Return the name, address and maximum length of this end, in the role that it has."""
        return {
            "ae_title": self.ae_title,
            "address": self.address,
            "port": self.port,
            "mode": mode,
            "pdv_size": self.maximum_length,
        }

    @property
    def maximum_length(self) -> int | None:
        """Bytes of a P-DATA-TF after its header that this end takes; 0 for any number."""
        return None if self.primitive is None else self.primitive.maximum_length

    @property
    def implementation_class_uid(self) -> UID | None:
        """The Implementation Class UID, of item 52H (PS3.7 D.3.3.2.1)."""
        uid = None if self.primitive is None else self.primitive.implementation_class_uid
        return None if uid is None else uid_of(uid)

    @property
    def implementation_version_name(self) -> str | None:
        """The Implementation Version Name, of item 55H (PS3.7 D.3.3.2.3)."""
        return None if self.primitive is None else self.primitive.implementation_version_name

    @property
    def asynchronous_operations(self) -> AsynchronousOperationsWindow | None:
        """The asynchronous operations window that this end proposed or answered."""
        return None if self.primitive is None else self.primitive.asynchronous_operations_window

    @property
    def role_selection(self) -> dict[UID, RoleSelection]:
        """The roles that this end proposed or answered, by SOP class UID."""
        items = () if self.primitive is None else self.primitive.role_selections
        return by_uid((item.sop_class_uid, item) for item in items)

    @property
    def sop_class_extended(self) -> dict[UID, bytes]:
        """The application information that this end sent, by SOP class UID."""
        items = () if self.primitive is None else self.primitive.sop_class_extended
        return by_uid((item.sop_class_uid, item.application_information) for item in items)

    @property
    def sop_class_common_extended(self) -> dict[UID, SOPClassCommonExtendedNegotiation]:
        """The common extended negotiation items that this end sent, by SOP class UID."""
        items = () if self.primitive is None else self.primitive.sop_class_common_extended
        return by_uid((item.sop_class_uid, item) for item in items)

    @property
    def user_identity(self) -> UserIdentityRQ | UserIdentityAC | None:
        """The identity that the requestor presented, or the acceptor's response to it."""
        if isinstance(self.primitive, AssociateAC):
            return self.primitive.user_identity_response
        return None if self.primitive is None else self.primitive.user_identity

    @property
    def requested_contexts(self) -> tuple[ShownProposedContext, ...]:
        """The presentation contexts that the requestor proposed; empty for the acceptor."""
        proposed = self.primitive.presentation_contexts if isinstance(self.primitive, AssociateRQ) else ()
        return tuple([with_uids(context) for context in proposed])
