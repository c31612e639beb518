"""Application entities, objects and badly behaved peers for the tests of associations."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dicomproto.config import Limits, Timeouts
from dicomproto.connection import Connection
from dicomproto.negotiation import (
    AcceptorPolicy,
    SupportedContext,
    build_associate_rq,
    index_supported,
    negotiate,
)
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.events import CLOSED, NEED_DATA, Role
from dicomproto.upper_layer.pdu import AssociateRQ, ReleaseRP, ReleaseRQ
from dicomproto_transports import blocking, evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.entity.association import Association
from dicomproto_transports.files.part10 import file_meta_bytes
from dicomproto_transports.streams.interface import Backend, Stream
from tests.backends import LONGEST_WAIT, AnyBackend, Blocking

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
INSTANCE = "1.2.826.0.1.3680043.8.498.1"

HOST = "127.0.0.1"
IMMEDIATE = 0.02
"""Seconds of a timeout that is to expire on a real clock; it only says when a test may go on."""


class BlockingAE(AECore):
    drive = staticmethod(blocking.run)


def make_ae(backend: AnyBackend, title: str = "TEST", **settings: Any) -> AECore:
    """Return an application entity that asks for and offers verification and CT storage."""
    ae = (BlockingAE if isinstance(backend, Blocking) else AECore)(title, **settings)
    for uid in (VERIFICATION, CT_IMAGE):
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
        ae.add_supported_context(uid)
    return ae


def timeouts(backend: AnyBackend, *short: str, **values: float) -> Timeouts:
    """Return the defaults with the `short` ones so short that they expire at once on a real clock."""
    if backend.is_virtual:
        return Timeouts()
    return Timeouts(**dict.fromkeys(short, IMMEDIATE), **values)


def make_server(
    backend: AnyBackend, handlers: Iterable[evt.Binding] = (), ae: AECore | None = None
) -> ServerCore:
    """Return the acceptor of `ae`, with handlers."""
    return ServerCore(ae or make_ae(backend, "SCP"), handlers)


async def open_association(ae: AECore, *args: Any, **options: Any) -> Association:
    """Associate with a peer, in any flavour; the association is awaited."""
    association = (await ae.open_session(*args, **options)).association
    assert isinstance(association, Association)
    return association


async def associate(backend: AnyBackend, port: int, ae: AECore | None = None, **options: Any) -> Association:
    """Associate with the server on `port`."""
    return await open_association(ae or make_ae(backend, "SCU"), backend.backend, HOST, port, **options)


# --- objects ------------------------------------------------------------------------------------


def data_set(length: int = 1000, sop_class: str = CT_IMAGE, instance: str = INSTANCE) -> bytes:
    """Return a data set in Explicit VR LE of `length` bytes, most of them pixels."""
    head = b"".join(_ui(element, uid) for element, uid in ((0x16, sop_class), (0x18, instance)))
    pixels = length - len(head) - 12
    return (
        head
        + struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OW", pixels)
        + bytes(range(256)) * (pixels // 256)
        + bytes(pixels % 256)
    )


def _ui(element: int, uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) & 1)
    return struct.pack("<HH2sH", 8, element, b"UI", len(value)) + value


def part10(data: bytes, sop_class: str = CT_IMAGE, transfer_syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> bytes:
    """Return the content of a DICOM file."""
    head = file_meta_bytes(
        sop_class_uid=sop_class, sop_instance_uid=INSTANCE, transfer_syntax_uid=transfer_syntax
    )
    return head + data


def write_file(folder: Path, data: bytes, **meta: str) -> Path:
    """Write a DICOM file with a data set and return its path."""
    path = folder / "object.dcm"
    path.write_bytes(part10(data, **meta))
    return path


def write_large_file(folder: Path, length: int) -> Path:
    """Write a DICOM file with a data set of `length` bytes, whose pixels take no room on the disk."""
    head = data_set(1000).partition(b"OW\0\0")[0] + b"OW\0\0"
    path = write_file(folder, head + struct.pack("<I", length - len(head) - 4))
    with path.open("ab") as file:
        file.truncate(len(part10(b"")) + length)
    return path


# --- handlers -----------------------------------------------------------------------------------


class Stored:
    """A handler of EVT_C_STORE that keeps what it gets."""

    def __init__(self, status: object = 0) -> None:
        self.objects: list[bytes] = []
        self.status = status

    def __call__(self, event: evt.Event) -> object:
        self.objects.append(event.encoded_dataset(include_meta=False))
        return self.status


def streaming(
    backend: AnyBackend, take: Callable[[evt.Event, bytes], object], status: object = 0
) -> Callable[[evt.Event], object]:
    """Return a handler of EVT_C_STORE_STREAM that gives each chunk to `take`, as the flavour has it."""

    def handle(event: evt.Event) -> object:
        for chunk in event.chunks:
            take(event, bytes(chunk))
        return status

    async def handle_async(event: evt.Event) -> object:
        async for chunk in event.chunks:
            take(event, bytes(chunk))
        return status

    return handle if isinstance(backend, Blocking) else handle_async


def in_flavour(
    backend: AnyBackend, handler: Callable[[evt.Event], Awaitable[object]]
) -> Callable[[evt.Event], object]:
    """Return a coroutine function as a handler for any flavour, the blocking one included."""
    if isinstance(backend, Blocking):
        return lambda event: blocking.run(handler(event))  # type: ignore[arg-type]
    return handler


def yielding_in_flavour(
    backend: AnyBackend, handler: Callable[[evt.Event], AsyncGenerator[object, None]]
) -> Callable[[evt.Event], object]:
    """Return an async generator function as a handler for any flavour, the blocking one included."""

    def handle(event: evt.Event) -> Iterator[object]:
        results = handler(event)
        try:
            while True:
                yield blocking.run(anext(results))  # type: ignore[arg-type]
        except StopAsyncIteration:
            pass
        finally:
            blocking.run(results.aclose())

    return handle if isinstance(backend, Blocking) else handler


# --- peers that do as they like -----------------------------------------------------------------


class Script:
    """A server whose connections run a script in place of an association.

    A script that has begun runs to its end before the server ends, so that what it notes is there then.
    """

    grace = LONGEST_WAIT

    def __init__(self, run: Callable[[Peer], Awaitable[object]]) -> None:
        self._run = run

    async def serve_connection(
        self, stream: Stream, backend: Backend, associated: Callable[[], object]
    ) -> None:
        associated()
        try:
            await self._run(Peer(stream, Role.ACCEPTOR))
        finally:
            await stream.close([], stream.now())

    def begin_shutdown(self) -> None:
        """The scripts end when their peers do."""


class Peer:
    """An engine on a stream, driven step by step."""

    def __init__(self, stream: Stream, role: Role, limits: Limits | None = None) -> None:
        self.stream = stream
        self.connection = Connection(role, limits=limits)

    async def accept(self, **policy: Any) -> None:
        """Accept whatever association is requested."""
        self.connection.transport_connected()
        rq = await self.event()
        assert isinstance(rq, AssociateRQ)
        contexts = [
            SupportedContext(abstract_syntax=c.abstract_syntax, transfer_syntaxes=c.transfer_syntaxes)
            for c in rq.presentation_contexts
        ]
        self.connection.send(negotiate(rq, AcceptorPolicy(supported=index_supported(contexts), **policy)))
        await self.flush()

    async def request(self, *abstract_syntaxes: str, **settings: Any) -> Any:
        """Request an association and return the answer."""
        contexts = [
            (uid, [EXPLICIT_VR_LITTLE_ENDIAN]) for uid in abstract_syntaxes or (VERIFICATION, CT_IMAGE)
        ]
        self.connection.send(build_associate_rq("PEER", "ANY-SCP", contexts, **settings))
        self.connection.transport_connected()
        return await self.event()

    async def flush(self) -> None:
        rest = self.connection.data_to_send()
        while rest:
            rest = await self.stream.send(rest, None)

    async def event(self) -> Any:
        """Return the next event; CLOSED after the last."""
        while True:
            event = self.connection.next_event()
            if event is CLOSED:
                return event
            if event is not NEED_DATA:
                return event
            await self.flush()
            try:
                data = await self.stream.receive(None)
            except OSError:
                data = b""
            if data:
                self.connection.receive_data(data)
            else:
                self.connection.receive_eof()

    async def until(self, kind: type) -> Any:
        """Return the next event of a kind; what comes before it is dropped."""
        last: object = None
        while not isinstance(event := await self.event(), kind):
            assert event is not CLOSED, last
            last = event
        return event

    async def close(self) -> None:
        """Release, and close without waiting."""
        self.connection.send(ReleaseRQ())
        await self.until(ReleaseRP)
        await self.stream.close([], self.stream.now())

    async def until_closed(self) -> None:
        """Send what is queued and read on until the other side has closed."""
        try:
            await self.flush()
            while await self.stream.receive(None):
                pass
        except OSError:
            pass


async def connect(backend: AnyBackend, port: int) -> Peer:
    """Return a requestor of one's own, connected to the server on `port`."""
    return Peer(await backend.backend.connect(HOST, port), Role.REQUESTOR)


@asynccontextmanager
async def associated(
    backend: AnyBackend, core: ServerCore, ae: AECore | None = None, **options: Any
) -> AsyncIterator[Association]:
    """A server, and an association with it that is released at the end of the block."""
    async with backend.serving(core) as server, await associate(backend, server.port, ae, **options) as assoc:
        yield assoc
