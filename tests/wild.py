"""What a peer may send, good or bad, as Hypothesis draws it: PDUs, messages, and bytes that are neither."""

from __future__ import annotations

from hypothesis import strategies as st

from dicomproto import strategies
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CCancelRQ, CFindRQ, Request
from dicomproto.upper_layer import Abort, ReleaseRP, ReleaseRQ, encode_pdu
from tests.conversations import RECEIVED
from tests.dialogues import (
    ACTION,
    CONTEXT_OF,
    ECHO,
    EVENT,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    PENDING,
    STORE,
    data_pdu,
    fragment,
    message,
)
from tests.golden import ITEMS, PDUS
from tests.streams import cut

CUTS = st.lists(st.integers(0, 2**20), max_size=12)
"""Where TCP cuts a stream, as `tests.streams.cut` takes it."""


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid PDUs with a few bytes set, inserted or deleted."""
    pdus = draw(st.lists(st.sampled_from([*PDUS, *ITEMS]), min_size=1, max_size=3))
    data = bytearray(b"".join(pdu.data if hasattr(pdu, "data") else pdu.pdu for pdu in pdus))
    for at, value, kind in draw(
        st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255), st.integers(0, 3)), max_size=6)
    ):
        at %= len(data) + 1
        data[at : at + (kind != 1)] = b"" if kind == 2 else bytes((value,))
    return bytes(data)


REQUESTS = [ECHO, STORE, FIND_RQ, MOVE_RQ, GET_RQ, ACTION, EVENT]
small = st.integers(0, 3)
context_ids = st.sampled_from([1, 3, 5, 7, 9, 11, 13])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message as a peer may send it: of any kind, on any context, whole or in pieces."""
    request: Request = draw(st.sampled_from(REQUESTS)).replace(MessageID=draw(small))
    kind = draw(st.integers(0, 3))
    command = request
    if kind == 1:
        status = draw(st.sampled_from([0, PENDING, 0xA700, 0xB000, 0xFE00]))
        announced = draw(st.sampled_from([0x0101, 1])) if isinstance(request, CFindRQ) else 0x0101
        command = request.response(Status=status, CommandDataSetType=announced)
    elif kind == 2:
        command = CCancelRQ(MessageIDBeingRespondedTo=draw(small))
    context_id = draw(st.one_of(st.just(CONTEXT_OF[type(request)]), context_ids))
    encoded = encode_command(command)
    positions = draw(st.lists(st.integers(0, 200), max_size=2))
    pieces = cut(encoded, positions)
    data = b"".join(
        fragment(piece, context_id=context_id, is_command=True, is_last=number == len(pieces))
        for number, piece in enumerate(pieces, 1)
    )
    if command.has_data_set and draw(st.integers(0, 4)):
        for _ in range(draw(st.integers(0, 2))):
            data += data_pdu(draw(st.binary(max_size=6)), context_id, is_last=False)
        data += data_pdu(draw(st.binary(max_size=6)), context_id)
    return data


STREAMS_OF_MESSAGES = st.lists(
    st.one_of(
        messages(),
        messages(),
        messages(),
        strategies.commands().map(lambda command: message(command, context_id=1)),
        st.sampled_from([encode_pdu(ReleaseRQ()), encode_pdu(ReleaseRP()), encode_pdu(Abort())]),
        st.binary(max_size=6).map(lambda data: data_pdu(data, 5)),
        st.binary(max_size=40).map(lambda data: fragment(data, context_id=1, is_command=True, is_last=True)),
        st.binary(max_size=8),
    ),
    max_size=6,
).map(b"".join)
"""Messages in a row, with what does not belong between them."""

STREAMS_OF_PDUS = st.lists(
    st.one_of(
        st.sampled_from([*RECEIVED.values(), *(pdu.data for pdu in PDUS)]),
        strategies.pdus().map(encode_pdu),
        strategies.p_data_tfs(st.binary(max_size=6)).map(encode_pdu),
        mutated(),
        st.binary(max_size=12),
    ),
    max_size=5,
).map(b"".join)
"""PDUs that make sense, PDUs that do not, and bytes that are none."""
