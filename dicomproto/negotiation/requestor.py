"""The requestor's half: the contexts to propose for the objects to send, and the A-ASSOCIATE-RQ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import LocalProtocolError
from ..record import Record
from ..uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    normalize_uid,
)
from ..upper_layer.contexts import make_context_rq
from ..upper_layer.pdu import (
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from .agreed import (
    CONVERTIBLE_TRANSFER_SYNTAXES,
    DEFAULT_MAXIMUM_LENGTH,
    FALLBACK_TRANSFER_SYNTAXES,
    MAXIMUM_CONTEXTS,
    normalized,
)

Proposal = PresentationContextRQ | tuple[str, Iterable[str]]
"""A context to propose: (abstract syntax, transfer syntaxes), or a record, which gets a new id."""


def propose_contexts(proposals: Iterable[Proposal]) -> tuple[PresentationContextRQ, ...]:
    """Return the contexts with ids 1, 3, 5, ..., without repetitions of the same syntaxes.

    Raises LocalProtocolError if more than 128 remain, or if one has no abstract or no transfer syntax.
    """
    unique: dict[tuple[str, tuple[str, ...]], None] = {}
    for proposal in proposals:
        if isinstance(proposal, PresentationContextRQ):
            proposal = proposal.abstract_syntax, proposal.transfer_syntaxes
        abstract_syntax, transfer_syntaxes = normalize_uid(proposal[0]), normalized(proposal[1])
        if not abstract_syntax or not transfer_syntaxes:
            missing = "transfer" if abstract_syntax else "abstract"
            raise LocalProtocolError(
                f"presentation context {(abstract_syntax, transfer_syntaxes)} has no {missing} syntax"
            )
        unique[abstract_syntax, transfer_syntaxes] = None
    surplus = len(unique) - MAXIMUM_CONTEXTS
    if surplus > 0:
        raise LocalProtocolError(
            f"an association has at most {MAXIMUM_CONTEXTS} presentation contexts,"
            f" {surplus} of these {len(unique)} do not fit; plan_contexts() chooses"
        )
    contexts = [
        make_context_rq(
            context_id=2 * index + 1, abstract_syntax=abstract_syntax, transfer_syntaxes=transfer_syntaxes
        )
        for index, (abstract_syntax, transfer_syntaxes) in enumerate(unique)
    ]
    return tuple(contexts)


def build_associate_rq(
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Iterable[Proposal],
    *,
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH,
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID,
    implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME,
    role_selections: Iterable[RoleSelection] = (),
    sop_class_extended: Iterable[SOPClassExtendedNegotiation] = (),
    sop_class_common_extended: Iterable[SOPClassCommonExtendedNegotiation] = (),
    user_identity: UserIdentityRQ | None = None,
    operations_window: AsynchronousOperationsWindow | None = None,
) -> AssociateRQ:
    """Return an A-ASSOCIATE-RQ that identifies this implementation.

    `propose_contexts` gives ids to the contexts, removes repetitions, and may raise. A window of asynchronous
    operations is proposed only if it is given, since its presence alone breaks some peers.
    """
    return AssociateRQ(
        calling_ae_title=calling_ae_title,
        called_ae_title=called_ae_title,
        presentation_contexts=propose_contexts(contexts),
        maximum_length=maximum_length,
        implementation_class_uid=implementation_class_uid,
        implementation_version_name=implementation_version_name,
        role_selections=tuple(role_selections),
        sop_class_extended=tuple(sop_class_extended),
        sop_class_common_extended=tuple(sop_class_common_extended),
        user_identity=user_identity,
        asynchronous_operations_window=operations_window,
    )


class ContextPlan(Record):
    """The contexts to propose for the objects to send, and the (SOP class, transfer syntax) pairs left out.

    `warnings` tells people what was given up.
    """

    contexts: tuple[PresentationContextRQ, ...]
    unplaced: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def plan_contexts(
    pairs: Iterable[tuple[str, str]], *, convert: bool = True, limit: int = MAXIMUM_CONTEXTS
) -> ContextPlan:
    """Plan the contexts for objects given as (SOP class, transfer syntax) pairs; pairs may repeat.

    Each pair gets a context of its own, since an acceptor chooses one transfer syntax of a context. Unless
    `convert` is False, a SOP class with native pixel data also gets a fallback context with Explicit and
    Implicit VR LE, unless it has both anyway: its objects are re-encoded if their own syntax is refused. If
    these are more than `limit`:

    1. fallbacks are dropped; those of Big Endian and Deflated objects, which are refused most, are the last;
    2. then the native pairs of a SOP class share one context, the fallback. The class with the most pairs is
       the first. All its objects can be re-encoded in the accepted syntax, so each can still be sent;
    3. then the last pairs are `unplaced`.
    """
    if not 0 < limit <= MAXIMUM_CONTEXTS:
        raise LocalProtocolError(f"the limit of contexts is from 1 to {MAXIMUM_CONTEXTS}, not {limit}")
    own: dict[tuple[str, str], None] = {(normalize_uid(a), normalize_uid(t)): None for a, t in pairs}
    native: dict[str, list[str]] = {}
    if convert:
        for sop_class, transfer_syntax in own:
            if transfer_syntax in CONVERTIBLE_TRANSFER_SYNTAXES:
                native.setdefault(sop_class, []).append(transfer_syntax)

    shared = _shared_classes(len(own), native, limit)
    placed: dict[tuple[str, tuple[str, ...]], list[tuple[str, str]]] = {}
    for sop_class, transfer_syntax in own:
        if sop_class in shared and transfer_syntax in CONVERTIBLE_TRANSFER_SYNTAXES:
            syntaxes: tuple[str, ...] = FALLBACK_TRANSFER_SYNTAXES
        else:
            syntaxes = (transfer_syntax,)
        placed.setdefault((sop_class, syntaxes), []).append((sop_class, transfer_syntax))
    contexts = list(placed)[:limit]
    unplaced = tuple(pair for key in list(placed)[limit:] for pair in placed[key])

    fallbacks = [
        (sop_class, FALLBACK_TRANSFER_SYNTAXES)
        for sop_class in native
        if sop_class not in shared and not set(FALLBACK_TRANSFER_SYNTAXES) <= set(native[sop_class])
    ]
    fallbacks.sort(key=lambda f: set(native[f[0]]) <= set(FALLBACK_TRANSFER_SYNTAXES))
    room = limit - len(contexts)
    warnings = _given_up(len(fallbacks[room:]), len(shared), unplaced, len(own), limit)
    contexts += fallbacks[:room]
    return ContextPlan(contexts=propose_contexts(contexts), unplaced=unplaced, warnings=warnings)


def _given_up(
    fallbacks: int, shared: int, unplaced: tuple[tuple[str, str], ...], pairs: int, limit: int
) -> tuple[str, ...]:
    """Return the warnings of a plan: what it gives up."""
    warnings = []
    if fallbacks:
        warnings.append(
            f"no room for the fallback contexts of {fallbacks} SOP classes:"
            " their objects fail if their own transfer syntax is refused"
        )
    if shared:
        warnings.append(
            f"the uncompressed transfer syntaxes of {shared} SOP classes share one context each:"
            " objects in another syntax than is accepted are re-encoded"
        )
    if unplaced:
        listed = ", ".join(f"{sop_class} in {syntax}" for sop_class, syntax in unplaced)
        warnings.append(
            f"{len(unplaced)} of {pairs} pairs of SOP class and transfer syntax do not fit"
            f" in {limit} presentation contexts: {listed}"
        )
    return tuple(warnings)


def _shared_classes(pairs: int, native: Mapping[str, list[str]], limit: int) -> set[str]:
    """Return the SOP classes whose native pairs must share a context, so that `pairs` fall to `limit`."""
    shared: set[str] = set()
    for sop_class in sorted(native, key=lambda uid: -len(native[uid])):
        gain = len(native[sop_class]) - 1
        if pairs <= limit or not gain:
            break
        shared.add(sop_class)
        pairs -= gain
    return shared
