"""The questions of a walk to the data dictionary (PS3.6), which is loaded at the first one."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(256)
def is_known_sequence(tag: int) -> bool:
    """Tell whether an element is a sequence in the data dictionary."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


def familiarity(tag: int) -> int:
    """Return 2 for a tag or group length of the data dictionary, 1 for a curve or overlay, else 0."""
    from pydicom.datadict import dictionary_has_tag, repeater_has_tag

    if dictionary_has_tag(tag) if tag & 0xFFFF else has_group(tag >> 16):
        return 2
    return int(tag >> 24 in (0x50, 0x60) and repeater_has_tag(tag))


def has_group(group: int) -> bool:
    """Tell whether the data dictionary has tags of `group`."""
    return group in _groups()


@lru_cache(1)
def _groups() -> frozenset[int]:
    from pydicom._dicom_dict import DicomDictionary

    return frozenset(tag >> 16 for tag in DicomDictionary)
