"""What holds for every command and for any bytes (Hypothesis)."""

from __future__ import annotations

import inspect
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import COMMANDS, NO_DATA_SET, Command, Request, Response
from dicomproto.dimse.elements import ELEMENTS
from dicomproto.errors import InvalidCommand

BY_KEYWORD = {element.keyword: element for element in ELEMENTS.values()}
US = st.integers(0, 0xFFFF)
TAGS = st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=8).map(tuple)
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\")
UID_PART = st.one_of(st.just("0"), st.integers(1, 10**12).map(str))
UID = st.lists(UID_PART, min_size=1, max_size=20).map(".".join).map(lambda uid: uid[:64].rstrip("."))
# What a peer may have sent in a request is echoed, but for a trailing NUL, which is padding.
ECHOED_UID = st.text(st.characters(max_codepoint=0xFF), max_size=128).map(lambda uid: uid.rstrip("\0") or "1")

UID_ODDITIES = ("invalid-uid", "several-values")


def text(maximum: int) -> st.SearchStrategy[str]:
    """Text without trailing spaces, which are padding."""
    return st.text(PRINTABLE, min_size=1, max_size=maximum).map(lambda t: t.rstrip() or "x")


def commands(kind: type[Command]) -> st.SearchStrategy[Command]:
    """Commands of one class that can be sent."""
    values: dict[str, st.SearchStrategy[object]] = {
        "US": US,
        "UI": ECHOED_UID if issubclass(kind, Response) else UID,
        "AE": text(16),
        "LO": text(64),
        "AT": TAGS,
    }
    fields: dict[str, st.SearchStrategy[object]] = {}
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.name in BY_KEYWORD:
            value = values[BY_KEYWORD[parameter.name].vr]
            fields[parameter.name] = st.none() | value if parameter.default is None else value
    data_set = US.filter(lambda value: value != NO_DATA_SET)
    if not kind.data_set_allowed:
        data_set = st.just(NO_DATA_SET)
    elif not kind.data_set_required:
        data_set |= st.just(NO_DATA_SET)
    return st.builds(kind, **fields | {"CommandDataSetType": data_set})


ANY_COMMAND = st.one_of([commands(kind) for kind in COMMANDS.values()])


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=lambda kind: kind.name)
@given(data=st.data())
def test_what_is_encoded_is_decoded(kind: type[Command], data: st.DataObject) -> None:
    command = data.draw(commands(kind))
    encoded = encode_command(command)
    decoded = decode_command(encoded)
    assert decoded == command
    assert not [warning for warning in decoded.warnings if not warning.startswith(UID_ODDITIES)]
    assert len(encoded) % 2 == 0
    assert encode_command(decoded) == encoded


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_refused(data: bytes) -> None:
    try:
        decode_command(data)
    except InvalidCommand:
        pass


@given(
    command=ANY_COMMAND,
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["set", "insert", "delete"]), st.integers(0, 255)),
        min_size=1,
        max_size=6,
    ),
)
def test_a_damaged_command_set_is_a_command_or_refused(
    command: Command, edits: list[tuple[float, str, int]]
) -> None:
    data = bytearray(encode_command(command))
    for place, what, value in edits:
        position = int(place * (len(data) - 1))
        if what == "set":
            data[position] = value
        elif what == "insert":
            data.insert(position, value)
        elif len(data) > 1:
            del data[position]
    try:
        decoded = decode_command(data)
    except InvalidCommand:
        return
    if isinstance(decoded, Request):
        encode_command(decoded.response())  # whatever came, it can be answered


@given(command=ANY_COMMAND, order=st.randoms(use_true_random=False))
def test_the_order_of_elements_does_not_matter(command: Command, order: Random) -> None:
    encoded = encode_command(command)
    elements, position = [], 12
    while position < len(encoded):
        end = position + 8 + int.from_bytes(encoded[position + 4 : position + 8], "little")
        elements.append(encoded[position:end])
        position = end
    order.shuffle(elements)
    decoded = decode_command(encoded[:12] + b"".join(elements))
    assert decoded == command
    assert sorted(decoded.warnings) == sorted(decode_command(encoded).warnings)
