"""Messages in both directions at once: what waits for what, and that it ends."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from dicomproto.dimse.commands import CEchoRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import LocalProtocolError
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.events import CLOSED
from dicomproto.upper_layer.pdu import (
    AsynchronousOperationsWindow,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
)
from dicomproto_transports import evt
from dicomproto_transports.scp.provider import MAXIMUM_DEPTH
from tests.associations import (
    Peer,
    Script,
    associate,
    associated,
    data_set,
    make_server,
    part10,
)
from tests.backends import Lockstep

BOTH_ROLES = RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)
WINDOW = AsynchronousOperationsWindow(maximum_invoked=100, maximum_performed=100)


def test_handlers_within_handlers_have_a_bound() -> None:
    """Two sides whose echo handlers echo back would never end."""
    backend = Lockstep()
    statuses: list[int] = []

    async def echo_back(event: evt.Event) -> int:
        response = await event.assoc.send_c_echo()  # type: ignore[attr-defined]
        statuses.append(response.Status)
        return int(response.Status)

    handlers: list[evt.Binding] = [(evt.EVT_C_ECHO, echo_back)]

    async def main() -> None:
        core = make_server(backend, [*handlers, (evt.EVT_ASYNC_OPS, lambda event: (100, 100))])
        options: dict[str, Any] = {"ext_neg": [BOTH_ROLES, WINDOW], "evt_handlers": handlers}
        async with associated(backend, core, **options) as assoc:
            response = await assoc.send_c_echo()
            assert response.Status == 0x0213

    backend.run(main)
    assert statuses == [0x0213] * (2 * MAXIMUM_DEPTH)


def test_a_request_within_our_object_is_answered_behind_it() -> None:
    """Fragments of two messages never interleave (PS3.8 Annex E.1)."""
    backend = Lockstep()
    order: list[str] = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        store = await peer.until(RequestReceived)
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        await peer.flush()
        while not (event := await peer.until(DataSetChunk)).last:
            pass
        order.append("object")
        peer.connection.send_response(store.command.response())
        event = await peer.until(ResponseReceived)
        order.append(event.command.name)
        await peer.until_closed()

    def handle(event: evt.Event) -> int:
        order.append("handler")
        return 0x0000

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(
                backend, server.port, ext_neg=[BOTH_ROLES], evt_handlers=[(evt.EVT_C_ECHO, handle)]
            )
            response = await assoc.send_c_store(io.BytesIO(part10(data_set(8 * 1024 * 1024))))
            assert response.Status == 0x0000
            await assoc.serve(timeout=1)
            await assoc.abort()

    backend.run(main)
    assert order == ["handler", "object", "C-ECHO-RSP"]


def test_a_handler_sends_behind_the_object_under_way() -> None:
    """A handler that calls back while a data set leaves waits for its end."""
    backend = Lockstep()
    order: list[str] = []

    async def talk(peer: Peer) -> None:
        await peer.accept(operations_window=WINDOW)
        store = await peer.until(RequestReceived)
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        await peer.flush()
        while not (await peer.until(DataSetChunk)).last:
            pass
        echo = await peer.until(RequestReceived)
        order.append(echo.command.name)
        peer.connection.send_response(store.command.response())
        peer.connection.send_response(echo.command.response())
        order.append((await peer.until(ResponseReceived)).command.name)
        await peer.until_closed()

    async def handle(event: evt.Event) -> int:
        order.append("handler")
        return int((await event.assoc.send_c_echo()).Status)  # type: ignore[attr-defined]

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            options: dict[str, Any] = {"ext_neg": [BOTH_ROLES, WINDOW]}
            assoc = await associate(backend, server.port, evt_handlers=[(evt.EVT_C_ECHO, handle)], **options)
            response = await assoc.send_c_store(io.BytesIO(part10(data_set(8 * 1024 * 1024))))
            assert response.Status == 0x0000
            await assoc.abort()

    backend.run(main)
    assert order == ["handler", "C-ECHO-RQ", "C-ECHO-RSP"]


def test_a_release_in_a_handler_is_refused() -> None:
    """The request that the handler serves is still to be answered."""
    backend = Lockstep()

    async def handle(event: evt.Event) -> int:
        with pytest.raises(LocalProtocolError, match="not answered"):
            await event.assoc.release()  # type: ignore[attr-defined]
        return 0x0000

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_ECHO, handle)])) as assoc:
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_what_has_arrived_is_served_before_a_release() -> None:
    backend = Lockstep()
    echoes: list[object] = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        peer.connection.send_response(received.command.response())
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        await peer.flush()
        assert (await peer.until(ResponseReceived)).command.Status == 0x0000
        peer.connection.send(await peer.until(ReleaseRQ) and ReleaseRP())
        await peer.until_closed()

    def handle(event: evt.Event) -> int:
        echoes.append(event)
        return 0x0000

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            options: dict[str, Any] = {"ext_neg": [BOTH_ROLES], "evt_handlers": [(evt.EVT_C_ECHO, handle)]}
            async with await associate(backend, server.port, **options) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000
            assert assoc.is_released

    backend.run(main)
    assert len(echoes) == 1


@pytest.mark.parametrize("has_window", [False, True])
def test_a_store_within_a_store_leaves_the_bytes_of_the_first_alone(tmp_path: Path, has_window: bool) -> None:
    """All files share two buffers, and the last piece of the first object may still be on its way."""
    backend = Lockstep()
    backend.world.backend.capacity = 20_000
    outer = data_set(1_500_000)  # two pieces
    inner = data_set(100_000, instance="1.2.3")[:-50_000] + b"\xbb" * 50_000
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(part10(outer))
    second.write_bytes(part10(inner))
    received: list[bytes] = []

    async def store(event: evt.Event) -> int:
        for _ in range(2):  # once for each buffer
            try:
                await event.assoc.send_c_store(second)  # type: ignore[attr-defined]
            except LocalProtocolError:
                assert not has_window
        return 0x0000

    async def script(peer: Peer) -> None:
        await peer.accept(operations_window=WINDOW)
        while (event := await peer.event()) is not CLOSED:
            if isinstance(event, RequestReceived):
                request, data = event.command, bytearray()
                if not received:  # ask for more while the data set is under way, and read nothing for a while
                    peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
                    await peer.flush()
                    await backend.world.sleep(1)
            elif isinstance(event, DataSetChunk):
                data += event.data
                if event.last:
                    received.append(bytes(data))
                    peer.connection.send_response(request.response())
            elif isinstance(event, ReleaseRQ):
                peer.connection.send(ReleaseRP())
                await peer.flush()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            items = [BOTH_ROLES, WINDOW] if has_window else [BOTH_ROLES]
            handlers = [(evt.EVT_C_ECHO, store)]
            async with await associate(backend, server.port, ext_neg=items, evt_handlers=handlers) as assoc:
                assert (await assoc.send_c_store(first)).Status == 0x0000

    backend.run(main)
    assert received == ([outer, inner, inner] if has_window else [outer])
