"""A driver with its four duties, on a plain blocking socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

from dicomproto import (
    BUSY,
    CLOSED,
    NEED_DATA,
    AcceptorPolicy,
    AssociateAC,
    AssociateRQ,
    CEchoRQ,
    CloseAction,
    Connection,
    ReleaseRP,
    ReleaseRQ,
    RequestReceived,
    ResponseReceived,
    Role,
    build_associate_rq,
    negotiate,
)
from dicomproto.negotiation import accept_anything
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION


# [driver]
class Driver:
    """Carries bytes and time between one connection and one socket."""

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        self.connection = connection
        self.sock = sock

    def events(self) -> Iterator[object]:
        """Yield events until the association has ended, and close the socket."""
        connection = self.connection
        with self.sock:
            while True:
                event = connection.next_event()
                if event is NEED_DATA:
                    if self.flush():  # 1. send before you wait
                        self.receive()
                elif event is CLOSED:
                    break
                elif event is not BUSY:  # an event loop would let other tasks run here
                    yield event
            self.say_last_words()

    def flush(self) -> bool:
        """Send the queued bytes, and tell whether the connection is open."""
        self.sock.settimeout(self.connection.timeouts.write)
        try:
            for buffer in self.connection.data_to_send():
                self.sock.sendall(buffer)
        except OSError:  # also a timeout of the send
            self.connection.receive_eof()  # 2. a broken connection is an end of file
            return False
        return True

    def receive(self) -> None:
        now = time.monotonic()
        deadline = self.connection.next_deadline(now)  # 3. wait no longer than this
        self.sock.settimeout(None if deadline is None else max(deadline - now, 0.001))
        try:
            data = self.sock.recv(256 * 1024)  # a fresh object each time
        except TimeoutError:
            self.connection.handle_timeout(time.monotonic())
        except OSError:
            self.connection.receive_eof()
        else:
            if data:
                self.connection.receive_data(data)
            else:
                self.connection.receive_eof()

    def say_last_words(self) -> None:
        connection = self.connection
        if connection.close_action is CloseAction.SHUTDOWN and self.flush():  # 4. do what `close_action` says
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                return
            # Wait for the peer to close, at most for `Timeouts.close`.
            while connection.close_action is CloseAction.SHUTDOWN:
                self.receive()


# [/driver]


def serve(listener: socket.socket) -> None:
    """Accept one connection and answer C-ECHO on it."""
    connection = Connection(Role.ACCEPTOR)
    connection.transport_connected()
    for event in Driver(connection, listener.accept()[0]).events():
        print("SCP:", type(event).__name__)
        if isinstance(event, AssociateRQ):
            connection.send(negotiate(event, AcceptorPolicy(unknown_context=accept_anything)))
        elif isinstance(event, RequestReceived):
            connection.send_response(event.command.response(Status=0x0000))
        elif isinstance(event, ReleaseRQ):
            connection.send(ReleaseRP())


def echo(port: int) -> None:
    """Associate, send C-ECHO and release."""
    connection = Connection(Role.REQUESTOR)
    connection.send(build_associate_rq("SCU", "SCP", [(VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN])]))
    sock = socket.create_connection(("127.0.0.1", port))
    connection.transport_connected()
    for event in Driver(connection, sock).events():
        if isinstance(event, AssociateAC):
            connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), context_id=1)
        elif isinstance(event, ResponseReceived):
            print(f"SCU: status {event.command.Status:04X}")
            connection.send(ReleaseRQ())


with socket.create_server(("127.0.0.1", 0)) as listener:
    acceptor = threading.Thread(target=serve, args=(listener,))
    acceptor.start()
    echo(listener.getsockname()[1])
    acceptor.join()
