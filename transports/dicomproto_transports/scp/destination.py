"""The association with the destination of a C-MOVE.

It is negotiated before the first object is sent, for all objects known by then. An object that needs another
context gets a new association, which has the contexts of all earlier objects as well. Contexts that the
destination refused are not proposed again.

If the destination ends the association between two objects, the next object gets a new one. If that happens
during an object, or the response times out, that object fails and the next one gets a new association; after
the second time in a row, all further objects fail. The input of the peer that requested the C-MOVE is read
during every wait.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dicomproto.dimse.commands import CMoveRQ, CStoreRQ
from dicomproto.errors import AssociationError, NoAcceptedContext
from dicomproto.negotiation import plan_contexts
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import normalize_ae_title

from ..association.closing import release
from ..checks import own_title
from ..error_text import named, printable
from ..files.sources import read_failure
from ..scu.store import placed
from ..streams.polling import polling_backend
from .cancelling import PeerLeaves, poll_peer

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Response

    from ..association.operations import Reply
    from ..association.session import Session
    from ..files.objects import ObjectToSend

log: logging.Logger = logging.getLogger("dicomproto.association")

Address = tuple[str, int, dict[str, Any]]
"""Host, port, and keyword arguments of `associate`."""


Pair = tuple[str, str]
"""SOP class and transfer syntax."""

_MOST_LOSSES = 2
"""Associations in a row that may end without a response to an object."""


class Unreachable(Exception):
    """The destination cannot be reached; no further object is tried."""


class CancelledMeanwhile(Exception):
    """The C-MOVE was cancelled before there was an association with the destination."""


class Destinations:
    """The destinations of C-MOVEs: addresses `known` by name, and the function to `associate` with them."""

    __slots__ = ("_known", "associate")

    def __init__(
        self, known: Mapping[str, tuple[object, ...]], associate: Callable[..., Awaitable[Session]]
    ) -> None:
        self._known = known
        self.associate: Callable[..., Awaitable[Session]] = associate
        """Opens an association: takes a backend, host, port, and the arguments of `AE.associate`."""

    def find(self, result: object) -> Address | None:
        """Return the address that a handler of EVT_C_MOVE gave; None if the destination is unknown.

        (host, port), (host, port, keyword arguments of `associate`), (None, None), or the name of one of the
        `move_destinations` of the application entity.
        """
        if isinstance(result, str):
            known = self._known.get(result.strip())
            return None if known is None else _address_of(tuple(known))
        return _address_of(result)


def _address_of(result: object) -> Address | None:
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        raise TypeError(f"{named(result)} in place of a destination")
    host, port, *options = result
    if host is None and port is None:
        return None
    if not isinstance(host, str) or isinstance(port, bool) or not isinstance(port, int):
        raise TypeError("a destination is (host, port), with a name and a number")
    return host, port, dict(options[0]) if options and options[0] else {}


class Destination:
    """The destination of one C-MOVE."""

    def __init__(
        self,
        session: Session,
        request: CMoveRQ,
        address: Address,
        associate: Callable[..., Awaitable[Session]],
    ) -> None:
        self._mover = session
        self._associate = associate
        self._request = request
        self._originator = _originator_of(session)
        self._host, self._port, self._options = address
        self._options.setdefault("ae_title", request.MoveDestination.strip())
        self._options.setdefault("calling_ae_title", session.ae_title)
        self.plans: bool = "contexts" not in self._options
        """Whether the contexts are planned from the objects."""

        self._session: Session | None = None
        self._backend = polling_backend(session.backend, self._poll_mover)
        self._is_opening = False
        self._proposed: dict[Pair, None] = {}  # in order
        self._refused: set[Pair] = set()
        self._losses = 0

    async def is_ready_for(self, item: ObjectToSend) -> bool:
        """Tell whether no new association is needed for the object, or none would help."""
        pair = _pair_of(item)
        if await self._is_open():
            return not self.plans or pair in self._proposed
        return pair in self._refused

    async def store(self, item: ObjectToSend, upcoming: Iterable[ObjectToSend]) -> int:
        """Send an object and return the status; `upcoming` are the next objects, as far as they are known.

        Raises Unreachable if no association can be opened, or several in a row are lost, CancelledMeanwhile,
        and NoAcceptedContext. Another AssociationError means that the object was not answered, or comes from
        the association of the mover.
        """
        session = await self._association_for(item, upcoming)
        try:
            status = await self._send(session, item)
        except AssociationError as error:
            if session.is_established or self._mover.ending.terminal is not None or read_failure(error):
                raise
            self._losses += 1
            if self._losses >= _MOST_LOSSES:
                raise Unreachable(f"the destination does not answer: {type(error).__name__}") from error
            raise
        self._losses = 0
        return status

    async def _association_for(self, item: ObjectToSend, upcoming: Iterable[ObjectToSend]) -> Session:
        """Return an association on which the object was proposed."""
        if await self.is_ready_for(item):
            if self._session is None:
                raise NoAcceptedContext("the destination accepted no presentation context for it")
            return self._session
        await self.close()
        return await self._open(list(dict.fromkeys(map(_pair_of, [item, *upcoming]))))

    async def _is_open(self) -> bool:
        """Read the destination's input since the last object; tell whether the association still stands."""
        session = self._session
        if session is not None:
            try:
                while not session.driver.look_ahead():
                    await session.dispatch(await session.next_event())
                await session.driver.take_turn()
            except AssociationError as error:
                self._log(error)
            if not session.is_established:
                self._session = None
        return self._session is not None

    async def _open(self, pairs: list[Pair]) -> Session:
        options = dict(self._options)
        if self.plans:
            # Kinds of objects may alternate, so earlier contexts are proposed again.
            wanted = dict.fromkeys([*pairs, *self._proposed])
            plan = plan_contexts(wanted)
            options["contexts"] = [(c.abstract_syntax, c.transfer_syntaxes) for c in plan.contexts]
            self._proposed = {pair: None for pair in wanted if pair not in plan.unplaced}
        mover = self._mover
        self._is_opening = True
        try:
            self._session = await self._associate(self._backend, self._host, self._port, **options)
        except NoAcceptedContext:
            self._refused.update(self._proposed or pairs)
            raise
        except (AssociationError, OSError) as error:
            if mover.ending.terminal is not None:
                raise
            self._log(error)
            raise Unreachable(f"the destination cannot be reached: {type(error).__name__}") from error
        finally:
            self._is_opening = False
        return self._session

    def _log(self, error: Exception) -> None:
        """Log the end of the association with the destination, or why it could not be opened."""
        log.info("%s: the destination of its C-MOVE: %s", self._mover.peer_name, printable(str(error)))

    async def _poll_mover(self) -> None:
        """Read the mover's input during a wait for the destination; its release or end ends the wait."""
        if self._mover.ending.terminal is not None:  # the mover has ended: only the release is left
            return
        await poll_peer(self._mover)
        if self._is_opening and self._request.MessageID in self._mover.driver.cancelled:
            raise CancelledMeanwhile

    async def _send(self, session: Session, item: ObjectToSend) -> int:
        """Send an object and return the status of the response."""
        context, source = placed(session, item, never_convert=False)
        request = CStoreRQ(
            AffectedSOPClassUID=item.sop_class_uid,
            AffectedSOPInstanceUID=item.sop_instance_uid,
            Priority=self._request.Priority,
            MoveOriginatorApplicationEntityTitle=self._originator,
            MoveOriginatorMessageID=self._request.MessageID,
        )
        operation = await session.begin_operation(request, context.context_id, source)
        try:
            reply: Reply[Response] = await session.next_reply(operation)
            return reply.response.Status
        except BaseException as error:  # the mover has ended, or is about to: no one needs the response
            await session.end(waits=isinstance(error, Exception))
            raise
        finally:
            session.forget(operation)

    async def close(self) -> None:
        """Release the association within `Timeouts.close`, or abort it.

        If the mover requests a release meanwhile, it is answered first, the association is aborted, and
        PeerLeaves raised.
        """
        session, self._session = self._session, None
        if session is None:
            return
        patience = session.timeouts.close
        try:  # no second wait for a peer that did not answer
            await release(session, patience, close_timeout=0.0)
        except PeerLeaves:
            await session.end()
            raise
        except AssociationError as error:
            self._log(error)


def _pair_of(item: ObjectToSend) -> Pair:
    return item.sop_class_uid, item.transfer_syntax_uid


def _originator_of(mover: Session) -> str | None:
    """Return the AE title of the peer that sent the C-MOVE-RQ (PS3.7 9.1.1.1.11); None if it is not valid."""
    rq = mover.connection.request
    assert rq is not None
    is_acceptor = mover.connection.role is Role.ACCEPTOR
    title = normalize_ae_title(rq.calling_ae_title if is_acceptor else rq.called_ae_title)
    try:
        return own_title(title) if title else None
    except ValueError:
        what = "%s: its C-MOVE goes on without its name as Move Originator Application Entity Title"
        log.warning(what, mover.peer_name)
        return None
