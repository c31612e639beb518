"""A peer that proposes the same again gets what the settings and handlers of that moment say."""

from __future__ import annotations

from typing import Any

import pytest

from dicomproto.config import Limits
from dicomproto.errors import AssociationError, AssociationRejected
from dicomproto.negotiation import SupportedContext
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.pdu import (
    AsynchronousOperationsWindow,
    PresentationContextRQ,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from dicomproto_transports import evt
from dicomproto_transports.blocking import AE
from tests.associations import CT_IMAGE, HOST

SETTINGS: list[tuple[str, Any]] = [
    ("maximum_pdu_size", 4096),
    ("implementation_class_uid", "1.2.3"),
    ("implementation_version_name", None),
    ("require_called_aet", "OTHER"),
    ("require_calling_aet", ["OTHER"]),
    ("maximum_associations", 0),
    ("allowed_networks", "10.0.0.0/8"),
    ("limits", Limits(presentation_contexts=1)),
    ("unknown_context", lambda _: SupportedContext(abstract_syntax=CT_IMAGE, transfer_syntaxes=("1.2.3",))),
    ("unrestricted_storage", True),
    ("maximum_operations", 5),
]


def entities() -> tuple[AE, AE]:
    """Return a requestor, and an acceptor that supports one of its two contexts, without the SCP role."""
    scu, scp = AE("SCU"), AE("SCP")
    for uid in (VERIFICATION, CT_IMAGE):
        scu.add_requested_context(uid, IMPLICIT_VR_LITTLE_ENDIAN)
    scp.add_supported_context(VERIFICATION, scp_role=False)
    return scu, scp


def outcome(scu: AE, port: int, **options: Any) -> tuple[Any, ...]:
    """Associate, and return all that the requestor learns."""
    try:
        with scu.associate(HOST, port, **options) as assoc:
            pdus = assoc.acceptor.primitive, assoc.requestor.primitive
            return *pdus, assoc.accepted_contexts, assoc.rejected_contexts
    except AssociationRejected as error:
        return error.result, error.source, error.reason
    except AssociationError as error:
        return (type(error),)


def expected(change: Any, **options: Any) -> object:
    """Return the outcome of entities that have associated never before."""
    scu, scp = entities()
    change(scu, scp)
    with scp.start_server((HOST, 0), block=False) as server:
        return outcome(scu, server.port, **options)


def changes() -> list[Any]:
    """Return changes of the settings of either side, with names."""
    found = [
        pytest.param(lambda scu, scp, name=name, value=value: setattr(scp, name, value), id=f"scp-{name}")
        for name, value in SETTINGS
    ]
    found += [
        pytest.param(lambda scu, scp, name=name, value=value: setattr(scu, name, value), id=f"scu-{name}")
        for name, value in SETTINGS[:3]
    ]
    others: dict[str, Any] = {
        "scp-supported": lambda scu, scp: scp.add_supported_context(CT_IMAGE),
        "scp-removed": lambda scu, scp: scp.remove_supported_context(VERIFICATION, EXPLICIT_VR_LITTLE_ENDIAN),
        "scp-role": lambda scu, scp: setattr(scp.supported_contexts[0], "scp_role", True),
        "scu-requested": lambda scu, scp: scu.remove_requested_context(CT_IMAGE),
        "scu-ae_title": lambda scu, scp: setattr(scu, "ae_title", "ME"),
        "scu-limits": lambda scu, scp: setattr(scu, "limits", Limits(presentation_contexts=1)),
        "scu-strict_roles": lambda scu, scp: setattr(scu, "strict_roles", True),
    }
    return found + [pytest.param(change, id=name) for name, change in others.items()]


@pytest.mark.parametrize("change", changes())
@pytest.mark.parametrize("with_items", [False, True], ids=["plain", "items"])
def test_a_setting_that_changes_counts_from_the_next_association(change: Any, with_items: bool) -> None:
    """Twice before and twice after, so that what is kept of the first one is used in the second one."""
    options: dict[str, Any] = {}
    if with_items:
        window = AsynchronousOperationsWindow(maximum_invoked=3, maximum_performed=3)
        role = RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)
        options = {"ext_neg": [window, role]}
    changed = expected(change, **options)
    scu, scp = entities()
    with scp.start_server((HOST, 0), block=False) as server:
        assert outcome(scu, server.port, **options) == outcome(scu, server.port, **options)
        change(scu, scp)
        assert [outcome(scu, server.port, **options) for _ in range(2)] == [changed, changed]


def test_arguments_of_associate_count_each_time() -> None:
    scu, scp = entities()
    scp.add_supported_context(CT_IMAGE)
    seen: list[tuple[str, str, int | None, int]] = []

    def look(event: evt.RequestedEvent) -> None:
        rq = event.associate_request
        contexts = len(rq.presentation_contexts)
        seen.append((rq.called_ae_title, rq.calling_ae_title, rq.maximum_length, contexts))

    with scp.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_REQUESTED, look)]) as server:
        for _ in range(2):
            outcome(scu, server.port)
            outcome(scu, server.port, ae_title="A ")
            outcome(scu, server.port, ae_title=b"A", calling_ae_title="B")
            outcome(scu, server.port, calling_ae_title="B", max_pdu=4096)
            outcome(scu, server.port, contexts=[CT_IMAGE])
    of_one_round = [
        ("ANY-SCP", "SCU", 131072, 2),
        ("A", "SCU", 131072, 2),
        ("A", "B", 131072, 2),
        ("ANY-SCP", "B", 4096, 2),
        ("ANY-SCP", "SCU", 131072, 1),
    ]
    assert seen == of_one_round * 2


def test_wrong_arguments_are_refused_after_right_ones() -> None:
    scu, scp = entities()
    with scp.start_server((HOST, 0), block=False) as server:
        outcome(scu, server.port, max_pdu=4096)
        for options in ({"max_pdu": 4096.0}, {"ae_title": ["A"]}, {"calling_ae_title": 1}, {"ext_neg": "x"}):
            with pytest.raises(TypeError, match=next(iter(options))):
                scu.associate(HOST, server.port, **options)


def test_handlers_of_the_negotiation_are_asked_each_time() -> None:
    """None of their answers is kept."""
    scu, scp = entities()
    asked: list[object] = []

    def count(event: Any) -> int:
        asked.append(event.event)
        return sum(one is event.event for one in asked)

    def unknown(proposal: PresentationContextRQ) -> SupportedContext | None:
        asked.append(proposal)
        return SupportedContext(
            abstract_syntax=CT_IMAGE, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,), scp_role=len(asked) > 5
        )

    scp.unknown_context = unknown
    handlers: list[evt.Binding] = [
        (evt.EVT_USER_ID, lambda event: (count(event) != 2, None)),
        (evt.EVT_ASYNC_OPS, lambda event: (count(event), 1)),
        (evt.EVT_SOP_EXTENDED, lambda event: {CT_IMAGE: bytes([count(event)])}),
    ]
    items = [
        AsynchronousOperationsWindow(maximum_invoked=9, maximum_performed=1),
        SOPClassExtendedNegotiation(sop_class_uid=CT_IMAGE, application_information=b"\0"),
        UserIdentityRQ(identity_type=1, primary_field=b"me"),
    ]
    several = [items[:2], items[:2], items, items, items]
    with scp.start_server((HOST, 0), block=False, evt_handlers=handlers) as server:
        answers = [outcome(scu, server.port, ext_neg=ext_neg) for ext_neg in several]
    assert answers[3] == (1, 2, 1)
    accepted = [answer[0] for answer in answers if len(answer) == 4]
    windows = [answer.asynchronous_operations_window.maximum_invoked for answer in accepted]
    information = [answer.sop_class_extended[0].application_information for answer in accepted]
    assert windows == [1, 2, 3, 5]
    assert information == [b"\1", b"\2", b"\3", b"\5"]


def test_a_function_that_decides_on_contexts_is_asked_each_time() -> None:
    scu, scp = entities()
    granted = iter([True, False, True])

    def unknown(proposal: PresentationContextRQ) -> SupportedContext | None:
        syntaxes = (IMPLICIT_VR_LITTLE_ENDIAN,)
        is_granted = next(granted)
        return SupportedContext(abstract_syntax=CT_IMAGE, transfer_syntaxes=syntaxes) if is_granted else None

    scp.unknown_context = unknown
    with scp.start_server((HOST, 0), block=False) as server:
        accepted = [len(outcome(scu, server.port)[2]) for _ in range(3)]
    assert accepted == [2, 1, 2]
