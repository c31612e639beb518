"""The ends of connections: one terminal event each, and the next action on the transport."""

from __future__ import annotations

from collections.abc import Callable

from dicomproto import CLOSED, NEED_DATA, Connection, Limits, LocalProtocolError, ReleaseRQ, Role, Timeouts


def ending(peer: Callable[[Connection], None]) -> None:
    """Let a peer misbehave towards an acceptor; print the end."""
    connection = Connection(
        Role.ACCEPTOR, limits=Limits(associate_length=64 * 1024), timeouts=Timeouts(artim=10.0)
    )
    connection.transport_connected()
    peer(connection)
    event = connection.next_event()
    assert event is not NEED_DATA
    assert connection.next_event() is CLOSED
    print(event)
    print("   ", connection.close_action, [bytes(buffer).hex(" ") for buffer in connection.data_to_send()])


def fall_silent(connection: Connection) -> None:
    deadline = connection.next_deadline(now=1000.0)
    assert deadline == 1010.0
    connection.handle_timeout(now=deadline)


ending(lambda connection: connection.receive_data(b"GET / HTTP/1.1\r\n"))
ending(lambda connection: connection.receive_data(b"\x01\x00\x7f\xff\xff\xff"))
ending(lambda connection: connection.receive_eof())
ending(fall_silent)

try:
    Connection(Role.REQUESTOR).send(ReleaseRQ())
except LocalProtocolError as error:
    print("LocalProtocolError:", error)
