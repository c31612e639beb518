"""What a server holds of data sets for all its associations together: bounded, and given back."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from dicomproto.config import Limits
from dicomproto.datasets import encode_data_set
from dicomproto.dimse.commands import CStoreRQ, CStoreRSP, NActionRQ, NActionRSP, Request
from dicomproto.dimse.events import ResponseReceived
from dicomproto.errors import DataSetError
from dicomproto.negotiation import build_associate_rq
from dicomproto.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from dicomproto_transports import evt
from dicomproto_transports.association.held_bytes import HeldBytes
from dicomproto_transports.entity.ae import AECore
from tests.associations import CT_IMAGE, INSTANCE, Peer, connect, data_set, in_flavour, make_ae, make_server
from tests.backends import AnyBackend, Gate, Lockstep

MIB = 1024 * 1024
COMMITMENT = "1.2.840.10008.1.20.1"

STORE = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID=INSTANCE, CommandDataSetType=1)
ACTION = NActionRQ(
    RequestedSOPClassUID=COMMITMENT, RequestedSOPInstanceUID="1.2.840.10008.1.20.1.1", ActionTypeID=1,
    CommandDataSetType=1,
)  # fmt: skip


def an_ae(backend: AnyBackend, most: int | None = 3 * MIB, **settings: Any) -> AECore:
    ae = make_ae(backend, "SCP", **settings)
    ae.add_supported_context(COMMITMENT)
    ae.maximum_collected = most
    return ae


async def requestor(backend: AnyBackend, port: int) -> Peer:
    peer = await connect(backend, port)
    await peer.request(CT_IMAGE, COMMITMENT)
    return peer


async def begin(peer: Peer, data: bytes, request: Request = STORE) -> None:
    """Send a request and all but the end of its data set."""
    peer.connection.send_request(request, 1 if request is STORE else 3)
    peer.connection.send_data(data, last=False)
    await peer.flush()


async def end(peer: Peer) -> tuple[int, str | None]:
    """Send the end of a data set; return the status and its comment."""
    peer.connection.send_data(b"", last=True)
    response = (await peer.until(ResponseReceived)).command
    assert isinstance(response, CStoreRSP | NActionRSP)
    return response.Status, response.get("ErrorComment")


async def outcome(peer: Peer, size: int, request: Request = STORE) -> int:
    """Send a request with a data set of so many bytes; return the status."""
    await begin(peer, data_set(size), request)
    return (await end(peer))[0]


def taking(event: evt.Event) -> int:
    return 0x0000


HANDLERS = [(evt.EVT_C_STORE, taking), (evt.EVT_N_ACTION, taking)]


def test_what_all_associations_hold_is_bounded(backend: AnyBackend, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        core = make_server(backend, HANDLERS, an_ae(backend))
        async with backend.serving(core) as server:
            first, second, third = [await requestor(backend, server.port) for _ in range(3)]
            await begin(first, data_set(2 * MIB))
            while core._held_bytes.size < 2 * MIB:  # all of it has been sent, and is about to be read
                await backend.backend.checkpoint()
            await begin(second, data_set(MIB * 3 // 2))
            assert await end(second) == (0xA700, "too much is being received from all peers together")
            assert await outcome(second, MIB * 3 // 2, ACTION) == 0x0213
            assert await outcome(third, 60_000) == 0x0000  # what is small passes
            assert await end(first) == (0x0000, None)
            for size in (MIB * 3 // 2, MIB * 5 // 2):  # all has been given back
                assert await outcome(second, size) == 0x0000
                assert await outcome(third, size, ACTION) == 0x0000
            assert await outcome(third, 4 * MIB) == 0xA700
            for peer in (first, second, third):
                await peer.close()

    with caplog.at_level(logging.WARNING, "dicomproto"):
        backend.run(main)
    (line,) = caplog.messages  # once a minute
    assert line.startswith("maximum_collected is reached (3145728 bytes): a data set of 'PEER' at 127.0.0.1:")


def test_what_is_counted_ahead_is_refused_to_nobody() -> None:
    """One holds more than two thirds of what may be held; others come with a small part of what is left."""
    backend = Lockstep()

    async def main() -> None:
        async with backend.serving(make_server(backend, HANDLERS, an_ae(backend))) as server:
            first, second, third = [await requestor(backend, server.port) for _ in range(3)]
            await begin(first, data_set(MIB * 9 // 4))
            await backend.world.sleep(1)
            await begin(second, data_set(MIB // 8))
            await backend.world.sleep(1)
            assert await outcome(third, MIB // 8) == 0x0000
            for peer in (first, second):
                assert await end(peer) == (0x0000, None)
            for peer in (first, second, third):
                await peer.close()

    backend.run(main)


def test_what_a_handler_has_is_held_until_it_returns(backend: AnyBackend) -> None:
    running, done = Gate(backend), Gate(backend)

    async def work(event: evt.Event) -> int:
        if len(event.encoded_dataset(include_meta=False)) == 2 * MIB:
            running.open()
            await done.passed()
        return 0x0000

    async def main() -> None:
        handlers = [(evt.EVT_C_STORE, in_flavour(backend, work))]
        async with backend.serving(make_server(backend, handlers, an_ae(backend))) as server:
            first, second = [await requestor(backend, server.port) for _ in range(2)]

            async def other() -> None:
                await running.passed()
                assert await outcome(second, MIB * 3 // 2) == 0xA700
                done.open()

            async def store() -> None:
                assert await outcome(first, 2 * MIB) == 0x0000

            await backend.together(other, store)
            assert await outcome(second, MIB * 3 // 2) == 0x0000
            for peer in (first, second):
                await peer.close()

    backend.run(main)


@pytest.mark.parametrize("how", ["lost", "too large", "failed"])
def test_what_was_held_is_given_back_however_it_ends(how: str) -> None:
    backend = Lockstep()

    def fail(event: evt.Event) -> int:
        raise RuntimeError("on purpose")

    async def main() -> None:
        ae = an_ae(backend, limits=Limits(collect=2 * MIB if how == "too large" else 512 * MIB))
        handlers = [(evt.EVT_C_STORE, fail if how == "failed" else taking)]
        async with backend.serving(make_server(backend, handlers, ae)) as server:
            for _ in range(4):
                peer = await requestor(backend, server.port)
                await begin(peer, data_set(MIB * 5 // 2))
                if how == "lost":
                    await peer.stream.close([], 0)
                else:
                    status, comment = await end(peer)
                    assert (status, comment) == (
                        (0xC211, "RuntimeError in the handler")
                        if how == "failed"
                        else (0xA700, "a data set of more than 2097152 bytes")
                    )
                    await peer.close()

    backend.run(main)


def test_streams_and_servers_without_a_bound_hold_what_comes() -> None:
    backend = Lockstep()

    async def count(event: evt.Event) -> int:
        size = 0
        async for chunk in event.chunks:
            size += len(chunk)
        return 0x0000 if size == 5 * MIB else 0xC000

    async def main() -> None:
        for most, handlers in ((MIB, [(evt.EVT_C_STORE_STREAM, count)]), (None, HANDLERS)):
            async with backend.serving(make_server(backend, handlers, an_ae(backend, most))) as server:
                peer = await requestor(backend, server.port)
                assert await outcome(peer, 5 * MIB) == 0x0000
                await peer.close()

    backend.run(main)


def test_the_bound_may_be_changed_while_a_server_runs() -> None:
    backend = Lockstep()
    ae = an_ae(backend, None)

    async def main() -> None:
        async with backend.serving(make_server(backend, HANDLERS, ae)) as server:
            before = await requestor(backend, server.port)
            ae.maximum_collected = MIB
            after = await requestor(backend, server.port)
            assert await outcome(before, 2 * MIB) == 0x0000
            assert await outcome(after, 2 * MIB) == 0xA700
            for peer in (before, after):
                await peer.close()

    backend.run(main)


@pytest.mark.parametrize("keep", [lambda event: event, lambda event: event.data[3:]])
def test_what_a_handler_keeps_stays_as_it_came(backend: AnyBackend, keep: Callable[[evt.Event], Any]) -> None:
    """Memory of a data set is used again, but not while a view of it exists."""
    kept: list[Any] = []

    def take(event: evt.Event) -> int:
        kept.append(keep(event))
        return 0x0000

    contents = [bytes([number]) * 200_000 for number in range(3)]

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, take)])) as server:
            peer = await requestor(backend, server.port)
            for content in contents:
                await begin(peer, content)
                assert await end(peer) == (0x0000, None)
            await peer.close()

    backend.run(main)
    datas = [getattr(one, "data", one) for one in kept]
    assert [bytes(data) for data in datas] == [
        content[-len(data) :] for content, data in zip(contents, datas, strict=True)
    ]


def test_memory_is_used_again_when_nobody_looks_at_it() -> None:
    held = HeldBytes()
    memory = held.lend()
    memory += bytes(1000)
    with memoryview(memory)[10:20]:
        held.take_back(memory)
        assert held.lend() is not memory
    held.take_back(memory)
    assert held.lend() is memory
    assert len(memory) == 1000
    held.take_back(bytearray())
    for _ in range(20):  # no more than 16 MiB of it
        held.take_back(bytearray(MIB))
    assert sum(len(held.lend()) for _ in range(20)) == 16 * MIB


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_is_inflated_is_held_too(real_backend: AnyBackend, in_thread: bool) -> None:
    """A few bytes of a deflated data set become a thousand times as many when a handler decodes it."""

    def length_of(event: evt.Event) -> int:
        return len(encode_data_set(event.dataset, EXPLICIT_VR_LITTLE_ENDIAN))

    kept: list[evt.Event] = []
    sizes: list[object] = []

    def decode(event: evt.Event) -> int:
        try:
            sizes.append(length_of(event))
        except DataSetError as error:
            sizes.append(str(error))
        kept.append(event)
        return 0x0000

    def deflated(size: int) -> bytes:
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflate.compress(data_set(size)) + deflate.flush()
        assert len(data) < 60_000
        return data + b"\0" * (len(data) % 2)

    handler = evt.in_thread(decode) if in_thread else decode

    async def main() -> None:
        ae = an_ae(real_backend, 4 * MIB)
        ae.add_supported_context(CT_IMAGE, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        core = make_server(real_backend, [(evt.EVT_C_STORE, handler)], ae)
        async with real_backend.serving(core) as server:
            peer = await connect(real_backend, server.port)
            contexts = [(CT_IMAGE, [DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN])]
            peer.connection.send(build_associate_rq("PEER", "SCP", contexts))
            peer.connection.transport_connected()
            await peer.event()
            for size in (5 * MIB, 3 * MIB, 5 * MIB, 3 * MIB):
                await begin(peer, deflated(size))
                assert await end(peer) == (0x0000, None)
            await peer.close()

    real_backend.run(main)
    refused = "too much is being received from all peers together"
    assert sizes == [refused, 3 * MIB, refused, 3 * MIB]
    assert length_of(kept[0]) == 5 * MIB  # which is the handler's own by now
