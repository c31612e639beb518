"""What is not installed, named with the command that installs it."""

from __future__ import annotations


def missing_extra(user: str, extra: str, error: ImportError) -> ImportError:
    """Return what to raise in place of `error`, which the import of the library named as its extra raised.

    A library that is there and lacks something itself keeps its own error.
    """
    if error.name != extra:
        return error
    text = f"{user} needs {extra}, which is not installed: pip install 'dicomproto[{extra}]'"
    return ModuleNotFoundError(text, name=extra)
