"""Results of handlers: a status, its further elements, and a data set.

A status is an int, or an object with a `Status` (a Dataset, a response, a record) and perhaps with
`ErrorComment`, `OffendingElement`, `ErrorID` and `AttributeIdentifierList`. TypeError and ValueError name the
type of another result, without its content.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeGuard, cast

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.commands import Request, Response
from dicomproto.dimse.status import Category, category_of
from dicomproto.encoded import Walk
from dicomproto.errors import DataSetError
from dicomproto.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, normalize_uid

from ..arguments import is_data_set
from ..error_text import named

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..files.sources import Encoding

END = object()
"""Returned after the last result of a handler."""

_MOST_TAGS = 4096
"""Most tags in one element of a response: a quarter of a command set of 64 KiB."""

_FINAL = frozenset((Category.SUCCESS, Category.WARNING, Category.FAILURE))


def comment_on(error: DataSetError) -> str:
    """Return an Error Comment for a malformed data set: the place, then the fault."""
    what, _, where = str(error).removeprefix("element ").removesuffix(")").rpartition(" (at byte ")
    return error_comment(f"byte {where}: {what}" if what else where)


def status_of(result: object) -> int:
    """Return the status code of a result."""
    status = result if isinstance(result, int) else getattr(result, "Status", None)
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"{named(result)}, which is no status and has none")
    if not 0 <= status <= 0xFFFF:
        raise ValueError(f"status {int(status):#x}, which has more than 16 bits")
    return int(status)


def fields_of(result: object) -> dict[str, object]:
    """Return the further elements of a status (PS3.7 Annex C).

    A tag is a number, a keyword, or a pair of group and element; there may be one, or a list.
    """
    fields: dict[str, object] = {}
    if isinstance(result, int):
        return fields
    comment = getattr(result, "ErrorComment", None)
    if comment:
        fields["ErrorComment"] = error_comment(str(comment))
    for keyword in ("OffendingElement", "AttributeIdentifierList"):
        tags = getattr(result, keyword, None)
        if tags is not None and tags != "":
            fields[keyword] = _tags_of(keyword, tags)
    error_id = getattr(result, "ErrorID", None)
    if error_id is not None:
        if isinstance(error_id, bool) or not isinstance(error_id, int):
            raise TypeError(f"an ErrorID that is {type(error_id).__name__}, not a number")
        if not 0 <= error_id <= 0xFFFF:
            raise ValueError("an ErrorID that does not fit into 16 bits")
        fields["ErrorID"] = error_id
    return fields


def _tags_of(keyword: str, tags: object) -> tuple[int, ...]:
    several = (
        tags if isinstance(tags, Iterable) and not (isinstance(tags, str) or _is_pair(tags)) else (tags,)
    )
    found = tuple([_tag_of(keyword, tag) for tag in several])
    if len(found) > _MOST_TAGS:
        raise ValueError(f"{keyword} with {len(found)} tags")
    return found


def _is_pair(tag: object) -> TypeGuard[tuple[int, int]]:
    """Tell whether `tag` is (group, element), and not a list of two tag numbers: those are above FFFFH."""
    return (
        isinstance(tag, tuple)
        and len(tag) == 2
        and all(isinstance(half, int) and 0 <= half <= 0xFFFF for half in tag)
    )


def _tag_of(keyword: str, tag: object) -> int:
    if isinstance(tag, str) or _is_pair(tag):
        from pydicom.tag import Tag

        try:
            return int(Tag(tag))
        except ValueError:  # pydicom's text quotes the value
            raise ValueError(f"{keyword} with a word that is no keyword") from None
    if isinstance(tag, bool) or not isinstance(tag, int):
        raise TypeError(f"{keyword} with {type(tag).__name__} in place of a tag")
    if not 0 <= tag <= 0xFFFFFFFF:
        raise ValueError(f"{keyword} with a tag that does not fit into 32 bits")
    return int(tag)


def response_for(request: Request, result: object, categories: Iterable[Category] = _FINAL) -> Response:
    """Return the response for the status in a result; the status must be of one of the `categories`."""
    status = status_of(result)
    if category_of(status) not in categories:
        raise ValueError(f"status {status:#06x}, which cannot end a {request.name}")
    return request.response(status, **fields_of(result))


def pair_of(result: object) -> tuple[object, object]:
    """Return a result as a pair of status and data set; None for a status alone."""
    if isinstance(result, tuple):
        if len(result) != 2:
            raise TypeError(f"a tuple of {len(result)}, in place of (status, data set or None)")
        return result
    return result, None


def dataset_of(result: object) -> Dataset | None:
    """Return the data set of a result, or None."""
    if result is None or is_data_set(result):
        return cast("Dataset | None", result)
    raise TypeError(f"{named(result)} in place of a data set: a pydicom Dataset, or None, is wanted")


def identifier_of(result: object) -> Dataset | bytes | None:
    """Return the identifier of a result, which may be encoded already, or None."""
    return bytes(result) if is_encoded(result) else dataset_of(result)


def is_encoded(identifier: object) -> TypeGuard[bytes | bytearray | memoryview]:
    """Tell whether an identifier is given as its bytes."""
    return isinstance(identifier, (bytes, bytearray, memoryview))


def encode_identifier(identifier: Dataset | bytes, encoding: Encoding, transfer_syntax: str) -> bytes:
    """Return an identifier in `transfer_syntax`. Raises DataSetError, also if given bytes are not that.

    Given bytes that are deflated may have an odd length; a NUL pads them (PS3.5 A.5).
    """
    if not isinstance(identifier, bytes):
        return encoding.encode(identifier, transfer_syntax)
    syntax = normalize_uid(transfer_syntax)
    is_deflated = syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    first = _first_group_deflated(identifier) if is_deflated else _first_group(identifier, syntax)
    if first <= 2:
        raise DataSetError("an encoded identifier begins with elements of a command or of File Meta")
    return identifier + b"\0" if len(identifier) & 1 else identifier


def _first_group_deflated(identifier: bytes) -> int:
    """Return the group of the first element of a deflated identifier, which is checked."""
    from dicomproto.datasets import decode_data_set

    tags = decode_data_set(identifier, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, file_meta=False).keys()
    if not tags:
        raise DataSetError("an encoded identifier has no elements")
    return min(tags) >> 16


def _first_group(identifier: bytes, syntax: str) -> int:
    """Return the group of the first element of an identifier, which is checked."""
    walk = Walk(syntax)
    walk.feed(identifier)
    walk.finish()
    if walk.warnings or not (walk.elements and walk.is_checked):
        fault = walk.warnings[0] if walk.warnings else "no elements can be found"
        raise DataSetError(f"an encoded identifier is not in the transfer syntax of its context: {fault}")
    order: Literal["big", "little"] = "big" if syntax == EXPLICIT_VR_BIG_ENDIAN else "little"
    return int.from_bytes(identifier[:2], order)
