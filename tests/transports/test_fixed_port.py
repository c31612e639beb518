"""From one source port, one association after the other: whoever closes first holds it (TIME_WAIT)."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from dicomproto.errors import AssociationAborted, AssociationRejected
from dicomproto_transports import evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.streams.interface import Stream
from tests.associations import associate, make_ae
from tests.backends import AnyBackend
from tests.certificates import Authority
from tests.ports import free_port
from tests.transports.test_tls_associations import of_client, of_server

MANY = 12
Address = tuple[str, int]


@pytest.fixture
def here() -> Address:
    """An address with a port that is free."""
    return "127.0.0.1", free_port()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_many_associations_in_a_row(
    real_backend: AnyBackend, authority: Authority, here: Address, secure: bool
) -> None:
    """However each of them ends, the next one begins at once."""
    ae = make_ae(real_backend, "SCP")
    ae.require_calling_aet = "SCU"
    seen = []

    async def main() -> None:
        options = {"tls_args": of_client(authority)} if secure else {}
        tell = (evt.EVT_REQUESTED, lambda event: seen.append(event.assoc._session.stream.peer_address))
        tls = of_server(authority) if secure else None
        core = ServerCore(ae, [tell], ssl_context=tls)
        async with real_backend.serving(core) as server:
            for _ in range(MANY):
                async with await associate(real_backend, server.port, bind_address=here, **options) as assoc:
                    assert (await assoc.send_c_echo()).Status == 0
                assert assoc.is_released
                other = make_ae(real_backend, "OTHER")
                with pytest.raises(AssociationRejected):
                    await associate(real_backend, server.port, other, bind_address=here, **options)
                assoc = await associate(real_backend, server.port, bind_address=here, **options)
                await assoc.abort()
        assert seen == [here] * (2 * MANY)  # it is not told of those that it rejects by name

    real_backend.run(main)


def test_a_peer_that_aborts(real_backend: AnyBackend, here: Address) -> None:
    async def main() -> None:
        ae = make_ae(real_backend, "SCP")
        ae.timeouts = ae.timeouts.replace(idle=0.01)  # then it aborts
        core = ServerCore(ae, [])
        async with real_backend.serving(core) as server:
            for _ in range(MANY):
                assoc = await associate(real_backend, server.port, bind_address=here)
                with pytest.raises(AssociationAborted):
                    await assoc.serve()

    real_backend.run(main)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(10)
        yield sock


@asynccontextmanager
async def connected(
    backend: AnyBackend, listener: socket.socket, bind_address: Address
) -> AsyncIterator[tuple[Stream, socket.socket]]:
    """A stream from there, and the socket at its other end, which is closed at the end of the block."""
    stream = await backend.backend.connect(*listener.getsockname(), bind_address=bind_address)
    peer, _ = listener.accept()
    with peer:
        peer.settimeout(10)
        yield stream, peer


@pytest.mark.parametrize("port", ["fixed", "any"])
def test_a_peer_that_does_not_close_is_reset(
    real_backend: AnyBackend, here: Address, listener: socket.socket, port: str
) -> None:
    """From any port the connection ends at once and in order (PS3.8 AR-3)."""

    async def main() -> None:
        for _ in range(3):
            bind_address = here if port == "fixed" else (here[0], 0)
            async with connected(real_backend, listener, bind_address) as (stream, peer):
                assert stream.local_address == peer.getpeername()
                await stream.close([], stream.now())
                if port == "any":
                    assert peer.recv(10) == b""
                else:
                    assert stream.local_address == here
                    with pytest.raises(ConnectionResetError):
                        peer.recv(10)

    real_backend.run(main)


def test_the_last_words_arrive_before_a_reset(
    real_backend: AnyBackend, here: Address, listener: socket.socket
) -> None:
    async def main() -> None:
        async with connected(real_backend, listener, here) as (stream, peer):
            await stream.close([b"last ", b"words"], stream.now() + 0.2)
            assert peer.recv(100) == b"last words"
            with pytest.raises(ConnectionResetError):
                peer.recv(100)

    real_backend.run(main)


def test_a_peer_that_closes_first_is_not_reset(
    real_backend: AnyBackend, here: Address, listener: socket.socket
) -> None:
    async def main() -> None:
        async with connected(real_backend, listener, here) as (stream, peer):
            peer.shutdown(socket.SHUT_WR)
            await stream.close([b"last words"], stream.now() + 10)
            assert peer.recv(100) == b"last words"
            assert peer.recv(100) == b""

    real_backend.run(main)


def test_a_peer_that_resets_is_no_error(
    real_backend: AnyBackend, here: Address, listener: socket.socket
) -> None:
    async def main() -> None:
        for _ in range(3):
            async with connected(real_backend, listener, here) as (stream, peer):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
                await stream.close([], stream.now())

    real_backend.run(main)
