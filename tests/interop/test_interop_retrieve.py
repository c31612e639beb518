"""C-GET, C-MOVE and their C-CANCEL with DCMTK: ours retrieve from dcmqrscp."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import Response
from dicomproto.errors import AssociationAborted, ConnectionLost
from dicomproto_transports.blocking import Association, evt
from tests.interop.archives import (
    CT_IMAGE,
    EXPLICIT,
    HELD_SYNTAXES,
    IMPLICIT,
    JPEG_BASELINE,
    PADDED,
    PATIENT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Held,
    Model,
    Received,
    associated,
    dcmqrscp,
    held_by,
    in_syntax,
    keys,
    paths,
    patient,
    provides,
    serving,
    sop_classes,
    uids,
)
from tests.interop.programs import LOOPBACK, Program, closed_port, dcmtk, run
from tests.interop.requestors import DCMTK_OPTIONS

pytestmark = pytest.mark.dcmtk

SUCCESS, SOME_FAILED, ALL_FAILED, UNKNOWN_DESTINATION, CANCEL, PENDING = (
    0x0000, 0xB000, 0xA702, 0xA801, 0xFE00, 0xFF00
)  # fmt: skip


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
        closed_port() as closed,
        dcmqrscp(folder, paths(held), *options, destinations={"DEST": port, "NOBODY": closed}) as server,
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
@pytest.mark.parametrize("syntax", HELD_SYNTAXES)
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
    syntax = JPEG_BASELINE
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
