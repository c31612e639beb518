"""The presentation contexts that a proposal and its answer make usable, for every layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ..record import maker_of
from ..uids import normalize_uid
from .pdu import AssociateAC, AssociateRQ, PresentationContextAC, PresentationContextRQ

make_context_rq: Callable[..., PresentationContextRQ] = maker_of(PresentationContextRQ)
make_context_ac: Callable[..., PresentationContextAC] = maker_of(PresentationContextAC)

ContextT = TypeVar("ContextT", PresentationContextRQ, PresentationContextAC)


def first_of_each_id(contexts: Iterable[ContextT]) -> dict[int, ContextT]:
    """Return the contexts by id. If several have one id, against the standard, the first counts."""
    index: dict[int, ContextT] = {}
    for context in contexts:
        index.setdefault(context.context_id, context)
    return index


def answered_contexts(
    rq: AssociateRQ, ac: AssociateAC
) -> list[tuple[PresentationContextRQ, PresentationContextAC | None]]:
    """Return each proposed context with its answer; answers to other contexts are ignored."""
    answer_of = first_of_each_id(ac.presentation_contexts).get
    proposals = first_of_each_id(rq.presentation_contexts)
    return [(proposal, answer_of(context_id)) for context_id, proposal in proposals.items()]


def is_usable(proposal: PresentationContextRQ, answer: PresentationContextAC | None) -> bool:
    """Tell whether the context was accepted with a proposed transfer syntax."""
    if answer is None or answer.result != 0:
        return False
    chosen = normalize_uid(answer.transfer_syntax)
    proposed = proposal.transfer_syntaxes
    return chosen != "" and (chosen in proposed or chosen in map(normalize_uid, proposed))


UsableContext = tuple[PresentationContextRQ, PresentationContextAC]


def usable_contexts(rq: AssociateRQ, ac: AssociateAC) -> list[UsableContext]:
    """Return each proposed context that is usable, with its answer."""
    return [
        (proposal, answer)
        for proposal, answer in answered_contexts(rq, ac)
        if answer is not None and is_usable(proposal, answer)
    ]
