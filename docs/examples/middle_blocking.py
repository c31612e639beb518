"""Ways to end an endless query from outside, over blocking sockets."""

from __future__ import annotations

from itertools import count

from dicomproto.errors import AssociationError, LocalProtocolError
from dicomproto.matching import make_identifier
from dicomproto.services import sop_classes
from dicomproto.uids import VERIFICATION
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"
FIND = sop_classes.StudyRootQueryRetrieveInformationModelFind
ENDINGS = []


# [provider]
def handle_find(event):
    try:
        for number in count():
            yield 0xFF00, make_identifier(PatientID=str(number))
    finally:
        # Every end of the query closes the handler here.
        reason = event.assoc.ending
        ENDINGS.append(type(reason).__name__ if reason else "cancelled")


# [user]
def use(assoc):
    identifier = make_identifier(PatientID=None)

    # After a C-CANCEL the peer sends a final response.
    responses = assoc.send_c_find(identifier, FIND)
    for status, match in responses:
        if match is None:
            print(f"{status.Status:04X}", status.status.meaning)
        elif match.PatientID == "2":
            responses.cancel()

    # Another call ends an unfinished query.
    responses = assoc.send_c_find(identifier, FIND)
    for _ in responses:
        break
    assoc.send_c_echo()
    try:
        for _ in responses:
            print("never reached")
    except LocalProtocolError as error:
        print(error)

    # After an abort no more responses come.
    responses = assoc.send_c_find(identifier, FIND)
    try:
        for _ in responses:
            assoc.abort()
    except AssociationError as error:
        print(type(error).__name__)


# [together]
def main():
    archive = AE(ae_title="ARCHIVE")
    viewer = AE(ae_title="VIEWER")
    for uid in (FIND, VERIFICATION):
        archive.add_supported_context(uid)
        viewer.add_requested_context(uid)

    with archive.start_server(
        (HOST, 0),
        block=False,
        evt_handlers=[(evt.EVT_C_FIND, handle_find)],
    ) as server:
        with viewer.associate(HOST, server.port) as assoc:
            use(assoc)
        server.shutdown(grace=30)
    print(*ENDINGS)


main()
