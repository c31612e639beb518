"""The identifier of a query: from a file, if one is given, and the keys of the command line over it."""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXEL_DATA = 0x7FE0_0008  # from here on nothing is a key


def add_identifier(parser: ArgumentParser) -> None:
    """Add `-k` and `-f`."""
    group = parser.add_argument_group("query options")
    group.add_argument(
        "-k", "--keyword", "--key", dest="keys", action="append", default=[], metavar="KEY",
        help="a key to match or to return: PatientName=CITIZEN*, (0010,0010)=CITIZEN*, StudyDate (any"
        " value), ScheduledProcedureStepSequence[0].Modality=CT; may be repeated, and goes before -f",
    )  # fmt: skip
    group.add_argument(
        "-f", "--file", metavar="FILE", help="DICOM or DICOM JSON file whose elements are the keys"
    )


def identifier_of(options: Namespace) -> Dataset:
    """Return the identifier that the options ask for; raises ArgumentTypeError, which names the option."""
    from pydicom.dataset import Dataset

    from ._characters import settle_characters
    from ._keys import InvalidKey, apply_key

    if not options.keys and options.file is None:
        raise ArgumentTypeError("what to look for must be said with -k or -f")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's quote values
        identifier = Dataset() if options.file is None else read_identifier(options.file)
    for key in options.keys:
        try:
            apply_key(identifier, key)
        except InvalidKey as error:
            raise ArgumentTypeError(f"argument -k: {error}") from None
    settle_characters(identifier)
    return identifier


def read_identifier(path: str) -> Dataset:
    """Return the elements of a DICOM or DICOM JSON file that may be keys; raises ArgumentTypeError."""
    from ._characters import decode_text

    try:
        with open(path, "rb") as file:
            head = file.read(132)
            file.seek(0)
            is_json = head.lstrip()[:1] in (b"{", b"[")
            dataset = _from_json(file) if is_json else _from_dicom(file, head)
            decode_text(dataset)
    except OSError as error:
        raise ArgumentTypeError(f"argument -f: {path}: {error.strerror or error}") from None
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"argument -f: {path}: {error}") from None
    except Exception as error:  # whatever a file of another kind makes pydicom raise
        raise ArgumentTypeError(
            f"argument -f: {path} is neither a DICOM file nor DICOM JSON ({type(error).__name__})"
        ) from None
    for tag in list(dataset.keys()):
        if tag >= _PIXEL_DATA or tag.group in (0x0000, 0x0002):
            del dataset[tag]
    return dataset


def _from_json(file: BinaryIO) -> Dataset:
    import json

    from pydicom.dataset import Dataset

    content = json.load(file)
    if isinstance(content, list):
        if len(content) != 1:
            raise ArgumentTypeError(f"an identifier is one data set, not {len(content)}")
        (content,) = content
    return Dataset.from_json(content, bulk_data_uri_handler=lambda tag, vr, uri: None)


def _from_dicom(file: BinaryIO, head: bytes) -> Dataset:
    from pydicom import dcmread

    # Without a preamble pydicom takes anything for a data set; one begins in group 0002 or 0008.
    is_bare = head[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08")
    return dcmread(file, force=is_bare, stop_before_pixels=True)
