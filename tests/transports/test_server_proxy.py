"""The PROXY protocol: the parser, byte by byte and with garbage, and connections through a proxy."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto_transports.streams.proxy_header import MAXIMUM_LENGTH, ProxyHeader, parse_header, read_header
from tests.backends import AnyBackend

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def binary(body: bytes, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    """Return a header of version 2."""
    return SIGNATURE + struct.pack(">BBH", command, family, len(body) if length is None else length) + body


def tcp4(source: str = "10.1.2.3", port: int = 4242, extensions: bytes = b"") -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton("10.0.0.1")
    return binary(addresses + struct.pack(">HH", port, 104) + extensions)


def tcp6(source: str = "2001:db8::1", port: int = 4242) -> bytes:
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, text) for text in (source, "::1"))
    return binary(addresses + struct.pack(">HH", port, 104), family=0x21)


GOOD = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 104\r\n", ("192.0.2.1", 56324)),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 0 1\r\n", ("1.1.1.1", 0)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", ("255.255.255.255", 65535)),
    (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", ("2001:db8::1", 1)),
    (b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", None),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", ("192.0.2.1", 1)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
    (b"PROXY UNKNOWN" + b" ".ljust(92, b"?") + b"\r\n", None),
    (tcp4(), ("10.1.2.3", 4242)),
    (tcp4(extensions=b"\x20\x00\x01x"), ("10.1.2.3", 4242)),
    (tcp4(extensions=bytes(MAXIMUM_LENGTH - 28)), ("10.1.2.3", 4242)),
    (tcp6(), ("2001:db8::1", 4242)),
    (tcp6("::ffff:192.0.2.1"), ("192.0.2.1", 4242)),
    (binary(b"", command=0x20, family=0x00), None),
    (binary(b"health check", command=0x20, family=0xFF), None),
    (binary(b"", family=0x00), None),
    (binary(bytes(12), family=0x00), None),
    (binary(b"/run/a.sock".ljust(216, b"\0"), family=0x31), None),
]

BAD = [
    (b"\x01\x00\x00\x00\x00\xcd", "does not begin"),
    (b"\x16\x03\x01\x02\x00\x01", "does not begin"),
    (b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "malformed"),
    (b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", "malformed"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n\r\n", "malformed"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "malformed"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", "malformed"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", "malformed"),
    (b"PROXY TCP4 1.1.1 2.2.2.2 100 200\r\n", "malformed address"),
    (b"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", "malformed address"),
    (b"PROXY TCP4 ::1 ::1 10000 10000\r\n\r\n", "malformed address"),
    (b"PROXY TCP4 2001:db8::1 2001:db8::1 1 2\r\n", "malformed address"),
    (b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "malformed address"),
    (b"PROXY UNKNOWNS\r\n", "malformed"),
    (b"PROXY UNKNOWN" + b" ".ljust(93, b"?") + b"\r\n", "does not end"),
    (b"PROXY UNKNOWN\n\n\n", "does not end"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 20\n\n\n", "does not end"),
    (SIGNATURE[:11] + b"\r1234", "does not begin"),
    (binary(bytes(12), command=0x11), "are not known"),
    (binary(bytes(12), command=0x22), "are not known"),
    (binary(bytes(12), family=0x12), "are not those of a TCP"),
    (binary(bytes(12), family=0x41), "are not those of a TCP"),
    (binary(bytes(11)), "take more than 11 bytes"),
    (binary(bytes(35), family=0x21), "take more than 35 bytes"),
    (binary(b"", length=MAXIMUM_LENGTH - 15), "are announced"),
    (binary(b"", command=0x20, length=0xFFFF), "are announced"),
]


@pytest.mark.parametrize(("data", "source"), GOOD)
def test_a_header_is_understood_at_its_last_byte_and_not_before(
    data: bytes, source: tuple[str, int] | None
) -> None:
    for end in range(len(data)):
        needed = parse_header(data[:end])
        assert isinstance(needed, int)
        assert 0 < needed <= len(data) - end
    if source is None and b"TCP6" in data:  # the longest line there is
        source = (":".join(["ffff"] * 8), 65535)
    assert parse_header(data) == ProxyHeader(source=source)


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_what_is_no_header_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_as_read(data)


def parse_as_read(data: bytes) -> ProxyHeader:
    """Parse what a stream would give."""
    read = b""
    while isinstance(header := parse_header(read), int):
        assert header > 0
        assert len(read) + header <= MAXIMUM_LENGTH
        if len(read) == len(data):
            raise EOFError
        read = data[: len(read) + header]
    return header


@given(st.binary(max_size=150))
def test_garbage_ends_in_one_of_three_ways(data: bytes) -> None:
    try:
        assert parse_as_read(data).source is None
    except (ValueError, EOFError):
        pass


@given(
    st.sampled_from([data for data, _ in GOOD]),
    st.integers(0, 250),
    st.integers(0, 255),
)
def test_a_damaged_header_ends_in_one_of_three_ways(data: bytes, index: int, value: int) -> None:
    damaged = bytearray(data)
    damaged[index % len(data)] = value
    try:
        parse_as_read(bytes(damaged))
    except (ValueError, EOFError):
        pass


@given(
    st.ip_addresses(),
    st.integers(0, 65535),
    st.booleans(),
    st.binary(max_size=50),
    st.binary(max_size=20),
)
def test_any_address_in_either_version(
    address: object, port: int, is_line: bool, extensions: bytes, rest: bytes
) -> None:
    text = str(address)
    if is_line:
        data = f"PROXY TCP{'6' if ':' in text else '4'} {text} {text} {port} 104\r\n".encode()
    else:
        kind, family = (socket.AF_INET6, 0x21) if ":" in text else (socket.AF_INET, 0x11)
        packed = socket.inet_pton(kind, text)
        data = binary(packed * 2 + struct.pack(">HH", port, 104) + extensions, family=family)
    header = parse_as_read(data + rest)
    assert header.source is not None
    host, source_port = header.source[:2]
    assert source_port == port
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    assert socket.inet_pton(kind, host) == packed[-len(socket.inet_pton(kind, host)) :]


def test_reading_takes_no_byte_of_what_follows(backend: AnyBackend) -> None:
    async def main() -> None:
        for data, source in [GOOD[0], *GOOD[9:11], GOOD[14]]:
            left, right = await backend.pair()
            for cut in (1, 16, len(data)):
                for part in (data[:cut], data[cut:] + b"associate"):
                    if part:
                        await left.send([part], None)
                assert await read_header(right, right.now() + 10) == ProxyHeader(source=source)
                assert await right.read(5, None) == b"assoc"
                assert await right.receive(None) == b"iate"
            await left.close([], left.now())
            with pytest.raises(EOFError, match="after 0 bytes"):
                await read_header(right, right.now() + 10)
            await right.close([], right.now())

    backend.run(main)


def test_reading_is_bounded_in_time(backend: AnyBackend) -> None:
    async def main() -> None:
        left, right = await backend.pair()
        await left.send([b"PROXY "], None)
        with pytest.raises(TimeoutError):
            await read_header(right, right.now() + 0.02)
        for stream in (left, right):
            await stream.close([], stream.now())

    backend.run(main)
