"""A server with many associations on which nothing happens: `python -m tests.benchmarks.servers FLAVOUR`.

It is a process of its own; what it uses is read from outside.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import trio

from dicomproto import AssociateAC, CEchoRQ, Connection, ResponseReceived, Role, build_associate_rq
from dicomproto_transports import blocking
from dicomproto_transports import trio as trio_flavour

VERIFICATION = "1.2.840.10008.1.1"
ADDRESS = "127.0.0.1"

IDLE = 500
"""Associations that do nothing."""


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
    _allow_many_descriptors()
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


def _allow_many_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * IDLE
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    serve(sys.argv[1])
