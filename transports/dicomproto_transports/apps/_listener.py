"""What the acceptors have in common: to listen, and to end well.

SIGINT and SIGTERM, and the end of the last piece of work, arrive on one pipe, which is all that the main
thread waits for: no signal is lost, and no handler runs in the middle of anything. The first signal
ends the server when nothing is under way any more, or when the grace is over; what is asked for
meanwhile is refused. The second ends it at once. SIGHUP has the files of the certificates read again.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Self

from ..blocking import AE, Association
from ..evt import Binding, Event
from ._admission import admit, listen_on
from ._console import Console
from ._options import timeouts_of

_IDLE = b"\0"
"""On the pipe: nothing is under way any more."""

_HANGUP = bytes([signal.SIGHUP])
"""On the pipe: the files of the certificates are to be read again."""

_LAST_RESPONSES = 0.25
"""Seconds for the responses to what was finished last to leave."""


def calling_ae_title(event: Event) -> str:
    """Return the name of the requestor of the association that an event belongs to."""
    return association_of(event).requestor.ae_title


def association_of(event: Event) -> Association:
    """Return the association that an event belongs to."""
    association = event.assoc
    assert isinstance(association, Association)
    return association


class Listener:
    """A server that runs until it is told to stop; to be entered, so that the signals are given back."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers_before = {
            number: signal.signal(number, lambda number, frame: None)
            for number in (signal.SIGINT, signal.SIGTERM, *([] if options.tls is None else [signal.SIGHUP]))
        }
        console.take_logging()
        self.ae = AE(ae_title=options.ae_title, timeouts=timeouts_of(options))
        self.ae.maximum_pdu_size = options.max_pdu
        admit(self.ae, options)
        self.is_stopping = False
        self._options = options
        self._console = console
        self._lock = threading.Lock()
        self._busy = 0
        self._is_over = False  # what is under way now is thrown away
        self._thrown_away = 0
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        with self._lock:  # work that hangs may still end
            self._is_closed = True
            os.close(self._reader)
            os.close(self._writer)

    @contextmanager
    def work(self) -> Iterator[None]:
        """A block that is to be finished before the server ends."""
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
                if self.is_stopping and not self._busy and not self._is_closed:
                    os.write(self._writer, _IDLE)

    def _wait(self, deadline: float | None) -> bytes:
        """Return the numbers of signals that came, `_IDLE`, or nothing at the deadline."""
        timeout = None if deadline is None else max(deadline - monotonic(), 0)
        ready, _, _ = select.select([self._reader], [], [], timeout)
        return os.read(self._reader, 100) if ready else b""

    def run(self, handlers: Sequence[Binding]) -> bool:
        """Serve until a signal comes; return whether that worked, and all that was begun was finished."""
        options, console = self._options, self._console
        address = options.bind_address
        try:
            server = self.ae.start_server(
                listen_on(options),
                block=False,
                evt_handlers=handlers,
                ssl_context=options.tls,
                proxy_protocol_from=options.proxy_protocol_from,
                reuse_port=options.reuse_port,
            )
        except (OSError, ValueError) as error:  # what systemd hands over may be of any kind
            reason = error.strerror if isinstance(error, OSError) else error
            text = f"cannot listen on {address or 'any address'}, port {options.port}: {reason}"
            console.error(text)
            console.event("error", error=type(error).__name__, text=text)
            return False
        console.result(f"listening on {address or 'any address'}, port {server.port}")
        console.event("listening", address=address, port=server.port)
        while not self._wait(None).strip(_HANGUP):
            self._reload()
        console.info("stopping")
        # Takes no more associations from now on; the second call ends those that there are.
        closing = threading.Thread(target=server.shutdown, args=(options.grace + _LAST_RESPONSES,))
        closing.start()
        at_once = self._finish()
        server.shutdown(0 if at_once else _LAST_RESPONSES)
        closing.join()
        with self._lock:
            return not (self._thrown_away or self._busy)

    def _reload(self) -> None:
        """Read the files for TLS again, and go on with those that were there if that fails."""
        try:
            self._options.tls.reload()
        except (ArgumentTypeError, OSError, ValueError) as error:
            self._console.error(f"the certificates are not reloaded: {error}")
        else:
            self._console.info("the certificates are reloaded")

    def _finish(self) -> bool:
        """Wait until nothing is under way any more; return whether a second signal ends it all."""
        deadline = monotonic() + self._options.grace
        with self._lock:
            self.is_stopping = True
            came = b"" if self._busy else _IDLE
        while not came and (came := self._wait(deadline)):
            came = came.strip(_HANGUP)  # too late for that
        if not came or came.strip(_IDLE):
            with self._lock:
                self._is_over = True
            self._console.warn("ended before everything was finished")
        return bool(came.strip(_IDLE))
