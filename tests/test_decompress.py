"""Compressed pixel data becomes native: the pixels are those that pydicom decodes, the rest stays."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder

from dicomproto.datasets import decode_data_set, decompress
from dicomproto.errors import DataSetError
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
RLE, JPEG, JPEG2000, MPEG2 = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.100",
)
COMPRESSED = [
    "MR_small_RLE.dcm", "SC_rgb_rle_16bit_2frame.dcm", "rtdose_rle.dcm", "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_small_odd_jpeg.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPEG2000.dcm",
    "MR_small_jp2klossless.dcm", "GDCMJ2K_TextGBR.dcm", "MR_small_jpeg_ls_lossless.dcm",
]  # fmt: skip


def read(name: str) -> tuple[bytes, Dataset]:
    """Return the bytes of the data set of one of pydicom's files, and what pydicom makes of them."""
    with (FILES / name).open("rb") as file:
        file.seek(132)
        pydicom.filereader._read_file_meta_info(file)
        data = file.read()
    return data, pydicom.dcmread(FILES / name)


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on what is odd about its files
def test_the_pixels_are_those_that_pydicom_decodes(name: str) -> None:
    data, there = read(name)
    encoded = decompress(data, there.file_meta.TransferSyntaxUID)
    assert len(encoded) % 2 == 0
    made = decode_data_set(encoded, EXPLICIT_VR_LITTLE_ENDIAN)
    assert (made.pixel_array == there.pixel_array).all()
    assert made.SOPInstanceUID == there.SOPInstanceUID
    about_pixels = {"PixelData", "PhotometricInterpretation", "PlanarConfiguration"}
    others = [element for element in there if element.keyword not in about_pixels]
    assert [made[element.tag] for element in others] == others


def small(pixels: bytes = b"\0" * 64 + b"\3\0\0\0") -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2", "1.3"
    dataset.Rows = dataset.Columns = 2
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.SamplesPerPixel, dataset.PixelRepresentation = 7, 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = encapsulate([pixels])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


SEGMENT = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x03\x01\x02\x03\x04\x00"
"""Four pixels in RLE (PS3.5 Annex G): one literal run."""


def encoded(dataset: Dataset) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, dataset)
    return stream.getvalue()


def test_an_icon_is_decompressed_too() -> None:
    dataset, icon = small(SEGMENT), small(SEGMENT)
    del icon.SOPClassUID, icon.SOPInstanceUID
    dataset.IconImageSequence = [icon]
    made = decode_data_set(decompress(encoded(dataset), RLE), EXPLICIT_VR_LITTLE_ENDIAN)
    assert made.PixelData == made.IconImageSequence[0].PixelData == b"\1\2\3\4"


def test_without_pixel_data_there_is_nothing_to_decompress() -> None:
    dataset = small()
    del dataset.PixelData
    assert decompress(encoded(dataset), RLE) == encoded(dataset)


@pytest.mark.parametrize("uid", [MPEG2, EXPLICIT_VR_LITTLE_ENDIAN])
def test_a_syntax_that_nobody_decodes_is_named(uid: str) -> None:
    with pytest.raises(DataSetError, match=f"no decoder of pixel data for {pydicom.uid.UID(uid).name}"):
        decompress(encoded(small()), uid)


def test_what_cannot_be_decoded_is_named_without_its_text() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataSetError, match="its pixel data cannot be decompressed: [A-Za-z]+Error$"):
            decompress(encoded(small(b"no image")), JPEG2000)


def test_memory_that_does_not_suffice_is_no_fault_of_the_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def decompress_nothing(self: Dataset, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Dataset, "decompress", decompress_nothing)
    with pytest.raises(MemoryError):
        decompress(encoded(small(SEGMENT)), RLE)


def test_a_decoder_that_lacks_its_libraries_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def decompress_nothing(self: Dataset, **options: object) -> None:
        raise ImportError

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "is_available", False)
        with pytest.raises(DataSetError, match="no decoder of pixel data for RLE Lossless is installed"):
            decompress(encoded(small(SEGMENT)), RLE)
    monkeypatch.setattr(Dataset, "decompress", decompress_nothing)
    with pytest.raises(DataSetError, match="no decoder of pixel data for RLE Lossless is installed"):
        decompress(encoded(small(SEGMENT)), RLE)


DECODERS = ["numpy", "pylibjpeg", "libjpeg", "openjpeg", "rle", "jpeg_ls", "PIL", "gdcm"]


@pytest.mark.parametrize("uid", [RLE, JPEG, JPEG2000])
def test_without_a_decoder_the_extra_is_named(uid: str) -> None:
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({DECODERS!r}))\n"  # makes their import fail
        "from dicomproto.datasets import decompress\n"
        "from dicomproto.errors import DataSetError\n"
        "try:\n"
        f"    decompress({encoded(small(SEGMENT))!r}, {uid!r})\n"
        "except DataSetError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("is installed (pip install 'dicomproto[decompress]')\n")
