"""Two connections back to back: an association, a C-ECHO and a release without any socket."""

from __future__ import annotations

from dicomproto import (
    BUSY,
    CLOSED,
    NEED_DATA,
    AcceptorPolicy,
    AssociateRQ,
    CEchoRQ,
    Connection,
    ReleaseRP,
    ReleaseRQ,
    RequestReceived,
    Role,
    SupportedContext,
    build_associate_rq,
    negotiate,
)
from dicomproto.negotiation import index_supported
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

POLICY = AcceptorPolicy(
    supported=index_supported(
        [SupportedContext(abstract_syntax=VERIFICATION, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,))]
    )
)


def pull(connection: Connection, data: bytes) -> None:
    """Give a connection the bytes of its peer, and take all resulting events."""
    connection.receive_data(data)
    while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
        if event is not BUSY:
            print(f"{connection.role.value}: {event!r:.70}")
            react(connection, event)


def react(connection: Connection, event: object) -> None:
    """Answer the event as an acceptor."""
    if isinstance(event, AssociateRQ):
        connection.send(negotiate(event, POLICY))
    elif isinstance(event, RequestReceived):
        connection.send_response(event.command.response(Status=0x0000))
    elif isinstance(event, ReleaseRQ):
        connection.send(ReleaseRP())


def talk(scu: Connection, scp: Connection) -> None:
    """Carry bytes to and fro until both are silent."""
    silent = 0
    while silent < 2:
        for sender, receiver in ((scu, scp), (scp, scu)):
            data = b"".join(sender.data_to_send())
            silent = 0 if data else silent + 1
            pull(receiver, data)


scu, scp = Connection(Role.REQUESTOR), Connection(Role.ACCEPTOR)
scu.send(build_associate_rq("SCU", "SCP", [(VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN])]))
scu.transport_connected()
scp.transport_connected()
talk(scu, scp)

(context_id,) = scu.accepted_contexts
scu.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), context_id)
talk(scu, scp)

scu.send(ReleaseRQ())
talk(scu, scp)
print(scu.close_action, scp.close_action)
