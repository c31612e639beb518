"""Acceptors listen until a signal comes, and finish the work in progress.

The main thread waits for signals and for the end of each piece of work. After the first SIGINT or SIGTERM new
associations are rejected as temporary congestion, and the established ones go on, so that a study in
transfer is complete. The server ends when they have ended or were idle for a second, or when the grace
period is over. The second signal ends it at once. SIGHUP reloads the certificate files.
"""

from __future__ import annotations

import argparse
import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Self

from ..blocking import AE, Association, Server
from ..evt import Binding, Event
from ..streams.addresses import Address, host_and_port
from .cli.console import Console
from .cli.listening import admit, listen_on
from .cli.options import timeouts_of
from .cli.signals import Signals
from .cli.users import bindings_of
from .cli.values import SYSTEMD

_NEWS = b"\0"
"""On the pipe: a piece of work or the last association has ended."""

_HANGUP = bytes([signal.SIGHUP])
"""On the pipe: reload the certificate files."""

_IDLE = 1.0
"""Seconds without data after which the associations of an ending server are aborted."""

_LAST_RESPONSES = 0.25
"""Seconds to send the last responses after the grace period."""


def warn_of_options(options: argparse.Namespace, console: Console) -> None:
    """Warn, before the program listens, of what the options lack."""
    if options.users is not None and options.users.have_passcodes and options.tls is None:
        console.warn("the passcodes of the users come in clear: the connections have no TLS")


def tell_addresses(options: argparse.Namespace, console: Console, addresses: Sequence[Address]) -> None:
    """Tell where the program listens."""
    # Sockets from systemd may be of any kind; None is a Unix socket.
    for host, port in map(host_and_port, addresses if options.port == SYSTEMD else addresses[:1]):
        host = host if options.port == SYSTEMD else options.bind_address
        console.result(
            f"listening on {host or 'any address'}, port {port}" if port else "listening on a Unix socket"
        )
        console.event("listening", address=host, port=port)


def report_deafness(options: argparse.Namespace, console: Console, error: Exception) -> None:
    """Report why the program cannot listen."""
    reason = error.strerror if isinstance(error, OSError) else error
    text = f"cannot listen on {options.bind_address or 'any address'}, port {options.port}: {reason}"
    console.error(text)
    console.event("error", error=type(error).__name__, text=text)


def calling_ae_title(event: Event) -> str:
    """Return the calling AE title of the association of an event."""
    return association_of(event).requestor.ae_title


def association_of(event: Event) -> Association:
    """Return the association of an event."""
    association = event.assoc
    assert isinstance(association, Association)
    return association


class Acceptor:
    """A server that runs until a signal comes; a context manager, which restores the signal handlers."""

    def __init__(self, options: argparse.Namespace, console: Console, signals: Signals | None = None) -> None:
        self._signals = signals or Signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        console.take_logging()
        self.ae: AE = AE(ae_title=options.ae_title, timeouts=timeouts_of(options))
        self.ae.maximum_pdu_size = options.max_pdu
        admit(self.ae, options)
        self._is_stopping = False
        self.options = options
        self._console = console
        self._lock = threading.Lock()
        self._busy = 0
        self._is_over = False  # work in progress is discarded from now on
        self._thrown_away = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signals.close()

    @contextmanager
    def work(self) -> Iterator[None]:
        """A block of work to finish before the server ends."""
        with self._lock:
            self._busy += 1
        try:
            yield
        except BaseException:
            with self._lock:
                self._thrown_away += self._is_over
            raise
        finally:
            with self._lock:
                self._busy -= 1
            self._tell()

    def _tell(self) -> None:
        """Wake the main thread if it waits for the end."""
        with self._lock:
            if self._is_stopping:
                self._signals.tell(_NEWS)

    def run(self, handlers: Sequence[Binding]) -> bool:
        """Serve until a signal comes; return whether the server could listen and all work was finished."""
        options, console = self.options, self._console
        try:
            server = self.start([*handlers, *bindings_of(options)])
        except (OSError, ValueError) as error:  # sockets from systemd may be of any kind
            report_deafness(options, console, error)
            return False
        while not self._signals.wait(None).strip(_HANGUP):
            self._reload()
        console.info("stopping")
        with self._lock:
            self._is_stopping = True
        grace = options.grace
        is_closed = threading.Event()

        def close() -> None:
            server.shutdown(grace + _LAST_RESPONSES, refuse=True)
            is_closed.set()  # first: who is told may look before the thread has ended
            self._tell()

        closing = threading.Thread(target=close)
        closing.start()
        server.shutdown(self._finish(is_closed, monotonic() + grace), refuse=True)
        closing.join()
        with self._lock:
            return not (self._thrown_away or self._busy)

    def start(self, handlers: Sequence[Binding]) -> Server:
        """Start to serve, and tell where; raises OSError or ValueError if the server cannot listen."""
        warn_of_options(self.options, self._console)
        server = self.ae.start_server(
            listen_on(self.options),
            block=False,
            evt_handlers=handlers,
            ssl_context=self.options.tls,
            proxy_protocol_from=self.options.proxy_protocol_from,
            reuse_port=self.options.reuse_port,
        )
        tell_addresses(self.options, self._console, server.addresses)
        return server

    def _reload(self) -> None:
        """Reload the certificate files; keep the old certificates if that fails."""
        if self.options.tls is None:
            self._console.info("there are no certificates to reload")
            return
        try:
            self.options.tls.reload()
        except (ArgumentTypeError, OSError, ValueError) as error:
            self._console.error(f"the certificates are not reloaded: {error}")
        else:
            self._console.info("the certificates are reloaded")

    def _finish(self, is_closed: threading.Event, deadline: float) -> float:
        """Wait until the associations have ended or are idle; return the seconds they have left."""
        while not is_closed.is_set():
            with self._lock:
                busy = self._busy
            came = self._signals.wait(deadline if busy else min(monotonic() + _IDLE, deadline))
            is_late = monotonic() >= deadline
            if came.strip(_NEWS + _HANGUP) or (is_late and not came):
                return self._give_up(_LAST_RESPONSES if is_late else 0)
            if not came and not busy:
                break
        return 0

    def _give_up(self, patience: float) -> float:
        with self._lock:
            self._is_over = True
            busy = self._busy
        if busy:
            self._console.warn("ended before everything was finished")
        return patience
