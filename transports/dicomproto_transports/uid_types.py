"""What events, associations and entities show, for type checkers: its UIDs are `pydicom.uid.UID`.

At run time it is of the classes of the engine, whose fields hold any text. Nothing imports this module then.
"""

from __future__ import annotations

from pydicom.uid import UID

from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
)
from dicomproto.negotiation import AcceptedContext, RejectedContext
from dicomproto.upper_layer.pdu import PresentationContextRQ

from .contexts import PresentationContext


class ShownAcceptedContext(AcceptedContext):
    """An accepted presentation context."""

    abstract_syntax: UID
    transfer_syntax: UID


class ShownRejectedContext(RejectedContext):
    """A rejected presentation context."""

    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...]


class ShownProposedContext(PresentationContextRQ):
    """A presentation context that a requestor proposed."""

    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...]


class ShownRequestedContext(PresentationContext, ShownProposedContext):
    """A presentation context that an application entity requests."""

    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...]

    @property
    def transfer_syntax(self) -> tuple[UID, ...]:
        """The same as `transfer_syntaxes`."""
        return self.transfer_syntaxes


class ShownCEchoRQ(CEchoRQ):
    """A C-ECHO request."""

    AffectedSOPClassUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID


class ShownCStoreRQ(CStoreRQ):
    """A C-STORE request."""

    AffectedSOPClassUID: UID
    AffectedSOPInstanceUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        """The Affected SOP Instance UID."""
        return self.AffectedSOPInstanceUID


class ShownCFindRQ(CFindRQ):
    """A C-FIND request."""

    AffectedSOPClassUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID


class ShownCGetRQ(CGetRQ):
    """A C-GET request."""

    AffectedSOPClassUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID


class ShownCMoveRQ(CMoveRQ):
    """A C-MOVE request."""

    AffectedSOPClassUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID


class ShownNEventReportRQ(NEventReportRQ):
    """An N-EVENT-REPORT request."""

    AffectedSOPClassUID: UID
    AffectedSOPInstanceUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        """The Affected SOP Instance UID."""
        return self.AffectedSOPInstanceUID


class ShownNGetRQ(NGetRQ):
    """An N-GET request."""

    RequestedSOPClassUID: UID
    RequestedSOPInstanceUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Requested SOP Class UID."""
        return self.RequestedSOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        """The Requested SOP Instance UID."""
        return self.RequestedSOPInstanceUID


class ShownNSetRQ(NSetRQ):
    """An N-SET request."""

    RequestedSOPClassUID: UID
    RequestedSOPInstanceUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Requested SOP Class UID."""
        return self.RequestedSOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        """The Requested SOP Instance UID."""
        return self.RequestedSOPInstanceUID


class ShownNActionRQ(NActionRQ):
    """An N-ACTION request."""

    RequestedSOPClassUID: UID
    RequestedSOPInstanceUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Requested SOP Class UID."""
        return self.RequestedSOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        """The Requested SOP Instance UID."""
        return self.RequestedSOPInstanceUID


class ShownNCreateRQ(NCreateRQ):
    """An N-CREATE request."""

    AffectedSOPClassUID: UID
    AffectedSOPInstanceUID: UID | None = None

    @property
    def sop_class_uid(self) -> UID:
        """The Affected SOP Class UID."""
        return self.AffectedSOPClassUID


class ShownNDeleteRQ(NDeleteRQ):
    """An N-DELETE request."""

    RequestedSOPClassUID: UID
    RequestedSOPInstanceUID: UID

    @property
    def sop_class_uid(self) -> UID:
        """The Requested SOP Class UID."""
        return self.RequestedSOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        """The Requested SOP Instance UID."""
        return self.RequestedSOPInstanceUID
