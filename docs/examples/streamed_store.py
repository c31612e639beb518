"""A storage SCP that writes while it receives, and refuses truncated and too large objects."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import UID, CTImageStorage, MRImageStorage

from dicomproto.encoded import Walk
from dicomproto_transports.blocking import AE, evt

ROOM = 20_000


def store(event, folder):
    """EVT_C_STORE_STREAM: runs at the command set, before the data set."""
    uid = UID(event.request.sop_instance_uid)
    if not uid.is_valid:  # the UID comes from the peer and becomes a file name
        return 0xC000
    walk = Walk(event.context.transfer_syntax)  # finds a truncated data set
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".") as file:  # deleted, unless the object is whole
        file.write(event.encoded_file_meta)
        for chunk in event.chunks:
            if file.tell() + len(chunk) > ROOM:
                event.refuse(0xA700)  # answers now; the rest is dropped
                return 0xA700
            file.write(chunk)
            walk.feed(chunk)
        walk.finish()
        file.flush()
        (folder / f"{uid}.dcm").hardlink_to(file.name)
    return 0x0000


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    scp = AE(ae_title="ARCHIVE")
    scu = AE(ae_title="MODALITY")
    for uid in (CTImageStorage, MRImageStorage):
        scp.add_supported_context(uid)
        scu.add_requested_context(uid)
    handlers = [(evt.EVT_C_STORE_STREAM, store, [folder])]
    with (
        scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server,
        scu.associate("127.0.0.1", server.port) as assoc,
    ):
        for file_name in ("MR_small.dcm", "CT_small.dcm"):
            status = assoc.send_c_store(get_testdata_file(file_name))
            print(f"{file_name}: {status.Status:04X}")
    print(*(dcmread(path).Modality for path in folder.iterdir()))
