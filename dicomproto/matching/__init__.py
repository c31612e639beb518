"""PS3.4 C.2.2.2: what a C-FIND identifier asks for, what matches it, and how to answer; a bridge to pydicom.

For the SCP of a worklist, of Query/Retrieve or of UPS, with entities as pydicom Datasets::

    query = Query(event.identifier)
    for entity in entities:
        if query.matches(entity):
            yield 0xFF00, query.response(entity)

and for the SCU::

    identifier = make_identifier(QueryRetrieveLevel="STUDY", PatientName="Doe*", StudyInstanceUID=None)

Where the standard leaves a choice, this is what is done, for a conformance statement:

- Text is compared by characters, whatever the character sets of query and entity. Spaces that do not count
  (PS3.5 6.2) are left out. Case counts, but in person names.
- Person names are compared by component groups; empty components at the end do not count. A key of one group
  matches any group of the entity's name; one of several matches each in its place, and an empty group
  anything. `*` runs over `^`, never over `=`. A name of more than 256 characters is compared as it is.
- Dates and times are compared by meaning. One that leaves open its end (`2024` in DT, `1030` in TM) stands
  for all that it leaves open. One that cannot be understood is compared as text. Values of DT that name no
  time zone are in that of their data set (Timezone Offset From UTC), else in `timezone`.
- IS and DS are compared by number.
- Several values in a key, or several items, mean any of them, as most archives have it; with
  `multiple_values`, all of them.
- An absent or empty value in the entity is unknown and matches universal keys only (K.2.2.1.1.1).
- Private elements are found by their private creator. Where one side alone tells the VR (Implicit VR does
  not, if no dictionary knows the creator), it is that; where neither does, a line of text is LO, items
  are SQ, and all else is compared as it is. A key that no creator owns is ignored, as is one of a group
  length, and at the top level what says how to answer rather than what to look for (level, view, time
  zone, Retrieve AE Title, availability, media). The hierarchy of C.4.1.2 is for the caller to check.

A query costs time in proportion to its size, and to the entity's: no pattern makes it backtrack. No step
takes long: what is too much in the keys of one identifier, or in one entity for so many keys, raises
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
