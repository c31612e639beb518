"""The command elements of PS3.7 Annex E: tag, keyword, VR and VM.

`ELEMENTS` are the current elements (Table E.1-1). `RETIRED_ELEMENTS` are those of ACR-NEMA (Table E.2-1):
no message carries them any more, and they are skipped without a warning. All are in group 0000, so the
element number stands for the tag.
"""

from __future__ import annotations

from ..record import Record


class Element(Record):
    """One command element; `number` is the element number within group 0000."""

    number: int
    keyword: str
    vr: str
    vm: str = "1"


def _table(text: str) -> dict[int, Element]:
    rows = (line.split() for line in text.strip().splitlines())
    return {
        int(number, 16): Element(number=int(number, 16), keyword=keyword, vr=vr, vm=vm)
        for number, keyword, vr, vm in rows
    }


ELEMENTS = _table("""
    0000 CommandGroupLength                   UL 1
    0002 AffectedSOPClassUID                  UI 1
    0003 RequestedSOPClassUID                 UI 1
    0100 CommandField                         US 1
    0110 MessageID                            US 1
    0120 MessageIDBeingRespondedTo            US 1
    0600 MoveDestination                      AE 1
    0700 Priority                             US 1
    0800 CommandDataSetType                   US 1
    0900 Status                               US 1
    0901 OffendingElement                     AT 1-n
    0902 ErrorComment                         LO 1
    0903 ErrorID                              US 1
    1000 AffectedSOPInstanceUID               UI 1
    1001 RequestedSOPInstanceUID              UI 1
    1002 EventTypeID                          US 1
    1005 AttributeIdentifierList              AT 1-n
    1008 ActionTypeID                         US 1
    1020 NumberOfRemainingSuboperations       US 1
    1021 NumberOfCompletedSuboperations       US 1
    1022 NumberOfFailedSuboperations          US 1
    1023 NumberOfWarningSuboperations         US 1
    1030 MoveOriginatorApplicationEntityTitle AE 1
    1031 MoveOriginatorMessageID              US 1
""")
"""Element number -> element, in ascending order (PS3.7 Table E.1-1)."""

RETIRED_ELEMENTS = _table("""
    0001 CommandLengthToEnd       UL 1
    0010 CommandRecognitionCode   SH 1
    0200 Initiator                AE 1
    0300 Receiver                 AE 1
    0400 FindLocation             AE 1
    0850 NumberOfMatches          US 1
    0860 ResponseSequenceNumber   US 1
    4000 DialogReceiver           LT 1
    4010 TerminalType             LT 1
    5010 MessageSetID             SH 1
    5020 EndMessageID             SH 1
    5110 DisplayFormat            LT 1
    5120 PagePositionID           LT 1
    5130 TextFormatID             CS 1
    5140 NormalReverse            CS 1
    5150 AddGrayScale             CS 1
    5160 Borders                  CS 1
    5170 Copies                   IS 1
    5180 CommandMagnificationType CS 1
    5190 Erase                    CS 1
    51A0 Print                    CS 1
    51B0 Overlays                 US 1-n
""")
"""Element number -> retired element (PS3.7 Table E.2-1)."""
