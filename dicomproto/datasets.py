"""The bridge to pydicom: data sets are encoded, decoded, and converted from one encoding to another.

pydicom does not swap the bytes of OW, so `encode_data_set` writes in the byte order of the data set, and
converts the result.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from pydicom.charset import python_encoding
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from .encoding.bounds import DECODED_BOUNDS, Bounds
from .encoding.characters import EXTENDED_VRS, UTF_8, are_known, is_lost, without_left_escapes
from .encoding.conversion import MAXIMUM_DEPTH, convert
from .encoding.decoding import Built, build_dataset
from .encoding.deflated import INFLATE_LIMIT, deflate, inflate
from .encoding.encoder import Encoder
from .encoding.headers import PIXEL_DATA, UNDEFINED
from .encoding.scope import SPECIFIC_CHARACTER_SET, shown_names
from .encoding.stored import items_of, no_data_set, stored, values_of, vr_of_raw
from .errors import DataSetError
from .quiet import Quiet
from .uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    normalize_uid,
)
from .upper_layer.pdu import Buffer

__all__ = [
    "MAXIMUM_DEPTH",
    "convert",
    "decode_data_set",
    "decode_noting_text",
    "decompress",
    "encode_data_set",
    "name_character_set",
    "use_utf_8",
]


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def _listed(tags: Iterable[BaseTag]) -> str:
    first, *others = tags
    return f"element {first}" + (f" and {len(others)} more" if others else "")


def encode_data_set(
    dataset: Dataset, transfer_syntax: str, *, on_warning: Callable[[str], object] = _warn
) -> bytes:
    """Return `dataset` encoded in `transfer_syntax`, without groups 0000 and 0002, odd values padded.

    Text that a program set must be in the named character sets; text that was read stays as it came.
    `on_warning` is called once if text that was read is in none of the named character sets, or if it was
    read without one and is now encoded in one that was named since. Text that a program set in place of read
    text counts as read, person names excepted. An element of a cut file is refused if nobody has looked at
    it.

    Compressed pixel data cannot be encoded in another syntax, nor native pixel data in a compressed one. The
    values of OW elements count as in the byte order in which the data set was read. For a data set made in
    memory this is Little Endian, unless its `file_meta` says Big Endian. Raises DataSetError, which names the
    element.
    """
    if not isinstance(dataset, Dataset):
        raise no_data_set(dataset, "encode_data_set")
    transfer_syntax = normalize_uid(transfer_syntax)
    target = _syntax(transfer_syntax)
    with Quiet():
        source = _uid((getattr(dataset, "file_meta", None) or {}).get("TransferSyntaxUID", ""))
        _check_pixel_data(dataset, source, target)
        little_endian = _is_little_endian(dataset, source)
        same_order = little_endian == target.is_little_endian
        is_explicit = not (target.is_implicit_VR and same_order)
        encoder = Encoder(
            target.name,
            is_explicit=is_explicit,
            is_little_endian=little_endian,
            is_converted=not same_order,
        )
        encoded = encoder.data_set(dataset)
    if encoder.unnamed:
        on_warning(
            f"{_listed(encoder.unnamed)} has text that is not ASCII and leaves as it was read, or was set"
            " over what was read, for no known character set that has it is named (SpecificCharacterSet)"
        )
    if encoder.assumed:
        on_warning(
            f"{_listed(encoder.assumed)} has text that is not ASCII and was read without a character set; it"
            " was encoded anew as if it had been Latin-1 (see dicomproto.text.assume_character_set)"
        )
    if not same_order:
        written = EXPLICIT_VR_LITTLE_ENDIAN if little_endian else EXPLICIT_VR_BIG_ENDIAN
        return convert(encoded, written, transfer_syntax)
    return deflate(encoded) if target.is_deflated else encoded


def decode_data_set(
    data: Buffer,
    transfer_syntax: str,
    *,
    inflate_limit: int = INFLATE_LIMIT,
    file_meta: bool = True,
    bounds: Bounds = DECODED_BOUNDS,
) -> Dataset:
    """Return `data` as a pydicom Dataset; its `file_meta`, if asked for, names the transfer syntax.

    Raises DataSetError if `data` is cut or cannot be followed, and DataSetTooLarge if it exceeds `bounds`, or
    `inflate_limit` bytes after inflating. Values are decoded at their first use, and may then raise any
    exception of pydicom.
    """
    dataset = decode_noting_text(data, transfer_syntax, inflate_limit=inflate_limit, bounds=bounds).dataset
    if file_meta:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = _syntax(normalize_uid(transfer_syntax))
    return dataset


def decode_noting_text(
    data: Buffer,
    transfer_syntax: str,
    *,
    inflate_limit: int = INFLATE_LIMIT,
    bounds: Bounds = DECODED_BOUNDS,
) -> Built:
    """Do as `decode_data_set`, without `file_meta`, and return which elements need a character set."""
    transfer_syntax = normalize_uid(transfer_syntax)
    syntax = _syntax(transfer_syntax)
    if syntax.is_deflated:
        data = inflate(data, inflate_limit)
    explicit, little_endian = not syntax.is_implicit_VR, syntax.is_little_endian
    try:
        with Quiet():
            return build_dataset(data, is_explicit=explicit, is_little_endian=little_endian, bounds=bounds)
    except DataSetError:
        raise
    except Exception as error:  # a character set may make pydicom raise anything
        raise DataSetError(f"the data set cannot be decoded as {syntax.name}: {_summary(error)}") from None


def name_character_set(dataset: Dataset) -> None:
    """Name UTF-8 as the character set of a program's data set, if it names none and its text needs one.

    Raises DataSetError if not all text can be encoded, or if the named character set does not exist.
    """
    if not isinstance(dataset, Dataset):
        raise no_data_set(dataset, "name_character_set")
    if SPECIFIC_CHARACTER_SET not in dataset and not all(map(str.isascii, _texts(dataset))):
        dataset.SpecificCharacterSet = UTF_8
    encode_data_set(dataset, IMPLICIT_VR_LITTLE_ENDIAN, on_warning=_ignore)
    _check_names(dataset)


def _texts(dataset: Dataset) -> Iterator[str]:
    """Yield the text in the character set of a data set, without items that name one of their own."""
    for tag in list(dataset.keys()):
        element = stored(dataset, tag)
        if element.is_raw:
            continue
        value = element.value
        if element.VR in EXTENDED_VRS:
            values = value if isinstance(value, (list, tuple, MultiValue)) else [value]
            yield from (str(one) for one in values if isinstance(one, (str, PersonName)))
        for item in items_of(element):
            if SPECIFIC_CHARACTER_SET not in item:
                yield from _texts(item)


def _check_names(dataset: Dataset) -> None:
    names = values_of(dataset, SPECIFIC_CHARACTER_SET)
    if names and not are_known(names):
        raise DataSetError(f"there is no character set {shown_names(names)!r} (SpecificCharacterSet)")
    for tag in list(dataset.keys()):
        for item in items_of(stored(dataset, tag)):
            _check_names(item)


def _ignore(_: str) -> None:
    pass


def use_utf_8(dataset: Dataset) -> None:
    """Decode the text of a data set and of its items in place, so that it will be encoded in UTF-8.

    Then data sets in different character sets can be merged, as after N-CREATE and N-SET (PS3.4 F.7.2.2.3,
    CC.2.6.3). Specific Character Set becomes UTF-8, or absent if all text is ASCII. Text without a character
    set counts as Latin-1. Raises DataSetError if a value cannot be read, or if text is not in its character
    set; the data set may then be changed in part.
    """
    if not isinstance(dataset, Dataset):
        raise no_data_set(dataset, "use_utf_8")
    texts: list[str] = []
    names: set[str] = set()
    try:
        with Quiet():
            _read_all(dataset, texts, names)
    except Exception as error:  # bytes that are not valid for their VR may make pydicom raise anything
        raise DataSetError(f"the data set has a value that cannot be read: {_summary(error)}") from None
    text = "".join(texts)
    if text.isascii() and not is_lost(text):
        return
    if is_lost(text) or not names <= python_encoding.keys():
        raise DataSetError("the data set has text that is not in its character set")
    dataset.SpecificCharacterSet = UTF_8


def _read_all(dataset: Dataset, texts: list[str], names: set[str]) -> None:
    """Let pydicom decode all elements; collect the text, and remove the names of character sets."""
    for tag in sorted(dataset.keys()):
        raw = stored(dataset, tag)
        vr = vr_of_raw(raw, dataset) if isinstance(raw, RawDataElement) else raw.VR
        element = dataset[tag]
        if vr in ("DS", "IS") and isinstance(element.value, str) and element.value:
            raise ValueError(str(tag))  # pydicom keeps the text of IS and DS that is not a number
        if tag == SPECIFIC_CHARACTER_SET:
            names.update(values_of(dataset, tag))
            del dataset[tag]
        elif vr in EXTENDED_VRS:
            texts += _read_texts(element, dataset.original_character_set or "")
        for item in items_of(element):
            _read_all(item, texts, names)


def _read_texts(element: DataElement, encodings: str | Sequence[str]) -> list[str]:
    """Return the values of text, without the escape sequences that pydicom leaves in."""
    value = element.value
    texts = [str(one) for one in (value if isinstance(value, MultiValue) else [value])]
    cleared = [without_left_escapes(text, encodings) for text in texts]
    if cleared != texts:
        element.value = cleared if isinstance(value, MultiValue) else cleared[0]
    return cleared


def decompress(data: Buffer, transfer_syntax: str) -> bytes:
    """Return the data set `data` with its compressed pixel data decoded, in Explicit VR Little Endian.

    pydicom decodes the pixels, converts YBR to RGB, and keeps all UIDs. It needs the libraries of the extra
    `decompress`. Raises DataSetError.
    """
    from pydicom.pixels.decoders.base import get_decoder

    syntax = _syntax(normalize_uid(transfer_syntax))
    try:
        decoder = get_decoder(syntax) if syntax.is_encapsulated else None
    except NotImplementedError:
        decoder = None
    if decoder is None:
        raise DataSetError(f"there is no decoder of pixel data for {syntax.name}")
    missing = DataSetError(
        f"no decoder of pixel data for {syntax.name} is installed (pip install 'dicomproto[decompress]')"
    )
    if not decoder.is_available:
        raise missing
    dataset = decode_data_set(data, syntax)
    try:
        with Quiet():
            for image in (dataset, *dataset.get("IconImageSequence", ())):
                if _is_encapsulated(image.get_item(PIXEL_DATA)):
                    image.file_meta = FileMetaDataset()
                    image.file_meta.TransferSyntaxUID = syntax
                    image.decompress(generate_instance_uid=False)
    except MemoryError:
        raise
    except ImportError:  # of numpy: pydicom counts a decoder as available without it
        raise missing from None
    except Exception as error:  # broken pixel data may make a decoder raise anything
        raise DataSetError(f"its pixel data cannot be decompressed: {_summary(error)}") from None
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    return encode_data_set(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


@lru_cache(64)
def _syntax(transfer_syntax: str) -> UID:
    uid = _uid(transfer_syntax)
    try:
        uid.is_implicit_VR  # noqa: B018  # pydicom raises ValueError for an unknown UID
    except ValueError:
        text = "is not a transfer syntax that pydicom knows (see pydicom.uid.register_transfer_syntax)"
        raise DataSetError(f"{transfer_syntax!r} {text}") from None
    return uid


@lru_cache(64)
def _uid(text: str) -> UID:
    return UID(text, validation_mode=IGNORE)  # pydicom would warn of an invalid one


def _is_little_endian(dataset: Dataset, source: UID) -> bool:
    read_as = dataset.original_encoding[1]
    return source != EXPLICIT_VR_BIG_ENDIAN if read_as is None else read_as


def _check_pixel_data(dataset: Dataset, source: UID, target: UID) -> None:
    """Raise DataSetError if the pixel data would have to be compressed or decompressed."""
    if PIXEL_DATA not in dataset:
        return
    known = source.is_transfer_syntax
    element = stored(dataset, PIXEL_DATA)
    compressed = source.is_encapsulated if known else _is_encapsulated(element)
    if compressed and known and source != target:
        raise DataSetError(
            f"its pixel data is compressed in {source.name}; it cannot be encoded in {target.name}"
        )
    if compressed and not target.is_encapsulated:
        raise DataSetError(f"its pixel data is compressed; it cannot be encoded in {target.name}")
    if target.is_encapsulated:
        if not compressed:
            raise DataSetError(f"its pixel data is not compressed; it cannot be encoded in {target.name}")
        if isinstance(element, DataElement):
            element.is_undefined_length = True  # PS3.5 A.4; the save_as() of pydicom does the same


def _is_encapsulated(element: object) -> bool:
    if getattr(element, "length", None) == UNDEFINED or getattr(element, "is_undefined_length", False):
        return True
    value = getattr(element, "value", None)
    return isinstance(value, bytes) and value.startswith(b"\xfe\xff\x00\xe0")


def _summary(error: Exception) -> str:
    """Return the name of a pydicom error and its element; its text may contain the name of a patient."""
    element = re.search(r"\([0-9A-Fa-f]{4}, ?[0-9A-Fa-f]{4}\)", str(error))
    return type(error).__name__ + (f" at element {element[0]}" if element else "")
