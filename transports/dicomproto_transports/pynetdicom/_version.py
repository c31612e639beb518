"""The version of pynetdicom that the drop-in stands in for, and the UIDs of the implementation.

What is announced to peers and written to files names this package, not pynetdicom.
"""

from __future__ import annotations

from pydicom.uid import UID

from dicomproto.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

__version__ = "3.0.4"
"""The version of pynetdicom whose names and manners these are."""

__dicom_version__ = "2025b"
"""The edition of the DICOM standard that its tables follow."""

PYNETDICOM_UID_PREFIX = "1.2.826.0.1.3680043.9.3811."
"""The root of pynetdicom's own UIDs, from which programs make theirs."""

PYNETDICOM_IMPLEMENTATION_UID: UID = UID(IMPLEMENTATION_CLASS_UID)
"""The implementation class UID that is announced."""

PYNETDICOM_IMPLEMENTATION_VERSION: str = IMPLEMENTATION_VERSION_NAME
"""The implementation version name that is announced."""
