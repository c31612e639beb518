"""A query: the keys of an identifier, compiled once and compared with many entities (PS3.4 C.2.2.2)."""

from __future__ import annotations

from typing import TypedDict, Unpack

from pydicom.dataset import Dataset

from ..encoding.characters import MAXIMUM_CHARACTER_SETS, choose_character_set
from ..encoding.stored import no_data_set
from ..quiet import Quiet
from .costs import Count
from .entities import Entity, Work
from .keys import LEVEL, RETRIEVE_AE_TITLE, Keys
from .rules import Options, parse_offset
from .values import SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, Copier, read_if_possible


class Query:
    """The keys of a C-FIND request; see `dicomproto.matching` for the choices made.

    `combined_datetime`, `multiple_values` and `empty_values` (the key `""`) are kinds of matching that need
    extended negotiation (PS3.4 C.2.2.2.5.4, C.2.2.2.8, C.2.2.2.7). `timezone` (`+HHMM`) is the offset from
    UTC of data sets without one; by default they are in UTC. Raises DataSetError if the identifier cannot be
    read, has more than 64 sequences within each other or a key with wild cards of more than 1024 characters,
    or has in total more than 2000 values of text, 200,000 binary numbers, 10,000 wild cards, 20,000 escape
    sequences, 100,000 characters of names or 1000 items.
    """

    def __init__(
        self,
        identifier: Dataset,
        *,
        combined_datetime: bool = False,
        multiple_values: bool = False,
        empty_values: bool = False,
        timezone: str | None = None,
    ) -> None:
        self._timezone = timezone
        with Quiet():
            offset = self._offset_of(identifier)
            options = Options(combined_datetime, multiple_values, empty_values, offset)
            count = Count()
            self._level = count.read(identifier, LEVEL, "CS")
            names = count.read(identifier, SPECIFIC_CHARACTER_SET, "CS")
            self._character_set = names[:MAXIMUM_CHARACTER_SETS]
            self._keys = Keys(identifier, options, depth=0, count=count)

    def matches(self, entity: Dataset) -> bool:
        """Tell whether an entity matches every key. Unreadable values of the entity are unknown.

        Raises DataSetError if it would take long: thousands of values or items for as many keys, or text of a
        million characters for dozens of wild cards; also for too many values or items of keys whose VR only
        the entity gives.
        """
        with Quiet():
            return self._keys.match(Entity(entity, self._offset_of(entity), Work()))

    def response(self, entity: Dataset, *, retrieve_ae_title: str | None = None) -> Dataset:
        """Return the identifier of the response for a matching entity (PS3.4 C.4.1.1.3.2).

        It has the attributes that the query asks for and no others. Attributes that the entity lacks are
        empty, and sequences have the items that match. Query/Retrieve Level is that of the query. Specific
        Character Set is the one of the entity or of the query, if it has all the text, or else UTF-8. Raises
        DataSetError if the entity has more than 64 sequences within each other, or takes long, as in
        `matches`.
        """
        with Quiet():
            return self._response(entity, retrieve_ae_title)

    def _response(self, entity: Dataset, retrieve_ae_title: str | None) -> Dataset:
        copier = Copier()
        answer = self._keys.answer(Entity(entity, self._offset_of(entity), Work()), copier)
        if self._level:
            copier.put(answer, LEVEL, "CS", self._level)
        if retrieve_ae_title is not None:
            copier.put(answer, RETRIEVE_AE_TITLE, "AE", [retrieve_ae_title])
        if self._timezone and TIMEZONE_OFFSET in answer and not answer[TIMEZONE_OFFSET].value:
            copier.put(answer, TIMEZONE_OFFSET, "SH", [self._timezone])
        own = read_if_possible(entity, SPECIFIC_CHARACTER_SET, "CS")
        if character_set := choose_character_set(copier.texts, own, self._character_set):
            copier.put(answer, SPECIFIC_CHARACTER_SET, "CS", character_set)
        return answer

    def _offset_of(self, dataset: Dataset) -> int:
        if not isinstance(dataset, Dataset):
            raise no_data_set(dataset, "Query")
        for text in [*read_if_possible(dataset, TIMEZONE_OFFSET, "SH")[:1], self._timezone or ""]:
            offset = parse_offset(text)
            if offset is not None:
                return offset
        return 0


class Negotiated(TypedDict, total=False):
    """The options of `Query`."""

    combined_datetime: bool
    multiple_values: bool
    empty_values: bool
    timezone: str | None


def matches(identifier: Dataset, entity: Dataset, **options: Unpack[Negotiated]) -> bool:
    """Return the result of `Query(identifier, **options).matches(entity)`."""
    return Query(identifier, **options).matches(entity)


def response_identifier(
    identifier: Dataset,
    entity: Dataset,
    *,
    retrieve_ae_title: str | None = None,
    **options: Unpack[Negotiated],
) -> Dataset:
    """Return the result of `Query(identifier, **options).response(entity)`."""
    return Query(identifier, **options).response(entity, retrieve_ae_title=retrieve_ae_title)
