"""C-GET, C-MOVE and their C-CANCEL with DCMTK: getscu and movescu retrieve from ours."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dicomproto.errors import ConnectionLost
from dicomproto.services import uid_of
from dicomproto_transports.blocking import KnownFile, evt
from tests.interop.archives import (
    BIG_ENDIAN,
    CT_IMAGE,
    DEFLATED,
    EXPLICIT,
    HELD_SYNTAXES,
    IMPLICIT,
    JPEG_2000_LOSSLESS,
    PADDED,
    PATIENT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Held,
    Told,
    differences,
    held_by,
    holdings,
    in_syntax,
    key_options,
    keys,
    paths,
    patient,
    serving,
    singles,
    sop_classes,
    told,
    uids,
    wait_until,
)
from tests.interop.catalogue import read_dataset, read_object
from tests.interop.programs import LOOPBACK, Done, Program, closed_port, dcmtk, dcmtk_storescp, run
from tests.interop.requestors import DCMTK_OPTIONS
from tests.ports import free_port

pytestmark = pytest.mark.dcmtk

SUCCESS, SOME_FAILED, ALL_FAILED, UNKNOWN_DESTINATION, CANCEL, PENDING = (
    0x0000, 0xB000, 0xA702, 0xA801, 0xFE00, 0xFF00
)  # fmt: skip


# --- getscu retrieves from ours -----------------------------------------------------------------------


PALETTE = uid_of("ColorPaletteStorage")
"""Is not among what getscu proposes."""


class Providing:
    """A handler of EVT_C_GET and EVT_C_MOVE that yields objects, and remembers what became of it."""

    def __init__(
        self, items: Sequence[object], destination: tuple[str | None, int | None] | None = None
    ) -> None:
        self.items = items
        self.destination = destination
        self.events: list[evt.Event] = []
        self.closed = threading.Event()
        self.before: Callable[[int], object] = lambda number: None
        """Called with the number of each object before it is yielded."""

    def __call__(self, event: evt.Event) -> Iterator[object]:
        self.events.append(event)
        try:
            if self.destination is not None:
                yield self.destination
            yield len(self.items)
            for number, item in enumerate(self.items):
                self.before(number)
                yield item if isinstance(item, tuple) else (PENDING, item)
        finally:
            self.closed.set()


def contexts_for(some: Sequence[Held], syntaxes: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Return the presentation contexts of a server that provides these in these transfer syntaxes."""
    return [
        *[
            (uid, [EXPLICIT, IMPLICIT])
            for model in (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)
            for uid in model[:3]
        ],
        *[(uid, syntaxes) for uid in sop_classes(some)],
    ]


def getscu(port: int, folder: Path, *options: str) -> tuple[Done, list[Told]]:
    """Run getscu, which stores what it gets in `folder`; return what it was told."""
    folder.mkdir(exist_ok=True)
    done = run(
        [*dcmtk("getscu"), "-d", *options, "-od", folder, *key_options(patient()), LOOPBACK, str(port)]
    )
    return done, told(done.errors)


def assert_stored(folder: Path, expected: Sequence[Held], syntax: str | None = None) -> None:
    """Assert that exactly these objects lie in a folder: the same bytes, or equal in another `syntax`."""
    stored = {one.sop_instance_uid: one for path in folder.iterdir() if (one := read_object(path))}
    assert sorted(stored) == uids(expected)
    for held in expected:
        one = stored[held.object.sop_instance_uid]
        assert one.sop_class_uid == held.object.sop_class_uid
        assert one.transfer_syntax_uid == (syntax or held.object.transfer_syntax_uid)
        if syntax in (None, held.object.transfer_syntax_uid):
            assert held.object.arrived_as(one.data_set), held.object.name
        else:
            assert differences(held, read_dataset(one.path)) == [], held.object.name


@pytest.mark.parametrize("syntax", [*HELD_SYNTAXES, BIG_ENDIAN, DEFLATED])
def test_getscu_gets_files_as_they_are(syntax: str, tmp_path: Path) -> None:
    some = [held for held in in_syntax(syntax, singles()) if held.object.sop_class_uid != PALETTE]
    handler = Providing(
        [KnownFile.read(held.object.path) if n % 2 else held.object.path for n, held in enumerate(some)]
    )
    with serving((evt.EVT_C_GET, handler), contexts=contexts_for(some, [syntax])) as port:
        done, responses = getscu(port, tmp_path / "got", "+B", DCMTK_OPTIONS[syntax].replace("-", "+"))
    assert done.status == 0, done.everything
    n = len(some)
    pending = [Told(PENDING, n - i, i, 0, 0) for i in range(1, n)]
    assert responses == [*pending, Told(SUCCESS, None, n, 0, 0)]
    assert handler.events[0].identifier == patient()
    assert_stored(tmp_path / "got", some)


@pytest.mark.parametrize("kind", ["path", "known file", "open file", "dataset"])
def test_getscu_gets_whatever_a_handler_yields(kind: str, tmp_path: Path) -> None:
    some = held_by(PatientID="77654033")
    with contextlib.ExitStack() as stack:
        made: dict[str, Callable[[Held], object]] = {
            "path": lambda held: str(held.object.path),
            "known file": lambda held: KnownFile.read(held.object.path),
            "open file": lambda held: stack.enter_context(open(held.object.path, "rb")),
            "dataset": lambda held: held.head,
        }
        handler = Providing([made[kind](held) for held in some])
        with serving((evt.EVT_C_GET, handler), contexts=contexts_for(some, [EXPLICIT])) as port:
            _, responses = getscu(port, tmp_path / "got", "+B")
    assert responses[-1] == Told(SUCCESS, None, len(some), 0, 0)
    assert_stored(tmp_path / "got", some)


@pytest.mark.parametrize("option", ["-P", "-S", "-O"])
def test_getscu_asks_in_every_model(option: str, tmp_path: Path) -> None:
    some = held_by(PatientID="1CT1")
    handler = Providing(paths(some))
    models = {"-P": PATIENT_ROOT, "-S": STUDY_ROOT, "-O": PATIENT_STUDY_ONLY}
    with serving((evt.EVT_C_GET, handler), contexts=contexts_for(some, [EXPLICIT])) as port:
        _, responses = getscu(port, tmp_path / "got", option)
    assert responses == [Told(SUCCESS, None, 1, 0, 0)]
    assert handler.events[0].request.AffectedSOPClassUID == models[option].get


def test_getscu_takes_implicit_vr_only(tmp_path: Path) -> None:
    """Native objects are re-encoded for it, compressed ones fail.

    Its own options for that propose Explicit VR. It takes the list of those that failed for an error.
    """
    some = held_by(PatientID="13US1")  # the same SOP class, native and compressed
    native = [held for held in some if held.object.transfer_syntax_uid == EXPLICIT]
    assert 0 < len(native) < len(some)
    handler = Providing(paths(some))
    contexts = [(uid, [IMPLICIT]) for uid in (PATIENT_ROOT.get, *sop_classes(some))]
    with serving((evt.EVT_C_GET, handler), contexts=contexts) as port:
        _, responses = getscu(port, tmp_path / "got")
    assert handler.events[0].context.transfer_syntax == IMPLICIT
    assert responses[-1] == Told(SOME_FAILED, None, len(native), len(some) - len(native), 0)
    assert_stored(tmp_path / "got", native, IMPLICIT)


def test_getscu_is_told_what_it_did_not_accept(tmp_path: Path) -> None:
    palettes = sorted(held.object.path for held in singles() if held.object.sop_class_uid == PALETTE)
    handler = Providing(palettes)
    with serving(
        (evt.EVT_C_GET, handler), contexts=contexts_for(held_by(PatientID="1CT1"), [EXPLICIT])
    ) as port:
        done, responses = getscu(port, tmp_path / "got")
    assert responses[-1] == Told(ALL_FAILED, None, 0, len(palettes), 0)
    assert f"{len(palettes)} without an accepted presentation context" in done.errors


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([(0xA701, None)], Told(0xA701, None, 0, 3, 0)),
        ([(PENDING, "first"), (0xC123, None)], Told(0xC123, None, 1, 2, 0)),
        ([(PENDING, "first"), (CANCEL, None)], Told(CANCEL, 2, 1, 0, 0)),
        ([(PENDING, "first"), (SUCCESS, None)], Told(SOME_FAILED, None, 1, 2, 0)),  # three were announced
        ([(PENDING, "no such file")], Told(ALL_FAILED, None, 0, 3, 0)),
    ],
    ids=["refused", "failed", "cancelled", "too few", "no file"],
)
def test_getscu_receives_the_final_status(
    items: list[tuple[int, object]], expected: Told, tmp_path: Path
) -> None:
    (first,) = held_by(PatientID="1CT1")

    def handle(event: evt.Event) -> Iterator[object]:
        yield 3
        for status, item in items:
            yield status, first.object.path if item == "first" else item

    with serving((evt.EVT_C_GET, handle), contexts=contexts_for([first], [EXPLICIT])) as port:
        _, responses = getscu(port, tmp_path / "got")
    assert responses[-1] == expected


def test_getscu_is_refused_before_anything_is_counted(tmp_path: Path) -> None:
    def handle(event: evt.Event) -> Iterator[object]:
        yield keys(Status=0xA900, ErrorComment="ask for more"), None

    with serving((evt.EVT_C_GET, handle), contexts=contexts_for([], [])) as port:
        done, responses = getscu(port, tmp_path / "got")
        assert [response.status for response in responses] == [0xA900]
        assert "ask for more" in done.errors
    with serving(contexts=contexts_for([], [])) as port:  # where nobody provides it
        assert [response.status for response in getscu(port, tmp_path / "got")[1]] == [0x0211]


def test_getscu_is_killed_in_mid_retrieval(tmp_path: Path) -> None:
    """The handler waits until it is dead; it is closed, and its association is gone."""
    killed = threading.Event()
    some = held_by(PatientID=PATIENT)
    handler = Providing(paths(some))
    handler.before = lambda number: number < 3 or killed.wait(60)
    with serving((evt.EVT_C_GET, handler), contexts=contexts_for(some, [EXPLICIT])) as port:
        command = [*dcmtk("getscu"), "-v", "-od", tmp_path, *key_options(patient()), LOOPBACK, str(port)]
        with Program(command, tmp_path / "getscu") as getting:
            getting.until(lambda: getting.errors.count("Received C-GET Response") >= 3, "it has three")
            getting.kill()
        killed.set()
        assert handler.closed.wait(60)
        (event,) = handler.events
        wait_until(lambda: event.assoc.ending, "the association has ended")
        assert isinstance(event.assoc.ending, ConnectionLost)


# --- movescu has ours send -----------------------------------------------------------------------------


def movescu(port: int, folder: Path, *options: str, listens: bool = False) -> tuple[Done, list[Told]]:
    """Run movescu; if it `listens`, for what is moved to itself, its own port is the StudyID it asks with."""
    folder.mkdir(exist_ok=True)
    for _ in range(ATTEMPTS):
        own = str(free_port())
        command = [*dcmtk("movescu"), "-d", *options, *key_options(patient())]
        if listens:
            command += ["+P", own, "-k", f"0020,0010={own}"]
        done = run([*command, LOOPBACK, str(port)], folder)  # where it puts what it gets with +B
        if "Address already in use" not in done.everything:
            break
    return done, told(done.errors)


ATTEMPTS = 5  # to find a port that is still free when it is used


class Moving(Providing):
    """A handler of EVT_C_MOVE that sends to its `destination`, or to the port in the StudyID."""

    def __call__(self, event: evt.Event) -> Iterator[object]:
        if self.destination is None:
            self.destination = (LOOPBACK, int(event.identifier.StudyID))
        return super().__call__(event)


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG_2000_LOSSLESS])  # a second each, its own
def test_movescu_gets_files_over_its_own_port(syntax: str, tmp_path: Path) -> None:
    some = in_syntax(syntax)
    handler = Moving(paths(some))
    with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
        options = ["+B", DCMTK_OPTIONS[syntax].replace("-", "+")]
        done, responses = movescu(port, tmp_path / "got", *options, listens=True)
    n = len(some)
    pending = [Told(PENDING, n - i, i, 0, 0) for i in range(1, n)]
    assert responses == [*pending, Told(SUCCESS, None, n, 0, 0)], done.everything
    assert handler.events[0].move_destination == "MOVESCU"
    assert_stored(tmp_path / "got", some)


@pytest.mark.parametrize("option", ["-P", "-S", "-O"])
def test_movescu_has_files_moved_to_storescp(option: str, tmp_path: Path) -> None:
    """All that is held, in whatever SOP class and transfer syntax.

    The first association is for what the first 33 files need, the second for the others as well.
    """
    some = [held for held in holdings() if held.PatientID != "12345678" and held.object.name != PADDED]
    models = {"-P": PATIENT_ROOT, "-S": STUDY_ROOT, "-O": PATIENT_STUDY_ONLY}
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving(paths(some), (LOOPBACK, destination.port))
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            _, responses = movescu(port, tmp_path / "got", option, "-aem", "ELSEWHERE")
    assert responses[-1] == Told(SUCCESS, None, len(some), 0, 0)
    assert handler.events[0].request.AffectedSOPClassUID == models[option].move
    assert handler.events[0].move_destination == "ELSEWHERE"
    assert destination.errors.count("Association Received") == 2
    assert_stored(tmp_path / "storescp" / "stored", some)


def test_data_sets_of_two_kinds_in_turn_are_moved_over_two_associations(tmp_path: Path) -> None:
    """They come one by one; the second association is for what the first was for as well."""
    some = held_by(PatientID=PATIENT)
    images = [held for held in some if held.object.sop_class_uid == CT_IMAGE]
    others = [held for held in some if held.object.sop_class_uid != CT_IMAGE][: len(images)]
    in_turn = [held.head for pair in zip(images, others, strict=True) for held in pair]
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving(in_turn, (LOOPBACK, destination.port))
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            _, responses = movescu(port, tmp_path / "got")
    assert responses[-1] == Told(SUCCESS, None, len(in_turn), 0, 0)
    assert destination.errors.count("Association Received") == 2
    assert_stored(tmp_path / "storescp" / "stored", images + others)


def test_movescu_asks_for_a_destination_that_nobody_knows(tmp_path: Path) -> None:
    handler = Moving([], (None, None))
    with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
        _, responses = movescu(port, tmp_path, "-aem", "NOWHERE")
    assert [response.status for response in responses] == [UNKNOWN_DESTINATION]
    assert handler.closed.is_set()


def test_movescu_is_told_that_the_destination_cannot_be_reached(tmp_path: Path) -> None:
    some = held_by(PatientID="77654033")
    with closed_port() as closed:
        handler = Moving(paths(some), (LOOPBACK, closed))
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            done, responses = movescu(port, tmp_path)
    assert responses == [Told(ALL_FAILED, None, 0, len(some), 0)]
    assert "the destination cannot be reached" in done.errors


def test_movescu_is_told_what_the_destination_refused(tmp_path: Path) -> None:
    """DCMTK's storescp takes Implicit VR only: what is native is re-encoded, what is compressed fails."""
    some = held_by(PatientID="13US1")
    native = [held for held in some if held.object.transfer_syntax_uid == EXPLICIT]
    with dcmtk_storescp(tmp_path / "storescp", "+xi") as destination:
        handler = Moving(paths(some), (LOOPBACK, destination.port))
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            done, responses = movescu(port, tmp_path / "got")
    assert responses[-1] == Told(SOME_FAILED, None, len(native), len(some) - len(native), 0)
    assert "1 without an accepted presentation context" in done.errors
    assert_stored(tmp_path / "storescp" / "stored", native, IMPLICIT)


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
def test_movescu_cancels(is_heard: bool, tmp_path: Path) -> None:
    """It cancels as soon as it has two responses; the handler waits for that before the third object.

    Data sets are asked for one by one; files would be looked at before the first is sent.
    """

    def wait(number: int) -> None:
        if number == 2:
            wait_until(lambda: handler.events[0].is_cancelled, "it is cancelled")

    some = held_by(PatientID=PATIENT)
    items: list[object] = [held.head for held in some]
    if is_heard:
        items[2] = (CANCEL, None)
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving(items, (LOOPBACK, destination.port))
        handler.before = wait
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            done, responses = movescu(port, tmp_path / "got", "--cancel", "2")
    n = len(some)
    assert done.status == 0, done.everything
    assert responses == [
        *[Told(PENDING, n - i, i, 0, 0) for i in (1, 2)],
        Told(CANCEL, n - 2, 2, 0, 0),
    ]
    assert_stored(tmp_path / "storescp" / "stored", some[:2])


def test_a_destination_is_killed_in_mid_move(tmp_path: Path) -> None:
    some = held_by(PatientID=PATIENT)
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving([held.head for held in some], (LOOPBACK, destination.port))
        handler.before = lambda number: destination.kill() if number == 3 else None
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            done, responses = movescu(port, tmp_path / "got")
    assert responses[-1] == Told(SOME_FAILED, None, 3, len(some) - 3, 0)
    assert all(response.status == PENDING for response in responses[:-1])
    assert "the destination cannot be reached" in done.errors


def test_movescu_is_killed_in_mid_move(tmp_path: Path) -> None:
    """The destination has what was sent, the handler is closed, both associations are gone."""
    killed = threading.Event()
    some = held_by(PatientID=PATIENT)
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving([held.head for held in some], (LOOPBACK, destination.port))
        handler.before = lambda number: number < 3 or killed.wait(60)
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            command = [*dcmtk("movescu"), "-v", *key_options(patient()), LOOPBACK, str(port)]
            with Program(command, tmp_path / "movescu") as asking:
                asking.until(lambda: asking.errors.count("Received Move Response") >= 3, "it has three")
                asking.kill()
            killed.set()
            assert handler.closed.wait(60)
            (event,) = handler.events
            wait_until(lambda: event.assoc.ending, "the association has ended")
            assert isinstance(event.assoc.ending, ConnectionLost)
            destination.until(
                lambda: "Association Release" in destination.errors or "Abort" in destination.errors,
                "the other association has ended",
            )
    assert_stored(tmp_path / "storescp" / "stored", some[:3])
