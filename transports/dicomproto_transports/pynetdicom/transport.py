"""Servers, with the interface of pynetdicom's `transport`."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..server.threaded import Server
from ..streams.blocking_waits import InterruptibleWaiter
from . import events as evt
from ._acceptance import Acceptance
from ._addresses import AddressInformation
from ._globals import MODE_ACCEPTOR
from .association import Association
from .presentation import PresentationContext

if TYPE_CHECKING:
    import ssl

LOGGER = logging.getLogger("pynetdicom.transport")

Address = tuple[str, int] | tuple[str, int, int, int]

__all__ = [
    "AddressInformation",
    "AssociationServer",
    "AssociationSocket",
    "RequestHandler",
    "T_CONNECT",
    "ThreadedAssociationServer",
]


_NO_HANDLER = "RequestHandler is not imitated: bind a handler of EVT_CONN_OPEN or EVT_REQUESTED"

_accepting: set[AssociationServer] = set()
"""The servers that accept: each lives until it is closed, whoever holds it."""


def _thread_of(server: weakref.ref[AssociationServer], **options: Any) -> threading.Thread:
    """Return the association of a new connection, which is the thread that serves it."""
    found = server()
    assert found is not None  # as it accepts
    assoc = Association(found.ae, MODE_ACCEPTOR, target=options["target"], args=options["args"])
    assoc.serve_for(found)
    return assoc


class AssociationServer:
    """Listens, and serves each association in a thread of its own.

    It listens from the moment it is made; `serve_forever` accepts.
    """

    def __init__(
        self,
        ae: Any,
        address: Address,
        ae_title: str,
        contexts: list[PresentationContext],
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: list[evt.EventHandlerType] | None = None,
        request_handler: Callable[..., Any] | None = None,
    ) -> None:
        """Listen on (host, port); port 0 lets the system choose one.

        Raises NotImplementedError for a `request_handler`.
        """
        if request_handler not in (None, RequestHandler):
            raise NotImplementedError(_NO_HANDLER)
        self.ae: Any = ae
        self.ae_title: str = ae_title
        self.contexts: list[PresentationContext] = contexts
        self._ssl_context: ssl.SSLContext | None = ssl_context
        self.address_info: AddressInformation = AddressInformation.from_tuple(address)
        self.timeout: float | None = 60
        self.bindings: evt.Bindings = evt.Bindings()
        for binding in evt_handlers or ():
            self.bindings.bind(*evt.parts_of(binding))
        self._server = Server(
            Acceptance(self),
            self._listen_on(address),
            make_thread=partial(_thread_of, weakref.ref(self)),
            make_waiter=InterruptibleWaiter,
        )
        found: Any = self._server.address
        self.server_address: Address = found
        self._is_over = threading.Event()

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The context of TLS, as it was given; None without TLS."""
        return self._ssl_context

    @ssl_context.setter
    def ssl_context(self, context: ssl.SSLContext | None) -> None:
        raise AttributeError("a server keeps its ssl_context: give one to start_server or make_server")

    def _listen_on(self, address: Address) -> Any:
        return (self.address_info.address, address[1])

    def __del__(self) -> None:
        """Close the listening socket of a server that was never started."""
        server: Server | None = vars(self).get("_server")
        if server is not None:
            for listener in server.listeners:
                listener.close()

    # -- handlers -----------------------------------------------------------------------------------

    def bind(self, event: evt.EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler, for the associations that run now as well."""
        self.bindings.bind(event, handler, args)
        for assoc in self.active_associations:
            assoc.bind(event, handler, args)

    def unbind(self, event: evt.EventType, handler: Callable[..., Any]) -> None:
        """Unbind a handler, for the associations that run now as well."""
        self.bindings.unbind(event, handler)
        for assoc in self.active_associations:
            assoc.unbind(event, handler)

    def get_events(self) -> list[evt.EventType]:
        """Return the events that have a handler, default handlers included."""
        return self.bindings.events()

    def get_handlers(self, event: evt.EventType) -> evt.HandlerArgType:
        """Return (handler, args) of an intervention event, a list of these of another event."""
        return self.bindings.handlers(event)

    @property
    def active_associations(self) -> list[Association]:
        """The associations of this server whose threads run."""
        threads = [thread for thread in threading.enumerate() if isinstance(thread, Association)]
        return [assoc for assoc in threads if assoc.server is self]

    # -- running ------------------------------------------------------------------------------------

    @property
    def socket(self) -> Any:
        """The listening socket."""
        return self._server.listeners[0]

    def fileno(self) -> int:
        """Return the descriptor of the listening socket."""
        number: int = self.socket.fileno()
        return number

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Accept connections until `shutdown` is called; nothing is polled."""
        self.start()
        self._is_over.wait()

    def start(self) -> None:
        """Accept connections in a thread of the server's own."""
        _accepting.add(self)
        self._server.start()

    def shutdown(self) -> None:
        """Accept no more connections; running associations stay."""
        self.server_close()
        if self in self.ae.servers:
            self.ae.servers.remove(self)

    def server_close(self) -> None:
        """Close the listening socket."""
        self._server.stop_accepting()
        _accepting.discard(self)
        self._is_over.set()

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the listening socket."""
        self.server_close()


class RequestHandler:
    """pynetdicom's handler of a new connection; the drop-in makes associations by itself."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Raise NotImplementedError."""
        raise NotImplementedError(_NO_HANDLER)


class AssociationSocket:
    """pynetdicom's socket of an association; the library has its own."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Raise NotImplementedError."""
        raise NotImplementedError(
            "AssociationSocket is not imitated: give bind_address= and tls_args= to associate"
        )


class T_CONNECT:
    """pynetdicom's connection request; the library has its own."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Raise NotImplementedError."""
        raise NotImplementedError("T_CONNECT is not imitated: AE.associate connects")


class ThreadedAssociationServer(AssociationServer):
    """A server that accepts in a thread of its own, as `AE.start_server(block=False)` returns it."""
