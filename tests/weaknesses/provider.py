"""Rows 15 to 29, as far as they are about an acceptor and provider: what the standard asks of it."""

from __future__ import annotations

import threading
from typing import Any

from dicomproto.dimse.commands import CFindRSP
from dicomproto.dimse.status import Category, category_of
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateAC,
    AssociateRJ,
    PDataTF,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    UnknownItem,
    UserIdentityRQ,
)
from tests.weaknesses.products import Target, dataset, query
from tests.weaknesses.wire import (
    COMMITMENT,
    CT_IMAGE,
    DATA_SET,
    EXPLICIT,
    FIND,
    GET,
    INSTANCE,
    LOCALHOST,
    MOVE,
    NO_DATA_SET,
    PENDING,
    RELEVANT_PATIENT,
    VERIFICATION,
    Weak,
    Wire,
    check,
    command_set,
    echo_rq,
    find_rq,
    identifier,
    image,
    message,
    move_rq,
    pdv,
    peer,
    proposal,
    response,
    store_rq,
)

_ODD_MAXIMUM = 1025


def unknown_items(target: Target) -> None:
    """Items and sub-items of types that the standard does not define, to be ignored (PS3.8 9.3.1)."""
    odd = UnknownItem(item_type=0xEE, data=b"odd!")
    rq = proposal()
    in_context = rq.presentation_contexts[0].replace(unknown_items=(odd,))
    for name, fields in {
        "item": {"unknown_items": (odd,)},
        "user information sub-item": {"unknown_user_information": (odd,)},
        "presentation context sub-item": {"presentation_contexts": (in_context,)},
    }.items():
        with target.serving() as port, Wire.connect(port, target.patience) as wire:
            wire.send(rq.replace(**fields))
            answer = wire.pdu()
            check(isinstance(answer, AssociateAC), f"unknown {name}: answered {type(answer).__name__}")
            wire.release()


def release_during_query(target: Target) -> None:
    """An A-RELEASE-RQ in the middle of a C-FIND: it is answered, and nothing is called a success."""
    released, closed = threading.Event(), threading.Event()

    def find(event: Any) -> Any:
        try:
            yield PENDING, query()
            released.wait(target.patience)
            for _ in range(1000):
                yield PENDING, query()
        finally:
            closed.set()

    with target.serving([(target.evt.EVT_C_FIND, find)]) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate([(FIND, (EXPLICIT,))])
            wire.send(message(find_rq(), identifier()))
            check(wire.status() == PENDING, "the first match did not come")
            wire.due = "A-RELEASE-RP in the middle of a C-FIND"
            wire.send(ReleaseRQ())
            released.set()
            _expect_release(wire, "a C-FIND")
        check(closed.wait(target.patience), "the handler's generator was not closed")


def release_during_retrieval(target: Target) -> None:
    """An A-RELEASE-RQ in place of the response to a C-STORE of a C-GET: likewise."""
    closed = threading.Event()

    def get(event: Any) -> Any:
        try:
            yield 100
            for number in range(100):
                yield PENDING, dataset(instance=f"{INSTANCE}.{number}")
        finally:
            closed.set()

    with target.serving([(target.evt.EVT_C_GET, get)]) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate([(GET, (EXPLICIT,)), (CT_IMAGE, (EXPLICIT,))], **_as_scp(CT_IMAGE))
            wire.send(message(find_rq(1, GET, 0x0010), identifier()))
            check(wire.message().command.name == "C-STORE-RQ", "the first object did not come")
            wire.due = "A-RELEASE-RP in the middle of a C-GET"
            wire.send(ReleaseRQ())
            _expect_release(wire, "a C-GET")
        check(closed.wait(target.patience), "the handler's generator was not closed")


def release_during_move(target: Target) -> None:
    """An A-RELEASE-RQ while an object is on its way to the destination of a C-MOVE: likewise."""
    asked, released, closed = threading.Event(), threading.Event(), threading.Event()

    def destination(wire: Wire) -> None:
        wire.accept()
        received = wire.message()
        asked.set()
        released.wait(target.patience)
        wire.send(message(response(received.command, _1000=INSTANCE), None, received.context_id))
        wire.serve_stores()

    def move(event: Any) -> Any:
        try:
            yield LOCALHOST, port, {"contexts": [target.build_context(CT_IMAGE, (EXPLICIT,))]}
            yield 100
            for number in range(100):
                yield PENDING, dataset(instance=f"{INSTANCE}.{number}")
        finally:
            closed.set()

    handlers = [(target.evt.EVT_C_MOVE, move)]
    with peer(destination, 2 * target.patience) as port, target.serving(handlers) as server:
        with Wire.connect(server, target.patience) as wire:
            wire.associate([(MOVE, (EXPLICIT,))])
            wire.send(message(move_rq(), identifier()))
            check(asked.wait(target.patience), "the first object was not sent to the destination")
            wire.due = "A-RELEASE-RP in the middle of a C-MOVE"
            wire.send(ReleaseRQ())
            released.set()
            _expect_release(wire, "a C-MOVE")
        check(closed.wait(target.patience), "the handler's generator was not closed")


def _expect_release(wire: Wire, operation: str) -> None:
    """Read on until the release is answered; nothing before that is a success."""
    while not isinstance(pdu := wire.expect(PDataTF, ReleaseRP, Abort), ReleaseRP):
        check(isinstance(pdu, PDataTF), f"an A-RELEASE-RQ during {operation} was answered with A-ABORT")
        assert isinstance(pdu, PDataTF)
        wire.push(pdu)
        status = getattr(wire.message().command, "Status", PENDING)
        check(status != 0, f"{operation} that was cut short by a release ended in a success")


def several_messages_in_a_pdu(target: Target) -> None:
    """Two C-ECHO requests in one P-DATA-TF: both are answered, or the association is aborted."""
    values = tuple(
        PresentationDataValue(context_id=1, is_command=True, is_last=True, data=echo_rq(number))
        for number in (1, 2)
    )
    with target.serving() as port, Wire.connect(port, target.patience) as wire:
        wire.associate()
        wire.send(PDataTF(values=values))
        for name in ("first", "second"):
            try:
                if isinstance(answer := wire.expect(PDataTF, Abort), Abort):
                    break
                assert isinstance(answer, PDataTF)
                wire.push(answer)
                wire.message()
            except Weak as weak:
                raise Weak(f"the {name} of two requests in one P-DATA-TF: {weak}") from None


def odd_maximum_length(target: Target) -> None:
    """A requestor that takes PDUs of an odd length: the fragments of matches are even (PS3.8 E.1)."""

    def find(event: Any) -> Any:
        match = query()
        match.PatientComments = "x" * 4000
        yield PENDING, match

    with target.serving([(target.evt.EVT_C_FIND, find)]) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate([(FIND, (EXPLICIT,))], maximum_length=_ODD_MAXIMUM)
            wire.send(message(find_rq(), identifier()))
            fragments = wire.message().fragments
            check(len(fragments) > 2, "the match came in one fragment")
            check(not any(size % 2 for size in fragments), f"sent fragments of {fragments} bytes")


def user_identity(target: Target) -> None:
    """User name, and user name with passcode, with a positive response requested (PS3.7 D.3.3.7)."""
    handlers = [(target.evt.EVT_USER_ID, lambda event: (True, None))]
    for kind, passcode in ((1, b""), (2, b"secret")):
        user = UserIdentityRQ(
            identity_type=kind,
            primary_field=b"name",
            secondary_field=passcode,
            positive_response_requested=True,
        )
        with target.serving(handlers) as port, Wire.connect(port, target.patience) as wire:
            answer = wire.associate(user_identity=user)
            check(
                answer.user_identity_response is not None,
                f"user identity of type {kind}: no positive response, though one was requested",
            )


def application_context(target: Target) -> None:
    """An application context that is not DICOM's: rejected with 1, 1, 2 (PS3.8 Table 9-21)."""
    with target.serving() as port, Wire.connect(port, target.patience) as wire:
        wire.send(proposal(application_context_name="1.2.3.4"))
        answer = wire.pdu()
        check(
            isinstance(answer, AssociateRJ) and (answer.result, answer.source, answer.reason) == (1, 1, 2),
            f"another application context was answered {type(answer).__name__}",
        )


def relevant_patient(target: Target) -> None:
    """A query for a relevant patient that matches: the success after it has no identifier (PS3.4 Q.2.1.1)."""

    def find(event: Any) -> Any:
        yield PENDING, query()

    with target.serving([(target.evt.EVT_C_FIND, find)]) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate([(RELEVANT_PATIENT, (EXPLICIT,))])
            wire.send(message(find_rq(1, RELEVANT_PATIENT), identifier()))
            check(wire.status() == PENDING, "the match did not come")
            final = wire.message()
            assert isinstance(final.command, CFindRSP)
            check(final.command.Status == 0, "a query that matched did not succeed")
            check(final.data is None, "the final success carries an identifier")


def ready_made_storage_contexts(target: Target) -> None:
    """Every class of the ready-made list for storage is accepted, and an object of it stored."""
    classes = [str(one.abstract_syntax) for one in target.storage_contexts]
    contexts = [(uid, (EXPLICIT,)) for uid in classes]
    handlers = [(target.evt.EVT_C_STORE, lambda event: 0)]
    refused: list[str] = []
    with target.serving(handlers, contexts) as port:
        for start in range(0, len(contexts), 128):
            refused += _not_stored(target, port, contexts[start : start + 128])
    check(
        not refused, f"{len(refused)} of {len(classes)} classes were accepted, but their objects not stored"
    )


def _not_stored(target: Target, port: int, contexts: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Store an object of each class; a new association where one was aborted."""
    left, refused = list(contexts), []
    while left:
        with Wire.connect(port, target.patience) as wire:
            answer = wire.associate(left)
            assert all(one.result == 0 for one in answer.presentation_contexts)
            for position, (uid, _) in enumerate(left):
                wire.send(message(store_rq(1, uid), image(2, uid), 2 * position + 1))
                try:
                    if wire.status() == 0:
                        continue
                except Weak:
                    pass
                refused.append(uid)
                left = left[position + 1 :]
                break
            else:
                wire.release()
                left = []
    return refused


def incomplete_requests(target: Target) -> None:
    """Requests without an element that they must have: each is answered, by a response or an A-ABORT."""
    evt = target.evt
    requests = {
        "C-STORE-RQ without Affected SOP Instance UID": (
            CT_IMAGE,
            command_set(1, _0002=CT_IMAGE, _0110=1, _0700=2, _0800=DATA_SET),
            image(),
        ),
        "C-FIND-RQ without Affected SOP Class UID": (
            FIND,
            command_set(0x0020, _0110=1, _0700=2, _0800=DATA_SET),
            identifier(),
        ),
        "C-ECHO-RQ without Affected SOP Class UID": (
            VERIFICATION,
            command_set(0x0030, _0110=1, _0800=NO_DATA_SET),
            None,
        ),
        "N-ACTION-RQ without Action Type ID": (
            COMMITMENT,
            command_set(0x0130, _0003=COMMITMENT, _0110=1, _0800=DATA_SET, _1001=INSTANCE),
            identifier(),
        ),
    }

    def find(event: Any) -> Any:
        yield PENDING, query()

    handlers = [
        (evt.EVT_C_STORE, lambda event: 0),
        (evt.EVT_C_FIND, find),
        (evt.EVT_N_ACTION, lambda event: (0, None)),
    ]
    for name, (uid, command, data) in requests.items():
        with target.serving(handlers) as port, Wire.connect(port, target.patience) as wire:
            wire.associate([(uid, (EXPLICIT,))])
            wire.send(message(command, data))
            try:
                wire.expect(PDataTF, Abort)
            except Weak as weak:
                raise Weak(f"{name}: {weak}") from None


def message_id_in_use(target: Target) -> None:
    """A C-ECHO with the Message ID of a C-FIND that is not answered to its end (PS3.7 C.5.6)."""
    evt = target.evt
    is_sent = threading.Event()

    def find(event: Any) -> Any:
        for _ in range(2):
            yield PENDING, query()
            is_sent.wait(target.patience)
        yield 0x0000, None

    contexts = ((FIND, (EXPLICIT,)), (VERIFICATION, (EXPLICIT,)))
    with target.serving([(evt.EVT_C_FIND, find), (evt.EVT_C_ECHO, lambda event: 0)], contexts) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate(contexts)
            wire.send(message(find_rq(5), identifier()))
            check(wire.status() == PENDING, "there is no match")
            wire.send(message(echo_rq(5), None, 3))
            is_sent.set()
            while isinstance(answer := wire.message().command, CFindRSP):
                pass
    status = getattr(answer, "Status", -1)
    check(
        category_of(status) is Category.FAILURE,
        f"a request with the Message ID of another that is under way was answered {status:04X}",
    )


def closing(target: Target) -> None:
    """After its last PDU the target waits for the peer to close (Sta13): what still comes is no error."""
    for name, last in (("A-ABORT", pdv(echo_rq(), 2)), ("A-RELEASE-RP", encode_pdu(ReleaseRQ()))):
        with target.serving() as port, Wire.connect(port, target.patience) as wire:
            wire.associate()
            wire.send(last)
            # It has closed, or is about to, when this has come; bytes that it does not take are
            # answered with a reset, which on many systems throws away what was not yet read.
            wire.expect(Abort, ReleaseRP)
            check(wire.has_input(), f"kept the connection open after its {name}")
            wire.send(message(echo_rq()))
            wire.send(message(echo_rq()))
            check(wire.receive(1) == b"", f"more than an {name}")
            check(not wire.was_reset, f"the connection was reset after its {name}, not closed in order")


def suboperation_counters(target: Target) -> None:
    """A C-GET whose handler yields something that is no data set: it is counted as failed."""

    def get(event: Any) -> Any:
        yield 3
        yield PENDING, dataset(instance=f"{INSTANCE}.1")
        yield PENDING, 42
        yield PENDING, dataset(instance=f"{INSTANCE}.2")

    contexts = [(GET, (EXPLICIT,)), (CT_IMAGE, (EXPLICIT,))]
    with target.serving([(target.evt.EVT_C_GET, get)]) as port:
        with Wire.connect(port, target.patience) as wire:
            wire.associate(contexts, **_as_scp(CT_IMAGE))
            wire.send(message(find_rq(1, GET, 0x0010), identifier()))
            _count(wire)


def suboperation_counters_of_move(target: Target) -> None:
    """The same with a C-MOVE."""

    def destination(wire: Wire) -> None:
        wire.accept()
        wire.serve_stores()

    def move(event: Any) -> Any:
        yield LOCALHOST, port, {"contexts": [target.build_context(CT_IMAGE, (EXPLICIT,))]}
        yield 3
        yield PENDING, dataset(instance=f"{INSTANCE}.1")
        yield PENDING, 42
        yield PENDING, dataset(instance=f"{INSTANCE}.2")

    handlers = [(target.evt.EVT_C_MOVE, move)]
    with peer(destination, target.patience) as port, target.serving(handlers) as server:
        with Wire.connect(server, target.patience) as wire:
            wire.associate([(MOVE, (EXPLICIT,))])
            wire.send(message(move_rq(), identifier()))
            _count(wire)
            wire.release()


def _count(wire: Wire) -> None:
    """Take what comes of a retrieval of three; each response accounts for all of them."""
    while True:
        received = wire.message()
        rsp: Any = received.command
        if rsp.name == "C-STORE-RQ":
            wire.send(message(response(rsp, _1000=rsp.sop_instance_uid), None, received.context_id))
            continue
        done = [
            rsp.NumberOfCompletedSuboperations or 0,
            rsp.NumberOfFailedSuboperations or 0,
            rsp.NumberOfWarningSuboperations or 0,
        ]
        if category_of(rsp.Status) is not Category.PENDING:
            break
        total = sum(done) + (rsp.NumberOfRemainingSuboperations or 0)
        check(total == 3, f"of 3 sub-operations a pending {rsp.name} counts {total}")
    check(done == [2, 1, 0], f"completed, failed, warning: {done}, where 2 were completed and 1 failed")


def _as_scp(uid: str) -> dict[str, object]:
    from dicomproto.upper_layer.pdu import RoleSelection

    return {"role_selections": (RoleSelection(sop_class_uid=uid, scu_role=True, scp_role=True),)}
