"""What the acceptors have in common: to listen, and to end well.

SIGINT and SIGTERM are blocked in every thread and waited for in the main one, so that no handler
runs in the middle of anything. The first ends the server when nothing is under way any more, or
when the grace is over; what is asked for meanwhile is refused. The second ends it at once.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..blocking import AE
from ..evt import Binding
from ._console import Console
from ._options import timeouts_of

_SIGNALS = {signal.SIGINT, signal.SIGTERM}

_LAST_RESPONSES = 0.25
"""Seconds for the responses to what was finished last to leave."""


class Listener:
    """A server that runs until it is told to stop."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        console.take_logging()
        self.ae = AE(ae_title=options.ae_title, timeouts=timeouts_of(options))
        self.ae.maximum_associations = options.max_associations
        self.ae.maximum_pdu_size = options.max_pdu
        self.is_stopping = False
        self._options = options
        self._console = console
        self._changed = threading.Condition()
        self._busy = 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """A block that is to be finished before the server ends."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def run(self, handlers: Sequence[Binding]) -> bool:
        """Serve until a signal comes; return whether that went well to the end."""
        options, console = self._options, self._console
        address = options.bind_address
        try:
            server = self.ae.start_server((address, options.port), block=False, evt_handlers=list(handlers))
        except OSError as error:
            text = f"cannot listen on {address or 'any address'}, port {options.port}: {error.strerror}"
            console.error(text)
            console.event("error", error=type(error).__name__, text=text)
            return False
        console.result(f"listening on {address or 'any address'}, port {server.port}")
        console.event("listening", address=address, port=server.port)
        try:
            signal.sigwait(_SIGNALS)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            console.info("stopping")
            with self._changed:
                self.is_stopping = True
                self._changed.wait_for(lambda: self._busy == 0, options.grace)
                finished = self._busy == 0
            server.shutdown(_LAST_RESPONSES)
        except KeyboardInterrupt:
            finished = False
            server.shutdown()
        if not finished:
            console.error("ended before everything was finished")
        return finished
