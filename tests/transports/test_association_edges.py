"""The corners of an association: shutdown, odd requests, calls that are cancelled at bad moments."""

from __future__ import annotations

import io
from typing import Any

import pytest

from dicomproto.dimse.commands import NO_DATA_SET, CEchoRQ, CStoreRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import AssociationAborted, AssociationRejected, LocalProtocolError
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.pdu import Abort, AsynchronousOperationsWindow, ReleaseRQ, RoleSelection
from dicomproto_transports import evt
from dicomproto_transports.testing import Cancelled, Faults
from tests.associations import (
    CT_IMAGE,
    INSTANCE,
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

BOTH_ROLES = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]


# --- the server ---------------------------------------------------------------------------------


def test_a_server_that_shuts_down_takes_no_more_associations() -> None:
    backend = Lockstep()

    async def main() -> None:
        core = make_server(backend)
        async with associated(backend, core) as assoc:
            core.begin_shutdown()
            with pytest.raises(AssociationRejected, match="temporary congestion") as caught:
                await associate(backend, 11112)
            assert (caught.value.result, caught.value.source, caught.value.reason) == (2, 3, 1)
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_what_fails_within_stays_within(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that the engine will not send ends that association, and is logged."""
    backend = Lockstep()

    async def main() -> None:
        core = make_server(backend)
        rules = core.rules()
        sound, rules.policy = rules.policy, rules.policy.replace(implementation_class_uid="no UID")
        async with backend.serving(core) as server:
            with pytest.raises(AssociationAborted):
                await associate(backend, server.port)
            rules.policy = sound
            async with await associate(backend, server.port) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert "serving 'SCU' at 127.0.0.1:50001 failed" in caplog.text


@pytest.mark.parametrize("kind", [evt.EVT_REQUESTED, evt.EVT_ACCEPTED, evt.EVT_ESTABLISHED])
def test_abort_during_the_negotiation(kind: evt.EventKind) -> None:
    backend = Lockstep()

    async def handle(event: evt.Event) -> None:
        if event.event is evt.EVT_REQUESTED:
            event.reject()  # comes too late
        await event.assoc.abort()  # type: ignore[attr-defined]

    async def main() -> None:
        async with backend.serving(make_server(backend, [(kind, handle)])) as server:

            async def use() -> None:
                await (await associate(backend, server.port)).send_c_echo()

            with pytest.raises(AssociationAborted) as caught:
                await use()
            assert caught.value.by_peer

    backend.run(main)


def test_abort_by_a_handler_that_then_answers() -> None:
    backend = Lockstep()

    async def handle(event: evt.Event) -> int:
        await event.assoc.abort()  # type: ignore[attr-defined]
        return 0x0000

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_C_ECHO, handle)])) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationAborted):
                await assoc.send_c_echo()

    backend.run(main)


# --- requests -----------------------------------------------------------------------------------


def test_a_store_without_a_data_set() -> None:
    backend = Lockstep()
    stored = Stored()

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, stored)])) as server:
            peer = await connect(backend, server.port)
            await peer.request()
            request = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID=INSTANCE, MessageID=5)
            encoded = encode_without_data_set(request)
            await peer.stream.send([p_data(3, encoded)], None)
            data = b""
            while len(data) < 12:
                data += await peer.stream.receive(None)
            assert b"no data set" in data
            await peer.stream.close([], peer.stream.now())

    backend.run(main)
    assert not stored.objects


def encode_without_data_set(request: CStoreRQ) -> bytes:
    from dicomproto.dimse.codec import encode_command

    encoded = bytearray(encode_command(request))
    where = encoded.index(b"\x00\x00\x00\x08\x02\x00\x00\x00")
    encoded[where + 8 : where + 10] = NO_DATA_SET.to_bytes(2, "little")
    return bytes(encoded)


def p_data(context_id: int, command: bytes) -> bytes:
    pdv = (len(command) + 2).to_bytes(4, "big") + bytes((context_id, 3)) + command
    return b"\x04\x00" + len(pdv).to_bytes(4, "big") + pdv


def test_many_requests_in_one_read_leave_others_their_turn() -> None:
    backend = Lockstep()
    count = 64
    window = AsynchronousOperationsWindow(maximum_invoked=count, maximum_performed=1)
    handlers: list[evt.Binding] = [(evt.EVT_ASYNC_OPS, lambda event: (count, 1))]

    async def main() -> None:
        async with backend.serving(make_server(backend, handlers)) as server:
            peer = await connect(backend, server.port)
            await peer.request(VERIFICATION, operations_window=window)
            for _ in range(count):
                peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
            for _ in range(count):
                assert (await peer.until(ResponseReceived)).command.Status == 0x0000
            await peer.close()

    backend.run(main)


def test_an_early_failure_is_out_before_the_call_returns() -> None:
    """The end of the refused object leaves although the pipe is full: between calls nobody would send it."""
    backend = Lockstep()
    whole: list[bool] = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        store = await peer.until(RequestReceived)
        peer.connection.send_response(store.command.response(0xA700))
        await peer.flush()
        await backend.world.sleep(5)
        while not (await peer.until(DataSetChunk)).last:
            pass
        whole.append(True)
        await peer.until_closed()

    async def main() -> None:
        backend.world.backend.capacity = 4096
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            file = io.BytesIO(part10(data_set(4 * 1024 * 1024)))
            assert (await assoc.send_c_store(file)).Status == 0xA700
            await backend.world.wait_for(lambda: whole)
            await assoc.abort()

    backend.run(main)


# --- cancelled at bad moments -------------------------------------------------------------------


def cancel_during(talk: Any, **options: Any) -> Any:
    """Run `talk(assoc)` in a task that is cancelled after a minute; return how the acceptor saw it end."""
    backend = Lockstep()
    ends: list[Any] = []

    async def hold(peer: Peer) -> None:
        await peer.accept()
        await peer.until(ReleaseRQ if options.get("release") else RequestReceived)
        ends.append(await peer.event())
        await peer.until_closed()

    async def user() -> None:
        assoc = await associate(backend, port, ext_neg=BOTH_ROLES)
        try:
            await talk(assoc)
        except Cancelled:
            assert assoc.is_aborted
            raise

    async def main() -> None:
        nonlocal port
        async with backend.serving(Script(hold)) as server:
            port = server.port
            task = backend.world.spawn(user())
            await backend.world.sleep(20)
            task.cancel()
            await backend.world.wait_for(lambda: task.done)

    port = 0
    backend.run(main)
    return ends


def test_cancelled_while_releasing() -> None:
    (end,) = cancel_during(lambda assoc: assoc.release(), release=True)
    assert isinstance(end, Abort)


def test_cancelled_while_waiting() -> None:
    (end,) = cancel_during(lambda assoc: assoc.send_c_echo())
    assert isinstance(end, Abort)


def test_cancelled_while_a_handler_runs() -> None:
    """`serve` then has a request that will never be answered, so the association ends."""
    backend = Lockstep()
    ends: list[Any] = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        ends.append(await peer.event())
        await peer.until_closed()

    async def handle(event: evt.Event) -> int:
        await backend.world.sleep(1000)
        return 0x0000

    async def user() -> None:
        assoc = await associate(backend, port, ext_neg=BOTH_ROLES, evt_handlers=[(evt.EVT_C_ECHO, handle)])
        await assoc.serve()

    async def main() -> None:
        nonlocal port
        async with backend.serving(Script(talk)) as server:
            port = server.port
            task = backend.world.spawn(user())
            await backend.world.sleep(20)
            task.cancel()
            await backend.world.wait_for(lambda: task.done)

    port = 0
    backend.run(main)
    assert isinstance(ends[0], Abort)


# --- the wire -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_however_the_bytes_are_cut(size: int) -> None:
    backend = Lockstep()
    stored = Stored()

    async def main() -> None:
        backend.world.backend.to_server = Faults(chunk=size, accept=size)
        backend.world.backend.to_client = Faults(chunk=size, accept=size)
        core = make_server(backend, [(evt.EVT_C_STORE, stored)])
        async with associated(backend, core, make_ae(backend)) as assoc:
            assert (await assoc.send_c_store(io.BytesIO(part10(data_set(3000))))).Status == 0x0000
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert stored.objects == [data_set(3000)]


def test_a_block_that_cannot_be_released_is_aborted() -> None:
    """In a handler, whose request is still to be answered: nobody else would end the association."""
    backend = Lockstep()
    raised: list[BaseException] = []

    async def handle(event: evt.Event) -> int:
        try:
            async with event.assoc:
                pass
        except LocalProtocolError as error:
            raised.append(error)
        return 0

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_ECHO, handle)])) as assoc:
            with pytest.raises(AssociationAborted):
                await assoc.send_c_echo()

    backend.run(main)
    assert len(raised) == 1


def test_a_block_is_left_while_another_task_uses_the_association() -> None:
    """That is a mistake of whoever leaves it; what the other task does goes on."""
    backend = Lockstep()
    answered: list[int] = []

    async def slow(event: evt.Event) -> int:
        await backend.world.sleep(5)
        return 0

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_C_ECHO, slow)])) as server:
            assoc = await associate(backend, server.port)

            async def echo() -> None:
                answered.append((await assoc.send_c_echo()).Status)

            async def leave() -> None:
                await backend.world.sleep(1)
                with pytest.raises(LocalProtocolError, match="in use"):
                    async with assoc:
                        pass

            await backend.together(echo, leave)
            assert assoc.is_established
            await assoc.release()

    backend.run(main)
    assert answered == [0]
