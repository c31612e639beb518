"""What is kept of A-ASSOCIATE PDUs changes nothing but the work, and has bounds."""

from __future__ import annotations

import gc
from typing import Any
from weakref import WeakSet

import pytest

from dicomproto import (
    AssociateAC,
    AssociateCache,
    AssociateRQ,
    Connection,
    LocalProtocolError,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)
from dicomproto.config import Limits
from dicomproto.negotiation import (
    AcceptorPolicy,
    SupportedContext,
    accepted_common_extended,
    build_associate_rq,
    index_supported,
    negotiate,
)
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import ProtocolViolation, Role, encode_pdu

CT = "1.2.840.10008.5.1.4.1.1.2"
CONTEXTS = [(VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN]), (CT, [IMPLICIT_VR_LITTLE_ENDIAN])]
POLICY = AcceptorPolicy(
    supported=index_supported(
        [SupportedContext(abstract_syntax=CT, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,))]
    )
)
ROLE = RoleSelection(sop_class_uid=CT, scu_role=False, scp_role=True)
COMMON = SOPClassCommonExtendedNegotiation(sop_class_uid=VERIFICATION, service_class_uid=CT)
IDENTITY = UserIdentityRQ(identity_type=1, primary_field=b"me", positive_response_requested=True)


class Result:
    """What follows from a request."""


def request(calling: str = "SCU", **fields: object) -> AssociateRQ:
    return build_associate_rq(calling, "SCP", CONTEXTS).replace(**fields)


def received(rq: AssociateRQ, cache: AssociateCache | None, limits: Limits | None = None) -> Connection:
    """Return an acceptor that has received a request."""
    acceptor = Connection(Role.ACCEPTOR, cache=cache, limits=limits)
    acceptor.transport_connected()
    acceptor.receive_data(encode_pdu(rq))
    assert acceptor.next_event() is acceptor.request
    return acceptor


def associated(
    rq: AssociateRQ,
    cache: AssociateCache | None,
    limits: Limits | None = None,
    policy: AcceptorPolicy = POLICY,
    *,
    strict_roles: bool = False,
) -> tuple[Connection, Connection]:
    """Return both sides of a new association."""
    requestor = Connection(Role.REQUESTOR, cache=cache, limits=limits, strict_roles=strict_roles)
    requestor.send(rq)
    requestor.transport_connected()
    assert b"".join(requestor.data_to_send()) == encode_pdu(rq)
    acceptor = received(rq, cache, limits)
    assert acceptor.request is not None
    common = accepted_common_extended(acceptor.request, policy)
    if cache is None:
        answer = negotiate(acceptor.request, policy)
    else:
        answer = cache.once(negotiate, acceptor.request, policy)
    acceptor.send(answer, common_extended=common.values())
    requestor.receive_data(b"".join(acceptor.data_to_send()))
    assert isinstance(requestor.next_event(), AssociateAC)
    return requestor, acceptor


def facts(side: Connection) -> object:
    """Return what a side knows of its association, warnings included."""
    assert side.request is not None
    assert side.answer is not None
    contexts = dict(side.accepted_contexts), dict(side.rejected_contexts)
    warnings = side.request.warnings, side.answer.warnings
    return side.request, side.answer, contexts, warnings, side.peer_maximum_length, side.state


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"role_selections": (ROLE,)},
        {"maximum_length": 0, "implementation_version_name": None},
        {"sop_class_common_extended": (COMMON,)},
        {"unknown_items": (UnknownItem(item_type=0x99, data=b"x"),)},
        {"user_identity": IDENTITY},
    ],
    ids=["plain", "roles", "lengths", "common extended", "unknown item", "identity"],
)
def test_associations_are_the_same_with_and_without(fields: dict[str, Any]) -> None:
    rq, cache = request(**fields), AssociateCache()
    cache.keep(rq)
    policy = POLICY.replace(common_extended=lambda items: items)
    for strict in (False, True, False):
        expected = [facts(side) for side in associated(rq, None, policy=policy, strict_roles=strict)]
        for _ in range(3):
            sides = associated(rq, cache, policy=policy, strict_roles=strict)
            assert [facts(side) for side in sides] == expected


def test_what_was_received_before_is_not_decoded_again() -> None:
    rq, cache, limits = request(), AssociateCache(), Limits()
    first, second = associated(rq, cache, limits), associated(rq, cache, limits)
    for before, now in zip(first, second, strict=True):
        assert now.request is before.request
        assert now.answer is before.answer
    assert first[1].request is not rq
    assert associated(rq, cache, limits)[0].answer is first[0].answer


@pytest.mark.parametrize(
    ("rq", "is_kept"),
    [
        (request(), True),
        (request(user_identity=IDENTITY), False),
        (request(user_identity_response=UserIdentityAC(server_response=b"ticket")), False),
        (request(unknown_items=(UnknownItem(item_type=0x99, data=bytes(7 * 1024)),)), True),
        (request(unknown_items=(UnknownItem(item_type=0x99, data=bytes(8 * 1024)),)), False),
    ],
    ids=["plain", "identity", "identity answered", "7 KiB", "more than 8 KiB"],
)
def test_what_is_kept(rq: AssociateRQ, is_kept: bool) -> None:
    cache, limits = AssociateCache(), Limits()
    first, second = received(rq, cache, limits).request, received(rq, cache, limits).request
    assert first == second == rq
    assert (first is second) is is_kept


def test_an_answer_to_an_identity_is_not_kept() -> None:
    rq, cache, limits = request(user_identity=IDENTITY), AssociateCache(), Limits()
    ac = AssociateAC(
        called_ae_title="SCP",
        calling_ae_title="SCU",
        presentation_contexts=negotiate(rq, POLICY).presentation_contexts,  # type: ignore[union-attr]
        maximum_length=0,
        implementation_class_uid="1.2.3",
        user_identity_response=UserIdentityAC(server_response=b"ticket"),
    )
    answers = []
    for _ in range(2):
        requestor = Connection(Role.REQUESTOR, cache=cache, limits=limits)
        requestor.send(rq)
        requestor.transport_connected()
        requestor.receive_data(encode_pdu(ac))
        answers.append(requestor.next_event())
    assert answers == [ac, ac]
    assert answers[0] is not answers[1]


def test_a_peer_that_never_repeats_itself_makes_nothing_grow() -> None:
    """Only others get slower, and only meanwhile."""
    cache, limits = AssociateCache(), Limits()
    for number in range(200):
        associated(request(f"SCU{number}"), cache, limits)
    gc.collect()
    assert sum(isinstance(one, (AssociateRQ, AssociateAC)) for one in gc.get_objects()) < 100
    first, second = (associated(request(), cache, limits)[1] for _ in range(2))
    assert second.request is first.request


def test_to_keep_it_again_forgets_nothing() -> None:
    cache, limits = AssociateCache(most=4), Limits()
    ours, theirs = request("OURS"), received(request("THEIRS"), cache, limits).request
    for _ in range(10):
        assert cache.keep(ours)
    assert received(request("THEIRS"), cache, limits).request is theirs


def test_the_results_of_one_request_are_bounded() -> None:
    cache, results = AssociateCache(most=4), WeakSet[Result]()

    def result_of(rq: AssociateRQ, number: object) -> Result:
        results.add(result := Result())
        return result

    rq = received(request(), cache).request
    assert rq is not None
    for number in [object() for _ in range(100)]:
        assert cache.once(result_of, rq, number) is cache.once(result_of, rq, number)
        assert len(results) <= 4 * 8


def test_limits_hold_for_what_is_known() -> None:
    rq, cache = request(), AssociateCache()
    assert received(rq, cache).request == rq
    acceptor = Connection(Role.ACCEPTOR, cache=cache, limits=Limits(presentation_contexts=1))
    acceptor.transport_connected()
    acceptor.receive_data(encode_pdu(rq))
    assert isinstance(acceptor.next_event(), ProtocolViolation)


def test_what_is_refused_once_is_refused_again() -> None:
    rq, cache, limits = request(), AssociateCache(), Limits()
    wrong = request(maximum_length=5)
    cache.keep(wrong)
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match="maximum_length is 5"):
            Connection(Role.REQUESTOR, cache=cache).send(wrong)
        acceptor = received(rq, cache, limits)
        assert acceptor.request is not None
        answer = cache.once(negotiate, acceptor.request, POLICY)
        with pytest.raises(LocalProtocolError, match="has to be answered once"):
            acceptor.send(answer.replace(presentation_contexts=()))
