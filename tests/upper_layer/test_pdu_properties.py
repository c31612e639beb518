"""What holds for all PDUs and for all bytes (Hypothesis)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto import strategies
from dicomproto.config import Limits
from dicomproto.errors import InvalidPDU, LocalProtocolError
from dicomproto.upper_layer import (
    PDU,
    Role,
    State,
    UpperLayer,
    decode_pdu,
    encode_pdu,
)
from tests.conversations import AC, PLACES, RQ, events_of, machine_in, sent_by
from tests.streams import cut, cut_every, framed, joined
from tests.wild import CUTS, mutated

# --- the codec ------------------------------------------------------------------------------------


@given(strategies.pdus())
def test_what_is_encoded_is_decoded(pdu: PDU) -> None:
    data = encode_pdu(pdu)
    assert decode_pdu(data) == pdu
    assert encode_pdu(decode_pdu(data)) == data


FIELDS = {
    "presentation_contexts": st.tuples(strategies.presentation_context_rqs()),
    "asynchronous_operations_window": strategies.asynchronous_operations_windows(),
    "role_selections": st.tuples(strategies.role_selections()),
    "sop_class_extended": st.tuples(strategies.sop_class_extended_negotiations()),
    "sop_class_common_extended": st.tuples(strategies.sop_class_common_extended_negotiations()),
    "user_identity": strategies.user_identity_rqs(),
    "user_identity_response": strategies.user_identity_acs(),
    "unknown_items": st.tuples(strategies.unknown_items()),
    "unknown_user_information": st.tuples(strategies.unknown_items()),
}


@pytest.mark.parametrize("field", FIELDS)
@given(data=st.data())
def test_each_item_lands_in_its_own_field(field: str, data: st.DataObject) -> None:
    pdu = RQ.replace(**{field: data.draw(FIELDS[field])})
    assert decode_pdu(encode_pdu(pdu)) == pdu


@given(st.binary(max_size=300))
def test_any_bytes_are_a_pdu_or_invalid(data: bytes) -> None:
    decode_or_refuse(data)


def decode_or_refuse(data: bytes) -> None:
    try:
        decode_pdu(data, Limits(items=50))
    except InvalidPDU as error:
        assert 0 <= error.offset <= max(6, len(data))  # noqa: PT017 - not every input is invalid
        assert 0 <= error.reason <= 6  # noqa: PT017
        assert error.item_path  # noqa: PT017


@given(mutated())
def test_nearly_valid_bytes_are_a_pdu_or_invalid(data: bytes) -> None:
    decode_or_refuse(data)


@given(mutated(), CUTS)
def test_framing_does_not_depend_on_the_cuts(data: bytes, at: list[int]) -> None:
    whole = joined(framed([data], maximum_length=16))
    assert joined(framed(cut(data, at), maximum_length=16)) == whole
    assert joined(framed(cut_every(data, 1), maximum_length=16)) == whole


# --- the machine ----------------------------------------------------------------------------------


def facts(machine: UpperLayer) -> tuple[object, ...]:
    return (
        machine.state,
        machine.request,
        machine.answer,
        machine.close_action,
        machine.peer_maximum_length,
        machine.next_deadline(5.0),
        machine.next_event(),
        sent_by(machine),
    )


@given(st.sampled_from(PLACES), st.one_of(strategies.pdus(), strategies.p_data_tfs(st.just(b"ab"))))
def test_a_local_error_changes_nothing(place, pdu: PDU) -> None:
    machine, twin = (machine_in(*place, drain=False) for _ in range(2))
    try:
        machine.send(pdu)
    except LocalProtocolError:
        assert facts(machine) == facts(twin)
    else:
        state = place[1]
        assert (machine.state, machine.data_to_send()) != (state, []) or state is State.STA13


messages = st.tuples(st.integers(0, 400).map(lambda half: 2 * half), st.booleans(), st.booleans())


@given(st.lists(messages, max_size=6), st.sampled_from([128, 200, 1000, 16384]), CUTS)
def test_sent_buffers_may_be_overwritten(sent, maximum_length: int, at: list[int]) -> None:
    """Every buffer is overwritten once its send has returned; the peer gets what was sent."""
    sender, receiver = machine_in(Role.ACCEPTOR, State.STA2), machine_in(Role.REQUESTOR, State.STA5)
    sender.receive_data(encode_pdu(RQ.replace(maximum_length=maximum_length)))
    events_of(sender)
    sender.send(AC)
    receiver.receive_data(sent_by(sender))
    events_of(receiver)
    expected: list[tuple[bool, bool, bytes]] = []
    received: list[object] = []
    for number, (size, is_command, is_last) in enumerate(sent):
        payload = bytes((at * number) % 251 for at in range(size))
        data = bytearray(payload)
        view = memoryview(data)
        sender.send_p_data(1, [view[:7], view[7:]], is_command=is_command, is_last=is_last)
        wire = sent_by(sender)
        data[:] = b"\xaa" * size
        for piece in cut(wire, at):
            receiver.receive_data(piece)
            received += events_of(receiver)
        fragments = cut_every(payload, maximum_length - 6) or [b""]
        expected += [(is_command, False, fragment) for fragment in fragments[:-1]]
        expected.append((is_command, is_last, fragments[-1]))
    assert [(c.is_command, c.is_last, c.data) for c in joined(received)] == expected
