"""Has data sets written to temporary files, and moves those that it keeps."""

import os
import shutil
import sys

from pydicom import dcmread
from pynetdicom import AE, StoragePresentationContexts, _config, evt

_config.STORE_RECV_CHUNKED_DATASET = True
paths = []


def handle_store(event):
    path = event.dataset_path
    paths.append(path)
    ds = dcmread(path, stop_before_pixels=True)
    print(ds.file_meta.TransferSyntaxUID.name, ds.SOPClassUID.keyword, event.dataset.Modality, flush=True)
    print(ds.file_meta.MediaStorageSOPInstanceUID == event.request.AffectedSOPInstanceUID, flush=True)
    if len(paths) == 1:
        shutil.copy(path, event.request.AffectedSOPInstanceUID)
    print([os.path.exists(one) for one in paths], flush=True)
    return 0x0000


ae = AE(ae_title="CHUNKED")
ae.supported_contexts = StoragePresentationContexts
ae.add_supported_context("1.2.840.10008.1.1")
ae.maximum_pdu_size = 4096
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, handle_store)])
print([os.path.exists(one) for one in paths])
