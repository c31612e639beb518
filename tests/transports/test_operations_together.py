"""Several operations on one association at once, in both directions, while the other side takes its time."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.datasets import encode_data_set
from dicomproto.dimse.commands import CEchoRQ, CFindRQ, NGetRQ
from dicomproto.dimse.events import CancelReceived, DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import AssociationAborted, AssociationError, ConnectionLost
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.events import CLOSED
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, ReleaseRP, ReleaseRQ, RoleSelection
from dicomproto_transports import evt
from dicomproto_transports.entity.ae import AECore
from tests.associations import Peer, Script, associate, connect, make_ae, make_server
from tests.backends import AnyBackend, Async, Lockstep

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
CONTEXTS = (VERIFICATION, FIND, MPPS_RETRIEVE)
PENDING = 0xFF00
MIB = 1024 * 1024


def document(letter: bytes, size: int) -> Dataset:
    made = Dataset()
    made.EncapsulatedDocument = letter * size
    return made


def identifier() -> Dataset:
    made = Dataset()
    made.PatientID = "1"
    return made


QUERY = encode_data_set(identifier(), EXPLICIT_VR_LITTLE_ENDIAN)
FIND_RQ = CFindRQ(AffectedSOPClassUID=FIND)
GET_RQ = NGetRQ(RequestedSOPClassUID=MPPS_RETRIEVE, RequestedSOPInstanceUID="1.2")


def an_ae(backend: AnyBackend) -> AECore:
    ae = make_ae(backend)
    for uid in CONTEXTS:
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
        ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN, scu_role=True, scp_role=True)
    return ae


def context_id(peer: Peer, uid: str) -> int:
    contexts = peer.connection.accepted_contexts.items()
    return next(number for number, context in contexts if context.abstract_syntax == uid)


async def associated_peer(backend: AnyBackend, port: int, window: int = 0) -> Peer:
    """A requestor of one's own, with a window of operations if it is not 0."""
    peer = await connect(backend, port)
    settings: dict[str, Any] = {}
    if window:
        settings["operations_window"] = AsynchronousOperationsWindow(
            maximum_invoked=window, maximum_performed=1
        )
    await peer.request(*CONTEXTS, **settings)
    return peer


async def find(peer: Peer, message_id: int = 0) -> None:
    peer.connection.send_request(FIND_RQ.replace(MessageID=message_id), context_id(peer, FIND))
    peer.connection.send_data(QUERY, last=True)
    await peer.flush()


# --- data sets of two messages --------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_data_sets_of_two_responses_do_not_mix(cut: int) -> None:
    """A request that comes, in two segments, while a match leaves slowly, is answered after it."""
    backend = Lockstep()

    def matches(event: evt.Event) -> Any:
        for _ in range(6):
            yield PENDING, document(b"F", 300 * 1024)

    def attributes(event: evt.Event) -> Any:
        return 0, document(b"G", 3 * MIB)

    handlers = [
        (evt.EVT_C_FIND, matches),
        (evt.EVT_N_GET, attributes),
        (evt.EVT_ASYNC_OPS, lambda event: (2, 2)),
    ]

    async def main() -> list[tuple[int, int, int]]:
        async with backend.serving(make_server(backend, handlers, an_ae(backend))) as server:
            peer = await associated_peer(backend, server.port, window=2)
            await find(peer, 1)
            await peer.until(ResponseReceived)
            peer.connection.send_request(GET_RQ.replace(MessageID=2), context_id(peer, MPPS_RETRIEVE))
            raw = b"".join(peer.connection.data_to_send())
            for part in (raw[:cut], raw[cut:]):
                await peer.stream.send([part], None)
                await backend.world.sleep(1)
            seen, body, message_id = [], b"", 1
            while len(seen) < 7:
                event = await peer.event()
                if isinstance(event, ResponseReceived):
                    message_id = event.command.MessageIDBeingRespondedTo
                elif isinstance(event, DataSetChunk):
                    body += bytes(event.data)
                    if event.last:
                        seen.append((message_id, body.count(b"F"), body.count(b"G")))
                        body = b""
            while len(peer.connection.outstanding):
                await peer.until(ResponseReceived)
            await peer.close()
            return sorted(seen)

    assert backend.run(main) == [*[(1, 300 * 1024, 0)] * 6, (2, 0, 3 * MIB)]


@pytest.mark.parametrize("call", ["serve", "echo"])
def test_a_large_reply_leaves_before_a_call_returns(backend: AnyBackend, call: str) -> None:
    """What a handler answered while a call of ours waited goes out whole, and the release after it."""
    seen: list[int] = []
    got: list[int] = []

    def attributes(event: evt.Event) -> Any:
        seen.append(event.message_id)
        return 0, document(b"G", 5 * MIB)

    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived) if call == "echo" else None
        peer.connection.send_request(GET_RQ, context_id(peer, MPPS_RETRIEVE))
        if received is not None:
            peer.connection.send_response(received.command.response())
        await peer.flush()
        size = 0
        while not isinstance(event := await peer.event(), ReleaseRQ):
            assert event is not CLOSED
            if isinstance(event, DataSetChunk):
                size += len(event.data)
                if event.last:
                    got.append(size)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            roles = [RoleSelection(sop_class_uid=MPPS_RETRIEVE, scu_role=True, scp_role=True)]
            handlers = [(evt.EVT_N_GET, attributes)]
            assoc = await associate(
                backend, server.port, an_ae(backend), ext_neg=roles, evt_handlers=handlers
            )
            if call == "echo":
                assert (await assoc.send_c_echo()).Status == 0
            if not seen:
                assert await assoc.serve(until=lambda: seen)
            assert not assoc._session.sender.has_output
            await assoc.release()
            assert assoc.is_released

    backend.run(main)
    assert got == [5 * MIB + 12]


def test_after_response_runs_when_the_response_has_left(backend: AnyBackend) -> None:
    left: list[bool] = []

    def attributes(event: evt.Event) -> Any:
        def look(assoc: Any) -> None:
            core = getattr(assoc, "_core", assoc)
            left.append(not core._session.sender.has_output)

        event.after_response(look)
        return 0, document(b"G", 5 * MIB)

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_N_GET, attributes)], an_ae(backend))
        async with (
            backend.serving(core) as server,
            await associate(backend, server.port, an_ae(backend)) as assoc,
        ):
            status, attributes_ = await assoc.send_n_get([], MPPS_RETRIEVE, "1.2")
            assert status.Status == 0
            assert len(attributes_.EncapsulatedDocument) == 5 * MIB

    backend.run(main)
    assert left == [True]


# --- cancel ---------------------------------------------------------------------------------------


def test_a_late_cancel_does_not_reach_the_next_operation() -> None:
    """It comes while the last match leaves; the next request has the same Message ID, as many peers give."""
    backend = Lockstep()
    asked = []

    def matches(event: evt.Event) -> Any:
        asked.append(1)
        yield PENDING, document(b"F", 3 * MIB) if len(asked) == 1 else identifier()

    async def main() -> list[tuple[int, int]]:
        outcomes = []
        async with backend.serving(
            make_server(backend, [(evt.EVT_C_FIND, matches)], an_ae(backend))
        ) as server:
            peer = await associated_peer(backend, server.port)
            for attempt in range(3):
                await find(peer, 1)
                pending = received = 0
                is_cancelled = attempt > 0
                while True:
                    event = await peer.event()
                    if isinstance(event, DataSetChunk):
                        received += len(event.data)
                        if not is_cancelled and received > 2.5 * MIB:
                            is_cancelled = True
                            peer.connection.send_cancel(1)
                            await peer.flush()
                    elif isinstance(event, ResponseReceived):
                        if event.is_final:
                            break
                        pending += 1
                outcomes.append((pending, event.command.Status))
            await peer.close()
        return outcomes

    assert backend.run(main)[1:] == [(1, 0)] * 2


# --- peers that do not take what they asked for ---------------------------------------------------


def test_requests_without_end_whose_answers_nobody_takes() -> None:
    """The memory that it costs has a bound, and so has the time."""
    backend = Lockstep()
    endings: list[object] = []

    async def main() -> None:
        handlers = [(evt.EVT_CONN_CLOSE, lambda event: endings.append(event.assoc.ending))]
        async with backend.serving(make_server(backend, handlers, an_ae(backend))) as server:
            peer = await associated_peer(backend, server.port, window=1)
            request = CEchoRQ(AffectedSOPClassUID=VERIFICATION, MessageID=1)
            peer.connection.send_request(request, context_id(peer, VERIFICATION))
            raw = b"".join(peer.connection.data_to_send())
            for _ in range(100):
                rest: Any = [raw * 1000]
                try:
                    while rest and not endings:
                        rest = await peer.stream.send(rest, backend.world.now() + 10)
                except OSError:
                    break

    backend.run(main)
    (ending,) = endings
    assert isinstance(ending, AssociationAborted)
    assert "does not take the responses" in str(ending)


@pytest.mark.parametrize("window", [0, 65535])
def test_operations_within_each_other_have_a_bound(window: int) -> None:
    """A peer that asks on and on while it takes nothing gets 0213H for what would nest too deep."""
    backend = Lockstep()
    running = [0, 0]

    def matches(event: evt.Event) -> Any:
        running[0] += 1
        running[1] = max(running)
        try:
            for _ in range(2):
                yield PENDING, document(b"F", 100 * 1024)
        finally:
            running[0] -= 1

    handlers = [(evt.EVT_C_FIND, matches), (evt.EVT_ASYNC_OPS, lambda event: (window, window))]

    async def main() -> dict[int, int]:
        async with backend.serving(make_server(backend, handlers, an_ae(backend))) as server:
            peer = await associated_peer(backend, server.port, window=window)
            peer.connection._operations.window = 65535
            for message_id in range(1, 61):
                peer.connection.send_request(FIND_RQ.replace(MessageID=message_id), context_id(peer, FIND))
                peer.connection.send_data(QUERY, last=True)
            rest = peer.connection.data_to_send()
            while rest:
                rest = await peer.stream.send(rest, None)
            await backend.world.sleep(5)
            statuses: dict[int, int] = {}
            while len(statuses) < 60:
                event = await peer.until(ResponseReceived)
                if event.is_final:
                    statuses[event.command.MessageIDBeingRespondedTo] = event.command.Status
            await peer.close()
            return statuses

    statuses = backend.run(main)
    assert set(statuses.values()) <= {0x0000, 0x0213}
    assert running[1] <= 8
    assert running[0] == 0


def test_what_a_handler_left_is_ended_with_it(backend: AnyBackend) -> None:
    """Its query is cancelled, so that no matches pile up that nobody will take."""
    begun: list[Any] = []

    async def handle(event: evt.Event) -> object:
        responses = event.assoc.send_c_find(identifier(), FIND)
        begun.append(responses)
        await anext(responses)
        return 0

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.connection.send_request(
            CEchoRQ(AffectedSOPClassUID=VERIFICATION), context_id(peer, VERIFICATION)
        )
        await peer.flush()
        received = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last:
            pass
        peer.connection.send_response(received.command.response(PENDING, CommandDataSetType=1))
        peer.connection.send_data(QUERY, last=True)
        await peer.flush()
        await peer.until(ResponseReceived)  # to the echo
        await peer.until(CancelReceived)
        peer.connection.send_response(received.command.response(0xFE00))
        await peer.until(ReleaseRQ)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]
            handlers = [(evt.EVT_C_ECHO, handle)]
            assoc = await associate(
                backend, server.port, an_ae(backend), ext_neg=roles, evt_handlers=handlers
            )
            assert await assoc.serve(until=lambda: begun)
            assert begun[0].is_over
            await assoc.release()
            assert assoc.is_released

    if backend.name != "blocking":  # whose handlers are not async
        backend.run(main)


def test_responses_that_nobody_takes_have_a_bound() -> None:
    backend = Lockstep()

    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last:
            pass
        for _ in range(5000):
            peer.connection.send_response(received.command.response(PENDING, CommandDataSetType=1))
            peer.connection.send_data(QUERY, last=True)
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, an_ae(backend))
            responses = await assoc.send_c_find(identifier(), FIND)
            responses.is_active = True  # as it is for calls of a handler that runs while one waits
            with pytest.raises(AssociationAborted, match="more than 4096 responses"):
                await assoc.serve()

    backend.run(main)


# --- cancelled calls ------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["cancel", "close", "store_many", "echo"])
def test_a_call_that_is_cancelled_while_it_sends_ends_the_association(
    async_backend: Async, call: str
) -> None:
    """What has left of a PDU cannot be taken back: nothing follows it, and the peer gets no whole message."""
    backend, library = async_backend, async_backend.library
    got: list[object] = []

    async def main() -> None:
        go = library.event()

        async def script(peer: Peer) -> None:
            await peer.accept()
            await go.wait()
            try:
                while (event := await peer.event()) is not CLOSED:
                    got.append(event)
            except OSError:
                pass

        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, an_ae(backend))
            responses = await assoc.send_c_find(document(b"F", 30 * MIB), FIND)
            calls = {
                "echo": assoc.send_c_echo,
                "store_many": assoc.store_many([identifier()]).__anext__,
                "cancel": responses.cancel,
                "close": responses.close,
            }
            # Long enough for the buffers to be full, since on a busy machine the call may begin late.
            with library.scope(library.now() + 0.2) as scope:
                await calls[call]()
            assert scope.cancelled_caught
            assert not assoc.is_established
            go.set()
            with pytest.raises(AssociationError):
                await assoc.send_c_echo()

    backend.run(main)
    assert not any(isinstance(event, DataSetChunk) and event.last for event in got)


def test_a_dead_connection_is_its_own_error(real_backend: AnyBackend) -> None:
    """After a send that failed, a window full of objects does not become as many strange errors."""
    backend = real_backend

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            window = AsynchronousOperationsWindow(maximum_invoked=4, maximum_performed=1)
            assoc = await associate(backend, server.port, make_ae(backend), ext_neg=[window])
            outcomes = assoc.store_many(large(number) for number in range(50))
            with pytest.raises(ConnectionLost):
                await anext(outcomes)

    backend.run(main)


def large(number: int) -> Dataset:
    made = document(b"F", 2 * MIB)
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.{number}"
    return made
