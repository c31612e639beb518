"""The PROXY protocol, versions 1 and 2: the peer at the other end of a proxy.

A load balancer that forwards TCP opens each connection with a header that names the original peer
(HAProxy's proxy-protocol.txt). A header proves nothing. So it is read from named networks only, and must come
from there. `parse_header` is a pure function: it returns the header, or the number of bytes that certainly
still belong to it. So the reader never takes a byte behind the header, be it of a TLS hello or an
A-ASSOCIATE-RQ.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from dicomproto.record import Record

from .addresses import plain_address

if TYPE_CHECKING:
    from .addresses import Address
    from .tcp import SocketStream

MAXIMUM_LENGTH = 4096
"""Bytes of a header of version 2, the extensions that follow the addresses included."""

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21  # version 2, and the command
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31  # address family, and stream

_LONGEST_LINE = 107
_SHORTEST_LINE = {b"U": 15, b"4": 32, b"6": 22}  # by what follows "PROXY " or "PROXY TCP"
_LINE = re.compile(rb"PROXY TCP(4|6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})")


class ProxyHeader(Record):
    """The content of a header; `source` is the original peer, None for the proxy itself or if unknown."""

    source: Address


def parse_header(data: bytes) -> ProxyHeader | int:
    """Return the header in `data`, or the least number of bytes that are missing.

    Raises ValueError, with a reason, as soon as it cannot become a header any more.
    """
    if data.startswith(_SIGNATURE):
        return _parse_binary(data)
    if _SIGNATURE.startswith(data):
        return 15 - len(data)  # the shortest header of either version
    return _parse_line(data)


def _parse_binary(data: bytes) -> ProxyHeader | int:
    if len(data) < 16:
        return 16 - len(data)
    command, family, length = data[12], data[13], int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXY):
        raise ValueError(f"version and command {command:#04x} are not known")
    if 16 + length > MAXIMUM_LENGTH:
        raise ValueError(f"{16 + length} bytes are announced, more than {MAXIMUM_LENGTH}")
    if len(data) < 16 + length:
        return 16 + length - len(data)
    if command == _LOCAL or family in (_UNSPECIFIED, _UNIX):
        return ProxyHeader(source=None)
    if family not in (_TCP4, _TCP6):
        raise ValueError(f"address family and protocol {family:#04x} are not those of a TCP connection")
    kind, size = (socket.AF_INET, 4) if family == _TCP4 else (socket.AF_INET6, 16)
    if length < 2 * size + 4:
        raise ValueError(f"two addresses and ports take more than {length} bytes")
    port = int.from_bytes(data[16 + 2 * size : 18 + 2 * size])
    return _from(kind, data[16 : 16 + size], port)


def _parse_line(data: bytes) -> ProxyHeader | int:
    start = b"PROXY "
    if not data.startswith(start[: len(data)]):
        raise ValueError("it does not begin with a PROXY header")
    if not data.endswith(b"\r\n"):
        least = _SHORTEST_LINE.get(data[6:7] if data[6:7] == b"U" else data[9:10], 15) - len(data)
        needed = max(least, 1 if data.endswith(b"\r") else 2)
        if b"\n" in data or len(data) + needed > _LONGEST_LINE:
            raise ValueError("the line of its PROXY header does not end")
        return needed
    if data.startswith(b"PROXY UNKNOWN") and data[13:14] in b" \r":
        return ProxyHeader(source=None)  # the rest of the line is ignored
    match = _LINE.fullmatch(data[:-2])
    if match is None or max(int(match[4]), int(match[5])) > 65535:
        raise ValueError("the line of its PROXY header is malformed")
    kind = socket.AF_INET if match[1] == b"4" else socket.AF_INET6
    try:
        source, _ = [socket.inet_pton(kind, text.decode()) for text in (match[2], match[3])]
    except OSError as error:
        raise ValueError("the line of its PROXY header has a malformed address") from error
    return _from(kind, source, int(match[4]))


def _from(family: int, packed: bytes, port: int) -> ProxyHeader:
    return ProxyHeader(source=plain_address((socket.inet_ntop(family, packed), port)))


async def read_header(stream: SocketStream, deadline: float | None) -> ProxyHeader:
    """Read the header of a connection, and nothing after it.

    Raises ValueError for other bytes, EOFError if the connection ends within the header, TimeoutError
    at the deadline and OSError when the connection breaks.
    """
    data = b""
    while isinstance(header := parse_header(data), int):
        more = await stream.read(header, deadline)
        if not more:
            raise EOFError(f"it ended after {len(data)} bytes of its PROXY header")
        data += more
    return header
