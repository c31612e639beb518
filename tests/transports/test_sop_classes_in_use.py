"""SOP classes over associations: retired and private ones, storage of anything, the Push class of UPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CEchoRQ, CFindRQ, NActionRQ, NCreateRQ
from dicomproto.dimse.events import ResponseReceived
from dicomproto.errors import LocalProtocolError, NoAcceptedContext
from dicomproto.services import ServiceClass, keyword_of, uid_of
from dicomproto.services._sop_class_table import RETIRED_STORAGE
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto_transports import (
    StoragePresentationContexts,
    UnifiedProcedurePresentationContexts,
    VerificationPresentationContexts,
    build_context,
    build_role,
    evt,
)
from dicomproto_transports.blocking import AE
from dicomproto_transports.entity.association import Association
from tests.associations import (
    CT_IMAGE,
    PATIENT_ROOT_FIND,
    Stored,
    associate,
    associated,
    connect,
    data_set,
    in_flavour,
    make_ae,
    make_server,
    part10,
)
from tests.backends import AnyBackend

PRIVATE = "1.2.3.4"
RLE = "1.2.840.10008.1.2.5"
PUSH, PULL = uid_of("UnifiedProcedureStepPush") or "", uid_of("UnifiedProcedureStepPull") or ""
PENDING, SUCCESS = 0xFF00, 0x0000


def dataset() -> Dataset:
    made = Dataset()
    made.PatientID = "1"
    return made


def found(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
    yield PENDING, event.identifier


def image(sop_class: str, transfer_syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> BytesIO:
    return BytesIO(part10(data_set(sop_class=sop_class), sop_class, transfer_syntax))


def test_retired_storage_works_as_scp(backend: AnyBackend) -> None:
    async def main() -> None:
        stored = Stored()
        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        scp.supported_contexts = StoragePresentationContexts
        retired = [c.abstract_syntax for c in scp.supported_contexts if c.abstract_syntax in RETIRED_STORAGE]
        assert len(retired) == 14
        scu.requested_contexts = [build_context(uid, EXPLICIT_VR_LITTLE_ENDIAN) for uid in retired]
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)], scp), scu) as assoc:
            for uid in retired:
                response = await assoc.send_c_store(image(uid))
                assert response.Status == SUCCESS
                assert response.status.service_class is ServiceClass.STORAGE
        assert stored.objects == [data_set(sop_class=uid) for uid in retired]

    backend.run(main)


def test_unrestricted_storage(backend: AnyBackend) -> None:
    async def main() -> None:
        stored = Stored()
        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        scp.unrestricted_storage = True  # CT and verification are supported, in the uncompressed syntaxes
        scp.add_supported_context(PATIENT_ROOT_FIND, scp_role=False)
        scu.requested_contexts = [
            build_context(CT_IMAGE, [RLE, EXPLICIT_VR_LITTLE_ENDIAN]),
            build_context(PRIVATE, EXPLICIT_VR_LITTLE_ENDIAN),
            build_context(VERIFICATION, [RLE, EXPLICIT_VR_LITTLE_ENDIAN]),
            build_context(PATIENT_ROOT_FIND),
            build_context(PUSH),
        ]
        roles = [
            build_role(uid, scu_role=True, scp_role=True) for uid in (CT_IMAGE, PRIVATE, PATIENT_ROOT_FIND)
        ]
        core = make_server(backend, [(evt.EVT_C_STORE, stored), (evt.EVT_C_FIND, found)], scp)
        async with associated(backend, core, scu, ext_neg=roles) as assoc:
            contexts = {context.abstract_syntax: context for context in assoc.accepted_contexts}
            # Storage and what is unknown: the first transfer syntax and both roles. The rest as usual.
            assert contexts[CT_IMAGE].transfer_syntax == RLE
            assert contexts[VERIFICATION].transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN
            assert PUSH not in contexts
            granted = {c.abstract_syntax: (c.requestor_is_scu, c.requestor_is_scp) for c in contexts.values()}
            assert granted[CT_IMAGE] == granted[PRIVATE] == (True, True)
            assert granted[PATIENT_ROOT_FIND] == (True, False)
            assert contexts[PATIENT_ROOT_FIND].roles_answered
            assert (await assoc.send_c_store(image(PRIVATE))).Status == SUCCESS
            assert (await assoc.send_c_store(image(CT_IMAGE, RLE))).Status == SUCCESS
            # What is unknown is storage and nothing else.
            response, _ = await assoc.send_n_create(None, PRIVATE, "1.2.9")
            assert response.Status == 0x0211
        assert stored.objects == [data_set(sop_class=uid) for uid in (PRIVATE, CT_IMAGE)]

    backend.run(main)


def test_unrestricted_storage_needs_nothing_else(backend: AnyBackend) -> None:
    async def main() -> None:
        stored = Stored()
        scp = make_ae(backend, "SCP")
        scp.unrestricted_storage = True
        scp.supported_contexts = []
        contexts = [(PRIVATE, [EXPLICIT_VR_LITTLE_ENDIAN]), *VerificationPresentationContexts]
        core = make_server(backend, [(evt.EVT_C_STORE, stored)], scp)
        async with associated(backend, core, contexts=contexts) as assoc:
            assert [context.abstract_syntax for context in assoc.accepted_contexts] == [PRIVATE]
            assert (await assoc.send_c_store(image(PRIVATE))).Status == SUCCESS

    backend.run(main)


def test_a_private_query(backend: AnyBackend) -> None:
    async def main() -> None:
        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        for ae in (scp, scu):
            ae.register_uid(PRIVATE, "PrivateFind", ServiceClass.QUERY_RETRIEVE, "C-FIND")
        scp.add_supported_context(PRIVATE)
        scu.add_requested_context(PRIVATE)
        core = make_server(backend, [(evt.EVT_C_FIND, found)], scp)
        async with associated(backend, core, scu) as assoc:
            async with assoc.send_c_find(dataset(), PRIVATE) as responses:
                answers = [(response.status, identifier) async for response, identifier in responses]
        assert [int(status) for status, _ in answers] == [PENDING, SUCCESS]
        assert answers[0][1] == dataset()
        assert answers[0][0].service_class is ServiceClass.QUERY_RETRIEVE
        assert answers[0][0].meaning.startswith("Matches are continuing")

    backend.run(main)


def test_what_a_private_sop_class_was_not_registered_for_reaches_no_handler(backend: AnyBackend) -> None:
    async def main() -> None:
        scp = make_ae(backend, "SCP")
        scp.register_uid(PRIVATE, "PrivateFind", [CFindRQ])
        scp.add_supported_context(PRIVATE)

        def created(event: evt.Event) -> object:
            raise AssertionError("a request that was to be refused")

        async with backend.serving(make_server(backend, [(evt.EVT_N_CREATE, created)], scp)) as server:
            peer = await connect(backend, server.port)
            await peer.request(PRIVATE)
            peer.connection.send_request(NCreateRQ(AffectedSOPClassUID=PRIVATE), 1)
            answer = await peer.until(ResponseReceived)
            assert answer.command.Status == 0x0211
            await peer.close()

    backend.run(main)


Call = Callable[[Association], Any]
CALLS: dict[str, Call] = {
    "C-STORE": lambda assoc: assoc.send_c_store(image(PRIVATE)),
    "C-FIND": lambda assoc: last(assoc.send_c_find(dataset(), PRIVATE)),
    "C-GET": lambda assoc: last(assoc.send_c_get(dataset(), PRIVATE)),
    "C-MOVE": lambda assoc: last(assoc.send_c_move(dataset(), "THERE", PRIVATE)),
    "N-EVENT-REPORT": lambda assoc: assoc.send_n_event_report(dataset(), 1, PRIVATE, "1.2.9"),
    "N-GET": lambda assoc: assoc.send_n_get([], PRIVATE, "1.2.9"),
    "N-SET": lambda assoc: assoc.send_n_set(dataset(), PRIVATE, "1.2.9"),
    "N-ACTION": lambda assoc: assoc.send_n_action(dataset(), 1, PRIVATE, "1.2.9"),
    "N-CREATE": lambda assoc: assoc.send_n_create(dataset(), PRIVATE, "1.2.9"),
    "N-DELETE": lambda assoc: assoc.send_n_delete(PRIVATE, "1.2.9"),
}


async def last(responses: Any) -> Any:
    """Return the final response."""
    return [response async for response, _ in responses][-1]


@pytest.mark.parametrize("how", ["setting", "argument"])
def test_requests_that_the_tables_do_not_know(backend: AnyBackend, how: str) -> None:
    """Each reaches the server, with `allow_unknown`; without, the error names the way."""
    heard: list[str] = []

    def handle(event: evt.Event) -> Any:
        heard.append(event.request.name)
        results = {evt.EVT_C_FIND: iter([]), evt.EVT_C_GET: iter([0]), evt.EVT_C_MOVE: iter([None])}
        return results.get(event.event, 0 if event.event is evt.EVT_C_STORE else (0, None))

    async def main() -> None:
        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        scu.register_uid(PRIVATE, "OnlyEchoes", [CEchoRQ])  # stands for tables that are too old
        scu.allow_unknown = how == "setting"
        scp.add_supported_context(PRIVATE)
        kinds: list[evt.EventKind] = [getattr(evt, f"EVT_{name.replace('-', '_')}") for name in CALLS]
        core = make_server(backend, [(kind, handle) for kind in kinds], scp)
        async with backend.serving(core) as server:
            options = {"contexts": [(PRIVATE, [EXPLICIT_VR_LITTLE_ENDIAN])]}
            asking = {"allow_unknown": True} if how == "argument" else {}
            async with await associate(backend, server.port, scu, **options, **asking) as assoc:
                for call in CALLS.values():
                    assert await call(assoc)
            async with await associate(
                backend, server.port, scu, **options, allow_unknown=False if how == "setting" else None
            ) as assoc:
                for call in CALLS.values():
                    with pytest.raises((NoAcceptedContext, LocalProtocolError), match="allow_unknown=True"):
                        await call(assoc)
                with pytest.raises(NoAcceptedContext, match="no context was proposed") as caught:
                    await assoc.send_n_get([], "1.2.3.5", "1.2.9")
                assert "allow_unknown" not in str(caught.value)

    backend.run(main)
    assert heard == [f"{name}-RQ" for name in CALLS]


def test_a_server_may_send_requests_that_the_tables_do_not_know(backend: AnyBackend) -> None:
    """In a handler, by the setting of its application entity."""
    seen: list[int] = []

    async def echoed(event: evt.Event) -> int:
        response, _ = await event.assoc.send_n_event_report(dataset(), 1, VERIFICATION, "1.2.9")
        seen.append(response.Status)
        return 0x0000

    async def main() -> None:
        scp = make_ae(backend, "SCP")
        scp.allow_unknown = True
        core = make_server(backend, [(evt.EVT_C_ECHO, in_flavour(backend, echoed))], scp)
        async with associated(backend, core) as assoc:
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert seen == [0x0211]  # the peer does not know it either


def test_one_application_entity_knows_nothing_of_another_ones_sop_classes() -> None:
    one, other = AE(), AE()
    one.register_uid(PRIVATE, "PrivateStorage", ServiceClass.STORAGE)
    assert one.sop_classes.is_storage(PRIVATE)
    assert other.sop_classes.find(PRIVATE) is None
    with pytest.raises(ValueError, match="dimse_msg_type"):
        one.register_uid(PRIVATE, "PrivateFind", ServiceClass.QUERY_RETRIEVE)


def test_procedure_steps_are_of_the_push_class_on_any_context(backend: AnyBackend) -> None:
    async def main() -> None:
        scp = make_ae(backend, "SCP")
        scp.supported_contexts = UnifiedProcedurePresentationContexts
        seen = []

        def changed(event: evt.Event) -> tuple[int, None]:
            seen.append((event.request.sop_class_uid, event.context.abstract_syntax))
            return 0xC301, None

        async with associated(
            backend,
            make_server(backend, [(evt.EVT_N_SET, changed)], scp),
            contexts=UnifiedProcedurePresentationContexts,
        ) as assoc:
            response, _ = await assoc.send_n_set(dataset(), PUSH, "1.2.9")
            assert str(response.status) == "C301H (The correct transaction UID was not provided)"
        async with associated(backend, make_server(backend, ae=scp), contexts=[build_context(PUSH)]) as assoc:
            with pytest.raises(NoAcceptedContext, match="does not carry N-SET-RQ"):
                await assoc.send_n_set(dataset(), PUSH, "1.2.9")
        assert seen == [(PUSH, PULL)]

    backend.run(main)


def test_the_action_type_decides_the_context_of_a_procedure_step(backend: AnyBackend) -> None:
    """PS3.4 CC.2: 1 on Pull, 2 on Push or Watch, 3 to 5 on Watch, whatever else was accepted first."""

    async def main() -> None:
        scp = make_ae(backend, "SCP")
        scp.supported_contexts = UnifiedProcedurePresentationContexts
        scp.strict_dispatch = True
        seen = {}

        def act(event: evt.Event) -> tuple[int, None]:
            seen[event.action_type] = keyword_of(event.context.abstract_syntax)
            return SUCCESS, None

        handlers = [(evt.EVT_N_ACTION, act)]
        async with associated(
            backend, make_server(backend, handlers, scp), contexts=UnifiedProcedurePresentationContexts
        ) as assoc:
            for action_type in (*range(1, 6), 2, 1):
                response, _ = await assoc.send_n_action(dataset(), action_type, PUSH, "1.2.9")
                assert response.Status == SUCCESS
        steps = [f"UnifiedProcedureStep{name}" for name in ("Pull", "Push", "Watch", "Watch", "Watch")]
        assert seen == dict(zip(range(1, 6), steps, strict=True))

        async with associated(
            backend, make_server(backend, handlers, scp), contexts=[build_context(PUSH)]
        ) as assoc:
            with pytest.raises(NoAcceptedContext) as caught:
                await assoc.send_n_action(dataset(), 3, PUSH, "1.2.9")
            assert "context 1 (UnifiedProcedureStepPush)" in str(caught.value)
            assert "UnifiedProcedureStepWatch" in str(caught.value)
            assert (await assoc.send_n_action(dataset(), 2, PUSH, "1.2.9"))[0].Status == SUCCESS

    backend.run(main)


@pytest.mark.parametrize("is_strict", [False, True])
def test_an_action_on_the_context_of_another_class_is_warned_of(
    backend: AnyBackend, is_strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Known SCUs send every action on the context that was accepted first."""

    async def main() -> None:
        scp = make_ae(backend, "SCP")
        scp.supported_contexts = UnifiedProcedurePresentationContexts
        scp.strict_dispatch = is_strict
        seen = []

        def act(event: evt.Event) -> tuple[int, None]:
            seen.append(event.warnings)
            return SUCCESS, None

        async with associated(
            backend,
            make_server(backend, [(evt.EVT_N_ACTION, act)], scp),
            contexts=UnifiedProcedurePresentationContexts,
        ) as assoc:
            (first,) = [c for c in assoc.accepted_contexts if c.abstract_syntax == PUSH]
            request = NActionRQ(RequestedSOPClassUID=PUSH, RequestedSOPInstanceUID="1.2", ActionTypeID=3)
            reply = await assoc._session.call(request, first.context_id)
        assert reply.response.Status == (0x0123 if is_strict else SUCCESS)
        if is_strict:
            assert seen == []
        else:
            text = "N-ACTION-RQ of type 3 does not belong to the context"
            assert seen == [(f"sop-class-mismatch: {text}",)]

    with caplog.at_level("DEBUG", "dicomproto.association"):
        backend.run(main)
    if is_strict:
        assert "type 3 does not belong to the context" in caplog.text
    else:
        assert "tolerated: sop-class-mismatch: N-ACTION-RQ of type 3" in caplog.text
