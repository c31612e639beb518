"""Archives that are searched: what is in them, DCMTK's servers for them, and application entities of ours.

What is to be found is worked out here from what pydicom reads in the files, not by the code under test.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag

from dicomproto.services import uid_of
from dicomproto.upper_layer.pdu import RoleSelection
from dicomproto_transports.blocking import AE, Association, evt

from .catalogue import Object, objects, read_dataset
from .programs import LOOPBACK, TIMEOUT, Program, dcmtk, peer_server, run

_LOOK = 0.002

IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
JPEG_BASELINE, JPEG_2000_LOSSLESS, JPEG_2000 = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
)
CT_IMAGE = uid_of("CTImageStorage")
MR_IMAGE = uid_of("MRImageStorage")
WORKLIST = uid_of("ModalityWorklistInformationModelFind")


class Model(NamedTuple):
    """An information model of Query/Retrieve: its SOP classes, and the option that DCMTK has for it."""

    find: str
    move: str
    get: str
    option: str


def _model(root: str, option: str) -> Model:
    name = f"{root}QueryRetrieveInformationModel"
    return Model(uid_of(f"{name}Find"), uid_of(f"{name}Move"), uid_of(f"{name}Get"), option)


PATIENT_ROOT = _model("PatientRoot", "-P")
STUDY_ROOT = _model("StudyRoot", "-S")
PATIENT_STUDY_ONLY = _model("PatientStudyOnly", "-O")


# --- what is in them --------------------------------------------------------------------------------


class Held(NamedTuple):
    """An object in an archive, with what it is searched by."""

    object: Object
    head: Dataset

    def __getattr__(self, keyword: str) -> str:
        return str(self.head.get(keyword, ""))


@cache
def singles() -> tuple[Held, ...]:
    """Return the objects whose SOP Instance UID occurs once."""
    times = Counter(one.sop_instance_uid for one in objects())
    return tuple(Held(one, read_dataset(one.path)) for one in objects() if times[one.sop_instance_uid] == 1)


@cache
def holdings() -> tuple[Held, ...]:
    """Return those of a patient, a study and a series."""
    needed = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
    held = tuple(one for one in singles() if all(getattr(one, keyword) for keyword in needed))
    assert {one.object.transfer_syntax_uid for one in held} == set(HELD_SYNTAXES)
    return held


HELD_SYNTAXES = (EXPLICIT, JPEG_BASELINE, JPEG_2000_LOSSLESS, JPEG_2000)

PATIENT = "98890234"
"""Has the most: CT and MR images, in some studies and series."""

PADDED = "test_files/693_J2KI.dcm"
"""DCMTK pads the fragments of its pixel data, which are odd."""


def held_by(**wanted: str) -> list[Held]:
    """Return what has these values, such as PatientID."""
    return [held for held in holdings() if all(getattr(held, key) == value for key, value in wanted.items())]


def in_syntax(syntax: str, some: Iterable[Held] | None = None) -> list[Held]:
    """Return what is in a transfer syntax, but for most images of one patient who has 50 alike."""
    found = [held for held in some or holdings() if held.object.transfer_syntax_uid == syntax]
    alike = [held for held in found if held.PatientID == "12345678"]
    return [held for held in found if held not in alike[1:]]


def paths(some: Iterable[Held]) -> list[Path]:
    return [held.object.path for held in some]


def uids(some: Iterable[Held]) -> list[str]:
    return sorted(held.object.sop_instance_uid for held in some)


def sop_classes(some: Iterable[Held]) -> list[str]:
    return sorted({held.object.sop_class_uid for held in some})


def patient(patient_id: str = PATIENT) -> Dataset:
    """Return the identifier that asks for a patient."""
    return keys("PATIENT", PatientID=patient_id)


def keys(level: str | None = None, **elements: object) -> Dataset:
    """Return an identifier, of this Query/Retrieve Level if it has one."""
    identifier = Dataset()
    if level is not None:
        identifier.QueryRetrieveLevel = level
    for keyword, value in elements.items():
        setattr(identifier, keyword, value)
    return identifier


def key_options(identifier: Dataset) -> list[str]:
    """Return an identifier without sequences as the options that DCMTK's requestors take."""
    return [
        option
        for element in identifier
        for option in ("-k", f"{element.tag.json_key[:4]},{element.tag.json_key[4:]}={element.value}")
    ]


def write_small(folder: Path, count: int) -> list[Path]:
    """Write `count` CT images without pixels, all of one series."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(1, count + 1):
        image = keys(SOPClassUID=CT_IMAGE, SOPInstanceUID=f"1.2.826.0.1.3680043.8.498.2.{number}")
        image.StudyInstanceUID, image.SeriesInstanceUID = (
            "1.2.826.0.1.3680043.8.498.3",
            "1.2.826.0.1.3680043.8.498.4",
        )
        image.PatientName, image.PatientID, image.StudyID = "Many^Of", "MANY", "1"
        image.Modality, image.InstanceNumber = "CT", number
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = EXPLICIT
        written.append(folder / f"{number:05}.dcm")
        image.save_as(written[-1], enforce_file_format=True)
    return written


def worklist_entry(number: int, modality: str = "MR") -> Dataset:
    """Return a worklist entry with what wlmscpfs needs and gives back."""
    step = keys(
        ScheduledStationAETitle="STATION",
        ScheduledProcedureStepStartDate=f"202401{number:02}",
        ScheduledProcedureStepStartTime="0900",
        Modality=modality,
        ScheduledPerformingPhysicianName="Ärztin^Eine",
        ScheduledProcedureStepDescription="Step",
        ScheduledProcedureStepID=f"S{number}",
    )
    return keys(
        SpecificCharacterSet="ISO_IR 192",
        PatientName=f"Wörker^{number}",
        PatientID=f"W{number}",
        PatientBirthDate="19700101",
        PatientSex="O",
        StudyInstanceUID=f"1.2.826.0.1.3680043.8.498.5.{number}",
        AccessionNumber=f"A{number}",
        RequestedProcedureID=f"R{number}",
        RequestedProcedureDescription="Procedure",
        ScheduledProcedureStepSequence=[step],
    )


# --- DCMTK's servers ------------------------------------------------------------------------------


@contextlib.contextmanager
def dcmqrscp(
    folder: Path, stored: Iterable[Path] = (), *options: str, destinations: Mapping[str, int] | None = None
) -> Iterator[Program]:
    """Run DCMTK's archive, AE title ARCHIVE, with these files, and ports that it moves to."""
    index = folder / "index"
    index.mkdir(parents=True)
    files = [str(path) for path in stored]
    if files:
        done = run([*dcmtk("dcmqridx"), "-n", index, *files])
        assert done.status == 0, done.everything
    hosts = [
        f"d{n} = ({title}, {LOOPBACK}, {port})"
        for n, (title, port) in enumerate((destinations or {}).items())
    ]
    tables = {"HostTable": hosts, "VendorTable": [], "AETable": [f"ARCHIVE {index} RW (200, 1024mb) ANY"]}
    lines = ["MaxPDUSize = 16384", "MaxAssociations = 16"]
    for name, rows in tables.items():
        lines += [f"{name} BEGIN", *rows, f"{name} END"]
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text("\n".join([*lines, ""]))
    command = [*dcmtk("dcmqrscp"), "-v", "-dhl", *options, "-c", configuration]
    with peer_server(lambda port: [*command, str(port)], folder) as server:
        yield server


@contextlib.contextmanager
def wlmscpfs(folder: Path, worklist: Iterable[Dataset], *options: str) -> Iterator[Program]:
    """Run DCMTK's worklist server, AE title WORKLIST, with these entries."""
    files = folder / "worklist" / "WORKLIST"
    files.mkdir(parents=True)
    (files / "lockfile").touch()
    for number, entry in enumerate(worklist):
        entry.save_as(files / f"{number:04}.wl", implicit_vr=False, little_endian=True)
    command = [*dcmtk("wlmscpfs"), "-v", "-dhl", *options, "-dfp", files.parent]
    with peer_server(lambda port: [*command, str(port)], folder) as server:
        yield server


class Told(NamedTuple):
    """A response that a requestor of DCMTK received, with the counts of sub-operations that it read."""

    status: int
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


_RESPONSE = re.compile(
    r"INCOMING DIMSE MESSAGE =+\n"
    r"D: Message Type +: C-(?:FIND|GET|MOVE) RSP\n"
    r"(?P<text>(?:D: .*\n)*?)D: =+ END DIMSE MESSAGE"
)


def told(log: str) -> list[Told]:
    """Return the responses that a requestor of DCMTK says it received; it was run with `-d`."""
    responses = []
    for block in _RESPONSE.finditer(log):
        facts = dict(re.findall(r"D: (\w+).*? : (\w+)", block["text"]))
        counts = [facts.get(name) for name in ("Remaining", "Completed", "Failed", "Warning")]
        numbers = [int(count) if count and count != "none" else None for count in counts]
        responses.append(Told(int(facts["DIMSE"], 16), *numbers))
    return responses


# --- ours -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(
    *handlers: evt.Binding, contexts: Iterable[object], title: str = "OURS", **settings: object
) -> Iterator[int]:
    """Run a server of ours and yield its port; at the end nobody may be left."""
    entity = AE(title)
    for name, value in settings.items():
        setattr(entity, name, value)
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers, contexts=contexts)
    try:
        yield server.port
    finally:
        server.shutdown()


@contextlib.contextmanager
def associated(
    port: int,
    *contexts: object,
    called: str = "ARCHIVE",
    handlers: Iterable[evt.Binding] = (),
    **options: object,
) -> Iterator[Association]:
    """Associate with a peer, and release at the end."""
    with AE("REQUESTOR").associate(
        LOOPBACK, port, contexts, ae_title=called, evt_handlers=handlers, **options
    ) as association:
        yield association


def provides(*uids: str) -> list[RoleSelection]:
    """Return the role selection of a requestor that is the SCP for some SOP classes."""
    return [RoleSelection(sop_class_uid=uid, scu_role=False, scp_role=True) for uid in uids]


class Received:
    """A handler of EVT_C_STORE that keeps what comes, and what was said of it."""

    def __init__(self, status: int = 0) -> None:
        self.events: list[evt.Event] = []
        self.status = status
        self.before: Callable[[evt.Event], object] = lambda event: None
        """Called first with each event."""

    def __call__(self, event: evt.Event) -> int:
        self.before(event)
        self.events.append(event)
        return self.status

    @property
    def uids(self) -> list[str]:
        """The SOP Instance UIDs, in the order they came."""
        return [event.request.AffectedSOPInstanceUID for event in self.events]

    def assert_are(self, expected: Iterable[Held], *, same_bytes: bool) -> None:
        """Assert that exactly these objects have come, in their transfer syntaxes; equal, if not the same."""
        wanted = {held.object.sop_instance_uid: held for held in expected}
        assert sorted(self.uids) == sorted(wanted)
        for event in self.events:
            held, data = wanted[event.request.AffectedSOPInstanceUID], bytes(event.data)
            assert event.request.AffectedSOPClassUID == held.object.sop_class_uid
            assert event.context.transfer_syntax == held.object.transfer_syntax_uid
            if same_bytes:
                assert held.object.arrived_as(data), held.object.name
            else:
                assert differences(held, event.dataset) == [], held.object.name


def differences(held: Held, dataset: Dataset) -> list[str]:
    """Return the tags in which an object differs from what became of it.

    Group lengths and the trailing padding do not count: DCMTK leaves them out when it sends. Nor does the
    VR of what came in implicit VR.
    """

    def differs(tag: BaseTag) -> bool:
        if tag not in held.head or tag not in dataset:
            return True
        was, is_now = held.head[tag], dataset[tag]
        return was.value != is_now.value or (was.VR != is_now.VR and not dataset.original_encoding[0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that are no business of ours
        return [
            str(tag)
            for tag in sorted(held.head.keys() | dataset.keys())
            if tag.element != 0 and tag != 0xFFFCFFFC
            if differs(tag)
        ]


def wait_until(fact: Callable[[], object], what: str) -> None:
    """Wait until `fact()` is true, looked at every few milliseconds."""
    deadline = time.monotonic() + TIMEOUT
    never = threading.Event()
    while not fact():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        never.wait(_LOOK)
