"""C-GET, C-MOVE and their C-CANCEL with DCMTK: ours retrieve from dcmqrscp, getscu and movescu from ours."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import Response
from dicomproto.errors import AssociationAborted, ConnectionLost
from dicomproto_transports.blocking import Association, KnownFile, evt
from tests.interop.archives import (
    CT_IMAGE,
    EXPLICIT,
    IMPLICIT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Held,
    Model,
    Received,
    Told,
    associated,
    dcmqrscp,
    differences,
    held_by,
    holdings,
    key_options,
    keys,
    paths,
    provides,
    serving,
    told,
    wait_until,
)
from tests.interop.catalogue import objects, read_dataset, read_object
from tests.interop.programs import LOOPBACK, Done, Program, dcmtk, dcmtk_storescp, free_port, run
from tests.interop.requestors import DCMTK_OPTIONS

pytestmark = pytest.mark.dcmtk

SUCCESS, SOME_FAILED, ALL_FAILED, UNKNOWN_DESTINATION, CANCEL, PENDING = (
    0x0000, 0xB000, 0xA702, 0xA801, 0xFE00, 0xFF00
)  # fmt: skip

PATIENT = "98890234"
"""Has the most: CT and MR images, in studies and series of some."""

PADDED = "test_files/693_J2KI.dcm"
"""DCMTK pads the fragments of its pixel data, which are odd."""


def sop_classes(some: Sequence[Held]) -> list[str]:
    return sorted({held.object.sop_class_uid for held in some})


def uids(some: Sequence[Held]) -> list[str]:
    return sorted(held.object.sop_instance_uid for held in some)


def patient(patient_id: str = PATIENT) -> Dataset:
    return keys("PATIENT", PatientID=patient_id)


def in_syntax(syntax: str) -> list[Held]:
    """Return what is held in a transfer syntax, but for most images of one patient who has 50 alike."""
    some = [held for held in holdings() if held.object.transfer_syntax_uid == syntax]
    alike = [held for held in some if held.PatientID == "12345678"]
    return [held for held in some if held not in alike[1:]]


SYNTAXES = sorted({held.object.transfer_syntax_uid for held in holdings()})


# --- ours retrieve from dcmqrscp --------------------------------------------------------------------


class Setting:
    """An archive, a destination of ours called DEST, and an association that retrieves by C-GET or C-MOVE."""

    def __init__(self, server: Program, got: Received, association: Association, service: str) -> None:
        self.server = server
        self.got = got
        """What came, to the association or to the destination."""
        self.association = association
        self._service = service

    def ask(
        self, identifier: Dataset, model: Model = PATIENT_ROOT, destination: str = "DEST"
    ) -> Iterator[tuple[Response, Dataset | None]]:
        """Begin to retrieve."""
        if self._service == "C-GET":
            return self.association.send_c_get(identifier, model.get)
        return self.association.send_c_move(identifier, destination, model.move)

    def retrieve(
        self, identifier: Dataset, model: Model = PATIENT_ROOT, destination: str = "DEST"
    ) -> tuple[list[Response], Response, list[str]]:
        """Retrieve; return the pending responses, the final one and the UIDs of those that failed."""
        *pending, (final, failed) = self.ask(identifier, model, destination)
        assert {response.Status for response, _ in pending} <= {PENDING}
        assert all(nothing is None for _, nothing in pending)
        listed = [] if failed is None else failed["FailedSOPInstanceUIDList"].value
        return (
            [response for response, _ in pending],
            final,
            [listed] if isinstance(listed, str) else list(listed),
        )


@contextlib.contextmanager
def setting(
    service: str,
    held: Sequence[Held],
    folder: Path,
    *options: str,
    syntax: str = EXPLICIT,
    identifiers: str = EXPLICIT,
    accepted: Sequence[str] | None = None,
    server_settings: dict[str, object] | None = None,
) -> Iterator[Setting]:
    """Run an archive with `held`; the destination and we accept their SOP classes in `syntax`."""
    got = Received()
    contexts = [(uid, [syntax]) for uid in (sop_classes(held) if accepted is None else accepted)]
    models = [
        (uid, [identifiers])
        for model in (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)
        for uid in (model.get, model.move)
    ]
    classes = [uid for uid, _ in contexts]
    stores = [(evt.EVT_C_STORE, got)]
    with (
        serving(*stores, contexts=contexts, title="DEST", **server_settings or {}) as port,
        dcmqrscp(folder, paths(held), *options, destinations={"DEST": port, "NOBODY": free_port()}) as server,
        associated(
            server.port, *models, *contexts, ext_neg=provides(*classes), handlers=stores
        ) as association,
    ):
        yield Setting(server, got, association, service)


SERVICES = ["C-GET", "C-MOVE"]
both_services = pytest.mark.parametrize("service", SERVICES)


@both_services
@pytest.mark.parametrize("identifiers", [IMPLICIT, EXPLICIT])
@pytest.mark.parametrize(
    ("model", "levels"),
    [
        (PATIENT_ROOT, ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]),
        (STUDY_ROOT, ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]),
        (PATIENT_STUDY_ONLY, ["PatientID", "StudyInstanceUID"]),
    ],
    ids=["patient-root", "study-root", "patient-study-only"],
)
def test_dcmqrscp_sends_at_every_level(
    service: str, model: Model, levels: list[str], identifiers: str, tmp_path: Path
) -> None:
    names = {
        "PatientID": "PATIENT",
        "StudyInstanceUID": "STUDY",
        "SeriesInstanceUID": "SERIES",
        "SOPInstanceUID": "IMAGE",
    }
    some = held_by(PatientID=PATIENT)
    with setting(service, some, tmp_path, identifiers=identifiers) as this:
        wanted: dict[str, str] = {}
        for level in levels:
            wanted[level] = getattr(held_by(**{"PatientID": PATIENT, **wanted})[-1], level)
            pending, final, failed = this.retrieve(keys(names[level], **wanted), model)
            expected = held_by(**wanted)
            this.got.assert_are(expected, same_bytes=False)
            this.got.events.clear()
            assert (final.Status, failed) == (SUCCESS, [])
            assert final.NumberOfCompletedSuboperations == len(expected) == len(pending)
            remaining = [response.NumberOfRemainingSuboperations for response in pending]
            assert remaining == list(reversed(range(len(expected))))


@both_services
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_dcmqrscp_sends_in_any_transfer_syntax(service: str, syntax: str, tmp_path: Path) -> None:
    some = [held for held in in_syntax(syntax) if held.object.name != PADDED]
    option = DCMTK_OPTIONS[syntax]
    with setting(service, some, tmp_path, option, option.replace("-", "+"), syntax=syntax) as this:
        for study in sorted({held.StudyInstanceUID for held in some}):
            _, final, failed = this.retrieve(keys("STUDY", StudyInstanceUID=study), STUDY_ROOT)
            assert (final.Status, failed) == (SUCCESS, [])
    this.got.assert_are(some, same_bytes=False)
    if service == "C-MOVE":
        for event in this.got.events:
            assert event.request.MoveOriginatorApplicationEntityTitle == "REQUESTOR"
            assert event.request.MoveOriginatorMessageID


@both_services
@pytest.mark.parametrize("identifiers", [IMPLICIT, EXPLICIT])
def test_dcmqrscp_lists_what_nobody_accepts(service: str, identifiers: str, tmp_path: Path) -> None:
    some = held_by(PatientID=PATIENT)
    images = [held for held in some if held.object.sop_class_uid == CT_IMAGE]
    others = [held for held in some if held.object.sop_class_uid != CT_IMAGE]
    with setting(service, some, tmp_path, identifiers=identifiers, accepted=[CT_IMAGE]) as this:
        _, final, failed = this.retrieve(patient())
    assert final.Status == SOME_FAILED
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (
        len(images),
        len(others),
    )
    assert sorted(failed) == uids(others)
    this.got.assert_are(images, same_bytes=False)


@both_services
def test_dcmqrscp_counts_what_we_answer(service: str, tmp_path: Path) -> None:
    some = held_by(PatientID="77654033")
    counts = []
    with setting(service, some, tmp_path) as this:
        for status in (0xB000, 0xA700):
            this.got.status = status
            _, final, failed = this.retrieve(patient("77654033"))
            counts.append(
                (
                    final.Status,
                    final.NumberOfFailedSuboperations,
                    final.NumberOfWarningSuboperations,
                    len(failed),
                )
            )
    n = len(some)
    assert counts == [(SOME_FAILED, 0, n, 0), (ALL_FAILED, n, 0, n)]


@both_services
def test_dcmqrscp_has_nothing_to_send(service: str, tmp_path: Path) -> None:
    with setting(service, held_by(PatientID="1CT1"), tmp_path) as this:
        pending, final, failed = this.retrieve(patient("NOBODY"))
    assert (pending, final.Status, failed) == ([], SUCCESS, [])


@pytest.mark.parametrize(
    ("destination", "settings", "status"),
    [
        ("OTHER", {}, UNKNOWN_DESTINATION),
        ("NOBODY", {}, ALL_FAILED),
        ("DEST", {"require_calling_aet": ["SOMEBODY"]}, ALL_FAILED),
    ],
    ids=["unknown", "unreachable", "rejecting"],
)
def test_dcmqrscp_cannot_move_to(
    destination: str, settings: dict[str, object], status: int, tmp_path: Path
) -> None:
    some = held_by(PatientID="77654033")
    with setting("C-MOVE", some, tmp_path, server_settings=settings) as this:
        _, final, failed = this.retrieve(patient("77654033"), destination=destination)
        assert final.Status == status
        assert sorted(failed) == ([] if status == UNKNOWN_DESTINATION else uids(some))
        assert this.association.is_established
    assert this.got.events == []


def test_a_c_get_is_cancelled_while_an_object_comes(tmp_path: Path) -> None:
    def cancel(event: evt.Event) -> None:
        if len(this.got.events) == 2:
            event.assoc.send_c_cancel(responses.message_id)

    some = held_by(PatientID=PATIENT)
    with setting("C-GET", some, tmp_path) as this:
        this.got.before = cancel
        responses = this.ask(patient())
        *_, (final, failed) = responses
        assert (final.Status, failed) == (CANCEL, None)
        assert final.NumberOfCompletedSuboperations == 3
        assert final.NumberOfRemainingSuboperations == len(some) - 3
        assert this.retrieve(patient())[1].Status == SUCCESS
    assert len(this.got.events) == 3 + len(some)


def test_a_c_move_is_cancelled_after_its_first_response(tmp_path: Path) -> None:
    """The destination keeps the third object waiting until the C-CANCEL is on its way."""
    cancelled = threading.Event()
    some = held_by(PatientID=PATIENT)
    with setting("C-MOVE", some, tmp_path) as this:
        this.got.before = lambda event: len(this.got.events) < 2 or cancelled.wait(60)
        responses = this.ask(patient())
        next(responses)
        responses.cancel()
        cancelled.set()
        *_, (final, _) = responses
        assert final.Status == CANCEL
        assert final.NumberOfCompletedSuboperations == len(this.got.events)
        assert final.NumberOfRemainingSuboperations == len(some) - len(this.got.events)
        this.got.events.clear()
        assert this.retrieve(patient())[1].Status == SUCCESS
    this.got.assert_are(some, same_bytes=False)


@both_services
def test_the_rest_is_not_wanted(service: str, tmp_path: Path) -> None:
    """The responses are left after the first; the association cancels, drains, and can be used again."""
    some = held_by(PatientID=PATIENT)
    with setting(service, some, tmp_path) as this:
        with this.ask(patient()) as responses:
            assert next(responses)[0].Status == PENDING
        assert this.association.is_established
        this.got.events.clear()
        assert this.retrieve(patient())[1].Status == SUCCESS
    this.got.assert_are(some, same_bytes=False)


@both_services
def test_dcmqrscp_is_killed_in_mid_retrieval(service: str, tmp_path: Path) -> None:
    seen: list[Response] = []
    with setting(service, held_by(PatientID=PATIENT), tmp_path) as this:
        this.got.before = lambda event: this.server.kill() if len(this.got.events) == 2 else None
        with pytest.raises(ConnectionLost, match="on the established association"):
            seen += [response for response, _ in this.ask(patient())]
        assert not this.association.is_established
    assert {response.Status for response in seen} <= {PENDING}
    assert len(this.got.events) <= 3


def test_a_c_get_is_aborted_while_an_object_comes(tmp_path: Path) -> None:
    with setting("C-GET", held_by(PatientID=PATIENT), tmp_path) as this:
        this.got.before = lambda event: event.assoc.abort() if len(this.got.events) == 2 else None
        with pytest.raises(AssociationAborted, match="aborted from this side"):
            list(this.ask(patient()))
        with associated(this.server.port, STUDY_ROOT.get):
            pass  # the archive is none the worse for it


def test_a_c_move_is_aborted_after_its_first_response(tmp_path: Path) -> None:
    with setting("C-MOVE", held_by(PatientID=PATIENT), tmp_path) as this:
        responses = this.ask(patient())
        next(responses)
        this.association.abort()
        with pytest.raises(AssociationAborted, match="aborted from this side"):
            next(responses)
        with associated(this.server.port, STUDY_ROOT.get):
            pass


def test_a_destination_aborts_and_dcmqrscp_tells_what_failed(tmp_path: Path) -> None:
    def end(event: evt.Event) -> None:
        if len(this.got.events) == 2:
            event.assoc.abort()

    some = held_by(PatientID=PATIENT)
    with setting("C-MOVE", some, tmp_path) as this:
        this.got.before = end
        _, final, failed = this.retrieve(patient())
        assert final.Status == SOME_FAILED
        assert final.NumberOfCompletedSuboperations == 2
        assert sorted(failed) == sorted(set(uids(some)) - set(this.got.uids[:2]))


def test_what_storescu_has_stored_is_what_we_get(tmp_path: Path) -> None:
    """Filled by DCMTK's storescu, the archive keeps the bytes as they come."""
    some = held_by(PatientID="ID1")
    syntax = "1.2.840.10008.1.2.4.50"
    some = [held for held in some if held.object.transfer_syntax_uid == syntax]
    got = Received()
    with dcmqrscp(tmp_path, (), "+B", "+xy", "-xy") as server:
        done = run([*dcmtk("storescu"), "-xy", "-aec", "ARCHIVE", LOOPBACK, str(server.port), *paths(some)])
        assert done.status == 0, done.everything
        classes = sop_classes(some)
        with associated(
            server.port,
            STUDY_ROOT.get,
            *[(uid, [syntax]) for uid in classes],
            ext_neg=provides(*classes),
            handlers=[(evt.EVT_C_STORE, got)],
        ) as association:
            *_, (final, _) = association.send_c_get(
                keys("STUDY", StudyInstanceUID=some[0].StudyInstanceUID), STUDY_ROOT.get
            )
    assert final.Status == SUCCESS
    got.assert_are(some, same_bytes=False)


# --- getscu retrieves from ours -----------------------------------------------------------------------


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


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_getscu_gets_files_as_they_are(syntax: str, tmp_path: Path) -> None:
    some = in_syntax(syntax)
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
    """Colour palettes are not among what getscu proposes."""
    palettes = sorted({one.path for one in objects() if one.name.startswith("palettes/")})
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


@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2.4.90"])  # a second each, its own
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
    """All that is held, in whatever SOP class and transfer syntax, over one association."""
    some = [held for held in holdings() if held.PatientID != "12345678" and held.object.name != PADDED]
    models = {"-P": PATIENT_ROOT, "-S": STUDY_ROOT, "-O": PATIENT_STUDY_ONLY}
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving(paths(some), (LOOPBACK, destination.port))
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            _, responses = movescu(port, tmp_path / "got", option, "-aem", "ELSEWHERE")
    assert responses[-1] == Told(SUCCESS, None, len(some), 0, 0)
    assert handler.events[0].request.AffectedSOPClassUID == models[option].move
    assert handler.events[0].move_destination == "ELSEWHERE"
    assert destination.errors.count("Association Received") == 1
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
    handler = Moving(paths(some), (LOOPBACK, free_port()))
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
    """It cancels after two responses; the handler waits for that before the fourth object.

    Data sets are asked for one by one; files would be looked at before the first is sent.
    """

    def wait(number: int) -> None:
        if number == 3:
            wait_until(lambda: handler.events[0].is_cancelled, "it is cancelled")

    some = held_by(PatientID=PATIENT)
    items: list[object] = [held.head for held in some]
    if is_heard:
        items[3] = (CANCEL, None)
    with dcmtk_storescp(tmp_path / "storescp") as destination:
        handler = Moving(items, (LOOPBACK, destination.port))
        handler.before = wait
        with serving((evt.EVT_C_MOVE, handler), contexts=contexts_for([], [])) as port:
            done, responses = movescu(port, tmp_path / "got", "--cancel", "2")
    n = len(some)
    assert done.status == 0, done.everything
    assert responses == [
        *[Told(PENDING, n - i, i, 0, 0) for i in (1, 2, 3)],
        Told(CANCEL, n - 3, 3, 0, 0),
    ]
    assert_stored(tmp_path / "storescp" / "stored", some[:3])


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
