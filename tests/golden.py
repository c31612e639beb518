"""Golden bytes: every PDU and item with each field written out from the standard, byte by byte.

They are derived by hand from PS3.8 9.3 (the PDUs, items 10H to 51H) and PS3.7 Annex D.3.3 (items 52H to
59H), not from our encoder. `octets` reads lines of `offset: fields  # what they are`, in which a field is
hexadecimal digits or text in quotes; it checks that each offset is where the bytes before it end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dicomproto.upper_layer import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)

_LINE = re.compile(r"\s*([0-9A-F]{4}): ((?:\s*(?:[0-9A-F]+|'[^']*'))+)\s*(#.*)?")


def octets(derivation: str) -> bytes:
    """Return the bytes that the lines of `derivation` write out."""
    data = bytearray()
    for line in derivation.strip().splitlines():
        match = _LINE.fullmatch(line)
        assert match, line
        assert int(match[1], 16) == len(data), f"{line!r} begins at {len(data):04X}"
        for field in re.findall(r"'[^']*'|[0-9A-F]+", match[2]):
            data += field[1:-1].encode("latin-1") if field[0] == "'" else bytes.fromhex(field)
    return bytes(data)


class GoldenPDU(NamedTuple):
    """A PDU as a value and as bytes."""

    name: str
    value: PDU
    data: bytes


# PS3.8 Table 9-11: type 01H, then the fixed part of 68 bytes, then items.
ASSOCIATE_RQ = GoldenPDU(
    "A-ASSOCIATE-RQ",
    AssociateRQ(
        called_ae_title="ANY-SCP",
        calling_ae_title="ECHOSCU",
        application_context_name="1.2.840.10008.3.1.1.1",
        presentation_contexts=(
            PresentationContextRQ(
                context_id=1,
                abstract_syntax="1.2.840.10008.1.1",
                transfer_syntaxes=("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"),
            ),
            PresentationContextRQ(
                context_id=255, abstract_syntax="1.2.3", transfer_syntaxes=("1.2.840.10008.1.2",)
            ),
        ),
        maximum_length=16384,
        implementation_class_uid="1.2.3.4",
        asynchronous_operations_window=AsynchronousOperationsWindow(maximum_invoked=5, maximum_performed=0),
        role_selections=(RoleSelection(sop_class_uid="1.2.3", scu_role=False, scp_role=True),),
        implementation_version_name="V_1",
        sop_class_extended=(
            SOPClassExtendedNegotiation(sop_class_uid="1.2.3", application_information=b"\x01\x00\xff"),
        ),
        sop_class_common_extended=(
            SOPClassCommonExtendedNegotiation(
                sop_class_uid="1.2.3", service_class_uid="1.2", related_general_sop_class_uids=("1.5", "1.66")
            ),
        ),
        user_identity=UserIdentityRQ(
            identity_type=2,
            primary_field=b"me",
            secondary_field=b"secret",
            positive_response_requested=True,
        ),
    ),
    octets(
        """
        0000: 01 00 0000013C             # type, reserved, length: 0142H bytes in all less these 6
        0006: 0001 0000                  # protocol version: bit 0 is version 1; reserved
        000A: 'ANY-SCP         '         # called AE title, 16 bytes
        001A: 'ECHOSCU         '         # calling AE title
        002A: 00000000000000000000000000000000 00000000000000000000000000000000  # reserved
        004A: 10 00 0015                 # application context item (Table 9-12)
        004E: '1.2.840.10008.3.1.1.1'
        0063: 20 00 0045                 # presentation context item (Table 9-13): 4 + 21 + 21 + 23
        0067: 01 00 00 00                # id, reserved
        006B: 30 00 0011                 # abstract syntax (Table 9-14)
        006F: '1.2.840.10008.1.1'
        0080: 40 00 0011                 # transfer syntax (Table 9-15)
        0084: '1.2.840.10008.1.2'
        0095: 40 00 0013
        0099: '1.2.840.10008.1.2.1'
        00AC: 20 00 0022                 # second presentation context: 4 + 9 + 21
        00B0: FF 00 00 00
        00B4: 30 00 0005 '1.2.3'
        00BD: 40 00 0011 '1.2.840.10008.1.2'
        00D2: 50 00 006C                 # user information (Table 9-16): 0142H - 00D6H
        00D6: 51 00 0004 00004000        # maximum length (Table D.1-1)
        00DE: 52 00 0007 '1.2.3.4'       # implementation class UID (Table D.3-1)
        00E9: 53 00 0004 0005 0000       # operations window (Table D.3-7): invoked, performed
        00F1: 54 00 0009 0005 '1.2.3' 00 01   # role selection (Table D.3-9): UID length, UID, SCU, SCP
        00FE: 55 00 0003 'V_1'           # implementation version name (Table D.3-3)
        0105: 56 00 000A 0005 '1.2.3' 0100FF  # extended negotiation (Table D.3-11): UID, information
        0113: 57 00 0019                 # common extended negotiation (Table D.3-12), version 0 in byte 2
        0117: 0005 '1.2.3'               # SOP class
        011E: 0003 '1.2'                 # service class
        0123: 000B                       # related general SOP classes, each with its own length
        0125: 0003 '1.5' 0004 '1.66'
        0130: 58 00 000E                 # user identity (Table D.3-14)
        0134: 02 01                      # type: user name and passcode; positive response requested
        0136: 0002 'me' 0006 'secret'    # primary field, secondary field
        """
    ),
)

# PS3.8 Table 9-17: as A-ASSOCIATE-RQ, with context items of its own; the title fields are reserved.
ASSOCIATE_AC = GoldenPDU(
    "A-ASSOCIATE-AC",
    AssociateAC(
        called_ae_title="ANY-SCP",
        calling_ae_title="ECHOSCU",
        application_context_name="1.2.840.10008.3.1.1.1",
        presentation_contexts=(
            PresentationContextAC(context_id=1, result=0, transfer_syntax="1.2.840.10008.1.2"),
            PresentationContextAC(context_id=255, result=3),
        ),
        maximum_length=0,
        implementation_class_uid="1.2.3.4",
        asynchronous_operations_window=AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=1),
        role_selections=(RoleSelection(sop_class_uid="1.2.3", scu_role=True, scp_role=False),),
        implementation_version_name="V_1",
        sop_class_extended=(SOPClassExtendedNegotiation(sop_class_uid="1.2.3", application_information=b""),),
        user_identity_response=UserIdentityAC(server_response=b"\x00\xffok"),
    ),
    octets(
        """
        0000: 02 00 000000CA             # type, reserved, length: 00D0H bytes in all less these 6
        0006: 0001 0000                  # protocol version, reserved
        000A: 'ANY-SCP         '         # reserved: the called AE title of the request, sent back
        001A: 'ECHOSCU         '
        002A: 00000000000000000000000000000000 00000000000000000000000000000000  # reserved
        004A: 10 00 0015                 # application context item
        004E: '1.2.840.10008.3.1.1.1'
        0063: 21 00 0019                 # presentation context item (Table 9-18): 4 + 21
        0067: 01 00 00 00                # id, reserved, result: acceptance, reserved
        006B: 40 00 0011
        006F: '1.2.840.10008.1.2'
        0080: 21 00 0004                 # a refused context, without transfer syntax
        0084: FF 00 03 00                # result: abstract syntax not supported
        0088: 50 00 0044                 # user information: 00D0H - 008CH
        008C: 51 00 0004 00000000        # maximum length: no limit
        0094: 52 00 0007 '1.2.3.4'       # implementation class UID
        009F: 53 00 0004 0001 0001       # operations window (Table D.3-8)
        00A7: 54 00 0009 0005 '1.2.3' 01 00   # role selection (Table D.3-10)
        00B4: 55 00 0003 'V_1'           # implementation version name (Table D.3-4)
        00BB: 56 00 0007 0005 '1.2.3'    # extended negotiation, no application information
        00C6: 59 00 0006                 # user identity response (Table D.3-15)
        00CA: 0004 00FF 'ok'             # server response
        """
    ),
)

# PS3.8 Table 9-21: type 03H, length 4, one reserved byte before the three fields.
ASSOCIATE_RJ = GoldenPDU(
    "A-ASSOCIATE-RJ",
    AssociateRJ(result=1, source=1, reason=7),
    octets(
        """
        0000: 03 00 00000004
        0006: 00 01 01 07                # reserved, rejected-permanent, service-user, called AE title unknown
        """
    ),
)

# PS3.8 Tables 9-22 and 9-23: type 04H, then PDVs, each with a message control header (Annex E.2).
P_DATA_TF = GoldenPDU(
    "P-DATA-TF",
    PDataTF(
        values=(
            PresentationDataValue(context_id=1, is_command=True, is_last=True, data=b"\x00\x01\x02\x03"),
            PresentationDataValue(context_id=1, is_command=False, is_last=False, data=b"\xff\xfe"),
            PresentationDataValue(context_id=255, is_command=True, is_last=False, data=b"AB"),
            PresentationDataValue(context_id=1, is_command=False, is_last=True, data=b""),
        )
    ),
    octets(
        """
        0000: 04 00 00000020
        0006: 00000006 01 03 00010203    # length from the context id on; bit 0 command, bit 1 last
        0010: 00000004 01 00 FFFE        # data set, not last
        0018: 00000004 FF 01 'AB'        # command, not last
        0020: 00000002 01 02             # data set, last, empty
        """
    ),
)

RELEASE_RQ = GoldenPDU("A-RELEASE-RQ", ReleaseRQ(), octets("0000: 05 00 00000004 00000000  # Table 9-24"))
RELEASE_RP = GoldenPDU("A-RELEASE-RP", ReleaseRP(), octets("0000: 06 00 00000004 00000000  # Table 9-25"))

# PS3.8 Table 9-26: type 07H, length 4, two reserved bytes before the two fields.
ABORT = GoldenPDU(
    "A-ABORT",
    Abort(source=2, reason=6),
    octets("0000: 07 00 00000004 00 00 02 06  # reserved, service-provider, invalid PDU parameter value"),
)

PDUS = (ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT)


def associate(pdu_type: int, items: bytes) -> bytes:
    """Return an A-ASSOCIATE PDU of the fixed fields (titles "A" and "B") and `items`."""
    fixed = b"\x00\x01\x00\x00" + b"A".ljust(16) + b"B".ljust(16) + bytes(32)
    return bytes((pdu_type, 0)) + (len(fixed) + len(items)).to_bytes(4, "big") + fixed + items


def user_information(items: bytes) -> bytes:
    """Return `items` in a user information item (Table 9-16)."""
    return b"\x50\x00" + len(items).to_bytes(2, "big") + items


class GoldenItem(NamedTuple):
    """An item of an A-ASSOCIATE PDU (type 1 RQ, 2 AC): where it lies, its bytes and the fields they mean."""

    name: str
    pdu_type: int
    in_user_information: bool
    data: bytes
    fields: dict[str, object]

    @property
    def pdu(self) -> bytes:
        """The item in the smallest A-ASSOCIATE PDU that holds it."""
        data = user_information(self.data) if self.in_user_information else self.data
        return associate(self.pdu_type, data)

    @property
    def value(self) -> AssociateRQ | AssociateAC:
        """What `pdu` says."""
        kind = AssociateRQ if self.pdu_type == 1 else AssociateAC
        base = kind(called_ae_title="A", calling_ae_title="B", application_context_name="")
        return base.replace(**self.fields)


ITEMS = (
    GoldenItem(
        "10H application context",
        1,
        False,
        octets("0000: 10 00 0005 '1.2.3'"),
        {"application_context_name": "1.2.3"},
    ),
    GoldenItem(
        "20H 30H 40H presentation context",
        1,
        False,
        octets(
            """
            0000: 20 00 0020             # 4 + 9 + 8 + 11
            0004: 03 00 00 00            # id, reserved
            0008: 30 00 0005 '1.2.3'     # abstract syntax
            0011: 40 00 0004 '1.55'      # transfer syntax
            0019: 40 00 0007 '1.2.840'
            """
        ),
        {
            "presentation_contexts": (
                PresentationContextRQ(
                    context_id=3, abstract_syntax="1.2.3", transfer_syntaxes=("1.55", "1.2.840")
                ),
            )
        },
    ),
    GoldenItem(
        "21H presentation context",
        2,
        False,
        octets("0000: 21 00 000C 03 00 00 00 40 00 0004 '1.55'  # id, reserved, result, reserved"),
        {"presentation_contexts": (PresentationContextAC(context_id=3, result=0, transfer_syntax="1.55"),)},
    ),
    GoldenItem(
        "unknown item in a presentation context",
        1,
        False,
        octets("0000: 20 00 000F 01 00 00 00 30 00 0001 '1' EE 00 0002 0102"),
        {
            "presentation_contexts": (
                PresentationContextRQ(
                    context_id=1,
                    abstract_syntax="1",
                    transfer_syntaxes=(),
                    unknown_items=(UnknownItem(item_type=0xEE, data=b"\x01\x02"),),
                ),
            )
        },
    ),
    GoldenItem(
        "presentation context of nothing but its id",
        1,
        False,
        octets("0000: 20 00 0004 05 00 00 00"),
        {
            "presentation_contexts": (
                PresentationContextRQ(context_id=5, abstract_syntax="", transfer_syntaxes=()),
            )
        },
    ),
    GoldenItem(
        "unknown item",
        2,
        False,
        octets("0000: 60 00 0003 'raw'"),
        {"unknown_items": (UnknownItem(item_type=0x60, data=b"raw"),)},
    ),
    GoldenItem(
        "51H maximum length", 1, True, octets("0000: 51 00 0004 FFFFFFFE"), {"maximum_length": 0xFFFFFFFE}
    ),
    GoldenItem(
        "52H implementation class UID",
        2,
        True,
        octets("0000: 52 00 0003 '1.2'"),
        {"implementation_class_uid": "1.2"},
    ),
    GoldenItem(
        "53H asynchronous operations window",
        1,
        True,
        octets("0000: 53 00 0004 0102 0304  # invoked, performed"),
        {
            "asynchronous_operations_window": AsynchronousOperationsWindow(
                maximum_invoked=0x102, maximum_performed=0x304
            )
        },
    ),
    GoldenItem(
        "54H role selection",
        1,
        True,
        octets("0000: 54 00 0007 0003 '1.2' 01 01  # UID length, UID, SCU role, SCP role"),
        {"role_selections": (RoleSelection(sop_class_uid="1.2", scu_role=True, scp_role=True),)},
    ),
    GoldenItem(
        "55H implementation version name",
        2,
        True,
        octets("0000: 55 00 0001 'X'"),
        {"implementation_version_name": "X"},
    ),
    GoldenItem(
        "56H SOP class extended negotiation",
        1,
        True,
        octets("0000: 56 00 0006 0003 '1.2' 07"),
        {
            "sop_class_extended": (
                SOPClassExtendedNegotiation(sop_class_uid="1.2", application_information=b"\x07"),
            )
        },
    ),
    GoldenItem(
        "57H SOP class common extended negotiation",
        1,
        True,
        octets(
            """
            0000: 57 01 0011             # item type, version
            0004: 0003 '1.2'             # SOP class
            0009: 0003 '1.3'             # service class
            000E: 0005                   # related general SOP classes
            0010: 0003 '1.4'
            """
        ),
        {
            "sop_class_common_extended": (
                SOPClassCommonExtendedNegotiation(
                    sop_class_uid="1.2",
                    service_class_uid="1.3",
                    related_general_sop_class_uids=("1.4",),
                    version=1,
                ),
            )
        },
    ),
    GoldenItem(
        "58H user identity",
        1,
        True,
        octets("0000: 58 00 0008 05 00 0002 'ey' 0000  # JWT, no response requested, primary, secondary"),
        {"user_identity": UserIdentityRQ(identity_type=5, primary_field=b"ey")},
    ),
    GoldenItem(
        "59H user identity response",
        2,
        True,
        octets("0000: 59 00 0002 0000"),
        {"user_identity_response": UserIdentityAC()},
    ),
    GoldenItem(
        "unknown user information item",
        1,
        True,
        octets("0000: 5A 00 0000"),
        {"unknown_user_information": (UnknownItem(item_type=0x5A, data=b""),)},
    ),
)
"""Each item and sub-item once, in the smallest PDU; reserved bytes are zero, so encoding gives them back."""
