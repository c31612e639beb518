"""How a server comes to its end: what runs is finished, what is new is refused, and all in bounded time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from math import inf
from typing import Any

import pytest

from dicomproto.config import Timeouts
from dicomproto.errors import AssociationAborted, AssociationRejected, ConnectionLost
from dicomproto.negotiation import build_associate_rq
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.pdu import Abort, AssociateAC, ReleaseRP, ReleaseRQ
from dicomproto_transports import blocking, evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.streams.interface import Backend
from dicomproto_transports.streams.tcp import SocketStream
from tests.associations import HOST, Peer, associate, connect, in_flavour, make_ae, make_server
from tests.backends import LONGEST_WAIT, AnyBackend, Blocking, Lockstep

ENOUGH = 20.0
"""Seconds of grace that are not to be used up."""

LITTLE = 0.1
"""Seconds of grace that are."""


async def shut_down(server: Any, *args: float, **options: bool) -> None:
    """Shut a server of any flavour down."""
    stopping = server.shutdown(*args, **options)
    if stopping is not None:
        await stopping


async def answer_to_a_newcomer(backend: AnyBackend, port: int) -> object:
    """Ask for an association; return what becomes of it."""
    try:
        association = await associate(backend, port)
    except AssociationRejected as error:
        return error.result, error.source, error.reason
    except ConnectionLost:
        return "nobody listens"
    await association.release()
    return "accepted"


async def until_newcomers(backend: AnyBackend, port: int, answer: object) -> None:
    """Return when the server has begun to treat newcomers so."""
    while (found := await answer_to_a_newcomer(backend, port)) != answer:
        assert found in ("accepted", (2, 3, 1))


@pytest.mark.parametrize("grace", [ENOUGH, inf])
def test_what_runs_is_finished_while_nobody_listens(backend: AnyBackend, grace: float) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            association = await associate(backend, server.port)
            start = backend.backend.now()

            async def finish() -> None:
                await until_newcomers(backend, server.port, "nobody listens")
                for _ in range(3):
                    assert (await association.send_c_echo()).Status == 0x0000
                await association.release()
                assert association.is_released

            await backend.together(lambda: shut_down(server, grace), finish)
            assert backend.backend.now() < start + ENOUGH
            assert server.active_associations == []

    backend.run(main)


def test_nothing_that_runs_is_cut_short(backend: AnyBackend) -> None:
    """Many associations, each with something under way all the time, until it is done."""

    async def main() -> None:
        ae = make_ae(backend)
        ae.maximum_associations = None
        async with backend.serving(make_server(backend, ae=ae)) as server:
            associations = [await associate(backend, server.port) for _ in range(10)]

            async def work(association: Any) -> None:
                await until_newcomers(backend, server.port, (2, 3, 1))
                for _ in range(20):
                    assert (await association.send_c_echo()).Status == 0x0000
                await association.release()
                assert association.is_released

            working = [partial(work, association) for association in associations]
            await backend.together(lambda: shut_down(server, ENOUGH, refuse=True), *working)
            assert server.active_associations == []

    backend.run(main)


def test_newcomers_are_told_of_congestion_until_the_last_has_ended(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            association = await associate(backend, server.port)
            start = backend.backend.now()

            async def finish() -> None:
                await until_newcomers(backend, server.port, (2, 3, 1))
                assert (await association.send_c_echo()).Status == 0x0000
                assert await answer_to_a_newcomer(backend, server.port) == (2, 3, 1)
                await association.release()

            await backend.together(lambda: shut_down(server, ENOUGH, refuse=True), finish)
            assert backend.backend.now() < start + ENOUGH
            assert await answer_to_a_newcomer(backend, server.port) == "nobody listens"

    backend.run(main)


@pytest.mark.parametrize("refuse", [False, True])
def test_what_is_left_at_the_deadline_is_aborted(backend: AnyBackend, refuse: bool) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            association = await associate(backend, server.port)
            start = backend.backend.now()

            async def wait() -> None:
                with pytest.raises(AssociationAborted):
                    await association.serve()
                assert start + LITTLE <= backend.backend.now() < start + ENOUGH

            await backend.together(lambda: shut_down(server, LITTLE, refuse=refuse), wait)
            assert await answer_to_a_newcomer(backend, server.port) == "nobody listens"

    backend.run(main)


@pytest.mark.parametrize("refuse", [False, True])
def test_without_associations_there_is_nothing_to_wait_for(backend: AnyBackend, refuse: bool) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            silent = await connect(backend, server.port)
            assert await answer_to_a_newcomer(backend, server.port) == "accepted"
            start = backend.backend.now()

            async def listen() -> None:
                await silent.until_closed()

            await backend.together(lambda: shut_down(server, ENOUGH, refuse=refuse), listen)
            assert backend.backend.now() < start + ENOUGH
            await silent.stream.close([], 0)

    backend.run(main)


def test_a_second_call_shortens_the_first(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            association = await associate(backend, server.port)
            start = backend.backend.now()

            async def lose_patience() -> None:
                await until_newcomers(backend, server.port, (2, 3, 1))
                await shut_down(server)

            async def wait() -> None:
                with pytest.raises(AssociationAborted):
                    await association.serve()

            await backend.together(lambda: shut_down(server, ENOUGH, refuse=True), lose_patience, wait)
            assert backend.backend.now() < start + ENOUGH

    backend.run(main)


def test_a_handler_drains_the_server_it_is_served_by(backend: AnyBackend) -> None:
    """It waits for the other associations and not for its own, and so do two at once."""
    servers: list[Any] = []
    drained = []

    async def drain(event: evt.Event) -> int:
        await shut_down(servers[0], ENOUGH)
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_ECHO, in_flavour(backend, drain))])
        async with backend.serving(core) as server:
            servers.append(server)
            one, two = [await associate(backend, server.port, make_ae(backend, name)) for name in "AB"]
            other = await associate(backend, server.port, make_ae(backend, "C"))
            start = backend.backend.now()

            async def ask(association: Any) -> None:
                try:
                    await association.send_c_echo()
                    await association.serve()  # in the blocking flavour it ends after the handler
                except AssociationAborted:
                    drained.append(association.requestor.ae_title)

            async def finish() -> None:
                await until_newcomers(backend, server.port, "nobody listens")
                await other.release()

            await backend.together(lambda: ask(one), lambda: ask(two), finish)
            assert backend.backend.now() < start + ENOUGH

    backend.run(main)
    assert sorted(drained) == ["A", "B"]


# --- associations that are being judged -----------------------------------------------------------


def judged(backend: AnyBackend, judge: Callable[[], Awaitable[object]]) -> tuple[ServerCore, list[evt.Event]]:
    """Return a server whose handler takes as long as `judge` for "SLOW", and whom it has begun with."""
    begun: list[evt.Event] = []

    async def handle(event: evt.Event) -> None:
        if event.assoc.requestor.ae_title == "SLOW":
            begun.append(event)
            await judge()

    return make_server(backend, [(evt.EVT_REQUESTED, in_flavour(backend, handle))]), begun


@pytest.mark.parametrize("refuse", [False, True])
@pytest.mark.parametrize("rejected", [False, True])
def test_who_is_being_judged_is_served_within_the_grace(
    backend: AnyBackend, refuse: bool, rejected: bool
) -> None:
    servers: list[Any] = []

    async def judge() -> None:
        await until_newcomers(backend, servers[0].port, (2, 3, 1) if refuse else "nobody listens")
        if rejected:
            begun[0].reject(1, 1, 3)

    core, begun = judged(backend, judge)

    async def ask() -> None:
        start = backend.backend.now()
        if rejected:
            with pytest.raises(AssociationRejected):
                await associate(backend, servers[0].port, make_ae(backend, "SLOW"))
        else:
            async with await associate(backend, servers[0].port, make_ae(backend, "SLOW")) as association:
                assert (await association.send_c_echo()).Status == 0x0000
            assert association.is_released
        assert backend.backend.now() < start + ENOUGH

    async def drain() -> None:
        while not begun:
            await answer_to_a_newcomer(backend, servers[0].port)
        await shut_down(servers[0], ENOUGH, refuse=refuse)

    async def main() -> None:
        async with backend.serving(core) as server:
            servers.append(server)
            start = backend.backend.now()
            await backend.together(ask, drain)
            assert backend.backend.now() < start + ENOUGH

    backend.run(main)


def test_who_is_being_judged_when_the_grace_is_over_is_not_accepted_first(backend: AnyBackend) -> None:
    servers: list[Any] = []

    async def judge() -> None:
        if isinstance(backend, Blocking):
            servers[0]._end.wait(ENOUGH)
        elif isinstance(backend, Lockstep):
            await backend.world.wait_for(lambda: False, backend.backend.now() + ENOUGH)
        else:
            await until_newcomers(backend, servers[0].port, "nobody listens")

    core, begun = judged(backend, judge)

    async def main() -> None:
        async with backend.serving(core) as server:
            servers.append(server)
            peer = await connect(backend, server.port)
            peer.connection.send(
                build_associate_rq("SLOW", "SCP", [(VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN])])
            )
            peer.connection.transport_connected()
            await peer.flush()
            while not begun:
                await answer_to_a_newcomer(backend, server.port)
            await shut_down(server, LITTLE, refuse=True)
            assert isinstance(await peer.event(), Abort)
            await peer.stream.close([], 0)

    backend.run(main)


def test_a_flood_of_silent_connections_does_not_throw_out_who_is_being_judged(
    real_backend: AnyBackend,
) -> None:
    silent: list[Peer] = []
    servers: list[Any] = []

    async def judge() -> None:
        silent.extend([await connect(real_backend, servers[0].port) for _ in range(4)])
        for one in silent[:2]:
            await one.until_closed()

    core, _ = judged(real_backend, judge)

    async def main() -> None:
        async with real_backend.serving(core, maximum_pending=2) as server:
            servers.append(server)
            async with await associate(real_backend, server.port, make_ae(real_backend, "SLOW")) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000
            for one in silent:
                await one.stream.close([], 0)

    real_backend.run(main)


def test_a_shutdown_between_the_request_and_its_place(backend: AnyBackend) -> None:
    """It sees the association, or the association sees it."""

    class Ending(ServerCore):
        async def serve_connection(
            self, stream: SocketStream, backend: Backend, associated: Callable[[], object]
        ) -> None:
            def begin() -> None:
                self.begin_shutdown()
                associated()

            await super().serve_connection(stream, backend, begin)

    async def main() -> None:
        async with backend.serving(Ending(make_ae(backend, "SCP"))) as server:
            assert await answer_to_a_newcomer(backend, server.port) == (2, 3, 1)

    backend.run(main)


# --- connections without an association ---------------------------------------------------------


def test_silent_connections_end_with_the_server_and_are_no_failure(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[evt.Event] = []

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_CONN_OPEN, opened.append)])
        async with backend.serving(core) as server:
            silent = await connect(backend, server.port)
            assert await answer_to_a_newcomer(backend, server.port) == "accepted"
        await silent.until_closed()
        await silent.stream.close([], 0)

    backend.run(main)
    assert [record.getMessage() for record in caplog.records] == []
    (aborted,) = (event.assoc for event in opened if event.assoc.is_aborted)  # in whichever order they began
    assert "from this side" in str(aborted.ending)


def test_a_handler_may_abort_before_there_is_an_association(backend: AnyBackend) -> None:
    async def abort(event: evt.Event) -> None:
        stopping = event.assoc.abort()
        if stopping is not None:
            await stopping

    async def main() -> None:
        handlers = [(evt.EVT_CONN_OPEN, in_flavour(backend, abort))]
        async with backend.serving(make_server(backend, handlers)) as server:
            assert await answer_to_a_newcomer(backend, server.port) == "nobody listens"

    backend.run(main)


def test_peers_that_release_and_do_not_close_give_way(real_backend: AnyBackend) -> None:
    ae = make_ae(real_backend, timeouts=Timeouts(close=600.0))

    async def main() -> None:
        async with real_backend.serving(make_server(real_backend, ae=ae), maximum_pending=2) as server:
            staying = await associate(real_backend, server.port)
            peers = []
            for _ in range(6):
                peers.append(await connect(real_backend, server.port))
                assert isinstance(await peers[-1].request(VERIFICATION), AssociateAC)
                peers[-1].connection.send(ReleaseRQ())
                assert isinstance(await peers[-1].event(), ReleaseRP)
            for peer in peers[:4]:
                await peer.until_closed()
            assert server._connections.pending <= 2
            assert (await staying.send_c_echo()).Status == 0x0000
            for peer in peers:
                await peer.stream.close([], 0)
            await staying.release()

    real_backend.run(main)


# --- the blocking application entity ------------------------------------------------------------


def blocking_ae(**settings: Any) -> blocking.AE:
    ae = blocking.AE(**settings)
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    return ae


def test_all_servers_of_an_application_entity_are_drained_side_by_side() -> None:
    ae = blocking_ae()
    with ExitStack() as stack:
        servers = [stack.enter_context(ae.start_server((HOST, 0), block=False)) for _ in range(3)]
        associations = [ae.associate(HOST, server.port) for server in servers]
        ended: list[float] = []
        start = blocking.BACKEND.now()
        all_are_at_their_end = threading.Barrier(3)

        def note(event: evt.Event) -> None:
            ended.append(blocking.BACKEND.now() - start)
            all_are_at_their_end.wait(LONGEST_WAIT / 3)

        for server in servers:
            server.bind(evt.EVT_ABORTED, note)
        ae.shutdown(LITTLE)
        assert len(ended) == 3
        assert all(seconds >= LITTLE for seconds in ended)
        assert not all_are_at_their_end.broken
        for association in associations:
            with pytest.raises(AssociationAborted):
                association.serve()


@pytest.mark.parametrize("count", [1, 3])
def test_a_blocking_server_ends_although_peers_keep_their_connections(count: int) -> None:
    """`Timeouts.close` bounds what comes after an association, and only that."""
    ae = blocking_ae(timeouts=Timeouts(close=LITTLE))
    request = encode_pdu(build_associate_rq("A", "B", [(VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN])]))
    with ExitStack() as stack:
        server = stack.enter_context(ae.start_server((HOST, 0), block=False))
        for _ in range(count):
            peer = stack.enter_context(socket.create_connection((HOST, server.port)))
            peer.sendall(request)
            assert peer.recv(1) == b"\x02"
        server.shutdown()
        assert not server._threads
