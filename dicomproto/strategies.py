"""Hypothesis strategies for all PDUs, items and DIMSE commands, to test code that uses the engine.

The values of a function named after a class can be encoded, and decode to equal values. They need not be
conformant: their text is any text that a peer may have sent. `proposals` and `answers` make associations,
and `commands` can be sent on them.

    @given(strategies.pdus())
    def test_my_proxy_forwards(pdu): ...

Needs Hypothesis (`pip install 'dicomproto[testing]'`); no other module of the package does.
"""

from __future__ import annotations

from typing import TypeVar

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ModuleNotFoundError as _error:
    _text = f"{__name__} needs {_error.name}, which is not installed: pip install 'dicomproto[testing]'"
    raise ModuleNotFoundError(_text, name=_error.name) from _error

from .dimse.commands import COMMANDS, DATA_SET_PRESENT, NO_DATA_SET, Command
from .dimse.elements import ELEMENTS
from .uids import APPLICATION_CONTEXT_NAME, UNCOMPRESSED_TRANSFER_SYNTAXES
from .upper_layer.pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)

__all__ = [
    "aborts",
    "ae_titles",
    "answers",
    "associate_acs",
    "associate_rjs",
    "associate_rqs",
    "asynchronous_operations_windows",
    "commands",
    "p_data_tfs",
    "pdus",
    "presentation_context_acs",
    "presentation_context_rqs",
    "presentation_data_values",
    "proposals",
    "release_rps",
    "release_rqs",
    "role_selections",
    "sop_class_common_extended_negotiations",
    "sop_class_extended_negotiations",
    "uids",
    "unknown_items",
    "user_identity_acs",
    "user_identity_rqs",
]

T = TypeVar("T")

_BYTE, _SHORT, _LONG = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
_DEFINED_ITEMS = {0x10, 0x20, 0x21, 0x30, 0x40, 0x50, *range(0x51, 0x5A)}
_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\")
_RECEIVED_TEXT = st.text(st.characters(max_codepoint=0xFF), max_size=70)
_UID_PARTS = st.one_of(st.just("0"), st.integers(1, 2**32).map(str))
_UIDS = st.lists(_UID_PARTS, min_size=1, max_size=6).map(".".join).filter(lambda uid: len(uid) <= 64)


# --- text -----------------------------------------------------------------------------------------


def uids() -> SearchStrategy[str]:
    """Conformant UIDs (PS3.5 9.1)."""
    return _UIDS


def ae_titles() -> SearchStrategy[str]:
    """Conformant AE titles without trailing spaces, which are padding (PS3.5 6.2)."""
    return _own_text(16)


def _own_text(maximum: int) -> SearchStrategy[str]:
    return st.text(_PRINTABLE, min_size=1, max_size=maximum).map(lambda text: text.rstrip(" ") or "X")


def _received_uids() -> SearchStrategy[str]:
    """The text of a UID on the wire: a UID, with or without padding, or anything else."""
    return st.one_of(_UIDS, _UIDS.map(lambda uid: uid + "\0"), _RECEIVED_TEXT)


def _received_titles() -> SearchStrategy[str]:
    return st.text(st.characters(max_codepoint=0xFF), max_size=16).map(lambda title: title.rstrip(" \0"))


def _tuples(elements: SearchStrategy[T], maximum: int = 4, minimum: int = 0) -> SearchStrategy[tuple[T, ...]]:
    return st.lists(elements, min_size=minimum, max_size=maximum).map(tuple)


# --- items ----------------------------------------------------------------------------------------


def unknown_items() -> SearchStrategy[UnknownItem]:
    """Items of types that the standard does not define."""
    types = _BYTE.filter(lambda item_type: item_type not in _DEFINED_ITEMS)
    return st.builds(UnknownItem, item_type=types, data=st.binary(max_size=40))


def presentation_context_rqs() -> SearchStrategy[PresentationContextRQ]:
    """Proposed presentation contexts (20H)."""
    return st.builds(
        PresentationContextRQ,
        context_id=_BYTE,
        abstract_syntax=_received_uids(),
        transfer_syntaxes=_tuples(_received_uids()),
        unknown_items=_tuples(unknown_items(), 1),
    )


def presentation_context_acs() -> SearchStrategy[PresentationContextAC]:
    """Answers to presentation contexts (21H)."""
    return st.builds(
        PresentationContextAC,
        context_id=_BYTE,
        result=_BYTE,
        transfer_syntax=_received_uids(),
        unknown_items=_tuples(unknown_items(), 1),
    )


def asynchronous_operations_windows() -> SearchStrategy[AsynchronousOperationsWindow]:
    """Asynchronous operations windows (53H)."""
    return st.builds(AsynchronousOperationsWindow, maximum_invoked=_SHORT, maximum_performed=_SHORT)


def role_selections() -> SearchStrategy[RoleSelection]:
    """Role selections (54H)."""
    return st.builds(
        RoleSelection, sop_class_uid=_received_uids(), scu_role=st.booleans(), scp_role=st.booleans()
    )


def sop_class_extended_negotiations() -> SearchStrategy[SOPClassExtendedNegotiation]:
    """SOP class extended negotiations (56H)."""
    return st.builds(
        SOPClassExtendedNegotiation,
        sop_class_uid=_received_uids(),
        application_information=st.binary(max_size=40),
    )


def sop_class_common_extended_negotiations() -> SearchStrategy[SOPClassCommonExtendedNegotiation]:
    """SOP class common extended negotiations (57H)."""
    return st.builds(
        SOPClassCommonExtendedNegotiation,
        sop_class_uid=_received_uids(),
        service_class_uid=_received_uids(),
        related_general_sop_class_uids=_tuples(_received_uids()),
        version=_BYTE,
    )


def user_identity_rqs() -> SearchStrategy[UserIdentityRQ]:
    """User identities (58H)."""
    return st.builds(
        UserIdentityRQ,
        identity_type=_BYTE,
        primary_field=st.binary(max_size=70),
        secondary_field=st.binary(max_size=70),
        positive_response_requested=st.booleans(),
    )


def user_identity_acs() -> SearchStrategy[UserIdentityAC]:
    """Responses to user identities (59H)."""
    return st.builds(UserIdentityAC, server_response=st.binary(max_size=70))


def presentation_data_values(
    data: SearchStrategy[bytes] | None = None,
) -> SearchStrategy[PresentationDataValue]:
    """PDV items; `data` are their fragments, by default of any length."""
    return st.builds(
        PresentationDataValue,
        context_id=_BYTE,
        is_command=st.booleans(),
        is_last=st.booleans(),
        data=st.binary(max_size=100) if data is None else data,
    )


# --- PDUs -----------------------------------------------------------------------------------------


def _associate_fields() -> dict[str, SearchStrategy[object]]:
    return {
        "called_ae_title": _received_titles(),
        "calling_ae_title": _received_titles(),
        "application_context_name": st.one_of(st.just(APPLICATION_CONTEXT_NAME), _received_uids()),
        "maximum_length": st.none() | _LONG,
        "implementation_class_uid": st.none() | _received_uids(),
        "implementation_version_name": st.none() | _RECEIVED_TEXT,
        "asynchronous_operations_window": st.none() | asynchronous_operations_windows(),
        "role_selections": _tuples(role_selections()),
        "sop_class_extended": _tuples(sop_class_extended_negotiations(), 2),
        "sop_class_common_extended": _tuples(sop_class_common_extended_negotiations(), 2),
        "user_identity": st.none() | user_identity_rqs(),
        "user_identity_response": st.none() | user_identity_acs(),
        "unknown_items": _tuples(unknown_items(), 2),
        "unknown_user_information": _tuples(unknown_items(), 2),
        "protocol_version": _SHORT,
    }


def associate_rqs() -> SearchStrategy[AssociateRQ]:
    """A-ASSOCIATE-RQ PDUs."""
    contexts = _tuples(presentation_context_rqs())
    return st.builds(AssociateRQ, presentation_contexts=contexts, **_associate_fields())


def associate_acs() -> SearchStrategy[AssociateAC]:
    """A-ASSOCIATE-AC PDUs."""
    contexts = _tuples(presentation_context_acs())
    return st.builds(AssociateAC, presentation_contexts=contexts, **_associate_fields())


def associate_rjs() -> SearchStrategy[AssociateRJ]:
    """A-ASSOCIATE-RJ PDUs."""
    return st.builds(AssociateRJ, result=_BYTE, source=_BYTE, reason=_BYTE)


def p_data_tfs(data: SearchStrategy[bytes] | None = None) -> SearchStrategy[PDataTF]:
    """P-DATA-TF PDUs of one to four PDVs; `data` are their fragments, by default of any length."""
    return st.builds(PDataTF, values=_tuples(presentation_data_values(data), minimum=1))


def release_rqs() -> SearchStrategy[ReleaseRQ]:
    """A-RELEASE-RQ PDUs."""
    return st.builds(ReleaseRQ)


def release_rps() -> SearchStrategy[ReleaseRP]:
    """A-RELEASE-RP PDUs."""
    return st.builds(ReleaseRP)


def aborts() -> SearchStrategy[Abort]:
    """A-ABORT PDUs."""
    return st.builds(Abort, source=_BYTE, reason=_BYTE)


def pdus() -> SearchStrategy[PDU]:
    """All seven PDUs."""
    return st.one_of(
        associate_rqs(),
        associate_acs(),
        associate_rjs(),
        p_data_tfs(),
        release_rqs(),
        release_rps(),
        aborts(),
    )


# --- conformant PDUs ------------------------------------------------------------------------------


def _own_fields() -> dict[str, SearchStrategy[object]]:
    return {
        "maximum_length": st.none() | st.just(0) | st.integers(128, 0xFFFFFFFF),
        "implementation_class_uid": _UIDS,
        "implementation_version_name": st.none() | _own_text(16),
    }


@st.composite
def proposals(draw: st.DrawFn, maximum_contexts: int = 4) -> AssociateRQ:
    """A-ASSOCIATE-RQ PDUs that a requestor can send."""
    ids = draw(st.lists(st.integers(0, 127), min_size=1, max_size=maximum_contexts, unique=True))
    syntaxes = st.lists(
        st.sampled_from(UNCOMPRESSED_TRANSFER_SYNTAXES) | _UIDS, min_size=1, max_size=3, unique=True
    )
    contexts = [
        PresentationContextRQ(
            context_id=2 * number + 1,
            abstract_syntax=draw(_UIDS),
            transfer_syntaxes=tuple(draw(syntaxes)),
        )
        for number in sorted(ids)
    ]
    return draw(
        st.builds(
            AssociateRQ,
            called_ae_title=ae_titles(),
            calling_ae_title=ae_titles(),
            presentation_contexts=st.just(tuple(contexts)),
            **_own_fields(),
        )
    )


@st.composite
def answers(draw: st.DrawFn, request: AssociateRQ) -> AssociateAC:
    """A-ASSOCIATE-AC PDUs that an acceptor can send to `request`, some of its contexts accepted."""
    contexts = []
    for context in request.presentation_contexts:
        result = draw(st.one_of(st.just(0), st.integers(0, 4)))
        syntax = draw(st.sampled_from(context.transfer_syntaxes))
        contexts.append(
            PresentationContextAC(context_id=context.context_id, result=result, transfer_syntax=syntax)
        )
    return draw(
        st.builds(
            AssociateAC,
            called_ae_title=st.just(request.called_ae_title),
            calling_ae_title=st.just(request.calling_ae_title),
            application_context_name=st.just(request.application_context_name),
            presentation_contexts=st.just(tuple(contexts)),
            **_own_fields(),
        )
    )


# --- commands -------------------------------------------------------------------------------------

_BY_KEYWORD = {element.keyword: element.vr for element in ELEMENTS.values()}
_BY_VR: dict[str, SearchStrategy[object]] = {
    "US": _SHORT,
    "UI": _UIDS,
    "AE": _own_text(16),
    "LO": _own_text(64),
    "AT": _tuples(_LONG, 8, minimum=1),
}


def _commands_of(kind: type[Command]) -> SearchStrategy[Command]:
    fields: dict[str, SearchStrategy[object]] = {}
    for keyword, default in kind._fields.items():
        if keyword in _BY_KEYWORD:
            values = _BY_VR[_BY_KEYWORD[keyword]]
            fields[keyword] = st.none() | values if default is None else values
    types = [DATA_SET_PRESENT] * kind.data_set_allowed + [NO_DATA_SET] * (not kind.data_set_required)
    return st.builds(kind, **fields | {"CommandDataSetType": st.sampled_from(types)})


def commands(*kinds: type[Command]) -> SearchStrategy[Command]:
    """Commands of the classes in `kinds` that can be sent; by default of all 23."""
    return st.one_of([_commands_of(kind) for kind in kinds or COMMANDS.values()])
