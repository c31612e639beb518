"""`python -m tests.benchmarks.pourers`: how long a peer waits while others pour out what costs much to take.

The server is a process of its own, and each pourer too, at nice 10. Of each run the longest of 100 waits of
a standing association for the response to its C-ECHO counts, of all runs the best.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio
import trio

from dicomproto import NEED_DATA, AssociateAC, CEchoRQ, Connection, ResponseReceived, Role
from dicomproto.uids import VERIFICATION
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt
from dicomproto_transports import trio as trio_flavour
from tests.pourers import ADDRESS, BLOCKS, CONTEXTS

FLAVOURS = {"trio": 0.3, "anyio": 0.3, "blocking": 0.5}
"""The longest wait, in seconds, that is good enough."""

POURERS = 5
ECHOES = 100
PAUSE = 0.01
"""Seconds between two C-ECHOs."""

WARM_UP = 1.0
"""Seconds that the pourers have before the first of them."""


def serve(flavour: str) -> None:
    """Be the server, and print its port."""
    handlers = [
        (evt.EVT_C_STORE, lambda event: 0),
        (evt.EVT_C_FIND, lambda event: iter([(0x0000, None)])),
    ]
    kinds = {"trio": trio_flavour.AE, "anyio": anyio_flavour.AE, "blocking": blocking.AE}
    ae = kinds[flavour]("BENCH")
    ae.maximum_associations = None
    for uid in CONTEXTS:
        ae.add_supported_context(uid)
    if isinstance(ae, blocking.AE):
        print(ae.start_server((ADDRESS, 0), block=False, evt_handlers=handlers).port, flush=True)
        sys.stdin.read()
        return

    async def run() -> None:
        async with ae.start_server((ADDRESS, 0), evt_handlers=handlers) as server:
            print(server.port, flush=True)
            await anyio.to_thread.run_sync(sys.stdin.read)

    if flavour == "trio":
        trio.run(run)
    else:
        anyio.run(run)


@contextmanager
def _running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class Standing:
    """An association that stands, with our engine on a bare socket."""

    def __init__(self, port: int) -> None:
        from dicomproto import build_associate_rq

        self.socket = socket.create_connection((ADDRESS, port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = Connection(Role.REQUESTOR)
        self.connection.send(build_associate_rq("BENCH", "ANY-SCP", [(VERIFICATION, ("1.2.840.10008.1.2",))]))
        self.connection.transport_connected()
        self._exchange(AssociateAC)

    def _exchange(self, expected: type) -> None:
        self.socket.sendall(b"".join(self.connection.data_to_send()))
        while (event := self.connection.next_event()) is NEED_DATA:
            self.connection.receive_data(self.socket.recv(65536))
        if not isinstance(event, expected):
            raise RuntimeError(f"in place of {expected.__name__}: {event!r}")

    def echo(self) -> float:
        """Return the seconds that the response to a C-ECHO took."""
        began = time.perf_counter()
        self.connection.send_request(CEchoRQ(MessageID=0, AffectedSOPClassUID=VERIFICATION), 1)
        self._exchange(ResponseReceived)
        return time.perf_counter() - began


def worst_wait(flavour: str, kind: str) -> float:
    """Return the longest wait for a C-ECHO of one run, in seconds."""
    with ExitStack() as stack:
        server = stack.enter_context(_running("tests.benchmarks.pourers", flavour))
        assert server.stdout is not None
        port = int(server.stdout.readline())
        standing = Standing(port)
        stack.enter_context(standing.socket)
        standing.echo()
        for _ in range(POURERS):
            stack.enter_context(_running("tests.pourers", str(port), kind))
        time.sleep(WARM_UP)
        worst = 0.0
        for _ in range(ECHOES):
            worst = max(worst, standing.echo())
            time.sleep(PAUSE)
        return worst


def bench_pourers(rounds: int, kinds: tuple[str, ...] = tuple(BLOCKS)) -> None:
    """Print the longest wait for each kind of pourer and flavour; raises RuntimeError if one is too long."""
    print(
        f"\n{POURERS} pourers: the longest of {ECHOES} waits for a C-ECHO, in seconds, best of {rounds} runs"
    )
    print(" " * 40 + "".join(flavour.rjust(10) for flavour in FLAVOURS))
    failed = []
    for kind in kinds:
        print(f"  {kind:<38}", end="", flush=True)
        for flavour, longest in FLAVOURS.items():
            best = float("inf")
            for _ in range(rounds):
                best = min(best, worst_wait(flavour, kind))
                if best <= longest:
                    break
            print(f"{best:>10.3f}", end="", flush=True)
            if best > longest:
                failed.append(f"{kind} on {flavour}: {best:.2f} s")
        print(flush=True)
    if failed:
        raise RuntimeError("a C-ECHO waits too long beside " + "; ".join(failed))


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(sys.argv[1])
    else:
        bench_pourers(3)
