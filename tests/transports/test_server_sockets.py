"""Where a server listens: addresses, a shared port, and sockets that were handed in."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateAC
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.streams.blocking_waits import PollWaiter
from dicomproto_transports.streams.event_loop import AsyncWaiter
from dicomproto_transports.streams.listening import listen, systemd_sockets
from dicomproto_transports.streams.tcp import SocketStream
from tests.associations import HOST, Peer, associate, make_ae, make_server, open_association
from tests.backends import LONGEST_WAIT, AnyBackend, Blocking


def bound(address: tuple[str, int] = (HOST, 0), backlog: int | None = None) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    sock.bind(address)
    if backlog is not None:
        sock.listen(backlog)
    return sock


@pytest.mark.parametrize("backlog", [None, 5], ids=["bound", "listening"])
@pytest.mark.parametrize("wrap", [lambda sock: sock, lambda sock: [sock], lambda sock: (sock,)])
def test_a_socket_that_was_handed_in(
    real_backend: AnyBackend, backlog: int | None, wrap: Callable[[socket.socket], Any]
) -> None:
    async def main() -> None:
        sock = bound(backlog=backlog)
        async with real_backend.serving(make_server(real_backend), wrap(sock)) as server:
            assert server.addresses == [sock.getsockname()]
            assert server.server_address == server.address == (HOST, server.port)
            async with await associate(real_backend, server.port) as association:
                assert (await association.send_c_echo()).Status == 0x0000
        assert sock.fileno() == -1  # it was the server's

    real_backend.run(main)


def test_several_sockets(real_backend: AnyBackend) -> None:
    async def main() -> None:
        sockets = [bound(), bound(), bound(("::1", 0))]
        ports = [sock.getsockname()[1] for sock in sockets]
        async with real_backend.serving(make_server(real_backend), sockets) as server:
            assert [address[1] for address in server.addresses] == ports
            for port in ports[:2]:
                async with await associate(real_backend, port):
                    pass
            ae = make_ae(real_backend)
            async with await open_association(ae, real_backend.backend, "::1", ports[2]) as association:
                assert association.acceptor.address == "::1"

    real_backend.run(main)


def connect_to(backend: AnyBackend, path: str) -> Peer:
    """Return a requestor at a Unix socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    waiter = PollWaiter(sock) if isinstance(backend, Blocking) else AsyncWaiter(backend.library, sock)
    return Peer(SocketStream(sock, waiter), Role.REQUESTOR)


def test_a_unix_socket_has_no_address(real_backend: AnyBackend, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "dicom.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        ae = make_ae(real_backend)
        ae.maximum_associations_per_address = 1  # that of nobody limits nobody
        async with real_backend.serving(make_server(real_backend, ae=ae), listener) as server:
            assert server.address is None
            assert server.addresses == [None]
            with pytest.raises(AttributeError, match="no port"):
                _ = server.port
            peers = [connect_to(real_backend, path) for _ in range(2)]
            for peer in peers:
                assert isinstance(await peer.request(VERIFICATION), AssociateAC)
            assert [association.requestor.address for association in server.active_associations] == [None] * 2
            for peer in peers:
                await peer.close()

    real_backend.run(main)


def test_nobody_comes_through_a_unix_socket_from_an_allowed_network(
    real_backend: AnyBackend, tmp_path: Path
) -> None:
    async def main() -> None:
        path = str(tmp_path / "dicom.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        ae = make_ae(real_backend)
        ae.allowed_networks = ["0.0.0.0/0", "::/0"]
        async with real_backend.serving(make_server(real_backend, ae=ae), listener):
            peer = connect_to(real_backend, path)
            assert await peer.stream.receive(peer.stream.now() + 10) == b""
            await peer.stream.close([], 0)

    real_backend.run(main)


def test_sockets_that_cannot_listen_stay_the_callers(real_backend: AnyBackend) -> None:
    async def serve(where: Any) -> None:
        async with real_backend.serving(make_server(real_backend), where):
            raise AssertionError("it serves")

    async def main() -> None:
        with bound() as good, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError, match="stream sockets"):
                await serve([good, datagrams])
            assert good.fileno() >= 0
        with pytest.raises(ValueError, match="an address or a socket"):
            await serve([])

    real_backend.run(main)


def test_a_port_may_be_shared(real_backend: AnyBackend) -> None:
    async def main() -> None:
        core = make_server(real_backend)
        async with real_backend.serving(core, reuse_port=True) as one:
            address = (HOST, one.port)
            async with real_backend.serving(make_server(real_backend), address, reuse_port=True) as two:
                assert two.port == one.port
                served = set()
                for _ in range(200):
                    async with await associate(real_backend, one.port):
                        served.update(server for server in (one, two) if server.active_associations)
                    if len(served) == 2:
                        break
                assert served == {one, two}
        with closing(listen((HOST, 0))[0]) as alone, pytest.raises(OSError, match="in use"):
            listen(alone.getsockname(), reuse_port=True)

    real_backend.run(main)


# --- the facades --------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", [blocking, trio_flavour, anyio_flavour])
def test_each_flavour_knows_the_sockets_of_systemd(flavour: Any) -> None:
    assert flavour.systemd_sockets is systemd_sockets
    assert systemd_sockets() == []


ACTIVATED = """
    from dicomproto.uids import VERIFICATION
    from dicomproto_transports.blocking import AE, evt, systemd_sockets
    import os

    sockets = systemd_sockets()
    assert systemd_sockets() == []
    assert not [name for name in os.environ if name.startswith("LISTEN_")]
    assert not any(sock.get_inheritable() for sock in sockets)
    ae = AE("ACTIVATED")
    ae.add_supported_context(VERIFICATION)
    ends = lambda event: ae.shutdown()
    ae.start_server(sockets, evt_handlers=[(evt.EVT_RELEASED, ends)])
    print("ended", len(sockets))
"""


LAUNCH = """
    import fcntl, os, sys
    _, script, environment, *descriptors = sys.argv
    high = [fcntl.fcntl(int(descriptor), fcntl.F_DUPFD, 100) for descriptor in descriptors]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, 3 + number)
        os.close(descriptor)
    told = (line.replace("$$", str(os.getpid())).split("=") for line in environment.splitlines())
    arguments = [sys.executable, "-W", "error", "-c", script]
    os.execve(sys.executable, arguments, os.environ | dict(told))
"""


def activate(script: str, sockets: list[socket.socket], **environment: str) -> subprocess.Popen[str]:
    """Start a process as systemd does: with sockets from descriptor 3 on, and told its own number for $$."""
    descriptors = [sock.fileno() for sock in sockets]
    lines = "\n".join(f"{name}={value}" for name, value in environment.items())
    command = [sys.executable, "-c", textwrap.dedent(LAUNCH), textwrap.dedent(script), lines]
    return subprocess.Popen(
        [*command, *map(str, descriptors)],
        pass_fds=descriptors,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_server_on_the_sockets_of_systemd() -> None:
    with bound(backlog=5) as one, bound(backlog=5) as two:
        port = two.getsockname()[1]
        process = activate(ACTIVATED, [one, two], LISTEN_PID="$$", LISTEN_FDS="2", LISTEN_FDNAMES="a:b")
    with process:
        ae = blocking.AE()
        ae.add_requested_context(VERIFICATION)
        with ae.associate(HOST, port) as association:
            assert association.send_c_echo().Status == 0x0000
        assert process.wait(LONGEST_WAIT) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "ended 2\n"


WHAT_WAS_GIVEN = """
    from dicomproto_transports.blocking import systemd_sockets
    try:
        print(len(systemd_sockets()))
    except (ValueError, OSError) as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, "0"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "0"),
        ({"LISTEN_PID": "$$"}, "0"),
        ({"LISTEN_PID": "$$", "LISTEN_FDS": "0"}, "0"),
        ({"LISTEN_PID": "$$", "LISTEN_FDS": "many"}, "ValueError"),
        ({"LISTEN_PID": "me", "LISTEN_FDS": "1"}, "ValueError"),
        ({"LISTEN_PID": "$$", "LISTEN_FDS": "99"}, "OSError"),
    ],
)
def test_what_the_environment_says_of_sockets(environment: dict[str, str], outcome: str) -> None:
    with activate(WHAT_WAS_GIVEN, [], **environment) as process:
        out, err = process.communicate(timeout=LONGEST_WAIT)
    assert (out, err) == (outcome + "\n", "")
