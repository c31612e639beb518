"""The base of all servers, and the interface to the acceptor's side of an application entity."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..attributes import refuse_on_server
from ..error_text import known_as

if TYPE_CHECKING:
    from ..events.any_association import AnyAssociation
    from ..events.event_kind import E, EventKind, Handler, HandlerOf
    from ..events.handlers import Handlers
    from ..streams.addresses import Address
    from ..streams.interface import Backend, Stream
    from ..streams.tcp import SocketStream


class ConnectionServer(Protocol):
    """The acceptor's side of an application entity, as a server uses it."""

    handlers: Handlers

    @property
    def active_associations(self) -> list[AnyAssociation]:
        """The associations with a place, as their handlers see them."""
        ...

    def serve_connection(
        self, stream: SocketStream, backend: Backend, associated: Callable[[], object]
    ) -> Coroutine[Any, Any, None]:
        """Run one association to its end and close the stream.

        `associated` is called when a requested association gets its place, before policy and handlers decide.
        Until then, and again after the end of the association, the connection counts as pending, and the
        oldest pending ones are dropped when there are too many. Handlers open other associations with
        `backend`, as for a C-MOVE; a shutdown of the server may end its waits.

        Raises only a cancellation or `ServerShutdown`, after the stream was closed.
        """
        ...

    def begin_shutdown(self) -> None:
        """Accept no more associations, since the server is about to end."""

    def bind(self, kind: EventKind, handler: Handler, args: Sequence[object]) -> None:
        """Bind a handler, for the associations that are being served now as well."""

    def unbind(self, kind: EventKind, handler: Handler) -> None:
        """Unbind a handler, for the associations that are being served now as well."""


@known_as("Server")
class Serving:
    """The addresses, associations and handlers of a server."""

    def __init__(self, core: ConnectionServer, addresses: list[Address]) -> None:
        self._core = core
        self._addresses = addresses

    if not TYPE_CHECKING:  # with it, a checker would allow any name to be set

        def __setattr__(self, name: str, value: object) -> None:
            if not name.startswith("_"):  # our own attributes
                refuse_on_server(name)
            super().__setattr__(name, value)

    @property
    def active_associations(self) -> list[AnyAssociation]:
        """The associations that are being served now."""
        return self._core.active_associations

    @property
    def addresses(self) -> list[Address]:
        """The addresses on which the server listens; None for a Unix socket."""
        return self._addresses

    @property
    def address(self) -> Address:
        """The first of `addresses`."""
        return self._addresses[0]

    @property
    def server_address(self) -> Address:
        """The first of `addresses`, under the name that pynetdicom's users know."""
        return self._addresses[0]

    @property
    def port(self) -> int:
        """The port that the server listens on; raises AttributeError for a Unix socket."""
        if self.address is None:
            raise AttributeError("a server on a Unix socket has no port")
        return self.address[1]

    def bind(self, event: EventKind[E], handler: HandlerOf[E], args: Sequence[object] = ()) -> None:
        """Bind a handler as `evt_handlers` of `start_server` does, for associations that run now as well.

        It takes the place of the one before where the event is an intervention. Any thread may call this.
        Raises TypeError, and ValueError if an association has a handler that excludes it; then binds nothing.
        """
        self._core.bind(event, handler, args)

    def unbind(self, event: EventKind, handler: Handler) -> None:
        """Unbind a handler, for associations that run now as well."""
        self._core.unbind(event, handler)

    def get_handlers(self, event: EventKind) -> list[tuple[Handler, tuple[object, ...]]]:
        """Return the handlers of an event, each with its extra arguments, in the order they were bound."""
        return self._core.handlers.get_handlers(event)

    def get_events(self) -> list[EventKind]:
        """Return the events that have a handler."""
        return self._core.handlers.get_events()


def report(stream: Stream) -> None:
    """Log the current exception: the failure of one connection ends no other."""
    import logging

    logging.getLogger("dicomproto.server").exception("serving %s failed", stream.peer_address)
