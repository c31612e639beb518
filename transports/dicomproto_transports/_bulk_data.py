"""Objects as Composite Instance Retrieve Without Bulk Data sends them (PS3.4 Z.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ._results import copied

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
"""Audio Sample Data, Curve Data, Overlay Data: groups 50xx and 60xx."""


def without_bulk_data(item: object) -> Dataset:
    """Return a data set, or the one in a file, without the attributes that PS3.4 Z.1.3 leaves out."""
    dataset = cast("Dataset", item) if hasattr(item, "to_json_dict") else _read(item)
    light = copied(dataset)
    for keyword in _BULK_DATA:
        if keyword in light:
            del light[keyword]
    for tag in list(light.keys()):
        if any(tag.group & 0xFF00 == group and tag.element == element for group, element in _REPEATING):
            del light[tag]
    if "WaveformSequence" in light:
        light.WaveformSequence = [_without_waveform(item) for item in light.WaveformSequence]
    return light


def _without_waveform(item: Dataset) -> Dataset:
    light = copied(item)
    if "WaveformData" in light:
        del light.WaveformData
    return light


def _read(item: object) -> Dataset:
    from pydicom import dcmread

    return dcmread(getattr(item, "path", item))  # type: ignore[arg-type]
