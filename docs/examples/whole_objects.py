"""A storage SCP that keeps no truncated object."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydicom.data import get_testdata_file
from pydicom.uid import UID, CTImageStorage

from dicomproto.encoded import Walk
from dicomproto.errors import DataSetError
from dicomproto_transports.blocking import AE, evt


def store(event, folder):
    """EVT_C_STORE: write the received object, if it is whole."""
    uid = UID(event.request.sop_instance_uid)
    if not uid.is_valid:  # the UID comes from the peer and becomes a file name
        return 0xC000
    walk = Walk(event.context.transfer_syntax)
    try:
        walk.feed(event.encoded_dataset(include_meta=False))
        walk.finish()
    except DataSetError as error:
        print("refused:", error)
        return 0xC000
    if walk.is_checked and not walk.elements:  # an empty data set
        return 0xC000
    (folder / f"{uid}.dcm").write_bytes(event.encoded_dataset())
    return 0x0000


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    cut, whole = folder / "cut", Path(get_testdata_file("CT_small.dcm"))
    cut.write_bytes(whole.read_bytes()[:20_000])
    scp = AE(ae_title="ARCHIVE")
    scp.add_supported_context(CTImageStorage)
    scu = AE(ae_title="MODALITY")
    scu.add_requested_context(CTImageStorage)
    handlers = [(evt.EVT_C_STORE, store, [folder])]
    with (
        scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server,
        scu.associate("127.0.0.1", server.port) as assoc,
    ):
        for path in (cut, whole):
            status = assoc.send_c_store(path, send_truncated=True)
            print(f"{path.stem}: {status.Status:04X}, {len(list(folder.glob('*.dcm')))} kept")
