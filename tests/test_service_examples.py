"""The programs that the documentation shows for service classes, beyond what they print."""

from __future__ import annotations

import importlib.util
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from time import process_time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.uid import UID, generate_uid

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.encoded import IDENTIFIER_BOUNDS
from dicomproto.encoding.decoding import build_dataset
from dicomproto.errors import DataSetError
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN as EXPLICIT
from dicomproto_transports import build_role
from dicomproto_transports.blocking import AE, Association, evt
from tests.applications import RawPeer
from tests.data_sets import UNDEFINED, implicit
from tests.data_sets import item as item_of

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"
HOST = "127.0.0.1"


def example(name: str) -> Any:
    """Import a program without running it."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def connected(server_ae: AE, handlers: list[evt.Binding], *sop_classes: str) -> Iterator[Association]:
    """Run a server of an example, and associate with it."""
    scu = AE("SCU")
    for uid in sop_classes:
        scu.add_requested_context(uid)
    with (
        server_ae.start_server((HOST, 0), block=False, evt_handlers=handlers) as server,
        scu.associate(HOST, server.port) as assoc,
    ):
        yield assoc


def made(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


# --- worklists ----------------------------------------------------------------------------------


def ends_of_elements(data: bytes, syntax: str) -> set[int]:
    """Return where the elements at the top level end, as pydicom reads them."""
    uid, file = UID(syntax), BytesIO(data)
    return {file.tell() for _ in data_element_generator(file, uid.is_implicit_VR, uid.is_little_endian)}


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT, EXPLICIT_VR_BIG_ENDIAN])
@pytest.mark.parametrize("is_undefined", [False, True])
def test_a_query_that_was_cut_shows_no_entry_of_the_worklist(syntax: str, *, is_undefined: bool) -> None:
    module = example("worklist")
    ae = AE("RIS")
    ae.add_supported_context(module.ModalityWorklistInformationModelFind, [syntax])
    query = module.worklist_query(
        PatientName="*DOE*",
        PatientID="P1",
        AccessionNumber="1001",
        Modality="CT",
        ScheduledStationAETitle="CT1",
        ScheduledProcedureStepStartDate="20240101-20240131",
    )
    steps = query["ScheduledProcedureStepSequence"]
    steps.is_undefined_length = steps.value[0].is_undefined_length_sequence_item = is_undefined
    whole = encode_data_set(query, syntax)
    handlers: list[evt.Binding] = [(evt.EVT_C_FIND, module.handle_find, [module.WORKLIST])]
    sop_class = str(module.ModalityWorklistInformationModelFind)
    ends = ends_of_elements(whole, syntax)
    with ae.start_server((HOST, 0), block=False, evt_handlers=handlers) as server:
        with RawPeer(server.port, (sop_class, (syntax,))) as peer:
            status, (entry,) = peer.find(sop_class, whole)
            assert status == 0
            assert decode_data_set(entry, syntax).PatientID == "P1"
            for cut in range(len(whole)):
                status, entries = peer.find(sop_class, whole[:cut])
                if cut not in ends:
                    assert (cut, status, entries) == (cut, 0xC000, [])


TAGS = [(0x1002 + number // 4096) << 16 | 0x1000 + number % 4096 for number in range(2**17)]
"""Unknown ones, of groups that are even and odd in turn."""

LARGE = {
    "items": implicit(0x00400100, item_of() * (2**17 - 1)),
    "as many items as are allowed": implicit(0x00400100, item_of() * 1000),
    "items with keys": implicit(0x00400100, item_of(implicit(0x00080060, b"CT")) * 990),
    "unknown tags": b"".join(map(implicit, TAGS)),
    "as many unknown tags as are allowed": b"".join(map(implicit, TAGS[:1999])),
    "unknown tags with values": b"".join(implicit(tag, b"x" * 500) for tag in TAGS[:1999]),
    "a long text": implicit(0x00100010, b"D" * (2**20 - 8)),
    "a long list": implicit(0x00404052, b"a\\" * (2**19 - 4)),
    "a list of UIDs": implicit(0x0020000D, b"1.2\\" * (2**18 - 2)),
    "a list of tags": implicit(0x00209165, b"\x10\0\x10\0" * (2**18 - 2)),
    "asterisks": implicit(0x00100010, b"*" * (2**20 - 8)),
    "wild cards": implicit(0x00100020, b"\\".join([b"*a?b" * 250] * 1000)),
    "as many wild cards as are allowed": implicit(0x00100020, b"\\".join([b"*a?b" * 250] * 20)),
    "sequences within each other": implicit(0x00400100, item_of(b"", UNDEFINED), UNDEFINED) * 2**16,
    "character sets": implicit(0x00080005, b"ISO 2022 IR 87\\" * 70_000),
}


@pytest.mark.serial
@pytest.mark.parametrize("kind", LARGE)
def test_a_large_query_keeps_the_worklist_from_nothing_else(kind: str) -> None:
    """Between two results others have their turn; all of it together holds little memory."""
    module, data = example("worklist"), LARGE[kind]
    entries = [
        module.scheduled(f"Doe^{n}", f"P{n}", str(n), "CT1", "CT", "20240115", "", "") for n in range(100)
    ]

    def answered() -> Iterator[object]:
        try:
            identifier = decode_data_set(data, IMPLICIT_VR_LITTLE_ENDIAN, bounds=IDENTIFIER_BOUNDS)
        except DataSetError:
            return
        event = SimpleNamespace(identifier=identifier, is_cancelled=False)
        for _, match in module.handle_find(event, entries):
            yield match and encode_data_set(match, IMPLICIT_VR_LITTLE_ENDIAN)

    longest, start = 0.0, process_time()
    for _ in islice(answered(), 3):
        longest, start = max(longest, process_time() - start), process_time()
    assert max(longest, process_time() - start) < 0.3
    tracemalloc.start()
    try:
        for _ in islice(answered(), 3):
            pass
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


# --- performed procedure steps ------------------------------------------------------------------


@contextmanager
def performing() -> Iterator[tuple[Any, Association]]:
    """Associate with the manager of performed procedure steps."""
    mpps = example("mpps")
    ae = AE("RIS")
    sop_classes = mpps.ModalityPerformedProcedureStep, mpps.ModalityPerformedProcedureStepRetrieve
    for uid in sop_classes:
        ae.add_supported_context(uid)
    with connected(ae, mpps.Manager().handlers(), *sop_classes) as assoc:
        yield mpps, assoc


def test_a_performed_step_keeps_text_in_several_character_sets() -> None:
    with performing() as (mpps, assoc):
        mpps_class, uid = mpps.ModalityPerformedProcedureStep, generate_uid()
        step = mpps.begun()
        step.SpecificCharacterSet = "ISO_IR 100"
        step.PatientName = "Müller^Jörg"
        step.ScheduledStepAttributesSequence[0].ScheduledProcedureStepDescription = "Schädel"
        assert assoc.send_n_create(step, mpps_class, uid)[0].Status == 0
        series = made(SpecificCharacterSet=["", "ISO 2022 IR 87"], OperatorsName="Yamada^Tarou=山田^太郎")
        changes = made(
            SpecificCharacterSet="ISO_IR 144",
            PerformedProcedureStepDescription="Череп",
            PerformedSeriesSequence=[series],
        )
        assert assoc.send_n_set(changes, mpps_class, uid)[0].Status == 0
        assert assoc.send_n_set(made(StudyComments="plain"), mpps_class, uid)[0].Status == 0
        broken = made(SpecificCharacterSet="ISO_IR 192", StudyComments="\N{REPLACEMENT CHARACTER}")
        assert assoc.send_n_set(broken, mpps_class, uid)[0].Status == 0x0106
        assert assoc.send_n_create(broken, mpps_class, generate_uid())[0].Status == 0x0106
        response, found = assoc.send_n_get([], mpps.ModalityPerformedProcedureStepRetrieve, uid)
    assert response.Status == 0
    assert found is not None
    assert (found.SpecificCharacterSet, found.PatientName) == ("ISO_IR 192", "Müller^Jörg")
    assert found.ScheduledStepAttributesSequence[0].ScheduledProcedureStepDescription == "Schädel"
    assert found.PerformedProcedureStepDescription == "Череп"
    assert found.PerformedSeriesSequence[0].OperatorsName == "Yamada^Tarou=山田^太郎"
    assert found.StudyComments == "plain"


def test_what_a_performed_step_begins_with_stays() -> None:
    with performing() as (mpps, assoc):
        mpps_class, uid = mpps.ModalityPerformedProcedureStep, generate_uid()
        assert assoc.send_n_create(mpps.begun(), mpps_class, uid)[0].Status == 0
        for changes in (
            made(PatientID="P2"),
            made(IssuerOfPatientID="ELSEWHERE"),
            made(ScheduledStepAttributesSequence=[]),
            made(Modality="MR"),
            made(PerformedStationAETitle="CT2"),
            made(PerformedProcedureStepID="P2"),
            made(PerformedProcedureStepStartDate="20240116"),
            made(PerformedProcedureStepStartTime="120000"),
            made(StudyID="2"),
            made(SOPInstanceUID="1.2"),
        ):
            assert assoc.send_n_set(changes, mpps_class, uid)[0].Status == 0x0105
        _, found = assoc.send_n_get([], mpps.ModalityPerformedProcedureStepRetrieve, uid)
    assert found == mpps.begun()


def test_what_a_performed_step_has_to_begin_with() -> None:
    with performing() as (mpps, assoc):
        for keyword in (
            "ScheduledStepAttributesSequence",
            "PerformedProcedureStepID",
            "PerformedStationAETitle",
            "PerformedProcedureStepStartDate",
            "PerformedProcedureStepStartTime",
            "Modality",
        ):
            step = mpps.begun()
            step[keyword].value = None
            assert assoc.send_n_create(step, mpps.ModalityPerformedProcedureStep, "1.2")[0].Status == 0x0121
            del step[keyword]
            assert assoc.send_n_create(step, mpps.ModalityPerformedProcedureStep, "1.2")[0].Status == 0x0120


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_what_a_performed_step_has_to_end_with(status: str) -> None:
    with performing() as (mpps, assoc):
        mpps_class, uid = mpps.ModalityPerformedProcedureStep, generate_uid()
        assert assoc.send_n_create(mpps.begun(), mpps_class, uid)[0].Status == 0

        def end(changes: Dataset) -> int:
            changes.PerformedProcedureStepStatus = status
            return int(assoc.send_n_set(changes, mpps_class, uid)[0].Status)

        for keyword in (
            "PerformedSeriesSequence",
            "PerformedProcedureStepEndDate",
            "PerformedProcedureStepEndTime",
        ):
            changes = mpps.completed()
            del changes[keyword]
            assert end(changes) == 0x0121
        early = mpps.completed()
        early.PerformedProcedureStepStatus = "IN PROGRESS"
        assert assoc.send_n_set(early, mpps_class, uid)[0].Status == 0
        assert end(made(PerformedSeriesSequence=[])) == 0x0121
        assert end(made(PerformedSeriesSequence=[Dataset()])) == 0x0121
        (series,) = mpps.completed().PerformedSeriesSequence
        for keyword in ("ProtocolName", "SeriesInstanceUID"):
            (other,) = mpps.completed().PerformedSeriesSequence
            other[keyword].value = None
            assert end(made(PerformedSeriesSequence=[series, other])) == 0x0121
            del other[keyword]
            assert end(made(PerformedSeriesSequence=[series, other])) == 0x0121
        _, found = assoc.send_n_get(
            ["PerformedProcedureStepStatus"], mpps.ModalityPerformedProcedureStepRetrieve, uid
        )
        assert found == made(PerformedProcedureStepStatus="IN PROGRESS")
        assert end(Dataset()) == 0
        assert end(Dataset()) == 0x0110


def test_an_attribute_of_a_performed_step_asked_for_twice() -> None:
    with performing() as (mpps, assoc):
        uid = generate_uid()
        assert assoc.send_n_create(mpps.begun(), mpps.ModalityPerformedProcedureStep, uid)[0].Status == 0
        for wanted, status in (
            (["PatientID", "PatientID"], 0),
            (["PatientID", "SpecificCharacterSet"], 0),
            (["PatientID", "PatientComments"], 1),
        ):
            response, found = assoc.send_n_get(wanted, mpps.ModalityPerformedProcedureStepRetrieve, uid)
            assert (response.Status, found) == (status, made(PatientID="P1"))


def test_a_performed_step_is_read_while_nothing_changes_it() -> None:
    mpps = example("mpps")
    manager = mpps.Manager()
    locked = []

    class Steps(dict[str, Dataset]):
        def get(self, uid: str, default: Any = None) -> Any:
            locked.append(manager.lock.locked())
            return super().get(uid, default)

    manager.steps = Steps({"1.2": mpps.begun()})
    ae, sop_class = AE("RIS"), mpps.ModalityPerformedProcedureStepRetrieve
    ae.add_supported_context(sop_class)
    with connected(ae, manager.handlers(), sop_class) as assoc:
        response, _ = assoc.send_n_get([], sop_class, "1.2")
    assert response.Status == 0
    assert locked == [True]


# --- unified procedure steps --------------------------------------------------------------------

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
REASON = made(CodeValue="110507", CodingSchemeDesignator="DCM", CodeMeaning="Patient did not arrive")
STOPPED = made(ProcedureStepDiscontinuationReasonCodeSequence=[REASON])

TRANSITIONS = {
    (SCHEDULED, IN_PROGRESS): (0x0000, 0x0000),
    (SCHEDULED, COMPLETED): (0xC310, 0xC310),
    (SCHEDULED, SCHEDULED): (0xC303, 0xC303),
    (SCHEDULED, CANCELED): (0xC310, 0xC310),
    (IN_PROGRESS, IN_PROGRESS): (0xC302, 0xC302),
    (IN_PROGRESS, COMPLETED): (0x0000, 0xC301),
    (IN_PROGRESS, SCHEDULED): (0xC303, 0xC303),
    (IN_PROGRESS, CANCELED): (0x0000, 0xC301),
    (COMPLETED, IN_PROGRESS): (0xC300, 0xC300),
    (COMPLETED, COMPLETED): (0xB306, 0xB306),
    (COMPLETED, SCHEDULED): (0xC303, 0xC303),
    (COMPLETED, CANCELED): (0xC300, 0xC300),
    (CANCELED, IN_PROGRESS): (0xC300, 0xC300),
    (CANCELED, COMPLETED): (0xC300, 0xC300),
    (CANCELED, SCHEDULED): (0xC303, 0xC303),
    (CANCELED, CANCELED): (0xB304, 0xB304),
}
"""PS3.4 Table CC.1.1-2: (state, wanted state), with the right and with a wrong Transaction UID."""


def test_the_states_of_a_unified_procedure_step() -> None:
    ups = example("ups")
    manager = ups.Manager({})
    push, pull = ups.UnifiedProcedureStepPush, ups.UnifiedProcedureStepPull
    with connected(manager.ae, manager.handlers(), push, pull) as assoc:

        def ask(uid: str, state: str, transaction: str) -> int:
            wanted = ups.information(ProcedureStepState=state, TransactionUID=transaction)
            return int(assoc.send_n_action(wanted, ups.CHANGE_STATE, push, uid)[0].Status)

        def step_in(state: str, transaction: str) -> str:
            uid = generate_uid()
            ordered = ups.ordered("Plan")
            ordered.UnifiedProcedureStepPerformedProcedureSequence = [ups.performed()]
            ordered.ProcedureStepProgressInformationSequence = [STOPPED]
            assert assoc.send_n_create(ordered, push, uid)[0].Status == 0
            for following in {SCHEDULED: (), IN_PROGRESS: (IN_PROGRESS,)}.get(state, (IN_PROGRESS, state)):
                assert ask(uid, following, transaction) == 0
            return str(uid)

        found = {
            (state, wanted): (
                ask(step_in(state, "1.2.3"), wanted, "1.2.3"),
                ask(step_in(state, "1.2.3"), wanted, "1.2.4"),
            )
            for state, wanted in TRANSITIONS
        }
        assert found == TRANSITIONS
        assert ask(step_in(SCHEDULED, ""), IN_PROGRESS, "") == 0xC301
        assert ask(step_in(SCHEDULED, ""), "PAUSED", "1.2.3") == 0x0106
        assert ask("1.2.3.4", IN_PROGRESS, "1.2.3") == 0xC307
        assert ask(ups.UPSGlobalSubscriptionInstance, IN_PROGRESS, "1.2.3") == 0xC314


def test_unified_procedure_steps_go_by_the_push_class_on_every_context() -> None:
    ups = example("ups")
    seen = set()

    def recording(handler: Any) -> Any:
        def record(event: Any) -> Any:
            request = event.request
            seen.add((request.name, event.context.abstract_syntax, request.sop_class_uid))
            return handler(event)

        return record

    watcher = ups.Watcher()
    watcher.handlers = [(kind, recording(handler)) for kind, handler in watcher.handlers]
    kept = ups.Manager.handlers
    ups.Manager.handlers = lambda self: [(kind, recording(handler)) for kind, handler in kept(self)]
    ups.Watcher = lambda: watcher
    ups.main()
    push, pull = ups.UnifiedProcedureStepPush, ups.UnifiedProcedureStepPull
    assert seen == {
        ("N-ACTION-RQ", ups.UnifiedProcedureStepWatch, push),
        ("N-CREATE-RQ", push, push),
        ("C-FIND-RQ", pull, pull),
        ("N-ACTION-RQ", pull, push),
        ("N-GET-RQ", pull, push),
        ("N-SET-RQ", pull, push),
        ("N-EVENT-REPORT-RQ", ups.UnifiedProcedureStepEvent, push),
    }


def test_a_scheduled_step_can_be_canceled_and_its_performer_asked_to() -> None:
    ups = example("ups")
    manager = ups.Manager({"SCU": (HOST, 1)})
    push, pull = ups.UnifiedProcedureStepPush, ups.UnifiedProcedureStepPull
    with connected(manager.ae, manager.handlers(), push, pull, ups.UnifiedProcedureStepWatch) as assoc:

        def act(action_type: int, uid: str, **values: object) -> int:
            return int(assoc.send_n_action(ups.information(**values), action_type, push, uid)[0].Status)

        first, second = generate_uid(), generate_uid()
        for uid in (first, second):
            assert assoc.send_n_create(ups.ordered("Plan"), push, uid)[0].Status == 0
            assert assoc.send_n_create(ups.ordered("Plan"), push, uid)[0].Status == 0x0111
        assert act(ups.REQUEST_CANCEL, first) == 0
        assert act(ups.REQUEST_CANCEL, first) == 0xB304
        assert act(ups.SUBSCRIBE, second, ReceivingAE="SCU", DeletionLock="FALSE") == 0
        assert act(ups.CHANGE_STATE, second, ProcedureStepState=IN_PROGRESS, TransactionUID="1.2") == 0
        assert act(ups.REQUEST_CANCEL, second, ReasonForCancellation="gone") == 0
        assert act(ups.SUSPEND_GLOBAL_SUBSCRIPTION, second, ReceivingAE="SCU") == 0xC314
        assert act(99, second) == 0x0123
        changes = ups.information(TransactionUID="1.3", ProcedureStepLabel="Other")
        assert assoc.send_n_set(changes, push, second)[0].Status == 0xC301
        _, step = assoc.send_n_get([], push, second)
        assert step is not None
        assert (step.ProcedureStepState, step.TransactionUID, step.ProcedureStepLabel) == (
            IN_PROGRESS,
            "",
            "Plan",
        )
    reports = [manager.reports.get() for _ in range(manager.reports.qsize())]
    assert [(title, uid, kind, report.get("ProcedureStepState")) for title, uid, kind, report in reports] == [
        ("SCU", second, ups.STATE_REPORT, SCHEDULED),
        ("SCU", second, ups.STATE_REPORT, IN_PROGRESS),
        ("SCU", second, ups.CANCEL_REQUESTED, None),
    ]


class Scheduling:
    """Asks a manager of unified procedure steps, whose reports go nowhere, and keeps the statuses."""

    def __init__(self, ups: Any, assoc: Association, manager: Any) -> None:
        self.ups, self.assoc, self.manager = ups, assoc, manager
        self.push = ups.UnifiedProcedureStepPush

    def create(self, uid: str, **values: object) -> int:
        step = self.ups.ordered("Plan")
        step.update(made(**values))
        return int(self.assoc.send_n_create(step, self.push, uid)[0].Status)

    def act(self, action_type: int, uid: str, **values: object) -> int:
        return int(self.assoc.send_n_action(made(**values), action_type, self.push, uid)[0].Status)

    def subscribe(self, uid: str, title: str = "SCU", lock: str = "FALSE") -> int:
        return self.act(self.ups.SUBSCRIBE, uid, ReceivingAE=title, DeletionLock=lock)

    def start(self, uid: str, transaction: str = "1.2.3") -> int:
        return self.act(
            self.ups.CHANGE_STATE, uid, ProcedureStepState=IN_PROGRESS, TransactionUID=transaction
        )

    def end(self, uid: str, state: str) -> int:
        return self.act(self.ups.CHANGE_STATE, uid, ProcedureStepState=state, TransactionUID="1.2.3")

    def set(self, uid: str, **values: object) -> int:
        return int(self.assoc.send_n_set(made(**values), self.push, uid)[0].Status)

    def get(self, uid: str) -> Dataset:
        response, step = self.assoc.send_n_get([], self.push, uid)
        assert response.Status == 0
        assert step is not None
        return step

    def reports(self) -> list[tuple[str, str, int, Dataset]]:
        waiting = self.manager.reports
        return [waiting.get() for _ in range(waiting.qsize())]

    def told(self) -> list[tuple[str, str]]:
        return [(title, uid) for title, uid, _, _ in self.reports()]


@pytest.fixture
def scheduling() -> Iterator[Scheduling]:
    ups = example("ups")
    manager = ups.Manager({"SCU": (HOST, 1), "OTHER": (HOST, 1)})
    push, pull = ups.UnifiedProcedureStepPush, ups.UnifiedProcedureStepPull
    with connected(manager.ae, manager.handlers(), push, pull, ups.UnifiedProcedureStepWatch) as assoc:
        yield Scheduling(ups, assoc, manager)


def test_a_unified_step_keeps_text_in_several_character_sets(scheduling: Scheduling) -> None:
    name = "Müller^Jörg"
    assert scheduling.create("1.2", SpecificCharacterSet="ISO_IR 100", PatientName=name) == 0
    assert scheduling.start("1.2") == 0
    assert scheduling.subscribe("1.2") == 0
    progress = made(ProcedureStepProgressDescription="половина")
    changes = {"ProcedureStepProgressInformationSequence": [progress], "TransactionUID": "1.2.3"}
    assert scheduling.set("1.2", SpecificCharacterSet="ISO_IR 144", **changes) == 0
    broken = {"SpecificCharacterSet": "ISO_IR 192", "ProcedureStepLabel": "\N{REPLACEMENT CHARACTER}"}
    assert scheduling.set("1.2", TransactionUID="1.2.3", **broken) == 0x0106
    assert scheduling.create("1.3", **broken) == 0x0106
    reason = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "ReasonForCancellation": "患者"}
    assert scheduling.act(scheduling.ups.REQUEST_CANCEL, "1.2", **reason) == 0
    assert scheduling.act(scheduling.ups.REQUEST_CANCEL, "1.2", **broken) == 0x0110
    step = scheduling.get("1.2")
    assert (step.SpecificCharacterSet, step.PatientName) == ("ISO_IR 192", name)
    (found,) = step.ProcedureStepProgressInformationSequence
    assert found.ProcedureStepProgressDescription == "половина"
    _, progressed, asked = (report for _, _, _, report in scheduling.reports())
    for report in (progressed, asked):
        assert report.SpecificCharacterSet == "ISO_IR 192"
        assert decode_data_set(encode_data_set(report, EXPLICIT), EXPLICIT) == report
    assert progressed.ProcedureStepProgressInformationSequence == [progress]
    assert asked.ReasonForCancellation == "患者"


@pytest.mark.parametrize("transaction", [{}, {"TransactionUID": "1.2.3"}])
def test_whom_a_unified_step_is_for_stays(scheduling: Scheduling, transaction: dict[str, str]) -> None:
    assert scheduling.create("1.2") == 0
    if transaction:
        assert scheduling.start("1.2") == 0
    before = scheduling.get("1.2")
    changes: list[dict[str, object]] = [
        {"SOPClassUID": "1.2"},
        {"SOPInstanceUID": "1.3"},
        {"PatientName": "Roe^Richard"},
        {"PatientID": "P2"},
        {"IssuerOfPatientID": "ELSEWHERE"},
        {"PatientBirthDate": "19700101"},
        {"PatientSex": "O"},
        {"AdmissionID": "1"},
        {"AdmittingDiagnosesDescription": "none"},
        {"ReferencedRequestSequence": []},
        {"ReplacedProcedureStepSequence": []},
        {"ProcedureStepState": COMPLETED},
    ]
    assert [scheduling.set("1.2", **values, **transaction) for values in changes] == [0x0105] * len(changes)
    assert scheduling.set("1.2", ProcedureStepLabel="", **transaction) == 0x0121
    assert scheduling.get("1.2") == before


def test_a_scheduled_unified_step_is_set_without_a_transaction(scheduling: Scheduling) -> None:
    assert scheduling.set("1.2", ProcedureStepLabel="Other") == 0xC307
    assert scheduling.create("1.2") == 0
    assert scheduling.subscribe("1.2") == 0
    assert scheduling.set("1.2", ProcedureStepLabel="Other", TransactionUID="1.2.3") == 0xC310
    assert scheduling.set("1.2", ProcedureStepLabel="Other") == 0
    assert scheduling.set("1.2", InputReadinessState="INCOMPLETE") == 0
    assert scheduling.set("1.2", InputReadinessState="INCOMPLETE") == 0
    assert scheduling.get("1.2").ProcedureStepLabel == "Other"
    assert scheduling.start("1.2") == 0
    assert scheduling.set("1.2", ProcedureStepLabel="Third") == 0xC301
    assert scheduling.set("1.2", ProcedureStepLabel="Third", TransactionUID="1.2.3") == 0
    assert [
        (report.ProcedureStepState, report.InputReadinessState) for *_, report in scheduling.reports()
    ] == [
        (SCHEDULED, "READY"),
        (SCHEDULED, "INCOMPLETE"),
        (IN_PROGRESS, "INCOMPLETE"),
    ]


def test_what_a_unified_step_is_created_with(scheduling: Scheduling) -> None:
    ups, push = scheduling.ups, scheduling.push
    for keyword in (
        "ProcedureStepLabel",
        "ScheduledProcedureStepPriority",
        "ScheduledProcedureStepStartDateTime",
        "InputReadinessState",
    ):
        assert scheduling.create("1.2", **{keyword: None}) == 0x0121
        step = ups.ordered("Plan")
        del step[keyword]
        assert scheduling.assoc.send_n_create(step, push, "1.2")[0].Status == 0x0120
    assert scheduling.create("1.2", TransactionUID="1.2.3") == 0x0106
    for uid in (ups.UPSGlobalSubscriptionInstance, ups.UPSFilteredGlobalSubscriptionInstance):
        assert scheduling.create(uid) == 0x0111
    assert not scheduling.manager.steps
    assert scheduling.create("1.2", TransactionUID="", SOPInstanceUID="1.3", SOPClassUID="1.4") == 0
    step = scheduling.get("1.2")
    assert (step.SOPInstanceUID, step.SOPClassUID) == ("1.2", push)


def test_what_a_unified_step_has_to_be_completed_with(scheduling: Scheduling) -> None:
    """PS3.4 Table CC.2.5-3, the Final State column: P."""
    assert scheduling.create("1.2") == 0
    assert scheduling.start("1.2") == 0
    assert scheduling.end("1.2", COMPLETED) == 0xC304

    def end(*items: Dataset) -> int:
        performed = {"UnifiedProcedureStepPerformedProcedureSequence": list(items)}
        assert scheduling.set("1.2", TransactionUID="1.2.3", **performed) == 0
        return scheduling.end("1.2", COMPLETED)

    whole = scheduling.ups.performed()
    assert end() == end(Dataset()) == end(whole, Dataset()) == 0xC304
    for keyword in (
        "PerformedStationNameCodeSequence",
        "PerformedProcedureStepStartDateTime",
        "PerformedWorkitemCodeSequence",
        "PerformedProcedureStepEndDateTime",
        "OutputInformationSequence",
    ):
        item = scheduling.ups.performed()
        if keyword != "OutputInformationSequence":  # which has no items when nothing came of it
            item[keyword].value = None
            assert end(whole, item) == 0xC304
        if keyword.endswith("CodeSequence"):
            item[keyword].value = [Dataset()]
            assert end(item) == 0xC304
        del item[keyword]
        assert end(item) == 0xC304
    assert scheduling.get("1.2").ProcedureStepState == IN_PROGRESS
    assert end(whole, whole) == 0


def test_what_a_unified_step_has_to_be_canceled_with(scheduling: Scheduling) -> None:
    """PS3.4 Table CC.2.5-3, the Final State column: X."""
    progress = "ProcedureStepProgressInformationSequence"
    told_when = made(ProcedureStepCancellationDateTime="20240115110000")
    told_when.update(STOPPED)
    for uid, item, when in (
        ("1.2", STOPPED, None),
        ("1.3", made(ProcedureStepCancellationDateTime="", ReasonForCancellation="gone"), None),
        ("1.4", told_when, "20240115110000"),
    ):
        assert scheduling.create(uid) == 0
        assert scheduling.start(uid) == 0
        assert scheduling.subscribe(uid) == 0
        assert scheduling.end(uid, CANCELED) == 0xC304
        unfinished = (
            Dataset(),
            made(ProcedureStepProgress="50"),
            made(
                ProcedureStepCancellationDateTime="20240115110000",
                ProcedureStepDiscontinuationReasonCodeSequence=[],
            ),
            made(ProcedureStepDiscontinuationReasonCodeSequence=[Dataset()]),
        )
        for lacking in unfinished:
            assert scheduling.set(uid, TransactionUID="1.2.3", **{progress: [lacking]}) == 0
            assert scheduling.end(uid, CANCELED) == 0xC304
        item.update(STOPPED)
        assert scheduling.set(uid, TransactionUID="1.2.3", **{progress: [item]}) == 0
        assert scheduling.end(uid, CANCELED) == 0
        (found,) = scheduling.get(uid)[progress].value
        assert found.ProcedureStepDiscontinuationReasonCodeSequence == [REASON]
        assert found.get("ReasonForCancellation") == item.get("ReasonForCancellation")
        assert is_now(found) if when is None else found.ProcedureStepCancellationDateTime == when
        *_, progressed, ended = (report for *_, report in scheduling.reports())
        assert progressed[progress].value == [item]  # as it was when it was reported
        assert ended.ProcedureStepState == CANCELED


def is_now(item: Dataset) -> bool:
    """Tell whether a step has just been canceled."""
    when = datetime.strptime(item.ProcedureStepCancellationDateTime, "%Y%m%d%H%M%S%z")
    return abs((datetime.now(UTC) - when).total_seconds()) < 60


@pytest.mark.parametrize("is_begun", [False, True])
def test_what_a_scheduled_step_is_canceled_with(scheduling: Scheduling, is_begun: bool) -> None:
    """PS3.4 CC.2.2.3; somebody may have told its progress all the same."""
    ups, progress = scheduling.ups, "ProcedureStepProgressInformationSequence"
    for uid in ("1.2", "1.3"):
        assert scheduling.create(uid) == 0
        assert scheduling.subscribe(uid) == 0
        if is_begun:
            assert scheduling.set(uid, **{progress: [made(ProcedureStepProgress="0")]}) == 0
    earlier = [report for *_, report in scheduling.reports()]
    broken = {"SpecificCharacterSet": "ISO_IR 192", "ReasonForCancellation": "\N{REPLACEMENT CHARACTER}"}
    assert scheduling.act(ups.REQUEST_CANCEL, "1.2", **broken) == 0x0110
    assert scheduling.get("1.2").ProcedureStepState == SCHEDULED
    details = {
        "ReasonForCancellation": "Müller ist gegangen",
        "ProcedureStepDiscontinuationReasonCodeSequence": [REASON],
        "ContactDisplayName": "Ward 1",
    }
    assert scheduling.act(ups.REQUEST_CANCEL, "1.2", SpecificCharacterSet="ISO_IR 100", **details) == 0
    nothing = {"ProcedureStepDiscontinuationReasonCodeSequence": [Dataset()]} if is_begun else {}
    assert scheduling.act(ups.REQUEST_CANCEL, "1.3", **nothing) == 0
    step, other = scheduling.get("1.2"), scheduling.get("1.3")
    assert step.ProcedureStepState == other.ProcedureStepState == CANCELED
    assert step.SpecificCharacterSet == "ISO_IR 192"
    ((item,), (bare,)) = step[progress].value, other[progress].value
    assert is_now(item)
    assert is_now(bare)
    assert item.ReasonForCancellation == "Müller ist gegangen"
    assert item.ProcedureStepDiscontinuationReasonCodeSequence == [REASON]
    assert "SpecificCharacterSet" not in item
    assert "ReasonForCancellation" not in bare
    assert [code.CodeValue for code in bare.ProcedureStepDiscontinuationReasonCodeSequence] == ["110513"]
    assert [each.get("ProcedureStepProgress") for each in (item, bare)] == ["0" if is_begun else None] * 2
    reports = scheduling.reports()
    assert [(uid, kind, report.get("ProcedureStepState")) for _, uid, kind, report in reports] == [
        (uid, *told)
        for uid in ("1.2", "1.3")
        for told in (
            (ups.CANCEL_REQUESTED, None),
            (ups.STATE_REPORT, IN_PROGRESS),
            (ups.STATE_REPORT, CANCELED),
        )
    ]
    assert reports[0][-1] == made(SpecificCharacterSet="ISO_IR 192", RequestingAE="SCU", **details)
    assert reports[3][-1] == made(RequestingAE="SCU", **nothing)
    for report in earlier:  # what waits to be sent stays as it was
        assert all(len(each) == 1 for each in report.get(progress) or ())


def test_what_a_request_to_cancel_tells(scheduling: Scheduling) -> None:
    for uid in ("1.2", "1.3"):
        assert scheduling.create(uid) == 0
        assert scheduling.start(uid) == 0
    assert scheduling.act(scheduling.ups.REQUEST_CANCEL, "1.2") == 0xC312
    for title in ("SCU", "OTHER"):
        assert scheduling.subscribe("1.2", title) == 0
    scheduling.reports()
    code = made(CodeValue="110513", CodingSchemeDesignator="DCM", CodeMeaning="Discontinued")
    details = {
        "ReasonForCancellation": "gone",
        "ProcedureStepDiscontinuationReasonCodeSequence": [code],
        "ContactURI": "tel:1",
        "ContactDisplayName": "Ward 1",
    }
    assert scheduling.act(scheduling.ups.REQUEST_CANCEL, "1.2", **details) == 0
    assert scheduling.act(scheduling.ups.REQUEST_CANCEL, "1.2") == 0
    full, bare = made(RequestingAE="SCU", **details), made(RequestingAE="SCU")
    assert scheduling.reports() == [
        (title, "1.2", scheduling.ups.CANCEL_REQUESTED, report)
        for report in (full, bare)
        for title in ("OTHER", "SCU")
    ]


def test_what_a_subscription_has_to_say(scheduling: Scheduling) -> None:
    ups = scheduling.ups
    assert scheduling.create("1.2") == 0
    for uid in ("1.2", ups.UPSGlobalSubscriptionInstance):
        assert scheduling.act(ups.SUBSCRIBE, uid, ReceivingAE="SCU") == 0x0115
        assert scheduling.subscribe(uid, lock="MAYBE") == 0x0115
        assert scheduling.subscribe(uid, title="NOBODY") == 0xC308
        assert scheduling.act(ups.UNSUBSCRIBE, uid, ReceivingAE="NOBODY") == 0xC308
    assert scheduling.act(ups.SUSPEND_GLOBAL_SUBSCRIPTION, "1.2", ReceivingAE="SCU") == 0xC314
    assert scheduling.subscribe(ups.UPSFilteredGlobalSubscriptionInstance) == 0xC307
    assert scheduling.create("1.3") == 0
    assert scheduling.start("1.2") == 0
    assert scheduling.reports() == []


@pytest.mark.parametrize(("lock", "initial"), [("FALSE", []), ("TRUE", [("SCU", "1.2"), ("SCU", "1.3")])])
def test_a_global_subscription(scheduling: Scheduling, lock: str, initial: list[tuple[str, str]]) -> None:
    """PS3.4 Table CC.2.3-2."""
    every = scheduling.ups.UPSGlobalSubscriptionInstance
    for uid in ("1.2", "1.3"):
        assert scheduling.create(uid) == 0
    assert scheduling.subscribe(every, lock=lock) == 0
    assert scheduling.told() == initial
    assert scheduling.create("1.4") == 0
    assert scheduling.start("1.2") == 0
    assert scheduling.told() == [("SCU", "1.4"), ("SCU", "1.2")]

    # What is said of one step takes precedence.
    assert scheduling.act(scheduling.ups.UNSUBSCRIBE, "1.4", ReceivingAE="SCU") == 0
    assert scheduling.start("1.4") == 0
    assert scheduling.told() == []

    # Suspended, it is for no further steps, but those that it was for already.
    assert scheduling.act(scheduling.ups.SUSPEND_GLOBAL_SUBSCRIPTION, every, ReceivingAE="SCU") == 0
    assert scheduling.create("1.5") == 0
    assert scheduling.start("1.3") == 0
    assert scheduling.told() == [("SCU", "1.3")]

    # Ended, it takes those of single steps with it, and leaves those of others.
    for title in ("SCU", "OTHER"):
        assert scheduling.subscribe("1.5", title) == 0
    assert scheduling.told() == [("SCU", "1.5"), ("OTHER", "1.5")]
    assert scheduling.act(scheduling.ups.UNSUBSCRIBE, every, ReceivingAE="SCU") == 0
    assert scheduling.create("1.6") == 0
    assert scheduling.start("1.5") == 0
    assert scheduling.told() == [("OTHER", "1.5")]


def test_a_report_that_cannot_be_sent_does_not_end_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    ups = example("ups")
    watcher = ups.Watcher()
    with watcher.ae.start_server((HOST, 0), block=False, evt_handlers=watcher.handlers) as listening:
        address = HOST, listening.port
        manager = ups.Manager({"WATCHER": address, "A TITLE OF MORE THAN 16": address, "PIPE": (HOST, -1)})
        reports = [
            ("WATCHER", "1.2", ups.STATE_REPORT, made(ProcedureStepLabel="山田")),  # in no character set
            ("A TITLE OF MORE THAN 16", "1.2", ups.STATE_REPORT, made(ProcedureStepState=SCHEDULED)),
            ("PIPE", "1.2", ups.STATE_REPORT, made(ProcedureStepState=SCHEDULED)),
            ("WATCHER", "1.2", ups.STATE_REPORT, made(ProcedureStepState=COMPLETED)),
        ]
        for report in (*reports, None):
            manager.reports.put(report)
        manager.deliver()
    assert watcher.heard.get_nowait() == "it is COMPLETED"
    said = capsys.readouterr().out
    assert said.count("manager:") == 3
    assert "山田" not in said


# --- storage commitment -------------------------------------------------------------------------


def committed(module: ModuleType, transaction: str | None, references: list[Dataset]) -> Dataset:
    information = Dataset()
    if transaction:
        information.TransactionUID = transaction
    information.ReferencedSOPSequence = references
    return information


def test_a_report_of_a_transaction_that_was_not_asked_for() -> None:
    module = example("storage_commitment")
    modality = module.Modality()
    uid, instance = module.StorageCommitmentPushModel, module.StorageCommitmentPushModelInstance
    archive = AE("ARCHIVE")
    with (
        modality.ae.start_server((HOST, 0), block=False, evt_handlers=modality.handlers) as server,
        archive.associate(
            HOST, server.port, contexts=[uid], ext_neg=[build_role(uid, scp_role=True)]
        ) as assoc,
    ):
        (context,) = assoc.accepted_contexts
        assert context.requestor_is_scp
        for information in (Dataset(), committed(module, "1.2.3", [module.reference("1.2", "1.3")])):
            response, _ = assoc.send_n_event_report(information, module.SUCCESS, uid, instance)
            assert response.Status == 0x0115
    assert modality.answers.empty()


@pytest.mark.parametrize(
    ("instance", "action_type", "transaction", "status"),
    [
        (None, 1, "1.2.3", 0x0000),
        ("1.2.3", 1, "1.2.3", 0x0112),
        (None, 2, "1.2.3", 0x0123),
        (None, 1, None, 0x0115),
    ],
)
def test_a_request_for_commitment(
    instance: str | None, action_type: int, transaction: str | None, status: int
) -> None:
    module = example("storage_commitment")
    archive = module.Archive({"1.3": "1.2"}, {"SCU": (HOST, 1)}, at_once=False)
    uid = module.StorageCommitmentPushModel
    asked = [module.reference("1.2", "1.3"), module.reference("1.4", "1.3"), module.reference("1.2", "1.5")]
    with connected(archive.ae, archive.handlers(), uid) as assoc:
        response, _ = assoc.send_n_action(
            committed(module, transaction, asked),
            action_type,
            uid,
            instance or module.StorageCommitmentPushModelInstance,
        )
    assert response.Status == status
    if status == 0x0000:
        waiting = archive.reports.get()
        report = waiting.information
        assert (waiting.title, waiting.event_type) == ("SCU", module.FAILURES_EXIST)
        assert report.TransactionUID == "1.2.3"
        assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.3"]
        assert [item.FailureReason for item in report.FailedSOPSequence] == [0x0119, 0x0112]
    assert archive.reports.empty()


def test_a_request_for_commitment_to_what_is_not_named() -> None:
    module = example("storage_commitment")
    archive = module.Archive({"1.3": "1.2"}, {"SCU": (HOST, 1)}, at_once=False)
    uid, good = module.StorageCommitmentPushModel, module.reference("1.2", "1.3")
    with connected(archive.ae, archive.handlers(), uid) as assoc:
        for bad in (
            Dataset(),
            made(ReferencedSOPClassUID="1.2"),
            made(ReferencedSOPInstanceUID="1.3"),
            module.reference("", "1.3"),
            module.reference("1.2", ""),
        ):
            for asked in ([bad], [good, bad]):
                information = committed(module, "1.2.3", asked)
                response, _ = assoc.send_n_action(
                    information, 1, uid, module.StorageCommitmentPushModelInstance
                )
                assert response.Status == 0x0115
    assert archive.reports.empty()


KEPT = "all 2 objects are kept, they may be deleted here"


@pytest.mark.parametrize(
    ("event_type", "kept", "failed", "answer"),
    [
        (1, ["1.3", "1.4"], [], KEPT),
        (1, ["1.3", "1.4", "1.5"], [], KEPT),
        (1, ["1.3"], [], "1 objects are kept, but not 1.4 (not accounted for)"),
        (1, [], [], "0 objects are kept, but not 1.3 (not accounted for), 1.4 (not accounted for)"),
        (2, ["1.3"], [], "1 objects are kept, but not 1.4 (not accounted for)"),
        (2, ["1.3"], [("1.4", 0x0110)], "1 objects are kept, but not 1.4 (processing failure)"),
        (2, ["1.3"], [("1.4", 0x0112)], "1 objects are kept, but not 1.4 (no such object instance)"),
        (2, ["1.3"], [("1.4", 0x0119)], "1 objects are kept, but not 1.4 (class/instance conflict)"),
        (2, ["1.3"], [("1.4", 0x0122)], "1 objects are kept, but not 1.4 (SOP class not supported)"),
        (2, ["1.3"], [("1.4", 0x0131)], "1 objects are kept, but not 1.4 (duplicate transaction UID)"),
        (2, ["1.3"], [("1.4", 0x0213)], "1 objects are kept, but not 1.4 (resource limitation)"),
        (2, ["1.3"], [("1.4", 0xC001)], "1 objects are kept, but not 1.4 (failure reason C001)"),
        (2, ["1.3"], [("1.4", None)], "1 objects are kept, but not 1.4 (no failure reason)"),
        (1, ["1.3", "1.4"], [("1.4", 0x0110)], "1 objects are kept, but not 1.4 (processing failure)"),
        (2, ["1.3", "1.4"], [], None),
        (3, ["1.3", "1.4"], [], None),
    ],
)
def test_an_object_is_safe_only_if_the_archive_names_it(
    event_type: int, kept: list[str], failed: list[tuple[str, int | None]], answer: str | None
) -> None:
    module = example("storage_commitment")
    modality, uid = module.Modality(), module.StorageCommitmentPushModel
    modality.transactions["1.9"] = {("1.2", "1.3"), ("1.2", "1.4")}
    report = committed(module, "1.9", [module.reference("1.2", instance) for instance in kept])
    report.FailedSOPSequence = [module.reference("1.2", *pair) for pair in failed]
    roles = [build_role(uid, scp_role=True)]
    with (
        modality.ae.start_server((HOST, 0), block=False, evt_handlers=modality.handlers) as server,
        AE("ARCHIVE").associate(HOST, server.port, contexts=[uid], ext_neg=roles) as assoc,
    ):
        instance = module.StorageCommitmentPushModelInstance
        response, _ = assoc.send_n_event_report(report, event_type, uid, instance)
    if answer is None:
        assert response.Status == {2: 0x0115, 3: 0x0113}[event_type]
        assert modality.answers.empty()
        assert list(modality.transactions) == ["1.9"]
    else:
        assert response.Status == 0x0000
        assert modality.answers.get() == answer
        assert not modality.transactions


def test_an_object_of_another_class_is_not_the_one_that_was_asked_for() -> None:
    module = example("storage_commitment")
    modality, uid = module.Modality(), module.StorageCommitmentPushModel
    modality.transactions["1.9"] = {("1.2", "1.3")}
    roles = [build_role(uid, scp_role=True)]
    with (
        modality.ae.start_server((HOST, 0), block=False, evt_handlers=modality.handlers) as server,
        AE("ARCHIVE").associate(HOST, server.port, contexts=[uid], ext_neg=roles) as assoc,
    ):
        report = committed(module, "1.9", [module.reference("1.2.5", "1.3")])
        assoc.send_n_event_report(report, 1, uid, module.StorageCommitmentPushModelInstance)
    assert modality.answers.get() == "0 objects are kept, but not 1.3 (not accounted for)"


@pytest.mark.parametrize("at_once", [False, True])
def test_a_request_of_a_modality_without_an_address(at_once: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A success is the promise of a report: it needs an association to come on."""
    module = example("storage_commitment")
    archive = module.Archive({"1.3": "1.2"}, {}, at_once=at_once, retry_after=0)
    modality = module.Modality()
    with (
        reporting(archive),
        archive.ae.start_server((HOST, 0), block=False, evt_handlers=archive.handlers()) as server,
    ):
        with modality.ae.associate(HOST, server.port, evt_handlers=modality.handlers) as assoc:
            modality.request(assoc, [("1.2", "1.3")])
            if at_once:
                assert assoc.serve(timeout=30, until=lambda: not modality.transactions)
        assert not modality.transactions
        assert modality.answers.empty() is not at_once
        if at_once:
            with modality.ae.associate(HOST, server.port) as assoc:  # has no handler, and goes at once
                modality.request(assoc, [("1.2", "1.3")])
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [error for error in errors if "given up after 3 tries" in error] == errors
    assert len(errors) == at_once


@contextmanager
def reporting(archive: Any) -> Iterator[None]:
    """Let an archive send its reports on new associations; at the end, what waits is sent first."""
    reporter = Thread(target=archive.report_later)
    reporter.start()
    try:
        yield
    finally:
        archive.reports.put(None)
        reporter.join()


@contextmanager
def archive_and_modality(module: ModuleType, archive: Any, modality: Any) -> Iterator[Association]:
    """Run both with their servers; yield an association of the modality with the archive."""
    with (
        modality.ae.start_server((HOST, 0), block=False, evt_handlers=modality.handlers) as listening,
        reporting(archive),
        archive.ae.start_server((HOST, 0), block=False, evt_handlers=archive.handlers()) as server,
    ):
        archive.modalities["CT1"] = (HOST, listening.port)
        with modality.ae.associate(HOST, server.port, ae_title="ARCHIVE") as assoc:
            yield assoc


@pytest.mark.parametrize("ending", ["release", "abort"])
def test_a_report_for_which_the_modality_does_not_stay(ending: str) -> None:
    """PS3.4 J.3.3.1.2: it comes on another association."""
    module = example("storage_commitment")
    archive, modality = module.Archive({"1.3": "1.2"}, {}, at_once=True), module.Modality()
    modality.ae.timeouts = modality.ae.timeouts.replace(close=0.1)  # the archive is kept from closing
    has_left = Event()
    report_at_once = archive.report_at_once

    def report_too_late(assoc: Association, report: object) -> None:
        if ending == "abort":
            assert has_left.wait(30)
        report_at_once(assoc, report)

    archive.report_at_once = report_too_late
    with archive_and_modality(module, archive, modality) as assoc:
        modality.request(assoc, [("1.2", "1.3")])
        getattr(assoc, ending)()
        has_left.set()
        assert modality.answers.get(timeout=30) == "all 1 objects are kept, they may be deleted here"
    assert not archive.owed


def test_a_report_with_a_broken_reply_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = example("storage_commitment")
    archive = module.Archive({"1.3": "1.2"}, {}, at_once=False, retry_after=0)
    modality, refused = module.Modality(), generate_uid()
    seen = []

    def broken_for_one(event: Any) -> tuple[int, Dataset | None]:
        seen.append(event.event_information.TransactionUID)
        if seen[-1] != refused:
            return modality.handle_report(event)  # type: ignore[no-any-return]
        reply = Dataset()
        reply.TransactionUID = "1.2.3.4.666"
        return 0x0000, reply

    def read(data: Any, **options: Any) -> Any:
        if b"1.2.3.4.666" in bytes(data):
            raise ValueError("Doe^Jane")
        return build_dataset(data, **options)

    modality.handlers = [(evt.EVT_N_EVENT_REPORT, broken_for_one)]
    monkeypatch.setattr("dicomproto.datasets.build_dataset", read)
    with archive_and_modality(module, archive, modality) as assoc:
        monkeypatch.setattr(module, "generate_uid", lambda: refused)
        modality.request(assoc, [("1.2", "1.3")])
        monkeypatch.setattr(module, "generate_uid", generate_uid)
        modality.request(assoc, [("1.2", "1.3")])
        assert modality.answers.get(timeout=30) == "all 1 objects are kept, they may be deleted here"
    assert seen.count(refused) == module.TRIES
    told = [record for record in caplog.records if record.name == "archive"]
    assert [record.levelname for record in told].count("ERROR") == 1
    assert refused in told[-1].getMessage()
    assert "Doe" not in "".join(record.getMessage() for record in told)


def test_a_report_is_tried_again_until_the_modality_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    module = example("storage_commitment")
    archive = module.Archive({"1.3": "1.2"}, {}, at_once=False, retry_after=0)
    modality, tried = module.Modality(), []

    def busy_at_first(event: Any) -> tuple[int, None]:
        tried.append(event.event_information.TransactionUID)
        return modality.handle_report(event) if len(tried) > 1 else (0x0213, None)

    modality.handlers = [(evt.EVT_N_EVENT_REPORT, busy_at_first)]
    with archive_and_modality(module, archive, modality) as assoc:
        modality.request(assoc, [("1.2", "1.3")])
        assert modality.answers.get(timeout=30) == "all 1 objects are kept, they may be deleted here"
    assert archive.answers == ["0213", "0000"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_cannot_be_reported_before_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    module = example("storage_commitment")
    archive = module.Archive({"1.3": "1.2"}, {"CT1": (HOST, 1)}, at_once=False)
    with socket.create_server((HOST, 0)) as closed:
        archive.modalities["CT1"] = closed.getsockname()
    with reporting(archive):
        archive.reports.put(module.Report("CT1", module.SUCCESS, committed(module, "1.2.3", [])))
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert error.getMessage() == "the report on 1.2.3 to 'CT1': given up at the end"


# --- print --------------------------------------------------------------------------------------


def test_a_film_of_four_images(tmp_path: Path) -> None:
    module = example("print_film")
    printer = module.FilmPrinter(tmp_path)
    meta = module.BasicGrayscalePrintManagementMeta
    image = module.image_of(module.get_testdata_file("MR_small.dcm"))
    with connected(printer.ae, printer.handlers(), meta) as assoc:
        work = module.Workstation(assoc)
        session, _ = work.create(module.BasicFilmSession)
        referenced = [module.reference(module.BasicFilmSession, session)]
        film_box, made = work.create(
            module.BasicFilmBox,
            ImageDisplayFormat=r"STANDARD\2,2",
            ReferencedFilmSessionSequence=referenced,
        )
        boxes = [item.ReferencedSOPInstanceUID for item in made.ReferencedImageBoxSequence]
        assert len(set(boxes)) == 4
        for position, uid in enumerate(boxes[:3], 1):
            work.fill(uid, position, image)
        work.print(module.BasicFilmSession, session)
        for values, status in (
            ({"ImageDisplayFormat": r"STANDARD\2,1"}, 0x0120),
            ({"ImageDisplayFormat": "SLIDE", "ReferencedFilmSessionSequence": referenced}, 0x0106),
            (
                {
                    "ImageDisplayFormat": r"STANDARD\1,1",
                    "ReferencedFilmSessionSequence": [module.reference(module.BasicFilmSession, "1.2")],
                },
                0x0112,
            ),
        ):
            wanted = Dataset()
            for keyword, value in values.items():
                setattr(wanted, keyword, value)
            response, _ = assoc.send_n_create(wanted, module.BasicFilmBox, meta_uid=meta)
            assert response.Status == status
        response, _ = assoc.send_n_action(None, 2, module.BasicFilmBox, film_box, meta_uid=meta)
        assert response.Status == 0x0123
        assert len(printer.made) == 1
    assert not printer.made  # it ends with the association
    header, paper = (tmp_path / "film-1.pgm").read_bytes().split(b"\n", 1)
    assert header == b"P5 128 128 255"
    pixels = image.PixelData
    assert paper[:64] == paper[64:128] == paper[64 * 128 : 64 * 128 + 64] == pixels[:64]
    assert paper[64 * 128 + 64 : 65 * 128] == bytes(64)
    assert len(paper) == 128 * 128


class Desk:
    """A workstation at the printer of the example, which tells the statuses of what it asks for."""

    def __init__(self, module: ModuleType, assoc: Association) -> None:
        self.module = module
        self.assoc = assoc
        self.meta = module.BasicGrayscalePrintManagementMeta

    def create(self, sop_class: str, **values: object) -> tuple[int, str, Dataset | None]:
        response, made = self.assoc.send_n_create(dataset_of(**values), sop_class, meta_uid=self.meta)
        return int(response.Status), response.get("AffectedSOPInstanceUID"), made

    def session(self) -> str:
        status, uid, _ = self.create(self.module.BasicFilmSession)
        assert status == 0
        return uid

    def film(self, session: str, layout: str) -> tuple[str, list[str]]:
        status, uid, made = self.create(
            self.module.BasicFilmBox,
            ImageDisplayFormat=f"STANDARD\\{layout}",
            ReferencedFilmSessionSequence=[self.module.reference(self.module.BasicFilmSession, session)],
        )
        assert status == 0
        assert made
        return uid, [item.ReferencedSOPInstanceUID for item in made.ReferencedImageBoxSequence]

    def put(self, image_box: str, **values: object) -> int:
        response, _ = self.assoc.send_n_set(
            dataset_of(**values), self.module.BasicGrayscaleImageBox, image_box, meta_uid=self.meta
        )
        return int(response.Status)

    def print(self, sop_class: str, uid: str) -> int:
        return int(self.assoc.send_n_action(None, 1, sop_class, uid, meta_uid=self.meta)[0].Status)

    def delete(self, sop_class: str, uid: str) -> int:
        return int(self.assoc.send_n_delete(sop_class, uid, meta_uid=self.meta).Status)


@contextmanager
def desk(module: ModuleType, folder: Path) -> Iterator[Desk]:
    printer = module.FilmPrinter(folder)
    uid = module.BasicGrayscalePrintManagementMeta
    with connected(printer.ae, printer.handlers(), uid) as assoc:
        yield Desk(module, assoc)


def dataset_of(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def gray(columns: int, pixels: bytes, photometric: str = "MONOCHROME2", **values: object) -> Dataset:
    image = dataset_of(
        SamplesPerPixel=1,
        PhotometricInterpretation=photometric,
        Rows=len(pixels) // columns,
        Columns=columns,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PixelData=pixels,
    )
    image["PixelData"].VR = "OB"
    image.update(dataset_of(**values))
    return image


def paper(folder: Path, number: int = 1) -> tuple[bytes, bytes]:
    header, pixels = (folder / f"film-{number}.pgm").read_bytes().split(b"\n", 1)
    return header, pixels


def test_an_image_is_printed_at_its_position(tmp_path: Path) -> None:
    module = example("print_film")
    with desk(module, tmp_path) as at:
        film, boxes = at.film(at.session(), "2,2")
        for position in (4, 1):
            image = gray(2, bytes([position] * 4))
            assert at.put(boxes[0], ImageBoxPosition=5, BasicGrayscaleImageSequence=[image]) == 0x0106
            assert at.put(boxes[1], ImageBoxPosition=position, BasicGrayscaleImageSequence=[image]) == 0x0106
            box = boxes[position - 1]
            assert at.put(box, ImageBoxPosition=position, BasicGrayscaleImageSequence=[image]) == 0
        assert at.put(boxes[1], BasicGrayscaleImageSequence=[image]) == 0x0120
        assert at.print(module.BasicFilmBox, film) == 0
        assert at.put(boxes[0], ImageBoxPosition=1, BasicGrayscaleImageSequence=[]) == 0
        assert at.print(module.BasicFilmBox, film) == 0
    first, last = b"\1\1\0\0" * 2, b"\0\0\4\4" * 2
    assert paper(tmp_path, 1) == (b"P5 4 4 255", first + last)
    assert paper(tmp_path, 2) == (b"P5 4 4 255", bytes(8) + last)


@pytest.mark.parametrize(
    ("photometric", "polarity", "printed"),
    [
        ("MONOCHROME2", None, b"\x00\x10"),
        ("MONOCHROME2", "NORMAL", b"\x00\x10"),
        ("MONOCHROME2", "REVERSE", b"\xff\xef"),
        ("MONOCHROME1", None, b"\xff\xef"),
        ("MONOCHROME1", "NORMAL", b"\xff\xef"),
        ("MONOCHROME1", "REVERSE", b"\x00\x10"),
        ("MONOCHROME2", "UPSIDE DOWN", None),
        ("RGB", None, None),
    ],
)
def test_what_is_black_on_a_film(
    photometric: str, polarity: str | None, printed: bytes | None, tmp_path: Path
) -> None:
    module = example("print_film")
    with desk(module, tmp_path) as at:
        film, boxes = at.film(at.session(), "2,1")
        image = gray(2, b"\x00\x10", photometric)
        values: dict[str, Any] = {"ImageBoxPosition": 1, "BasicGrayscaleImageSequence": [image]}
        if polarity:
            values["Polarity"] = polarity
        assert at.put(boxes[0], **values) == (0x0106 if printed is None else 0)
        assert at.print(module.BasicFilmBox, film) == (0xB603 if printed is None else 0)
    if printed:
        assert paper(tmp_path) == (b"P5 4 1 255", printed + b"\0\0")


@pytest.mark.parametrize(
    "odd",
    [
        {"Rows": 0},
        {"Rows": 2},
        {"Columns": 0},
        {"SamplesPerPixel": 3},
        {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11},
        {"PixelRepresentation": 1},
        {"Rows": None},
        {"PixelData": b""},
    ],
)
def test_an_image_that_is_not_what_it_says(odd: dict[str, object], tmp_path: Path) -> None:
    module = example("print_film")
    with desk(module, tmp_path) as at:
        _, boxes = at.film(at.session(), "1,1")
        image = gray(2, b"\1\2")
        for keyword, value in odd.items():
            setattr(image, keyword, value)
        assert at.put(boxes[0], ImageBoxPosition=1, BasicGrayscaleImageSequence=[image]) == 0x0106
        pair = [gray(2, b"\1\2")] * 2
        assert at.put(boxes[0], ImageBoxPosition=1, BasicGrayscaleImageSequence=pair) == 0x0106


def test_a_film_is_not_larger_than_the_paper(tmp_path: Path) -> None:
    module = example("print_film")
    module.PAPER, module.MEMORY = 64, 1000
    with desk(module, tmp_path) as at:
        film, boxes = at.film(at.session(), "2,1")
        for columns, rows, status in ((1, 65, 0xC603), (33, 1, 0xC603), (32, 1, 0), (16, 62, 0)):
            image = gray(columns, bytes(columns * rows))
            assert at.put(boxes[0], ImageBoxPosition=1, BasicGrayscaleImageSequence=[image]) == status
        for length, status in ((9, 0xC605), (8, 0)):
            image = gray(1, bytes(length))
            assert at.put(boxes[1], ImageBoxPosition=2, BasicGrayscaleImageSequence=[image]) == status
        assert at.print(module.BasicFilmBox, film) == 0
    header, pixels = paper(tmp_path)
    assert header == b"P5 32 62 255"
    assert len(pixels) == 32 * 62


def test_the_paper_has_room_for_common_images_and_no_more(tmp_path: Path) -> None:
    module = example("print_film")
    with desk(module, tmp_path) as at:
        session = at.session()
        film, boxes = at.film(session, "1,1")
        for columns, rows, status in ((1, 6000, 0xC603), (6000, 1, 0xC603), (2048, 2048, 0)):
            image = gray(columns, bytes(columns * rows))
            assert at.put(boxes[0], ImageBoxPosition=1, BasicGrayscaleImageSequence=[image]) == status
        assert at.print(module.BasicFilmBox, film) == 0
        for _ in range(module.FILM_BOXES - 1):
            at.film(session, "1,1")
        status, _, _ = at.create(
            module.BasicFilmBox,
            ImageDisplayFormat=r"STANDARD\1,1",
            ReferencedFilmSessionSequence=[module.reference(module.BasicFilmSession, session)],
        )
        assert status == 0x0213


def test_what_is_deleted_takes_with_it_what_it_has(tmp_path: Path) -> None:
    """PS3.4 H.4.1.2.3 and H.4.2.2.3."""
    module = example("print_film")
    with desk(module, tmp_path) as at:
        session = at.session()
        filled = {"ImageBoxPosition": 1, "BasicGrayscaleImageSequence": [gray(1, b"\1")]}
        first, (first_box,) = at.film(session, "1,1")
        second, (second_box,) = at.film(session, "1,1")
        assert at.delete(module.BasicFilmBox, first) == 0
        assert at.delete(module.BasicFilmBox, first) == 0x0112
        assert at.put(first_box, **filled) == 0x0112
        assert at.put(second_box, **filled) == 0
        assert at.delete(module.BasicFilmSession, session) == 0
        assert at.delete(module.BasicFilmSession, session) == 0x0112
        assert at.put(second_box, **filled) == 0x0112
        assert at.print(module.BasicFilmBox, second) == 0x0112
        assert at.print(module.BasicFilmSession, session) == 0x0112


def test_what_is_empty_when_it_is_printed(tmp_path: Path) -> None:
    module = example("print_film")
    with desk(module, tmp_path) as at:
        session = at.session()
        assert at.print(module.BasicFilmSession, session) == 0xC600
        first, (box,) = at.film(session, "1,1")
        second, _ = at.film(session, "1,1")
        assert at.print(module.BasicFilmSession, session) == 0xB602
        assert at.print(module.BasicFilmBox, first) == 0xB603
        assert at.put(box, ImageBoxPosition=1, BasicGrayscaleImageSequence=[gray(1, b"\1")]) == 0
        assert at.print(module.BasicFilmBox, first) == 0
        assert at.print(module.BasicFilmBox, second) == 0xB603
        assert at.print(module.BasicFilmSession, session) == 0xB602  # for the page that stayed empty
        assert at.delete(module.BasicFilmBox, second) == 0
        assert at.print(module.BasicFilmSession, session) == 0


def test_an_association_has_one_film_session_at_a_time(tmp_path: Path) -> None:
    """PS3.4 H.4.1.2.1.3."""
    module = example("print_film")
    with desk(module, tmp_path) as at:
        first = at.session()
        film, _ = at.film(first, "1,1")
        assert at.create(module.BasicFilmSession)[0] == 0x0111
        assert at.print(module.BasicFilmBox, film) == 0xB603
        assert at.delete(module.BasicFilmSession, first) == 0
        assert at.print(module.BasicFilmSession, at.session()) == 0xC600


def test_a_display_format_stays_as_it_is(tmp_path: Path) -> None:
    module = example("print_film")
    with desk(module, tmp_path) as at:
        session = at.session()
        film, _ = at.film(session, "1,1")
        for sop_class, uid, keyword, status in (
            (module.BasicFilmBox, film, "ImageDisplayFormat", 0x0106),
            (module.BasicFilmBox, film, "Trim", 0),
            (module.BasicFilmSession, session, "FilmSessionLabel", 0),
            (module.BasicFilmSession, "1.2", "FilmSessionLabel", 0x0112),
        ):
            response, _ = at.assoc.send_n_set(dataset_of(**{keyword: "NO"}), sop_class, uid, meta_uid=at.meta)
            assert response.Status == status


@pytest.mark.parametrize(
    ("kind", "stored", "values", "expected"),
    [
        ("<H", 16, [0, 0x7FFF, 0x8000, 0xFFFF], [0, 127, 127, 255]),
        ("<h", 16, [0, 0x7FFF, -0x8000, -1], [127, 255, 0, 127]),
        ("B", 8, [0, 51, 128, 255], [0, 51, 128, 255]),
        ("<H", 16, [7, 7, 7, 7], [0, 0, 0, 0]),
        ("<H", 12, [0x0FFF, 0x0000, 0x0800, 0xF000], [255, 0, 127, 0]),  # with an overlay above the value
        ("<h", 12, [0x07FF, 0x0000, 0x0800, -0x0800], [255, 127, 0, 0]),  # with its sign repeated, and not
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_image_that_is_printed_of_a_file(
    kind: str, stored: int, values: list[int], expected: list[int], photometric: str, tmp_path: Path
) -> None:
    module = example("print_film")
    file = dcmread(module.get_testdata_file("MR_small.dcm"))
    file.Rows, file.Columns, file.PhotometricInterpretation = 2, 2, photometric
    file.PixelData = b"".join(struct.pack(kind, value) for value in values)
    file.BitsAllocated, file.BitsStored, file.HighBit = 8 * struct.calcsize(kind), stored, stored - 1
    file.PixelRepresentation = int(kind == "<h")
    file.save_as(tmp_path / "file.dcm")
    image = module.image_of(tmp_path / "file.dcm")
    assert list(image.PixelData) == expected
    assert image.PhotometricInterpretation == photometric
    assert module.is_printable(image)


@pytest.mark.parametrize("name", ["SC_rgb_small_odd.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm"])
def test_an_image_that_the_workstation_cannot_print(name: str) -> None:
    module = example("print_film")
    with pytest.raises(ValueError, match="only uncompressed grayscale"):
        module.image_of(module.get_testdata_file(name, download=False))
