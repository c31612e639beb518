"""What `storescp` offers."""

from __future__ import annotations

from pydicom._uid_dict import UID_dictionary
from pynetdicom import ALL_TRANSFER_SYNTAXES

from dicomproto_transports.apps.receiving.transfer_syntaxes import TRANSFER_SYNTAXES

NO_DATA_SETS = {
    "1.2.840.10008.1.2.6.1",  # RFC 2557 MIME encapsulation
    "1.2.840.10008.1.2.6.2",  # XML
    "1.2.840.10008.1.20",  # Papyrus 3
}


def test_every_transfer_syntax_of_the_standard_is_offered_once() -> None:
    standard = {uid for uid, facts in UID_dictionary.items() if facts[1] == "Transfer Syntax"}
    assert standard - NO_DATA_SETS <= set(TRANSFER_SYNTAXES)
    assert set(TRANSFER_SYNTAXES) <= standard | set(ALL_TRANSFER_SYNTAXES)
    assert set(ALL_TRANSFER_SYNTAXES) <= set(TRANSFER_SYNTAXES)
    assert len(TRANSFER_SYNTAXES) == len(set(TRANSFER_SYNTAXES))
