"""The acceptor's side of the negotiation, and of an association, as pynetdicom does it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pydicom.uid import UID

from dicomproto.negotiation import AcceptorPolicy
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    normalize_ae_title,
)

from ..entity.acceptor import Rules, ServerCore
from . import _config
from . import events as evt
from ._negotiation_items import to_record
from .pdu_primitives import SOPClassCommonExtendedNegotiation
from .pdu_primitives import SOPClassExtendedNegotiation as ExtendedItem
from .presentation import negotiate_as_acceptor, negotiate_unrestricted
from .utils import received_title

if TYPE_CHECKING:
    from ..server.places import Place

LOGGER = logging.getLogger("pynetdicom.acse")


TOO_MANY = AssociateRJ(result=2, source=3, reason=2)
"""The rejection above the limit of associations (PS3.8 Table 9-21: local limit exceeded)."""


class Acceptance(ServerCore):
    """The associations of one server of the drop-in."""

    def __init__(self, server: Any) -> None:
        super().__init__(server.ae.core, contexts=["1.2.840.10008.1.1"], ssl_context=server.ssl_context)

    async def answer(
        self, place: Place, rq: AssociateRQ, rules: Rules
    ) -> tuple[AssociateAC | AssociateRJ, AcceptorPolicy]:
        """Return the answer to a request, from the settings of the application entity and the handlers."""
        assoc: Any = place.session.association
        refusal = self.enter(place)
        calling, called = map(received_title, (rq.calling_ae_title, rq.called_ae_title))
        if calling is None or called is None:
            await place.session.end()
            return TOO_MANY, rules.policy  # not sent: the connection is closed
        acse = Negotiation(assoc)
        assoc.acse = acse
        with place.session.runner.running():
            evt.trigger(assoc, evt.EVT_REQUESTED, {})
            changed = self.rules()
            if changed is not rules:
                refusal = self.enter_again(place, changed)
            assoc.requestor.name(normalize_ae_title(calling))
            answer = acse.rejection or acse.answer(rq, refusal)
            if isinstance(answer, AssociateRJ):
                assoc.note_rejection()
        return answer, changed.policy.replace(common_extended=acse.accepted_common)

    async def serve_requests(self, place: Place) -> None:
        """Serve the peer, and let other threads use the association in between."""
        assoc: Any = place.session.association
        assoc.serve_peer()


class Negotiation:
    """The negotiation of one association by its acceptor.

    A handler of EVT_REQUESTED may call `send_reject` or `send_abort`.
    """

    def __init__(self, assoc: Any) -> None:
        self._assoc = assoc
        self.rejection: AssociateRJ | None = None

    def send_reject(self, result: int, source: int, diagnostic: int) -> None:
        """Reject the association, with values of PS3.8 Table 9-21. Raises ValueError for others.

        The first rejection is the answer, once the handler has returned, whatever it calls next.
        """
        if result not in (1, 2):
            raise ValueError("Invalid 'result' parameter value")
        valid = {1: (1, 2, 3, 7), 2: (1, 2), 3: (1, 2)}
        if source not in valid:
            raise ValueError("Invalid 'source' parameter value")
        if diagnostic not in valid[source]:
            raise ValueError("Invalid 'diagnostic' parameter value")
        if self.rejection is None:
            self.rejection = AssociateRJ(result=result, source=source, reason=diagnostic)
            self._assoc.is_told_rejected = True

    def send_abort(self, source: int = 0) -> None:
        """Abort the association. Raises ValueError for another source than 0 and 2."""
        if source not in (0, 2):
            raise ValueError("Invalid 'source' parameter value")
        self._assoc.abort()

    # -- the answer -------------------------------------------------------------------------------

    def answer(self, rq: AssociateRQ, refusal: AssociateRJ | None) -> AssociateAC | AssociateRJ:
        """Return the answer; `refusal` is that of a limit."""
        assoc, ae = self._assoc, self._assoc.ae
        rejection = None
        titles = [title.strip() for title in ae.require_calling_aet]
        if titles and assoc.requestor.ae_title not in titles:
            rejection = AssociateRJ(result=1, source=1, reason=3)
        called = normalize_ae_title(assoc.requestor.primitive.called_ae_title)
        if ae.require_called_aet and called != assoc.acceptor.ae_title.strip():
            rejection = AssociateRJ(result=1, source=1, reason=7)
        identity = self._identity(rq)
        if isinstance(identity, AssociateRJ):
            rejection, identity = identity, None
        extended = self._extended()
        self._common()
        window = self._window(rq)
        rejection = refusal or self._over_limit() or rejection
        if rejection is not None:
            LOGGER.info("Rejecting Association")
            return rejection
        contexts, roles = self._contexts()
        LOGGER.info("Accepting Association")
        return AssociateAC(
            called_ae_title=rq.called_ae_title,
            calling_ae_title=rq.calling_ae_title,
            presentation_contexts=contexts,
            maximum_length=assoc.acceptor.maximum_length,
            implementation_class_uid=str(assoc.acceptor.implementation_class_uid),
            implementation_version_name=assoc.acceptor.implementation_version_name,
            asynchronous_operations_window=window,
            role_selections=roles,
            sop_class_extended=extended,
            user_identity_response=identity,
            reserved=rq.reserved,
            raw_ae_titles=rq.raw_ae_titles,
        )

    def _over_limit(self) -> AssociateRJ | None:
        """Return the rejection if all servers together have as many associations as the entity allows."""
        ae = self._assoc.ae
        others = [one for one in ae.active_associations if one.is_acceptor and one.is_established]
        return TOO_MANY if len(others) >= ae.maximum_associations else None

    def _ask(self, event: evt.InterventionEvent, facts: dict[str, Any], failed: Any) -> Any:
        """Return the result of a handler; `failed` after an exception, None without a handler."""
        try:
            return evt.trigger(self._assoc, event, facts)
        except NotImplementedError:
            return None
        except Exception as error:
            LOGGER.error("Exception raised in handler bound to 'evt.%s'", event.name)
            LOGGER.exception(error)
            return failed

    def _identity(self, rq: AssociateRQ) -> UserIdentityAC | AssociateRJ | None:
        given = rq.user_identity
        if given is None:
            return None
        facts = {
            "user_id_type": given.identity_type,
            "primary_field": bytes(given.primary_field),
            "secondary_field": bytes(given.secondary_field),
        }
        result = self._ask(evt.EVT_USER_ID, facts, (False, None))
        if result is None:
            return None
        accepted, response = result
        if not accepted:
            LOGGER.info("User identity failed verification")
            return AssociateRJ(result=2, source=2, reason=1)
        if given.identity_type not in (3, 4, 5) or not given.positive_response_requested:
            return None
        return UserIdentityAC(server_response=response) if isinstance(response, bytes) else None

    def _extended(self) -> tuple[SOPClassExtendedNegotiation, ...]:
        result = self._ask(evt.EVT_SOP_EXTENDED, {"app_info": self._assoc.requestor.sop_class_extended}, {})
        if not isinstance(result, dict):
            if result is not None:
                LOGGER.error("Invalid type returned by handler bound to 'evt.EVT_SOP_EXTENDED'")
            return ()
        answers = []
        for uid, information in result.items():
            item = ExtendedItem()
            try:
                item.sop_class_uid = uid
                item.service_class_application_information = information
                answers.append(cast(SOPClassExtendedNegotiation, to_record(item)))
            except (TypeError, ValueError) as error:
                LOGGER.error("No SOP Class Extended Negotiation answer for %s: %s", uid, error)
        return tuple(answers)

    def _common(self) -> None:
        facts = {"items": self._assoc.requestor.sop_class_common_extended}
        result = self._ask(evt.EVT_SOP_COMMON, facts, {})
        if not isinstance(result, dict):
            LOGGER.error("Invalid type returned by handler bound to 'evt.EVT_SOP_COMMON'")
            result = {}
        kept = {
            UID(uid): item
            for uid, item in result.items()
            if isinstance(item, SOPClassCommonExtendedNegotiation)
        }
        self._assoc.acceptor.accept_common_extended(kept)

    def accepted_common(self, _: Any) -> tuple[Any, ...]:
        """Return the items of common extended negotiation to act on, for the engine."""
        return tuple([to_record(item) for item in self._assoc.acceptor.accepted_items()])

    def _window(self, rq: AssociateRQ) -> AsynchronousOperationsWindow | None:
        invoked, performed = self._assoc.requestor.asynchronous_operations
        if (invoked, performed) == (1, 1):
            return None
        facts = {"nr_invoked": invoked, "nr_performed": performed}
        result = self._ask(evt.EVT_ASYNC_OPS, facts, (1, 1))
        if result is None:
            return None
        return AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=1)

    def _contexts(self) -> tuple[tuple[PresentationContextAC, ...], tuple[RoleSelection, ...]]:
        """Return the answers to the proposed contexts, and to the proposed roles."""
        assoc = self._assoc
        proposals = assoc.requestor.primitive.presentation_context_definition_list
        roles = {uid: (item.scu_role, item.scp_role) for uid, item in assoc.requestor.role_selection.items()}
        negotiate: Callable[..., Any] = negotiate_as_acceptor
        if _config.UNRESTRICTED_STORAGE_SERVICE:
            negotiate = negotiate_unrestricted
        contexts, items = negotiate(proposals, assoc.acceptor.supported_contexts, roles)
        assoc.contexts.settle(contexts)
        answers = tuple(
            PresentationContextAC(
                context_id=context.context_id,
                result=context.result,
                transfer_syntax=str(context.transfer_syntax[0]) if context.transfer_syntax else "",
            )
            for context in contexts
        )
        return answers, tuple([cast(RoleSelection, to_record(item)) for item in items])
