"""The association over which a C-MOVE sends: one for all objects, for what is known to come.

It is negotiated for the objects that are known when the first is to be sent. One that needs a
context nobody proposed then gets a new association, which is for all that came before as well;
what the destination refused stays refused.

The destination may have ended the association while the handler searched for the next object; that
costs nothing but a new one. One that ends, or does not answer, while an object is sent is tried once
more with the next. Meanwhile the peer that asked for the C-MOVE is heard.
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
from ..files.pieces import read_failure
from ..scu.store import placed
from ..streams.polling import attentive
from ..words import named, printable
from .cancelling import PeerLeaves, give_way

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Response

    from ..association.operations import Reply
    from ..association.session import Session
    from ..files.objects import ObjectToSend

log: logging.Logger = logging.getLogger("dicomproto.association")

Address = tuple[str, int, dict[str, Any]]
"""Host, port, and what else `associate` is to be told."""


Pair = tuple[str, str]
"""SOP class and transfer syntax."""

_MOST_LOSSES = 2
"""Associations in a row that may end without an answer to what was sent."""


class Unreachable(Exception):
    """The destination is given up."""


class CancelledMeanwhile(Exception):
    """The C-MOVE was cancelled before there was an association with the destination."""


class Destinations:
    """Where C-MOVEs may send to: what is `known` by name, and how to `associate` with any."""

    __slots__ = ("_known", "associate")

    def __init__(
        self, known: Mapping[str, tuple[object, ...]], associate: Callable[..., Awaitable[Session]]
    ) -> None:
        self._known = known
        self.associate: Callable[..., Awaitable[Session]] = associate
        """Opens an association: takes a backend, host, port, and what `associate` of the flavours takes."""

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
    """Where a C-MOVE sends to."""

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
        """Whether the contexts are planned from what is to be sent."""

        self._session: Session | None = None
        self._backend = attentive(session.backend, self._hear_mover)
        self._is_opening = False
        self._proposed: dict[Pair, None] = {}  # in order
        self._refused: set[Pair] = set()
        self._losses = 0

    async def is_ready_for(self, item: ObjectToSend) -> bool:
        """Tell whether there is an association for the object, or none will do."""
        pair = _pair_of(item)
        if await self._is_open():
            return not self.plans or pair in self._proposed
        return pair in self._refused

    async def store(self, item: ObjectToSend, upcoming: Iterable[ObjectToSend]) -> int:
        """Send an object and return the status; `upcoming` are those that are known to come next.

        Raises Unreachable if no association can be made, or one after the other is lost, CancelledMeanwhile,
        and NoAcceptedContext; an AssociationError otherwise means that the object was not answered, unless
        it is the mover's.
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
        """Hear what the destination has said since the last object, and tell whether it is still there."""
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
            # Objects of several kinds may come in turn, one by one: what was needed is needed again.
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
        """Log how the association with the destination ended, or that there is none."""
        log.info("%s: the destination of its C-MOVE: %s", self._mover.peer_name, printable(str(error)))

    async def _hear_mover(self) -> None:
        """Hear the mover while the destination is waited for; its release and its end end the wait."""
        if self._mover.ending.terminal is not None:  # nobody waits for the destination to be released
            return
        await give_way(self._mover)
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
        except BaseException:  # the mover has ended, or is to: nobody waits for the response any more
            await session.end()
            raise
        finally:
            session.forget(operation)

    async def close(self) -> None:
        """Release the association, and wait for that no longer than `Timeouts.close`.

        One that does not let itself be released is aborted, and so it is if the mover leaves meanwhile, which
        is answered first. Raises PeerLeaves then.
        """
        session, self._session = self._session, None
        if session is None:
            return
        patience = session.timeouts.close
        session.driver.close_timeout = 0.0  # who does not answer is not waited for twice
        try:
            await release(session, patience)
        except PeerLeaves:
            await session.end()
            raise
        except AssociationError as error:
            self._log(error)


def _pair_of(item: ObjectToSend) -> Pair:
    return item.sop_class_uid, item.transfer_syntax_uid


def _originator_of(mover: Session) -> str | None:
    """Return the AE title of the peer that sent the C-MOVE-RQ (PS3.7 9.1.1.1.11), if that can be sent."""
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
