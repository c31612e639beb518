"""One program over anyio, on asyncio and on trio."""

from __future__ import annotations

import anyio
from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage

from dicomproto.errors import AssociationRejected
from dicomproto_transports.anyio import AE, evt

HOST = "127.0.0.1"


async def store(event):
    uid = event.dataset.SOPInstanceUID
    print("stored", uid)
    return 0x0000


handlers = [(evt.EVT_C_STORE, store)]


async def main():
    scp = AE(ae_title="ARCHIVE")
    scp.add_supported_context(CTImageStorage)
    scp.require_called_aet = True
    scu = AE(ae_title="MODALITY")
    scu.add_requested_context(CTImageStorage)
    path = get_testdata_file("CT_small.dcm")

    async with scp.start_server(
        (HOST, 0),
        evt_handlers=handlers,
    ) as server:
        async with scu.associate(
            HOST,
            server.port,
            ae_title="ARCHIVE",
        ) as assoc:
            status = await assoc.send_c_store(path)
            print(f"{status.Status:04X}")

        try:
            await scu.associate(HOST, server.port)
        except AssociationRejected as error:
            print(error.source, error.reason)


anyio.run(main)
anyio.run(main, backend="trio")
