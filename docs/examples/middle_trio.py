"""Ways to end an endless query from outside, over trio."""

from __future__ import annotations

from itertools import count

import trio

from dicomproto.errors import AssociationError, LocalProtocolError
from dicomproto.matching import make_identifier
from dicomproto.services import sop_classes
from dicomproto.uids import VERIFICATION
from dicomproto_transports.trio import AE, evt

HOST = "127.0.0.1"
FIND = sop_classes.StudyRootQueryRetrieveInformationModelFind
ENDINGS = []


# [provider]
async def handle_find(event):
    try:
        for number in count():
            yield 0xFF00, make_identifier(PatientID=str(number))
    finally:
        # Every end of the query closes the handler here.
        reason = event.assoc.ending
        ENDINGS.append(type(reason).__name__ if reason else "cancelled")


# [user]
async def use(assoc):
    identifier = make_identifier(PatientID=None)

    # After a C-CANCEL the peer sends a final response.
    responses = assoc.send_c_find(identifier, FIND)
    async for status, match in responses:
        if match is None:
            print(f"{status.Status:04X}", status.status.meaning)
        elif match.PatientID == "2":
            await responses.cancel()

    # Another call ends an unfinished query.
    responses = assoc.send_c_find(identifier, FIND)
    async for _ in responses:
        break
    await assoc.send_c_echo()
    try:
        async for _ in responses:
            print("never reached")
    except LocalProtocolError as error:
        print(error)

    # After an abort no more responses come.
    responses = assoc.send_c_find(identifier, FIND)
    try:
        async for _ in responses:
            await assoc.abort()
    except AssociationError as error:
        print(type(error).__name__)


# [together]
async def main():
    archive = AE(ae_title="ARCHIVE")
    viewer = AE(ae_title="VIEWER")
    for uid in (FIND, VERIFICATION):
        archive.add_supported_context(uid)
        viewer.add_requested_context(uid)

    async with archive.start_server(
        (HOST, 0),
        evt_handlers=[(evt.EVT_C_FIND, handle_find)],
    ) as server:
        async with viewer.associate(HOST, server.port) as assoc:
            await use(assoc)
        await server.shutdown(grace=30)
    print(*ENDINGS)


trio.run(main)
