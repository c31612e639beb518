"""Objects without bulk data, for Composite Instance Retrieve Without Bulk Data (PS3.4 Z.1.3)."""

from __future__ import annotations

from collections.abc import Container
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO, cast

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN

from .objects import KnownFile, prepare

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BULK_DATA = (
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelDataProviderURL",
    "SpectroscopyData",
    "EncapsulatedDocument",
)

_REPEATING = ((0x5000, 0x200C), (0x5000, 0x3000), (0x6000, 0x3000))
"""Audio Sample Data, Curve Data and Overlay Data, of groups 50xx and 60xx."""


_MOST_READ = 1024 * 1024
"""Bytes; a larger value in a file is read only if it is sent."""


def without_bulk_data(item: object, accepted: Container[tuple[str, str]]) -> Dataset:
    """Return a data set, or that of a file, without the attributes that PS3.4 Z.1.3 excludes.

    `accepted` are the accepted SOP classes and transfer syntaxes. If the compressed transfer syntax of the
    object is not among them, the data set without its pixel data is sent in a native one.
    """
    from dicomproto.quiet import Quiet

    with Quiet():
        return _without_bulk_data(item, accepted)


def _without_bulk_data(item: object, accepted: Container[tuple[str, str]]) -> Dataset:
    light = copied(cast("Dataset", item)) if hasattr(item, "to_json_dict") else _read(item)
    for keyword in _BULK_DATA:
        if keyword in light:
            del light[keyword]
    for tag in list(light.keys()):
        if any(tag.group & 0xFF00 == group and tag.element == element for group, element in _REPEATING):
            del light[tag]
    if "WaveformSequence" in light:
        light.WaveformSequence = [_without_waveform(item) for item in light.WaveformSequence]
    _settle_syntax(light, accepted)
    return light


def _settle_syntax(light: Dataset, accepted: Container[tuple[str, str]]) -> None:
    """Declare a native transfer syntax, if that of the excluded pixel data was not accepted."""
    from pydicom.uid import UID

    syntax = (getattr(light, "file_meta", None) or {}).get("TransferSyntaxUID")
    if not syntax or (str(light.get("SOPClassUID")), str(syntax)) in accepted:
        return
    has_compressed_icon = any("PixelData" in icon for icon in light.get("IconImageSequence") or ())
    if syntax.is_transfer_syntax and syntax.is_encapsulated and not has_compressed_icon:
        light.file_meta = copied(light.file_meta)  # type: ignore[assignment]
        light.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)


def _without_waveform(item: Dataset) -> Dataset:
    light = copied(item)
    if "WaveformData" in light:
        del light.WaveformData
    return light


def _read(item: object) -> Dataset:
    from pydicom import dcmread

    path = item.path if isinstance(item, KnownFile) else item
    is_path = isinstance(path, str | PathLike)  # then pydicom can read large values later
    file = None if is_path else cast("BinaryIO", item)
    start = 0 if file is None else file.tell()
    # A file that ends early is an error: it would look like one with excluded attributes.
    prepare(cast("BinaryIO", path)).close()
    if file is not None:
        file.seek(start)
    return dcmread(cast("BinaryIO", path), defer_size=_MOST_READ if is_path else None)


def copied(dataset: Dataset) -> Dataset:
    """Return a new data set with the same elements; undecoded ones stay undecoded."""
    from pydicom.dataset import Dataset

    from dicomproto.quiet import Quiet

    with Quiet():  # large values left in a file are read and decoded here
        copy = Dataset({tag: dataset.get_item(tag) for tag in list(dataset.keys())})
    if hasattr(dataset, "file_meta"):
        copy.file_meta = dataset.file_meta
    is_implicit_vr, is_little_endian = dataset.original_encoding
    copy.set_original_encoding(is_implicit_vr, is_little_endian, dataset.original_character_set)
    return copy
