"""Rows 30 to 42: what a requestor waits for, and for how long, in one thread or several."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import ExitStack
from typing import Any

from dicomproto.errors import AssociationError, DicomProtoError
from dicomproto.upper_layer.pdu import Abort
from tests.weaknesses.products import Target, dataset
from tests.weaknesses.requestor import answer, end
from tests.weaknesses.wire import (
    CT_IMAGE,
    EXPLICIT,
    INSTANCE,
    KIB,
    LOCALHOST,
    MIB,
    VERIFICATION,
    Weak,
    Wire,
    bounded,
    check,
    echo_rq,
    image,
    message,
    peer,
    store_rq,
)

_SOON = 0.3
"""Seconds of a timeout that is to expire."""


def slow_transfer(target: Target) -> None:
    """A slow peer: a response is due when its request has been sent."""
    due, steps = 1.0, 8

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
        association = target.associate(port, response=due)
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
        association = target.associate(port, response=_SOON, write=_SOON)
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
            raise Weak(f"while it sent an object, the target {weak} of the peer's") from None
        answer(wire, wire.message(), _1000=INSTANCE)
        check(wire.status() == 0, "the peer's object was not stored")
        wire.serve_release()

    roles = [target.build_role(CT_IMAGE, scu_role=True, scp_role=True)]
    handlers = [(target.evt.EVT_C_STORE, lambda event: 0)]
    with peer(script, target.patience) as port:
        association = target.associate(port, handlers=handlers, ext_neg=roles)
        check(target.status(association.send_c_store, dataset(24 * MIB)) == 0, "C-STORE failed")
        end(association)


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


def handlers_bound_meanwhile(target: Target) -> None:
    """Handlers that two threads bind and unbind while peers are served: nothing is lost or mixed up."""
    evt, over, calls = target.evt, threading.Event(), []
    kinds = (
        evt.EVT_ACCEPTED,
        evt.EVT_PDU_RECV,
        evt.EVT_DATA_SENT,
        evt.EVT_DIMSE_RECV,
        evt.EVT_FSM_TRANSITION,
    )
    failures: list[BaseException] = []

    def rebind() -> None:
        def ignore(event: Any) -> None:
            """A handler of this thread's own."""

        try:
            while not over.is_set():
                for kind in kinds:
                    server.bind(kind, ignore)
                for kind in kinds:
                    server.unbind(kind, ignore)
        except BaseException as error:  # told below
            failures.append(error)

    def served() -> None:
        try:
            for _ in range(10):
                with Wire.connect(port, target.patience) as wire:
                    wire.associate()
                    for number in range(10):
                        wire.send(message(echo_rq(number + 1)))
                        check(wire.status() == 0, "a C-ECHO failed")
                    wire.release()
        except BaseException as error:  # told below
            failures.append(error)

    handlers = [(evt.EVT_C_ECHO, lambda event: 0), (evt.EVT_ACCEPTED, calls.append)]
    with target.listening(handlers) as server:
        port = target.port_of(server)
        binding = [threading.Thread(target=rebind, daemon=True) for _ in range(2)]
        peers = [threading.Thread(target=served, daemon=True) for _ in range(3)]
        for thread in (*binding, *peers):
            thread.start()
        for thread in peers:
            thread.join(target.patience)
        over.set()
        for thread in binding:
            thread.join(target.patience)
        check(not failures, f"while handlers were bound: {failures[:1]}")
        check(len(calls) == 30, f"of 30 associations a handler was told {len(calls)}")
        left = server.get_handlers(evt.EVT_ACCEPTED)
        check(len(left) == 1, f"{len(left)} handlers are bound in the end, and not one")


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
            select.select([listener], [], [])  # until the backlog is full
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
