"""An archive: `archive.py FOLDER PORT`. It keeps what modalities send, and tells workstations what it has."""

from __future__ import annotations

import sys
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from dicomproto_transports.pynetdicom import AE, StoragePresentationContexts, _config, evt
from dicomproto_transports.pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

_config.LOG_REQUEST_IDENTIFIERS = False


def handle_accepted(event):
    peer = event.assoc.remote
    print(f"{peer['ae_title'].strip()} at {peer['address']}")


def handle_store(event, folder):
    dataset = event.dataset
    dataset.file_meta = event.file_meta
    if not dataset.SOPInstanceUID.is_valid:
        return 0xA900
    try:
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
    except OSError:
        return 0xA700
    syntax = event.context.transfer_syntax
    print(f"{dataset.SOPClassUID.name}, {syntax.name}, message {event.message_id}")
    return 0x0000


def handle_find(event, folder):
    wanted = event.identifier
    if wanted.get("QueryRetrieveLevel") != "STUDY":
        yield 0xA900, None
        return
    known = set()
    for path in sorted(folder.glob("*.dcm")):
        if event.is_cancelled:
            yield 0xFE00, None
            return
        instance = dcmread(path, stop_before_pixels=True)
        if (
            wanted.get("PatientID") not in (None, "", instance.PatientID)
            or instance.StudyInstanceUID in known
        ):
            continue
        known.add(instance.StudyInstanceUID)
        match = Dataset()
        match.QueryRetrieveLevel = "STUDY"
        match.PatientID = instance.PatientID
        match.StudyInstanceUID = instance.StudyInstanceUID
        yield 0xFF00, match


def main(folder, port):
    ae = AE(ae_title="ARCHIVE")
    ae.require_called_aet = True
    ae.maximum_associations = 20
    ae.network_timeout = 120
    ae.supported_contexts = StoragePresentationContexts
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    ae.add_supported_context(Verification)
    handlers = [
        (evt.EVT_ACCEPTED, handle_accepted),
        (evt.EVT_C_STORE, handle_store, [folder]),
        (evt.EVT_C_FIND, handle_find, [folder]),
    ]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    print("listens on port", server.server_address[1], flush=True)
    sys.stdin.read()  # until the one who started it closes the standard input
    ae.shutdown()
    print(len(list(folder.glob("*.dcm"))), "objects")


main(Path(sys.argv[1]), int(sys.argv[2]))
