"""What a server costs while nothing happens, and whether it takes many requestors at once.

The server is a process of its own, `python -m tests.benchmarks.servers FLAVOUR`; what it uses is read
from outside.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import trio
import trio.testing

from dicomproto import AssociateAC, CEchoRQ, Connection, ResponseReceived, Role, build_associate_rq
from dicomproto_transports import blocking
from dicomproto_transports import trio as trio_flavour

VERIFICATION = "1.2.840.10008.1.1"
ADDRESS = "127.0.0.1"

IDLE = 500
"""Associations that do nothing."""

REST = 3.0
"""Seconds that they do it for."""

MOST_MEMORY, MOST_TIME = 40_000, 0.02
"""Bytes of each of them, and seconds of processor time for all in their rest, that are too much."""

AT_ONCE = 64
"""Requestors that come at the same moment."""


def serve(flavour: str) -> None:
    """Be the server, and print its port."""
    _allow_many_descriptors()
    ae = blocking.AE("BENCH") if flavour == "blocking" else trio_flavour.AE("BENCH")
    ae.maximum_associations = None
    ae.add_supported_context(VERIFICATION)
    if isinstance(ae, blocking.AE):
        server = ae.start_server((ADDRESS, 0), block=False)
        print(server.port, flush=True)
        sys.stdin.read()
    else:
        trio.run(_serve_trio, ae)


async def _serve_trio(ae: trio_flavour.AE) -> None:
    async with ae.start_server((ADDRESS, 0)) as server:
        print(server.port, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


@contextlib.contextmanager
def serving(flavour: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run the server; yield its port and its process."""
    command = [sys.executable, "-m", "tests.benchmarks.servers", flavour]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.kill()


def open_association(port: int) -> socket.socket:
    """Return the connection of an association that has echoed once, with our engine on a bare socket."""
    connection = Connection(Role.REQUESTOR)
    connection.send(build_associate_rq("BENCH", "ANY-SCP", [(VERIFICATION, ("1.2.840.10008.1.2",))]))
    connection.transport_connected()
    peer = socket.create_connection((ADDRESS, port), timeout=30)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange() -> object:
        peer.sendall(b"".join(connection.data_to_send()))
        connection.receive_data(peer.recv(65536))
        return connection.next_event()

    accepted = exchange()
    if not isinstance(accepted, AssociateAC):
        raise RuntimeError(f"in place of an acceptance: {accepted!r}")
    connection.send_request(CEchoRQ(MessageID=0, AffectedSOPClassUID=VERIFICATION), 1)
    answer = exchange()
    if not isinstance(answer, ResponseReceived) or answer.command.Status != 0:
        raise RuntimeError(f"in place of a response: {answer!r}")
    return peer


def bench_idle(flavour: str) -> None:
    """Memory and processor time of a server with many associations on which nothing happens.

    Raises RuntimeError when either is too much.
    """
    _allow_many_descriptors()
    with serving(flavour) as (port, process), contextlib.ExitStack() as stack:
        # What the first associations import and cache is not theirs alone. They stay, lest others use
        # their memory again.
        for _ in range(10):
            stack.enter_context(open_association(port))
        before = process.memory_info().rss
        for _ in range(IDLE):
            stack.enter_context(open_association(port))
        memory = (process.memory_info().rss - before) / IDLE
        start = process.cpu_times()
        time.sleep(REST)
        end = process.cpu_times()
        used = abs(end.user + end.system - start.user - start.system)  # the clock may round down to -0.0
        print(f"\n{IDLE} idle associations on one {flavour} server")
        print(f"  memory of each      {memory / 1000:>12,.1f} KB")
        print(f"  processor time      {used / REST:>12.1%}", flush=True)
        if memory >= MOST_MEMORY:
            raise RuntimeError(f"an idle association on a {flavour} server takes {memory / 1000:.1f} KB")
        if round(used, 2) >= MOST_TIME:  # the system counts hundredths
            raise RuntimeError(f"a {flavour} server with idle associations took {used:.2f} s in {REST:g} s")


async def _ask_at_once(port: int, failures: list[Exception]) -> None:
    start = trio.Event()
    ae = trio_flavour.AE("BENCH")
    ae.add_requested_context(VERIFICATION)

    async def ask() -> None:
        await start.wait()
        try:
            async with ae.associate(ADDRESS, port) as association:
                status = (await association.send_c_echo()).Status
                if status != 0:
                    raise RuntimeError(f"a C-ECHO was answered {status:04X}")
        except Exception as error:  # counted, not raised
            failures.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        start.set()


def bench_at_once(flavour: str, rounds: int) -> None:
    """Associate, echo and release, many requestors at a time."""
    failures: list[Exception] = []
    with serving(flavour) as (port, _):
        started = time.perf_counter()
        for _ in range(rounds):
            trio.run(_ask_at_once, port, failures)
        seconds = (time.perf_counter() - started) / rounds
    print(f"\n{AT_ONCE} simultaneous associations with one {flavour} server, a C-ECHO on each")
    print(f"  all of them         {seconds * 1000:>12,.1f} ms")
    print(f"  failed              {len(failures):>12} of {rounds * AT_ONCE}", flush=True)
    if failures:
        raise failures[0]


def bench_servers(rounds: int) -> None:
    """Print it all."""
    for flavour in ("trio", "blocking"):
        bench_idle(flavour)
    for flavour in ("trio", "blocking"):
        bench_at_once(flavour, 10 * rounds)


def _allow_many_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * IDLE
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    serve(sys.argv[1])
