"""The objects that are sent: CT images of a given size, each with its own SOP Instance UID."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_objects(folder: Path, size: int, count: int) -> None:
    """Write `count` CT images of about `size` bytes to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = 256
    columns = max(size // 2 // rows, 1)
    study, series = generate_uid(), generate_uid()
    for number in range(count):
        image = Dataset()
        image.SOPClassUID = CTImageStorage
        image.SOPInstanceUID = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.PatientName, image.PatientID = "Benchmark^Object", "BENCH"
        image.Modality, image.InstanceNumber = "CT", number
        # No field for rows and columns is wide enough for the largest; frames are.
        image.NumberOfFrames = max(columns // 256, 1)
        image.Rows, image.Columns = rows, min(columns, 256)
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        pixels = int(image.NumberOfFrames) * image.Rows * image.Columns
        image.PixelData = bytes(2 * pixels)
        image["PixelData"].VR = "OW"
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)
