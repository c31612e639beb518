"""The versions of pynetdicom and of the standard that the drop-in stands in for."""

from __future__ import annotations

__version__ = "3.0.4"
"""The version of pynetdicom whose names and manners these are."""

__dicom_version__ = "2025b"
"""The edition of the DICOM standard that its tables follow."""
