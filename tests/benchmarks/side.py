"""The programs of one revision, for `make bench AGAINST=REVISION`: `against.py` runs them.

It comes from the tree of the driver and measures whichever revision PYTHONPATH shows, so it uses nothing but
names that every revision has. `provide` serves until its input ends; `request` does each job that a line of
its input names, and tells the seconds that it took. `dropin.py` runs them too: behind the role it names the
package whose `AE` and `evt` they use, in place of the blocking flavour, and a maximum length of PDUs.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

import dicomproto
from dicomproto.datasets import encode_data_set
from dicomproto_transports import apps

VERIFICATION, CT, FIND = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.2.1.1"
WORKLIST, ENCODED = "1.2.840.10008.5.1.4.31", "1.2.840.10008.5.1.4.1.2.2.1"
CLASSES = VERIFICATION, CT, FIND, WORKLIST, ENCODED
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
MATCHES = 20
"""The matches of each C-FIND."""

ROLE, PACKAGE, MAXIMUM_LENGTH = (*sys.argv[1:], "", "", "")[:3]
FLAVOUR: Any = importlib.import_module(PACKAGE or "dicomproto_transports.blocking")
evt: Any = FLAVOUR.evt


def entity(title: str) -> Any:
    """Return an application entity of the package that is measured."""
    ae = FLAVOUR.AE(title)
    if MAXIMUM_LENGTH:
        ae.maximum_pdu_size = int(MAXIMUM_LENGTH)
    return ae


def entry(number: int) -> Dataset:
    """Return a match of eleven short elements."""
    found = Dataset()
    found.QueryRetrieveLevel = "STUDY"
    found.StudyDate, found.StudyTime = "20240115", "083000"
    found.AccessionNumber, found.StudyID = f"A{number}", f"S{number}"
    found.ModalitiesInStudy = "CT"
    found.StudyDescription = "Head without contrast"
    found.PatientName, found.PatientID = f"Doe^Jane^{number}", f"P{number}"
    found.PatientBirthDate = "19700101"
    found.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}"
    return found


def step(number: int) -> Dataset:
    """Return an entry of a worklist: an item in a sequence, and text that is not ASCII."""
    found, item = entry(number), Dataset()
    del found.QueryRetrieveLevel
    found.SpecificCharacterSet = "ISO_IR 100"
    found.PatientName = f"M\xfcller^J\xfcrgen^{number}"
    item.Modality, item.ScheduledStationAETitle = "CT", "SCANNER"
    item.ScheduledProcedureStepStartDate, item.ScheduledProcedureStepStartTime = "20240115", "083000"
    item.ScheduledPerformingPhysicianName = "M\xe4rz^Anna"
    found.ScheduledProcedureStepSequence = [item]
    return found


def find(event: Any) -> Iterator[tuple[int, Dataset | bytes]]:
    """Answer each C-FIND with the same matches; on one SOP class with encoded ones, where these may be."""
    sop_class = event.request.AffectedSOPClassUID
    if sop_class == ENCODED and hasattr(event, "encoded_identifier"):
        assert event.encoded_identifier
        for encoded in READY:
            yield 0xFF00, encoded
        return
    assert event.identifier.PatientID == ""
    for match in STEPS if sop_class == WORKLIST else FOUND:
        yield 0xFF00, match


FOUND = [entry(number) for number in range(MATCHES)]
STEPS = [step(number) for number in range(MATCHES)]
READY = [encode_data_set(found, EXPLICIT) for found in FOUND]


def stream(event: Any) -> int:
    """Take an object as it comes, in constant memory."""
    for _ in event.chunks:
        pass
    return 0


def provide(*, streamed: bool = False) -> None:
    """Serve C-ECHO, C-FIND and C-STORE with handlers that do next to nothing."""
    ae = entity("PROVIDER")
    ae.maximum_associations = 1000
    for abstract_syntax in CLASSES:
        ae.add_supported_context(abstract_syntax, EXPLICIT)
    ae.add_supported_context(VERIFICATION, IMPLICIT)  # echoscu proposes nothing else
    store = (evt.EVT_C_STORE_STREAM, stream) if streamed else (evt.EVT_C_STORE, lambda event: 0)
    handlers: list[Any] = [store, (evt.EVT_C_FIND, find)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    say(port=server.port if hasattr(server, "port") else server.server_address[1])
    sys.stdin.read()
    server.shutdown()


def request() -> None:
    """Do what the lines of the input say."""
    say()
    for line in sys.stdin:
        job = json.loads(line)
        say(seconds=JOBS[job.pop("task")](**job))


def on_an_association(port: int, warm_up: int, count: int, one: Callable[[Any], object]) -> float:
    """Return the seconds that `count` calls take, after some that are not counted."""
    ae = entity("REQUESTOR")
    for abstract_syntax in CLASSES:
        ae.add_requested_context(abstract_syntax, EXPLICIT)
    association = ae.associate("127.0.0.1", port)
    try:
        for _ in range(warm_up):
            one(association)
        started = time.perf_counter()
        for _ in range(count):
            one(association)
        return time.perf_counter() - started
    finally:
        association.release()


def echo(port: int, warm_up: int, count: int) -> float:
    """Send C-ECHO requests."""

    def one(association: Any) -> None:
        if association.send_c_echo().Status != 0:
            raise RuntimeError("a C-ECHO failed")

    return on_an_association(port, warm_up, count, one)


def associate(port: int, warm_up: int, count: int) -> float:
    """Open and release associations."""
    ae = entity("REQUESTOR")
    for abstract_syntax in CLASSES:
        ae.add_requested_context(abstract_syntax, EXPLICIT)
    started = 0.0
    for number in range(warm_up + count):
        if number == warm_up:
            started = time.perf_counter()
        ae.associate("127.0.0.1", port).release()
    return time.perf_counter() - started


def store(port: int, path: str, warm_up: int, count: int, *, is_read: bool = False) -> float:
    """Send a file, or the data set that was read from it, again and again."""
    given: Any = dcmread(path) if is_read else path

    def one(association: Any) -> None:
        if association.send_c_store(given).Status != 0:
            raise RuntimeError("a C-STORE failed")

    return on_an_association(port, warm_up, count, one)


def store_changed(port: int, path: str, warm_up: int, count: int) -> float:
    """Read a file, change one element and send the data set, again and again."""

    def one(association: Any) -> None:
        dataset = dcmread(path)
        dataset.PatientID = "CHANGED"
        if association.send_c_store(dataset).Status != 0:
            raise RuntimeError("a C-STORE failed")

    return on_an_association(port, warm_up, count, one)


def count_matches(port: int, warm_up: int, count: int) -> float:
    """Send C-FIND requests, and count the matches, which the provider may have encoded."""
    identifier = Dataset()
    identifier.PatientID = ""

    def one(association: Any) -> None:
        responses = association.send_c_find(identifier, ENCODED)
        if sum(1 for _ in getattr(responses, "encoded", responses.__iter__)()) != MATCHES + 1:
            raise RuntimeError("a C-FIND failed")

    return on_an_association(port, warm_up, count, one)


def query(port: int, warm_up: int, count: int) -> float:
    """Send C-FIND requests, and look at each match."""
    identifier = Dataset()
    for keyword in FOUND[0].dir():
        setattr(identifier, keyword, "")
    identifier.QueryRetrieveLevel = "STUDY"
    return queries(port, warm_up, count, identifier, FIND)


def worklist(port: int, warm_up: int, count: int) -> float:
    """Send worklist queries, and look at each match."""
    identifier = step(0)
    identifier.PatientID = ""
    return queries(port, warm_up, count, identifier, WORKLIST)


def queries(port: int, warm_up: int, count: int, identifier: Dataset, sop_class: str) -> float:
    """Send an identifier, again and again."""

    def one(association: Any) -> None:
        patients = [match.PatientID for _, match in association.send_c_find(identifier, sop_class) if match]
        if len(patients) != MATCHES:
            raise RuntimeError("a C-FIND failed")

    return on_an_association(port, warm_up, count, one)


def run_storescu(port: int, path: str, warm_up: str) -> float:
    """Run storescu within this process, where all that it imports has been imported."""
    words = ["storescu", "-q", "127.0.0.1", str(port)]
    for folder in (warm_up, path):
        started = time.perf_counter()
        if apps.main([*words, "-r", folder]) != 0:
            raise RuntimeError("storescu failed")
    return time.perf_counter() - started


JOBS: dict[str, Callable[..., float]] = {
    "associate": associate,
    "echo": echo,
    "find": query,
    "worklist": worklist,
    "store": store,
    "changed": store_changed,
    "count": count_matches,
    "storescu": run_storescu,
}


def say(**words: object) -> None:
    """Tell the driver, and where the library came from."""
    print(json.dumps(words | {"from": os.path.dirname(dicomproto.__file__)}), flush=True)


if __name__ == "__main__":
    {"provide": provide, "stream": partial(provide, streamed=True), "request": request}[ROLE]()
