"""The presentation contexts that an application entity proposes and supports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom.uid import UID

from ._globals import DEFAULT_TRANSFER_SYNTAXES
from .presentation import PresentationContext

Contexts = list[PresentationContext]
Syntaxes = str | Iterable[str] | None

MOST_CONTEXTS = 128
"""Most presentation contexts of one request (PS3.8 9.3.2.2: odd IDs up to 255)."""


class ContextLists:
    """The requested and the supported presentation contexts of one application entity."""

    def __init__(self) -> None:
        self._requested: Contexts = []
        self._supported: dict[UID, PresentationContext] = {}

    @property
    def requested_contexts(self) -> Contexts:
        """The contexts that `associate` proposes; a list that is set is added, an empty one clears."""
        return self._requested

    @requested_contexts.setter
    def requested_contexts(self, contexts: Contexts) -> None:
        if not contexts:
            self._requested = []
            return
        check_contexts(contexts)
        for context in contexts:
            self.add_requested_context(UID(context.abstract_syntax or ""), context.transfer_syntax)

    def add_requested_context(self, abstract_syntax: str | UID, transfer_syntax: Syntaxes = None) -> None:
        """Add a context to propose, by default in the four uncompressed syntaxes.

        Raises ValueError for the 129th.
        """
        if len(self._requested) >= MOST_CONTEXTS:
            raise ValueError(
                "Failed to add the requested presentation context as there are already the maximum allowed "
                "number of requested contexts"
            )
        self._requested.append(_context(UID(abstract_syntax), transfer_syntax))

    def remove_requested_context(self, abstract_syntax: str | UID, transfer_syntax: Syntaxes = None) -> None:
        """Remove the contexts of an abstract syntax, or some of their transfer syntaxes."""
        uid, requested = UID(abstract_syntax), self._requested
        for context in [context for context in requested if context.abstract_syntax == uid]:
            if transfer_syntax is not None:
                _remove(context, transfer_syntax)
            if transfer_syntax is None or not context.transfer_syntax:
                requested.remove(context)

    @property
    def supported_contexts(self) -> Contexts:
        """The contexts that servers accept, by abstract syntax; a list that is set is added to them."""
        supported = self._supported
        return [supported[uid] for uid in sorted(supported)]

    @supported_contexts.setter
    def supported_contexts(self, contexts: Contexts) -> None:
        if not contexts:
            self._supported = {}
        for context in contexts:
            given: object = context
            if not isinstance(given, PresentationContext):
                raise ValueError("'contexts' must be a list of PresentationContext items")
            self.add_supported_context(UID(context.abstract_syntax or ""), context.transfer_syntax)

    def add_supported_context(
        self,
        abstract_syntax: str | UID,
        transfer_syntax: Syntaxes = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Add a context to accept, or transfer syntaxes to one; the roles are granted if both are given."""
        uid, supported = UID(abstract_syntax), self._supported
        for name, role in (("scu_role", scu_role), ("scp_role", scp_role)):
            if not isinstance(role, bool | None):
                raise TypeError(f"`{name}` must be None or bool")
        context = supported.get(uid)
        if context is None:
            context = _context(uid, transfer_syntax)
        else:
            for syntax in _listed(transfer_syntax):
                context.add_transfer_syntax(UID(syntax))
        context.scu_role, context.scp_role = scu_role, scp_role
        supported[uid] = context

    def remove_supported_context(self, abstract_syntax: str | UID, transfer_syntax: Syntaxes = None) -> None:
        """Remove the context of an abstract syntax, or some of its transfer syntaxes."""
        uid, supported = UID(abstract_syntax), self._supported
        context = supported.get(uid)
        if context is None:
            return
        if transfer_syntax is not None:
            _remove(context, transfer_syntax)
        if transfer_syntax is None or not context.transfer_syntax:
            del supported[uid]


def _listed(transfer_syntax: Syntaxes) -> list[str]:
    if transfer_syntax is None:
        return list(DEFAULT_TRANSFER_SYNTAXES)
    return [transfer_syntax] if isinstance(transfer_syntax, str) else list(transfer_syntax)


def _context(uid: UID, transfer_syntax: Syntaxes) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = uid
    context.transfer_syntax = [UID(syntax) for syntax in _listed(transfer_syntax)]
    return context


def _remove(context: PresentationContext, transfer_syntax: Syntaxes) -> None:
    for syntax in _listed(transfer_syntax):
        if syntax in context.transfer_syntax:
            context.transfer_syntax.remove(UID(syntax))


def check_contexts(contexts: Contexts) -> None:
    """Check contexts to propose. Raises ValueError."""
    if len(contexts) > MOST_CONTEXTS:
        raise ValueError("The maximum allowed number of requested presentation contexts is 128")
    given: list[Any] = list(contexts)
    if not all(isinstance(context, PresentationContext) for context in given):
        raise ValueError("'contexts' must be a list of PresentationContext items")
