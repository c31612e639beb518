"""`storescp --processes N`: one program of several processes, which accept from the same sockets.

The program binds the sockets, starts the processes anew (no thread is forked) and passes the sockets on. A
process that is busy accepts less, so the associations go where there is time for them; and a connection that
waits is lost with no process. The program takes the signals; its processes ignore them and obey its pipe, so
that a signal to all of them counts once. If the program itself is killed, its processes finish as after
SIGTERM.
"""

from __future__ import annotations

import argparse
import operator
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd

from ...blocking import Server
from ...entity.acceptor import ServerCore
from ...evt import Binding
from ...streams.listening import addresses_of, listeners
from ..acceptor import Acceptor, report_deafness, tell_addresses, warn_of_options
from ..cli.console import Console
from ..cli.listening import listen_on
from ..cli.options import console_of, exit_status
from ..cli.signals import Signals
from .receiver import COUNTED, Receiver, receive, summarize
from .shared_places import SharedPlaces, SharedTable

_HANGUP, _CHILD = bytes([signal.SIGHUP]), bytes([signal.SIGCHLD])
_STOP = bytes([signal.SIGTERM])
Parse = Callable[[Sequence[str]], argparse.Namespace]
"""Returns the options of the command line `options.words`."""

_IGNORED = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def serve_with_processes(options: argparse.Namespace, console: Console, parse: Parse) -> bool:
    """Receive objects until a signal comes; return whether every process did, and wrote all of them.

    `parse` is a function of a module: each process calls it, since options hold what cannot be passed on.
    """
    warn_of_options(options, console)
    try:
        listening = listeners(listen_on(options), reuse_port=options.reuse_port)
    except (OSError, ValueError) as error:
        report_deafness(options, console, error)
        return False
    with tempfile.TemporaryFile() as file:
        table = _table(file.fileno(), options)
        processes = _Processes(console, table)
        try:
            ok = processes.start(options, parse, listening, file.fileno())
            if ok:
                tell_addresses(options, console, addresses_of(listening))
                for sock in listening:
                    sock.close()
                ok = processes.wait()
        finally:
            processes.close()
        counts = table.totals()
    ok = ok and not counts["failed"]
    summarize(console, counts, ok=ok)
    return ok


def _table(file: int, options: argparse.Namespace) -> SharedTable:
    return SharedTable(file, options.processes, COUNTED, options.max_associations)


class _Descriptor:
    """A descriptor on its way to another process, where it arrives as a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[object, ...]:
        return operator.methodcaller("detach"), (DupFd(self._number),)


class _Processes:
    """The processes of the program, and the pipe to each."""

    def __init__(self, console: Console, table: SharedTable) -> None:
        self._console = console
        self._table = table
        self._signals = Signals(*_IGNORED, signal.SIGCHLD)
        self._running: dict[int, tuple[BaseProcess, Connection]] = {}
        self._is_stopping = False

    def start(
        self, options: argparse.Namespace, parse: Parse, listening: Sequence[socket.socket], file: int
    ) -> bool:
        """Start them, to accept from sockets and to share a file; tell whether all were started."""
        context = get_context("spawn")
        resource_tracker.ensure_running()  # it unblocks signals
        # A process is born with the signals blocked, until it can ignore them.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        try:
            for number in range(options.processes):
                reader, writer = context.Pipe(duplex=False)
                descriptors = [_Descriptor(sock.fileno()) for sock in listening], _Descriptor(file)
                words = number, options.words, parse, *descriptors, reader
                process = context.Process(target=_work, args=words, name=f"dicomproto storescp {number + 1}")
                process.start()
                reader.close()
                self._running[number] = process, writer
        except OSError as error:
            text = f"process {len(self._running) + 1} cannot be started: {error.strerror}"
            self._console.error(text)
            self._console.event("error", error=type(error).__name__, text=text)
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return True

    def wait(self) -> bool:
        """Pass signals on until all processes have ended; return whether all ended well."""
        ok = True
        while self._running:
            for number, (process, writer) in list(self._running.items()):
                if process.exitcode is not None:
                    del self._running[number]
                    writer.close()
                    self._table.forget(number)
                    ok = ok and process.exitcode == 0
                    self._report(number, process)
            if self._running:
                for news in self._signals.wait(None).replace(_CHILD, b""):
                    self._pass_on(bytes([news]))
        return ok and self._is_stopping

    def _report(self, number: int, process: BaseProcess) -> None:
        """Report the end of a process that nobody asked for, or that a signal caused."""
        status = process.exitcode or 0
        if status < 0 or not self._is_stopping:
            how = (
                f"was killed by {signal.Signals(-status).name}"
                if status < 0
                else f"ended with status {status}"
            )
            text = f"process {number + 1} {how}; {len(self._running)} go on"
            self._console.error(text)
            self._console.event("error", error="ProcessEnded", text=text)

    def _pass_on(self, news: bytes) -> None:
        if news != _HANGUP:
            self._is_stopping, news = True, _STOP
        for _, writer in self._running.values():
            try:
                writer.send_bytes(news)
            except OSError:
                pass  # it has just ended

    def close(self) -> None:
        """End what is left after an error, and restore the signals."""
        for process, writer in self._running.values():
            writer.close()
            process.join()
        self._signals.close()


# -- in a process ------------------------------------------------------------------------------


def _work(
    number: int,
    words: Sequence[str],
    parse: Parse,
    listening: Sequence[int],
    file: int,
    pipe: Connection,
) -> None:
    """Be one of the processes; the exit status is 0 if all went well."""
    for ignored in _IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
    options = parse(words)
    table = _table(file, options)
    console = console_of(options)
    console.between_processes = table.output
    signals = Signals()
    threading.Thread(target=_obey, args=(pipe, signals), daemon=True).start()
    with _ProcessAcceptor(options, console, signals) as acceptor:
        acceptor.join([socket.socket(fileno=each) for each in listening], SharedPlaces(table, number))
        receiver = Receiver(
            options, console, acceptor, on_receipt=lambda size: table.tell(number, lambda: receiver.counts)
        )
        ok = receive(options, acceptor, receiver)
    sys.exit(exit_status(ok, console))


def _obey(pipe: Connection, signals: Signals) -> None:
    """Pass on what the program says; it is over when the program is gone."""
    try:
        while True:
            signals.tell(pipe.recv_bytes())
    except (EOFError, OSError):
        signals.tell(_STOP)


class _ProcessAcceptor(Acceptor):
    """Accepts from sockets that it shares with other processes."""

    def join(self, listening: list[socket.socket], places: SharedPlaces) -> None:
        """Say from which sockets it accepts, and with whom it shares its places."""
        self._listening = listening
        self._places = places

    def start(self, handlers: Sequence[Binding]) -> Server:
        core = ServerCore(
            self.ae,
            handlers,
            None,
            None,
            self.options.tls,
            self.options.proxy_protocol_from,
            places=self._places,
        )
        server = Server(core, self._listening)
        server.start()
        return server
