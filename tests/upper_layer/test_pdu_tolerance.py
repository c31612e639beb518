"""What is malformed is named, by item and byte; what is merely odd is taken, with a warning as data."""

from __future__ import annotations

import pytest

from dicomproto.errors import InvalidPDU, LocalProtocolError
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
    RoleSelection,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
    decode_pdu,
    encode_pdu,
    normalize_ae_title,
)
from tests.golden import ITEMS, associate, octets, user_information
from tests.streams import cut_every, framed, joined

INVALID, UNEXPECTED = 6, 5  # A-ABORT reasons (PS3.8 Table 9-26)
ITEMS_AT = 74  # offset of the first item of an A-ASSOCIATE PDU
SUB_ITEMS_AT = 78  # of the first user information sub-item, if user information comes first


def rq(items: bytes) -> AssociateRQ:
    decoded = decode_pdu(associate(1, items))
    assert isinstance(decoded, AssociateRQ)
    return decoded


# --- malformed ----------------------------------------------------------------------------------

# name, PDU type, in user information, items, offset from the first of them, end of the item path, reason
MALFORMED = [
    ("item header cut short", 1, False, "10 00 00", 0, "A-ASSOCIATE-RQ", INVALID),
    ("item longer than its PDU", 1, False, "10 00 0001", 2, "A-ASSOCIATE-RQ", INVALID),
    ("unknown item longer than its PDU", 2, False, "EE 00 FFFF 00", 2, "A-ASSOCIATE-AC", INVALID),
    ("user information longer than its PDU", 1, False, "50 00 0004 51 00 00", 2, "A-ASSOCIATE-RQ", INVALID),
    ("sub-item header cut short", 1, True, "51 00", 0, "user information", INVALID),
    ("sub-item longer than its parent", 1, True, "52 00 0002 '1'", 2, "user information", INVALID),
    ("context of 0 bytes", 1, False, "20 00 0000", 4, "presentation context 1", INVALID),
    ("context of 3 bytes", 2, False, "21 00 0003 01 00 00", 4, "presentation context 1", INVALID),
    (
        "second context has an item too long",
        1,
        False,
        "20 00 0004 01 00 00 00 20 00 0008 03 00 00 00 30 00 0001",
        18,
        "presentation context 2",
        INVALID,
    ),
    ("context of the other direction", 1, False, "21 00 0004 01 00 00 00", 0, "A-ASSOCIATE-RQ", UNEXPECTED),
    ("context of the other direction", 2, False, "20 00 0004 01 00 00 00", 0, "A-ASSOCIATE-AC", UNEXPECTED),
    ("abstract syntax outside a context", 1, False, "30 00 0000", 0, "A-ASSOCIATE-RQ", UNEXPECTED),
    ("sub-item outside user information", 1, False, "51 00 0004 00000000", 0, "A-ASSOCIATE-RQ", UNEXPECTED),
    (
        "sub-item in a context",
        1,
        False,
        "20 00 000C 01 00 00 00 51 00 0004 00000000",
        8,
        "presentation context 1",
        UNEXPECTED,
    ),
    ("context in user information", 1, True, "20 00 0004 01 00 00 00", 0, "user information", UNEXPECTED),
    *(
        (f"maximum length of {n} bytes", 1, True, f"51 00 {n:04X} {'00' * n}", 2, "maximum length", INVALID)
        for n in (0, 1, 2, 3, 5, 6, 7, 8)
    ),
    ("operations window of 3 bytes", 1, True, "53 00 0003 000000", 2, "operations window", INVALID),
    ("operations window of 5 bytes", 2, True, "53 00 0005 0000000000", 2, "operations window", INVALID),
    ("role selection of 1 byte", 1, True, "54 00 0001 00", 4, "role selection", INVALID),
    ("role selection without roles", 1, True, "54 00 0003 0001 '1'", 7, "role selection", INVALID),
    ("role selection with one role", 1, True, "54 00 0004 0001 '1' 01", 7, "role selection", INVALID),
    ("role UID one byte too long", 1, True, "54 00 0005 0004 '1.2'", 4, "role selection", INVALID),
    ("role UID of 65535 bytes", 2, True, "54 00 0004 FFFF 01 01", 4, "role selection", INVALID),
    ("extended negotiation of 1 byte", 1, True, "56 00 0001 00", 4, "extended negotiation", INVALID),
    ("extended negotiation UID too long", 1, True, "56 00 0003 0002 '1'", 4, "extended negotiation", INVALID),
    ("common negotiation, SOP class too long", 1, True, "57 00 0003 0002 '1'", 4, "common extended", INVALID),
    ("common negotiation without service", 1, True, "57 00 0003 0001 '1'", 7, "common extended", INVALID),
    ("its service too long", 1, True, "57 00 0006 0001 '1' 0002 '1'", 7, "common extended", INVALID),
    (
        "its related list cut short",
        1,
        True,
        "57 00 0007 0001 '1' 0001 '1' 00",
        10,
        "common extended",
        INVALID,
    ),
    (
        "its related list too long",
        1,
        True,
        "57 00 0008 0001 '1' 0001 '1' 0001",
        10,
        "common extended",
        INVALID,
    ),
    (
        "its related UID too long",
        1,
        True,
        "57 00 000C 0001 '1' 0001 '1' 0003 0002 '1' 00",
        12,
        "common extended",
        INVALID,
    ),
    (
        "its related UID's length cut short",
        1,
        True,
        "57 00 000B 0001 '1' 0001 '1' 0001 00 0000",
        12,
        "common extended",
        INVALID,
    ),
    ("user identity of 0 bytes", 1, True, "58 00 0000", 4, "user identity", INVALID),
    ("user identity of 1 byte", 1, True, "58 00 0001 01", 4, "user identity", INVALID),
    ("user identity without fields", 1, True, "58 00 0002 01 00", 6, "user identity", INVALID),
    ("primary field too long", 1, True, "58 00 0005 01 00 0002 'a'", 6, "user identity", INVALID),
    ("primary field of 65535 bytes", 1, True, "58 00 0006 01 00 FFFF 0000", 6, "user identity", INVALID),
    ("secondary length cut short", 1, True, "58 00 0006 02 00 0001 'a' 00", 9, "user identity", INVALID),
    ("secondary field too long", 1, True, "58 00 0007 02 00 0001 'a' 0001", 9, "user identity", INVALID),
    ("identity response of 0 bytes", 2, True, "59 00 0000", 4, "user identity response", INVALID),
    ("identity response too long", 2, True, "59 00 0003 0002 'a'", 4, "user identity response", INVALID),
]


@pytest.mark.parametrize(
    ("pdu_type", "in_user_information", "items", "offset", "path", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in MALFORMED],
)
def test_malformed_item(
    pdu_type: int, in_user_information: bool, items: str, offset: int, path: str, reason: int
) -> None:
    data = octets(f"0000: {items}")
    where = SUB_ITEMS_AT if in_user_information else ITEMS_AT
    pdu = associate(pdu_type, user_information(data) if in_user_information else data)
    with pytest.raises(InvalidPDU) as caught:
        decode_pdu(pdu)
    error = caught.value
    assert (error.offset, error.reason) == (where + offset, reason)
    assert error.item_path.startswith("A-ASSOCIATE-RQ" if pdu_type == 1 else "A-ASSOCIATE-AC")
    assert path in error.item_path.split(" / ")[-1]
    as_item = str(error), error.offset, error.item_path, error.reason
    assert framed([pdu]) == [as_item]
    assert framed(cut_every(pdu, 1)) == [as_item]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_no_lying_length_reads_outside_its_parent(item) -> None:
    """Each byte of each item in turn takes each value that a length may lie with."""
    whole = item.pdu
    for at in range(len(whole) - len(item.data), len(whole)):
        for lie in (0, 1, whole[at] ^ 1, 0x7F, 0xFF):
            data = bytearray(whole)
            data[at] = lie
            try:
                decode_pdu(data)
            except InvalidPDU as error:
                assert 6 <= error.offset <= len(whole)  # noqa: PT017 - most of these bytes are not lengths


OTHERS_MALFORMED = [
    ("nothing", "", 0, "PDU", 1),
    ("half a header", "05 00 0000", 0, "PDU", 1),
    ("type 0", "00 00 00000000", 0, "PDU", 1),
    ("type 8", "08 00 00000000", 0, "PDU", 1),
    ("longer than declared", "05 00 00000004 0000000000", 2, "A-RELEASE-RQ", INVALID),
    ("shorter than declared", "05 00 00000004 000000", 2, "A-RELEASE-RQ", INVALID),
    ("A-ASSOCIATE-RQ without its fixed part", f"01 00 00000043 {'00' * 67}", 2, "A-ASSOCIATE-RQ", INVALID),
    ("A-ASSOCIATE-AC of 0 bytes", "02 00 00000000", 2, "A-ASSOCIATE-AC", INVALID),
    *(
        (f"type {n} of {size} bytes", f"{n:02X} 00 {size:08X} {'00' * size}", 2, name, INVALID)
        for n, name in ((3, "A-ASSOCIATE-RJ"), (5, "A-RELEASE-RQ"), (6, "A-RELEASE-RP"), (7, "A-ABORT"))
        for size in (0, 3, 5)
    ),
]


@pytest.mark.parametrize(
    ("data", "offset", "path", "reason"), [pytest.param(*case[1:], id=case[0]) for case in OTHERS_MALFORMED]
)
def test_malformed_pdu(data: str, offset: int, path: str, reason: int) -> None:
    with pytest.raises(InvalidPDU) as caught:
        decode_pdu(octets(f"0000: {data}") if data else b"")
    assert (caught.value.offset, caught.value.item_path, caught.value.reason) == (offset, path, reason)


P_DATA_MALFORMED = [
    ("no PDV", "", 2),
    ("bytes too few for a PDV", "00000002 01", 2),
    *((f"PDV of {n} bytes", f"{n:08X} 01 03", 6) for n in (0, 1)),
    *((f"PDV of {n:X}H bytes", f"{n:08X} 01 03", 6) for n in (3, 4, 0x7FFFFFFF, 0x80000000)),
    *((f"PDV of {n:X}H bytes", f"{n:08X} 01 03", 6) for n in range(0xFFFFFFFA, 0x100000000)),
    ("second PDV too long", "00000002 01 03 00000004 01 03 00", 12),
    ("one byte behind the last PDV", "00000004 01 03 0000 00", 14),
    ("five bytes behind the last PDV", "00000004 01 03 0000 00000001 00", 14),
]


@pytest.mark.parametrize(
    ("body", "offset"), [pytest.param(*case[1:], id=case[0]) for case in P_DATA_MALFORMED]
)
def test_malformed_p_data(body: str, offset: int) -> None:
    content = octets(f"0000: {body}") if body else b""
    data = b"\x04\x00" + len(content).to_bytes(4, "big") + content
    with pytest.raises(InvalidPDU) as caught:
        decode_pdu(data)
    assert (caught.value.offset, caught.value.reason) == (offset, INVALID)
    assert caught.value.item_path.startswith("P-DATA-TF")
    whole = joined(framed([data]))
    error = caught.value
    # The framer says the same, after the PDVs that are good.
    assert whole[-1] == (str(error), error.offset, error.item_path, error.reason)
    assert joined(framed(cut_every(data, 1))) == whole


# --- odd, and taken -----------------------------------------------------------------------------

CONTEXT = PresentationContextRQ(context_id=1, abstract_syntax="1.2", transfer_syntaxes=())
ODD = [
    ("nothing but the fixed part", "", {}, ["missing-item: application context"]),
    ("user information empty", "50 00 0000", {}, ["missing-item: application context"]),
    (
        "application context twice",
        "10 00 0003 '1.2' 10 00 0003 '1.3'",
        {"application_context_name": "1.2"},
        ["duplicate-item: application_context_name, the first one counts"],
    ),
    (
        "user information twice, an item in each and one in both",
        (
            "10 00 0001 '1' 50 00 000D 55 00 0001 'a' 51 00 0004 00000100"
            " 50 00 000A 55 00 0001 'b' 52 00 0001 '2'"
        ),
        {
            "application_context_name": "1",
            "maximum_length": 256,
            "implementation_version_name": "a",
            "implementation_class_uid": "2",
        },
        ["duplicate-item: implementation_version_name, the first one counts"],
    ),
    (
        "items in disorder",
        "50 00 0005 55 00 0001 'v' 20 00 000B 01 00 00 00 30 00 0003 '1.2' 10 00 0001 '1'",
        {
            "application_context_name": "1",
            "implementation_version_name": "v",
            "presentation_contexts": (CONTEXT,),
        },
        [],
    ),
    (
        "two abstract syntaxes",
        "10 00 0001 '1' 20 00 0012 01 00 00 00 30 00 0003 '1.2' 30 00 0003 '1.3'",
        {"application_context_name": "1", "presentation_contexts": (CONTEXT,)},
        ["duplicate-item: abstract syntax, the first one counts"],
    ),
    ("an empty application context", "10 00 0000", {}, ["empty-item: application context"]),
    (
        "bytes behind the roles",
        "10 00 0001 '1' 50 00 000A 54 00 0006 0001 '1' 01 00 EE",
        {
            "application_context_name": "1",
            "role_selections": (RoleSelection(sop_class_uid="1", scu_role=True, scp_role=False),),
        },
        ["surplus-bytes: 1 at the end of A-ASSOCIATE-RQ / user information / role selection"],
    ),
    (
        "no secondary field",
        "10 00 0001 '1' 50 00 0009 58 00 0005 01 01 0001 'a'",
        {
            "application_context_name": "1",
            "user_identity": UserIdentityRQ(
                identity_type=1, primary_field=b"a", positive_response_requested=True
            ),
        },
        [],
    ),
    (
        "bytes behind the user identity",
        "10 00 0001 '1' 50 00 000C 58 00 0008 01 00 0000 0000 EEEE",
        {
            "application_context_name": "1",
            "user_identity": UserIdentityRQ(identity_type=1, primary_field=b""),
        },
        ["surplus-bytes: 2 at the end of A-ASSOCIATE-RQ / user information / user identity"],
    ),
    (
        "an item of the other direction",
        "10 00 0001 '1' 50 00 0008 59 00 0004 0001 'r' 00",
        {"application_context_name": "1", "user_identity_response": UserIdentityAC(server_response=b"r")},
        [
            "surplus-bytes: 1 at the end of A-ASSOCIATE-RQ / user information / user identity response",
            "misplaced-item: a user identity response in a request",
        ],
    ),
]


UNRELATED = {
    "missing-item: implementation class UID",
    "no-transfer-syntax: in a presentation context",
    "invalid-uid: in a presentation context",
    "missing-item: presentation context",
    "missing-item: maximum length",
}


@pytest.mark.parametrize(
    ("items", "fields", "warnings"), [pytest.param(*case[1:], id=case[0]) for case in ODD]
)
def test_odd_item(items: str, fields: dict[str, object], warnings: list[str]) -> None:
    decoded = rq(octets(f"0000: {items}") if items else b"")
    base = AssociateRQ(called_ae_title="A", calling_ae_title="B", application_context_name="")
    assert decoded == base.replace(**fields)
    told = [text for text in decoded.warnings if text not in UNRELATED]
    assert told == warnings


def test_a_refused_context_may_name_a_transfer_syntax_or_none() -> None:
    items = octets("0000: 21 00 0008 01 00 04 00 40 00 0000 21 00 0009 03 00 03 00 40 00 0001 '1'")
    decoded = decode_pdu(associate(2, items))
    assert isinstance(decoded, AssociateAC)
    assert decoded.presentation_contexts == (
        PresentationContextAC(context_id=1, result=4),
        PresentationContextAC(context_id=3, result=3, transfer_syntax="1"),
    )


def test_common_extended_negotiation_may_end_after_its_service_class_or_with_reserved_bytes() -> None:
    items = "57 00 0006 0001 '1' 0001 '2' 57 00 0009 0001 '1' 0001 '2' 0000 EE"
    short, reserved = rq(user_information(octets(f"0000: {items}"))).sop_class_common_extended
    assert short == reserved
    assert (short.sop_class_uid, short.service_class_uid, short.related_general_sop_class_uids) == (
        "1",
        "2",
        (),
    )


def test_every_role_value_but_1_is_no() -> None:
    for value in range(256):
        item = b"\x54\x00\x00\x05\x00\x01" + b"1" + bytes((value, value))
        (role,) = rq(user_information(item)).role_selections
        assert (role.scu_role, role.scp_role) == (value == 1, value == 1)


@pytest.mark.parametrize("value", [0, 1, 5, 6, 255])
def test_every_user_identity_type_is_kept(value: int) -> None:
    identity = rq(
        user_information(b"\x58\x00\x00\x06" + bytes((value, value)) + b"\x00\x00\x00\x00")
    ).user_identity
    assert identity is not None
    assert identity.identity_type == value
    assert identity.positive_response_requested is (value == 1)


# --- text and enumerated values of any kind --------------------------------------------------------

ALL_BYTES = bytes(range(256))


def every_text_field(text: bytes) -> bytes:
    """Return an A-ASSOCIATE-RQ with `text` in each of its text fields (the titles take 16 bytes of it)."""
    counted = len(text).to_bytes(2, "big") + text
    items = b"".join(
        bytes((item_type, 0)) + len(value).to_bytes(2, "big") + value
        for item_type, value in (
            (0x52, text),
            (0x54, counted + b"\x01\x01"),
            (0x55, text),
            (0x56, counted + text),
            (0x57, counted * 2 + len(counted).to_bytes(2, "big") + counted),
            (0x58, b"\x02\x00" + counted * 2),
            (0x59, counted),
        )
    )
    syntaxes = b"".join(bytes((n, 0)) + counted for n in (0x30, 0x40))
    context = b"\x01\x00\x00\x00" + syntaxes
    contexts = b"\x20\x00" + len(context).to_bytes(2, "big") + context
    return associate(1, b"\x10\x00" + counted + contexts + user_information(items))


@pytest.mark.parametrize("text", [ALL_BYTES, b"", b"\xff" * 64, b"\0" * 5, b" 1.2 \0"], ids=len)
def test_any_bytes_are_kept_in_text_fields(text: bytes) -> None:
    decoded = rq_of(every_text_field(text))
    kept = text.decode("latin-1")
    (context,), (role,) = decoded.presentation_contexts, decoded.role_selections
    (extended,), (common,) = decoded.sop_class_extended, decoded.sop_class_common_extended
    texts = [
        decoded.application_context_name,
        decoded.implementation_class_uid,
        decoded.implementation_version_name,
        context.abstract_syntax,
        *context.transfer_syntaxes,
        role.sop_class_uid,
        extended.sop_class_uid,
        common.sop_class_uid,
        common.service_class_uid,
        *common.related_general_sop_class_uids,
    ]
    assert set(texts) == {kept}
    assert len(texts) == 10
    if text:
        assert encode_pdu(decoded) == every_text_field(text)


def rq_of(data: bytes) -> AssociateRQ:
    decoded = decode_pdu(data)
    assert isinstance(decoded, AssociateRQ)
    return decoded


@pytest.mark.parametrize("start", range(0, 256, 16))
def test_any_bytes_are_kept_in_ae_titles(start: int) -> None:
    title = ALL_BYTES[start : start + 16]
    data = bytearray(associate(1, b""))
    data[10:26] = data[26:42] = title
    decoded = rq_of(bytes(data))
    assert decoded.called_ae_title == decoded.calling_ae_title == title.decode("latin-1")
    assert encode_pdu(decoded) == bytes(data)


@pytest.mark.parametrize(
    ("field", "kept", "meant"),
    [
        (b"SCP             ", "SCP", "SCP"),
        (b"  SCP           ", "  SCP", "SCP"),
        (b"SCP\0\0\0\0\0\0\0\0\0\0\0\0\0", "SCP", "SCP"),
        (b"SCP\0      \0     ", "SCP", "SCP"),
        (bytes(16), "", ""),
        (b"\0SCP\0           ", "\0SCP", "SCP"),
        (b"S\0CP            ", "S\0CP", "S\0CP"),
        (b"                ", "", ""),
        (b"A B\xe9            ", "A B\xe9", "A B\xe9"),
    ],
)
def test_titles_are_kept_and_normalized_apart(field: bytes, kept: str, meant: str) -> None:
    data = bytearray(associate(1, b""))
    data[10:26] = field
    decoded = rq_of(bytes(data))
    assert decoded.called_ae_title == kept
    assert normalize_ae_title(kept) == meant
    assert encode_pdu(decoded) == bytes(data)  # raw they are kept as well
    assert b"OTHER".ljust(16) in encode_pdu(decoded.replace(called_ae_title="OTHER"))
    is_padded = "padded-ae-title: with NULs, not with spaces" in decoded.warnings
    assert is_padded is (field.rstrip(b" \0") != field.rstrip(b" "))


def test_no_text_of_a_peer_reaches_a_log_raw() -> None:
    shown = repr(rq_of(every_text_field(ALL_BYTES)))
    assert shown.isascii() or shown.isprintable()
    assert "\n" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("value", range(256))
def test_any_result_source_and_reason_is_kept(value: int) -> None:
    for pdu in (AssociateRJ(result=value, source=value, reason=value), Abort(source=value, reason=value)):
        assert decode_pdu(encode_pdu(pdu)) == pdu
        assert pdu.meaning


@pytest.mark.parametrize(
    ("pdu", "meaning"),
    [
        (
            AssociateRJ(result=1, source=1, reason=7),
            "rejected permanently by the service-user: called AE title not recognized",
        ),
        (
            AssociateRJ(result=2, source=3, reason=2),
            (
                "rejected transiently by the service-provider (presentation related function): "
                "local limit exceeded"
            ),
        ),
        (AssociateRJ(result=0, source=9, reason=9), "rejected (result 0) by the source 9: reason 9"),
        (Abort(source=0, reason=3), "aborted by the service-user"),
        (Abort(source=2, reason=6), "aborted by the service-provider: invalid PDU parameter value"),
        (Abort(source=2, reason=3), "aborted by the service-provider: reason 3"),
        (Abort(source=1, reason=1), "aborted (source 1, reason 1)"),
    ],
)
def test_meaning(pdu: AssociateRJ | Abort, meaning: str) -> None:
    assert pdu.meaning == meaning


# --- values without encoding ---------------------------------------------------------------------


def _rq(**fields: object) -> AssociateRQ:
    return AssociateRQ(called_ae_title="A", calling_ae_title="B", **fields)


@pytest.mark.parametrize(
    "pdu",
    [
        _rq().replace(calling_ae_title="x" * 17),
        _rq(implementation_version_name="\u20ac"),
        _rq(implementation_class_uid="1" * 65536),
        _rq(maximum_length=2**32),
        _rq(maximum_length=-1),
        _rq(protocol_version=65536),
        _rq(presentation_contexts=(CONTEXT.replace(context_id=256),)),
        _rq(presentation_contexts=(CONTEXT.replace(context_id=-1),)),
        _rq(
            presentation_contexts=(
                CONTEXT.replace(abstract_syntax="1" * 40000, transfer_syntaxes=("1" * 40000,)),
            )
        ),
        _rq(asynchronous_operations_window=AsynchronousOperationsWindow(maximum_invoked=1)),
        _rq(role_selections=(RoleSelection(scp_role=True),)),
        _rq(user_identity=UserIdentityRQ()),
        _rq(user_identity=UserIdentityRQ(identity_type=256, primary_field=b"")),
        _rq(user_identity=UserIdentityRQ(identity_type=1, primary_field=bytes(65536))),
        _rq(unknown_items=(UnknownItem(item_type=256, data=b""),)),
        AssociateAC(
            called_ae_title="",
            calling_ae_title="",
            presentation_contexts=(PresentationContextAC(context_id=1, result=256),),
        ),
        AssociateRJ(result=256, source=0, reason=0),
        Abort(source=0, reason=-1),
        PDataTF(values=(PresentationDataValue(context_id=256, is_command=False, is_last=False, data=b""),)),
    ],
)
def test_what_has_no_encoding_is_local_misuse(pdu: PDU) -> None:
    with pytest.raises(LocalProtocolError):
        encode_pdu(pdu)
