"""Text whose character set is in doubt: the data set names none for it, or the wrong one.

Some software writes in the character set of its country and names none, or another one. A user who knows the
peer can name the right one, before values are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from .encoding.characters import (
    DEFAULT_REPERTOIRE,
    EXTENDED_VRS,
    MAXIMUM_ESCAPES,
    are_known,
    decode_text,
    encodings_of,
    is_lost,
    is_plain,
)
from .encoding.decoding import build_sequence
from .encoding.scope import SPECIFIC_CHARACTER_SET
from .encoding.stored import items_of, no_data_set, stored, values_of, vr_of_raw
from .errors import DataSetError
from .quiet import Quiet


def text_in_doubt(dataset: Dataset, *, among: Set[int] | None = None) -> BaseTag | None:
    """Return the tag of the first text that is not in its named character set, or None.

    This includes text in items, text that is not ASCII without a valid character set, and text with more than
    20,000 escape sequences. Values that were looked at are skipped. `among` limits the search to these tags.
    """
    if not isinstance(dataset, Dataset):
        raise no_data_set(dataset, "text_in_doubt")
    escapes = 0
    for scope, tag, value in _texts(dataset, _Scope(dataset), among, is_read=False):
        escapes += value.count(b"\x1b")
        if escapes > MAXIMUM_ESCAPES or not scope.names.hold(value):
            return tag
    return None


def assume_character_set(dataset: Dataset, *names: str, among: Set[int] | None = None) -> BaseTag | None:
    """Set the character sets of a received data set to `names`, if its text is in doubt.

    The decision is made for the data set, and for each item with a Specific Character Set of its own. The new
    value of that element is `names`, so that the data set can be sent on or stored as it is. Nothing changes
    where other text is in its named character set, or where the text is not in the character sets of `names`
    either; `text_in_doubt` then finds it again. Call this before values are looked at. Returns what
    `text_in_doubt` returned before. Raises DataSetError if a character set does not exist.
    """
    if not are_known(names):
        raise DataSetError(f"there is no character set {chr(92).join(names)!r}")
    tag = text_in_doubt(dataset, among=among)
    if tag is None:
        return None
    values: dict[_Scope, list[bytes]] = {}
    escapes = 0
    for scope, _, value in _texts(dataset, _Scope(dataset), among, is_read=True):
        values.setdefault(scope, []).append(value)
        escapes += value.count(b"\x1b")
    if escapes > MAXIMUM_ESCAPES:
        return tag
    assumed = _Names(names)
    for scope, own in values.items():
        if not any(map(scope.names.hold, own)) and all(map(assumed.hold, own)):
            scope.assume(assumed)
    return tag


class _Names:
    """Values of Specific Character Set, and the encodings of pydicom for them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self.encodings: list[str] = []  # empty if no set beyond ASCII is named
        if are_known(self.names) and not DEFAULT_REPERTOIRE.issuperset(self.names):
            with Quiet():
                self.encodings = encodings_of(self.names)

    def hold(self, value: bytes) -> bool:
        """Tell whether text that is not ASCII is in the character sets."""
        return bool(self.encodings) and not is_lost(decode_text(value, self.encodings))


class _Scope:
    """A data set, or an item with a Specific Character Set, and the items that inherit it (PS3.5 7.5.3)."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.names = _Names(values_of(dataset, SPECIFIC_CHARACTER_SET))
        self.parts: list[Dataset] = []

    def assume(self, assumed: _Names) -> None:
        """Name other character sets, and let pydicom decode the text in them."""
        for part in self.parts:
            is_implicit, is_little = part.original_encoding
            part.set_original_encoding(is_implicit, is_little, list(assumed.encodings))
        names = assumed.names
        self.dataset.SpecificCharacterSet = names[0] if len(names) == 1 else names


def _texts(
    dataset: Dataset, scope: _Scope, among: Set[int] | None, *, is_read: bool
) -> Iterator[tuple[_Scope, BaseTag, bytes]]:
    """Yield text that is not ASCII and was not looked at; with `is_read`, items are read into `dataset`."""
    scope.parts.append(dataset)
    for tag in sorted([tag for tag in list(dataset.keys()) if among is None or tag in among]):
        element = stored(dataset, tag)
        value = element.value if isinstance(element, RawDataElement) else None
        if value is not None and is_plain(value):
            continue
        vr = vr_of_raw(element, dataset) if isinstance(element, RawDataElement) else element.VR
        if vr == "SQ":
            for item in _items(dataset, element, is_read=is_read):
                inner = _Scope(item) if SPECIFIC_CHARACTER_SET in item else scope
                yield from _texts(item, inner, None, is_read=is_read)
        elif value is not None and vr in EXTENDED_VRS:
            yield scope, tag, value


def _items(dataset: Dataset, element: DataElement | RawDataElement, *, is_read: bool) -> list[Dataset]:
    """Return the items of a sequence, or none if it cannot be read."""
    try:
        with Quiet():
            if is_read:
                return items_of(dataset[element.tag])
            return items_of(build_sequence(element, []) if isinstance(element, RawDataElement) else element)
    except Exception:  # a character set, or bytes that are not a sequence, may make pydicom raise anything
        return []
