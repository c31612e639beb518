"""The acceptor's side of an application entity: one association from its first byte to its last.

A server listens and accepts, and calls `ServerCore.serve_connection` for each connection, in a task or thread
of its own. A failure of one connection does not affect others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from dicomproto.dimse.events import RequestReceived
from dicomproto.errors import AssociationAborted, AssociationError, LocalProtocolError
from dicomproto.negotiation import (
    AcceptorPolicy,
    SupportedContext,
    accepted_common_extended,
    negotiate,
)
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
)

from .. import evt
from ..arguments import Context, supported_index, title
from ..association.held_bytes import HeldBytes
from ..association.log_lines import log, log_acceptance, log_connection
from ..association.session import Session
from ..checks import checked, several
from ..logs import with_dumps
from ..scp.negotiation import intervene
from ..scp.provider import Provider
from ..server.places import Place, Places
from ..streams.networks import Networks
from .admission import Admission, is_allowed

if TYPE_CHECKING:
    from dicomproto.config import Timeouts

    from ..checks import Network
    from ..events.handlers import Handlers
    from ..streams.interface import Backend, Stream
    from ..streams.tcp import SocketStream
    from ..tls import Context as TLSContext
    from .ae import AECore
    from .settings import Settled

T = TypeVar("T")
S = TypeVar("S", bound="Stream")

# PS3.8 Table 9-21, the service-provider's presentation related function.
_TOO_MANY = AssociateRJ(result=2, source=3, reason=2)  # local limit exceeded
_CONGESTION = AssociateRJ(result=2, source=3, reason=1)  # temporary congestion


class Rules:
    """The rules for one association with a server, from the settings at its request."""

    def __init__(
        self, settings: Settled, ae_title: str | None, contexts: Iterable[SupportedContext] | None
    ) -> None:
        self.settings = settings
        self.policy: AcceptorPolicy = settings.policy(ae_title, contexts)
        self.allowed: Networks | None = (
            Networks(settings.allowed_networks) if settings.allowed_networks else None
        )

    @property
    def accept_any_context(self) -> bool:
        """Whether any presentation context can be accepted."""
        return bool(self.policy.supported) or self.policy.unknown_context is not None


class ServerCore:
    """The associations of a server: peers, contexts and limits.

    A connection counts as an association from its request until its rejection, release or abort; the time
    that the peer takes to close does not count. Above a limit (of all, of one address, of one calling AE
    title) a request is rejected (2, 3, 2). `associated` is called when a request has a place, before the
    handlers see it: new connections or a shutdown with a grace do not cut them short. A rejected connection
    counts as pending again, so a peer cannot hold places by being rejected in a loop.
    """

    def __init__(
        self,
        ae: AECore,
        evt_handlers: Iterable[evt.Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        ssl_context: TLSContext | None = None,
        proxy_protocol_from: Network | Iterable[Network] = (),
        *,
        places: Places | None = None,
        held_bytes: HeldBytes | None = None,
    ) -> None:
        self.handlers: Handlers = ae.bind(evt_handlers)
        self._ae = ae
        self._ae_title = None if ae_title is None else title("ae_title", ae_title)
        self._contexts = None
        if contexts is not None:
            self._contexts = list(supported_index(checked("contexts", several, contexts)).values())
        self._rules = Rules(ae.settled(), self._ae_title, self._contexts)
        if not self._rules.accept_any_context:
            text = "a server needs presentation contexts: add_supported_context() or contexts="
            raise LocalProtocolError(text)
        self._admission = Admission(proxy_protocol_from, ssl_context)
        self._places, self._held_bytes = places or Places(), held_bytes or HeldBytes()
        self._is_closing = False  # not an Event: a signal handler could block on its lock

    def rules(self) -> Rules:
        """Return the rules for an association that is requested now."""
        settings, rules = self._ae.settled(), self._rules
        if rules.settings is not settings:
            rules = self._rules = Rules(settings, self._ae_title, self._contexts)
        return rules

    @property
    def active_associations(self) -> list[evt.AnyAssociation]:
        """The associations being served."""
        served = self._places.sessions()
        return [session.association for session in served if session.ending.terminal is None]

    def begin_shutdown(self) -> None:
        """Accept no more associations."""
        self._is_closing = True

    def bind(self, kind: evt.EventKind, handler: evt.Handler, args: Sequence[object]) -> None:
        """Bind a handler, for associations being served as well."""
        everyone = self._all_handlers()
        for handlers in everyone:  # check all before binding: one refusal binds none
            handlers.copy().bind(kind, handler, args)
        for handlers in everyone:
            handlers.bind(kind, handler, args)
        self._observe()

    def unbind(self, kind: evt.EventKind, handler: evt.Handler) -> None:
        """Unbind a handler, for associations being served as well."""
        for handlers in self._all_handlers():
            handlers.unbind(kind, handler)
        self._observe()

    def _all_handlers(self) -> list[Handlers]:
        """Return the handlers of all associations; most share ours, some have a changed copy."""
        others = [session.runner.handlers for session in self._places.sessions()]
        return [self.handlers, *(handlers for handlers in others if handlers is not self.handlers)]

    def _observe(self) -> None:
        for session in self._places.sessions():
            session.observe()

    def serve_connection(
        self, stream: SocketStream, backend: Backend, associated: Callable[[], object]
    ) -> Coroutine[Any, Any, None]:
        """Run one association to its end and close the stream; see `ConnectionServer`.

        Raises only cancellation or `ServerShutdown`, after the association was aborted and the stream closed.
        """
        return self._serve_connection(stream, self._admission.admit, backend, associated)

    def serve_stream(self, stream: Stream, backend: Backend) -> Coroutine[Any, Any, None]:
        """Run one association over a stream that no server accepted, and close the stream.

        It counts from its first byte, and is never ended for another one. Raises as `serve_connection`.
        """
        return self._serve_connection(stream, self._admission.admit_stream, backend, None)

    async def _serve_connection(
        self,
        stream: S,
        admit: Callable[[S, Networks | None, Timeouts], Awaitable[Stream | None]],
        backend: Backend,
        associated: Callable[[], object] | None,
    ) -> None:
        """Run one association; without `associated`, it is never ended for another one."""
        rules = self.rules()
        try:
            admitted = await admit(stream, rules.allowed, rules.settings.timeouts)
        except BaseException:
            await stream.close([], stream.now())
            raise
        if admitted is None:
            return
        rules = self.rules()
        settings = rules.settings
        connection = settings.new_connection(Role.ACCEPTOR, rules.policy.supported)
        session = self._ae.new_session(
            connection,
            admitted,
            settings.connecting(backend),
            with_dumps(self.handlers),
            settings,
            ae_title=self._ae_title,
            held_bytes=self._held_bytes,
            serve=Provider(settings.sop_classes, settings.move_destinations, self._ae.open_session).serve,
        )
        session.enter("the server")  # from now on only handlers may use it
        try:
            await self.serve_requests(await self._accept(session, associated))
        except AssociationError:
            pass  # the end is logged already
        except Exception:
            log.exception("serving %s failed", session.peer_name)
            await session.end()
        except BaseException:
            await session.end(waits=False)
            raise
        finally:
            self._places.leave(session)
            session.leave()

    async def _accept(self, session: Session, associated: Callable[[], object] | None) -> Place:
        """Answer the request of a peer, and return the place of the association."""
        connection = session.connection
        log_connection("%s has connected", session.ending)
        connection.transport_connected()
        await session.notify(evt.EVT_CONN_OPEN, address=session.stream.peer_address)
        rq = await session.next_event()
        assert isinstance(rq, AssociateRQ)
        rules = self.rules()  # the settings may have changed since the connection was accepted
        displace = None if associated is None else partial(_displace, session)
        place = Place(session, rq.calling_ae_title, rules.settings, associated or _nothing, displace)
        answer, policy = await self.answer(place, rq, rules)
        await session.backend.checkpoint()  # a shutdown must come before the acceptance
        if session.ending.terminal is None:
            if isinstance(answer, AssociateAC) and not self._places.settle(place):
                answer = _TOO_MANY
            common = accepted_common_extended(rq, policy)
            connection.send(answer, common_extended=common.values())
        if isinstance(answer, AssociateAC) and session.ending.terminal is None:
            log_acceptance(session.ending, session.connection)
            await session.notify(evt.EVT_ACCEPTED)
            await session.notify(evt.EVT_ESTABLISHED)
            place.idle.append(session.stream.now())
        return place

    async def serve_requests(self, place: Place) -> None:
        """Serve the requests of the peer to the end of the association, which raises."""
        session, now = place.session, place.session.stream.now
        while True:
            event = await session.next_event()
            if isinstance(event, RequestReceived):
                if not place.begin_operation():
                    _displace(session)
                    raise await session.driver.ended()
                await session.dispatch(event)
                place.idle.append(now())
            else:
                await session.dispatch(event)

    def enter(self, place: Place) -> AssociateRJ | None:
        """Count a new association, or return the rejection for a reached limit."""
        if (congestion := self._congestion()) is not None:
            return congestion
        if not self._places.take(place):
            return _TOO_MANY
        place.session.observe()  # a handler may have been bound to the server meanwhile
        place.associated()
        return self._congestion()  # a shutdown may have begun just before

    def enter_again(self, place: Place, rules: Rules) -> AssociateRJ | None:
        """Count a new association again, by settings that have changed since `enter`."""
        self._places.leave(place.session)
        place.settings = rules.settings
        return self.enter(place)

    def _congestion(self) -> AssociateRJ | None:
        """Return the rejection during a shutdown; None without one."""
        return _CONGESTION if self._is_closing else None

    async def answer(
        self, place: Place, rq: AssociateRQ, rules: Rules
    ) -> tuple[AssociateAC | AssociateRJ, AcceptorPolicy]:
        """Return the answer to a request, and the policy after the handlers of the negotiation."""
        session, policy = place.session, rules.policy
        if not is_allowed(session.stream.peer_address, rules.allowed):
            await session.end()
            return _CONGESTION, policy  # not sent: the connection is closed
        refusal = self.enter(place)
        if refusal is not None:
            return refusal, policy
        # Handlers do not see requests that the policy rejects by itself.
        answer = rules.settings.negotiate(rq, policy)
        if isinstance(answer, AssociateRJ):
            if place.leaver is None:
                return answer, policy
            self._places.refuse(place)
            return _TOO_MANY, policy
        event = evt.RequestedEvent(evt.EVT_REQUESTED, session.association, rq)
        good = await session.runner.tell(event)
        if event.rejection is not None:
            result, source, reason = event.rejection
            return AssociateRJ(result=result, source=source, reason=reason), policy
        if not good:  # the failed handler might have rejected
            return _CONGESTION, policy
        asked = await intervene(session, rq, policy)
        return answer if asked is policy else negotiate(rq, asked), asked


def _nothing() -> None:
    """Tell no server that a connection has its association."""


def _displace(session: Session) -> None:
    """Have an association end for a newcomer; any thread may call this."""
    session.driver.ask_to_end(partial(_displaced, session.peer_name))


def _displaced(peer: str) -> AssociationError:
    """Return the error of an association that was ended for another one."""
    text = "the association was aborted from this side: a newcomer needs its place (give_way_after)"
    return AssociationAborted(f"{peer}: {text}", source=0, reason=0, by_peer=False)
