"""What is tolerated in a received A-ASSOCIATE comes with a warning that says so."""

from __future__ import annotations

import pytest

from dicomproto.upper_layer import (
    AssociateAC,
    AssociateRQ,
    CloseAction,
    PresentationContextAC,
    Role,
    State,
    UpperLayer,
    decode_pdu,
    encode_pdu,
)
from tests.conversations import AC, RQ, events_of, machine_in

CONTEXT = RQ.presentation_contexts[0]
ANSWER = AC.presentation_contexts[0]


@pytest.mark.parametrize(
    ("pdu", "codes"),
    [
        (RQ, []),
        (AC, []),
        (RQ.replace(called_ae_title="", calling_ae_title="\0"), ["blank-ae-title", "blank-ae-title"]),
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
