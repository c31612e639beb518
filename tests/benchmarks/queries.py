"""Rows of C-FIND: our SCP and SCU, findscu, dcmqrscp, and peers on bare sockets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from pydicom.uid import generate_uid

from . import wire
from .bare import serving_bare
from .objects import ct
from .peers import NODELAY, Product, dcmqrscp
from .row import Row, Take
from .sides import KB, Side
from .transfers import our_scu, repeated

MATCHES = 20
PATIENT_ROOT_FIND, STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.2.1"
KEYS = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID"]


def findscu(port: int, model: str) -> Take:
    """Return DCMTK's findscu."""
    return repeated(["/usr/bin/findscu", model, *KEYS, "-aec", "ANY-SCP", "127.0.0.1", str(port)], NODELAY)


def queries(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """Queries that have 20 matches each."""
    for name, task, model in (("find", "find", "-P"), ("find-encoded", "count", "-S")):
        matches = "Dataset" if task == "find" else "encoded"
        title = f"C-FIND of {MATCHES} {matches} matches at our SCP: our SCU / findscu"
        yield Row(name, title, None, our_scu(side, side.port, None, task), findscu(side.port, model))
    answer = wire.responses_to_a_query(side.port, STUDY_ROOT_FIND)
    bare = stack.enter_context(serving_bare(wire.answer_finds, answer))
    alone = partial(wire.find_all, side.port, STUDY_ROOT_FIND)
    title = "C-FIND, encoded matches: our SCP alone / findscu alone"
    yield Row("find-scp", title, 1.18, alone, findscu(bare, "-S"))
    title = f"C-FIND of {MATCHES} matches, a bare requestor: our SCP / dcmqrscp"
    archive = stack.enter_context(archive_of_studies(folder / "archive").serving())
    theirs = partial(wire.find_all, archive, STUDY_ROOT_FIND)
    for name, sop_class, matches in (
        ("dcmqrscp", PATIENT_ROOT_FIND, "Dataset"),
        ("dcmqrscp-encoded", STUDY_ROOT_FIND, "encoded"),
    ):
        ours = partial(wire.find_all, side.port, sop_class)
        yield Row(name, f"{title}, {matches}", None, ours, theirs)


def archive_of_studies(folder: Path) -> Product:
    """Return DCMTK's archive with as many studies as a query matches."""
    if not folder.exists():
        folder.mkdir()
        image = ct(40 * KB)
        for number in range(MATCHES):
            image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            image.save_as(folder / f"{number}.dcm", enforce_file_format=True)
        files = [str(path) for path in folder.glob("*.dcm")]
        subprocess.run(["/usr/bin/dcmqridx", str(folder), *files], check=True, capture_output=True)
    return dcmqrscp(folder)
