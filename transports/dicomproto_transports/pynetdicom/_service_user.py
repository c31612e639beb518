"""The requestor and the acceptor of an association, writable until the negotiation begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from pydicom.uid import UID

from ._addresses import AddressInformation
from ._globals import DEFAULT_MAX_LENGTH, MODE_ACCEPTOR, MODE_REQUESTOR
from ._titles import title_of
from .pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from .presentation import PresentationContext
from .utils import set_ae

T = TypeVar("T")

_ITEMS = (
    SCP_SCU_RoleSelectionNegotiation,
    AsynchronousOperationsWindowNegotiation,
    UserIdentityNegotiation,
    SOPClassExtendedNegotiation,
    SOPClassCommonExtendedNegotiation,
)

Primitive: TypeAlias = A_ASSOCIATE | None


class ServiceUser:
    """One side of an association: its name, its address and what it says in the negotiation.

    `primitive` is its A-ASSOCIATE primitive. It is None before that is sent or received: values may be set.
    """

    def __init__(self, assoc: Any, mode: str) -> None:
        """Make one side; `mode` is "requestor" or "acceptor"."""
        mode = mode.lower()
        if mode not in (MODE_REQUESTOR, MODE_ACCEPTOR):
            raise ValueError("The 'mode' must be either 'requestor' or 'acceptor'")
        self.assoc: Any = assoc
        self.address_info: AddressInformation | None = None
        self._mode = mode
        self._ae_title = ""
        self._primitive: Primitive = None
        self._sent: Callable[[], Primitive] | None = None
        self._contexts: list[PresentationContext] = []
        self._maximum_length: int = DEFAULT_MAX_LENGTH
        self._class_uid: UID | None = assoc.ae.implementation_class_uid
        self._version: str | None = None
        self._items: list[Any] = []
        self._common: dict[UID, SOPClassCommonExtendedNegotiation] = {}

    # -- what was sent ---------------------------------------------------------------------------

    @property
    def primitive(self) -> Primitive:
        """The A-ASSOCIATE primitive that this side sent, None before that."""
        if self._primitive is None and self._sent is not None:
            self._primitive = self._sent()
        return self._primitive

    @primitive.setter
    def primitive(self, primitive: Primitive) -> None:
        self._primitive = primitive

    def read_from(self, sent: Callable[[], Primitive]) -> None:
        """Let the primitive be made by a function when it is asked for."""
        self._sent = sent

    @property
    def writeable(self) -> bool:
        """True if values may be set."""
        return self.primitive is None

    def _writing(self, what: str) -> None:
        if not self.writeable:
            raise RuntimeError(f"Can't {what} after negotiation has started")

    def _said(self, kind: type[T]) -> list[T]:
        """Return the items of a kind that this side says or will say."""
        primitive = self.primitive
        said = self._items if primitive is None else primitive.user_information
        return [item for item in said if isinstance(item, kind)]

    # -- which side -------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """ "requestor" or "acceptor"."""
        return self._mode

    @property
    def is_acceptor(self) -> bool:
        """True for the acceptor."""
        return self._mode == MODE_ACCEPTOR

    @property
    def is_requestor(self) -> bool:
        """True for the requestor."""
        return self._mode == MODE_REQUESTOR

    @property
    def ae_title(self) -> str:
        """The AE title."""
        return self._ae_title

    @ae_title.setter
    def ae_title(self, value: str) -> None:
        self._ae_title = title_of("ae_title", value)

    def name(self, title: str) -> None:
        """Set the AE title that the peer sent, which is not judged."""
        self._ae_title = title

    def _address(self) -> AddressInformation:
        if self.address_info is None:
            raise ValueError("No address information has been set")
        return self.address_info

    @property
    def address(self) -> str:
        """The IP address. Raises ValueError if none is known."""
        return self._address().address

    @property
    def port(self) -> int:
        """The port. Raises ValueError if none is known."""
        return self._address().port

    @property
    def info(self) -> dict[str, Any]:
        """The name, the address and the mode, and the maximum length once it is known."""
        where = self.address_info
        info: dict[str, Any] = {
            "ae_title": self.ae_title,
            "address": None if where is None else where.address,
            "port": None if where is None else where.port,
            "mode": self.mode,
        }
        if not self.writeable:
            info["pdv_size"] = self.maximum_length
        return info

    # -- notifications ----------------------------------------------------------------------------

    @property
    def maximum_length(self) -> int | None:
        """The maximum length of a P-DATA-TF that this side receives; 0 is no limit."""
        if self.writeable:
            return self._maximum_length
        return next((item.maximum_length_received for item in self._said(MaximumLengthNotification)), None)

    @maximum_length.setter
    def maximum_length(self, value: int) -> None:
        self._writing("set the Maximum Length")
        item = MaximumLengthNotification()
        item.maximum_length_received = value
        self._maximum_length = value

    @property
    def implementation_class_uid(self) -> UID | None:
        """The Implementation Class UID."""
        if self.writeable:
            return self._class_uid
        said = self._said(ImplementationClassUIDNotification)
        return next((item.implementation_class_uid for item in said), None)

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: str | bytes | UID | None) -> None:
        self._writing("set the Implementation Class UID")
        item = ImplementationClassUIDNotification()
        item.implementation_class_uid = value
        self._class_uid = item.implementation_class_uid

    @property
    def implementation_version_name(self) -> str | None:
        """The Implementation Version Name."""
        if self.writeable:
            return self._version
        said = self._said(ImplementationVersionNameNotification)
        return next((item.implementation_version_name for item in said), None)

    @implementation_version_name.setter
    def implementation_version_name(self, value: str | None) -> None:
        self._writing("set the Implementation Version Name")
        self._version = None if value is None else set_ae(value, "implementation_version_name", False, False)

    # -- extended negotiation ---------------------------------------------------------------------

    def _check_kind(self, item: Any) -> None:
        common = isinstance(item, SOPClassCommonExtendedNegotiation)
        if type(item) not in _ITEMS or (common and self.is_acceptor):
            raise TypeError("'item' is not a valid extended negotiation item")

    def add_negotiation_item(self, item: Any) -> None:
        """Add an item of the extended negotiation. Raises TypeError, and RuntimeError once it has begun."""
        self._writing("add extended negotiation items")
        self._check_kind(item)
        self._items.append(item)

    def remove_negotiation_item(self, item: Any) -> None:
        """Remove an item, if it is there. Raises as `add_negotiation_item`."""
        self._writing("remove extended negotiation items")
        self._check_kind(item)
        if item in self._items:
            self._items.remove(item)

    def reset_negotiation_items(self) -> None:
        """Remove all items. Raises RuntimeError once the negotiation has begun."""
        self._writing("reset the extended negotiation items")
        self._items = []

    @property
    def extended_negotiation(self) -> list[Any]:
        """The items of the extended negotiation."""
        kinds = _ITEMS if self.is_requestor else _ITEMS[:-1]
        if self.writeable:
            return [item for kind in kinds for item in self._said(kind)]
        return [item for item in self.user_information if type(item) in kinds]

    @property
    def user_information(self) -> list[Any]:
        """The items of the user information, notifications included."""
        primitive = self.primitive
        if primitive is not None:
            return list(primitive.user_information)
        length, uid = MaximumLengthNotification(), ImplementationClassUIDNotification()
        length.maximum_length_received = self._maximum_length
        uid.implementation_class_uid = self._class_uid
        items: list[Any] = [length, uid]
        if self._version is not None:
            version = ImplementationVersionNameNotification()
            version.implementation_version_name = self._version
            items.append(version)
        return [*items, *self.extended_negotiation]

    @property
    def asynchronous_operations(self) -> tuple[int, int]:
        """The numbers of operations that may be outstanding: invoked, performed."""
        for item in self._said(AsynchronousOperationsWindowNegotiation):
            return item.maximum_number_operations_invoked, item.maximum_number_operations_performed
        return 1, 1

    @property
    def role_selection(self) -> dict[UID, SCP_SCU_RoleSelectionNegotiation]:
        """The role selection items by SOP class."""
        return {cast(UID, item.sop_class_uid): item for item in self._said(SCP_SCU_RoleSelectionNegotiation)}

    @property
    def sop_class_extended(self) -> dict[UID, bytes]:
        """The application information by SOP class."""
        return {
            cast(UID, item.sop_class_uid): cast(bytes, item.service_class_application_information)
            for item in self._said(SOPClassExtendedNegotiation)
        }

    @property
    def sop_class_common_extended(self) -> dict[UID, SOPClassCommonExtendedNegotiation]:
        """The requestor's items of common extended negotiation by SOP class; empty for the acceptor."""
        if self.is_acceptor:
            return {}
        return {cast(UID, item.sop_class_uid): item for item in self._said(SOPClassCommonExtendedNegotiation)}

    @property
    def user_identity(self) -> UserIdentityNegotiation | None:
        """The user identity, or the answer to it."""
        return next(iter(self._said(UserIdentityNegotiation)), None)

    @property
    def accepted_common_extended(self) -> dict[UID, tuple[UID, list[UID]]]:
        """The accepted items of common extended negotiation: SOP class -> service class, related classes.

        Raises RuntimeError for the requestor.
        """
        if not self.is_acceptor:
            raise RuntimeError("'accepted_common_extended' is only available for the 'acceptor'")
        return {
            cast(UID, item.sop_class_uid): (
                cast(UID, item.service_class_uid),
                item.related_general_sop_class_identification,
            )
            for item in self._common.values()
        }

    def accept_common_extended(self, items: dict[UID, SOPClassCommonExtendedNegotiation]) -> None:
        """Note the accepted items of common extended negotiation."""
        self._common = items

    def accepted_items(self) -> list[SOPClassCommonExtendedNegotiation]:
        """Return the accepted items of common extended negotiation."""
        return list(self._common.values())

    # -- presentation contexts ---------------------------------------------------------------------

    def get_contexts(self, cx_type: str) -> list[PresentationContext]:
        """Return contexts: "requested", "supported", or of the primitives "pcdl" or "pcdrl".

        Raises ValueError for those that this side does not have.
        """
        primitive, ours = self.primitive, self.is_requestor == bool(self.assoc.is_requestor)
        if cx_type == ("requested" if self.is_requestor else "supported") and ours:
            return self._contexts
        if primitive is not None:
            if cx_type == "pcdl" and self.is_requestor:
                return primitive.presentation_context_definition_list
            if cx_type == "pcdrl" and self.is_acceptor:
                return primitive.presentation_context_definition_results_list
        raise ValueError(
            f"No '{cx_type}' presentation contexts are available for the {self.mode} service user"
        )

    @property
    def requested_contexts(self) -> list[PresentationContext]:
        """The contexts that the requestor proposes. Raises ValueError for the acceptor."""
        if not self.writeable and self.assoc.is_acceptor:
            return self.get_contexts("pcdl")
        return self.get_contexts("requested")

    @requested_contexts.setter
    def requested_contexts(self, value: list[PresentationContext]) -> None:
        self._writing("set the requested presentation contexts")
        if not self.is_requestor:
            raise AttributeError("'requested_contexts' can only be set for the association requestor")
        self._contexts = value

    @property
    def supported_contexts(self) -> list[PresentationContext]:
        """The contexts that the acceptor supports, or has answered. Raises ValueError for the requestor."""
        if not self.writeable and self.assoc.is_requestor:
            return self.get_contexts("pcdrl")
        return self.get_contexts("supported")

    @supported_contexts.setter
    def supported_contexts(self, value: list[PresentationContext]) -> None:
        self._writing("set the supported presentation contexts")
        if not self.is_acceptor:
            raise AttributeError("'supported_contexts' can only be set for the association acceptor")
        self._contexts = value
