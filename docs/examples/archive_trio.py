"""An archive, and a viewer that retrieves its images, over trio."""

from __future__ import annotations

import logging

import trio
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage, MRImageStorage

from dicomproto.errors import DataSetError
from dicomproto.matching import Query, make_identifier
from dicomproto.services import sop_classes
from dicomproto_transports import build_role
from dicomproto_transports.trio import AE, evt

HOST = "127.0.0.1"
FIND = sop_classes.StudyRootQueryRetrieveInformationModelFind
GET = sop_classes.StudyRootQueryRetrieveInformationModelGet
MOVE = sop_classes.StudyRootQueryRetrieveInformationModelMove
IMAGES = [CTImageStorage, MRImageStorage]
FILES = "CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm"

# Objects that could not be sent are logged; nobody reads the log here.
logging.getLogger("dicomproto").addHandler(logging.NullHandler())


# [provider]
PATHS = [get_testdata_file(name) for name in FILES]
CATALOGUE = {path: dcmread(path) for path in PATHS}
UIDS = [CATALOGUE[path].SOPInstanceUID for path in PATHS]  # as from a C-FIND


def wanted(event):
    """Return the named objects; an empty key would be all of them (PS3.4 C.4.3.1.3)."""
    uids = event.identifier.get("SOPInstanceUID")
    if not uids:
        return None
    query = Query(make_identifier(SOPInstanceUID=uids))
    return [p for p in PATHS if query.matches(CATALOGUE[p])]


async def handle_find(event):
    try:
        query = Query(event.identifier)
    except DataSetError:
        yield 0xA900, None  # a final status: nothing follows
        return
    for entry in CATALOGUE.values():
        if event.is_cancelled:
            yield 0xFE00, None
            return
        if query.matches(entry):
            yield 0xFF00, query.response(entry)


async def handle_get(event):
    found = wanted(event)
    if found is None:
        yield 0xA900, None
        return
    yield len(found)
    for path in found:
        yield 0xFF00, path  # streamed from the disk unchanged


async def handle_move(event):
    found = wanted(event)
    if found is None:
        yield 0xA900, None
        return
    yield event.move_destination  # a name that the AE knows
    yield len(found)
    for path in found:
        yield 0xFF00, path


# [find]
async def find(assoc):
    ct = make_identifier(PatientID=None, Modality="CT")
    ct.QueryRetrieveLevel = "IMAGE"

    async for status, match in assoc.send_c_find(ct, FIND):
        if match is not None:
            print("match", match.PatientID)
        else:
            print(f"{status.Status:04X}", status.status.meaning)

    # Leaving the loop early cancels at the end of the block.
    async with assoc.send_c_find(ct, FIND) as responses:
        async for _, match in responses:
            print(match.PatientID, "is enough")
            break


# [get]
async def show(event):
    print("got", event.dataset.PatientID)  # show the object, store nothing
    return 0x0000


async def get(viewer, port):
    both = make_identifier(SOPInstanceUID=UIDS)
    both.QueryRetrieveLevel = "IMAGE"
    roles = [build_role(uid, scp_role=True) for uid in IMAGES]

    async with viewer.associate(
        HOST,
        port,
        contexts=[GET, *IMAGES],
        ext_neg=roles,
        evt_handlers=[(evt.EVT_C_STORE, show)],
    ) as assoc:
        async for status, failed in assoc.send_c_get(both, GET):
            done = status.NumberOfCompletedSuboperations
            print(f"{status.Status:04X}", done, "done")
            if failed is not None:
                print(status.ErrorComment)
                print(failed.FailedSOPInstanceUIDList)


# [move]
async def move(assoc, destination):
    mr = make_identifier(SOPInstanceUID=UIDS[1])
    mr.QueryRetrieveLevel = "IMAGE"

    responses = assoc.send_c_move(mr, destination, MOVE)
    async for status, _ in responses:
        print(f"{status.Status:04X}", status.status.meaning)


# [together]
async def main():
    archive = AE(ae_title="ARCHIVE")
    for uid in (FIND, GET, MOVE, *IMAGES):
        archive.add_supported_context(uid)
    viewer = AE(ae_title="VIEWER")
    for uid in IMAGES:
        viewer.add_supported_context(uid)
    handlers = [
        (evt.EVT_C_FIND, handle_find),
        (evt.EVT_C_GET, handle_get),
        (evt.EVT_C_MOVE, handle_move),
    ]

    async with (
        archive.start_server(
            (HOST, 0),
            evt_handlers=handlers,
        ) as server,
        viewer.start_server(
            (HOST, 0),
            evt_handlers=[(evt.EVT_C_STORE, show)],
        ) as waiting,
    ):
        viewer_address = HOST, waiting.port
        archive.move_destinations["VIEWER"] = viewer_address
        async with viewer.associate(
            HOST,
            server.port,
            contexts=[FIND, MOVE],
        ) as assoc:
            await find(assoc)
            await move(assoc, "VIEWER")
            await move(assoc, "NOBODY")
        await get(viewer, server.port)


trio.run(main)
