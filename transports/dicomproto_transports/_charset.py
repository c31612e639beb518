"""Text of a peer that names no character set for it, or one that it is not in: told in the log, or settled.

What to take such text for is a setting, `assume_charset`, of the application entity or of a peer.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

log = logging.getLogger("dicomproto.association")


class Doubt:
    """Looks at the data sets that one association receives, before anybody looks at their values."""

    __slots__ = ("_assumed", "_told")

    def __init__(self, assumed: str | None) -> None:
        self._assumed = assumed
        self._told = False

    def settle(self, dataset: Dataset, extended: Set[int], peer_name: str) -> None:
        """Take text that is in doubt for what the setting says; without it, warn once.

        `extended` are the tags of the elements that need a character set.
        """
        if not extended or (self._told and self._assumed is None):
            return
        from dicomproto.text import assume_character_set, text_in_doubt

        if self._assumed is not None:
            assume_character_set(dataset, *self._assumed.split("\\"), among=extended)
        elif (tag := text_in_doubt(dataset, among=extended)) is not None:
            from pydicom.datadict import keyword_for_tag

            self._told = True
            log.warning(
                "%s: element %s %s has text that is not in a character set that is named for it;"
                " assume_charset (--assume-charset) says which one to take it for",
                peer_name,
                tag,
                keyword_for_tag(tag),
            )
