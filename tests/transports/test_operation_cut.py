"""Operations of a peer that leaves, or is gone: their handlers learn of it, and are not blamed for it.

The peer asks, and releases, aborts, closes or resets before the handler begins, so that every look at
`event.is_cancelled` can see it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from dicomproto.dimse.events import DataSetChunk
from dicomproto.errors import AssociationError
from dicomproto_transports import blocking, evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.tls import client_context, server_context
from tests.associations import (
    CT_IMAGE,
    HOST,
    Peer,
    associate,
    connect,
    in_flavour,
    make_server,
    timeouts,
    yielding_in_flavour,
)
from tests.backends import AnyBackend, Blocking, Gate
from tests.certificates import Authority
from tests.dialogues import message
from tests.operations import (
    ALL,
    CONTEXTS,
    FIND,
    OPERATIONS,
    PENDING,
    REPLYING,
    ROLES,
    YIELDING,
    Heard,
    an_object,
    context_id,
    fault,
    large,
    requested,
    serving_ae,
    some_dataset,
    taken,
    using_ae,
)

LONGEST = 20.0
"""Seconds that a handler looks; only a failure takes so long."""

ENDS = {
    "release": ("release",),
    "release and close": ("release", "closes"),
    "release and reset": ("release", "resets"),
    "abort": ("abort",),
    "abort and close": ("abort", "closes"),
    "close": ("closes",),
    "reset": ("resets",),
}

Handler = Callable[[evt.Event], Any]


class Looker:
    """A handler that works until it sees that nobody waits for it."""

    def __init__(self, backend: AnyBackend) -> None:
        self.backend = backend
        self.events: list[evt.Event] = []
        self.seen: list[bool] = []
        self.closed = 0

    def look(self, event: evt.Event) -> None:
        """Look until it is cancelled, as a search does that finds nothing."""
        end = monotonic() + LONGEST
        while not event.is_cancelled and monotonic() < end:
            pass
        self.seen.append(event.is_cancelled)

    def taken(self) -> list[str]:
        """Return what became of the handler, and that its event says so for good, and start anew."""
        words = ["seen" if seen else "not seen" for seen in self.seen] + ["closed"] * self.closed
        words += ["stays" if event.is_cancelled else "does not stay" for event in self.events]
        self.events, self.seen, self.closed = [], [], 0
        return words

    def returning(self, event: evt.Event) -> int:
        self.events.append(event)
        self.look(event)
        return 0

    def yielding(self, event: evt.Event) -> Iterator[object]:
        self.events.append(event)
        try:
            if event.event is evt.EVT_C_MOVE:
                yield HOST, 104
            if event.event is not evt.EVT_C_FIND:
                yield 3
            self.look(event)
            yield PENDING, some_dataset()
        finally:
            self.closed += 1

    async def yielding_async(self, event: evt.Event) -> AsyncGenerator[object, None]:
        self.events.append(event)
        try:
            if event.event is evt.EVT_C_MOVE:
                yield HOST, 104
            if event.event is not evt.EVT_C_FIND:
                yield 3
            end = monotonic() + LONGEST
            while not event.is_cancelled and monotonic() < end:
                await self.backend.backend.checkpoint()
            self.seen.append(event.is_cancelled)
            yield PENDING, some_dataset()
        finally:
            self.closed += 1

    def with_a_thread(self, event: evt.Event) -> Iterator[object]:
        """Leave the looks to a thread of the handler's own, and wait for that."""
        looking = threading.Thread(target=self.look, args=[event])
        self.events.append(event)
        try:
            if event.event is evt.EVT_C_MOVE:
                yield HOST, 104
            if event.event is not evt.EVT_C_FIND:
                yield 3
            looking.start()
            looking.join()
            yield PENDING, some_dataset()
        finally:
            self.closed += 1


async def ask_and(peer: Peer, name: str, *faults: str) -> None:
    """Ask for an operation, and leave at once."""
    operation = OPERATIONS[name]
    await requested(peer, operation)
    if operation.data:
        peer.connection.send_data(operation.data, last=True)
    for what in faults:
        await fault(peer, what)


def cut_short(backend: AnyBackend, name: str, handler: Handler, looker: Looker) -> dict[str, str]:
    """Have an operation cut short by its peer in each way; return what was seen, and logged as wrong."""
    logged: list[logging.LogRecord] = []
    keeping = logging.Handler(logging.WARNING)
    keeping.emit = logged.append  # type: ignore[method-assign]
    outcomes: dict[str, str] = {}

    async def main() -> None:
        ended: list[evt.Event] = []
        handlers = [(OPERATIONS[name].kind, handler), (evt.EVT_CONN_CLOSE, ended.append)]
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            for end, faults in ENDS.items():
                peer = await connect(backend, server.port)
                peer.stream = Heard(peer.stream)
                await ask_and(peer, name, *faults)
                await peer.until_closed()
                await peer.stream.close([], 0)
                while not ended or looker.closed < (name in YIELDING):
                    await backend.backend.checkpoint()
                ended.clear()
                outcomes[end] = " ".join([*looker.taken(), *(record.getMessage() for record in logged)])

    log = logging.getLogger("dicomproto")
    log.addHandler(keeping)
    try:
        backend.run(main)
    finally:
        log.removeHandler(keeping)
    return outcomes


@pytest.mark.parametrize("name", YIELDING)
def test_a_handler_that_yields(backend: AnyBackend, name: str) -> None:
    looker = Looker(backend)
    assert cut_short(backend, name, looker.yielding, looker) == dict.fromkeys(ENDS, "seen closed stays")


@pytest.mark.parametrize(
    "how", ["async", "in_thread", "a thread of its own", "in_thread, and one of its own"]
)
def test_handlers_of_other_kinds(backend: AnyBackend, how: str) -> None:
    looker = Looker(backend)
    handler: Handler = {
        "async": looker.yielding if isinstance(backend, Blocking) else looker.yielding_async,
        "in_thread": evt.in_thread(looker.yielding),
        "a thread of its own": looker.with_a_thread,
        "in_thread, and one of its own": evt.in_thread(looker.with_a_thread),
    }[how]
    outcomes = cut_short(backend, "C-FIND", handler, looker)
    assert outcomes == dict.fromkeys(ENDS, "seen closed stays")


@pytest.mark.parametrize("name", [name for name in ALL if name not in YIELDING])
def test_a_handler_of_another_service(backend: AnyBackend, name: str) -> None:
    looker = Looker(backend)
    outcomes = cut_short(backend, name, looker.returning, looker)
    assert outcomes == dict.fromkeys(ENDS, "seen stays")


# --- requests that had come before ----------------------------------------------------------------

ASKING = ("C-ECHO", "C-FIND", "C-GET", "C-MOVE", "N-GET")
"""What changes nothing; of the others a request that came whole is taken."""

ROUNDS = 20


class Counter:
    """Handlers of all operations, which count their calls; the first waits until the peer is gone."""

    def __init__(self, backend: AnyBackend) -> None:
        self.calls = dict.fromkeys(ALL, 0)
        self.backend = backend
        self.begun, self.gone, self.over = (Gate(backend) for _ in range(3))

    @property
    def bindings(self) -> list[evt.Binding]:
        return [
            (evt.EVT_CONN_CLOSE, lambda event: self.over.open()),
            *((operation.kind, self.handler(name)) for name, operation in OPERATIONS.items()),
        ]

    def handler(self, name: str) -> Handler:
        async def returning(event: evt.Event) -> object:
            self.calls[name] += 1
            if not self.begun.is_open:
                self.begun.open()
                await self.gone.passed()
            return (0, some_dataset()) if name in REPLYING else 0

        async def yielding(event: evt.Event) -> AsyncGenerator[object, None]:
            self.calls[name] += 1
            yield 0xA700, None

        if name in YIELDING:
            return yielding_in_flavour(self.backend, yielding)
        return in_flavour(self.backend, returning)


def flood(peer: Peer) -> bytes:
    """Return requests of all operations, again and again, the last one of a C-STORE that is cut short."""
    flooding = []
    for number in range(ROUNDS):
        for index, operation in enumerate(OPERATIONS.values()):
            request = operation.request.replace(MessageID=number * len(ALL) + index + 1)
            context = context_id(peer.connection, operation.context)
            flooding.append(message(request, operation.data or None, context))
    store = OPERATIONS["C-STORE"]
    flooding.append(
        message(store.request.replace(MessageID=65535), context_id=context_id(peer.connection, CT_IMAGE))
    )
    return b"".join(flooding)


def flooded(backend: AnyBackend, how: str) -> dict[str, int]:
    """Send requests of all kinds and leave; return how often each handler was called."""
    counter = Counter(backend)

    async def main() -> None:
        core = make_server(backend, counter.bindings, serving_ae(backend))
        async with backend.serving(core) as server:
            peer = await connect(backend, server.port)
            peer.stream = Heard(peer.stream)
            await peer.request(*CONTEXTS, role_selections=ROLES)
            rest = await peer.stream.send([flood(peer)], None)
            assert not rest
            await counter.begun.passed()
            await fault(peer, how)
            counter.gone.open()
            if how == "closes":
                await peer.until_closed()
            await counter.over.passed()
            await peer.stream.close([], 0)

    backend.run(main)
    return counter.calls


def test_what_is_not_begun_for_a_peer_that_is_gone(backend: AnyBackend) -> None:
    calls = flooded(backend, "resets")
    assert {name: calls[name] for name in ALL if name not in ASKING} == {
        name: ROUNDS for name in ALL if name not in ASKING
    }
    # The first was begun before.
    assert {name: calls[name] for name in ASKING} == {name: int(name == "C-ECHO") for name in ASKING}


def test_a_mere_end_of_input_is_no_reset(backend: AnyBackend) -> None:
    assert flooded(backend, "closes") == dict.fromkeys(ALL, ROUNDS)


# --- ends that this side makes --------------------------------------------------------------------


async def ask_for(backend: AnyBackend, port: int, name: str = "C-FIND", more: bytes = b"") -> Peer:
    """Return a peer that has asked for an operation."""
    peer = await connect(backend, port)
    await ask_and(peer, name)
    await peer.flush()
    if more:
        await peer.stream.send([more], None)
    return peer


async def is_there(backend: AnyBackend, what: list[Any]) -> None:
    """Wait until something is in a list."""
    while not what:
        await backend.backend.checkpoint()


@pytest.mark.parametrize("how", ["in_thread", "in_thread, and one of its own"])
def test_a_thread_learns_that_the_server_ends(real_backend: AnyBackend, how: str) -> None:
    looker = Looker(real_backend)
    handler = looker.yielding if how == "in_thread" else looker.with_a_thread

    async def main() -> None:
        ae = serving_ae(real_backend)
        ae.timeouts = timeouts(real_backend, "close")
        core = make_server(real_backend, [(evt.EVT_C_FIND, evt.in_thread(handler))], ae)
        async with real_backend.serving(core) as server:
            peer = await ask_for(real_backend, server.port)
            await is_there(real_backend, looker.events)
        await peer.stream.close([], 0)

    real_backend.run(main)
    assert looker.taken() == ["seen", "closed", "stays"]


@pytest.mark.parametrize("name", ["C-FIND", "N-SET"])
def test_a_handler_that_aborts(backend: AnyBackend, name: str) -> None:
    seen: list[bool] = []

    async def aborting(event: evt.Event) -> int:
        seen.append(event.is_cancelled)
        await event.assoc.abort()
        seen.append(event.is_cancelled)
        return 0

    async def main() -> None:
        handlers = [(OPERATIONS[name].kind, in_flavour(backend, aborting))]
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            peer = await ask_for(backend, server.port, name)
            await peer.until_closed()
            await peer.stream.close([], 0)

    backend.run(main)
    assert seen == [False, True]


@pytest.mark.parametrize("how", ["in the loop", "in_thread", "in_thread, and one of its own"])
def test_a_peer_that_falls_silent_within_a_pdu(real_backend: AnyBackend, how: str) -> None:
    """The handler learns of it when the time for the PDU is over."""
    looker = Looker(real_backend)
    handler: Handler = {
        "in the loop": looker.yielding,
        "in_thread": evt.in_thread(looker.yielding),
        "in_thread, and one of its own": evt.in_thread(looker.with_a_thread),
    }[how]
    ended: list[Any] = []

    async def main() -> None:
        ae = serving_ae(real_backend)
        ae.timeouts = timeouts(real_backend, "pdu")
        handlers = [
            (evt.EVT_C_FIND, handler),
            (evt.EVT_CONN_CLOSE, lambda event: ended.append(event.assoc.ending)),
        ]
        async with real_backend.serving(make_server(real_backend, handlers, ae)) as server:
            peer = await ask_for(real_backend, server.port, more=b"\x04\0\0\0\0\x10half")
            await peer.until_closed()
            await peer.stream.close([], 0)
            while not looker.closed:
                await real_backend.backend.checkpoint()

    real_backend.run(main)
    assert looker.taken() == ["seen", "closed", "stays"]
    assert ended[0].phase == "pdu"


def test_an_operation_that_was_answered_was_not_cut(backend: AnyBackend) -> None:
    """Nor does it become so when the association ends; one that was cancelled stays so."""
    events: list[evt.Event] = []

    def handle(event: evt.Event) -> Iterator[object]:
        events.append(event)
        yield PENDING, some_dataset()
        yield PENDING, some_dataset()

    async def main() -> None:
        handlers = [(evt.EVT_C_FIND, handle)]
        async with (
            backend.serving(make_server(backend, handlers, serving_ae(backend))) as server,
            await associate(backend, server.port, using_ae(backend)) as assoc,
        ):
            assert len(await taken(assoc.send_c_find(some_dataset(), FIND))) == 3
            async with assoc.send_c_find(some_dataset(), FIND) as responses:
                await responses.cancel()
                statuses = [status.Status async for status, _ in responses]
        assert [event.is_cancelled for event in events] == [False, statuses[-1] == 0xFE00]

    backend.run(main)


@pytest.mark.parametrize("name", ALL)
def test_a_handler_that_the_end_of_its_association_cuts_short(
    backend: AnyBackend, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What its own call raises then is no failure of the handler, even if it makes something else of it."""
    ended: list[evt.Event] = []

    async def calling(event: evt.Event) -> object:
        try:
            await event.assoc.serve()
        except AssociationError as error:
            raise RuntimeError("the search was stopped") from error
        return 0

    async def main() -> None:
        handlers = [(OPERATIONS[name].kind, in_flavour(backend, calling)), (evt.EVT_CONN_CLOSE, ended.append)]
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            peer = await ask_for(backend, server.port, name)
            await fault(peer, "abort")
            await peer.stream.close([], 0)
            await is_there(backend, ended)

    with caplog.at_level(logging.INFO):
        backend.run(main)
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []
    said = [
        record.getMessage()
        for record in caplog.records
        if "ended with the association" in record.getMessage()
    ]
    assert len(said) == 1
    assert said[0].startswith("'PEER' at 127.0.0.1:")


@pytest.mark.parametrize("end", ["abort", "close"])
def test_over_tls(real_backend: AnyBackend, authority: Authority, end: str) -> None:
    """The look of a handler's thread decrypts what has come."""
    looker = Looker(real_backend)

    async def main() -> None:
        core = ServerCore(
            serving_ae(real_backend),
            [(evt.EVT_C_FIND, evt.in_thread(looker.yielding))],
            ssl_context=server_context(authority.server.cert, authority.server.key),
        )
        async with real_backend.serving(core) as server:
            context = client_context(ca_file=authority.ca_file)
            assoc = await associate(real_backend, server.port, using_ae(real_backend), tls_args=context)
            await assoc.send_c_find(some_dataset(), FIND)
            await is_there(real_backend, looker.events)
            if end == "abort":
                await assoc.abort()
            else:
                await assoc._session.stream.close([], 0)
            while not looker.closed:
                await real_backend.backend.checkpoint()

    real_backend.run(main)
    assert looker.taken() == ["seen", "closed", "stays"]


@pytest.mark.parametrize("end", ["abort", "closes", "resets"])
def test_a_stream_that_is_cut(backend: AnyBackend, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its handler sees it before it reads on, and is not blamed for what that raises."""
    seen: list[bool] = []

    async def read(event: evt.Event) -> int:
        chunks = aiter(event.chunks)
        await anext(chunks)
        seen.append(event.is_cancelled)
        begun.open()
        await gone.passed()
        seen.append(event.is_cancelled)
        async for _ in chunks:
            pass
        return 0

    def read_sync(event: evt.Event) -> int:
        chunks = iter(event.chunks)
        next(chunks)
        seen.append(event.is_cancelled)
        begun.open()
        blocking.run(gone.passed())
        seen.append(event.is_cancelled)
        return len(list(chunks)) and 0

    begun, gone, over = (Gate(backend) for _ in range(3))

    async def main() -> None:
        handler = read_sync if isinstance(backend, Blocking) else read
        handlers = [(evt.EVT_C_STORE_STREAM, handler), (evt.EVT_CONN_CLOSE, lambda event: over.open())]
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            peer = await connect(backend, server.port)
            peer.stream = Heard(peer.stream)
            await requested(peer, OPERATIONS["C-STORE"])
            peer.connection.send_data(bytes(1000), last=False)
            await peer.flush()
            await begun.passed()
            await fault(peer, end)
            gone.open()
            await over.passed()
            await peer.stream.close([], 0)

    backend.run(main)
    assert seen == [False, True]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("what", ["EVT_ESTABLISHED", "after_response"])
def test_other_functions_that_the_end_of_the_association_cuts_short(
    backend: AnyBackend, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They are not blamed either; what fails for another reason is."""
    ended: list[evt.Event] = []

    async def serve_on(event: evt.Event) -> None:
        await event.assoc.serve()

    async def serve_after(assoc: Any) -> None:
        await assoc.serve()

    def answer(event: evt.Event) -> int:
        event.after_response(in_flavour(backend, serve_after))  # type: ignore[arg-type]
        return 0

    def fail(event: evt.Event) -> None:
        raise RuntimeError("a mistake")

    async def main() -> None:
        handlers: list[evt.Binding] = [(evt.EVT_ABORTED, fail), (evt.EVT_CONN_CLOSE, ended.append)]
        if what == "after_response":
            handlers.append((evt.EVT_C_ECHO, answer))
        else:
            handlers.append((evt.EVT_ESTABLISHED, in_flavour(backend, serve_on)))
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            peer = await ask_for(backend, server.port, "C-ECHO")
            await fault(peer, "abort")
            await peer.stream.close([], 0)
            await is_there(backend, ended)

    backend.run(main)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text.partition(": ")[2] for text in said] == ["a handler of EVT_ABORTED failed"]


@pytest.mark.parametrize("end", ["closes", "resets"])
def test_an_end_behind_more_than_is_looked_at(backend: AnyBackend, end: str) -> None:
    """A handler that looks learns of it although the requests before it are not taken in yet."""
    looker = Looker(backend)

    async def main() -> None:
        handlers = [(evt.EVT_C_FIND, looker.yielding)]
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            peer = await connect(backend, server.port)
            peer.stream = Heard(peer.stream)
            await requested(peer, OPERATIONS["C-FIND"])
            peer.connection.send_data(OPERATIONS["C-FIND"].data, last=True)
            await peer.flush()
            set_request, set_data = OPERATIONS["N-SET"].request, OPERATIONS["N-SET"].data
            context = context_id(peer.connection, OPERATIONS["N-SET"].context)
            requests = [message(set_request.replace(MessageID=2 + n), set_data, context) for n in range(50)]
            await peer.stream.send([b"".join(requests)], None)
            await fault(peer, end)
            while not looker.closed:
                await backend.backend.checkpoint()
            await peer.stream.close([], 0)

    backend.run(main)
    assert looker.taken() == ["seen", "closed", "stays"]


class Blind:
    """A stream that learns of the end of its connection when it sends or waits, as a wrapped one does."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name == "glimpse":
            raise AttributeError(name)
        return getattr(self._stream, name)

    def try_receive(self) -> bytes | None:
        return None


class BlindCore(ServerCore):
    async def serve_connection(self, stream: Any, *options: Any) -> None:
        await super().serve_connection(Blind(stream), *options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*YIELDING, *REPLYING])
def test_a_break_that_is_noticed_when_something_is_sent(
    backend: AnyBackend, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[evt.Event] = []
    asked, gone = Gate(backend), Gate(backend)

    async def yielding(event: evt.Event) -> AsyncGenerator[object, None]:
        if name == "C-MOVE":
            yield None, None
        asked.open()
        await gone.passed()
        if name != "C-FIND":
            yield 50
        yield PENDING, large(an_object())
        for _ in range(50):
            yield PENDING, an_object()

    async def returning(event: evt.Event) -> object:
        asked.open()
        await gone.passed()
        return 0, large(some_dataset())

    async def main() -> None:
        handler = (
            yielding_in_flavour(backend, yielding) if name in YIELDING else in_flavour(backend, returning)
        )
        handlers = [(OPERATIONS[name].kind, handler), (evt.EVT_CONN_CLOSE, ended.append)]
        core = BlindCore(serving_ae(backend), handlers)
        async with backend.serving(core) as server:
            peer = await connect(backend, server.port)
            peer.stream = Heard(peer.stream)
            await ask_and(peer, name)
            await peer.flush()
            if name != "C-MOVE":
                await asked.passed()
            gone.open()
            if name in ("C-FIND", "C-GET"):
                await peer.until(DataSetChunk)  # what is sent does not fit into the buffers between
            await fault(peer, "resets")
            await is_there(backend, ended)

    backend.run(main)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_objects_are_taken_behind_a_response_that_was_cut_short(backend: AnyBackend) -> None:
    stored: list[evt.Event] = []
    ended: list[evt.Event] = []

    def take(event: evt.Event) -> int:
        stored.append(event)
        return 0

    async def main() -> None:
        handlers = [
            (evt.EVT_N_SET, lambda event: (0, large(some_dataset()))),
            (evt.EVT_C_STORE, take),
            (evt.EVT_CONN_CLOSE, ended.append),
        ]
        async with backend.serving(make_server(backend, handlers, serving_ae(backend))) as server:
            peer = await connect(backend, server.port)
            peer.stream = Heard(peer.stream)
            await requested(peer, OPERATIONS["N-SET"])
            peer.connection.send_data(OPERATIONS["N-SET"].data, last=True)
            await peer.flush()
            store, context = OPERATIONS["C-STORE"], context_id(peer.connection, CT_IMAGE)
            requests = [
                message(store.request.replace(MessageID=2 + n), store.data, context) for n in range(50)
            ]
            await peer.stream.send([b"".join(requests)], None)
            await peer.until(DataSetChunk)
            await fault(peer, "resets")
            await is_there(backend, ended)

    backend.run(main)
    assert len(stored) == 50
