"""Many objects, with several operations outstanding, over blocking sockets."""

from __future__ import annotations

from pathlib import Path

from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage, MRImageStorage

from dicomproto import AsynchronousOperationsWindow
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"
IMAGES = [CTImageStorage, MRImageStorage]
FILES = "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm"


# [provider]
def agree(event):
    return min(event.nr_invoked or 8, 8), 1


def discard(event):  # a product would store the object
    return 0x0000


HANDLERS = [
    (evt.EVT_ASYNC_OPS, agree),
    (evt.EVT_C_STORE, discard),
]


# [user]
WINDOW = AsynchronousOperationsWindow(
    maximum_invoked=4,
    maximum_performed=1,
)


def send(assoc, paths):
    agreed = assoc.acceptor.asynchronous_operations
    print(agreed.maximum_invoked, "may be under way")

    with assoc.store_many(paths) as outcomes:
        for outcome in outcomes:
            name = Path(outcome.item).name
            if outcome.error is not None:
                print(name, type(outcome.error).__name__)
            else:
                status = outcome.response.Status
                print(name, f"{status:04X}")


# [together]
def main():
    archive = AE(ae_title="ARCHIVE")
    for uid in IMAGES:
        archive.add_supported_context(uid)
    modality = AE(ae_title="MODALITY")
    paths = [get_testdata_file(name) for name in FILES]

    with (
        archive.start_server(
            (HOST, 0),
            block=False,
            evt_handlers=HANDLERS,
        ) as server,
        modality.associate(
            HOST,
            server.port,
            contexts=IMAGES,
            ext_neg=[WINDOW],
        ) as assoc,
    ):
        send(assoc, [*paths, "missing.dcm"])


main()
