"""What is tolerated in a received A-ASSOCIATE comes with a warning that says so."""

from __future__ import annotations

import pytest

from dicomproto.upper_layer import (
    AssociateAC,
    AssociateRQ,
    CloseAction,
    PresentationContextAC,
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
from tests.conversations import AC, RQ, events_of, machine_in
from tests.golden import associate

CONTEXT = RQ.presentation_contexts[0]
ANSWER = AC.presentation_contexts[0]
RAW_TITLES = b"".join(title.encode().ljust(16, b"\0") for title in (RQ.called_ae_title, RQ.calling_ae_title))
ROLE = RoleSelection(sop_class_uid="1.2", scu_role=True, scp_role=False)
EXTENDED = SOPClassExtendedNegotiation(sop_class_uid="1.02", application_information=b"")
COMMON = SOPClassCommonExtendedNegotiation(sop_class_uid="1.02", service_class_uid="1.2")


@pytest.mark.parametrize(
    ("pdu", "codes"),
    [
        (RQ, []),
        (AC, []),
        (RQ.replace(called_ae_title="", calling_ae_title=""), ["blank-ae-title", "blank-ae-title"]),
        (RQ.replace(called_ae_title="A\\B", calling_ae_title="\0A\n"), ["odd-ae-title", "odd-ae-title"]),
        (AC.replace(called_ae_title="A\\B"), []),
        (RQ.replace(raw_ae_titles=RAW_TITLES), ["padded-ae-title"]),
        (AC.replace(raw_ae_titles=RAW_TITLES), []),
        (RQ.replace(application_context_name="1.02"), ["invalid-uid"]),
        (AC.replace(application_context_name="x"), ["invalid-uid"]),
        (RQ.replace(protocol_version=3), ["odd-value"]),
        (AC.replace(protocol_version=0), ["odd-value"]),
        (RQ.replace(maximum_length=None), ["missing-item"]),
        (AC.replace(maximum_length=None), ["missing-item"]),
        (RQ.replace(implementation_class_uid=""), ["invalid-uid"]),
        (AC.replace(implementation_class_uid="1.2.3 "), ["invalid-uid"]),
        (RQ.replace(implementation_version_name=""), ["odd-value"]),
        (RQ.replace(implementation_version_name="V" * 17), ["odd-value"]),
        (AC.replace(implementation_version_name="V\xe9"), ["odd-value"]),
        (RQ.replace(presentation_contexts=()), ["missing-item"]),
        (RQ.replace(role_selections=(ROLE.replace(sop_class_uid=""),)), ["invalid-uid"]),
        (RQ.replace(sop_class_extended=(EXTENDED,)), ["invalid-uid"]),
        (RQ.replace(sop_class_common_extended=(COMMON,)), ["invalid-uid"]),
        (RQ.replace(user_identity=UserIdentityRQ(identity_type=6, primary_field=b"me")), ["odd-value"]),
        (RQ.replace(user_identity=UserIdentityRQ(identity_type=5, primary_field=b"me")), []),
        (RQ.replace(user_identity_response=UserIdentityAC()), ["misplaced-item"]),
        (AC.replace(user_identity=UserIdentityRQ(identity_type=1, primary_field=b"me")), ["misplaced-item"]),
        (AC.replace(user_identity_response=UserIdentityAC()), []),
        (AC.replace(called_ae_title=""), []),  # reserved in an answer
        (RQ.replace(implementation_class_uid=None), ["missing-item"]),
        (RQ.replace(presentation_contexts=(CONTEXT.replace(context_id=2),)), ["even-context-id"]),
        (RQ.replace(presentation_contexts=(CONTEXT, CONTEXT)), ["repeated-context-id"]),
        (
            RQ.replace(presentation_contexts=(CONTEXT.replace(transfer_syntaxes=()),)),
            ["no-transfer-syntax"],
        ),
        (RQ.replace(presentation_contexts=(CONTEXT.replace(abstract_syntax="1.02"),)), ["invalid-uid"]),
        (AC.replace(presentation_contexts=(ANSWER.replace(transfer_syntax="x"),)), ["invalid-uid"]),
        (RQ.replace(presentation_contexts=(CONTEXT.replace(transfer_syntaxes=("1.2 ",)),)), ["invalid-uid"]),
        (AC.replace(presentation_contexts=(ANSWER.replace(result=4, transfer_syntax="x"),)), []),
        (AC.replace(presentation_contexts=(ANSWER.replace(result=5),)), ["unknown-result"]),
    ],
)
def test_oddities(pdu: AssociateRQ | AssociateAC, codes: list[str]) -> None:
    decoded = decode_pdu(encode_pdu(pdu))
    assert decoded == pdu
    assert isinstance(decoded, AssociateRQ | AssociateAC)
    assert [warning.partition(":")[0] for warning in decoded.warnings] == codes


def test_an_answer_with_two_transfer_syntaxes() -> None:
    data = encode_pdu(AC)
    syntax = b"\x40\0" + len(ANSWER.transfer_syntax).to_bytes(2, "big") + ANSWER.transfer_syntax.encode()
    at = data.index(syntax)
    length = int.from_bytes(data[at - 6 : at - 4], "big") + 7
    body = data[6 : at - 6] + length.to_bytes(2, "big") + data[at - 4 : at] + syntax + b"\x40\0\0\3" + b"1.2"
    body += data[at + len(syntax) :]
    decoded = decode_pdu(data[:2] + len(body).to_bytes(4, "big") + body)
    assert decoded == AC
    assert decoded.warnings == ("duplicate-item: transfer syntax of an answer, the first one counts",)


def item(item_type: int, *values: bytes) -> bytes:
    value = b"".join(values)
    return bytes((item_type, 0)) + len(value).to_bytes(2, "big") + value


def context(item_type: int, number: int, *items: bytes) -> bytes:
    return item(item_type, bytes((2 * number + 1, 0, 0, 0)), *items)


LENGTH, VERSION, ROLE_ITEM = item(0x51, bytes((0, 0, 1, 0))), item(0x55, b"V1"), b"\0\x011\1\0"
OFTEN = {
    "transfer syntaxes of an answer": (2, 1, lambda n: context(0x21, n, *[item(0x40, b"1.2")] * 3)),
    "abstract syntaxes": (1, 1, lambda n: context(0x20, n, *[item(0x30, b"1.2")] * 3)),
    "application contexts": (1, 1, lambda n: item(0x10, b"1.2")),
    "items of two kinds": (1, 2, lambda n: item(0x50, LENGTH, VERSION)),
    "bytes behind roles": (1, 1, lambda n: item(0x50, item(0x54, ROLE_ITEM, bytes(n)))),
    "both": (2, 2, lambda n: item(0x50, LENGTH, item(0x54, ROLE_ITEM, bytes(n)))),
}


@pytest.mark.parametrize("often", OFTEN)
def test_what_is_odd_over_and_over_is_told_once(often: str) -> None:
    pdu_type, kinds, make = OFTEN[often]
    decoded = decode_pdu(associate(pdu_type, item(0x10, b"1") + b"".join(map(make, range(100)))))
    assert isinstance(decoded, AssociateRQ | AssociateAC)
    told = [w for w in decoded.warnings if w.startswith(("duplicate-item", "surplus-bytes"))]
    assert len(told) == kinds


def test_of_several_contexts_with_one_id_the_first_is_answered() -> None:
    machine = UpperLayer(Role.ACCEPTOR)
    machine.transport_connected()
    other = CONTEXT.replace(transfer_syntaxes=("1.2.3",))
    machine.receive_data(encode_pdu(RQ.replace(presentation_contexts=(CONTEXT, other))))
    assert len(events_of(machine)) == 1
    chosen = PresentationContextAC(
        context_id=CONTEXT.context_id, result=0, transfer_syntax=CONTEXT.transfer_syntaxes[0]
    )
    machine.send(AC.replace(presentation_contexts=(chosen,)))
    assert machine.state is State.STA6


def test_after_end_of_file_nothing_is_waited_for_once_all_is_sent() -> None:
    machine = machine_in(Role.ACCEPTOR, State.STA6)
    machine.receive_data(bytes(6))
    machine.receive_eof()
    events_of(machine)
    assert (machine.state, machine.close_action) == (State.STA13, CloseAction.SHUTDOWN)
    assert machine.data_to_send()
    assert machine.close_action is CloseAction.CLOSE
