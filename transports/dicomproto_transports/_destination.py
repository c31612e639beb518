"""The association over which a C-MOVE sends: one for all objects, for what is known to come.

It is negotiated for the objects that are known when the first is to be sent. One that needs a
context nobody proposed then gets a new association, which is for all that came before as well;
what the destination refused stays refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dicomproto.dimse.commands import CMoveRQ
from dicomproto.errors import AssociationError, NoAcceptedContext
from dicomproto.negotiation import plan_contexts

if TYPE_CHECKING:
    from ._ae import AECore
    from ._association import AssociationCore
    from ._operating import Operating

log = logging.getLogger("dicomproto.association")

Address = tuple[str, int, dict[str, Any]]
"""Host, port, and what else `associate` is to be told."""


class Unreachable(Exception):
    """No association could be made with the destination."""


def destination_of(result: object, ae: AECore) -> Address | None:
    """Return the address that a handler of EVT_C_MOVE gave; None if the destination is unknown.

    (host, port), (host, port, keyword arguments of `associate`), (None, None), or the name of one of the
    `move_destinations` of the application entity.
    """
    if isinstance(result, str):
        known = ae.move_destinations.get(result.strip())
        return None if known is None else destination_of(tuple(known), ae)
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        raise TypeError(f"{type(result).__name__} in place of a destination")
    host, port, *options = result
    if host is None and port is None:
        return None
    if not isinstance(host, str) or isinstance(port, bool) or not isinstance(port, int):
        raise TypeError("a destination is (host, port), with a name and a number")
    return host, port, dict(options[0]) if options and options[0] else {}


class Destination:
    """Where a C-MOVE sends to."""

    def __init__(self, association: Operating, request: CMoveRQ, address: Address) -> None:
        self._mover = association
        self._host, self._port, self._options = address
        self._options.setdefault("ae_title", request.MoveDestination.strip())
        self.plans = "contexts" not in self._options
        """Whether the contexts are planned from what is to be sent."""

        self._association: AssociationCore | None = None
        self._proposed: dict[tuple[str, str], None] = {}  # in order
        self._refused: set[tuple[str, str]] = set()

    async def association_for(self, upcoming: Iterable[tuple[str, str]]) -> AssociationCore:
        """Return an association on which the first of the (SOP class, transfer syntax) pairs was proposed.

        Raises Unreachable.
        """
        pairs = list(dict.fromkeys(upcoming))
        association = self._association
        if association is not None and association.is_established:
            if not self.plans or pairs[0] in self._proposed:
                return association
            await self.close()
        if pairs[0] in self._refused:
            raise NoAcceptedContext("the destination accepted no presentation context for it")
        return await self._open(pairs)

    async def _open(self, pairs: list[tuple[str, str]]) -> AssociationCore:
        options = dict(self._options)
        if self.plans:
            # Objects of several kinds may come in turn, one by one: what was needed is needed again.
            wanted = dict.fromkeys([*pairs, *self._proposed])
            plan = plan_contexts(wanted)
            options["contexts"] = [(c.abstract_syntax, c.transfer_syntaxes) for c in plan.contexts]
            self._proposed = {pair: None for pair in wanted if pair not in plan.unplaced}
        mover = self._mover
        try:
            self._association = await mover.ae.open_association(
                mover.backend, self._host, self._port, **options
            )
        except NoAcceptedContext:
            self._refused.update(self._proposed)
            raise
        except (AssociationError, OSError) as error:
            log.warning("the destination of a C-MOVE: %s", error)
            raise Unreachable(f"the destination cannot be reached: {type(error).__name__}") from error
        return self._association

    async def close(self) -> None:
        """Release the association; one that does not let itself be released is aborted."""
        association, self._association = self._association, None
        if association is None:
            return
        try:
            # The mover waits meanwhile: for an answer to the release not long.
            await association.release(timeout=association.timeouts.close)
        except AssociationError as error:
            log.info("the destination of a C-MOVE: %s", error)
