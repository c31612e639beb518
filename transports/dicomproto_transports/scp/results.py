"""Results of handlers: a status, its further elements, and a data set.

A status is an int, or an object with a `Status` (a Dataset, a response, a record) and perhaps with
`ErrorComment`, `OffendingElement`, `ErrorID` and `AttributeIdentifierList`. TypeError and ValueError name the
type of another result, without its content.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeGuard, cast

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.commands import Request, Response
from dicomproto.dimse.status import Category, category_of
from dicomproto.errors import DataSetError

from ..arguments import is_data_set
from ..error_text import named

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

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
