"""What we put on the wire: fragments that fit, views that are not copied, only what is conformant."""

from __future__ import annotations

import array
from collections.abc import Callable
from itertools import pairwise, product

import pytest

from dicomproto.connection import Connection
from dicomproto.errors import LocalProtocolError
from dicomproto.upper_layer import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    Buffer,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    Role,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    State,
    UpperLayer,
    UserIdentityAC,
    UserIdentityRQ,
    decode_pdu,
    encode_pdu,
)
from tests.conversations import AC, IMPLICIT, RQ, events_of, machine_in, sent_by

R, A = Role.REQUESTOR, Role.ACCEPTOR
MIB = 1024 * 1024


def established(peer_maximum_length: int | None) -> UpperLayer:
    machine = machine_in(R, State.STA5)
    machine.receive_data(encode_pdu(AC.replace(maximum_length=peer_maximum_length)))
    events_of(machine)
    return machine


def pdus(data: bytes) -> list[PDataTF]:
    found = []
    while data:
        length = 6 + int.from_bytes(data[2:6], "big")
        pdu = decode_pdu(data[:length])
        assert isinstance(pdu, PDataTF)
        found.append(pdu)
        data = data[length:]
    return found


# --- the peer's maximum length --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("announced", "kept"),
    [
        (128, 128),
        (129, 128),  # fragments are even
        (16384, 16384),
        (65535, 65534),
        (MIB, MIB),
        (MIB + 1, MIB),
        (0xFFFFFFFF, MIB),
        (0, MIB),  # no limit
        (None, MIB),
    ],
)
def test_peer_maximum_length(announced: int | None, kept: int) -> None:
    machine = established(announced)
    assert machine.peer_maximum_length == kept
    acceptor = machine_in(A, State.STA2)
    acceptor.receive_data(encode_pdu(RQ.replace(maximum_length=announced)))
    events_of(acceptor)
    assert acceptor.peer_maximum_length == kept
    payload = bytes(2 * kept)
    machine.send_p_data(1, [payload], is_command=False, is_last=True)
    sent = pdus(sent_by(machine))
    assert [len(encode_pdu(pdu)) - 6 for pdu in sent] == [kept, kept, 18]  # 6 of each are the PDV's header


SIZES = [0, 2, 100, 120, 122, 124, 244, 246, 500, 514, 1000]


@pytest.mark.parametrize(("maximum", "size"), [*product([128, 1000, 16384], SIZES)])
@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
@pytest.mark.parametrize(("is_command", "is_last"), [*product([True, False], repeat=2)])
def test_fragments(maximum: int, size: int, pieces: int, is_command: bool, is_last: bool) -> None:
    machine = established(maximum)
    payload = bytes(at % 251 for at in range(size))
    bounds = [size * at // pieces for at in range(pieces + 1)]
    parts = [payload[start:end] for start, end in pairwise(bounds)]
    machine.send_p_data(1, parts, is_command=is_command, is_last=is_last)
    values = []
    for pdu in pdus(sent_by(machine)):
        assert len(encode_pdu(pdu)) - 6 <= maximum
        (value,) = pdu.values
        values.append(value)
    assert b"".join(value.data for value in values) == payload
    assert len(values) == max(1, -(-size // (maximum - 6)))
    assert all(value.context_id == 1 and value.is_command is is_command for value in values)
    assert all(len(value.data) % 2 == 0 for value in values)
    assert [value.is_last for value in values] == [False] * (len(values) - 1) + [is_last]


def test_large_payloads_are_not_copied() -> None:
    machine = established(16384)
    first, second = bytes(40_000), bytearray(40_000)
    machine.send_p_data(1, [first, memoryview(second)], is_command=False, is_last=True)
    owners = []
    for buffer in machine.data_to_send():
        if isinstance(buffer, memoryview):
            owners.append(buffer.obj)
        else:
            assert len(buffer) == 12
    assert owners[0] is first
    assert owners[-1] is second
    assert {id(owner) for owner in owners} == {id(first), id(second)}


def test_small_payloads_leave_in_one_buffer() -> None:
    machine = established(16384)
    machine.send_p_data(1, [b"ab", b"cd"], is_command=True, is_last=True)
    (buffer,) = machine.data_to_send()
    assert buffer == bytes.fromhex("04000000000A 00000006 01 03") + b"abcd"


def test_a_view_of_wider_items_is_sent_byte_by_byte() -> None:
    words = array.array("H", range(500))
    for size in (500, 8):
        machine = established(16384)
        machine.send_p_data(1, [memoryview(words)[:size]], is_command=False, is_last=True)
        (pdu,) = pdus(sent_by(machine))
        assert pdu.values[0].data == words[:size].tobytes()


def test_pdus_leave_in_order_and_once() -> None:
    machine = established(16384)
    machine.send_p_data(1, [b"ab"], is_command=True, is_last=True)
    machine.send_p_data(1, [bytes(1000)], is_command=False, is_last=True)
    assert [len(pdu.values[0].data) for pdu in pdus(sent_by(machine))] == [2, 1000]
    assert machine.data_to_send() == []


@pytest.mark.parametrize("kind", [bytearray, lambda data: memoryview(bytearray(data))])
@pytest.mark.parametrize("size", [0, 2, 512, 514, 40_000])
def test_buffers_may_change_once_they_were_sent(kind, size: int) -> None:
    """What `data_to_send` gave is on its way; the caller's buffer is its own again."""
    sender, receiver = machine_in(R), machine_in(A)
    expected = b""
    for fill in (b"\x11", b"\x22"):
        data: Buffer = kind(fill * size)
        sender.send_p_data(1, [data], is_command=False, is_last=False)
        wire = sent_by(sender)
        data[:] = b"\xaa" * size
        expected += fill * size
        receiver.receive_data(wire)
        chunks = events_of(receiver)
        assert b"".join(chunk.data for chunk in chunks) == fill * size


# --- misuse ---------------------------------------------------------------------------------------


def value(context_id: int = 1, data: bytes = b"ab") -> PresentationDataValue:
    return PresentationDataValue(context_id=context_id, is_command=False, is_last=True, data=data)


MISUSE = {
    "context not accepted": lambda m: m.send_p_data(3, [b"ab"], is_command=True, is_last=True),
    "context not proposed": lambda m: m.send_p_data(5, [b"ab"], is_command=True, is_last=True),
    "odd fragment": lambda m: m.send_p_data(1, [b"ab", b"c"], is_command=True, is_last=True),
    "P-DATA-TF of no PDV": lambda m: m.send(PDataTF(values=())),
    "P-DATA-TF too long": lambda m: m.send(PDataTF(values=(value(data=bytes(16380)),))),
    "P-DATA-TF too long together": lambda m: m.send(PDataTF(values=(value(data=bytes(8188)),) * 2)),
    "its context not accepted": lambda m: m.send(PDataTF(values=(value(), value(context_id=3)))),
    "its fragment odd": lambda m: m.send(PDataTF(values=(value(data=b"a"),))),
    "proposal on an association": lambda m: m.send(RQ),
    "answer on an association": lambda m: m.send(AC),
    "connected twice": lambda m: m.transport_connected(),
    "no PDU at all": lambda m: m.send("A-ABORT"),
}


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
@pytest.mark.parametrize("role", Role)
def test_misuse_changes_nothing(misuse, role: Role) -> None:
    machine = machine_in(role)
    machine.send_p_data(1, [b"before"], is_command=True, is_last=True)
    with pytest.raises(LocalProtocolError):
        misuse(machine)
    assert machine.state is State.STA6
    assert [pdu.values[0].data for pdu in pdus(sent_by(machine))] == [b"before"]
    assert events_of(machine) == []


def test_a_p_data_of_the_full_length_may_be_sent() -> None:
    machine = machine_in(R)
    pdu = PDataTF(values=(value(data=bytes(16378)),))
    machine.send(pdu)
    assert sent_by(machine) == encode_pdu(pdu)


def test_a_rejection_without_encoding_changes_nothing() -> None:
    machine = machine_in(A, State.STA3)
    with pytest.raises(LocalProtocolError):
        machine.send(AssociateRJ(result=256, source=1, reason=1))
    assert machine.state is State.STA3
    assert machine.data_to_send() == []


CONTEXT = RQ.presentation_contexts[0]


def contexts(count: int) -> dict[str, object]:
    return {"presentation_contexts": tuple(CONTEXT.replace(context_id=2 * n + 1) for n in range(count))}


def context(**fields: object) -> dict[str, object]:
    return {"presentation_contexts": (CONTEXT.replace(**fields),)}


EXTENDED = SOPClassExtendedNegotiation(sop_class_uid="1.2", application_information=b"")
COMMON = SOPClassCommonExtendedNegotiation(sop_class_uid="1.2", service_class_uid="1.3")
BAD_ROLE = RoleSelection(sop_class_uid="x", scu_role=True, scp_role=True)
RQ_REFUSED = [
    ({"called_ae_title": ""}, "called_ae_title"),
    ({"called_ae_title": "    "}, "called_ae_title"),
    ({"calling_ae_title": "17 characters ..."}, "calling_ae_title"),
    ({"calling_ae_title": "back\\slash"}, "backslash"),
    ({"calling_ae_title": "t\xe9"}, "ASCII"),
    ({"calling_ae_title": "a\nb"}, "printable"),
    ({"application_context_name": ""}, "application_context_name"),
    ({"application_context_name": "1.02"}, "application_context_name"),
    ({"maximum_length": 1}, "maximum_length"),
    ({"maximum_length": 127}, "maximum_length"),
    ({"maximum_length": 2**32}, "cannot be encoded"),
    ({"implementation_class_uid": None}, "mandatory"),
    ({"implementation_class_uid": "1..2"}, "implementation_class_uid"),
    ({"implementation_version_name": ""}, "implementation_version_name"),
    ({"implementation_version_name": "17 characters ..."}, "implementation_version_name"),
    ({"implementation_version_name": "\xe9"}, "implementation_version_name"),
    ({"implementation_version_name": "\t"}, "implementation_version_name"),
    (contexts(0), "0 presentation contexts"),
    ({"presentation_contexts": contexts(128)["presentation_contexts"] * 2}, "256 presentation contexts"),
    ({"presentation_contexts": (CONTEXT, CONTEXT)}, "distinct"),
    (context(context_id=0), "not odd"),
    (context(context_id=2), "not odd"),
    (context(context_id=257), "not odd"),
    (context(context_id=-1), "not odd"),
    (context(abstract_syntax=""), "abstract syntax of context 1"),
    (context(abstract_syntax="1.2 "), "abstract syntax of context 1"),
    (context(transfer_syntaxes=()), "no transfer syntax"),
    (context(transfer_syntaxes=(IMPLICIT, "x")), "transfer syntax of context 1"),
    ({"protocol_version": 0}, "bit 0"),
    ({"reserved": b""}, "32 bytes"),
    (
        {"role_selections": (RoleSelection(sop_class_uid="x", scu_role=True, scp_role=True),)},
        "role selection",
    ),
    ({"role_selections": (RoleSelection(scp_role=True),)}, "RoleSelection has no sop_class_uid: set it"),
    (
        {"asynchronous_operations_window": AsynchronousOperationsWindow()},
        "AsynchronousOperationsWindow has no maximum_invoked and no maximum_performed: set it, or give it",
    ),
    (
        {"sop_class_extended": (SOPClassExtendedNegotiation(sop_class_uid="1.2"),)},
        r"has no application_information: .* SOPClassExtendedNegotiation\(application_information=..., ...\)",
    ),
    (
        {"sop_class_extended": (EXTENDED.replace(sop_class_uid="1..2"),)},
        "SOP class of an extended negotiation '1..2' is no valid UID",
    ),
    (
        {"sop_class_common_extended": (SOPClassCommonExtendedNegotiation(sop_class_uid="1.2"),)},
        "SOPClassCommonExtendedNegotiation has no service_class_uid",
    ),
    (
        {"sop_class_common_extended": (COMMON.replace(sop_class_uid="x"),)},
        "SOP class of an extended negotiation 'x'",
    ),
    (
        {"sop_class_common_extended": (COMMON.replace(service_class_uid="9" * 65),)},
        "service class of a common extended negotiation '9",
    ),
    (
        {"sop_class_common_extended": (COMMON.replace(related_general_sop_class_uids=["1.2", ""]),)},
        "related general SOP class of a common extended negotiation ''",
    ),
    ({"sop_class_common_extended": (COMMON.replace(version=256),)}, "cannot be encoded"),
    ({"user_identity": UserIdentityRQ(identity_type=1)}, "UserIdentityRQ has no primary_field"),
    ({"user_identity": UserIdentityRQ(identity_type=6, primary_field=b"")}, "identity type 6"),
    ({"user_identity_response": UserIdentityAC()}, "belongs into the A-ASSOCIATE-AC"),
]


@pytest.mark.parametrize(("fields", "text"), RQ_REFUSED, ids=[text for _, text in RQ_REFUSED])
def test_a_proposal_that_is_not_conformant_is_refused(fields: dict[str, object], text: str) -> None:
    machine = UpperLayer(R)
    with pytest.raises(LocalProtocolError, match=text):
        machine.send(RQ.replace(**fields))
    assert machine.state is State.STA1
    assert machine.request is None
    assert machine.data_to_send() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"maximum_length": 0},
        {"maximum_length": 128},
        {"maximum_length": None},
        {"implementation_version_name": "16 characters .."},
        {"implementation_version_name": None},
        {"called_ae_title": "16 characters .."},
        contexts(128),
        context(context_id=255),
        {
            "sop_class_extended": (EXTENDED,),
            "sop_class_common_extended": (COMMON.replace(related_general_sop_class_uids=["1.4"]),),
        },
    ],
    ids=str,
)
def test_a_conformant_proposal_is_sent(fields: dict[str, object]) -> None:
    machine = UpperLayer(R)
    request = RQ.replace(**fields)
    machine.send(request)
    machine.transport_connected()
    assert sent_by(machine) == encode_pdu(request)


@pytest.mark.parametrize("identity_type", range(1, 6))
def test_each_type_of_user_identity_is_sent(identity_type: int) -> None:
    machine = UpperLayer(R)
    machine.send(RQ.replace(user_identity=UserIdentityRQ(identity_type=identity_type, primary_field=b"x")))
    assert machine.state is State.STA4


@pytest.mark.parametrize("result", range(5))
def test_each_result_is_sent(result: int) -> None:
    machine = machine_in(A, State.STA3)
    machine.send(AC.replace(**answers(ACCEPTED.replace(result=result), *OTHERS)))
    assert machine.state is State.STA6


def test_a_role_is_answered_with_the_uid_that_was_proposed_valid_or_not() -> None:
    """A peer that proposes an odd UID, which we support, is not a fault of ours."""
    machine = UpperLayer(A)
    machine.transport_connected()
    machine.receive_data(encode_pdu(RQ.replace(role_selections=(BAD_ROLE.replace(sop_class_uid="1..2"),))))
    events_of(machine)
    machine.send(AC.replace(role_selections=(BAD_ROLE.replace(sop_class_uid="1..2"),)))
    assert machine.state is State.STA6


def answers(*contexts: PresentationContextAC) -> dict[str, object]:
    return {"presentation_contexts": contexts}


ACCEPTED, *OTHERS = AC.presentation_contexts
USER = UserIdentityRQ(identity_type=1, primary_field=b"")
ONE_OPERATION = AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=1)
AC_REFUSED = [
    ({"maximum_length": 127}, "maximum_length"),
    ({"implementation_class_uid": None}, "mandatory"),
    ({"implementation_version_name": "x" * 17}, "implementation_version_name"),
    ({"protocol_version": 2}, "bit 0"),
    (
        {"user_identity": UserIdentityRQ(identity_type=1, primary_field=b"")},
        "belongs into the A-ASSOCIATE-RQ",
    ),
    ({"user_identity_response": UserIdentityAC()}, "user_identity_response was not asked for"),
    ({"asynchronous_operations_window": ONE_OPERATION}, "window was not asked for"),
    (
        {"role_selections": (RoleSelection(sop_class_uid="bad", scu_role=True, scp_role=True),)},
        "no valid UID",
    ),
    ({"role_selections": (RoleSelection(),)}, "RoleSelection has no sop_class_uid"),
    (answers(), "answered once"),
    (answers(ACCEPTED, ACCEPTED), "answered once"),
    (answers(ACCEPTED.replace(context_id=5)), "answered once"),
    (answers(ACCEPTED.replace(transfer_syntax="1.2.840.10008.1.2.2"), *OTHERS), "which was not proposed"),
    (answers(ACCEPTED.replace(transfer_syntax=""), *OTHERS), "which was not proposed"),
    (answers(ACCEPTED.replace(result=5), *OTHERS), "result 5"),
]


@pytest.mark.parametrize("fields", [(0, 1, 1), (3, 1, 1), (1, 0, 1), (1, 1, 4), (1, 2, 3), (1, 3, 0)])
def test_a_rejection_that_is_not_in_the_table_is_refused(fields: tuple[int, int, int]) -> None:
    machine = machine_in(A, State.STA3)
    result, source, reason = fields
    with pytest.raises(LocalProtocolError, match="Table 9-21"):
        machine.send(AssociateRJ(result=result, source=source, reason=reason))
    assert (machine.state, machine.data_to_send()) == (State.STA3, [])


@pytest.mark.parametrize(("fields", "text"), AC_REFUSED, ids=[text for _, text in AC_REFUSED])
def test_an_answer_that_is_not_conformant_is_refused(fields: dict[str, object], text: str) -> None:
    machine = machine_in(A, State.STA3)
    with pytest.raises(LocalProtocolError, match=text):
        machine.send(AC.replace(**fields))
    assert machine.state is State.STA3
    assert machine.answer is None
    assert machine.data_to_send() == []


def test_an_answer_takes_the_title_fields_as_they_are() -> None:
    """They are reserved: the bytes of the request go back, whatever they are."""
    machine = machine_in(A, State.STA3)
    machine.send(AC.replace(called_ae_title="\xff\0\xff", calling_ae_title=""))
    assert machine.state is State.STA6


def test_a_padded_transfer_syntax_may_be_answered_without_its_padding() -> None:
    machine = machine_in(A, State.STA2)
    proposed = PresentationContextRQ(
        context_id=1, abstract_syntax="1.2", transfer_syntaxes=(IMPLICIT + "\0",)
    )
    machine.receive_data(encode_pdu(RQ.replace(presentation_contexts=(proposed,))))
    events_of(machine)
    answer = PresentationContextAC(context_id=1, result=0, transfer_syntax=IMPLICIT)
    machine.send(AC.replace(presentation_contexts=(answer,)))
    assert machine.state is State.STA6


# --- what was accepted ----------------------------------------------------------------------------


def test_an_answer_to_what_was_not_proposed_accepts_nothing() -> None:
    machine = machine_in(R, State.STA5)
    surplus = PresentationContextAC(context_id=7, result=0, transfer_syntax=IMPLICIT)
    answer = AC.replace(presentation_contexts=(*AC.presentation_contexts, surplus))
    machine.receive_data(encode_pdu(answer))
    assert events_of(machine) == [answer]
    for context_id in (3, 7):
        with pytest.raises(LocalProtocolError, match="not accepted"):
            machine.send_p_data(context_id, [b""], is_command=True, is_last=True)
    machine.send_p_data(1, [b""], is_command=True, is_last=True)


def test_both_sides_know_request_and_answer() -> None:
    for role in Role:
        machine = machine_in(role)
        assert (machine.request, machine.answer) == (RQ, AC)
        assert isinstance(machine.request, AssociateRQ)
        assert isinstance(machine.answer, AssociateAC)
        assert machine.bytes_received == len(encode_pdu(AC if role is R else RQ))


@pytest.mark.parametrize("make", [UpperLayer, Connection])
@pytest.mark.parametrize("role", ["requestor", None, 5])
def test_a_role_that_is_none_is_told(make: Callable[..., object], role: object) -> None:
    """It was taken for the acceptor's."""
    with pytest.raises(TypeError, match="role: a Role is wanted, not "):
        make(role)


@pytest.mark.parametrize("make", [UpperLayer, Connection])
@pytest.mark.parametrize("name", ["limits", "timeouts"])
def test_limits_and_timeouts_that_are_none_are_told(make: Callable[..., object], name: str) -> None:
    for given in (0, {}, "60"):
        with pytest.raises(TypeError, match=f"{name}: a {name.title()} is wanted, not "):
            make(Role.ACCEPTOR, **{name: given})
