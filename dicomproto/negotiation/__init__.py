"""Negotiation: proposal and policy give the answer; proposal and answer give contexts and roles.

These are pure functions of the PDUs in `upper_layer.pdu`. The acceptor's `negotiate` and the requestor's
`plan_contexts` and `build_associate_rq` make PDUs. Both sides read the result with `accepted_contexts`, so
they agree by construction. UIDs are compared and returned without padding, which some peers add.

An association is accepted even if every context was rejected, as PS3.8 7.1.1 says; so the requestor learns
the reason for each context.
"""

from __future__ import annotations

from .acceptor import (
    AcceptorPolicy,
    IdentityVerdict,
    SupportedContext,
    accept_anything,
    accepted_common_extended,
    index_supported,
    negotiate,
)
from .agreed import (
    ACCEPTANCE,
    CONVERTIBLE_TRANSFER_SYNTAXES,
    DEFAULT_MAXIMUM_LENGTH,
    FALLBACK_TRANSFER_SYNTAXES,
    MAXIMUM_CONTEXTS,
    NO_ABSTRACT_SYNTAX,
    NO_REASON,
    NO_TRANSFER_SYNTAX,
    USER_REJECTION,
    AcceptedContext,
    ContextMatch,
    RejectedContext,
    accepted_contexts,
    find_context,
    may_invoke,
    operations_window,
    rejected_contexts,
)
from .requestor import ContextPlan, Proposal, build_associate_rq, plan_contexts, propose_contexts

__all__ = [
    "ACCEPTANCE",
    "AcceptedContext",
    "AcceptorPolicy",
    "CONVERTIBLE_TRANSFER_SYNTAXES",
    "ContextMatch",
    "ContextPlan",
    "DEFAULT_MAXIMUM_LENGTH",
    "FALLBACK_TRANSFER_SYNTAXES",
    "IdentityVerdict",
    "MAXIMUM_CONTEXTS",
    "NO_ABSTRACT_SYNTAX",
    "NO_REASON",
    "NO_TRANSFER_SYNTAX",
    "Proposal",
    "RejectedContext",
    "SupportedContext",
    "USER_REJECTION",
    "accept_anything",
    "accepted_common_extended",
    "accepted_contexts",
    "build_associate_rq",
    "find_context",
    "index_supported",
    "may_invoke",
    "negotiate",
    "operations_window",
    "plan_contexts",
    "propose_contexts",
    "rejected_contexts",
]
