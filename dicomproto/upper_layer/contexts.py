"""The presentation contexts that a proposal and its answer make usable, for every layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..uids import normalize_uid
from .pdu import AssociateAC, AssociateRQ, PresentationContextAC, PresentationContextRQ

ContextT = TypeVar("ContextT", PresentationContextRQ, PresentationContextAC)


def first_of_each_id(contexts: Iterable[ContextT]) -> dict[int, ContextT]:
    """Return the contexts by id. If several have one id, against the standard, the first counts."""
    index: dict[int, ContextT] = {}
    for context in contexts:
        index.setdefault(context.context_id, context)
    return index


def answered_contexts(
    rq: AssociateRQ, ac: AssociateAC
) -> Iterator[tuple[PresentationContextRQ, PresentationContextAC | None]]:
    """Yield each proposed context with its answer; answers to other contexts are ignored."""
    answers = first_of_each_id(ac.presentation_contexts)
    for context_id, proposal in first_of_each_id(rq.presentation_contexts).items():
        yield proposal, answers.get(context_id)


def is_usable(proposal: PresentationContextRQ, answer: PresentationContextAC | None) -> bool:
    """Tell whether the context was accepted with a proposed transfer syntax."""
    if answer is None or answer.result != 0:
        return False
    chosen = normalize_uid(answer.transfer_syntax)
    return bool(chosen) and any(chosen == normalize_uid(uid) for uid in proposal.transfer_syntaxes)
