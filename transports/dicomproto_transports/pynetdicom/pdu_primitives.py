"""The primitives of the association: what was asked, answered and ended, and the items of negotiation.

Programs read them as `assoc.acceptor.primitive` or `assoc.requestor.primitive`, and make the items of
`ext_neg`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from pydicom.uid import UID

from dicomproto.upper_layer import pdu

from ._addresses import AddressInformation
from ._globals import OptionalUIDType
from ._judged import Judged, NumberField, Primitive, UIDField, fill, refused
from ._negotiation_items import (
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    Item,
    MaximumLengthNotification,
    Notification,
    SCP_SCU_RoleSelectionNegotiation,
    ServiceParameter,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
    items_of,
)
from .presentation import PresentationContext, context_of
from .utils import received_title, received_uid, set_ae, set_uid

__all__ = [
    "A_ABORT",
    "A_ASSOCIATE",
    "A_P_ABORT",
    "A_RELEASE",
    "AsynchronousOperationsWindowNegotiation",
    "ImplementationClassUIDNotification",
    "ImplementationVersionNameNotification",
    "MaximumLengthNotification",
    "P_DATA",
    "SCP_SCU_RoleSelectionNegotiation",
    "SOPClassCommonExtendedNegotiation",
    "SOPClassExtendedNegotiation",
    "ServiceParameter",
    "UserIdentityNegotiation",
    "abort_primitive",
    "associate_primitive",
]

LOGGER = logging.getLogger("pynetdicom.pdu_primitives")

_RESULTS = {0: "Accepted", 1: "Rejected Permanent", 2: "Rejected Transient"}
_SOURCES = {1: "Service User", 2: "Service Provider (ACSE)", 3: "Service Provider (Presentation)"}
_REASONS = {
    (1, 1): "No reason given",
    (1, 2): "Application context name not supported",
    (1, 3): "Calling AE title not recognised",
    (1, 7): "Called AE title not recognised",
    (2, 1): "No reason given",
    (2, 2): "Protocol version not supported",
    (3, 1): "Temporary congestion",
    (3, 2): "Local limit exceeded",
}
_RESERVED = {(1, 4), (1, 5), (1, 6), (1, 8), (1, 9), (1, 10), (3, 0), (3, 3), (3, 4), (3, 5), (3, 6), (3, 7)}
"""Results, sources and reasons of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""


TitleField: TypeAlias = Judged[str, str]
AddressField: TypeAlias = Judged[AddressInformation | None, AddressInformation | None]


def _one_of(name: str, values: tuple[int, ...]) -> NumberField:
    def judge(value: int | None) -> int | None:
        if value is not None and value not in values:
            LOGGER.error("%s set to an unknown value", name)
            raise ValueError(f"Unknown {name} value")
        return value

    return Judged(judge, None)


def _title(name: str) -> TitleField:
    return Judged(lambda value: set_ae(value, name, False, False) or "", "DEFAULT")


def _address(name: str) -> AddressField:
    def judge(value: Any) -> AddressInformation | None:
        if value is not None and not isinstance(value, AddressInformation):
            kind = type(value).__name__
            text = f"'A_ASSOCIATE.{name}' must be an AddressInformation instance or None, not {kind}"
            raise refused(LOGGER, TypeError, text)
        return value

    return Judged(judge, None)


def _list_of(name: str, kinds: type[Any] | tuple[type[Any], ...]) -> Callable[[Any], list[Any]]:
    def judge(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise refused(LOGGER, TypeError, f"A_ASSOCIATE.{name} must be a list")
        kept = [item for item in value if isinstance(item, kinds)]
        if len(kept) < len(value):
            LOGGER.warning("Attempted to set A_ASSOCIATE.%s to a list which includes an invalid item", name)
        return kept

    return judge


class A_ASSOCIATE(Primitive):
    """A request for an association, or the answer to one: then `result` is set (PS3.8 7.1.1)."""

    application_context_name: UIDField = Judged(
        lambda value: set_uid(value, "Application Context Name"), None
    )
    calling_ae_title: TitleField = _title("Calling AE Title")
    called_ae_title: TitleField = _title("Called AE Title")
    user_information: Judged[list[Any], list[Item | Notification]] = Judged(
        _list_of("user_information", ServiceParameter), []
    )
    result: NumberField = _one_of("A_ASSOCIATE.result", (0, 1, 2))
    result_source: NumberField = _one_of("A_ASSOCIATE.result_source", (1, 2, 3))
    diagnostic: NumberField = _one_of("A_ASSOCIATE.diagnostic", (1, 2, 3, 7))
    calling_presentation_address: AddressField = _address("calling_presentation_address")
    called_presentation_address: AddressField = _address("called_presentation_address")
    presentation_context_definition_list: Judged[list[Any], list[PresentationContext]] = Judged(
        _list_of("presentation_context_definition_list", PresentationContext), []
    )
    presentation_context_definition_results_list: Judged[list[Any], list[PresentationContext]] = Judged(
        _list_of("presentation_context_definition_results_list", PresentationContext), []
    )

    @property
    def implementation_class_uid(self) -> UID | None:
        """The implementation class UID of the user information. Raises ValueError if it has none."""
        for item in self.user_information:
            if isinstance(item, ImplementationClassUIDNotification):
                uid = item.implementation_class_uid
                if uid is not None:
                    return uid
        raise refused(LOGGER, ValueError, "Implementation Class UID has not been set")

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: OptionalUIDType) -> None:
        for item in self.user_information:
            if isinstance(item, ImplementationClassUIDNotification):
                item.implementation_class_uid = value
                return
        added = ImplementationClassUIDNotification()
        added.implementation_class_uid = value
        self.user_information.append(added)

    @property
    def maximum_length_received(self) -> int | None:
        """The maximum length of the user information, or None if it has none."""
        for item in self.user_information:
            if isinstance(item, MaximumLengthNotification):
                return item.maximum_length_received
        return None

    @maximum_length_received.setter
    def maximum_length_received(self, value: int) -> None:
        for item in self.user_information:
            if isinstance(item, MaximumLengthNotification):
                item.maximum_length_received = value
                return
        added = MaximumLengthNotification()
        added.maximum_length_received = value
        self.user_information.append(added)

    @property
    def mode(self) -> str:
        """Always "normal"."""
        return "normal"

    @property
    def presentation_requirements(self) -> str:
        """Always "Presentation Kernel"."""
        return "Presentation Kernel"

    @property
    def session_requirements(self) -> str:
        """Always empty."""
        return ""

    @property
    def responding_ae_title(self) -> str:
        """The same as the called AE title."""
        return self.called_ae_title

    @property
    def responding_presentation_address(self) -> AddressInformation | None:
        """The same as the called address."""
        return self.called_presentation_address

    @property
    def result_str(self) -> str:
        """The result in words."""
        known = None if self.result is None else _RESULTS.get(self.result)
        return _words(known, f"'Result' {self.result}")

    @property
    def source_str(self) -> str:
        """The source of the result in words."""
        return _words(_SOURCES.get(self.result_source or 0), f"'Result Source' {self.result_source}")

    @property
    def reason_str(self) -> str:
        """The diagnostic in words."""
        key = self.result_source or 0, self.diagnostic or 0
        return _words(
            "Reserved" if key in _RESERVED else _REASONS.get(key),
            f"'Result Source' {self.result_source} and/or 'Diagnostic' {self.diagnostic} values",
        )


def _words(found: str | None, wrong: str) -> str:
    if found is None:
        LOGGER.warning("Invalid A-ASSOCIATE %s", wrong)
        return "(no value available)"
    return found


def _affirmative(value: str | None) -> str | None:
    if value not in (None, "affirmative"):
        raise refused(LOGGER, ValueError, "A_RELEASE.result must be None or 'affirmative'")
    return value


class A_RELEASE(Primitive):
    """A release, or the answer to one: then `result` is "affirmative" (PS3.8 7.2)."""

    result: Judged[str | None, str | None] = Judged(_affirmative, None)

    @property
    def reason(self) -> str:
        """Always "normal"."""
        return "normal"


class A_ABORT(Primitive):
    """An abort by a user of the association (PS3.8 7.3)."""

    _abort_source: int | None = None

    @property
    def abort_source(self) -> int | None:
        """0, 1 or 2. Raises ValueError until it is set."""
        if self._abort_source is None:
            raise refused(LOGGER, ValueError, "A_ABORT.abort_source value not set")
        return self._abort_source

    @abort_source.setter
    def abort_source(self, value: int | None) -> None:
        if value not in (0, 1, 2, None):
            raise refused(LOGGER, ValueError, f"Invalid A-ABORT 'Source' value '{value}'")
        self._abort_source = value


class A_P_ABORT(Primitive):
    """An abort by the provider of the association (PS3.8 7.4)."""

    _provider_reason: int | None = None

    @property
    def provider_reason(self) -> int | None:
        """0, 1, 2, 4, 5 or 6. Raises ValueError until it is set."""
        if self._provider_reason is None:
            raise refused(LOGGER, ValueError, "A_ABORT.provider_reason value not set")
        return self._provider_reason

    @provider_reason.setter
    def provider_reason(self, value: int | None) -> None:
        if value not in (0, 1, 2, 4, 5, 6, None):
            text = "Attempted to set A_P_ABORT.provider_reason to an invalid value"
            raise refused(LOGGER, ValueError, text)
        self._provider_reason = value


def _values(given: Any) -> list[tuple[int, bytes]]:
    text = "P_DATA.presentation_data_value_list should be a list of [int, bytes]"
    if not isinstance(given, list):
        raise TypeError(text)
    for value in given:
        if not isinstance(value, list | tuple) or [type(part) for part in value] != [int, bytes]:
            raise TypeError(text)
    return given


class P_DATA(Primitive):
    """Presentation data values, each a context ID with its header byte and fragment (PS3.8 7.6)."""

    presentation_data_value_list: Judged[list[Any], list[tuple[int, bytes]]] = Judged(_values, [])

    def __str__(self) -> str:
        """Return the headers of the values, never their content."""
        lines = ["P-DATA"]
        for context_id, value in self.presentation_data_value_list:
            header = value[0] if value else 0
            kind = "Command" if header & 1 else "Dataset"
            last = "last fragment" if header & 2 else "not the last fragment"
            lines += [
                f"  Context ID: {context_id}",
                f"  Value Length: {len(value)} bytes",
                f"  Message Control Header Byte: {header:08b}",
                f"    {kind} information, {last} of the DIMSE message",
            ]
        return "\n".join([*lines, ""])


_PDUPrimitiveType: TypeAlias = A_ASSOCIATE | A_RELEASE | A_ABORT | A_P_ABORT | P_DATA


# --- from the PDUs of the engine --------------------------------------------------------------------


def associate_primitive(
    given: pdu.AssociateRQ | pdu.AssociateAC | pdu.AssociateRJ, request: pdu.AssociateRQ | None = None
) -> A_ASSOCIATE:
    """Return the primitive of a PDU; the answer to a `request` has its titles. Nothing is judged."""
    primitive = A_ASSOCIATE()
    titles = request if isinstance(given, pdu.AssociateRJ) else given
    if titles is not None:
        fill(
            primitive,
            application_context_name=received_uid(titles.application_context_name),
            calling_ae_title=received_title(titles.calling_ae_title),
            called_ae_title=received_title(titles.called_ae_title),
        )
    if isinstance(given, pdu.AssociateRJ):
        return fill(primitive, result=given.result, result_source=given.source, diagnostic=given.reason)
    fill(primitive, user_information=items_of(given))
    if isinstance(given, pdu.AssociateRQ):
        return fill(
            primitive,
            presentation_context_definition_list=[
                context_of(
                    cx.context_id, received_uid(cx.abstract_syntax), map(received_uid, cx.transfer_syntaxes)
                )
                for cx in given.presentation_contexts
            ],
        )
    proposals = () if request is None else request.presentation_contexts
    names = {cx.context_id: received_uid(cx.abstract_syntax) for cx in proposals}
    answers = []
    for answer in given.presentation_contexts:
        syntaxes = [received_uid(answer.transfer_syntax)] if answer.transfer_syntax else []
        answers.append(context_of(answer.context_id, names.get(answer.context_id), syntaxes, answer.result))
    return fill(primitive, result=0, result_source=1, presentation_context_definition_results_list=answers)


def abort_primitive(given: pdu.Abort) -> A_ABORT | A_P_ABORT:
    """Return the primitive of an A-ABORT: a provider's has a reason."""
    if given.source == 2:
        return fill(A_P_ABORT(), provider_reason=given.reason)
    return fill(A_ABORT(), abort_source=given.source)
