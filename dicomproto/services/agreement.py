"""The result of negotiation: the requests that the presentation contexts carry, and the roles."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType

from ..dimse.commands import NEventReportRQ, Request, Response
from ..negotiation import (
    AcceptedContext,
    ContextMatch,
    RejectedContext,
    accepted_contexts,
    may_invoke,
    rejected_contexts,
)
from ..upper_layer.events import Role
from ..upper_layer.pdu import AssociateAC, AssociateRQ, SOPClassCommonExtendedNegotiation
from .dispatch import Verdict, check_request
from .requesting import find_request_context
from .sop_classes import SOPClassRegistry
from .statuses import status_of


class Agreement:
    """The presentation contexts and roles that both sides agreed on; arguments as for `Connection`."""

    def __init__(
        self,
        role: Role,
        *,
        strict_roles: bool,
        strict_dispatch: bool,
        supported_sop_classes: Container[str] | None,
        sop_classes: SOPClassRegistry,
        allow_unknown: bool,
    ) -> None:
        self._role = role
        self._strict_roles = strict_roles
        self._strict_dispatch = strict_dispatch
        self._supported = supported_sop_classes
        self._sop_classes = sop_classes
        self._allow_unknown = allow_unknown
        self._rejected: dict[int, RejectedContext] | None = None
        self.contexts: dict[int, AcceptedContext] = {}
        """The accepted presentation contexts, by id."""

    def settle(
        self,
        request: AssociateRQ,
        answer: AssociateAC,
        common_extended: Iterable[SOPClassCommonExtendedNegotiation],
    ) -> None:
        """Take the contexts that an A-ASSOCIATE-AC accepts; `common_extended` are the items to act on."""
        self.contexts = accepted_contexts(
            request, answer, strict_roles=self._strict_roles, common_extended=common_extended
        )

    def rejected(
        self, request: AssociateRQ | None, answer: AssociateAC | None
    ) -> Mapping[int, RejectedContext]:
        """Return the rejected presentation contexts by id; empty before the answer."""
        if self._rejected is None and request and answer:
            self._rejected = rejected_contexts(request, answer)
        return MappingProxyType(self._rejected or {})

    def find_context(
        self,
        request: type[Request],
        sop_class_uid: str,
        meta_uid: str | None,
        type_id: int | None,
        rejected: Mapping[int, RejectedContext],
    ) -> ContextMatch:
        """Find the accepted context that carries a request of ours; see `find_request_context`."""
        return find_request_context(
            self.contexts,
            request,
            sop_class_uid,
            by_requestor=self._role is Role.REQUESTOR,
            meta_uid=meta_uid,
            type_id=type_id,
            registry=self._sop_classes,
            strict_roles=self._strict_roles,
            allow_unknown=self._allow_unknown,
            rejected=rejected,
        )

    def check(self, command: Request, context: AcceptedContext, *, by_us: bool) -> Verdict:
        """Tell whether a context carries a request, by its SOP class."""
        if by_us and self._allow_unknown:
            return Verdict()
        return check_request(
            command,
            context.abstract_syntax,
            service_class_uid=context.service_class_uid,
            supported=self._supported,
            registry=self._sop_classes,
            strict=self._strict_dispatch and not by_us,
        )

    def may_invoke(self, command: Request, context: AcceptedContext, *, by_us: bool) -> str:
        """Tell whether the role for a request was negotiated: "yes", "warn" or "no"."""
        return may_invoke(
            context,
            by_requestor=(self._role is Role.REQUESTOR) is by_us,
            is_event_report=isinstance(command, NEventReportRQ),
            strict=self._strict_roles,
        )

    def explain(self, response: Response, request: Request, context: AcceptedContext) -> None:
        """Give the status of a response its service class; its number does not change."""
        sop_class = self._sop_classes.find(request.sop_class_uid, context.service_class_uid)
        if sop_class is not None:
            # Records do not change, but nobody has seen this one yet, and a copy costs five times as much.
            status = status_of(response.Status, sop_class, type(request))
            object.__setattr__(response, "Status", status)

    def name_of(self, context: AcceptedContext) -> str:
        """Return id and SOP class of a context, for messages."""
        return f"{context.context_id} ({self._sop_classes.name_of(context.abstract_syntax)})"
