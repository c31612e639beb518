"""What TLS costs: bytes through our streams with and without it, and through the sockets of the `ssl` module.

Both ends are of one kind, in two processes, on loopback. The buffers are those of a stored object:
a header of 12 bytes before each 16 KiB.
"""

from __future__ import annotations

import multiprocessing
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from dicomproto.config import Timeouts
from dicomproto_transports.streams.blocking_waits import PollWaiter, run
from dicomproto_transports.streams.interface import Stream
from dicomproto_transports.streams.secure import Handshake
from dicomproto_transports.streams.tcp import SocketStream
from dicomproto_transports.tls import client_context, server_context
from tests.certificates import Authority

BUFFERS = [bytes(12), bytes(16 * 1024)] * 16
SIZE = sum(map(len, BUFFERS))
TIMES = 800  # 200 MiB
KINDS = ("dicomproto", "an ssl socket", "without TLS")


def _stream(kind: str, sock: socket.socket, handshake: Handshake) -> Stream:
    stream = SocketStream(sock, PollWaiter(sock))
    return stream if kind == "without TLS" else run(handshake.run(stream, "PEER", Timeouts()))


def _drain(kind: str, folder: Path, pipe: Pipe) -> None:
    context = server_context(folder / "server.pem", folder / "server.key")
    buffer = bytearray(1 << 18)
    with socket.create_server(("127.0.0.1", 0)) as server:
        pipe.send(server.getsockname()[1])
        while True:
            sock = server.accept()[0]
            if kind == "an ssl socket":
                with context.wrap_socket(sock, server_side=True) as peer:
                    while peer.recv_into(buffer):
                        pass
            else:
                stream = _stream(kind, sock, Handshake(context, server_side=True))
                while run(stream.receive(None)):
                    pass
                run(stream.close([], stream.now()))
            pipe.send("done")


def _send(kind: str, port: int, context: ssl.SSLContext) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    if kind == "an ssl socket":
        joined = b"".join(BUFFERS)  # it has no sendmsg
        with context.wrap_socket(sock, server_hostname="localhost") as peer:
            for _ in range(TIMES):
                peer.sendall(joined)
            peer.shutdown(socket.SHUT_WR)
        return
    stream = _stream(kind, sock, Handshake(context, server_hostname="localhost"))
    for _ in range(TIMES):
        rest = BUFFERS
        while rest:
            rest = run(stream.send(rest, None))
    run(stream.close([], stream.now() + 10))


@contextmanager
def tls_tasks() -> Iterator[dict[str, Callable[[], object]]]:
    """Run a receiver of each kind; yield what sends all bytes to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = client_context(Authority(folder).ca_file)
        drains = []

        def task(kind: str) -> Callable[[], object]:
            ours, theirs = multiprocessing.Pipe()
            drain = multiprocessing.Process(target=_drain, args=(kind, folder, theirs), daemon=True)
            drain.start()
            drains.append(drain)
            port = ours.recv()

            def send() -> None:
                _send(kind, port, context)
                ours.recv()

            return send

        try:
            yield {kind: task(kind) for kind in KINDS}
        finally:
            for drain in drains:
                drain.terminate()
