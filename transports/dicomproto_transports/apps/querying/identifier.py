"""The identifier of a query: the elements of a file, if one is given, and the keys of the command line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from codecs import BOM_UTF8
from struct import unpack_from
from typing import TYPE_CHECKING, BinaryIO

from dicomproto.errors import DataSetError, DataSetTooLarge
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXEL_DATA = 0x7FE0_0008  # this element and those after it are not keys
_META_GROUP = b"\x02\x00"
_UNDEFINED = 0xFFFF_FFFF
_BARE = {EXPLICIT_VR_LITTLE_ENDIAN: "<", EXPLICIT_VR_BIG_ENDIAN: ">", IMPLICIT_VR_LITTLE_ENDIAN: "<"}


def add_identifier(parser: ArgumentParser) -> None:
    """Add `-k` and `-f`."""
    group = parser.add_argument_group("query options")
    group.add_argument(
        "-k", "--keyword", "--key", dest="keys", action="append", default=[], metavar="KEY",
        help="a key to match or to return: PatientName=CITIZEN*, (0010,0010)=CITIZEN*, StudyDate (any"
        " value), ScheduledProcedureStepSequence[0].Modality=CT; may be repeated, and overrides -f",
    )  # fmt: skip
    group.add_argument(
        "-f", "--file", metavar="FILE", help="DICOM or DICOM JSON file whose elements are the keys"
    )


def identifier_of(options: Namespace) -> Dataset:
    """Return the identifier for `-k` and `-f`; raises ArgumentTypeError, which names the option."""
    from pydicom.dataset import Dataset

    from dicomproto.quiet import Quiet

    from .characters import settle_characters
    from .keys import InvalidKey, apply_key, names_creator

    if not options.keys and options.file is None:
        raise ArgumentTypeError("-k or -f is needed: the keys of the query")
    with Quiet():
        identifier = Dataset() if options.file is None else read_identifier(options.file)
    for key in sorted(options.keys, key=names_creator, reverse=True):
        try:
            apply_key(identifier, key)
        except InvalidKey as error:
            raise ArgumentTypeError(f"argument -k: {error}") from None
    settle_characters(identifier)
    return identifier


def read_identifier(path: str) -> Dataset:
    """Return the possible keys in a DICOM or DICOM JSON file; raises ArgumentTypeError."""
    from ...files.part10 import InvalidFile
    from .characters import decode_text

    try:
        with open(path, "rb") as file:
            head = file.read(132)
            file.seek(0)
            is_json = head.removeprefix(BOM_UTF8).lstrip()[:1] in (b"{", b"[")
            dataset = _from_json(file) if is_json else _from_dicom(file, head)
            decode_text(dataset)
    except OSError as error:
        raise ArgumentTypeError(f"argument -f: {path}: {error.strerror or error}") from None
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"argument -f: {path}: {error}") from None
    except (RecursionError, DataSetTooLarge):
        raise ArgumentTypeError(f"argument -f: {path}: its sequences are nested too deeply") from None
    except (DataSetError, InvalidFile) as error:
        reason = error.reason if isinstance(error, InvalidFile) else error
        raise ArgumentTypeError(f"argument -f: {path}: {reason}") from None
    except Exception as error:  # pydicom raises many kinds for a file of another format
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
    from pydicom.errors import InvalidDicomError

    from dicomproto.datasets import decode_data_set

    from ...files.part10 import find_data_set

    data = file.read()
    if head[:2] == _META_GROUP or head[128:132] == b"DICM":
        syntax, offset = find_data_set(data)
        return decode_data_set(memoryview(data)[offset:], syntax, file_meta=False)
    bare = _syntax_of(data)
    if bare is None:
        raise InvalidDicomError
    return decode_data_set(data, bare, file_meta=False)


def _syntax_of(data: bytes) -> str | None:
    """Guess the transfer syntax of a bare data set from its first element; None if it is not one."""
    from pydicom.datadict import dictionary_has_tag
    from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

    for syntax, order in _BARE.items():
        group, number, length = unpack_from(f"{order}HHI", data.ljust(12, b"\0"))
        vr, start = data[4:6].decode("latin-1"), 8
        if syntax != IMPLICIT_VR_LITTLE_ENDIAN:
            if vr in EXPLICIT_VR_LENGTH_32:
                (length,), start = unpack_from(f"{order}I", data.ljust(12, b"\0"), 8), 12
            elif vr in EXPLICIT_VR_LENGTH_16:
                (length,) = unpack_from(f"{order}H", data, 6)
            else:
                continue
        is_known = group % 2 or number == 0 or dictionary_has_tag(group << 16 | number)
        fits = length == _UNDEFINED or start + length <= len(data)
        if group >= 8 and is_known and fits:
            return syntax
    return None
