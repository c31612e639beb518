"""All eleven operations, and a peer that does what it should not: for the tests of faults.

`fault` makes the peer do something, `Heard` writes down every byte that the peer gets, and says in
words what it was told, whether or not an engine would listen any more.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydicom.dataset import Dataset

from dicomproto.connection import Connection
from dicomproto.datasets import encode_data_set
from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import (
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
    Response,
)
from dicomproto.dimse.status import Category
from dicomproto.errors import TimedOut
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.pdu import Abort, Buffer, RoleSelection
from dicomproto_transports import evt
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.streams.interface import Stream
from tests.associations import CT_IMAGE, INSTANCE, Peer, make_ae
from tests.backends import AnyBackend

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
COMMITMENT = "1.2.840.10008.1.20.1"
PRINT = "1.2.840.10008.5.1.1.9"
FILM_SESSION = "1.2.840.10008.5.1.1.1"
CONTEXTS = (VERIFICATION, CT_IMAGE, FIND, MOVE, GET, MPPS, MPPS_RETRIEVE, COMMITMENT, PRINT)
ROLES = [RoleSelection(sop_class_uid=uid, scu_role=True, scp_role=True) for uid in (CT_IMAGE, COMMITMENT)]
PENDING = 0xFF00


def some_dataset() -> Dataset:
    made = Dataset()
    made.PatientID = "1"
    return made


def an_object() -> Dataset:
    made = some_dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT_IMAGE, "1.2.3"
    return made


DATA = encode_data_set(some_dataset(), EXPLICIT_VR_LITTLE_ENDIAN)
UIDS = {"RequestedSOPClassUID": MPPS, "RequestedSOPInstanceUID": "1.2.3"}


class Operation(NamedTuple):
    """One operation: what asks for it, on which context, and what a failed handler is answered."""

    request: Request
    context: str
    kind: evt.EventKind
    call: Callable[[Any, Dataset], Any]
    failed: int = 0x0110
    nonsense: int = 0x0110

    @property
    def yields(self) -> bool:
        return isinstance(self.request, (CFindRQ, CGetRQ, CMoveRQ))

    @property
    def data(self) -> bytes:
        return DATA if self.request.has_data_set else b""


OPERATIONS = {
    "C-ECHO": Operation(
        CEchoRQ(AffectedSOPClassUID=VERIFICATION),
        VERIFICATION,
        evt.EVT_C_ECHO,
        lambda assoc, dataset: assoc.send_c_echo(),
    ),
    "C-STORE": Operation(
        CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID=INSTANCE),
        CT_IMAGE,
        evt.EVT_C_STORE,
        lambda assoc, dataset: assoc.send_c_store(dataset),
        0xC211,
        0xC002,
    ),
    "C-FIND": Operation(
        CFindRQ(AffectedSOPClassUID=FIND),
        FIND,
        evt.EVT_C_FIND,
        lambda assoc, dataset: taken(assoc.send_c_find(dataset, FIND)),
        0xC311,
        0xC311,
    ),
    "C-GET": Operation(
        CGetRQ(AffectedSOPClassUID=GET),
        GET,
        evt.EVT_C_GET,
        lambda assoc, dataset: taken(assoc.send_c_get(dataset, GET)),
        0xC411,
        0xC411,
    ),
    "C-MOVE": Operation(
        CMoveRQ(AffectedSOPClassUID=MOVE, MoveDestination="THERE"),
        MOVE,
        evt.EVT_C_MOVE,
        lambda assoc, dataset: taken(assoc.send_c_move(dataset, "THERE", MOVE)),
        0xC511,
        0xC511,
    ),
    "N-EVENT-REPORT": Operation(
        NEventReportRQ(
            AffectedSOPClassUID=COMMITMENT,
            AffectedSOPInstanceUID="1.2.3",
            EventTypeID=1,
            CommandDataSetType=1,
        ),
        COMMITMENT,
        evt.EVT_N_EVENT_REPORT,
        lambda assoc, dataset: assoc.send_n_event_report(dataset, 1, COMMITMENT, "1.2.3"),
    ),
    "N-GET": Operation(
        NGetRQ(RequestedSOPClassUID=MPPS_RETRIEVE, RequestedSOPInstanceUID="1.2.3"),
        MPPS_RETRIEVE,
        evt.EVT_N_GET,
        lambda assoc, dataset: assoc.send_n_get([], MPPS_RETRIEVE, "1.2.3"),
    ),
    "N-SET": Operation(
        NSetRQ(**UIDS), MPPS, evt.EVT_N_SET, lambda assoc, dataset: assoc.send_n_set(dataset, MPPS, "1.2.3")
    ),
    "N-ACTION": Operation(
        NActionRQ(
            RequestedSOPClassUID=COMMITMENT,
            RequestedSOPInstanceUID="1.2.3",
            ActionTypeID=1,
            CommandDataSetType=1,
        ),
        COMMITMENT,
        evt.EVT_N_ACTION,
        lambda assoc, dataset: assoc.send_n_action(dataset, 1, COMMITMENT, "1.2.3"),
    ),
    "N-CREATE": Operation(
        NCreateRQ(AffectedSOPClassUID=MPPS, AffectedSOPInstanceUID="1.2.3", CommandDataSetType=1),
        MPPS,
        evt.EVT_N_CREATE,
        lambda assoc, dataset: assoc.send_n_create(dataset, MPPS, "1.2.3"),
    ),
    "N-DELETE": Operation(
        NDeleteRQ(RequestedSOPClassUID=FILM_SESSION, RequestedSOPInstanceUID="1.2.3"),
        PRINT,
        evt.EVT_N_DELETE,
        lambda assoc, dataset: assoc.send_n_delete(FILM_SESSION, "1.2.3", meta_uid=PRINT),
    ),
}
ALL = tuple(OPERATIONS)
YIELDING = ("C-FIND", "C-GET", "C-MOVE")
WITH_DATA = tuple(name for name, operation in OPERATIONS.items() if operation.data)
SINGLE = tuple(name for name in ALL if name not in YIELDING)
REPLYING = ("N-EVENT-REPORT", "N-GET", "N-SET", "N-ACTION", "N-CREATE")
"""Those whose response may have a data set, of the ones that have a single response."""

PLAIN = tuple(name for name in SINGLE if name not in REPLYING)


async def taken(responses: Any) -> list[Any]:
    return [status async for status, _ in responses]


def serving_ae(backend: AnyBackend) -> AECore:
    """Return an application entity that provides all operations."""
    ae = make_ae(backend, "SCP")
    for uid in CONTEXTS:
        ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN, scu_role=True, scp_role=True)
    return ae


def using_ae(backend: AnyBackend) -> AECore:
    """Return an application entity that asks for all operations."""
    ae = make_ae(backend, "SCU")
    for uid in CONTEXTS:
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
    return ae


async def requested(peer: Peer, operation: Operation) -> int:
    """Associate and send a request, its data set still to be given; return its context."""
    await peer.request(*CONTEXTS, role_selections=ROLES)
    context = context_id(peer.connection, operation.context)
    peer.connection.send_request(operation.request, context)
    return context


# --- the faults -----------------------------------------------------------------------------------

FAULTS = {
    "garbage": "bytes that are no PDU",
    "cancel": "a C-CANCEL of the request",
    "release": "an A-RELEASE-RQ, although a request is outstanding",
    "abort": "an A-ABORT",
    "closes": "no more output, in order",
    "resets": "the connection is reset",
    "vanishes": "nothing more is said, though what is sent is still taken",
    "stops reading": "nothing more is said, and nothing is taken",
}

SILENCES = ("vanishes", "stops reading")
AT_ONCE = tuple(what for what in FAULTS if what not in SILENCES)

RELEASED_MID_SEND = "released", "AssociationReleased"
"""What a peer is told, and how it ends for us, when it asks for a release while our data set is sent."""

A_RELEASE_RQ = b"\x05\0\0\0\0\x04\0\0\0\0"
GARBAGE = b"\x99\0" + bytes(40)

LARGE = 8 * 1024 * 1024
"""Bytes of a data set that does not leave before it is taken: more than a kernel's buffers."""

_RECEIVE_BUFFER = 256 * 1024

TINY = 64
"""Bytes that a pipe holds when no message at all is to fit in."""


def large(dataset: Dataset) -> Dataset:
    """Make a data set so large that sending it takes until the peer has taken it."""
    dataset.EncapsulatedDocument = bytes(LARGE)
    return dataset


async def fault(peer: Peer, what: str, message_id: int = 1, context: int = 1) -> None:
    """Do what a row says; the request that may be cancelled is named by its Message ID."""
    connection = peer.connection
    if what == "abort":
        connection.send(Abort())
    await peer.flush()
    if what == "garbage":
        await peer.stream.send([GARBAGE], None)
    elif what == "release":  # an engine would not do it while requests are outstanding
        await peer.stream.send([A_RELEASE_RQ], None)
    elif what == "closes":
        peer.stream._sock.shutdown(socket.SHUT_WR)  # type: ignore[attr-defined]
    elif what == "resets":
        peer.stream.reset()  # type: ignore[attr-defined]
    elif what == "cancel":  # neither would it do that when there is nothing to cancel
        encoded = encode_command(CCancelRQ(MessageIDBeingRespondedTo=message_id))
        connection._upper.send_p_data(context, (encoded,), is_command=True, is_last=True)
        await peer.flush()
    else:
        assert what in ("abort", "vanishes", "stops reading")


def ending_of(assoc: Any) -> str:
    """Return how an association ended, in words."""
    error = assoc.ending
    name = type(error).__name__
    return f"{name} {error.phase}" if isinstance(error, TimedOut) else name


def context_id(connection: Connection, uid: str) -> int:
    """Return the context of an abstract syntax."""
    contexts = connection.accepted_contexts.items()
    return next(number for number, context in contexts if context.abstract_syntax == uid)


# --- what the peer is told ------------------------------------------------------------------------


class Heard:
    """The stream of a peer, which keeps what comes in."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pieces: list[bytes] = []
        self._is_reset = False
        # Buffers that grow while they are emptied would take in whatever we send.
        stream._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def receive(self, deadline: float | None) -> bytes:
        try:
            data = await self._stream.receive(deadline)
        except OSError as error:
            self._is_reset = error.errno == errno.ECONNRESET
            raise
        self._pieces.append(data)
        return data

    def reset(self) -> None:
        """End the connection as a process does that is killed with input unread."""
        stream: Any = self._stream
        stream._cut = True
        stream.close_now()

    def words(self) -> str:
        """Return what the peer was told, but for what was asked of it and pending responses.

        A final response is its status, "cut" a message that has no end, "reset" an end out of order.
        """
        words = list(words_in(b"".join(self._pieces)))
        if self._is_reset:
            words.append("reset")
        return " ".join(words)


def on(backend: AnyBackend, words: str) -> str:
    """Return the words that a backend can be held to: a kernel may reset what has ended in order."""
    return words if backend.is_virtual else words.removesuffix("reset").strip()


def words_in(data: Buffer) -> Iterable[str]:
    """Read PDUs without an engine, since one would hear nothing after some faults."""
    view, position = memoryview(data), 0
    command, is_data_due = b"", False
    while len(view) - position >= 6:
        kind, length = struct.unpack_from(">BxI", view, position)
        body = view[position + 6 : position + 6 + length]
        if len(body) < length:
            break
        position += 6 + length
        if kind == 4:
            for is_command, is_last, fragment in _fragments(body):
                command += fragment if is_command else b""
                if is_last and is_command:
                    decoded, command = decode_command(command), b""
                    is_data_due = decoded.has_data_set
                    if isinstance(decoded, CCancelRQ):
                        yield "cancel"
                    elif isinstance(decoded, Response) and decoded.category is not Category.PENDING:
                        yield f"{decoded.Status:04X}"
                elif is_last:
                    is_data_due = False
        elif kind >= 5:
            if command or is_data_due:
                yield "cut"
            is_data_due = False
            yield {5: "release", 6: "released"}.get(kind) or f"abort {body[2]} {body[3]}"
    if command or is_data_due or position < len(view):
        yield "cut"


def _fragments(body: memoryview) -> Iterable[tuple[bool, bool, memoryview]]:
    position = 0
    while position < len(body):
        length, _, header = struct.unpack_from(">IBB", body, position)
        yield bool(header & 1), bool(header & 2), body[position + 6 : position + 4 + length]
        position += 4 + length


# --- the rows -------------------------------------------------------------------------------------

Cell = tuple[str, str, str]
"""An operation, a step and a fault."""

Cells = list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str]]
"""Cells that cannot be, by operations, steps and faults, with the reason."""


def check_matrix(
    rows: Iterable[Cell], impossible: Cells, steps: Iterable[str], faults: Iterable[str]
) -> None:
    """Check that every operation has a row for each step and fault, once, or a reason why not."""
    there = list(rows)
    reasons = {
        (name, step, what): reason
        for names, some_steps, whats, reason in impossible
        for name in names
        for step in some_steps
        for what in whats
    }
    cells = {(name, step, what) for name in ALL for step in steps for what in faults}
    assert len(set(there)) == len(there), "a row stands twice"
    assert not set(there) & set(reasons), "a row that cannot be"
    assert set(there) | set(reasons) == cells
    assert sum(len(n) * len(s) * len(w) for n, s, w, _ in impossible) == len(reasons), (
        "two reasons for a cell"
    )
    assert all(reasons.values())
