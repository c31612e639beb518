"""The lockstep scheduler that users test with: turns, time, faults, cancellation."""

from __future__ import annotations

import pytest

from dicomproto.config import Timeouts
from dicomproto.errors import AssociationAborted, ConnectionLost, NoAcceptedContext, TimedOut
from dicomproto.uids import VERIFICATION
from dicomproto_transports.streams.interface import Stream
from dicomproto_transports.testing import AE, Cancelled, Deadlock, Faults, Lockstep, evt


async def receive_all(stream: Stream) -> list[bytes]:
    parts = []
    while data := await stream.receive(None):
        parts.append(data)
    return parts


def test_time_jumps_to_the_next_deadline() -> None:
    async def sleeper(seconds: float) -> float:
        await world.sleep(seconds)
        return world.now()

    with Lockstep() as world:
        assert world.now() == 0
        assert world.run_all(sleeper(900), sleeper(3600), sleeper(900)) == [900, 3600, 900]


def test_a_run_is_the_same_run_every_time() -> None:
    def run() -> list[str]:
        steps: list[str] = []

        async def worker(name: str) -> None:
            for number in range(3):
                steps.append(f"{name}{number}")
                await (world.checkpoint() if name == "a" else world.sleep(number))

        with Lockstep() as world:
            world.run_all(worker("a"), worker("b"), worker("c"))
        return steps

    assert run() == run()
    assert run()[:3] == ["a0", "b0", "c0"]


def test_a_deadlock_names_who_waits() -> None:
    with Lockstep() as world:
        left, right = world.pair()

        async def listener(stream: Stream) -> None:
            await stream.receive(None)

        world.spawn(listener(left), "the left one")
        with pytest.raises(Deadlock, match=r"the left one: waits for input"):
            world.run(listener(right))


def test_a_failure_beside_comes_out_of_run() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def wait() -> None:
        await world.sleep(10)

    with Lockstep() as world:
        task = world.spawn(fail(), "failing")
        with pytest.raises(ZeroDivisionError):
            world.run(wait())
        assert task.done
        with pytest.raises(RuntimeError, match="no result"):
            task.result  # noqa: B018


def test_cancelling_raises_in_every_wait_but_not_in_a_shield() -> None:
    seen = []

    async def stubborn() -> None:
        try:
            await world.sleep(1000)
        except Cancelled:
            seen.append("first")
            with world.shield():
                await world.sleep(5)
            seen.append("shielded")
            try:
                await world.checkpoint()
            finally:
                seen.append("again")

    async def canceller() -> None:
        await world.sleep(1)
        task.cancel()
        await world.wait_for(lambda: task.done)

    with Lockstep() as world:
        task = world.spawn(stubborn())
        world.run(canceller())
        assert seen == ["first", "shielded", "again"]
        assert world.now() == 6


def test_leaving_the_world_cancels_what_runs() -> None:
    seen = []

    async def forever() -> None:
        try:
            await world.sleep(1e9)
        finally:
            seen.append(world.now())

    async def short() -> None:
        await world.checkpoint()

    with Lockstep() as world:
        world.spawn(forever())
        world.run(short())
    assert seen == [0]


def test_the_pipe_is_bounded() -> None:
    with Lockstep() as world:
        left, right = world.pair(capacity=10)

        async def send() -> list[object]:
            return await left.send([b"x" * 25], world.now() + 1)

        assert sum(map(len, world.run(send()))) == 15
        assert right.try_receive() == b"x" * 10


@pytest.mark.parametrize("how", ["eof", "reset", "stall"])
def test_a_cut_after_so_many_bytes(how: str) -> None:
    async def send(stream: Stream) -> None:
        await stream.send([b"0123456789"], world.now() + 1)

    async def receive(stream: Stream) -> bytes:
        whole = b""
        while len(whole) < 4:
            whole += await stream.receive(None)
        return whole

    with Lockstep() as world:
        left, right = world.pair(to_right=Faults(cut_after=4, how=how))
        world.run(send(left))
        assert world.run(receive(right)) == b"0123"
        if how == "eof":
            assert world.run(right.receive(None)) == b""
            world.run(send(left))  # vanishes
        elif how == "reset":
            with pytest.raises(ConnectionResetError):
                world.run(right.receive(None))
            with pytest.raises(ConnectionResetError):
                world.run(send(left))
            with pytest.raises(ConnectionResetError):
                left.try_receive()
        else:
            with pytest.raises(TimeoutError):
                world.run(right.receive(world.now() + 60))


def test_a_stall_fills_the_pipe() -> None:
    async def send() -> None:
        rest: list[object] = [b"x" * 25]
        while rest:
            rest = await left.send(rest, world.now() + 60)

    with Lockstep() as world:
        left, _ = world.pair(to_right=Faults(cut_after=0, how="stall"), capacity=10)
        with pytest.raises(TimeoutError):
            world.run(send())


def test_byte_by_byte_and_partial_writes() -> None:
    async def send() -> None:
        rest: list[object] = [b"abc", b"def"]
        while rest:
            rest = await left.send(rest, None)
        await left.close([b"gh"], world.now())

    with Lockstep() as world:
        left, right = world.pair(to_right=Faults(chunk=1, accept=4))
        received = world.run_all(send(), receive_all(right))[1]
        assert received == [bytes([letter]) for letter in b"abcdefgh"]


def test_writing_to_a_closed_end_breaks() -> None:
    async def send() -> None:
        await left.send([b"x"], None)

    with Lockstep() as world:
        left, right = world.pair()
        right.close_now()
        with pytest.raises(ConnectionResetError):
            world.run(send())
        assert left.try_receive() == b""
        left.close_now()
        with pytest.raises(OSError, match="closed"):
            left.try_receive()
        with pytest.raises(OSError, match="closed"):
            world.run(send())


def test_closing_with_input_unread_resets() -> None:
    async def send() -> None:
        await left.send([b"x"], None)

    with Lockstep() as world:
        left, right = world.pair()
        world.run(send())
        right.close_now()
        with pytest.raises(ConnectionResetError):
            left.try_receive()


# Application entities


def make(world: Lockstep, title: str, timeouts: Timeouts | None = None) -> AE:
    ae = AE(world, title, timeouts=timeouts)
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    return ae


def test_handlers_are_tested_as_they_are() -> None:
    seen = []

    async def handle(event: evt.Event) -> int:
        await world.sleep(1)
        seen.append((event.assoc.requestor.ae_title, world.now()))
        return 0x0000

    async def scenario() -> None:
        async with make(world, "SCP").start_server(evt_handlers=[(evt.EVT_C_ECHO, handle)]) as server:
            assert server.address == ("127.0.0.1", server.port)
            async with make(world, "SCU").associate("anywhere", server.port) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000
                assert len(server.active_associations) == 1
            with pytest.raises(NoAcceptedContext):
                await make(world, "SCU").associate("anywhere", server.port, contexts=["1.2.3"])

    with Lockstep() as world:
        world.run(scenario())
    assert seen == [("SCU", 1)]


def test_nobody_listens_and_ports_are_taken() -> None:
    async def scenario() -> None:
        async with make(world, "SCP").start_server(("", 104)):
            with pytest.raises(OSError, match="taken"):
                make(world, "SCP").start_server(("", 104))
        with pytest.raises(ConnectionLost, match="nobody listens"):
            await make(world, "SCU").associate("anywhere", 104)

    with Lockstep() as world:
        world.run(scenario())


def test_long_timeouts_take_no_time() -> None:
    async def scenario() -> None:
        async with make(world, "SCP").start_server() as server:
            world.backend.to_client = Faults(cut_after=0, how="stall")
            with pytest.raises(TimedOut) as caught:
                await make(world, "SCU", Timeouts(association=3600.0)).associate("anywhere", server.port)
            assert caught.value.phase == "association"
            assert world.now() >= 3600

    with Lockstep() as world:
        world.run(scenario())


def test_a_handler_may_shut_its_server_down() -> None:
    servers = []

    async def handle(event: evt.Event) -> int:
        await servers[0].shutdown()
        return 0x0000

    async def scenario() -> None:
        async with make(world, "SCP").start_server(evt_handlers=[(evt.EVT_C_ECHO, handle)]) as server:
            servers.append(server)
            assoc = await make(world, "SCU").associate("anywhere", server.port)
            with pytest.raises(AssociationAborted):
                await assoc.send_c_echo()

    with Lockstep() as world:
        world.run(scenario())


def test_grace_in_a_lockstep_server() -> None:
    async def scenario() -> None:
        async with make(world, "SCP").start_server() as server:
            assoc = await make(world, "SCU").associate("anywhere", server.port)

            async def finish() -> None:
                await world.sleep(5)
                await assoc.send_c_echo()
                await assoc.release()

            world.spawn(finish())
            await server.shutdown(grace=60)
            assert 5 <= world.now() < 60

    with Lockstep() as world:
        world.run(scenario())
