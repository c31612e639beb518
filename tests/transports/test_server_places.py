"""A full server: who gives way to whom, and what it says."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any
from weakref import ref

import pytest

from dicomproto.dimse.commands import CEchoRQ
from dicomproto.errors import AssociationAborted, AssociationRejected
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.pdu import Abort, AssociateAC, UserIdentityRQ
from dicomproto_transports import evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.server import places as _places
from dicomproto_transports.tls import client_context, server_context
from tests.associations import associate, connect, in_flavour, make_ae, make_server
from tests.backends import AnyBackend, Gate, Lockstep
from tests.certificates import Authority

FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def full(backend: AnyBackend, places: int, give_way_after: float = 30.0, **settings: Any) -> AECore:
    """Return an application entity whose servers have so many places."""
    ae = make_ae(backend, "SCP")
    ae.maximum_associations, ae.give_way_after = places, give_way_after
    for name, value in settings.items():
        setattr(ae, name, value)
    return ae


async def came_in(backend: AnyBackend, port: int, host: str, title: str = "SCU") -> Any:
    """Ask for an association from an address; None if the server is full."""
    try:
        return await associate(backend, port, make_ae(backend, title), bind_address=(host, 0))
    except AssociationRejected as error:
        if (error.result, error.source, error.reason) == (2, 3, 2):
            return None
        raise


async def is_alive(association: Any) -> bool:
    try:
        await association.send_c_echo()
    except AssociationAborted:
        return False
    return True


def test_a_newcomer_takes_the_place_of_who_was_idle_longest_where_most_places_are_held(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = Lockstep()

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=full(backend, 4))) as server:
            alone = await came_in(backend, server.port, SECOND)  # idle longest, but it has one place only
            early, late, working = [await came_in(backend, server.port, FIRST) for _ in range(3)]
            await backend.world.sleep(20)
            await working.send_c_echo()
            await late.send_c_echo()
            await backend.world.sleep(9)
            assert await came_in(backend, server.port, THIRD) is None  # nobody was idle for 30 s there
            await backend.world.sleep(1)
            assert await came_in(backend, server.port, FIRST) is None  # it holds most itself
            third = await came_in(backend, server.port, THIRD)
            assert third is not None
            assert await came_in(backend, server.port, THIRD) is None
            alive = [await is_alive(one) for one in (alone, early, late, working, third)]
            assert alive == [True, False, True, True, True]

    with caplog.at_level(logging.INFO, "dicomproto"):
        backend.run(main)
    assert "a newcomer needs its place (give_way_after)" in caplog.text


def test_bytes_that_ask_for_nothing_hold_no_place() -> None:
    """Nor do they from the moment that their association stands."""
    backend = Lockstep()

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=full(backend, 2))) as server:
            holders = [await connect(backend, server.port) for _ in range(2)]
            for holder in holders:
                assert isinstance(await holder.request(VERIFICATION), AssociateAC)
            for byte in b"\x04\x00\x00":
                for holder in holders:
                    await holder.stream.send([bytes([byte])], None)
                await backend.world.sleep(11)
            assert await came_in(backend, server.port, SECOND) is not None
            assert isinstance(await holders[0].event(), Abort)
            for holder in holders:
                await holder.stream.close([], 0)

    backend.run(main)


def test_an_operation_is_not_ended_for_a_newcomer(backend: AnyBackend) -> None:
    running, done = Gate(backend), Gate(backend)

    async def work(event: evt.Event) -> int:
        running.open()
        await done.passed()
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_ECHO, in_flavour(backend, work))], full(backend, 1, 1e-9))
        async with backend.serving(core) as server:
            busy = await came_in(backend, server.port, FIRST)

            async def newcomer() -> None:
                await running.passed()
                assert await came_in(backend, server.port, SECOND) is None
                done.open()

            await backend.together(newcomer, busy.send_c_echo)
            assert await is_alive(busy)
            await busy.release()

    backend.run(main)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_who_gives_way_is_told_so_and_the_others_stay(
    backend: AnyBackend, secure: bool, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    ours = server_context(authority.server.cert, authority.server.key) if secure else None
    theirs = client_context(authority.ca_file) if secure else None
    ended: list[object] = []

    def note(event: evt.Event) -> None:
        ended.append(event.assoc.requestor.ae_title)

    async def main() -> None:
        handlers = [(evt.EVT_ABORTED, note)]
        core = ServerCore(full(backend, 2, 1e-9), handlers, ssl_context=ours)
        options: Any = {"tls_args": theirs} if secure else {}
        async with backend.serving(core) as server:
            first, second = [
                await associate(backend, server.port, make_ae(backend, title), **options)
                for title in ("FIRST", "SECOND")
            ]
            for association in (second, first):
                await association.send_c_echo()
                if isinstance(backend, Lockstep):
                    await backend.world.sleep(1)
            third = await associate(backend, server.port, bind_address=(SECOND, 0), **options)
            with pytest.raises(AssociationAborted) as caught:
                await second.serve()
            assert (caught.value.by_peer, caught.value.source) == (True, 0)
            await first.send_c_echo()
            await first.release()
            await third.release()

    with caplog.at_level(logging.INFO, "dicomproto"):
        backend.run(main)
    assert ended == ["SECOND"]
    (line,) = [text for text in caplog.messages if "give_way_after" in text]
    assert line.startswith("'SECOND' at 127.0.0.1:")
    (line,) = [text for text in caplog.messages if "maximum_associations" in text]
    assert line.startswith("maximum_associations is reached (2): 'SCU' at 127.0.0.2:")
    assert "takes the place of 'SECOND' at" in line


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"give_way_after": 0.0}, "SCU"),
        ({"require_calling_aet": ["SCU"]}, "STRANGER"),  # who would be rejected anyway
        ({"maximum_associations_per_ae_title": 1}, "SCU"),
        ({"maximum_associations_per_address": 1}, "SCU"),
    ],
    ids=["off", "unwelcome", "title", "address"],
)
def test_nobody_gives_way(settings: dict[str, Any], title: str) -> None:
    backend = Lockstep()

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=full(backend, 1, **settings))) as server:
            holder = await came_in(backend, server.port, FIRST)
            await backend.world.sleep(600)
            expected = SECOND if "maximum_associations_per_address" not in settings else FIRST
            assert await came_in(backend, server.port, expected, title) is None
            assert await is_alive(holder)

    backend.run(main)


def test_that_somebody_gives_way_may_be_said_later() -> None:
    backend = Lockstep()
    ae = full(backend, 1, give_way_after=0)

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            holder = await came_in(backend, server.port, FIRST)
            await backend.world.sleep(5)
            assert await came_in(backend, server.port, SECOND) is None
            ae.give_way_after = 5
            assert await came_in(backend, server.port, SECOND) is not None
            assert not await is_alive(holder)

    backend.run(main)


def test_a_limit_that_was_lowered_ends_nobody() -> None:
    backend = Lockstep()
    ae = full(backend, 3)

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            holders = [await came_in(backend, server.port, FIRST) for _ in range(3)]
            await backend.world.sleep(60)
            ae.maximum_associations = 2
            assert await came_in(backend, server.port, SECOND) is None
            assert all([await is_alive(holder) for holder in holders])

    backend.run(main)


@pytest.mark.parametrize(
    "name",
    ["maximum_associations", "maximum_associations_per_address", "maximum_associations_per_ae_title"],
)
def test_a_limit_that_is_reached_is_said_once_a_minute(name: str, caplog: pytest.LogCaptureFixture) -> None:
    backend = Lockstep()
    ae = make_ae(backend, "SCP")
    setattr(ae, name, 1)

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            holder = await came_in(backend, server.port, FIRST)
            for _ in range(7):
                assert await came_in(backend, server.port, FIRST) is None
                await backend.world.sleep(20)
            assert await is_alive(holder)

    with caplog.at_level(logging.WARNING, "dicomproto"):
        backend.run(main)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    lines = [text.partition(" 'SCU' at 127.0.0.1:")[0::2] for text in caplog.messages]
    assert {start for start, _ in lines} == {f"{name} is reached (1):"}
    assert [end.partition(" ")[2] for _, end in lines] == [
        "was rejected",
        "was rejected; 2 more since the last such line",
        "was rejected; 2 more since the last such line",
    ]


def test_ten_associations_are_served_unless_it_is_said_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    backend = Lockstep()

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            for _ in range(10):
                assert await came_in(backend, server.port, FIRST) is not None
            assert await came_in(backend, server.port, FIRST) is None

    backend.run(main)
    assert "maximum_associations is reached (10): 'SCU' at 127.0.0.1:" in caplog.text


# --- who is rejected ends nobody --------------------------------------------------------------------


def reject(event: evt.Event) -> None:
    event.reject(1, 1, 1)


def fail(event: evt.Event) -> None:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("kind", "handler", "reason"),
    [
        (evt.EVT_REQUESTED, reject, (1, 1, 1)),
        (evt.EVT_REQUESTED, fail, (2, 3, 1)),
        (evt.EVT_USER_ID, lambda event: (False, None), (1, 2, 1)),
    ],
    ids=["rejected", "failed", "user"],
)
def test_nobody_gives_way_to_whom_a_handler_rejects(
    kind: evt.EventKind, handler: Callable[[evt.Event], object], reason: tuple[int, int, int]
) -> None:
    backend = Lockstep()
    identity = UserIdentityRQ(identity_type=1, primary_field=b"nobody")

    async def main() -> None:
        core = make_server(backend, ae=full(backend, 2))
        async with backend.serving(core) as server:
            holders = [await came_in(backend, server.port, FIRST) for _ in range(2)]
            await backend.world.sleep(60)
            core.bind(kind, handler, [])
            for _ in range(3):
                with pytest.raises(AssociationRejected) as caught:
                    await associate(backend, server.port, bind_address=(SECOND, 0), ext_neg=[identity])
                error = caught.value
                assert (error.result, error.source, error.reason) == reason
            assert all([await is_alive(holder) for holder in holders])

    backend.run(main)


@pytest.mark.parametrize("meanwhile", ["begins", "is idle again", "ends", "nothing"])
def test_who_gives_way_is_seen_again_when_the_newcomer_has_been_judged(meanwhile: str) -> None:
    """Of two that are judged at a time, each is promised the place of another one."""
    backend = Lockstep()
    judging: list[object] = []
    judged, done = Gate(backend), Gate(backend)

    async def judge(event: evt.Event) -> None:
        if event.assoc.requestor.ae_title == "NEW":
            judging.append(event.assoc)
            await judged.passed()

    async def work(event: evt.Event) -> int:
        if meanwhile == "begins":
            await done.passed()
        return 0x0000

    async def main() -> None:
        handlers = [(evt.EVT_REQUESTED, judge), (evt.EVT_C_ECHO, work)]
        async with backend.serving(make_server(backend, handlers, full(backend, 4))) as server:
            holders = [await came_in(backend, server.port, FIRST) for _ in range(4)]
            await backend.world.sleep(29)
            if meanwhile != "begins":
                await holders[3].send_c_echo()
            await backend.world.sleep(1)
            answers: list[Any] = []

            async def newcomer() -> None:
                answers.append(await came_in(backend, server.port, SECOND, "NEW"))

            async def holder() -> None:
                await backend.world.wait_for(lambda: len(judging) == 2)
                assert all(one._session.ending.terminal is None for one in holders)
                if meanwhile == "ends":
                    await holders[0].release()
                    await holders[1].release()
                echoes = {"begins": holders, "is idle again": holders[1:]}.get(meanwhile, [])
                tasks = [backend.world.spawn(one.send_c_echo()) for one in echoes]
                await backend.world.checkpoint()
                await backend.world.checkpoint()
                judged.open()
                await backend.world.wait_for(lambda: len(answers) == 2)
                done.open()
                await backend.world.wait_for(lambda: all(task.done for task in tasks))

            await backend.together(newcomer, newcomer, holder)
            accepted = sum(answer is not None for answer in answers)
            alive = [await is_alive(one) for one in holders[2 if meanwhile == "ends" else 0 :]]
            assert (accepted, alive) == {
                "begins": (0, [True, True, True, True]),
                "is idle again": (1, [False, True, True, True]),
                "ends": (2, [True, True]),
                "nothing": (2, [False, False, True, True]),
            }[meanwhile]

    backend.run(main)


def test_a_request_that_comes_when_the_place_is_gone_is_not_begun() -> None:
    backend = Lockstep()
    echoes: list[evt.Event] = []
    holders: list[Any] = []

    async def ask(event: evt.Event) -> None:
        if holders:
            holder = holders[0]
            holder.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
            await holder.flush()

    async def main() -> None:
        handlers = [(evt.EVT_ACCEPTED, ask), (evt.EVT_C_ECHO, echoes.append)]
        async with backend.serving(make_server(backend, handlers, full(backend, 1))) as server:
            holder = await connect(backend, server.port)
            await holder.request(VERIFICATION)
            await backend.world.sleep(60)
            holders.append(holder)
            assert await came_in(backend, server.port, SECOND) is not None
            assert isinstance(await holder.event(), Abort)
            await holder.stream.close([], 0)

    backend.run(main)
    assert not echoes


# --- other code, other threads, signals -------------------------------------------------------------


def in_places(frame: FrameType) -> bool:
    return frame.f_code.co_filename == _places.__file__


@contextmanager
def at_each_line(of: Callable[[FrameType], bool], call: Callable[[FrameType], object]) -> Iterator[None]:
    """Call something at each line that this thread runs in some frames, as a signal or a thread may do."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not of(frame):
            return None
        if event == "line":
            sys.settrace(None)
            call(frame)
            sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_a_full_server_may_be_used_by_whatever_is_called_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    """By the policy and by handlers of the log; and by a signal handler, so at any line."""
    backend = Lockstep()
    ae = full(backend, 2, maximum_associations_per_ae_title=3)
    core = make_server(backend, ae=ae)
    used_by: list[str] = []

    def ignore(event: evt.Event) -> None:
        pass

    def use(by: str) -> None:
        def run() -> None:
            assert len(core.active_associations) <= 3
            core.bind(evt.EVT_RELEASED, ignore, [])
            core.unbind(evt.EVT_RELEASED, ignore)
            used_by.append(by)

        thread = threading.Thread(target=run, daemon=True)  # if it waits for us, it is left
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), f"{by} waits for ever"

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            use("log")

    ae.unknown_context = lambda proposed: use("policy")
    requestor = make_ae(backend, "SCU")
    requestor.add_requested_context("1.2.3")
    handler = Handler()

    async def main() -> None:
        async with backend.serving(core) as server:
            with at_each_line(in_places, lambda _: use("line")):
                for host in (FIRST, FIRST, FIRST, SECOND):
                    await associate_or_not(server.port, host)
                    await backend.world.sleep(60)

    async def associate_or_not(port: int, host: str) -> None:
        try:
            await associate(backend, port, requestor, bind_address=(host, 0))
        except AssociationRejected:
            assert host == FIRST

    logger = logging.getLogger("dicomproto.server")
    logger.addHandler(handler)
    try:
        backend.run(main)
    finally:
        logger.removeHandler(handler)
    assert used_by.count("policy") == 3
    assert {"policy", "log", "line"} == set(used_by)


@pytest.mark.parametrize("line", range(1, 9))
@pytest.mark.parametrize("interrupted", ["newcomer", "operation"])
def test_either_the_newcomer_has_the_place_or_the_operation_begins(interrupted: str, line: int) -> None:
    """Wherever one thread interrupts the other; never both of them, and never none."""
    backend = Lockstep()
    outcomes: list[bool] = []
    lines = count(1)

    def interrupt(event: evt.Event) -> None:
        (place,) = core._places._taken.values()
        first, second = place.give_up, place.begin_operation
        if interrupted == "operation":
            first, second = second, first
        place.idle.append(0.0)
        with at_each_line(in_places, lambda _: outcomes.append(second()) if next(lines) == line else None):
            outcomes.append(first())
        if next(lines) <= line:  # it has fewer lines
            outcomes.append(second())

    core = make_server(backend, [(evt.EVT_C_ECHO, interrupt)])

    async def main() -> None:
        async with backend.serving(core) as server:
            await (await associate(backend, server.port)).send_c_echo()

    backend.run(main)
    assert sorted(outcomes) == [False, True]


def test_a_request_on_a_place_that_was_just_given_up(backend: AnyBackend) -> None:
    """The thread of a newcomer has it, and has not told the association yet."""
    served: list[evt.Event] = []
    ends: list[str] = []
    handlers = [
        (evt.EVT_C_ECHO, served.append),
        (evt.EVT_ABORTED, lambda e: ends.append(str(e.assoc.ending))),
    ]
    core = make_server(backend, handlers)

    async def main() -> None:
        async with backend.serving(core) as server:
            assoc = await associate(backend, server.port)
            (place,) = core._places._taken.values()
            while not place.idle:  # its own thread is about to note the time
                await backend.backend.checkpoint()
            assert place.give_up()
            with pytest.raises(AssociationAborted, match="aborted by the service-user"):
                await assoc.send_c_echo()

    backend.run(main)
    assert not served
    assert len(ends) == 1
    assert "a newcomer needs its place (give_way_after)" in ends[0]


@pytest.mark.parametrize("holding", [2, 3])
def test_two_that_begin_an_operation_in_the_last_moment_do_not_give_way(holding: int) -> None:
    """Another one does, if there is one."""
    backend = Lockstep()
    begun: list[_places.Place] = []

    def begin(frame: FrameType) -> None:
        place = frame.f_locals["self"]
        if len(begun) < 2 and place not in begun:
            begun.append(place)
            assert place.begin_operation()

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=full(backend, holding))) as server:
            holders = [await came_in(backend, server.port, FIRST) for _ in range(holding)]
            await backend.world.sleep(30)
            with at_each_line(lambda frame: frame.f_code is _places.Place.give_up.__code__, begin):
                newcomer = await came_in(backend, server.port, SECOND)
            for place in begun:
                place.idle.append(backend.world.now())  # its operation has ended
            assert [await is_alive(one) for one in holders] == [True, True, False][:holding]
            assert (newcomer is not None) is (holding == 3)

    backend.run(main)


def test_a_server_keeps_nothing_of_associations_that_have_ended() -> None:
    backend = Lockstep()
    associations: list[Any] = []

    def note(event: evt.Event) -> None:
        associations.append(ref(event.assoc))

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_CONN_OPEN, note)], full(backend, 1))
        async with backend.serving(core) as server:
            await (await came_in(backend, server.port, FIRST)).release()
            displaced = await came_in(backend, server.port, FIRST)
            await backend.world.sleep(60)
            stays = await came_in(backend, server.port, SECOND)
            assert await came_in(backend, server.port, FIRST) is None
            assert not await is_alive(displaced)
            assert await is_alive(stays)
            gc.collect()
            assert [one() is not None for one in associations] == [False, False, True, False]

    backend.run(main)
