"""The error for pynetdicom's private parts."""

from __future__ import annotations


def not_imitated(module: str, way: str) -> ImportError:
    """Return the error of a module that is not imitated; `way` is the public way."""
    name = module.rpartition(".")[2]
    text = f"pynetdicom.{name} is an internal part of pynetdicom and has no counterpart; use {way}"
    return ImportError(text, name=module)
