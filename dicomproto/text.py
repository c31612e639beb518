"""Text whose character set is in doubt: none is named for it, or one that it is not in.

Some software writes in the character set of its country and names none, or another one. Who knows its peer
can say which it is, before values are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from .characters import DEFAULT_REPERTOIRE, EXTENDED_VRS, are_known, decode_text, is_plain
from .decoding import build_sequence
from .encoder import SPECIFIC_CHARACTER_SET, items_of, stored, values_of, vr_of_raw
from .errors import DataSetError
from .quiet import Quiet

_LOST = "\N{REPLACEMENT CHARACTER}"


def text_in_doubt(dataset: Dataset, *, among: Set[int] | None = None) -> BaseTag | None:
    """Return the tag of the first text that is not in the character set that is named for it; None if all is.

    Text that is not ASCII and for which none is named, or one that there is not, counts as well, and what is
    in items. Values that were looked at are passed over, and all elements but those `among` them, if any are.
    """
    return next(_doubts(dataset, [], among), None)


def assume_character_set(dataset: Dataset, *names: str, among: Set[int] | None = None) -> BaseTag | None:
    """Take the text of a received data set to be in the character sets of `names`, if it is in doubt.

    `names` are values of Specific Character Set, which then has them, so that the data set can be sent on or
    stored as it is. To be called before values are looked at. Returns what `text_in_doubt` returned before.
    Raises DataSetError if there is no such character set.
    """
    if not are_known(names):
        raise DataSetError(f"there is no character set {chr(92).join(names)!r}")
    tag = text_in_doubt(dataset, among=among)
    if tag is not None:
        _settle(dataset, names)
        dataset.SpecificCharacterSet = names[0] if len(names) == 1 else list(names)
    return tag


def _doubts(dataset: Dataset, inherited: list[str], among: Set[int] | None = None) -> Iterator[BaseTag]:
    names = values_of(dataset, SPECIFIC_CHARACTER_SET) if SPECIFIC_CHARACTER_SET in dataset else inherited
    is_named = are_known(names) and not DEFAULT_REPERTOIRE.issuperset(names)
    encodings: list[str] = []
    for tag in sorted(dataset.keys() if among is None else dataset.keys() & among):
        element = stored(dataset, tag)
        value = element.value if isinstance(element, RawDataElement) else None
        if value is not None and is_plain(value):
            continue
        vr = vr_of_raw(element, dataset) if isinstance(element, RawDataElement) else element.VR
        if vr == "SQ":
            for item in _built_items(element) if isinstance(element, RawDataElement) else items_of(element):
                yield from _doubts(item, names)
        elif value is not None and vr in EXTENDED_VRS:
            if is_named and not encodings:
                with Quiet():
                    encodings = convert_encodings(list(names))
            if not is_named or _LOST in decode_text(value, encodings):
                yield tag


def _settle(dataset: Dataset, names: tuple[str, ...]) -> None:
    """Have pydicom decode text in other character sets, in items as well; these go with what they are in."""
    is_implicit, is_little = dataset.original_encoding
    for tag in list(dataset.keys()):
        element = stored(dataset, tag)
        if element.VR == "SQ" or (
            isinstance(element, RawDataElement) and vr_of_raw(element, dataset) == "SQ"
        ):
            for item in _items(dataset, tag):
                _settle(item, names)
    dataset.set_original_encoding(is_implicit, is_little, convert_encodings(list(names)))
    if SPECIFIC_CHARACTER_SET in dataset:
        del dataset[SPECIFIC_CHARACTER_SET]


def _built_items(element: RawDataElement) -> list[Dataset]:
    """Return the items of a sequence that was not looked at, without pydicom; none if it cannot be read."""
    try:
        with Quiet():
            return items_of(build_sequence(element, []))
    except Exception:  # whatever a character set makes pydicom raise
        return []


def _items(dataset: Dataset, tag: BaseTag) -> list[Dataset]:
    """Return the items of a sequence, which pydicom may have to read now; none if it cannot be read."""
    try:
        with Quiet():
            return items_of(dataset[tag])
    except Exception:  # whatever bytes that are no sequence make pydicom raise
        return []
