"""Negotiation: the acceptor's answer, and what both sides read out of proposal and answer."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto.negotiation import (
    AcceptedContext,
    AcceptorPolicy,
    IdentityVerdict,
    RejectedContext,
    SupportedContext,
    accept_anything,
    accepted_common_extended,
    accepted_contexts,
    index_supported,
    may_invoke,
    negotiate,
    operations_window,
    rejected_contexts,
)
from dicomproto.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicomproto.upper_layer import decode_pdu, encode_pdu
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
STORAGE = "1.2.840.10008.4.2"
IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
JPEG = "1.2.840.10008.1.2.4.50"


def proposal(context_id: int, abstract_syntax: str, *transfer_syntaxes: str) -> PresentationContextRQ:
    return PresentationContextRQ(
        context_id=context_id, abstract_syntax=abstract_syntax, transfer_syntaxes=transfer_syntaxes
    )


def request(*contexts: PresentationContextRQ, **fields: object) -> AssociateRQ:
    rq = AssociateRQ(called_ae_title="CALLED", calling_ae_title="CALLING", presentation_contexts=contexts)
    return rq.replace(**fields)


def answer(*contexts: tuple[int, int, str], roles: tuple[RoleSelection, ...] = ()) -> AssociateAC:
    return AssociateAC(
        called_ae_title="",
        calling_ae_title="",
        presentation_contexts=tuple(
            PresentationContextAC(context_id=i, result=result, transfer_syntax=ts)
            for i, result, ts in contexts
        ),
        role_selections=roles,
    )


def role(uid: str, scu: bool, scp: bool) -> RoleSelection:
    return RoleSelection(sop_class_uid=uid, scu_role=scu, scp_role=scp)


def supporting(*contexts: SupportedContext, **fields: object) -> AcceptorPolicy:
    return AcceptorPolicy(supported=index_supported(contexts)).replace(**fields)


CT_AND_VERIFICATION = supporting(
    SupportedContext(abstract_syntax=VERIFICATION, transfer_syntaxes=(IMPLICIT,)),
    SupportedContext(abstract_syntax=CT, transfer_syntaxes=(EXPLICIT, IMPLICIT)),
)


def accept(rq: AssociateRQ, policy: AcceptorPolicy) -> AssociateAC:
    ac = negotiate(rq, policy)
    assert isinstance(ac, AssociateAC)
    assert decode_pdu(encode_pdu(ac)) == ac
    return ac


def results(ac: AssociateAC) -> list[tuple[int, int, str]]:
    return [(c.context_id, c.result, c.transfer_syntax) for c in ac.presentation_contexts]


# --- contexts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [
        pytest.param(proposal(1, CT, IMPLICIT, EXPLICIT), (1, 0, EXPLICIT), id="acceptor's order"),
        pytest.param(proposal(1, CT, JPEG, IMPLICIT), (1, 0, IMPLICIT), id="the one in common"),
        pytest.param(proposal(255, CT, IMPLICIT), (255, 0, IMPLICIT), id="last id"),
        pytest.param(proposal(2, CT, IMPLICIT), (2, 0, IMPLICIT), id="even id"),
        pytest.param(proposal(1, CT + "\0", IMPLICIT + "\0"), (1, 0, IMPLICIT), id="padded with NUL"),
        pytest.param(proposal(1, CT + "  ", IMPLICIT + " "), (1, 0, IMPLICIT), id="padded with spaces"),
        pytest.param(proposal(1, CT, JPEG), (1, 4, JPEG), id="no syntax in common"),
        pytest.param(proposal(1, MR, JPEG, IMPLICIT), (1, 3, JPEG), id="not supported"),
        pytest.param(proposal(1, CT), (1, 4, IMPLICIT), id="no transfer syntax"),
        pytest.param(proposal(1, CT, "", "\0"), (1, 4, IMPLICIT), id="empty transfer syntaxes"),
        pytest.param(proposal(1, MR), (1, 4, IMPLICIT), id="not supported, no transfer syntax"),
        pytest.param(proposal(1, "", EXPLICIT), (1, 3, EXPLICIT), id="no abstract syntax"),
        pytest.param(proposal(1, ""), (1, 3, IMPLICIT), id="nothing"),
        pytest.param(proposal(1, MR, "no UID", "1.2"), (1, 3, "1.2"), id="no invalid UID is sent back"),
    ],
)
def test_answer_to_one_context(proposed: PresentationContextRQ, expected: tuple[int, int, str]) -> None:
    assert results(accept(request(proposed), CT_AND_VERIFICATION)) == [expected]


def test_every_context_is_answered_in_the_proposed_order() -> None:
    rq = request(proposal(5, CT, IMPLICIT), proposal(3, MR, IMPLICIT), proposal(1, VERIFICATION, IMPLICIT))
    ac = accept(rq, CT_AND_VERIFICATION)
    assert results(ac) == [(5, 0, IMPLICIT), (3, 3, IMPLICIT), (1, 0, IMPLICIT)]


def test_first_of_two_contexts_with_one_id_counts() -> None:
    rq = request(proposal(1, CT, IMPLICIT), proposal(1, VERIFICATION, IMPLICIT))
    ac = accept(rq, CT_AND_VERIFICATION)
    assert results(ac) == [(1, 0, IMPLICIT)]
    assert [c.abstract_syntax for c in accepted_contexts(rq, ac).values()] == [CT]


def test_proposers_order_of_transfer_syntaxes() -> None:
    policy = CT_AND_VERIFICATION.replace(prefer_proposer_order=True)
    rq = request(proposal(1, CT, JPEG, IMPLICIT, EXPLICIT))
    assert results(accept(rq, policy)) == [(1, 0, IMPLICIT)]


def test_association_without_acceptable_context_is_accepted() -> None:
    assert results(accept(request(proposal(1, MR, IMPLICIT)), AcceptorPolicy())) == [(1, 3, IMPLICIT)]
    assert results(accept(request(), AcceptorPolicy())) == []


def test_supported_contexts_of_one_abstract_syntax_are_joined() -> None:
    index = index_supported(
        [
            SupportedContext(abstract_syntax=CT, transfer_syntaxes=(JPEG,), scu_role=True, scp_role=False),
            SupportedContext(abstract_syntax=CT + "\0", transfer_syntaxes=(EXPLICIT, JPEG), scp_role=True),
        ]
    )
    joined = SupportedContext(
        abstract_syntax=CT, transfer_syntaxes=(JPEG, EXPLICIT), scu_role=True, scp_role=True
    )
    assert index == {CT: joined}


def test_unknown_context_is_asked_about_what_is_not_supported_and_well_formed() -> None:
    asked: list[PresentationContextRQ] = []

    def private_only(context: PresentationContextRQ) -> SupportedContext | None:
        asked.append(context)
        return accept_anything(context) if context.abstract_syntax == "1.3.12" else None

    rq = request(
        proposal(1, CT, IMPLICIT),
        proposal(3, "1.3.12\0", JPEG + "\0", IMPLICIT),
        proposal(5, "1.3.13", IMPLICIT),
        proposal(7, "", IMPLICIT),
        proposal(9, "1.3.12"),
    )
    ac = accept(rq, CT_AND_VERIFICATION.replace(unknown_context=private_only))
    assert [c.result for c in ac.presentation_contexts] == [0, 0, 3, 3, 4]
    assert ac.presentation_contexts[1].transfer_syntax == JPEG
    assert asked == [proposal(3, "1.3.12", JPEG, IMPLICIT), proposal(5, "1.3.13", IMPLICIT)]


# --- whom, and as what --------------------------------------------------------------------------


def test_titles_are_copied_back_and_we_identify_ourselves() -> None:
    sent = request(called_ae_title="  A\0", calling_ae_title="", implementation_class_uid="1.2.3")
    rq = decode_pdu(encode_pdu(sent))
    assert isinstance(rq, AssociateRQ)
    ac = accept(rq, AcceptorPolicy(maximum_length=4096))
    assert (ac.called_ae_title, ac.calling_ae_title) == ("  A", "")
    assert encode_pdu(ac)[10:42] == encode_pdu(sent)[10:42]
    assert ac.maximum_length == 4096
    assert ac.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert ac.implementation_version_name == IMPLEMENTATION_VERSION_NAME


OK, CONTEXT_NAME, CALLED, CALLING = None, (1, 1, 2), (1, 1, 7), (1, 1, 3)


@pytest.mark.parametrize(
    ("rq", "policy", "expected"),
    [
        ({"application_context_name": "1.2.3"}, {}, CONTEXT_NAME),
        ({"application_context_name": "1.2.3"}, {"any_application_context": True}, OK),
        ({"application_context_name": "1.2.840.10008.3.1.1.1\0"}, {}, OK),
        ({"application_context_name": ""}, {}, OK),
        ({"called_ae_title": " CALLED\0"}, {"called_ae_titles": {"CALLED"}}, OK),
        ({"called_ae_title": "OTHER"}, {"called_ae_titles": {"CALLED"}}, CALLED),
        ({"called_ae_title": "called"}, {"called_ae_titles": {"CALLED"}}, CALLED),
        ({"calling_ae_title": "CALLING"}, {"calling_ae_titles": {"X", "CALLING"}}, OK),
        ({"calling_ae_title": ""}, {"calling_ae_titles": {"X"}}, CALLING),
        ({}, {"calling_ae_titles": ()}, CALLING),
        ({}, {"called_ae_titles": (), "calling_ae_titles": ()}, CALLED),
    ],
)
def test_rejection_by_titles_and_context_name(
    rq: dict[str, object], policy: dict[str, object], expected: tuple[int, int, int] | None
) -> None:
    outcome = negotiate(request(**rq), AcceptorPolicy().replace(**policy))
    if expected is None:
        assert isinstance(outcome, AssociateAC)
    else:
        result, source, reason = expected
        assert outcome == AssociateRJ(result=result, source=source, reason=reason)


def test_a_hook_may_reject_the_whole_request() -> None:
    congested = AssociateRJ(result=2, source=3, reason=1)
    seen = []

    def once(rq: AssociateRQ) -> AssociateRJ | None:
        seen.append(rq)
        return congested if len(seen) == 1 else None

    policy = AcceptorPolicy(request=once)
    rq = request(proposal(1, CT, IMPLICIT))
    assert negotiate(rq, policy) == congested
    assert isinstance(negotiate(rq, policy), AssociateAC)
    assert seen == [rq, rq]


@pytest.mark.parametrize(
    "hook", ["request", "unknown_context", "user_identity", "extended", "common_extended"]
)
def test_what_a_hook_raises_goes_through(hook: str) -> None:
    def broken(argument: object) -> None:
        raise ZeroDivisionError

    rq = request(
        proposal(1, CT, IMPLICIT),
        user_identity=UserIdentityRQ(identity_type=1, primary_field=b"me"),
        sop_class_extended=(SOPClassExtendedNegotiation(sop_class_uid=CT, application_information=b""),),
        sop_class_common_extended=(
            SOPClassCommonExtendedNegotiation(sop_class_uid=CT, service_class_uid=STORAGE),
        ),
    )
    with pytest.raises(ZeroDivisionError):
        negotiate(rq, AcceptorPolicy().replace(**{hook: broken}))


# --- roles --------------------------------------------------------------------------------------

# What the requestor proposes for itself -> the acceptor's (scu_role, scp_role) -> what it gets:
# "u" SCU, "p" SCP, "up" both, "-" nothing (the context is rejected), "." the default, SCU, unanswered.
ANSWERS = list(itertools.product((None, False, True), repeat=2))
ROLES = {
    # (scu, scp):   N,N   N,F   N,T   F,N   F,F   F,T   T,N   T,F   T,T
    None: (".", ".", ".", ".", ".", ".", ".", ".", "."),
    (False, False): (".", ".", ".", ".", ".", ".", ".", ".", "."),
    (False, True): ("p", "-", "p", "p", "-", "p", "p", "-", "p"),
    (True, False): ("u", "u", "u", "-", "-", "-", "u", "u", "u"),
    (True, True): ("up", "u", "up", "p", "-", "p", "up", "u", "up"),
}


@pytest.mark.parametrize(
    ("proposed", "supported", "outcome"),
    [
        (proposed, supported, outcome)
        for proposed, outcomes in ROLES.items()
        for supported, outcome in zip(ANSWERS, outcomes, strict=True)
    ],
)
def test_roles_granted(
    proposed: tuple[bool, bool] | None, supported: tuple[bool | None, bool | None], outcome: str
) -> None:
    roles = () if proposed is None else (role(CT + "\0", *proposed),)
    rq = request(proposal(1, CT, IMPLICIT), role_selections=roles)
    scu, scp = supported
    policy = supporting(
        SupportedContext(abstract_syntax=CT, transfer_syntaxes=(IMPLICIT,), scu_role=scu, scp_role=scp)
    )
    ac = accept(rq, policy)
    accepted = accepted_contexts(rq, ac)
    if outcome == "-":
        assert results(ac) == [(1, 1, IMPLICIT)]
        assert ac.role_selections == (role(CT, False, False),)
        assert accepted == {}
        return
    granted = "u" in outcome or outcome == ".", "p" in outcome
    if outcome == ".":
        assert ac.role_selections == ()
    else:
        assert ac.role_selections == (role(CT, *granted),)
    context = accepted[1]
    assert (context.requestor_is_scu, context.requestor_is_scp) == granted
    assert context.roles_answered is (outcome != ".")


def test_roles_are_answered_once_for_each_proposed_class() -> None:
    rq = request(
        proposal(1, CT, JPEG),
        proposal(3, CT, IMPLICIT),
        proposal(5, MR, IMPLICIT),
        proposal(7, MR, EXPLICIT),
        role_selections=(
            role(MR, True, True),
            role(CT, True, True),
            role(CT, False, False),
            role("1.9", True, True),
        ),
    )
    ac = accept(rq, CT_AND_VERIFICATION)
    assert [c.result for c in ac.presentation_contexts] == [4, 0, 3, 3]
    assert sorted(ac.role_selections, key=repr) == [role(CT, True, True), role(MR, False, False)]


def test_role_of_a_class_that_a_hook_supports_only_at_times() -> None:
    def implicit_only(context: PresentationContextRQ) -> SupportedContext | None:
        return accept_anything(context) if context.transfer_syntaxes == (IMPLICIT,) else None

    rq = request(
        proposal(1, CT, JPEG),
        proposal(3, CT, IMPLICIT),
        proposal(5, CT, EXPLICIT),
        role_selections=(role(CT, False, True),),
    )
    ac = accept(rq, AcceptorPolicy(unknown_context=implicit_only))
    assert [c.result for c in ac.presentation_contexts] == [3, 0, 3]
    assert ac.role_selections == (role(CT, False, True),)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("proposed", "answered", "lenient_roles", "strict_roles"),
    [
        (None, None, (True, False), (True, False)),
        (None, (True, True), (True, False), (True, False)),
        ((False, True), None, (True, True), (True, False)),
        ((True, True), None, (True, True), (True, False)),
        ((True, False), None, (True, False), (True, False)),
        ((False, False), None, (True, False), (True, False)),
        ((False, True), (True, True), (False, True), (False, True)),
        ((True, True), (False, True), (False, True), (False, True)),
        ((True, True), (True, False), (True, False), (True, False)),
        ((True, False), (False, True), (False, False), (False, False)),
        ((False, False), (True, True), (True, False), (True, False)),
    ],
)
def test_roles_read_from_an_answer(
    strict: bool,
    proposed: tuple[bool, bool] | None,
    answered: tuple[bool, bool] | None,
    lenient_roles: tuple[bool, bool],
    strict_roles: tuple[bool, bool],
) -> None:
    rq = request(
        proposal(1, CT, IMPLICIT), role_selections=() if proposed is None else (role(CT, *proposed),)
    )
    ac = answer((1, 0, IMPLICIT), roles=() if answered is None else (role(CT, *answered),))
    context = accepted_contexts(rq, ac, strict_roles=strict)[1]
    granted = context.requestor_is_scu, context.requestor_is_scp
    assert granted == (strict_roles if strict else lenient_roles)
    assert context.roles_answered is (proposed not in (None, (False, False)) and answered is not None)


@pytest.mark.parametrize(
    ("scu", "scp", "answered", "by_requestor", "is_event_report", "lenient", "strict"),
    [
        # Default roles: the requestor invokes operations, the acceptor reports events.
        (True, False, False, True, False, "yes", "yes"),
        (True, False, False, False, False, "no", "no"),
        (True, False, False, False, True, "yes", "yes"),
        (True, False, False, True, True, "warn", "no"),
        # The SCP role proposed, not answered: granted, with a warning.
        (True, True, False, False, False, "warn", "no"),
        (True, True, False, True, True, "warn", "no"),
        (True, True, False, True, False, "yes", "yes"),
        # Answered: that and nothing else.
        (False, True, True, True, False, "no", "no"),
        (False, True, True, False, False, "yes", "yes"),
        (False, True, True, True, True, "yes", "yes"),
        (False, True, True, False, True, "no", "no"),
        (True, False, True, True, True, "no", "no"),
        (True, True, True, False, False, "yes", "yes"),
        (True, True, True, False, True, "yes", "yes"),
    ],
)
def test_who_may_invoke_what(
    scu: bool, scp: bool, answered: bool, by_requestor: bool, is_event_report: bool, lenient: str, strict: str
) -> None:
    context = AcceptedContext(
        context_id=1,
        abstract_syntax=CT,
        transfer_syntax=IMPLICIT,
        requestor_is_scu=scu,
        requestor_is_scp=scp,
        roles_answered=answered,
    )
    assert may_invoke(context, by_requestor=by_requestor, is_event_report=is_event_report) == lenient
    assert (
        may_invoke(context, by_requestor=by_requestor, is_event_report=is_event_report, strict=True) == strict
    )


# --- what both sides read from an answer --------------------------------------------------------


def test_accepted_and_rejected_contexts() -> None:
    rq = request(
        proposal(1, CT + "\0", IMPLICIT + "\0", EXPLICIT),
        proposal(3, MR, IMPLICIT, JPEG),
        proposal(5, MR, IMPLICIT),
        proposal(7, MR, IMPLICIT),
        proposal(9, MR, IMPLICIT + " "),
        proposal(11, MR, IMPLICIT),
    )
    ac = answer(
        (1, 0, EXPLICIT + " "),
        (1, 3, ""),
        (3, 4, ""),
        (5, 0, JPEG),
        (9, 99, IMPLICIT),
        (11, 0, ""),
        (13, 0, IMPLICIT),
    )
    accepted = AcceptedContext(context_id=1, abstract_syntax=CT, transfer_syntax=EXPLICIT)
    assert accepted_contexts(rq, ac) == {1: accepted}
    rejected = rejected_contexts(rq, ac)
    assert [(c.context_id, c.result, c.reason) for c in rejected.values()] == [
        (3, 4, "none of the transfer syntaxes supported"),
        (5, 0, f"accepted with transfer syntax {JPEG!r}, which was not proposed"),
        (7, None, "not answered"),
        (9, 99, "rejected with result 99"),
        (11, 0, "accepted with transfer syntax '', which was not proposed"),
    ]
    assert rejected[3] == RejectedContext(
        context_id=3,
        abstract_syntax=MR,
        transfer_syntaxes=(IMPLICIT, JPEG),
        result=4,
        reason="none of the transfer syntaxes supported",
    )


# --- asynchronous operations, extended negotiation, user identity -------------------------------


@pytest.mark.parametrize(
    ("asked", "configured", "answered"),
    [
        (None, (5, 5), None),
        ((1, 1), (5, 5), (1, 1)),
        ((8, 2), (5, 5), (5, 2)),
        ((0, 3), (5, 0), (5, 3)),
        ((0, 0), (0, 0), (0, 0)),
        ((4, 4), (1, 1), (1, 1)),
    ],
)
def test_operations_window(
    asked: tuple[int, int] | None, configured: tuple[int, int], answered: tuple[int, int] | None
) -> None:
    def window(values: tuple[int, int] | None) -> AsynchronousOperationsWindow | None:
        if values is None:
            return None
        return AsynchronousOperationsWindow(maximum_invoked=values[0], maximum_performed=values[1])

    rq = request(asynchronous_operations_window=window(asked))
    ac = accept(rq, AcceptorPolicy().replace(operations_window=window(configured)))
    assert ac.asynchronous_operations_window == window(answered)
    assert operations_window(rq, ac) == window(answered or (1, 1))


def test_default_window_is_one_operation_and_an_unanswered_one_too() -> None:
    unlimited = AsynchronousOperationsWindow(maximum_invoked=0, maximum_performed=0)
    one = AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=1)
    rq = request(asynchronous_operations_window=unlimited)
    assert accept(rq, AcceptorPolicy()).asynchronous_operations_window == one
    assert operations_window(rq, answer()) == one


def test_extended_negotiation_is_answered_for_proposed_classes_only() -> None:
    seen = []

    def answers(proposed: dict[str, bytes]) -> dict[str, bytes]:
        seen.append(proposed)
        return {MR: b"m", "1.9": b"never proposed"}

    rq = request(
        sop_class_extended=(
            SOPClassExtendedNegotiation(sop_class_uid=CT, application_information=b"\x01"),
            SOPClassExtendedNegotiation(sop_class_uid=MR + "\0", application_information=b"\x02"),
        )
    )
    ac = accept(rq, AcceptorPolicy(extended=answers))
    assert seen == [{CT: b"\x01", MR: b"\x02"}]
    answered = SOPClassExtendedNegotiation(sop_class_uid=MR, application_information=b"m")
    assert ac.sop_class_extended == (answered,)
    assert accept(rq, AcceptorPolicy()).sop_class_extended == ()
    assert accept(request(), AcceptorPolicy(extended=answers)).sop_class_extended == ()
    assert len(seen) == 1


PRIVATE = "1.3.12.2"


@pytest.mark.parametrize(
    ("related", "service", "result"),
    [
        (("1.9", CT + "\0"), "1.8", 0),
        ((), STORAGE, 0),
        (("1.9",), "1.8", 3),
    ],
)
def test_common_extended_negotiation_names_what_an_unknown_class_is(
    related: tuple[str, ...], service: str, result: int
) -> None:
    item = SOPClassCommonExtendedNegotiation(
        sop_class_uid=PRIVATE + "\0",
        service_class_uid=service,
        related_general_sop_class_uids=related,
    )
    rq = request(proposal(1, PRIVATE, IMPLICIT), sop_class_common_extended=(item,))
    policy = supporting(
        SupportedContext(abstract_syntax=CT, transfer_syntaxes=(IMPLICIT,)),
        SupportedContext(abstract_syntax=STORAGE, transfer_syntaxes=(IMPLICIT,)),
        common_extended=lambda items: items,
    )
    ac = accept(rq, policy)
    assert ac.presentation_contexts[0].result == result
    assert ac.sop_class_common_extended == ()
    assert accepted_common_extended(rq, policy) == {PRIVATE: item}
    if result == 0:
        assert accepted_contexts(rq, ac)[1].service_class_uid == ""
        acted_on = accepted_common_extended(rq, policy).values()
        assert accepted_contexts(rq, ac, common_extended=acted_on)[1].service_class_uid == service


def test_common_extended_negotiation_is_ignored_unless_the_policy_acts_on_it() -> None:
    item = SOPClassCommonExtendedNegotiation(sop_class_uid=PRIVATE, service_class_uid=STORAGE)
    rq = request(proposal(1, PRIVATE, IMPLICIT), sop_class_common_extended=(item,))
    supported = SupportedContext(abstract_syntax=STORAGE, transfer_syntaxes=(IMPLICIT,))
    for policy in (supporting(supported), supporting(supported, common_extended=lambda items: ())):
        assert results(accept(rq, policy)) == [(1, 3, IMPLICIT)]
        assert accepted_common_extended(rq, policy) == {}
    asked = supporting(supported, common_extended=lambda items: items)
    assert accepted_common_extended(request(), asked) == {}


@pytest.mark.parametrize("identity_type", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("requested", [False, True])
def test_positive_identity_response_only_if_requested(identity_type: int, requested: bool) -> None:
    identity = UserIdentityRQ(
        identity_type=identity_type, primary_field=b"user", positive_response_requested=requested
    )
    rq = request(user_identity=identity)
    seen = []

    def judge(asked: UserIdentityRQ) -> IdentityVerdict:
        seen.append(asked)
        return IdentityVerdict(accepted=True, server_response=b"ticket")

    ac = accept(rq, AcceptorPolicy(user_identity=judge))
    assert seen == [identity]
    response = UserIdentityAC(server_response=b"ticket" if identity_type > 2 else b"")  # PS3.7 D.3.3.7.2
    assert ac.user_identity_response == (response if requested else None)
    assert accept(rq, AcceptorPolicy()).user_identity_response is None


def test_refused_identity_rejects_the_association() -> None:
    policy = AcceptorPolicy(user_identity=lambda identity: IdentityVerdict(accepted=False))
    rq = request(user_identity=UserIdentityRQ(identity_type=1, primary_field=b"user"))
    assert negotiate(rq, policy) == AssociateRJ(result=1, source=2, reason=1)
    assert isinstance(negotiate(request(), policy), AssociateAC)


# --- properties ---------------------------------------------------------------------------------

uids = st.one_of(
    st.sampled_from([CT, MR, VERIFICATION, IMPLICIT, EXPLICIT, JPEG, "", "\0", CT + "\0", IMPLICIT + " "]),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
proposals = st.builds(
    PresentationContextRQ,
    context_id=st.integers(0, 255),
    abstract_syntax=uids,
    transfer_syntaxes=st.lists(uids, max_size=4).map(tuple),
)
role_selections = st.builds(RoleSelection, sop_class_uid=uids, scu_role=st.booleans(), scp_role=st.booleans())
requests = st.builds(
    AssociateRQ,
    called_ae_title=st.text(st.characters(max_codepoint=255), max_size=16),
    calling_ae_title=st.text(st.characters(max_codepoint=255), max_size=16),
    presentation_contexts=st.lists(proposals, max_size=8).map(tuple),
    role_selections=st.lists(role_selections, max_size=4).map(tuple),
)
supported_contexts = st.builds(
    SupportedContext,
    abstract_syntax=uids,
    transfer_syntaxes=st.lists(uids, max_size=4).map(tuple),
    scu_role=st.none() | st.booleans(),
    scp_role=st.none() | st.booleans(),
)


@given(
    requests,
    st.lists(supported_contexts, max_size=4),
    st.booleans(),
    st.sampled_from([None, accept_anything]),
)
def test_answer_is_sound(
    rq: AssociateRQ, supported: list[SupportedContext], proposer_order: bool, unknown: object
) -> None:
    index = index_supported(supported)
    policy = AcceptorPolicy(supported=index, prefer_proposer_order=proposer_order)
    ac = negotiate(rq, policy.replace(unknown_context=unknown))
    assert isinstance(ac, AssociateAC)
    encode_pdu(ac)

    proposed = {}
    for context in rq.presentation_contexts:
        proposed.setdefault(context.context_id, context)
    assert [c.context_id for c in ac.presentation_contexts] == list(proposed)
    for context in ac.presentation_contexts:
        asked = proposed[context.context_id]
        assert context.transfer_syntax
        if context.result == 0:
            assert context.transfer_syntax in {uid.rstrip("\0 ") for uid in asked.transfer_syntaxes}
            uid = asked.abstract_syntax.rstrip("\0 ")
            if uid in index:
                assert context.transfer_syntax in index[uid].transfer_syntaxes
            else:
                assert unknown is accept_anything
        else:
            assert context.result in (1, 3, 4)

    accepted, rejected = accepted_contexts(rq, ac), rejected_contexts(rq, ac)
    assert sorted([*accepted, *rejected]) == sorted(proposed)
    classes = {c.abstract_syntax.rstrip("\0 ") for c in proposed.values()}
    asked_roles: dict[str, RoleSelection] = {}
    for asked_role in rq.role_selections:
        asked_roles.setdefault(asked_role.sop_class_uid.rstrip("\0 "), asked_role)
    answered = {uid for uid, r in asked_roles.items() if uid in classes and (r.scu_role or r.scp_role)}
    assert {r.sop_class_uid for r in ac.role_selections} == answered
    for context in accepted.values():
        assert context.requestor_is_scu or context.requestor_is_scp
