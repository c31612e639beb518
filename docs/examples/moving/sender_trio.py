"""Sends the files of a folder to an archive, and asks what it has: `sender.py FOLDER HOST PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import trio
from pydicom import dcmread

from dicomproto.errors import AssociationError, AssociationRejected, NoAcceptedContext
from dicomproto.matching import make_identifier
from dicomproto.services.sop_classes import StudyRootQueryRetrieveInformationModelFind
from dicomproto_transports import build_context
from dicomproto_transports.trio import AE


async def store(assoc, files):
    """Return whether the archive has taken all."""
    taken = True
    for number, dataset in enumerate(files, 1):
        try:
            status = await assoc.send_c_store(dataset, msg_id=number)
        except NoAcceptedContext:
            print(f"{number}: the archive does not take {dataset.SOPClassUID.name}")
            taken = False
            continue
        except AssociationError:
            print(f"{number}: the archive is gone")
            return False
        print(f"{number}: {status.Status:04X} {status.get('ErrorComment', '')}".strip())
        taken = taken and status.Status == 0x0000
    return taken


async def find(assoc, patient):
    """Print the studies of a patient; return whether the archive has told all."""
    query = make_identifier(QueryRetrieveLevel="STUDY", PatientID=patient, StudyInstanceUID=None)
    try:
        async for status, identifier in assoc.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
            if identifier is not None:
                print(f"has study {identifier.StudyInstanceUID}")
            elif status.Status != 0x0000:
                print(f"the query failed: {status.Status:04X}")
                return False
    except AssociationError:
        print("the archive is gone")
        return False
    return True


async def main(folder, host, port):
    files = [dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    kinds = sorted({(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID) for dataset in files})
    ae = AE(ae_title="SENDER")
    ae.acse_timeout = 10
    ae.requested_contexts = [build_context(*kind) for kind in kinds]
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    try:
        async with ae.associate(host, port, ae_title="ARCHIVE") as assoc:
            done = await store(assoc, files) and await find(assoc, files[0].PatientID)
        return 0 if done else 1
    except AssociationRejected as error:
        print("rejected:", error.result, error.source, error.reason)
    except AssociationError:
        print("no association")
    return 2


sys.exit(trio.run(main, Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
