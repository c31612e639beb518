"""The presentation contexts of an association after the negotiation, and the one for a message."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydicom.uid import UID

from .presentation import PresentationContext
from .sop_class import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
)

LOGGER = logging.getLogger("pynetdicom.association")

_UPS = (
    UnifiedProcedureStepPull,
    UnifiedProcedureStepWatch,
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepQuery,
)
"""The SOP classes on whose contexts messages of the Push class may go (PS3.4 CC.3.1)."""


class NegotiatedContexts:
    """The outcome of the negotiation of one association.

    `outcome` returns the answered contexts, None before there is an answer; it is called when the outcome is
    first asked for.
    """

    def __init__(self, outcome: Callable[[], list[PresentationContext] | None]) -> None:
        self._outcome = outcome
        self._answered: list[PresentationContext] | None = None
        self._found: dict[tuple[str, str, str | None, int | None, bool], PresentationContext] = {}

    def settle(self, contexts: list[PresentationContext]) -> None:
        """Note the outcome of the negotiation."""
        self._answered = contexts

    def _contexts(self) -> list[PresentationContext]:
        if self._answered is None:
            self._answered = self._outcome()
        return self._answered or []

    @property
    def accepted(self) -> list[PresentationContext]:
        """The accepted contexts, by ID."""
        accepted = [context for context in self._contexts() if context.result == 0]
        return sorted(accepted, key=lambda context: context.context_id or 0)

    @property
    def rejected(self) -> list[PresentationContext]:
        """The rejected contexts."""
        return [context for context in self._contexts() if context.result != 0]

    def find(
        self,
        abstract_syntax: str | UID,
        transfer_syntax: str | UID = "",
        role: str | None = "scu",
        context_id: int | None = None,
        *,
        converts: bool = True,
    ) -> PresentationContext:
        """Return the accepted context for a SOP class. Raises ValueError.

        With `converts`, it may have another uncompressed transfer syntax; `role` None is for any role. Where
        the context with `context_id` was accepted, no other one will do.
        """
        key = str(abstract_syntax), str(transfer_syntax), role, context_id, converts
        context = self._found.get(key)
        if context is None:
            uid, syntax = UID(abstract_syntax), UID(transfer_syntax)
            possible = self._possible(uid, role)
            if context_id in {accepted.context_id for accepted in self.accepted}:
                possible = [found for found in possible if found.context_id == context_id]
            context = self._found[key] = _chosen(possible, uid, syntax, role, converts=converts)
        return context

    def _possible(self, uid: UID, role: str | None) -> list[PresentationContext]:
        """Return the accepted contexts of a SOP class in which this side has a role."""
        accepted = self.accepted
        possible = [context for context in accepted if context.abstract_syntax == uid]
        if not possible and uid == UnifiedProcedureStepPush:
            possible = [context for context in accepted if context.abstract_syntax in _UPS]
        if role is None:
            return possible
        return [context for context in possible if (context.as_scu if role == "scu" else context.as_scp)]


def _chosen(
    possible: list[PresentationContext], uid: UID, syntax: UID, role: str | None, *, converts: bool
) -> PresentationContext:
    similar = None
    for context in possible:
        given = context.transfer_syntax[0]
        if syntax == given:
            return context
        if similar is None and (not syntax or _is_convertible(syntax, given)):
            similar = context
    if similar is not None and converts:
        return similar
    text = f"No presentation context for '{uid.name}' has been accepted by the peer"
    if syntax:
        text += f" with '{syntax.name}' transfer syntax"
    text += f" for the {(role or 'scu').upper()} role"
    LOGGER.error(text)
    raise ValueError(text)


def _is_convertible(syntax: UID, other: UID) -> bool:
    if syntax.is_compressed or other.is_compressed:
        return False
    return syntax.is_little_endian == other.is_little_endian
