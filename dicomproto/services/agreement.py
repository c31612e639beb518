"""The result of negotiation: the requests that the presentation contexts carry, and the roles."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType

from ..dimse.commands import CEchoRQ, CFindRQ, CGetRQ, CMoveRQ, CStoreRQ, NEventReportRQ, Request, Response
from ..dimse.status import Status
from ..negotiation import (
    AcceptedContext,
    ContextMatch,
    RejectedContext,
    may_invoke,
    rejected_contexts,
)
from ..negotiation.agreed import contexts_in_use
from ..upper_layer.associate_cache import AssociateCache
from ..upper_layer.contexts import UsableContext
from ..upper_layer.events import Role
from ..upper_layer.pdu import AssociateAC, AssociateRQ, SOPClassCommonExtendedNegotiation
from .dispatch import Verdict, check_request
from .requesting import find_request_context
from .sop_classes import SOPClassRegistry
from .statuses import status_of

Judgement = tuple[str, Verdict]
"""Whether the role was negotiated ("yes", "warn" or "no"), and what the SOP class says."""

_PASSED: Judgement = "yes", Verdict()
_USUAL = frozenset({CEchoRQ, CStoreRQ, CFindRQ, CGetRQ, CMoveRQ})  # requests without a type
_MOST_STATUSES = 64  # that are remembered; a peer may send 65536


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
        cache: AssociateCache,
    ) -> None:
        self._role = role
        self._strict_roles = strict_roles
        self._strict_dispatch = strict_dispatch
        self._supported = supported_sop_classes
        self._sop_classes = sop_classes
        self._allow_unknown = allow_unknown
        self._cache = cache
        self._rejected: dict[int, RejectedContext] | None = None
        # What was found of requests for the SOP class of their context, by context and kind.
        self._passed: dict[tuple[bool, int, type[Request]], None] = {}
        self._statuses: dict[tuple[int, int, type[Request]], Status] = {}
        self.contexts: Mapping[int, AcceptedContext] = {}
        """The accepted presentation contexts, by id."""

    def settle(
        self,
        request: AssociateRQ,
        answer: AssociateAC,
        usable: Sequence[UsableContext],
        common_extended: Sequence[SOPClassCommonExtendedNegotiation],
    ) -> None:
        """Take the `usable` contexts of an A-ASSOCIATE-AC; `common_extended` are the items to act on."""
        agreed = usable, request, answer, self._strict_roles, common_extended
        if common_extended:
            self.contexts = contexts_in_use(*agreed)
        else:
            self.contexts = self._cache.once(contexts_in_use, *agreed)

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

    def judge(self, command: Request, context: AcceptedContext, *, by_us: bool) -> Judgement:
        """Tell whether a context carries a request, by role and by SOP class.

        A request of a C-service for the very SOP class of its context passes if such a one has passed before.
        """
        kind = type(command)
        is_usual = (
            kind in _USUAL
            and getattr(command, "AffectedSOPClassUID", None) == context.abstract_syntax
            and "\\" not in (getattr(command, "AffectedSOPInstanceUID", None) or "")
        )
        key = by_us, context.context_id, kind
        if is_usual and key in self._passed:
            return _PASSED
        judgement = self._may_invoke(kind, context, by_us=by_us), self._check(command, context, by_us=by_us)
        if is_usual and judgement == _PASSED:
            self._passed[key] = None
        return judgement

    def _check(self, command: Request, context: AcceptedContext, *, by_us: bool) -> Verdict:
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

    def _may_invoke(self, kind: type[Request], context: AcceptedContext, *, by_us: bool) -> str:
        return may_invoke(
            context,
            by_requestor=(self._role is Role.REQUESTOR) is by_us,
            is_event_report=kind is NEventReportRQ,
            strict=self._strict_roles,
        )

    def explain(self, response: Response, request: Request, context: AcceptedContext) -> None:
        """Give the status of a response its service class; its number does not change."""
        kind = type(request)
        is_usual = getattr(request, "AffectedSOPClassUID", None) == context.abstract_syntax
        key = response.Status, context.context_id, kind
        status = self._statuses.get(key) if is_usual else None
        if status is None:
            sop_class = self._sop_classes.find(request.sop_class_uid, context.service_class_uid)
            status = status_of(response.Status, sop_class, kind)
            if is_usual and len(self._statuses) < _MOST_STATUSES:
                self._statuses[key] = status
        # Records do not change, but nobody has seen this one yet, and a copy costs five times as much.
        object.__setattr__(response, "Status", status)

    def name_of(self, context: AcceptedContext) -> str:
        """Return id and SOP class of a context, for messages."""
        return f"{context.context_id} ({self._sop_classes.name_of(context.abstract_syntax)})"
