"""The application entity: its settings, and the associations that it requests.

`AECore` requests associations; `ServerCore` serves them. A flavour derives its `AE` from `AECore` and
supplies the backend, and the code that listens and accepts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from dicomproto.config import Limits, Timeouts
from dicomproto.connection import Connection
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import (
    AsynchronousOperationsWindow,
)

from .. import arguments, evt
from ..arguments import Context
from ..association.charset import CharsetCheck
from ..association.handler_runner import Drive
from ..association.held_bytes import HeldBytes
from ..association.session import MakeAssociation, Serve, Session
from ..checks import charset_or_none, checked, pdu_size
from ..error_text import known_as
from ..events.handlers import Handlers
from ..logs import with_dumps
from .association import Association
from .requestor import NegotiationItem, connected_stream, establish, request_of
from .settings import Settings

if TYPE_CHECKING:
    from dicomproto.dimse.events import RequestReceived

    from ..scp.provider import Provider
    from ..streams.interface import Backend, Connect, Stream
    from ..tls import TLSArguments

F = TypeVar("F", bound=Callable[..., object])


@known_as("AE")
class AECore(Settings):
    __doc__ = Settings.__doc__

    drive: Drive | None = None
    """How the blocking flavour runs a coroutine; None where handlers may be async."""

    _sessions: set[ref[Session]]
    """Changed by any thread, by atomic operations."""

    def __init__(
        self,
        ae_title: str | bytes = "DICOMPROTO",
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        connect: Connect | None = None,
    ) -> None:
        super().__init__(ae_title, limits=limits, timeouts=timeouts, connect=connect)
        vars(self).update(_sessions=set())

    # -- associations -------------------------------------------------------------------------

    def bind(self, bindings: Iterable[evt.Binding] | None) -> Handlers:
        """Check handlers and return them; raises TypeError, with a reason, for one that cannot run."""
        return Handlers(bindings, allow_async=type(self).drive is None)

    @property
    def active_associations(self) -> list[evt.AnyAssociation]:
        """The established associations, requested ones and those of all servers."""
        known = [reference() for reference in self._sessions.copy()]
        return [one.association for one in known if one is not None and one.is_established]

    def new_session(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        handlers: Handlers,
        settings: Settings,
        *,
        timeouts: Timeouts | None = None,
        ae_title: str | None = None,
        assume_charset: str | None = None,
        held_bytes: HeldBytes | None = None,
        serve: Serve | None = None,
        make_association: MakeAssociation | None = None,
    ) -> Session:
        """Return the session of an engine and a stream, with `settings` that do not change any more.

        The other arguments replace single settings, the provider and the association object.
        """
        if assume_charset is None:
            assume_charset = settings.assume_charset
        session = Session(
            connection,
            stream,
            backend,
            timeouts or settings.timeouts,
            handlers,
            serve=serve or _LateProvider(self, settings),
            make_association=make_association or self.make_association,
            ae_title=ae_title or settings.ae_title,
            drive=type(self).drive,
            text=CharsetCheck(assume_charset),
            held_bytes=held_bytes or HeldBytes(),
            maximum_collected=settings.maximum_collected,
        )
        self._sessions.add(ref(session, self._sessions.discard))
        return session

    def make_association(self, session: Session) -> evt.AnyAssociation:
        """Return the association object of a session; a flavour may have its own class."""
        return Association(session, self)

    async def open_session(self, backend: Backend, *args: Any, **options: Any) -> Session:
        """Associate with a peer; takes the arguments of `associate`."""
        return await Requestor(self, backend).associate(*args, **options)


class _LateProvider:
    """The provider of a requested association, imported when the peer sends a request: few peers do."""

    __slots__ = ("_ae", "_provider", "_settings")

    def __init__(self, ae: AECore, settings: Settings) -> None:
        self._ae = ae
        self._settings = settings
        self._provider: Provider | None = None

    def __call__(self, session: Session, received: RequestReceived) -> Awaitable[None]:
        if self._provider is None:
            from ..scp.provider import Provider

            settings = self._settings
            self._provider = Provider(settings.sop_classes, settings.move_destinations, self._ae.open_session)
        return self._provider.serve(session, received)


def _without_result_type(function: F) -> F:
    """Leave the type of the result out of a signature: each flavour returns an object of its own."""
    del function.__annotations__["return"]
    return function


@known_as("AE")
class Requestor:
    """Requests the associations of an application entity, over connections of a backend."""

    def __init__(self, ae: AECore, backend: Backend) -> None:
        self._ae = ae
        self._backend = backend

    @_without_result_type
    async def associate(
        self,
        addr: str,
        port: int,
        contexts: Iterable[Context] | None = None,
        ae_title: str | bytes = "ANY-SCP",
        max_pdu: int | None = None,
        ext_neg: Iterable[NegotiationItem] | None = None,
        bind_address: tuple[str, int] | None = None,
        tls_args: TLSArguments | None = None,
        evt_handlers: Iterable[evt.Binding] | None = None,
        *,
        calling_ae_title: str | bytes | None = None,
        timeouts: Timeouts | Mapping[str, float | None] | None = None,
        operations_window: AsynchronousOperationsWindow | None = None,
        strict_roles: bool | None = None,
        allow_unknown: bool | None = None,
        pack_pdvs: bool = False,
        assume_charset: str | None = None,
    ) -> Session:
        """Associate with a peer.

        `contexts` replaces the `requested_contexts`, `max_pdu` the `maximum_pdu_size`; `ext_neg` holds items
        of the extended negotiation. `tls_args` is an `ssl.SSLContext`, or a pair of one and the host name to
        check in the peer's certificate, in place of `addr`. `calling_ae_title`, `timeouts`, `strict_roles`,
        `allow_unknown` and `assume_charset` replace the settings of this entity; `timeouts` may be a mapping
        of those that differ. `bind_address` is the local (address, port), with port 0 for any; a fixed port
        can be used again at once. `operations_window` is proposed unless `ext_neg` holds one. `pack_pdvs`
        sends a command and the beginning of its data set in one PDU. `Peer.options` returns the arguments for
        a peer of a peer table.

        Raises an AssociationError that names the peer and the reason: ConnectionLost, TLSFailed, TimedOut,
        AssociationRejected, AssociationAborted, or NoAcceptedContext (after an abort) if no proposed context
        is accepted. Raises LocalProtocolError for a proposal that is not allowed, and TypeError or ValueError
        for an argument that is not valid, before connecting.
        """
        port = arguments.check_address(addr, port)
        arguments.check_bind_address(bind_address)
        if max_pdu is not None:
            checked("max_pdu", pdu_size, max_pdu)
        arguments.check_window(operations_window)
        arguments.check_flag("strict_roles", strict_roles, or_none=True)
        arguments.check_flag("allow_unknown", allow_unknown, or_none=True)
        arguments.check_flag("pack_pdvs", pack_pdvs)
        handlers, settings = with_dumps(self._ae.bind(evt_handlers)), self._ae.settled()
        if assume_charset is not None:
            assume_charset = checked("assume_charset", charset_or_none, assume_charset)
        timeouts = arguments.timeouts_of(timeouts, settings.timeouts)
        connection = settings.new_connection(
            Role.REQUESTOR,
            timeouts=timeouts,
            strict_roles=strict_roles,
            allow_unknown=allow_unknown,
            pack_pdvs=pack_pdvs,
        )
        request = request_of(
            settings, contexts, ae_title, calling_ae_title, max_pdu, ext_neg or (), operations_window
        )
        connection.send(request)
        called = request.called_ae_title
        stream = await connected_stream(self._backend, addr, port, bind_address, tls_args, called, timeouts)
        session = self._ae.new_session(
            connection,
            stream,
            self._backend,
            handlers,
            settings,
            timeouts=timeouts,
            ae_title=request.calling_ae_title,
            assume_charset=assume_charset,
        )
        await establish(session)
        return session
