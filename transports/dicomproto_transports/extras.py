"""The error for a library that is not installed, with the command that installs it."""

from __future__ import annotations


def missing_extra(user: str, extra: str, error: ImportError) -> ImportError:
    """Return the error to raise in place of `error`, which the import of the library of an extra raised.

    If the library is installed and itself lacks something, its own error stays.
    """
    if error.name != extra:
        return error
    text = f"{user} needs {extra}, which is not installed: pip install 'dicomproto[{extra}]'"
    return ModuleNotFoundError(text, name=extra)
