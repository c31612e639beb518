"""Sends a folder of files over one association, with the contexts that the files need."""

import sys
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import MRImageStorage
from pynetdicom import AE, build_context, evt
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ

folder = Path("instances")
Path(folder, "notes.txt").write_text("no image")
second = dcmread("CT.dcm")
second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6"
second.save_as(folder / "2.dcm")
third = dcmread("CT.dcm")
third.SOPClassUID = third.file_meta.MediaStorageSOPClassUID = MRImageStorage
third.SOPInstanceUID = third.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.7"
third.save_as(folder / "3.dcm")

contexts, files = {}, []
for path in sorted(folder.iterdir()):
    try:
        ds = dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        print("not sent", path.name)
        continue
    contexts.setdefault(ds.SOPClassUID, set()).add(ds.file_meta.TransferSyntaxUID)
    files.append(path)
requested = [build_context(uid, sorted(syntaxes)) for uid, syntaxes in sorted(contexts.items())]

sizes, lost = [], False
ae = AE("FOLDERS")
assoc = ae.associate(
    "127.0.0.1",
    int(sys.argv[1]),
    contexts=requested,
    evt_handlers=[(evt.EVT_PDU_SENT, lambda event: sizes.append(isinstance(event.pdu, A_ASSOCIATE_RQ)))],
)
results = {"sent": 0, "failed": 0, "refused": 0}
if assoc.is_established:
    for number, path in enumerate(files, 1):
        if lost:
            results["failed"] += 1
            continue
        try:
            status = assoc.send_c_store(path if number % 2 else dcmread(path), msg_id=number)
        except ValueError as error:
            print(error)
            results["refused"] += 1
            continue
        lost = not status
        results["sent" if status and status.Status == 0 else "failed"] += 1
    if lost:
        sys.exit(f"lost after {results}")
    missing = dcmread(files[0])
    del missing.SOPInstanceUID
    try:
        assoc.send_c_store(missing)
    except (AttributeError, ValueError, RuntimeError) as error:
        print(type(error).__name__)
    try:
        assoc.send_c_store("nowhere.dcm")
    except (OSError, RuntimeError) as error:
        print(type(error).__name__)
    assoc.release()
else:
    print("no association", assoc.is_rejected, assoc.is_aborted)
print(results, sizes[:1], sizes[-1:])
print(len(encode(second, True, True)) > 1000, encode(Dataset(), True, True))
