"""What an association may carry: proposal + policy -> answer; proposal + answer -> contexts and roles.

Pure functions over the PDUs of `upper_layer.pdu`. The acceptor's `negotiate` and the requestor's
`plan_contexts` and `build_associate_rq` make PDUs; `accepted_contexts` reads the same result out of
a proposal and its answer on either side, so that both sides agree by construction. UIDs are
compared without the padding that some peers give them, and come out without it.

An association of which every context was rejected is accepted all the same: so says the letter of
PS3.8 7.1.1, and the requestor learns the reason of each context.
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
