"""Rows 17 to 42, as far as they are about a requestor and user: what it does with an odd or slow peer."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import ExitStack, suppress
from typing import Any

from dicomproto.errors import AssociationError, DataSetError, DicomProtoError
from dicomproto.upper_layer.pdu import Abort, AsynchronousOperationsWindow, PDataTF, ReleaseRP, ReleaseRQ
from tests.weaknesses.products import Target, dataset, query
from tests.weaknesses.wire import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    CT_IMAGE,
    DATA_SET,
    EXPLICIT,
    FIND,
    GET,
    INSTANCE,
    KIB,
    LOCALHOST,
    MIB,
    PENDING,
    VERIFICATION,
    Message,
    Weak,
    Wire,
    bounded,
    check,
    command_set,
    element,
    identifier,
    image,
    message,
    peer,
    response,
    store_rq,
)

_SOON = 0.3
"""Seconds of a timeout that is to expire."""


def end(association: Any) -> None:
    """Release an association, whatever has become of it."""
    with suppress(AssociationError):
        association.release()


def answer(wire: Wire, received: Message, status: int = 0, data: bytes | None = None, **values: Any) -> None:
    """Send a response to a request, on its context."""
    has_data_set = data is not None
    encoded = response(received.command, status, has_data_set=has_data_set, **values)
    wire.send(message(encoded, data, received.context_id))


# --- 17, 24, 26, 28, 34: responses and their order --------------------------------------------------


def stale_responses(target: Target) -> None:
    """Responses that are left over from a query that the caller has left."""

    def script(wire: Wire) -> None:
        wire.accept()
        for name in ("OLD", "NEW"):
            received = wire.message()
            while received.command.name == "C-CANCEL-RQ":
                received = wire.message()
            for _ in range(3):
                answer(wire, received, PENDING, identifier(name))
            answer(wire, received)
        wire.pdu()

    with peer(script, target.patience) as port:
        association = target.associate(port)
        for _ in association.send_c_find(query(), FIND, msg_id=1):
            break
        names = {
            str(match.PatientID) for _, match in association.send_c_find(query(), FIND, msg_id=2) if match
        }
        association.abort()
        check(names == {"NEW"}, f"a query got the matches of the one before it: {sorted(names)}")


def foreign_response(target: Target) -> None:
    """A response of another service to another message, where that to a C-STORE is due."""

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        answer(wire, received, _0100=0x8030, _0120=received.command.MessageID + 1)  # type: ignore[attr-defined]
        with suppress(Weak):
            wire.pdu()

    with peer(script, target.patience) as port:
        association = target.associate(port, timeout=_SOON)
        status = target.status(association.send_c_store, dataset())
        association.abort()
        check(status is None, f"a C-ECHO response to another message was taken for a C-STORE's: {status}")


def store_on_no_context(target: Target) -> None:
    """A C-STORE request on a context that was never negotiated, while a C-GET waits."""

    def script(wire: Wire) -> None:
        wire.accept()
        wire.message()
        wire.send(message(store_rq(), image(), 77))
        received = wire.expect(PDataTF, Abort)
        if isinstance(received, PDataTF):
            raise Weak(f"a C-STORE on context 77 was answered on context {received.values[0].context_id}")

    roles = [target.build_role(CT_IMAGE, scu_role=True, scp_role=True)]
    with peer(script, target.patience) as port:
        association = target.associate(port, ((GET, (EXPLICIT,)), (CT_IMAGE, (EXPLICIT,))), (), roles)
        with suppress(AssociationError):
            list(association.send_c_get(query(), GET))


def message_ids(target: Target) -> None:
    """Three requests for which the caller chose no Message ID."""
    seen: list[int] = []

    def script(wire: Wire) -> None:
        wire.accept()
        for _ in range(3):
            received = wire.message()
            seen.append(received.command.MessageID)  # type: ignore[attr-defined]
            answer(wire, received)
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port)
        for _ in range(3):
            association.send_c_echo()
        end(association)
    check(len(set(seen)) == 3, f"three requests had the Message IDs {seen}")


def operations_window(target: Target) -> None:
    """A window of four operations, and a peer that answers the first after it has seen all four."""

    def script(wire: Wire) -> None:
        wire.accept(
            asynchronous_operations_window=AsynchronousOperationsWindow(
                maximum_invoked=4, maximum_performed=1
            )
        )
        wire.due = "another request of a window of four"
        received = [wire.message() for _ in range(4)]
        for one in reversed(received):
            answer(wire, one, _1000=one.command.sop_instance_uid)
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port, ext_neg=[target.window(4)], timeout=target.patience)
        objects = [dataset(instance=f"{INSTANCE}.{number}") for number in range(4)]
        statuses = target.store_many(association, objects)
        check(statuses == [0] * 4, f"four objects at once: {statuses}")
        end(association)


def undecodable_identifier(target: Target) -> None:
    """A match whose identifier cannot be decoded, between good ones: four responses are four results."""
    # A sequence of undefined length in which no item follows.
    bad = bytes.fromhex("0800 1511 5351 0000 FFFFFFFF") + bytes(range(1, 9))

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        for data in (identifier("A"), bad, identifier("B")):
            answer(wire, received, PENDING, data)
        answer(wire, received)
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port)
        responses = association.send_c_find(query(), FIND)
        results: list[object] = []
        while True:
            try:
                results.append(next(responses))
            except StopIteration:
                break
            except DataSetError as error:
                results.append(error)
        end(association)
    check(len(results) == 4, f"4 responses were given as {len(results)} results")


def release_after_leaving(target: Target) -> None:
    """An iterator over matches that is left early, and a peer that then asks for a release."""

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        for _ in range(2):
            answer(wire, received, PENDING, identifier("A"))
        wire.due = "A-RELEASE-RP after an iterator was left"
        wire.send(ReleaseRQ())
        # It has begun nothing else: whatever it does for the query that it left comes first.
        while not isinstance(wire.expect(PDataTF, ReleaseRP), ReleaseRP):
            pass

    with peer(script, target.patience) as port:
        association = target.associate(port)
        for _ in association.send_c_find(query(), FIND):
            break
        with suppress(AssociationError):
            target.attend(association)


def calls_after_leaving(target: Target) -> None:
    """An iterator over matches that is left early, and calls that follow: the query is cancelled first."""

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        for _ in range(2):
            answer(wire, received, PENDING, identifier("A"))
        following = wire.message()
        check(following.command.name == "C-CANCEL-RQ", "a query that was left was not cancelled")
        answer(wire, received, 0xFE00)
        answer(wire, wire.message())
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port)
        for _ in association.send_c_find(query(), FIND):
            break
        check(target.status(association.send_c_echo) == 0, "the call after a query that was left failed")
        bounded(lambda: end(association), target.patience, "the release")


# --- 19, 27: fragments -------------------------------------------------------------------------------


def odd_fragments_of_objects(target: Target) -> None:
    """An acceptor that takes PDUs of an odd length: the fragments of an object are even (PS3.8 E.1)."""

    def script(wire: Wire) -> None:
        wire.accept(maximum_length=1025)
        received = wire.message()
        check(not any(size % 2 for size in received.fragments), f"sent fragments of {received.fragments}")
        answer(wire, received, _1000=INSTANCE)
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port)
        check(target.status(association.send_c_store, dataset(4000)) == 0, "the object was not stored")
        end(association)


def event_report_meanwhile(target: Target) -> None:
    """N-EVENT-REPORTs while an object is sent: their handler runs beside nothing, no fragments mix."""
    threads: set[int] = set()

    def handle(event: Any) -> Any:
        threads.add(threading.get_ident())
        return 0, None

    def script(wire: Wire) -> None:
        rq = wire.accept(maximum_length=1024)
        ids = {one.abstract_syntax: one.context_id for one in rq.presentation_contexts}
        stored = wire.message()
        for number in range(1, 4):
            report = command_set(
                0x0100, _0002=COMMITMENT, _0110=number, _0800=DATA_SET, _1000=COMMITMENT_INSTANCE, _1002=1
            )
            wire.send(message(report, element(8, 0x1195, "UI", b"1.2.3"), ids[COMMITMENT]))
        answer(wire, stored, _1000=INSTANCE)
        stored = wire.message()
        names = [stored.command.name]
        while stored.command.name != "C-STORE-RQ":
            stored = wire.message()
            names.append(stored.command.name)
        answer(wire, stored, _1000=INSTANCE)
        while names.count("N-EVENT-REPORT-RSP") < 3:
            names.append(wire.message().command.name)
        wire.serve_release()

    handlers = [(target.evt.EVT_N_EVENT_REPORT, handle)]
    roles = [target.build_role(COMMITMENT, scu_role=True, scp_role=False)]
    with peer(script, target.patience) as port:
        association = target.associate(port, handlers=handlers, ext_neg=roles)
        for _ in range(2):
            check(target.status(association.send_c_store, dataset(64 * KIB)) == 0, "C-STORE failed")
        end(association)
    check(threads == {threading.get_ident()}, "a handler of N-EVENT-REPORT runs beside the call under way")


# --- 30, 33: sending ------------------------------------------------------------------------------


def slow_transfer(target: Target) -> None:
    """A slow peer: a response is due when its request has been sent."""
    due, steps = 0.8, 8

    def script(wire: Wire) -> None:
        wire.accept(maximum_length=256 * KIB)
        pace = threading.Event()
        for _ in range(steps):  # a slow link, for longer than a response may take
            wire.read_ahead(512 * KIB)
            pace.wait(1.5 * due / steps)
        received = wire.message()
        answer(wire, received, _1000=INSTANCE)
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port, timeout=due)
        status = target.status(association.send_c_store, dataset(24 * MIB))
        check(status == 0, "an object that takes longer to send than a response may take was given up")
        end(association)


def deaf_peer(target: Target) -> None:
    """A peer that reads nothing of an object: sending it ends."""
    over = threading.Event()

    def script(wire: Wire) -> None:
        wire.accept()
        over.wait(2 * target.patience)

    with peer(script, target.patience) as port:
        association = target.associate(port, timeout=_SOON)
        try:
            bounded(
                lambda: target.status(association.send_c_store, dataset(24 * MIB)),
                target.patience,
                "C-STORE to a peer that reads nothing",
            )
        finally:
            over.set()


def abort_while_sending(target: Target) -> None:
    """An A-ABORT while an object is sent, from a peer that reads no more."""
    over = threading.Event()

    def script(wire: Wire) -> None:
        wire.accept()
        wire.receive(256 * KIB)
        wire.send(Abort(source=0, reason=0))
        over.wait(2 * target.patience)

    with peer(script, target.patience) as port:
        association = target.associate(port)
        try:
            status = bounded(
                lambda: target.status(association.send_c_store, dataset(24 * MIB)),
                target.patience,
                "C-STORE to a peer that has aborted",
            )
        finally:
            over.set()
        check(status is None, "an object was stored after an A-ABORT")


def both_send(target: Target) -> None:
    """A peer that sends an object to its end before it reads on in ours."""

    def script(wire: Wire) -> None:
        rq = wire.accept(maximum_length=256 * KIB)
        (context_id,) = (c.context_id for c in rq.presentation_contexts if c.abstract_syntax == CT_IMAGE)
        check(wire.has_input(), "nothing was sent")
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KIB)
        try:
            wire.send(message(store_rq(9), image(7 * MIB), context_id))
        except Weak as weak:
            raise Weak(f"while it sent an object, the target {weak}") from None
        answer(wire, wire.message(), _1000=INSTANCE)
        check(wire.status() == 0, "the peer's object was not stored")
        wire.serve_release()

    roles = [target.build_role(CT_IMAGE, scu_role=True, scp_role=True)]
    handlers = [(target.evt.EVT_C_STORE, lambda event: 0)]
    with peer(script, target.patience) as port:
        association = target.associate(port, handlers=handlers, ext_neg=roles)
        check(target.status(association.send_c_store, dataset(24 * MIB)) == 0, "C-STORE failed")
        end(association)


# --- 35, 42: threads and names -------------------------------------------------------------------


def second_thread(target: Target) -> None:
    """A second thread calls while the first one waits: it is refused, by an error that says why."""
    arrived, called = threading.Event(), threading.Event()
    statuses: list[int | None] = []
    refusals: list[str] = []

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        arrived.set()
        while not called.is_set() and not select.select([wire.socket], [], [], 0.01)[0]:
            pass
        early = bool(select.select([wire.socket], [], [], 0)[0])
        answer(wire, received)
        check(not early, "two threads had a request outstanding each, in a window of one")
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port)

        def first() -> None:
            statuses.append(target.status(association.send_c_echo))

        def second() -> None:
            try:
                association.send_c_echo()
            except DicomProtoError as error:
                refusals.append(str(error))
            finally:
                called.set()

        begun = threading.Thread(target=first, daemon=True)
        begun.start()
        check(arrived.wait(target.patience), "the first request did not come")
        bounded(second, target.patience, "the call of the second thread")
        begun.join(target.patience)
        check(statuses == [0], f"the call of the first thread returned {statuses}")
        check(len(refusals) == 1 and "in use" in refusals[0], f"the second thread got {refusals}")
        end(association)


def default_connect_timeout(target: Target) -> None:
    """Without a word from the caller, connecting has an end."""
    check(target.unset().connection_timeout is not None, "unless told, waits for a connection for ever")


def host_that_does_not_accept(target: Target) -> None:
    """A host that answers no request to connect, because its backlog is full."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind((LOCALHOST, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((LOCALHOST, port))
        _has_no_association(target, LOCALHOST, port, "associate with a host that does not accept")


def name_that_is_not_resolved(target: Target) -> None:
    """A resolver that does not answer. It stands in for the system's, which nobody can silence from here."""
    over, resolve = threading.Event(), socket.getaddrinfo

    def silent(*given: Any, **named: Any) -> Any:
        if named.get("flags", 0) & socket.AI_NUMERICHOST:  # for which no resolver is asked
            return resolve(*given, **named)
        over.wait(2 * target.patience)
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")

    socket.getaddrinfo = silent  # type: ignore[assignment]
    try:
        _has_no_association(target, "archive.example", 104, "associate with a name that is not resolved")
    finally:
        over.set()
        socket.getaddrinfo = resolve


def _has_no_association(target: Target, host: str, port: int, what: str) -> None:
    entity = target.entity(_SOON)

    def associate() -> bool:
        context = target.build_context(VERIFICATION, (EXPLICIT,))
        try:
            return bool(entity.associate(host, port, contexts=[context]).is_established)
        except AssociationError:
            return False

    check(not bounded(associate, target.patience, what), f"{what}: succeeded")
