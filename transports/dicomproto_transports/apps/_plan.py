"""Which files go on which association: one association has room for 128 presentation contexts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dicomproto._record import Record
from dicomproto.negotiation import MAXIMUM_CONTEXTS, plan_contexts
from dicomproto.upper_layer.pdu import PresentationContextRQ

from ._sources import Source

Pair = tuple[str, str]
Proposal = PresentationContextRQ | tuple[str, tuple[str, ...]]


class Group(Record):
    """Files for one association, and the contexts to propose for them."""

    contexts: tuple[Proposal, ...]
    sources: tuple[Source, ...]


def plan_groups(sources: Sequence[Source], *, only: str | None = None, convert: bool = True) -> list[Group]:
    """Return the groups in which `sources` are to be sent; within a group their order is kept.

    `only` is the one transfer syntax to propose. Otherwise every file may go as it is, and with
    `convert` a native one has another chance: no file gives up either for want of room, since that
    is what further associations are for.
    """
    pairs = dict.fromkeys((source.sop_class_uid, source.transfer_syntax_uid) for source in sources)
    plans = _only(pairs, only) if only else _plans(list(pairs), convert)
    place = {pair: number for number, (_, placed) in enumerate(plans) for pair in placed}
    members: list[list[Source]] = [[] for _ in plans]
    for source in sources:
        members[place[source.sop_class_uid, source.transfer_syntax_uid]].append(source)
    return [
        Group(contexts=tuple(contexts), sources=tuple(group))
        for (contexts, _), group in zip(plans, members, strict=True)
    ]


def _only(pairs: Iterable[Pair], syntax: str) -> list[tuple[Sequence[Proposal], list[Pair]]]:
    classes = list(dict.fromkeys(sop_class for sop_class, _ in pairs))
    plans: list[tuple[Sequence[Proposal], list[Pair]]] = []
    for start in range(0, len(classes), MAXIMUM_CONTEXTS):
        batch = classes[start : start + MAXIMUM_CONTEXTS]
        plans.append(([(uid, (syntax,)) for uid in batch], [pair for pair in pairs if pair[0] in batch]))
    return plans


def _plans(pairs: list[Pair], convert: bool) -> list[tuple[Sequence[Proposal], list[Pair]]]:
    plans: list[tuple[Sequence[Proposal], list[Pair]]] = []
    while pairs:
        count = len(pairs)
        contexts = _contexts(pairs, convert)
        if contexts is None:
            # Each pair needs one context, two at most.
            count = MAXIMUM_CONTEXTS // 2
            contexts = _contexts(pairs[:count], convert)
            while (more := _contexts(pairs[: count + 1], convert)) is not None:
                contexts, count = more, count + 1
        assert contexts is not None
        plans.append((contexts, pairs[:count]))
        pairs = pairs[count:]
    return plans


def _contexts(pairs: list[Pair], convert: bool) -> tuple[PresentationContextRQ, ...] | None:
    """Return the contexts for `pairs`, or None if something would have to give way."""
    plan = plan_contexts(pairs, convert=convert)
    return None if plan.unplaced or plan.warnings else plan.contexts
