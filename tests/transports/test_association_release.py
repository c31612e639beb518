"""A release in the middle of what is being received takes nothing away."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomproto.errors import LocalProtocolError
from dicomproto_transports.blocking import AE, evt


def image(size: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    dataset.PixelData = bytes(size)
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def test_a_stream_is_whole_although_its_handler_tried_to_release() -> None:
    lengths: list[int] = []

    def handler(event: evt.Event) -> int:
        chunks = iter(event.chunks)
        lengths.append(len(next(chunks)))
        with pytest.raises(LocalProtocolError, match="read event.chunks to the end first"):
            event.assoc.release()
        lengths.extend(len(chunk) for chunk in chunks)
        return 0x0000

    scp = AE("SCP")
    scp.maximum_pdu_size = 4096  # many chunks in each read
    scp.add_supported_context(CTImageStorage)
    scu = AE("SCU")
    scu.add_requested_context(CTImageStorage)
    handlers = [(evt.EVT_C_STORE_STREAM, handler)]
    with scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        with scu.associate("127.0.0.1", server.port) as assoc:
            assert assoc.send_c_store(image(500_000)).Status == 0x0000
    assert sum(lengths) > 500_000
