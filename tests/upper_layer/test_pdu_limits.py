"""Each limit, one below and one above, on declared sizes and counts; and the memory of hostile input."""

from __future__ import annotations

import pytest

from dicomproto.config import Limits
from dicomproto.errors import InvalidPDU
from dicomproto.upper_layer import (
    NEED_DATA,
    Abort,
    AssociateRQ,
    PDVChunk,
    ProtocolViolation,
    Role,
    State,
    UpperLayer,
    decode_pdu,
    encode_pdu,
)
from tests.conversations import AC, RQ, events_of, machine_in, sent_by
from tests.golden import associate, user_information
from tests.memory import KIB, MIB, peak_of
from tests.streams import cut_every, framed, joined


def item(item_type: int, value: bytes = b"") -> bytes:
    return bytes((item_type, 0)) + counted(value)


def counted(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def header(pdu_type: int, length: int) -> bytes:
    return bytes((pdu_type, 0)) + length.to_bytes(4, "big")


# --- A-ASSOCIATE ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pdu_type", [1, 2])
@pytest.mark.parametrize("limit", [68, 1000, MIB])
def test_associate_length(pdu_type: int, limit: int) -> None:
    limits = Limits(associate_length=limit)
    assert framed([header(pdu_type, limit)], limits) == []
    ((text, offset, path, reason),) = framed([header(pdu_type, limit + 1)], limits)
    assert "Limits.associate_length" in text
    assert (offset, reason) == (2, 6)
    assert path in ("A-ASSOCIATE-RQ", "A-ASSOCIATE-AC")


COUNTS = {
    "contexts": ("presentation_contexts", lambda n: item(0x20, b"\1\0\0\0") * n),
    "transfer syntaxes": ("transfer_syntaxes", lambda n: item(0x20, b"\1\0\0\0" + item(0x40, b"1") * n)),
    "unknown items": ("items", lambda n: item(0xEE) * n),
    "application contexts": ("items", lambda n: item(0x10) * n),
    "user informations": ("items", lambda n: item(0x50) * n),
    "user information sub-items": ("items", lambda n: user_information(item(0x5F) * (n - 1))),
    "role selections": ("items", lambda n: user_information(item(0x54, b"\0\0\0\0") * (n - 1))),
    "abstract syntaxes": ("items", lambda n: item(0x20, b"\1\0\0\0" + item(0x30, b"1") * n)),
    "unknown items of a context": ("items", lambda n: item(0x20, b"\1\0\0\0" + item(0xEE) * n)),
    "related SOP classes": (
        "items",
        lambda n: user_information(item(0x57, bytes(4) + counted(b"\0\0" * (n - 2)))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("limit", [3, 17, None])
@pytest.mark.parametrize(("field", "build"), COUNTS.values(), ids=COUNTS)
def test_counts(field: str, build, limit: int | None) -> None:
    limits = Limits() if limit is None else Limits(**{field: limit})
    limit = getattr(limits, field)
    decode_pdu(associate(1, build(limit)), limits)
    with pytest.raises(InvalidPDU, match=f"more than {limit} .*Limits.{field}") as caught:
        decode_pdu(associate(1, build(limit + 1)), limits)
    assert caught.value.reason == 6


def test_the_conformant_maximum_is_below_the_default_limits() -> None:
    """128 contexts of 38 transfer syntaxes, all UIDs of 64 characters: no real proposal is larger."""
    uid = b"1." + b"2" * 62
    syntaxes = item(0x30, uid) + item(0x40, uid) * 38
    data = associate(1, b"".join(item(0x20, bytes((n, 0, 0, 0)) + syntaxes) for n in range(1, 257, 2)))
    assert 330_000 < len(data) < 350_000
    decoded = decode_pdu(data)
    assert isinstance(decoded, AssociateRQ)
    assert len(decoded.presentation_contexts) == 128


# --- P-DATA-TF ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("announced", "limit", "warned_above", "refused_above"),
    [
        (100, 50, 100, 400),  # four times what was announced
        (100, 1000, 100, 1000),  # or the limit, if that is more
        (100, None, 100, MIB),
        (MIB, None, MIB, 4 * MIB),
        (0, 1000, None, None),  # announced 0: no limit
    ],
)
def test_p_data_length(
    announced: int, limit: int | None, warned_above: int | None, refused_above: int | None
) -> None:
    limits = Limits() if limit is None else Limits(p_data_length=limit)

    def begin(length: int) -> object:
        pdv = (length - 4).to_bytes(4, "big") + b"\1\0" + b"x"
        return framed([header(4, length) + pdv], limits, announced)[-1]

    if warned_above is None or refused_above is None:
        chunk = begin(0xFFFFFFFF)
        assert isinstance(chunk, PDVChunk)
        assert not [warning for warning in chunk.warnings if "odd" not in warning]
        return
    assert begin(warned_above).warnings == ()
    (warning,) = begin(warned_above + 2).warnings
    assert warning == f"p-data-too-long: {warned_above + 2} bytes, {announced} were announced"
    assert isinstance(begin(refused_above), PDVChunk)
    text, offset, path, reason = begin(refused_above + 1)
    assert "Limits.p_data_length" in text
    assert (offset, path, reason) == (2, "P-DATA-TF", 6)


@pytest.mark.parametrize(("role", "announced"), [(Role.REQUESTOR, 16384), (Role.ACCEPTOR, 16384)])
def test_each_side_holds_the_peer_to_what_it_announced(role: Role, announced: int) -> None:
    for length, warned in ((announced, False), (announced + 2, True)):
        machine = machine_in(role)
        machine.receive_data(header(4, length) + (length - 4).to_bytes(4, "big") + b"\1\0ab")
        (chunk,) = events_of(machine)
        assert bool(chunk.warnings) is warned
    machine = machine_in(role, limits=Limits(p_data_length=0))
    machine.receive_data(header(4, 4 * announced + 1))
    (violation,) = events_of(machine)
    assert isinstance(violation, ProtocolViolation)
    assert violation.abort == Abort(source=2, reason=6)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_warning_comes_once_with_the_first_bytes_it_is_about(size: int) -> None:
    """Too long is the PDU, odd each of its first two fragments; the next PDU is neither."""
    pdvs = [b"\0\0\0\5\1\0abc", b"\0\0\0\7\1\0defgh", b"\0\0\0\4\1\2ij"]
    stream = header(4, sum(map(len, pdvs))) + b"".join(pdvs) + header(4, 8) + pdvs[2]
    chunks = [item for item in framed(cut_every(stream, size), None, 20) if isinstance(item, PDVChunk)]
    warnings = [chunk.warnings for chunk in chunks if chunk.warnings]
    assert warnings == [
        ("p-data-too-long: 28 bytes, 20 were announced", "odd-fragment: 3 bytes"),
        ("odd-fragment: 5 bytes",),
    ]
    assert [chunk.starts_pdu for chunk in joined(chunks)] == [True, False, False, True]


# --- memory ---------------------------------------------------------------------------------------

HUGE = 0xFFFFFFFF
DECLARED = {
    "A-ASSOCIATE-RQ of 4 GiB": (State.STA2, header(1, HUGE)),
    "A-ASSOCIATE-RQ of 1 MiB + 1": (State.STA2, header(1, MIB + 1)),
    "A-ASSOCIATE-RQ of 1 MiB": (State.STA2, header(1, MIB)),
    "its item of 64 KiB": (State.STA2, header(1, MIB) + bytes(68) + b"\x10\x00\xff\xff"),
    "A-ASSOCIATE-AC of 4 GiB": (State.STA6, header(2, HUGE)),
    "A-ASSOCIATE-RJ of 4 GiB": (State.STA6, header(3, HUGE)),
    "P-DATA-TF of 4 GiB": (State.STA6, header(4, HUGE)),
    "P-DATA-TF of 1 MiB, its PDV of 4 GiB": (State.STA6, header(4, MIB) + b"\xff\xff\xff\xff\x01\x03"),
    "P-DATA-TF of 1 MiB, its PDV as well": (State.STA6, header(4, MIB) + b"\0\x0f\xff\xfc\1\3"),
    "A-RELEASE-RQ of 4 GiB": (State.STA6, header(5, HUGE)),
    "A-RELEASE-RP of 4 GiB": (State.STA6, header(6, HUGE)),
    "A-ABORT of 4 GiB": (State.STA6, header(7, HUGE)),
    "a request of HTTP, type 47H of 1.4 GB": (State.STA2, b"GET / HTTP/1.1\r\n\r\n"),
    "a TLS ClientHello of 17 MB": (State.STA2, bytes.fromhex("160301010601")),
}  # fmt: skip


@pytest.mark.parametrize(("state", "data"), DECLARED.values(), ids=DECLARED)
def test_nothing_is_allocated_for_what_was_only_declared(state: State, data: bytes) -> None:
    first, machine = machine_in(Role.ACCEPTOR, state), machine_in(Role.ACCEPTOR, state)

    def receive(machine: UpperLayer) -> None:
        machine.receive_data(data)
        events_of(machine)

    receive(first)  # some functions are written when they are first needed
    assert peak_of(lambda: receive(machine)) < 32 * KIB


def test_an_unlimited_p_data_passes_through() -> None:
    """Announced 0: a PDV of 4 GiB is delivered as it comes, and nothing of it is kept."""
    machine = machine_in(Role.ACCEPTOR, State.STA3)
    machine.send(AC.replace(maximum_length=0))
    machine.receive_data(header(4, HUGE - 1) + (HUGE - 5).to_bytes(4, "big") + b"\1\0")
    total = 0

    def receive() -> None:
        nonlocal total
        for _ in range(256):
            machine.receive_data(bytes(64 * KIB))
            (chunk,) = events_of(machine)
            assert not chunk.warnings
            total += len(chunk.data)

    assert peak_of(receive) < 256 * KIB
    assert total == 16 * MIB


LARGE = {
    "64 Ki transfer syntaxes of 12 bytes": item(0x20, b"\1\0\0\0" + item(0x40, b"1.2.3.4.5.67") * 255) * 250,
    "64 Ki transfer syntaxes of 2 bytes": item(0x20, b"\1\0\0\0" + item(0x40, b"12") * 256) * 256,
    "64 Ki transfer syntaxes of 0 bytes": item(0x20, b"\1\0\0\0" + item(0x40) * 256) * 256,
    "2047 unknown items": item(0xEE, bytes(508)) * 2047,
    "16 user informations of role selections": user_information(item(0x54, b"\0\2.1\1\1") * 120) * 16,
    "16 user informations of one related list": (
        user_information(item(0x57, bytes(4) + counted(b"\0\2.1" * 120))) * 16
    ),
    "16 application contexts of 64 KB": item(0x10, bytes(65000)) * 16,
}


@pytest.mark.parametrize("items", LARGE.values(), ids=LARGE)
def test_a_large_proposal_takes_a_small_multiple_of_its_size(items: bytes) -> None:
    data = associate(1, items)
    pieces = cut_every(data, 4 * KIB)
    machine = machine_in(Role.ACCEPTOR, State.STA2)
    events: list[object] = []

    def receive() -> None:
        for piece in pieces:
            machine.receive_data(piece)
            events.extend(events_of(machine))

    peak = peak_of(receive)
    assert isinstance(events[0], AssociateRQ)
    assert peak < 16 * len(data) + 64 * KIB
    if len(data) > MIB // 2:
        assert peak < 12 * MIB


def test_too_many_tiny_items_stop_at_the_limit() -> None:
    data = associate(1, item(0xEE) * 250_000)
    machine = machine_in(Role.ACCEPTOR, State.STA2)

    def receive() -> None:
        machine.receive_data(data)
        (violation,) = events_of(machine)
        assert isinstance(violation, ProtocolViolation)
        assert violation.offset == 74 + 4 * 2048

    assert peak_of(receive) < 4 * MIB
    assert sent_by(machine) == encode_pdu(Abort())


def test_used_up_bytes_are_let_go() -> None:
    """A buffer that is still referred to could not be resized."""
    machine = machine_in(Role.ACCEPTOR, State.STA2)
    for data in (bytearray(encode_pdu(RQ)), bytearray()):
        machine.receive_data(data)
        events_of(machine)
        assert machine.next_event() is NEED_DATA
        data.clear()


def test_what_was_not_looked_at_is_let_go_at_the_end() -> None:
    machine = machine_in(Role.ACCEPTOR)
    first, second = bytearray(header(4, 100)), bytearray(b"x" * 50)
    machine.receive_data(first)
    machine.receive_data(second)
    machine.send(Abort())
    first.clear()
    second.clear()
    machine = machine_in(Role.ACCEPTOR)
    data = bytearray(header(8, 0) + b"x" * 50)
    machine.receive_data(data)
    events_of(machine)
    data.clear()


def test_what_comes_after_the_end_is_not_kept() -> None:
    """Garbage behind an A-ABORT is neither parsed nor held."""
    machine = machine_in(Role.ACCEPTOR, State.STA13)

    def receive() -> None:
        for _ in range(64):
            machine.receive_data(bytes(64 * KIB))

    assert peak_of(receive) < 128 * KIB
    assert events_of(machine) == []
    assert machine.data_to_send() == []
