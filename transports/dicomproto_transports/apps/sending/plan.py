"""Which files go on which association: one association has room for 128 presentation contexts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dicomproto.negotiation import CONVERTIBLE_TRANSFER_SYNTAXES, MAXIMUM_CONTEXTS, plan_contexts
from dicomproto.record import Record
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN
from dicomproto.upper_layer.pdu import PresentationContextRQ

from .input_files import Source

Pair = tuple[str, str]
Proposal = PresentationContextRQ | tuple[str, tuple[str, ...]]


def is_compressed(transfer_syntax: str) -> bool:
    """Whether the pixel data of a file is compressed, as far as its transfer syntax tells."""
    return transfer_syntax not in CONVERTIBLE_TRANSFER_SYNTAXES


class Group(Record):
    """Files for one association, and the contexts to propose for them."""

    contexts: tuple[Proposal, ...]
    sources: tuple[Source, ...]


def plan_groups(
    sources: Sequence[Source], *, only: str | None = None, convert: bool = True, decompress: bool = False
) -> list[Group]:
    """Return the groups in which `sources` are to be sent; within a group their order is kept.

    `only` is the one transfer syntax to propose. Otherwise every file may go as it is, and with
    `convert` a native one has another chance: no file gives up either for want of room, since that
    is what further associations are for. With `decompress` compressed files have native chances, too.
    """
    pairs = dict.fromkeys((source.sop_class_uid, source.transfer_syntax_uid) for source in sources)
    plans = _only(pairs, only) if only else _plans(list(pairs), convert, decompress)
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


def _plans(pairs: list[Pair], convert: bool, decompress: bool) -> list[tuple[Sequence[Proposal], list[Pair]]]:
    plans: list[tuple[Sequence[Proposal], list[Pair]]] = []
    while pairs:
        count = len(pairs)
        contexts = _contexts(pairs, convert, decompress)
        if contexts is None:
            # Each pair needs one context, three at most: its own, one for it decompressed, the fallback.
            count = MAXIMUM_CONTEXTS // 3
            contexts = _contexts(pairs[:count], convert, decompress)
            while (more := _contexts(pairs[: count + 1], convert, decompress)) is not None:
                contexts, count = more, count + 1
        assert contexts is not None
        plans.append((contexts, pairs[:count]))
        pairs = pairs[count:]
    return plans


def _contexts(pairs: list[Pair], convert: bool, decompress: bool) -> tuple[PresentationContextRQ, ...] | None:
    """Return the contexts for `pairs`, or None if something would have to give way."""
    native: list[Pair] = []
    if decompress:
        native = [(uid, EXPLICIT_VR_LITTLE_ENDIAN) for uid, syntax in pairs if is_compressed(syntax)]
    plan = plan_contexts([*pairs, *native], convert=convert)
    return None if plan.unplaced or plan.warnings else plan.contexts
