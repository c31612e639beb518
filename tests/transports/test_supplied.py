"""What users supply is checked when it is given: a backend, a stream of it, a stream that is wrapped."""

from __future__ import annotations

import socket
from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import trio

from dicomproto.errors import AssociationAborted, ConnectionLost, TimedOut
from dicomproto.uids import VERIFICATION
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import evt, testing
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.streams.interface import Stream
from tests.test_service_examples import example

MEMBERS = {"now", "connect", "checkpoint", "current_task", "shield", "in_thread"}
METHODS = {name for name, value in vars(Stream).items() if name[0] != "_" and callable(value)}
FLAVOURS = pytest.mark.parametrize("flavour", [trio_flavour, anyio_flavour], ids=["trio", "anyio"])


class Tunnel:
    """A backend that connects in its own way, and takes the rest from the flavour."""

    now = trio_flavour.BACKEND.now
    checkpoint = trio_flavour.BACKEND.checkpoint
    current_task = trio_flavour.BACKEND.current_task
    shield = trio_flavour.BACKEND.shield
    in_thread = trio_flavour.BACKEND.in_thread

    async def connect(
        self, host: str, port: int, *, bind_address: Any = None, deadline: float | None = None
    ) -> Any:
        try:
            with trio.fail_at(inf if deadline is None else deadline):
                stream = await trio.open_tcp_stream(host, port)
        except trio.TooSlowError:
            raise TimedOut(f"the tunnel to {host} port {port} takes too long", phase="connect") from None
        except OSError as error:
            raise ConnectionLost(f"no tunnel to {host} port {port}: {error}") from error
        return trio_flavour.wrap_stream(stream)


def backend_without(flavour: Any, *names: str) -> Any:
    backend = flavour.BACKEND
    return SimpleNamespace(**{name: getattr(backend, name) for name in sorted(MEMBERS.difference(names))})


@FLAVOURS
@pytest.mark.parametrize(
    "missing", [*([name] for name in sorted(MEMBERS)), ["current_task", "shield"]], ids=str
)
def test_a_backend_that_lacks_something_is_refused_when_it_is_set(flavour: Any, missing: list[str]) -> None:
    incomplete = backend_without(flavour, *missing)
    text = rf"TunnelAE\.backend: SimpleNamespace lacks {', '.join(missing)};"
    with pytest.raises(TypeError, match=text):
        type("TunnelAE", (flavour.AE,), {"backend": incomplete})

    class TunnelAE(flavour.AE):  # type: ignore[misc, name-defined]
        pass

    ae = TunnelAE("SCU")
    with pytest.raises(TypeError, match=text):
        ae.backend = incomplete
    assert ae.backend is flavour.BACKEND


@FLAVOURS
def test_what_is_no_backend_at_all(flavour: Any) -> None:
    class Tunnel:
        pass

    for name in MEMBERS:
        setattr(Tunnel, name, getattr(flavour.BACKEND, name))
    with pytest.raises(TypeError, match=r"is the class Tunnel, .* Tunnel\(\)"):
        type("TunnelAE", (flavour.AE,), {"backend": Tunnel})
    not_callable = backend_without(flavour)
    not_callable.shield = None
    for given, text in ((None, "NoneType.*lacks"), (not_callable, "lacks shield")):
        with pytest.raises(TypeError, match=text):
            type("TunnelAE", (flavour.AE,), {"backend": given})
    made = type("TunnelAE", (flavour.AE,), {"backend": Tunnel()})
    assert isinstance(made.backend, Tunnel)  # type: ignore[attr-defined]


def test_a_backend_that_connects_to_what_is_no_stream() -> None:
    streams = []

    class Other(Tunnel):
        async def connect(self, host: str, port: int, **options: object) -> Any:
            streams.append(await trio.open_tcp_stream(host, port))
            return streams[0]

    ae = type("TunnelAE", (trio_flavour.AE,), {"backend": Other()})("SCU")
    ae.add_requested_context(VERIFICATION)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with pytest.raises(
                TypeError, match=r"Other\.connect\(\): SocketStream lacks close, .*wrap_stream"
            ):
                await ae.associate("127.0.0.1", listener.getsockname()[1])
            await streams[0].aclose()

    trio.run(main)


def test_a_stream_tells_its_addresses() -> None:
    streams = []

    class Other(Tunnel):
        async def connect(self, host: str, port: int, **options: object) -> Any:
            stream = await super().connect(host, port, **options)
            streams.append(stream)
            return SimpleNamespace(**{name: getattr(stream, name) for name in dir(Stream) if name in METHODS})

    ae = type("TunnelAE", (trio_flavour.AE,), {"backend": Other()})("SCU")
    ae.add_requested_context(VERIFICATION)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with pytest.raises(TypeError, match="SimpleNamespace lacks local_address, peer_address;"):
                await ae.associate(*listener.getsockname())
            await streams[0].close([], 0)

    trio.run(main)


def by_backend() -> Any:
    return type("TunnelAE", (trio_flavour.AE,), {"backend": Tunnel()})("SCU")


def as_documented() -> Any:
    return trio_flavour.AE("SCU", connect=example("tunnel").connect)


@pytest.mark.parametrize(
    ("make", "lost"), [(by_backend, "no tunnel to"), (as_documented, "cannot connect to")]
)
def test_a_tunnel_has_all_that_associations_need(make: Callable[[], Any], lost: str) -> None:
    """abort() and the handlers of events, which need more of a backend than the calls do."""
    told = []
    handlers = [
        (kind, lambda event: told.append(event.event))
        for kind in (evt.EVT_CONN_OPEN, evt.EVT_ESTABLISHED, evt.EVT_ABORTED, evt.EVT_RELEASED)
    ]

    async def main() -> None:
        scp = trio_flavour.AE("SCP")
        scp.add_supported_context(VERIFICATION)
        scu = make()
        scu.add_requested_context(VERIFICATION)
        async with scp.start_server(("127.0.0.1", 0)) as server:
            there = "127.0.0.1", server.port
            async with scu.associate(*there, evt_handlers=handlers) as assoc:
                assert (await assoc.send_c_echo()).Status == 0
            assert assoc.is_released
            assoc = await scu.associate(*there, evt_handlers=handlers)
            await assoc.abort()
            with pytest.raises(AssociationAborted):
                await assoc.send_c_echo()
        with pytest.raises(ConnectionLost, match=f"{lost} 127"):
            await scu.associate(*there)
        with pytest.raises(TimedOut):
            await scu.associate(*there, timeouts={"connect": 0})

    trio.run(main)
    assert told == [
        evt.EVT_CONN_OPEN, evt.EVT_ESTABLISHED, evt.EVT_RELEASED,
        evt.EVT_CONN_OPEN, evt.EVT_ESTABLISHED, evt.EVT_ABORTED,
    ]  # fmt: skip


def test_what_cannot_be_wrapped_is_refused_at_once() -> None:
    one, other = socket.socketpair()
    with one, other:
        for given in (one, None, object(), anyio_flavour.wrap_stream):
            with pytest.raises(TypeError, match=r"lacks receive_some, .* trio\.abc\.Stream"):
                trio_flavour.wrap_stream(given)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"lacks receive, .* anyio\.abc\.ByteStream"):
                anyio_flavour.wrap_stream(given)  # type: ignore[arg-type]
    send, receive = anyio.create_memory_object_stream[bytes](1)
    with send, receive:
        objects = anyio.streams.stapled.StapledObjectStream(send, receive)
        with pytest.raises(TypeError, match=r"of objects; an anyio\.abc\.ByteStream"):
            anyio_flavour.wrap_stream(objects)  # type: ignore[arg-type]


def test_the_world_of_the_tests_is_a_backend_too() -> None:
    with testing.Lockstep() as world:
        assert testing.AE(world).backend is world.backend
