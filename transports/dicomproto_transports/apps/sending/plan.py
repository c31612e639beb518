"""The associations that a set of files needs: one has room for 128 presentation contexts (PS3.8 9.3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dicomproto.negotiation import CONVERTIBLE_TRANSFER_SYNTAXES, MAXIMUM_CONTEXTS, plan_contexts
from dicomproto.record import Record
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN
from dicomproto.upper_layer.pdu import PresentationContextRQ

from .input_files import InputFile

Pair = tuple[str, str]
Proposal = PresentationContextRQ | tuple[str, tuple[str, ...]]


def is_compressed(transfer_syntax: str) -> bool:
    """Tell whether a transfer syntax compresses pixel data."""
    return transfer_syntax not in CONVERTIBLE_TRANSFER_SYNTAXES


class AssociationPlan(Record):
    """The files for one association, and the contexts to propose for them."""

    contexts: tuple[Proposal, ...]
    sources: tuple[InputFile, ...]


def plan_associations(
    sources: Sequence[InputFile], *, only: str | None = None, convert: bool = True, decompress: bool = False
) -> list[AssociationPlan]:
    """Return the associations to send `sources` on; within each the files keep their order.

    `only` is the one transfer syntax to propose. Otherwise each file has a context with its own transfer
    syntax. With `convert` a file of native pixel data has one with the other native syntaxes, too; with
    `decompress` so has a compressed file. Files that find no room go on a further association.
    """
    pairs = dict.fromkeys((source.sop_class_uid, source.transfer_syntax_uid) for source in sources)
    proposals = _only(pairs, only) if only else _proposals(list(pairs), convert, decompress)
    place = {pair: number for number, (_, placed) in enumerate(proposals) for pair in placed}
    placed_sources: list[list[InputFile]] = [[] for _ in proposals]
    for source in sources:
        placed_sources[place[source.sop_class_uid, source.transfer_syntax_uid]].append(source)
    return [
        AssociationPlan(contexts=tuple(contexts), sources=tuple(some))
        for (contexts, _), some in zip(proposals, placed_sources, strict=True)
    ]


def _only(pairs: Iterable[Pair], syntax: str) -> list[tuple[Sequence[Proposal], list[Pair]]]:
    classes = list(dict.fromkeys(sop_class for sop_class, _ in pairs))
    proposals: list[tuple[Sequence[Proposal], list[Pair]]] = []
    for start in range(0, len(classes), MAXIMUM_CONTEXTS):
        batch = classes[start : start + MAXIMUM_CONTEXTS]
        proposals.append(([(uid, (syntax,)) for uid in batch], [pair for pair in pairs if pair[0] in batch]))
    return proposals


def _proposals(
    pairs: list[Pair], convert: bool, decompress: bool
) -> list[tuple[Sequence[Proposal], list[Pair]]]:
    proposals: list[tuple[Sequence[Proposal], list[Pair]]] = []
    while pairs:
        count = len(pairs)
        contexts = _contexts(pairs, convert, decompress)
        if contexts is None:
            # Each pair needs at most three contexts: its own, one for it decompressed, the fallback.
            count = MAXIMUM_CONTEXTS // 3
            contexts = _contexts(pairs[:count], convert, decompress)
            while (more := _contexts(pairs[: count + 1], convert, decompress)) is not None:
                contexts, count = more, count + 1
        assert contexts is not None
        proposals.append((contexts, pairs[:count]))
        pairs = pairs[count:]
    return proposals


def _contexts(pairs: list[Pair], convert: bool, decompress: bool) -> tuple[PresentationContextRQ, ...] | None:
    """Return the contexts for `pairs`, or None if they do not all find room."""
    native: list[Pair] = []
    if decompress:
        native = [(uid, EXPLICIT_VR_LITTLE_ENDIAN) for uid, syntax in pairs if is_compressed(syntax)]
    plan = plan_contexts([*pairs, *native], convert=convert)
    return None if plan.unplaced or plan.warnings else plan.contexts
