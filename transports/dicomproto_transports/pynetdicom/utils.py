"""Checks of AE titles and UIDs, and texts for logs, as in pynetdicom's `utils`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from io import BytesIO
from typing import TypeVar

from pydicom.config import IGNORE
from pydicom.uid import UID

from dicomproto.uids import normalize_uid

from . import _config

LOGGER = logging.getLogger("pynetdicom.utils")

_T = TypeVar("_T")


def decode_bytes(encoded_value: bytes) -> str:
    """Return text in ASCII, or in one of `_config.CODECS`, of which only the ASCII characters are kept.

    Raises ValueError if no codec fits.
    """
    others = [codec for codec in _config.CODECS if codec not in ("ascii", "646", "us-ascii")]
    for codec in ("ascii", *others):
        try:
            text = encoded_value.decode(codec)
        except UnicodeError as error:
            LOGGER.exception(error)
        else:
            return text.encode("ascii", errors="ignore").decode("ascii")
    shown = encoded_value.hex(" ").upper()
    raise ValueError(f"Unable to decode '{shown}' using the {', '.join(('ascii', *others))} codec(s)")


def received_title(title: str) -> str | None:
    """Return an AE title that a peer sent, read with `_config.CODECS`; None if none of them fits."""
    if title.isascii():
        return title
    try:
        return decode_bytes(title.encode("latin-1")).strip()  # the library reads titles as Latin-1
    except ValueError:
        return None


def make_target(target_fn: Callable[[], _T]) -> Callable[[], _T]:
    """Return a function for a thread; with `_config.PASS_CONTEXTVARS` it has the caller's context."""
    if not _config.PASS_CONTEXTVARS:
        return target_fn
    context = copy_context()
    return lambda: context.run(target_fn)


def pretty_bytes(
    bytestream: bytes | BytesIO,
    prefix: str = "  ",
    delimiter: str = "  ",
    items_per_line: int = 16,
    max_size: int | None = 512,
    suffix: str = "",
) -> list[str]:
    """Return lines of hexadecimal digits, of at most `max_size` bytes."""
    data = bytestream.getvalue() if isinstance(bytestream, BytesIO) else bytestream
    lines: list[str] = []
    for start in range(0, len(data), items_per_line):
        chunk = data[start : start + items_per_line]
        if max_size is not None and start + len(chunk) > max_size:
            return [f"{prefix}Only dumping {max_size} bytes.", *lines]
        lines.append(prefix + delimiter.join(f"{byte:02x}" for byte in chunk) + suffix)
    return lines


def set_ae(value: str | None, name: str, allow_empty: bool = True, allow_none: bool = True) -> str | None:
    """Return an AE title that may be set, as it is; `name` is for the error.

    Raises TypeError, or ValueError for a title that `_config.VALIDATORS` refuses.
    """
    if value is None and allow_none:
        return None
    if not isinstance(value, str):
        expected = "str or None" if allow_none else "str"
        raise TypeError(f"'{name}' must be {expected}, not '{type(value).__name__}'")
    if not allow_empty and not value.strip():
        reason = "must not consist entirely of spaces" if value else "must not be an empty str"
        raise _refused(f"Invalid '{name}' value - {reason}")
    if value:
        good, reason = _config.VALIDATORS["AE"](value)
        if not good:
            raise _refused(f"Invalid '{name}' value '{value}' - {reason}")
    return value


def set_uid(
    value: str | bytes | UID | None,
    name: str,
    allow_empty: bool = True,
    allow_none: bool = True,
    validate: bool = True,
) -> UID | None:
    """Return a UID that may be set; `name` is for the error.

    Raises TypeError, or ValueError for a UID that `_config.VALIDATORS` refuses.
    """
    if value is None and allow_none:
        return None
    if isinstance(value, bytes):
        value = decode_bytes(value)
    if not isinstance(value, str):
        expected = "str, bytes, UID or None" if allow_none else "str, bytes or UID"
        raise TypeError(f"'{name}' must be {expected}, not '{type(value).__name__}'")
    uid = UID(value)
    if not uid and not allow_empty:
        raise ValueError(f"Invalid '{name}' value - must not be an empty str")
    if uid and validate:
        good, reason = _config.VALIDATORS["UI"](uid)
        if not good:
            raise _refused(f"Invalid '{name}' value '{uid}' - {reason}")
        if not uid.is_valid:
            LOGGER.warning("Non-conformant '%s' value '%s'", name, uid)
    return uid


def received_uid(text: str) -> UID:
    """Return a UID that a peer sent, without padding; it is not judged, so pydicom does not warn of it."""
    return UID(normalize_uid(text), IGNORE)


def _refused(text: str) -> ValueError:
    LOGGER.error(text)
    return ValueError(text)


@contextmanager
def set_timer_resolution(resolution: float | None) -> Iterator[None]:
    """Do nothing: no wait of this package depends on the resolution of timers."""
    yield


def validate_uid(uid: UID) -> bool:
    """Tell whether a UID is allowed, as strictly as `_config.ENFORCE_UID_CONFORMANCE` says."""
    return uid.is_valid if _config.ENFORCE_UID_CONFORMANCE else 0 < len(uid) < 65
