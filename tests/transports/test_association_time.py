"""Time in associations, on a virtual clock: what a wait may last, and what it must not count."""

from __future__ import annotations

import io
from typing import Any

import pytest

from dicomproto.config import Timeouts
from dicomproto.dimse.commands import CEchoRQ, CStoreRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import AssociationReleased, TimedOut
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.pdu import (
    Abort,
    AsynchronousOperationsWindow,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
)
from dicomproto.upper_layer.states import State
from dicomproto_transports import evt
from dicomproto_transports.testing import Faults
from tests.associations import (
    CT_IMAGE,
    Peer,
    Script,
    Stored,
    associate,
    associated,
    connect,
    data_set,
    make_ae,
    make_server,
    part10,
)
from tests.backends import Lockstep
from tests.streams import cut_every

BOTH_ROLES = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]


def test_a_slow_handler_does_not_use_up_the_wait_for_a_response() -> None:
    """What came while it ran is read before the wait is over."""
    backend = Lockstep()

    async def talk(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), received.context_id)
        await peer.flush()
        await backend.world.sleep(10)
        peer.connection.send_response(received.command.response())
        await peer.flush()
        assert (await peer.until(ResponseReceived)).command.Status == 0x0000
        await peer.until_closed()

    async def sleep(event: evt.Event) -> int:
        await backend.world.sleep(100)
        return 0x0000

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(
                backend, server.port, ext_neg=BOTH_ROLES, evt_handlers=[(evt.EVT_C_ECHO, sleep)]
            )
            assert (await assoc.send_c_echo()).Status == 0x0000
            assert backend.world.now() >= 100
            await assoc.abort()

    backend.run(main)


def test_a_peer_that_talks_about_other_things_does_not_prolong_the_wait() -> None:
    backend = Lockstep()

    async def talk(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        while True:
            await backend.world.sleep(1)
            peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), received.context_id)
            if not isinstance(await peer.event(), ResponseReceived):
                break

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port, ext_neg=BOTH_ROLES)
            with pytest.raises(TimedOut, match="response timeout"):
                await assoc.send_c_echo()
            assert 60 <= backend.world.now() <= 62

    backend.run(main)


def test_sending_slowly_is_not_waiting() -> None:
    """A response is waited for from the end of sending; writing may take longer, as long as it goes on."""
    backend = Lockstep()
    stored = Stored()
    size = 256 * 1024

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, stored)])) as server:
            backend.world.backend.to_server = Faults(accept=8192)
            backend.world.backend.capacity = 8192
            ae = make_ae(backend, timeouts=Timeouts(response=0.5, write=0.5))
            async with await associate(backend, server.port, ae) as assoc:
                assert (await assoc.send_c_store(io.BytesIO(part10(data_set(size))))).Status == 0x0000

    backend.run(main)
    assert stored.objects == [data_set(size)]


def test_a_trickle_is_not_a_standstill() -> None:
    """The write timeout starts again with every byte that the peer takes."""
    backend = Lockstep()
    size = 200_000

    async def talk(peer: Peer) -> None:
        await peer.accept()
        received = 0
        while received < size:
            await backend.world.sleep(30)
            data = peer.stream.try_receive()
            received += len(data or b"")

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            backend.world.backend.capacity = 10_000
            assoc = await associate(backend, server.port)
            with pytest.raises(Exception, match="closed the connection|is gone"):
                await assoc.send_c_store(io.BytesIO(part10(data_set(size))))
            assert backend.world.now() > 500

    backend.run(main)


def test_a_peer_that_sends_but_never_takes_anything() -> None:
    """Its requests are served, but that is no reason to wait for ever."""
    backend = Lockstep()
    window = AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=100)

    async def talk(peer: Peer) -> None:
        await peer.accept(operations_window=window)
        await peer.until(RequestReceived)
        for _ in range(1000):
            peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
            try:
                await peer.flush()
            except OSError:
                return
            await backend.world.sleep(1)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            backend.world.backend.capacity = 4096
            assoc = await associate(backend, server.port, ext_neg=[*BOTH_ROLES, window])
            with pytest.raises(TimedOut) as caught:
                await assoc.send_c_store(io.BytesIO(part10(data_set(100_000))))
            assert caught.value.phase == "write"
            assert backend.world.now() <= 62

    backend.run(main)


@pytest.mark.parametrize("close", [2.0, None])
def test_a_peer_that_does_not_close(close: float | None) -> None:
    """Our last words are out; what the peer does then is waited for no longer than `close`."""
    backend = Lockstep()

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await backend.world.sleep(10_000)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            ae = make_ae(backend, timeouts=Timeouts(close=close))
            assoc = await associate(backend, server.port, ae)
            before = backend.world.now()
            await assoc.abort()
            assert backend.world.now() - before == (2.0 if close else 3600.0)

    backend.run(main)


def test_no_timeout_at_all() -> None:
    """None means no bound: an answer after a day is an answer."""
    backend = Lockstep()
    nothing = Timeouts(**dict.fromkeys(Timeouts._fields, None))

    async def sleep(event: evt.Event) -> int:
        await backend.world.sleep(86_400)
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_ECHO, sleep)], make_ae(backend, timeouts=nothing))
        async with associated(backend, core, make_ae(backend, timeouts=nothing)) as assoc:
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_release_that_is_not_answered() -> None:
    backend = Lockstep()

    async def main() -> None:
        async with backend.serving(Script(accept_and_wait)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(TimedOut) as caught:
                await assoc.release()
            assert caught.value.phase == "association"
            assert not assoc.is_released

    backend.run(main)


async def accept_and_wait(peer: Peer) -> None:
    await peer.accept()
    await peer.until_closed()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_peer_that_does_not_answer_the_release_but_ends(how: str) -> None:
    """Nothing is lost by that, so it is no error."""
    backend = Lockstep()

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(ReleaseRQ)
        if how == "abort":
            peer.connection.send(Abort())
            await peer.flush()
            await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            async with await associate(backend, server.port) as assoc:
                pass
            assert (assoc.is_released, assoc.is_aborted) == (False, True)

    backend.run(main)


def test_requests_that_cross_our_release_are_not_served() -> None:
    backend = Lockstep()
    echoes: list[Any] = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(ReleaseRQ)
        (first, _) = peer.connection.accepted_contexts
        peer.connection._upper.state = State.STA6
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), first)
        peer.connection._upper.state = State.STA8
        peer.connection.send(ReleaseRP())
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            handlers = [(evt.EVT_C_ECHO, echoes.append)]
            options = {"ext_neg": BOTH_ROLES, "evt_handlers": handlers}
            async with await associate(backend, server.port, **options) as assoc:
                pass
            assert assoc.is_released

    backend.run(main)
    assert not echoes


def test_a_release_in_the_middle_of_our_object() -> None:
    """It is sent to its end, so that no half of it looks whole, and the release answered after it."""
    backend = Lockstep()
    whole = data_set(8 * 1024 * 1024)
    came = bytearray()

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        peer.connection._upper.send(ReleaseRQ())
        while not isinstance(event := await peer.event(), ReleaseRP):
            assert isinstance(event, DataSetChunk)
            came.extend(event.data)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationReleased):
                await assoc.send_c_store(io.BytesIO(part10(whole)))
            assert assoc.is_released

    backend.run(main)
    assert came == whole


def test_a_release_in_the_middle_of_an_object_that_is_not_taken() -> None:
    """The peer asks for a release and reads no more: that is a write that stalls."""
    backend = Lockstep()

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        peer.connection._upper.send(ReleaseRQ())
        await peer.flush()
        await backend.world.sleep(100)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(TimedOut) as caught:
                await assoc.send_c_store(io.BytesIO(part10(data_set(8 * 1024 * 1024))))
            assert caught.value.phase == "write"

    backend.run(main)


def test_an_idle_acceptor_may_release() -> None:
    """By option: some take the release for the sign that a study is complete."""
    backend = Lockstep()
    ae = make_ae(backend)
    ae.idle_release = True

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            assoc = await associate(backend, server.port)
            assert await assoc.serve()
            assert assoc.is_released
            assert backend.world.now() >= 900

    backend.run(main)


def test_requests_without_end_do_not_prolong_the_wait() -> None:
    """Once it is over, what is there to be read gets one more chance, not any number."""
    backend = Lockstep()
    window = AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=60)
    served: list[float] = []

    async def talk(peer: Peer) -> None:
        await peer.accept(operations_window=window)
        await peer.until(RequestReceived)
        for _ in range(60):
            peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        await peer.until_closed()

    async def sleep(event: evt.Event) -> int:
        await backend.world.sleep(20)
        served.append(backend.world.now())
        return 0x0000

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            backend.world.backend.to_client = Faults(chunk=80)  # one request a read
            options: dict[str, Any] = {
                "ext_neg": [*BOTH_ROLES, window],
                "evt_handlers": [(evt.EVT_C_ECHO, sleep)],
            }
            assoc = await associate(backend, server.port, **options)
            with pytest.raises(TimedOut, match="response timeout"):
                await assoc.send_c_echo()

    backend.run(main)
    assert served[-1] <= 120


# --- the minimum rate of a message --------------------------------------------------------------


def stored_piece_by_piece(every: float, handling: float, *, observed: bool) -> tuple[float, bytes, int]:
    """Let a peer store 40 pieces of 5000 bytes, one `every` so many seconds; `handling` each takes as long.

    Returns when the peer got the answer, in seconds, its first byte, and how many bytes were handled.
    """
    backend, handled = Lockstep(), 0
    answered, answer = 0.0, b""

    async def stream(event: evt.Event) -> int:
        nonlocal handled
        async for chunk in event.chunks:
            handled += len(chunk)
            await backend.world.sleep(handling)
        return 0x0000

    async def main() -> None:
        nonlocal answered, answer
        handlers: list[evt.Binding] = [(evt.EVT_C_STORE_STREAM, stream)]
        if observed:
            handlers.append((evt.EVT_DIMSE_RECV, lambda event: None))
        async with backend.serving(make_server(backend, handlers)) as server:
            peer = await connect(backend, server.port)
            await peer.request()
            peer.connection.send_request(
                CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2"), 3
            )
            began, pieces = backend.world.now(), cut_every(data_set(200_000), 5000)
            while not answer:
                if pieces:
                    peer.connection.send_data(pieces.pop(0), last=not pieces)
                    await peer.flush()
                await backend.world.sleep(every)
                answer = bytes(peer.stream.try_receive() or b"")
                answered = backend.world.now() - began
            await peer.stream.close([], 0)

    backend.run(main)
    return answered, answer[:1], handled


@pytest.mark.parametrize("observed", [False, True])
def test_a_peer_below_the_minimum_rate_is_given_up(observed: bool) -> None:
    """500 bytes a second, where 1024 are due."""
    answered, answer, handled = stored_piece_by_piece(10, 0, observed=observed)
    assert 300 <= answered <= 320
    assert answer == encode_pdu(Abort())[:1]
    assert 140_000 <= handled <= 160_000


@pytest.mark.parametrize("observed", [False, True])
def test_time_in_which_the_handler_works_is_not_the_fault_of_the_peer(observed: bool) -> None:
    """50 bytes a second, but nearly all the time nobody reads them."""
    answered, answer, handled = stored_piece_by_piece(100, 99.9, observed=observed)
    assert 4000 <= answered <= 4200
    assert (answer, handled) == (b"\x04", 200_000)
