"""What holds for all messages and for all bytes in their place (Hypothesis)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dicomproto import NEED_DATA, CloseAction, Connection, LocalProtocolError
from dicomproto.dimse.events import DataSetChunk
from dicomproto.upper_layer import Role
from tests.dialogues import (
    STORE,
    associate_ac,
    established,
    events_of,
    feed,
    joined,
    sent_by,
)
from tests.streams import cut
from tests.watched import HEARD, LOCAL, SITUATIONS
from tests.wild import CUTS


@given(
    st.lists(st.tuples(st.integers(0, 700), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([128, 1000, 16384]),
    CUTS,
)
def test_data_sets_arrive_as_they_were_sent(chunks, maximum_length: int, at: list[int]) -> None:
    """Chunks of any sizes in, each buffer overwritten after its send; the same bytes out, and one pad."""
    sender = established(Role.REQUESTOR, ac=associate_ac(maximum_length=maximum_length))
    receiver = established(Role.ACCEPTOR)
    sender.send_request(STORE, 3)
    expected = b""
    events: list[object] = []
    for number, (size, is_array) in enumerate(chunks, 1):
        payload = bytes((7 * number + n) % 251 for n in range(size))
        buffer = bytearray(payload)
        sender.send_data(buffer if is_array else memoryview(buffer), last=number == len(chunks), pad=True)
        data = sent_by(sender)
        buffer[:] = b"\xaa" * size
        expected += payload
        events += feed(receiver, *cut(data, at)) if data else []
    received, data_set = joined(events)
    assert received.command == STORE
    assert isinstance(data_set, DataSetChunk)
    assert data_set.last
    assert data_set.data == expected + b"\0" * (len(expected) % 2)
    assert data_set.warnings == ()


def facts(connection: Connection) -> tuple[object, ...]:
    return (
        connection.state,
        dict(connection.outstanding),
        dict(connection.unanswered),
        connection.is_sending,
        connection.is_receiving,
        connection.can_invoke,
        connection.close_action,
        connection.next_deadline(3.0),
        sent_by(connection),
        connection.next_event(),
    )


@given(st.sampled_from(SITUATIONS), st.lists(st.sampled_from([*LOCAL, *HEARD]), max_size=8))
def test_a_local_error_changes_nothing(make, actions) -> None:
    """A twin does what succeeds and leaves out what fails: the two cannot be told apart."""
    connection, twin = make(), make()
    for action in actions:
        try:
            action(connection)
        except LocalProtocolError:
            continue
        action(twin)
        for each in (connection, twin):
            events_of(each)
    assert facts(connection) == facts(twin)
    if connection.close_action is CloseAction.NONE:
        assert connection.next_event() is NEED_DATA
