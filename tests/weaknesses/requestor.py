"""Rows 10 to 34, as far as they are about a requestor and user: what it does with an odd peer."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from dicomproto.errors import AssociationError, DataSetError, DicomProtoError
from dicomproto.upper_layer.pdu import Abort, AsynchronousOperationsWindow, PDataTF, ReleaseRP, ReleaseRQ
from tests.memory import peak_of
from tests.weaknesses.products import Target, dataset, query
from tests.weaknesses.wire import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    CT_IMAGE,
    DATA_SET,
    DEFLATED,
    EXPLICIT,
    FIND,
    GET,
    INSTANCE,
    KIB,
    MIB,
    PENDING,
    Message,
    Weak,
    Wire,
    bounded,
    check,
    command_set,
    deflated_bomb,
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


def results(responses: Any) -> list[object]:
    """Return what an iterator over responses gives: (status, identifier), or its error for one of them."""
    given: list[object] = []
    while True:
        try:
            given.append(next(responses))
        except StopIteration:
            return given
        except DataSetError as error:
            given.append(error)


def answer(wire: Wire, received: Message, status: int = 0, data: bytes | None = None, **values: Any) -> None:
    """Send a response to a request, on its context."""
    has_data_set = data is not None
    encoded = response(received.command, status, has_data_set=has_data_set, **values)
    wire.send(message(encoded, data, received.context_id))


# --- 10, 11: what a provider can do to its user ---------------------------------------------------


def bomb_in_a_match(target: Target) -> None:
    """A match of 64 KB that inflates to 64 MiB, where 8 MiB are allowed."""
    bomb = deflated_bomb(64 * MIB)
    matches: list[Any] = []

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        answer(wire, received, PENDING, bomb)
        answer(wire, received)
        wire.serve_release()

    def find() -> None:
        with peer(script, target.patience) as port:
            association = target.associate(port, ((FIND, (DEFLATED,)),))
            matches.extend(results(association.send_c_find(query(), FIND)))
            end(association)

    peak = peak_of(find)
    check(
        not any(len(one[1]) for one in matches if isinstance(one, tuple) and one[1]),
        "a match of 64 MiB came out of 64 KB",
    )
    check(peak < 48 * MIB, f"a match of 64 KB took {peak // MIB} MiB")


def tiny_maximum_of_acceptor(target: Target) -> None:
    """Acceptors that take PDUs of 1 to 7 bytes: an A-ABORT or an error, but no hail of PDUs."""
    for length in range(1, 8):

        def script(wire: Wire, length: int = length) -> None:
            wire.accept(maximum_length=length)
            count = 0
            while isinstance(pdu := wire.pdu(), PDataTF) and not pdu.values[0].is_last:
                count += 1
            check(pdu is not None, f"maximum length {length}: ended without a word")
            check(count < 8, f"maximum length {length}: more than {count} PDUs for a C-ECHO-RQ")

        with peer(script, target.patience) as port:
            try:
                association = target.associate(port, response=_SOON)
                target.status(association.send_c_echo)
                association.abort()
            except DicomProtoError:
                pass
            except Exception as error:
                text = f"maximum length {length}: C-ECHO raised {type(error).__name__}"
                raise Weak(f"{text}, and the association stays") from None


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
        association = target.associate(port, response=_SOON)
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
        association = target.associate(port, ext_neg=[target.window(4)], response=target.patience)
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
        given = results(association.send_c_find(query(), FIND))
        end(association)
    check(len(given) == 4, f"4 responses were given as {len(given)} results")


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
    """An iterator over matches that is left early, and a call that follows."""

    def script(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        for _ in range(2):
            answer(wire, received, PENDING, identifier("A"))
        following = wire.message()
        if following.command.name == "C-CANCEL-RQ":
            answer(wire, received, 0xFE00)
            following = wire.message()
        else:
            answer(wire, received)
        answer(wire, following)
        wire.serve_release()

    with peer(script, target.patience) as port:
        association = target.associate(port)
        for _ in association.send_c_find(query(), FIND):
            break
        status = target.status(association.send_c_echo)
        check(status == 0, f"the C-ECHO after a query that was left got {status}, a status of the query")
        bounded(lambda: end(association), target.patience, "the release")


# --- 19, 27: fragments -------------------------------------------------------------------------------


def odd_fragments_of_objects(target: Target) -> None:
    """An acceptor that takes PDUs of an odd length: the fragments of an object are even (PS3.8 E.1)."""

    def script(wire: Wire) -> None:
        wire.accept(maximum_length=1025)
        received = wire.message()
        fragments = received.fragments
        check(not any(size % 2 for size in fragments), f"sent fragments of {fragments} bytes")
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
