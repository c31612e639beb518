"""Text with a missing or wrong Specific Character Set: a warning in the log, or the set that a setting names.

The setting is `assume_charset`, of the application entity or of a peer.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

log: logging.Logger = logging.getLogger("dicomproto.association")


class CharsetCheck:
    """Checks the character sets of the data sets that one association receives, before values are decoded."""

    __slots__ = ("_assumed", "_told")

    def __init__(self, assumed: str | None) -> None:
        self._assumed = assumed
        self._told = False

    def settle(self, dataset: Dataset, extended: Set[int], peer_name: str) -> None:
        """Decode doubtful text by the setting; without the setting, warn once.

        `extended` are the tags of the elements that need a character set.
        """
        if not extended or (self._told and self._assumed is None):
            return
        from dicomproto.text import assume_character_set, text_in_doubt

        if self._assumed is not None:
            if assume_character_set(dataset, *self._assumed.split("\\"), among=extended) is None:
                return
            told = (
                f"that is left as it came: it is not in the character set of assume_charset, {self._assumed},"
                " or other text that the same Specific Character Set is for is right"
            )
        else:
            told = (
                "that is not in a character set that is named for it;"
                " assume_charset (--assume-charset) says which one to take it for"
            )
        tag = None if self._told else text_in_doubt(dataset, among=extended)
        if tag is not None:
            from pydicom.datadict import keyword_for_tag

            self._told = True
            name = f"{tag} {keyword_for_tag(tag)}".rstrip()
            log.warning("%s: element %s has text %s", peer_name, name, told)
