"""Async handlers that wait are cancelled when nobody wants their results any more."""

from __future__ import annotations

import contextlib
import operator
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.datasets import encode_data_set
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NGetRQ,
    Request,
)
from dicomproto.dimse.events import RequestReceived, ResponseReceived
from dicomproto.errors import AssociationAborted
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.encoding import encode_pdu
from dicomproto.upper_layer.events import CLOSED, Role
from dicomproto.upper_layer.pdu import (
    Abort,
    AsynchronousOperationsWindow,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
)
from dicomproto_transports import evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.streams import watched
from tests.associations import (
    CT_IMAGE,
    PATIENT_ROOT_FIND,
    Peer,
    associate,
    associated,
    connect,
    data_set,
    make_ae,
    make_server,
)
from tests.backends import MAKE, NAMES, AnyBackend, Async, Gate, Lockstep
from tests.certificates import Authority
from tests.transports.test_own_streams import entity, over
from tests.transports.test_stream_wrapped import pair as wrapped_pair
from tests.transports.test_tls_associations import of_client, of_server

PATIENT_ROOT_MOVE, PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.1.3"
PRINTER = "1.2.840.10008.5.1.1.16"
CLASSES = VERIFICATION, CT_IMAGE, PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET, PRINTER

LATEST = 0.2
"""Seconds within which the end is to arrive, on the virtual clock."""


A_MOMENT = 0.02
"""Seconds in which a watch begins to wait, most of the time."""


@pytest.fixture(autouse=True)
def watch_begins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the watch begin without a delay, so that no test takes longer for it."""
    monkeypatch.setattr(watched, "DELAY", 0.0)


@pytest.fixture(params=[name for name in NAMES if name != "blocking"])
def awaiting(request: pytest.FixtureRequest) -> Lockstep | Async:
    """Every flavour whose handlers may be async, and the lockstep scheduler."""
    made = MAKE[request.param]()
    assert isinstance(made, Lockstep | Async)
    return made


@pytest.fixture
def lockstep() -> Lockstep:
    return Lockstep()


def identifier() -> Any:
    dataset = Dataset()
    dataset.QueryRetrieveLevel, dataset.PatientID = "PATIENT", "1"
    return dataset


FIND = CFindRQ(MessageID=7, AffectedSOPClassUID=PATIENT_ROOT_FIND)
GET = CGetRQ(MessageID=7, AffectedSOPClassUID=PATIENT_ROOT_GET)
MOVE = CMoveRQ(MessageID=7, AffectedSOPClassUID=PATIENT_ROOT_MOVE, MoveDestination="ANYWHERE")
STORE = CStoreRQ(MessageID=7, AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2")
ECHO = CEchoRQ(MessageID=7, AffectedSOPClassUID=VERIFICATION)
N_GET = NGetRQ(MessageID=7, RequestedSOPClassUID=PRINTER, RequestedSOPInstanceUID="1.2.840.10008.5.1.1.17")

QUERIES = {"find": (evt.EVT_C_FIND, FIND), "get": (evt.EVT_C_GET, GET), "move": (evt.EVT_C_MOVE, MOVE)}


class Handled:
    """Handlers that wait for ever, and note how that ends."""

    def __init__(self, backend: Lockstep | Async) -> None:
        self.backend = backend
        self.waits, self.ended = Gate(backend), Gate(backend)
        self.cancelled_at: float | None = None
        self.is_cancelled: bool | None = None

    @contextlib.contextmanager
    def noting(self, event: evt.Event) -> Iterator[None]:
        """Note a cancellation of the block."""
        try:
            yield
        except Exception:
            raise
        except BaseException:
            self.cancelled_at, self.is_cancelled = self.backend.backend.now(), event.is_cancelled
            raise
        finally:
            self.ended.open()

    async def coroutine(self, event: evt.Event) -> object:
        """Wait before there is any result."""
        with self.noting(event):
            self.waits.open()
            await Gate(self.backend).passed()
        return []

    async def generator(self, event: evt.Event) -> AsyncIterator[object]:
        """Wait after results."""
        with self.noting(event):
            if event.event is evt.EVT_C_FIND:
                yield 0xFF00, identifier()
            self.waits.open()
            await Gate(self.backend).passed()
            yield 0xFF00, identifier()


def make_core(backend: AnyBackend, *handlers: evt.Binding, **settings: Any) -> ServerCore:
    """Return a server of all classes of these tests."""
    ae = make_ae(backend, "SCP", **settings)
    for uid in CLASSES:
        ae.add_supported_context(uid)
    return make_server(backend, handlers, ae)


async def requested(backend: AnyBackend, port: int, request: Request) -> Peer:
    """Associate with a server and send it a request, with the head of its data set if that is a C-STORE."""
    peer = await connect(backend, port)
    await peer.request(*CLASSES)
    send(peer, request)
    await peer.flush()
    return peer


def send(peer: Peer, request: Request) -> None:
    """Queue a request, with its data set, or the head of it if that is a C-STORE."""
    uid = request.sop_class_uid
    context = next(
        number
        for number, context in peer.connection.accepted_contexts.items()
        if context.abstract_syntax == uid
    )
    peer.connection.send_request(request, context)
    if isinstance(request, CStoreRQ):
        peer.connection.send_data(data_set(2000)[:1000], last=False)
    elif request.data_set_required:
        peer.connection.send_data(encode_data_set(identifier(), EXPLICIT_VR_LITTLE_ENDIAN), last=True)


async def abort(peer: Peer) -> None:
    peer.connection.send(Abort())
    await peer.flush()


async def vanish(peer: Peer) -> None:
    await peer.stream.close([], peer.stream.now())


async def release(peer: Peer) -> None:
    """Ask for a release, which the engine does not while a request is not answered."""
    assert not await peer.stream.send([encode_pdu(ReleaseRQ())], None)


async def cancel(peer: Peer) -> None:
    peer.connection.send_cancel(7)
    await peer.flush()


ENDS: dict[str, Callable[[Peer], Awaitable[None]]] = {"abort": abort, "loss": vanish, "release": release}


async def ended(
    backend: Lockstep | Async, handled: Handled, end: Awaitable[None], after: float = 1.0
) -> float:
    """Let a peer end its association `after` seconds; return how long the handler took to end."""
    await handled.waits.passed()
    if isinstance(backend, Lockstep):
        await backend.world.sleep(after)
    at = backend.backend.now()
    await end
    await handled.ended.passed()
    assert handled.cancelled_at is not None
    return handled.cancelled_at - at


# --- which handlers ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["coroutine", "generator"])
@pytest.mark.parametrize("name", QUERIES)
def test_a_query_ends_with_its_peer(awaiting: Lockstep | Async, name: str, kind: str, end: str) -> None:
    backend = awaiting
    event, request = QUERIES[name]

    async def main() -> None:
        handled = Handled(backend)
        async with backend.serving(make_core(backend, (event, getattr(handled, kind)))) as server:
            peer = await requested(backend, server.port, request)
            took = await ended(backend, handled, ENDS[end](peer))
            assert handled.is_cancelled
            if isinstance(backend, Lockstep):
                assert took == 0.0
            if end == "release":  # it is answered, and nothing else is
                received = b""
                while not received.endswith(encode_pdu(ReleaseRP())):
                    received += await peer.stream.receive(None)
            await vanish(peer)
            async with await associate(backend, server.port) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_a_cancellable_query_is_cancelled(awaiting: Lockstep | Async, name: str, kind: str) -> None:
    """The answer is FE00H, and the association goes on."""
    backend = awaiting
    event, request = QUERIES[name]

    async def main() -> None:
        handled = Handled(backend)
        handler = evt.cancellable(getattr(handled, kind))
        async with backend.serving(make_core(backend, (event, handler))) as server:
            peer = await requested(backend, server.port, request)
            took = await ended(backend, handled, cancel(peer))
            assert handled.is_cancelled
            if isinstance(backend, Lockstep):
                assert took == 0.0
            while (response := (await peer.until(ResponseReceived)).command).Status == 0xFF00:
                pass
            assert response.Status == 0xFE00
            await peer.close()

    backend.run(main)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_is_not_cancellable_goes_on(lockstep: Lockstep, name: str) -> None:
    """It sees the C-CANCEL itself, and still ends when its peer does."""
    backend, seen = lockstep, []
    event, request = QUERIES[name]

    async def main() -> None:
        handled = Handled(backend)

        async def handler(event: evt.Event) -> object:
            handled.waits.open()
            await backend.world.sleep(5)
            seen.append(event.is_cancelled)
            return await handled.coroutine(event)

        async with backend.serving(make_core(backend, (event, handler))) as server:
            peer = await requested(backend, server.port, request)
            await handled.waits.passed()
            await cancel(peer)
            await backend.world.sleep(10)
            assert seen == [True]
            assert handled.cancelled_at is None
            assert await ended(backend, handled, abort(peer)) == 0.0

    backend.run(main)


OTHERS = {"echo": (evt.EVT_C_ECHO, ECHO), "n-get": (evt.EVT_N_GET, N_GET)}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", OTHERS)
def test_others_end_if_they_are_cancellable(awaiting: Lockstep | Async, name: str, end: str) -> None:
    backend = awaiting
    event, request = OTHERS[name]

    async def main() -> None:
        handled = Handled(backend)
        handler = evt.cancellable(handled.coroutine)
        async with backend.serving(make_core(backend, (event, handler))) as server:
            peer = await requested(backend, server.port, request)
            took = await ended(backend, handled, ENDS[end](peer))
            if isinstance(backend, Lockstep):
                assert took == 0.0
            await vanish(peer)

    backend.run(main)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("event", "request_"), [*OTHERS.values(), (evt.EVT_C_STORE, STORE)])
def test_others_run_to_their_end(
    lockstep: Lockstep, event: evt.EventKind, request_: Request, end: str
) -> None:
    backend, done = lockstep, []

    async def handler(event: evt.Event) -> int:
        await backend.world.sleep(10)
        done.append(event.is_cancelled)
        return 0x0000

    async def main() -> None:
        async with backend.serving(make_core(backend, (event, handler))) as server:
            peer = await requested(backend, server.port, request_)
            if request_ is STORE:
                peer.connection.send_data(data_set(2000)[1000:], last=True)
                await peer.flush()
            await backend.world.sleep(1)
            await ENDS[end](peer)
            await backend.world.sleep(20)
            await vanish(peer)

    backend.run(main)
    assert done == [True]


# --- a data set that is stored as it arrives ------------------------------------------------------


@pytest.mark.parametrize("end", ["abort", "loss", "release"])
@pytest.mark.parametrize("reads", [False, True])
def test_a_stream_that_cannot_become_whole(awaiting: Lockstep | Async, reads: bool, end: str) -> None:
    """Also while the handler waits for something else than its chunks."""
    backend = awaiting

    async def main() -> None:
        handled = Handled(backend)

        async def handler(event: evt.Event) -> object:
            if reads:
                assert len(await anext(aiter(event.chunks)))
            return await handled.coroutine(event)

        async with backend.serving(make_core(backend, (evt.EVT_C_STORE_STREAM, handler))) as server:
            peer = await requested(backend, server.port, STORE)
            took = await ended(backend, handled, ENDS[end](peer))
            if isinstance(backend, Lockstep):
                assert took == 0.0
            await vanish(peer)

    backend.run(main)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", [2000, 60_000])
def test_a_stream_that_is_whole_runs_to_its_end(lockstep: Lockstep, size: int, end: str) -> None:
    """The object arrived: its handler decides what becomes of it, whatever the peer does next."""
    backend, stored = lockstep, []

    async def handler(event: evt.Event) -> int:
        await backend.world.sleep(10)
        stored.append(b"".join([bytes(chunk) async for chunk in event.chunks]))
        await backend.world.sleep(10)
        stored.append(b"end")
        return 0x0000

    async def main() -> None:
        async with backend.serving(make_core(backend, (evt.EVT_C_STORE_STREAM, handler))) as server:
            peer = await requested(backend, server.port, STORE)
            peer.connection.send_data(data_set(size)[1000:], last=True)
            await peer.flush()
            await backend.world.sleep(1)
            await ENDS[end](peer)
            await backend.world.sleep(40)
            await vanish(peer)

    backend.run(main)
    assert [len(one) for one in stored] == [size, 3]


# --- how ------------------------------------------------------------------------------------------


def test_the_watch_begins_after_a_while(lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that is quick has none; whatever happens before is seen then."""
    monkeypatch.undo()
    backend = lockstep

    async def main() -> None:
        handled = Handled(backend)
        async with backend.serving(make_core(backend, (evt.EVT_C_FIND, handled.coroutine))) as server:
            peer = await requested(backend, server.port, FIND)
            assert 0 < await ended(backend, handled, abort(peer), after=0.01) <= LATEST

    backend.run(main)


def test_the_handler_may_use_the_association(awaiting: Lockstep | Async) -> None:
    """The watch steps aside meanwhile: two tasks never read at once."""
    backend, answers = awaiting, []

    async def main() -> None:
        handled = Handled(backend)

        async def handler(event: evt.Event) -> AsyncIterator[object]:
            for _ in range(3):
                answers.append((await event.assoc.send_c_echo()).Status)
                await pause(backend, A_MOMENT)
                yield 0xFF00, identifier()
                await pause(backend, A_MOMENT)
                answers.append((await event.assoc.send_c_echo()).Status)
            async for result in handled.generator(event):
                yield result

        core = make_core(backend, (evt.EVT_C_FIND, handler))
        ae = make_ae(backend, "SCU")
        ae.add_requested_context(PATIENT_ROOT_FIND)
        roles = {"ext_neg": [role(VERIFICATION)], "evt_handlers": [(evt.EVT_C_ECHO, lambda event: 0)]}
        async with associated(backend, core, ae, **roles) as assoc:
            matches = 0
            async with assoc.send_c_find(identifier(), PATIENT_ROOT_FIND) as responses:
                async for response, _ in responses:
                    matches += response.Status == 0xFF00
                    if matches == 4:
                        break
                await assoc.abort()
            await handled.ended.passed()

    backend.run(main)
    assert answers == [0x0000] * 6


def role(uid: str) -> Any:
    return RoleSelection(sop_class_uid=uid, scu_role=True, scp_role=True)


async def pause(backend: Lockstep | Async, seconds: float) -> None:
    """Wait a moment, so that the watch has begun and waits; nothing tested depends on how long."""
    await (backend.world if isinstance(backend, Lockstep) else backend.library).sleep(seconds)


def test_a_group_is_held_over_a_yield(async_backend: Async) -> None:
    """A nursery or task group of the handler begins and ends within the one scope of the operation."""
    backend, ends = async_backend, []

    async def main() -> None:
        handled = Handled(backend)

        async def beside() -> None:
            try:
                await Gate(backend).passed()
            finally:
                ends.append("beside")

        async def handler(event: evt.Event) -> AsyncIterator[object]:
            async with backend.library.open_group() as group:
                group.start_soon(beside)
                yield 0xFF00, identifier()
                await pause(backend, A_MOMENT)
                yield 0xFF00, identifier()
                await handled.coroutine(event)

        async with backend.serving(make_core(backend, (evt.EVT_C_FIND, handler))) as server:
            peer = await requested(backend, server.port, FIND)
            await ended(backend, handled, abort(peer))
            await vanish(peer)

    backend.run(main)
    assert ends == ["beside"]


@pytest.mark.parametrize("status", [0xC123, 0xFE00, 0xFF00, None])
def test_a_handler_that_shields_itself_keeps_its_place(
    awaiting: Lockstep | Async, status: int | None
) -> None:
    """It ends when it likes; a final status that it yields is sent, a match is not."""
    backend, done = awaiting, []

    async def main() -> None:
        handled, go_on = Handled(backend), Gate(backend)

        async def handler(event: evt.Event) -> AsyncIterator[object]:
            yield 0xFF00, identifier()
            with scope_of(backend, shield=True):
                handled.waits.open()
                await go_on.passed()
                await pause(backend, A_MOMENT)
                done.append(event.is_cancelled)
            if status is not None:
                yield status, identifier() if status == 0xFF00 else None

        binding = (evt.EVT_C_FIND, evt.cancellable(handler))
        async with backend.serving(make_core(backend, binding)) as server:
            peer = await requested(backend, server.port, FIND)
            await handled.waits.passed()
            await pause(backend, A_MOMENT)
            await cancel(peer)
            assert (await peer.until(ResponseReceived)).command.Status == 0xFF00
            go_on.open()
            response = (await peer.until(ResponseReceived)).command
            assert response.Status == (0xC123 if status == 0xC123 else 0xFE00)
            await peer.close()

    backend.run(main)
    assert done == [True]


def scope_of(backend: Lockstep | Async, *, shield: bool = False) -> Any:
    scheduler: Any = backend.world if isinstance(backend, Lockstep) else backend.library
    return scheduler.scope(shield=shield)


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_exceptions_come_out_bare(
    awaiting: Lockstep | Async, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that fails after a wait is answered, and logged, as one that fails at once."""
    backend = awaiting

    async def coroutine(event: evt.Event) -> object:
        await pause(backend, A_MOMENT)
        raise ValueError("no database")

    async def generator(event: evt.Event) -> AsyncIterator[object]:
        yield 0xFF00, identifier()
        await coroutine(event)

    async def main() -> None:
        handler = {"coroutine": coroutine, "generator": generator}[kind]
        async with backend.serving(make_core(backend, (evt.EVT_C_FIND, handler))) as server:
            peer = await requested(backend, server.port, FIND)
            while (response := (await peer.until(ResponseReceived)).command).Status == 0xFF00:
                pass
            assert response.Status == 0xC311
            assert response.ErrorComment == "ValueError in the handler"
            await peer.close()

    backend.run(main)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_a_failure_of_a_cancelled_handler_is_none(
    lockstep: Lockstep, caplog: pytest.LogCaptureFixture
) -> None:
    """Its peer is gone, whatever its clean-up raises."""
    backend = lockstep

    async def main() -> None:
        handled = Handled(backend)

        async def handler(event: evt.Event) -> object:
            handled.waits.open()
            try:
                await backend.world.sleep(100)
            finally:
                handled.cancelled_at = backend.world.now()
                handled.ended.open()
                raise ValueError("the cursor is closed")

        async with backend.serving(make_core(backend, (evt.EVT_C_FIND, handler))) as server:
            peer = await requested(backend, server.port, FIND)
            await ended(backend, handled, abort(peer))

    backend.run(main)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


def test_an_end_behind_much_work_is_seen(lockstep: Lockstep) -> None:
    """The engine does not read all at once; nothing more arrives that would wake the watch."""
    backend = lockstep

    async def main() -> None:
        handled = Handled(backend)
        async with backend.serving(make_core(backend, (evt.EVT_C_FIND, handled.coroutine))) as server:
            peer = await requested(backend, server.port, FIND)
            command = encode_command(N_GET.replace(MessageID=8, AttributeIdentifierList=(0x00100010,) * 400))
            pieces = [command[at : at + 2] for at in range(0, len(command), 2)]
            headers = [struct.pack(">IBB", 4, 11, 1 | 2 * (piece is pieces[-1])) for piece in pieces]
            fragments = b"".join(map(operator.add, headers, pieces))
            last = struct.pack(">BxI", 4, len(fragments)) + fragments + encode_pdu(Abort())

            async def end() -> None:
                assert not await peer.stream.send([last], None)

            assert await ended(backend, handled, end()) == 0.0

    backend.run(main)


def test_a_cancellation_from_outside_wins(async_backend: Async) -> None:
    """A server that is cancelled ends its handlers, and its own cancel scope catches that."""
    backend = async_backend

    async def main() -> None:
        handled, scope = Handled(backend), backend.library.scope()
        with scope:
            async with backend.serving(make_core(backend, (evt.EVT_C_FIND, handled.generator))) as server:
                peer = await requested(backend, server.port, FIND)
                await handled.waits.passed()
                await pause(backend, A_MOMENT)
                scope.cancel()
        await peer.until(Abort)
        await vanish(peer)
        assert scope.cancelled_caught
        assert handled.cancelled_at is not None

    backend.run(main)


def test_a_sub_operation_under_way_is_finished(lockstep: Lockstep) -> None:
    """The C-CANCEL of a C-GET comes while an object is sent: that arrives whole, and no other."""
    backend, stored = lockstep, []

    async def main() -> None:
        async def handler(event: evt.Event) -> AsyncIterator[object]:
            yield 2
            for _ in range(2):
                await backend.world.sleep(1)
                yield 0xFF00, whole_object()

        def keep(event: evt.Event) -> int:
            stored.append(len(event.data))
            return 0x0000

        core = make_core(backend, (evt.EVT_C_GET, evt.cancellable(handler)))
        ae = make_ae(backend, "SCU")
        ae.add_requested_context(PATIENT_ROOT_GET)
        options = {"ext_neg": [role(CT_IMAGE)], "evt_handlers": [(evt.EVT_C_STORE, keep)]}
        async with associated(backend, core, ae, **options) as assoc:
            statuses = []
            async with assoc.send_c_get(identifier(), PATIENT_ROOT_GET) as responses:
                async for response, _ in responses:
                    statuses.append(response.Status)
                    await responses.cancel()
            assert statuses == [0xFF00, 0xFE00]
            assert response.NumberOfCompletedSuboperations == 1
            assert response.NumberOfRemainingSuboperations == 1

    backend.run(main)
    assert len(stored) == 1


def whole_object() -> Any:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID = CT_IMAGE, "1.2.3", "1"
    return dataset


def test_what_is_read_ahead_has_a_bound(lockstep: Lockstep) -> None:
    """The rest waits in the network; an abort behind it is seen when the handler reads on."""
    backend, unread = lockstep, []

    async def main() -> None:
        handled = Handled(backend)

        async def handler(event: evt.Event) -> object:
            handled.waits.open()
            await backend.world.sleep(100)
            unread.append(event.is_cancelled)
            async for _ in event.chunks:
                pass
            raise AssertionError("the data set was cut")

        backend.world.backend.capacity = 16 * 1024
        async with backend.serving(make_core(backend, (evt.EVT_C_STORE_STREAM, handler))) as server:
            peer = await requested(backend, server.port, STORE)
            peer.connection.send_data(data_set(600_000)[1000:], last=False)
            sending = backend.world.spawn(peer.flush())
            await backend.world.sleep(50)
            assert not sending.done
            await backend.world.wait_for(lambda: sending.done)
            await abort(peer)

    backend.run(main)
    assert len(unread) == 1


def test_a_handler_within_a_call_of_another_is_spared(lockstep: Lockstep) -> None:
    """A C-ECHO that is served within a call of a C-FIND handler runs to its end; then that call raises."""
    backend = lockstep
    window = AsynchronousOperationsWindow(maximum_invoked=2, maximum_performed=2)
    order: list[str] = []

    async def find(event: evt.Event) -> object:
        try:
            await event.assoc.send_c_echo()
        except AssociationAborted:
            order.append("call")
            raise
        return []

    async def echo(event: evt.Event) -> int:
        await backend.world.sleep(10)
        order.append("echo")
        return 0x0000

    async def main() -> None:
        handlers = (evt.EVT_C_FIND, find), (evt.EVT_C_ECHO, echo), (evt.EVT_ASYNC_OPS, lambda event: (2, 2))
        async with backend.serving(make_core(backend, *handlers)) as server:
            peer = await connect(backend, server.port)
            await peer.request(*CLASSES, role_selections=[role(VERIFICATION)], operations_window=window)
            send(peer, FIND)
            await peer.flush()
            await peer.until(RequestReceived)
            send(peer, CEchoRQ(MessageID=8, AffectedSOPClassUID=VERIFICATION))
            await peer.flush()
            await backend.world.sleep(1)
            await abort(peer)
            await backend.world.sleep(20)

    backend.run(main)
    assert order == ["echo", "call"]


def test_a_handler_that_aborts_is_not_cancelled(awaiting: Lockstep | Async) -> None:
    """Nor are the handlers that hear of the end: all go on after a wait."""
    backend, order = awaiting, []

    async def find(event: evt.Event) -> object:
        await pause(backend, A_MOMENT)
        await event.assoc.abort()
        await pause(backend, A_MOMENT)
        order.append("handler")
        return []

    async def hear(event: evt.Event) -> None:
        await pause(backend, A_MOMENT)
        order.append("abort")

    async def main() -> None:
        core = make_core(backend, (evt.EVT_C_FIND, find), (evt.EVT_ABORTED, hear))
        async with backend.serving(core) as server:
            peer = await requested(backend, server.port, FIND)
            await peer.until(Abort)
            await vanish(peer)
            while len(order) < 2:
                await pause(backend, A_MOMENT)

    backend.run(main)
    assert order == ["abort", "handler"]


# --- other streams ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tls", "wrapped"])
def test_over_other_streams(async_backend: Async, authority: Authority, kind: str) -> None:
    """The handler waits, uses the association, and waits again until its peer aborts."""
    backend, answers = async_backend, []

    async def main() -> None:
        handled = Handled(backend)

        async def handler(event: evt.Event) -> AsyncIterator[object]:
            for _ in range(2):
                await pause(backend, A_MOMENT)
                answers.append((await event.assoc.send_c_echo()).Status)
                yield 0xFF00, identifier()
            async for result in handled.generator(event):
                yield result

        if kind == "tls":
            here, there = await backend.pair()
        else:
            here, there = await wrapped_pair(backend)
        scp, scu = entity(backend, "SCP"), entity(backend, "SCU", **over(here))
        scp.add_supported_context(PATIENT_ROOT_FIND)
        scu.add_requested_context(PATIENT_ROOT_FIND)
        server = {"ssl_context": of_server(authority)} if kind == "tls" else {}
        client = {"tls_args": (of_client(authority), "localhost")} if kind == "tls" else {}

        async def serve() -> None:
            await scp.serve_stream(there, evt_handlers=[(evt.EVT_C_FIND, handler)], **server)

        async def request() -> None:
            options = {"ext_neg": [role(VERIFICATION)], "evt_handlers": [(evt.EVT_C_ECHO, lambda event: 0)]}
            assoc = await scu.associate("anywhere", 104, **client, **options)
            responses = await assoc.send_c_find(identifier(), PATIENT_ROOT_FIND).begin()
            for _ in range(3):
                await anext(responses)
            await handled.waits.passed()
            await pause(backend, A_MOMENT)
            await assoc.abort()
            await handled.ended.passed()

        await backend.together(serve, request)
        assert handled.cancelled_at is not None

    backend.run(main)
    assert answers == [0x0000] * 2


# --- marks ------------------------------------------------------------------------------------------


def test_cancellable_is_for_async_handlers_of_requests(backend: AnyBackend) -> None:
    async def handler(event: evt.Event) -> int:
        return 0

    with pytest.raises(TypeError, match="cancellable: .*sync.* event.is_cancelled"):
        evt.cancellable(lambda event: 0)
    with pytest.raises(TypeError, match="cancellable: .*sync"):
        evt.cancellable(evt.in_thread(lambda event: 0))
    marked = evt.cancellable(handler)
    if isinstance(backend, Lockstep | Async):
        core = make_core(backend, (evt.EVT_C_ECHO, marked))
        assert core.handlers.get_handlers(evt.EVT_C_ECHO) == [(handler, ())]
        core.handlers.unbind(evt.EVT_C_ECHO, marked)
        assert not core.handlers.get_events()
        with pytest.raises(TypeError, match="EVT_ACCEPTED: cancellable is for the handlers of requests"):
            make_core(backend, (evt.EVT_ACCEPTED, marked))
    else:
        with pytest.raises(TypeError, match="blocking flavour"):
            make_core(backend, (evt.EVT_C_ECHO, marked))


# --- calls that are cancelled ------------------------------------------------------------------------


def test_a_cancelled_call_does_not_wait_for_the_peer(lockstep: Lockstep) -> None:
    """A peer that neither answers nor closes holds up nobody; the A-ABORT leaves nevertheless."""
    backend, ends = lockstep, []

    async def main() -> None:
        listening = ServerThatIsSilent(backend)
        async with backend.serving(listening) as server:
            assoc = await associate(backend, server.port)
            task = backend.world.spawn(assoc.send_c_echo())
            await backend.world.sleep(0.5)
            task.cancel()
            await backend.world.wait_for(lambda: task.done)
            assert backend.world.now() == 0.5
            with pytest.raises(AssociationAborted, match="from this side"):
                await assoc.send_c_echo()
            listening.gate.open()
        ends.extend(listening.heard)

    backend.run(main)
    assert [type(event) for event in ends] == [Abort]


class ServerThatIsSilent:
    """It accepts, and reads nothing more before its gate opens."""

    grace = 30.0

    def __init__(self, backend: AnyBackend) -> None:
        self.gate = Gate(backend)
        self.heard: list[object] = []

    async def serve_connection(self, stream: Any, backend: Any, associated: Callable[[], object]) -> None:
        associated()
        peer = Peer(stream, Role.ACCEPTOR)
        await peer.accept()
        await peer.until(RequestReceived)
        await self.gate.passed()
        while (event := await peer.event()) is not CLOSED:
            self.heard.append(event)
        await stream.close([], stream.now())

    def begin_shutdown(self) -> None:
        """It ends with its peer."""
