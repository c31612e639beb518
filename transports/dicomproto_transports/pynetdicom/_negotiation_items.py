"""The items of user information, made empty and filled by their attributes (PS3.7 Annex D.3.3).

Attributes are judged when they are set. `to_record` and `from_record` convert items to and from those of
`dicomproto`; the notifications have no record, as they are fields of the PDU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from pydicom.uid import UID

from dicomproto.upper_layer import pdu

from ._globals import DEFAULT_MAX_LENGTH
from ._judged import Judged, NumberField, Primitive, UIDField, fill, instance_of, refused
from .utils import decode_bytes, received_uid, set_ae, set_uid, validate_uid

LOGGER = logging.getLogger("pynetdicom.pdu_primitives")


FlagField: TypeAlias = Judged[bool | None, bool | None]
BytesField: TypeAlias = Judged[bytes | None, bytes | None]


class ServiceParameter(Primitive):  # noqa: PLW1641 - an item changes, so it has no hash
    """The base of all items; two with the same values are equal."""

    def __eq__(self, other: object) -> bool:
        """Tell whether another item of the class has the same values."""
        if not isinstance(other, type(self)):
            return False
        return all(getattr(self, name) == getattr(other, name) for name in self.fields)


def _uid(name: str) -> UIDField:
    return Judged(lambda value: set_uid(value, name), None)


def _number(name: str) -> Callable[[Any], int]:
    def judge(value: Any) -> int:
        if not isinstance(value, int):
            raise refused(LOGGER, TypeError, f"{name} must be an int")
        if value < 0:
            raise refused(LOGGER, ValueError, f"{name} must be greater than 0")
        return value

    return judge


def _flag(name: str) -> FlagField:
    return Judged(instance_of(LOGGER, (bool, type(None)), f"{name} must be boolean"), None)


def _bytes(text: str, first: bytes | None = None) -> BytesField:
    return Judged(instance_of(LOGGER, (bytes, type(None)), text), first)


class MaximumLengthNotification(ServiceParameter):
    """The maximum length of a P-DATA-TF that one side receives; 0 is no limit (PS3.8 Annex D.1)."""

    maximum_length_received: Judged[int, int] = Judged(_number("Maximum Length Received"), DEFAULT_MAX_LENGTH)

    def __str__(self) -> str:
        """Return all of it in lines."""
        length = self.maximum_length_received
        return f"Maximum Length Negotiation\n  Maximum length received: {length} bytes\n"


class ImplementationClassUIDNotification(ServiceParameter):
    """The implementation class UID of one side (PS3.7 D.3.3.2.1)."""

    implementation_class_uid: UIDField = _uid("Implementation Class UID")

    def __str__(self) -> str:
        """Return all of it in lines."""
        return f"Implementation Class UID\n  Implementation class UID: {self.implementation_class_uid}\n"


class ImplementationVersionNameNotification(ServiceParameter):
    """The implementation version name of one side (PS3.7 D.3.3.2.3)."""

    implementation_version_name: Judged[str | None, str | None] = Judged(
        lambda value: set_ae(value, "Implementation Version Name", True, True), None
    )

    def __str__(self) -> str:
        """Return all of it in lines."""
        name = self.implementation_version_name
        return f"Implementation Version Name\n  Implementation version name: {name}\n"


class AsynchronousOperationsWindowNegotiation(ServiceParameter):
    """The numbers of operations that may be outstanding; 0 is no limit (PS3.7 D.3.3.3)."""

    maximum_number_operations_invoked: Judged[int, int] = Judged(
        _number("Maximum Number Operations Invoked"), 1
    )
    maximum_number_operations_performed: Judged[int, int] = Judged(
        _number("Maximum Number Operations Performed"), 1
    )

    def __str__(self) -> str:
        """Return all of it in lines."""
        return (
            "Asynchronous Operations Window\n"
            f"  Maximum number operations invoked: {self.maximum_number_operations_invoked}\n"
            f"  Maximum number operations performed: {self.maximum_number_operations_performed}\n"
        )


class SCP_SCU_RoleSelectionNegotiation(ServiceParameter):
    """The roles of the requestor for one SOP class (PS3.7 D.3.3.4)."""

    sop_class_uid: UIDField = _uid("SOP Class UID")
    scu_role: FlagField = _flag("SCU Role")
    scp_role: FlagField = _flag("SCP Role")


class SOPClassExtendedNegotiation(ServiceParameter):
    """Application information for one SOP class, whose service class defines it (PS3.7 D.3.3.5)."""

    sop_class_uid: UIDField = _uid("SOP Class UID")
    service_class_application_information: BytesField = _bytes(
        "Service Class Application Information should be a bytes object"
    )


def _related(given: Any) -> list[UID]:
    text = "Related General SOP Class Identification must be a list of pydicom.uid.UID, str or bytes"
    if not isinstance(given, list):
        raise refused(LOGGER, TypeError, text)
    kept = []
    for value in given:
        if not isinstance(value, str | bytes):
            raise refused(LOGGER, TypeError, text)
        uid = UID(decode_bytes(value) if isinstance(value, bytes) else value)
        if not validate_uid(uid):
            text = "Related General SOP Class Identification contains an invalid UID"
            raise refused(LOGGER, ValueError, text)
        if not uid.is_valid:
            LOGGER.warning("The Related General SOP Class UID '%s' is non-conformant", uid)
        kept.append(uid)
    return kept


class SOPClassCommonExtendedNegotiation(ServiceParameter):
    """The service class of one SOP class, and the SOP classes that it is like (PS3.7 D.3.3.6)."""

    sop_class_uid: UIDField = _uid("SOP Class UID")
    service_class_uid: UIDField = _uid("Service Class UID")
    related_general_sop_class_identification: Judged[list[Any], list[UID]] = Judged(_related, [])


def _identity_type(given: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int):
        raise refused(LOGGER, TypeError, "User Identity Type must be an int or None")
    if given not in (1, 2, 3, 4, 5):
        text = "User Identity Type must be 1, 2, 3, 4 or 5 if requesting Association, None otherwise"
        raise refused(LOGGER, ValueError, text)
    return given


class UserIdentityNegotiation(ServiceParameter):
    """A user identity, or the answer to one if `server_response` is set (PS3.7 D.3.3.7).

    Types: 1 user name, 2 user name and passcode, 3 Kerberos ticket, 4 SAML assertion, 5 JSON web token.
    """

    user_identity_type: NumberField = Judged(_identity_type, None)
    positive_response_requested: Judged[bool, bool] = Judged(
        instance_of(LOGGER, bool, "Positive Response Requested must be boolean"), False
    )
    primary_field: BytesField = _bytes(
        "Primary Field must be bytes if requesting Association, None otherwise"
    )
    secondary_field: BytesField = _bytes(
        "Secondary Field must be bytes if requesting Association with User Identity Type equal to 2, "
        "None otherwise",
        b"",
    )
    server_response: BytesField = _bytes("Server Response must be bytes or None")

    def __str__(self) -> str:
        """Return the lengths of the fields, never their content."""
        if self.server_response is not None:
            return f"User Identity Parameters\n  Server response: {_length(self.server_response)}\n"
        return (
            "User Identity Parameters\n"
            f"  User identity type: {self.user_identity_type}\n"
            f"  Positive response requested: {self.positive_response_requested}\n"
            f"  Primary field: {_length(self.primary_field)}\n"
            f"  Secondary field: {_length(self.secondary_field)}\n"
        )


def _length(field: bytes | None) -> str:
    return "None" if field is None else f"<{len(field)} bytes>"


# --- to and from the records of the engine --------------------------------------------------------

Item: TypeAlias = (
    AsynchronousOperationsWindowNegotiation
    | SCP_SCU_RoleSelectionNegotiation
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityNegotiation
)
"""The items that a program gives to `associate` as `ext_neg`, or gets from the peer."""

Notification: TypeAlias = (
    MaximumLengthNotification | ImplementationClassUIDNotification | ImplementationVersionNameNotification
)
"""The items that state what one side is."""

Record: TypeAlias = (
    pdu.AsynchronousOperationsWindow
    | pdu.RoleSelection
    | pdu.SOPClassExtendedNegotiation
    | pdu.SOPClassCommonExtendedNegotiation
    | pdu.UserIdentityRQ
)
"""The items that the library takes as `ext_neg`."""


def to_record(item: Item) -> Record:
    """Return the record of an item. Raises ValueError if the item lacks something."""
    if isinstance(item, AsynchronousOperationsWindowNegotiation):
        return pdu.AsynchronousOperationsWindow(
            maximum_invoked=item.maximum_number_operations_invoked,
            maximum_performed=item.maximum_number_operations_performed,
        )
    if isinstance(item, UserIdentityNegotiation):
        return _identity_record(item)
    uid = item.sop_class_uid
    if isinstance(item, SCP_SCU_RoleSelectionNegotiation):
        if uid is None:
            raise refused(LOGGER, ValueError, "'sop_class_uid' must be set prior to Association")
        if not item.scu_role and not item.scp_role:
            text = f"SCU and SCP Roles cannot both be unsupported for '{uid}'"
            raise refused(LOGGER, ValueError, text)
        return pdu.RoleSelection(
            sop_class_uid=str(uid), scu_role=bool(item.scu_role), scp_role=bool(item.scp_role)
        )
    if isinstance(item, SOPClassExtendedNegotiation):
        data = item.service_class_application_information
        if uid is None or data is None:
            text = "SOP Class UID and Service Class Application Information must be set prior to Association \
negotiation"
            raise refused(LOGGER, ValueError, text)
        return pdu.SOPClassExtendedNegotiation(sop_class_uid=str(uid), application_information=data)
    service = item.service_class_uid
    if uid is None or service is None:
        text = "SOP Class UID and Service Class UID must be set prior to Association negotiation"
        raise refused(LOGGER, ValueError, text)
    return pdu.SOPClassCommonExtendedNegotiation(
        sop_class_uid=str(uid),
        service_class_uid=str(service),
        related_general_sop_class_uids=tuple(map(str, item.related_general_sop_class_identification)),
    )


def _identity_record(item: UserIdentityNegotiation) -> pdu.UserIdentityRQ:
    kind, primary = item.user_identity_type, item.primary_field
    if kind is None or primary is None:
        text = "User Identity Type and Primary Field must be set prior to Association negotiation"
        raise refused(LOGGER, ValueError, text)
    if kind == 2 and not item.secondary_field:
        raise refused(LOGGER, ValueError, "Secondary Field must be set when User Identity is 2")
    return pdu.UserIdentityRQ(
        identity_type=kind,
        primary_field=primary,
        secondary_field=(item.secondary_field or b"") if kind == 2 else b"",
        positive_response_requested=item.positive_response_requested,
    )


def from_record(record: Record | pdu.UserIdentityAC) -> Item:
    """Return the item of a record; what a peer sent is not judged."""
    if isinstance(record, pdu.AsynchronousOperationsWindow):
        return fill(
            AsynchronousOperationsWindowNegotiation(),
            maximum_number_operations_invoked=record.maximum_invoked,
            maximum_number_operations_performed=record.maximum_performed,
        )
    if isinstance(record, pdu.UserIdentityAC):
        return fill(UserIdentityNegotiation(), server_response=bytes(record.server_response))
    if isinstance(record, pdu.UserIdentityRQ):
        return fill(
            UserIdentityNegotiation(),
            user_identity_type=record.identity_type,
            positive_response_requested=record.positive_response_requested,
            primary_field=bytes(record.primary_field),
            secondary_field=bytes(record.secondary_field),
        )
    uid = received_uid(record.sop_class_uid)
    if isinstance(record, pdu.RoleSelection):
        return fill(
            SCP_SCU_RoleSelectionNegotiation(),
            sop_class_uid=uid,
            scu_role=record.scu_role,
            scp_role=record.scp_role,
        )
    if isinstance(record, pdu.SOPClassExtendedNegotiation):
        return fill(
            SOPClassExtendedNegotiation(),
            sop_class_uid=uid,
            service_class_application_information=bytes(record.application_information),
        )
    return fill(
        SOPClassCommonExtendedNegotiation(),
        sop_class_uid=uid,
        service_class_uid=received_uid(record.service_class_uid),
        related_general_sop_class_identification=[
            received_uid(related) for related in record.related_general_sop_class_uids
        ],
    )


def items_of(associate: pdu.AssociateRQ | pdu.AssociateAC) -> list[Item | Notification]:
    """Return the user information of a request or an acceptance."""
    found: list[Item | Notification] = []
    if associate.maximum_length is not None:
        found.append(fill(MaximumLengthNotification(), maximum_length_received=associate.maximum_length))
    if associate.implementation_class_uid is not None:
        uid = received_uid(associate.implementation_class_uid)
        found.append(fill(ImplementationClassUIDNotification(), implementation_class_uid=uid))
    if associate.implementation_version_name is not None:
        name = associate.implementation_version_name
        found.append(fill(ImplementationVersionNameNotification(), implementation_version_name=name))
    records = (
        *associate.role_selections,
        associate.asynchronous_operations_window,
        associate.user_identity,
        associate.user_identity_response,
        *associate.sop_class_extended,
        *associate.sop_class_common_extended,
    )
    return [*found, *(from_record(record) for record in records if record is not None)]
