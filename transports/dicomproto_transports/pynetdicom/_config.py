"""Switches that act on all application entities of the program, as pynetdicom's `_config` does.

Assign to the names of this module: `_config.ENFORCE_UID_CONFORMANCE = True`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydicom.uid import UID

LOG_HANDLER_LEVEL: str = "standard"
"""The log of associations and messages: "standard", or "none" for warnings and errors only."""

ENFORCE_UID_CONFORMANCE: bool = False
"""Refuse UIDs that PS3.5 does not allow, not only those that are longer than 64 characters."""

USE_SHORT_DIMSE_AET: bool = True
"""Send AE titles in messages without padding; with False they are padded to 16 bytes."""

LOG_RESPONSE_IDENTIFIERS: bool = True
"""Log the identifiers of Pending responses that are received."""

LOG_REQUEST_IDENTIFIERS: bool = True
"""Log the identifiers of C-FIND, C-GET and C-MOVE requests that are received."""

STORE_SEND_CHUNKED_DATASET: bool = False
"""Send files with `send_c_store` as they are, in pieces; a context with exactly their syntax is necessary."""

STORE_RECV_CHUNKED_DATASET: bool = False
"""Write objects that are received to a temporary file, at `event.dataset_path`, instead of to memory."""

PASS_CONTEXTVARS: bool = False
"""Give the context variables of the caller to the threads of associations and servers."""

WINDOWS_TIMER_RESOLUTION: float | None = 1
"""The resolution of timers on Windows, in milliseconds. Nothing here polls, so the value has no effect."""

CODECS: tuple[str, ...] = ("ascii",)
"""The codecs that decode AE titles, UIDs and version names of the peer, in order."""

UNRESTRICTED_STORAGE_SERVICE: bool = False
"""Accept contexts with private or unknown abstract syntaxes, and all of storage, as Storage SCP."""


def validate_ae(value: Any) -> tuple[bool, str]:
    """Tell whether a value is an AE title (PS3.5 6.2), and why not."""
    if not isinstance(value, str):
        return False, "must be str"
    if len(value) > 16:
        return False, "must not exceed 16 characters"
    if not value.isascii():
        return False, "must only contain ASCII characters"
    if "\\" in value or not (value.isprintable() or not value):
        return False, "must not contain control characters or backslashes"
    return True, ""


def validate_ui(value: Any) -> tuple[bool, str]:
    """Tell whether a value is a UID, as strictly as `ENFORCE_UID_CONFORMANCE` says, and why not."""
    if not isinstance(value, str):
        return False, "must be pydicom.uid.UID"
    uid = UID(value)
    if ENFORCE_UID_CONFORMANCE:
        return (True, "") if uid.is_valid else (False, "UID is non-conformant")
    if not uid:
        return False, "must not be an empty str"
    return (True, "") if len(uid) <= 64 else (False, "must not exceed 64 characters")


VALIDATORS: dict[str, Callable[[Any], tuple[bool, str]]] = {"AE": validate_ae, "UI": validate_ui}
"""The judges of AE titles and UIDs: each takes a value, and returns whether it is good, and why not."""
