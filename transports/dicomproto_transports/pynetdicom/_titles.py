"""AE titles that programs set."""

from __future__ import annotations

import warnings

from .utils import decode_bytes, set_ae


def titles_of(name: str, values: list[str]) -> list[str]:
    """Return AE titles, judged as `title_of` does; one warning for all that are bytes."""
    given: list[str | bytes] = [*values]
    if any(isinstance(value, bytes) for value in given):
        text = f"The use of a list of bytes with '{name}' is deprecated, use a list of ASCII str instead"
        warnings.warn(text, DeprecationWarning, stacklevel=3)
    return [title_of(name, decode_bytes(value) if isinstance(value, bytes) else value) for value in given]


def title_of(name: str, value: str | bytes) -> str:
    """Return an AE title, judged; bytes give a DeprecationWarning. Raises TypeError and ValueError."""
    if isinstance(value, bytes):
        text = f"The use of bytes with '{name}' is deprecated, use an ASCII str instead"
        warnings.warn(text, DeprecationWarning, stacklevel=3)
        value = decode_bytes(value)
    title = set_ae(value, name, False, False)
    assert title is not None
    return title
