"""Matching (PS3.4 C.2.2.2): which entities match a C-FIND identifier, and the responses; uses pydicom.

For the SCP of a worklist, of Query/Retrieve or of UPS, with entities as pydicom Datasets::

    query = Query(event.identifier)
    for entity in entities:
        if query.matches(entity):
            yield 0xFF00, query.response(entity)

and for the SCU::

    identifier = make_identifier(QueryRetrieveLevel="STUDY", PatientName="Doe*", StudyInstanceUID=None)

These are the choices where the standard leaves one, for a conformance statement:

- Text is compared by characters; the character sets of query and entity may differ. Spaces that are not
  significant (PS3.5 6.2) are ignored. Case is significant, except in person names.
- Person names are compared by component groups; empty components at the end are ignored. A key of one group
  matches any group of the entity's name. A key of several groups matches each group in its place, and an
  empty group matches anything. `*` extends over `^`, never over `=`. A name of more than 256 characters is
  compared as it is.
- Dates and times are compared by meaning. A value without its last parts (`2024` in DT, `1030` in TM) stands
  for all values that begin so. An invalid value is compared as text. Values of DT without a time zone are in
  the one of their data set (Timezone Offset From UTC), or else in `timezone`.
- IS and DS are compared as numbers.
- Several values in a key, or several items, mean any of them, as in most archives; with `multiple_values`,
  all of them.
- An absent or empty value in the entity is unknown, and matches only universal keys (K.2.2.1.1.1).
- Private elements are found by their private creator. Implicit VR does not give their VR if no dictionary has
  the creator. If only one side gives the VR, it counts. If neither does, a line of text is LO, items are SQ,
  and all else is compared as it is. A key without a creator is ignored, and a group length too. Keys of the
  top level that only say how to answer are not matched: level, view, time zone, Retrieve AE Title,
  availability, media. The caller has to check the hierarchy of C.4.1.2.

The time of a query is proportional to its size and to the size of the entity: no pattern backtracks. No step
takes long: an identifier with too many keys, or an entity with too many values for them, raises
DataSetError.
"""

from __future__ import annotations

from .identifiers import WORKLIST_RETURN_KEYS, make_identifier, worklist_query
from .query import Query, matches, response_identifier

__all__ = [
    "WORKLIST_RETURN_KEYS",
    "Query",
    "make_identifier",
    "matches",
    "response_identifier",
    "worklist_query",
]
