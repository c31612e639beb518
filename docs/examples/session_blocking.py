"""One program over blocking sockets."""

from __future__ import annotations

from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage

from dicomproto.errors import AssociationRejected
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"


def store(event):
    uid = event.dataset.SOPInstanceUID
    print("stored", uid)
    return 0x0000


handlers = [(evt.EVT_C_STORE, store)]


def main():
    scp = AE(ae_title="ARCHIVE")
    scp.add_supported_context(CTImageStorage)
    scp.require_called_aet = True
    scu = AE(ae_title="MODALITY")
    scu.add_requested_context(CTImageStorage)
    path = get_testdata_file("CT_small.dcm")

    with scp.start_server(
        (HOST, 0),
        block=False,
        evt_handlers=handlers,
    ) as server:
        with scu.associate(
            HOST,
            server.port,
            ae_title="ARCHIVE",
        ) as assoc:
            status = assoc.send_c_store(path)
            print(f"{status.Status:04X}")

        try:
            scu.associate(HOST, server.port)
        except AssociationRejected as error:
            print(error.source, error.reason)


main()
