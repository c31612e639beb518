"""Planning contexts for what is to be sent, proposing them, and finding the one to send on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto.errors import LocalProtocolError
from dicomproto.negotiation import (
    CONVERTIBLE_TRANSFER_SYNTAXES,
    AcceptedContext,
    RejectedContext,
    build_associate_rq,
    find_context,
    plan_contexts,
    propose_contexts,
)
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicomproto.upper_layer import decode_pdu, encode_pdu
from dicomproto.upper_layer.pdu import (
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
DEFLATED = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
JPEG, JPEG2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def syntaxes(contexts: tuple[PresentationContextRQ, ...]) -> list[tuple[str, ...]]:
    """Return each context as (abstract syntax, transfer syntax, ...); check the ids on the way."""
    assert [c.context_id for c in contexts] == list(range(1, 2 * len(contexts), 2))
    return [(c.abstract_syntax, *c.transfer_syntaxes) for c in contexts]


def many(count: int, transfer_syntax: str) -> list[tuple[str, str]]:
    return [(f"1.2.3.{number}", transfer_syntax) for number in range(count)]


# --- planning -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([(CT, JPEG)], [(CT, JPEG)]),
        ([(CT, EXPLICIT)], [(CT, EXPLICIT), (CT, EXPLICIT, IMPLICIT)]),
        ([(CT, IMPLICIT)], [(CT, IMPLICIT), (CT, EXPLICIT, IMPLICIT)]),
        ([(CT, BIG)], [(CT, BIG), (CT, EXPLICIT, IMPLICIT)]),
        ([(CT, DEFLATED)], [(CT, DEFLATED), (CT, EXPLICIT, IMPLICIT)]),
        ([(CT, BIG), (CT, IMPLICIT)], [(CT, BIG), (CT, IMPLICIT), (CT, EXPLICIT, IMPLICIT)]),
        ([(CT, IMPLICIT), (CT, EXPLICIT), (CT, BIG)], [(CT, IMPLICIT), (CT, EXPLICIT), (CT, BIG)]),
        (
            [(CT, JPEG), (MR, IMPLICIT), (CT, JPEG2000), (CT, JPEG)],
            [(CT, JPEG), (MR, IMPLICIT), (CT, JPEG2000), (MR, EXPLICIT, IMPLICIT)],
        ),
        ([(CT + "\0", JPEG + "\0"), (CT, JPEG)], [(CT, JPEG)]),
    ],
)
def test_each_pair_has_a_context_and_native_ones_a_fallback(
    pairs: list[tuple[str, str]], expected: list[tuple[str, ...]]
) -> None:
    plan = plan_contexts(pairs)
    assert syntaxes(plan.contexts) == expected
    assert (plan.unplaced, plan.warnings) == ((), ())


def test_no_fallback_without_conversion() -> None:
    plan = plan_contexts([(CT, EXPLICIT), (MR, BIG)], convert=False)
    assert syntaxes(plan.contexts) == [(CT, EXPLICIT), (MR, BIG)]
    assert plan.warnings == ()


def test_fallbacks_give_way_first_and_those_most_needed_last() -> None:
    plan = plan_contexts([*many(126, EXPLICIT), (CT, EXPLICIT), (MR, BIG)])
    assert len(plan.contexts) == 128
    assert all(len(c.transfer_syntaxes) == 1 for c in plan.contexts)
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("no room for the fallback contexts of 128 SOP classes")

    plan = plan_contexts([(CT, EXPLICIT), (MR, BIG)], limit=3)
    assert syntaxes(plan.contexts) == [(CT, EXPLICIT), (MR, BIG), (MR, EXPLICIT, IMPLICIT)]
    assert plan.unplaced == ()
    assert plan.warnings[0].startswith("no room for the fallback contexts of 1 SOP classes")


def test_native_pairs_share_a_context_only_when_they_must_and_where_it_helps_most() -> None:
    pairs = [(CT, JPEG), (CT, EXPLICIT), (CT, IMPLICIT), (MR, IMPLICIT), (MR, EXPLICIT), (MR, BIG)]
    assert len(plan_contexts(pairs, limit=6).contexts) == 6

    plan = plan_contexts(pairs, limit=5)
    assert syntaxes(plan.contexts) == [
        (CT, JPEG),
        (CT, EXPLICIT),
        (CT, IMPLICIT),
        (MR, EXPLICIT, IMPLICIT),
    ]
    assert plan.unplaced == ()
    assert plan.warnings[0].startswith("the uncompressed transfer syntaxes of 1 SOP classes share")

    plan = plan_contexts(pairs, limit=3)
    assert syntaxes(plan.contexts) == [(CT, JPEG), (CT, EXPLICIT, IMPLICIT), (MR, EXPLICIT, IMPLICIT)]
    assert plan.unplaced == ()


def test_what_does_not_fit_is_listed() -> None:
    plan = plan_contexts([*many(128, JPEG), (CT, JPEG2000), (MR, JPEG)])
    assert len(plan.contexts) == 128
    assert plan.unplaced == ((CT, JPEG2000), (MR, JPEG))
    (warning,) = plan.warnings
    assert warning.startswith("2 of 130 pairs of SOP class and transfer syntax do not fit in 128")
    assert f"{CT} in {JPEG2000}, {MR} in {JPEG}" in warning


def test_pairs_that_share_an_unplaced_context_are_all_listed() -> None:
    plan = plan_contexts([(CT, JPEG), (MR, IMPLICIT), (MR, BIG)], limit=1)
    assert syntaxes(plan.contexts) == [(CT, JPEG)]
    assert plan.unplaced == ((MR, IMPLICIT), (MR, BIG))


def test_compressed_pairs_of_one_class_never_share_a_context() -> None:
    plan = plan_contexts([(CT, JPEG), (CT, JPEG2000)], limit=1)
    assert plan.unplaced == ((CT, JPEG2000),)
    plan = plan_contexts([(CT, IMPLICIT), (CT, EXPLICIT)], limit=1, convert=False)
    assert plan.unplaced == ((CT, EXPLICIT),)


@pytest.mark.parametrize("limit", [0, 129])
def test_impossible_limit(limit: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"not {limit}"):
        plan_contexts([], limit=limit)


pairs = st.tuples(
    st.integers(0, 60).map("1.2.3.{}".format),
    st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG, JPEG2000]),
)


@given(st.lists(pairs, max_size=200), st.booleans(), st.integers(1, 128))
def test_every_pair_is_placed_or_listed(wanted: list[tuple[str, str]], convert: bool, limit: int) -> None:
    plan = plan_contexts(wanted, convert=convert, limit=limit)
    offered = syntaxes(plan.contexts)
    assert len(offered) <= limit
    assert len(set(offered)) == len(offered)
    unplaced = set(plan.unplaced)
    assert len(unplaced) == len(plan.unplaced)
    assert unplaced <= set(wanted)
    for sop_class, transfer_syntax in set(wanted) - unplaced:
        # Whatever a peer that supports both Little Endian syntaxes picks, the pair can be sent.
        own = (sop_class, transfer_syntax) in offered
        fallback = (sop_class, EXPLICIT, IMPLICIT) in offered
        assert own or (convert and fallback and transfer_syntax in CONVERTIBLE_TRANSFER_SYNTAXES)
    if unplaced:
        assert len(offered) == limit


# --- proposing ----------------------------------------------------------------------------------


def test_contexts_get_odd_ascending_ids_and_lose_repetitions() -> None:
    proposed = propose_contexts(
        [
            (VERIFICATION, [IMPLICIT]),
            PresentationContextRQ(context_id=77, abstract_syntax=CT, transfer_syntaxes=(JPEG, IMPLICIT)),
            (VERIFICATION + "\0", (IMPLICIT, IMPLICIT + "\0")),
            (CT, (IMPLICIT, JPEG)),
            (CT, (JPEG, IMPLICIT)),
        ]
    )
    assert syntaxes(proposed) == [(VERIFICATION, IMPLICIT), (CT, JPEG, IMPLICIT), (CT, IMPLICIT, JPEG)]


def test_128_contexts_fit_and_a_surplus_is_counted() -> None:
    proposed = propose_contexts([(uid, [ts]) for uid, ts in many(128, JPEG)])
    assert proposed[-1].context_id == 255
    with pytest.raises(LocalProtocolError, match="at most 128 presentation contexts, 3 of these 131 do not"):
        propose_contexts([(uid, [ts]) for uid, ts in many(131, JPEG)])


@pytest.mark.parametrize(
    ("abstract", "transfer", "missing"), [("", [JPEG], "abstract"), (CT, [], "transfer")]
)
def test_incomplete_proposal(abstract: str, transfer: list[str], missing: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"has no {missing} syntax"):
        propose_contexts([(abstract, transfer)])


def test_request_identifies_us_and_carries_no_window_unless_asked() -> None:
    rq = build_associate_rq("ME", "YOU", [(VERIFICATION, [IMPLICIT])])
    assert rq == AssociateRQ(
        called_ae_title="YOU",
        calling_ae_title="ME",
        presentation_contexts=propose_contexts([(VERIFICATION, [IMPLICIT])]),
        maximum_length=131072,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
    )
    assert decode_pdu(encode_pdu(rq)) == rq


def test_request_carries_all_user_information() -> None:
    role = RoleSelection(sop_class_uid=CT, scu_role=False, scp_role=True)
    extended = SOPClassExtendedNegotiation(sop_class_uid=CT, application_information=b"\x01")
    common = SOPClassCommonExtendedNegotiation(sop_class_uid=CT, service_class_uid="1.2")
    identity = UserIdentityRQ(identity_type=1, primary_field=b"me")
    window = AsynchronousOperationsWindow(maximum_invoked=4, maximum_performed=1)
    rq = build_associate_rq(
        "ME",
        "YOU",
        plan_contexts([(CT, JPEG)]).contexts,
        maximum_length=16384,
        implementation_class_uid="1.2.3",
        implementation_version_name=None,
        role_selections=[role],
        sop_class_extended=[extended],
        sop_class_common_extended=[common],
        user_identity=identity,
        operations_window=window,
    )
    assert rq.maximum_length == 16384
    assert (rq.implementation_class_uid, rq.implementation_version_name) == ("1.2.3", None)
    assert rq.role_selections == (role,)
    assert rq.sop_class_extended == (extended,)
    assert rq.sop_class_common_extended == (common,)
    assert rq.user_identity == identity
    assert rq.asynchronous_operations_window == window
    assert decode_pdu(encode_pdu(rq)) == rq


# --- finding ------------------------------------------------------------------------------------


def accepted(
    context_id: int, sop_class: str, syntax: str, scu: bool = True, scp: bool = False
) -> AcceptedContext:
    return AcceptedContext(
        context_id=context_id,
        abstract_syntax=sop_class,
        transfer_syntax=syntax,
        requestor_is_scu=scu,
        requestor_is_scp=scp,
        roles_answered=True,
    )


def test_the_first_exact_context_is_found() -> None:
    contexts = {
        c.context_id: c
        for c in (
            accepted(1, MR, JPEG),
            accepted(3, CT, JPEG),
            accepted(5, CT, JPEG),
            accepted(7, CT, IMPLICIT),
        )
    }
    match = find_context(contexts, CT + "\0", JPEG + "\0")
    assert match.context == contexts[3]
    assert match.alternatives == ()
    assert match.reasons == (f"context 7: accepted with transfer syntax {IMPLICIT}",)


def test_native_data_sets_have_alternatives_best_first() -> None:
    offered = [
        accepted(1, CT, BIG),
        accepted(3, CT, IMPLICIT),
        accepted(5, CT, JPEG),
        accepted(7, CT, EXPLICIT),
    ]
    contexts = {c.context_id: c for c in offered}
    match = find_context(contexts, CT, DEFLATED)
    assert match.context is None
    assert [c.context_id for c in match.alternatives] == [7, 3, 1]
    assert len(match.reasons) == 4
    assert find_context(contexts, CT, JPEG2000).alternatives == ()


def test_reasons_of_all_near_misses() -> None:
    contexts = {1: accepted(1, CT, JPEG, scu=False, scp=True), 3: accepted(3, CT, IMPLICIT)}
    rejected = {
        number: RejectedContext(
            context_id=number, abstract_syntax=sop_class, transfer_syntaxes=offered, result=4, reason="none"
        )
        for number, sop_class, offered in ((5, CT, (JPEG, JPEG2000)), (7, MR, (JPEG,)), (9, CT, ()))
    }
    match = find_context(contexts, CT, JPEG, rejected=rejected)
    assert match.context is None
    assert match.reasons == (
        "context 1: the requestor was not granted the SCU role",
        f"context 3: accepted with transfer syntax {IMPLICIT}",
        f"context 5 ({JPEG}, {JPEG2000}): none",
        "context 9 (no transfer syntax): none",
    )
    match = find_context(contexts, CT, JPEG, by_requestor=False)
    assert match.context == contexts[1]
    assert match.reasons == ("context 3: the acceptor was not granted the SCU role",)
    match = find_context(contexts, MR, JPEG)
    assert match.reasons == ("no context was proposed for this SOP class",)
