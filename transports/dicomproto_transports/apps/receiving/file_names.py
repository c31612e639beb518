"""The file names of received objects. A peer chooses UIDs; it must never choose paths."""

from __future__ import annotations

from hashlib import sha256

PREFIXES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CTE",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MRE",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.6.2": "USE",
    "1.2.840.10008.5.1.4.1.1.7": "SC",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.12.1.1": "XAE",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PTE",
    "1.2.840.10008.5.1.4.1.1.481.1": "RI",
    "1.2.840.10008.5.1.4.1.1.481.2": "RD",
    "1.2.840.10008.5.1.4.1.1.481.3": "RS",
    "1.2.840.10008.5.1.4.1.1.481.5": "RP",
}
"""The name prefix of each SOP class. They are those of pynetdicom's `storescp`, on which scripts rely."""

OTHER = "UN"
"""The prefix of every other SOP class."""

ALL_PREFIXES = (*sorted(PREFIXES.values()), OTHER)


def stem(sop_instance_uid: str) -> str:
    """Return the part of a file name that stands for a SOP Instance UID.

    It is the UID itself if that has numbers and single dots only, and at most 64 characters (leading zeros
    are tolerated). Other UIDs are hashed, so that different UIDs have different names.
    """
    parts = sop_instance_uid.split(".")
    if len(sop_instance_uid) <= 64 and all(part.isascii() and part.isdigit() for part in parts):
        return sop_instance_uid
    return "sha256-" + sha256(sop_instance_uid.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def file_name(sop_class_uid: str, sop_instance_uid: str) -> str:
    """Return `<prefix>.<SOP Instance UID>`, safe as a single path component."""
    return f"{PREFIXES.get(sop_class_uid, OTHER)}.{stem(sop_instance_uid)}"
