"""Every DIMSE service, as its user and as its provider, in every flavour: the table of services.

Our side is the public face of a flavour, the other side an engine that is driven step by step, so
that both the bytes and what users see are known: the command on the wire and its data set, the
response, what the handler was given and what the caller got. A C-GET and a C-MOVE also move an object.

An N-EVENT-REPORT is invoked by the SCP of its service; its column "SCU" stands for the side that invokes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydicom.dataset import Dataset

from dicomproto.datasets import encode_data_set
from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
    Response,
)
from dicomproto.dimse.events import CancelReceived, DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.pdu import AssociateAC, ReleaseRP, ReleaseRQ, RoleSelection
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt
from dicomproto_transports import trio as trio_flavour
from tests.associations import CT_IMAGE, HOST, INSTANCE, Peer, Script, Stored, connect, data_set, part10
from tests.backends import AnyBackend

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
COMMITMENT = "1.2.840.10008.1.20.1"
FILM_SESSION = "1.2.840.10008.5.1.1.1"
PRINT = "1.2.840.10008.5.1.1.9"
CONTEXTS = (VERIFICATION, CT_IMAGE, STUDY_FIND, STUDY_MOVE, STUDY_GET, MPPS, MPPS_RETRIEVE, COMMITMENT, PRINT)
ROLES = [RoleSelection(sop_class_uid=uid, scu_role=True, scp_role=True) for uid in (CT_IMAGE, COMMITMENT)]

PENDING, SUCCESS, CANCEL = 0xFF00, 0x0000, 0xFE00


def dataset(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def encoded(made: Dataset) -> bytes:
    return encode_data_set(made, EXPLICIT_VR_LITTLE_ENDIAN)


ASKED, ANSWERED = dataset(PatientID="ASKED"), dataset(PatientID="ANSWERED")
OBJECT = data_set()


class Service(NamedTuple):
    """One service whose request has one response: what is called, sent, asked and answered."""

    context: str
    call: Callable[[Any], Any]
    """What the user calls, with the association."""
    request: Request
    """What that sends; with `data` behind it."""
    kind: evt.EventKind
    seen: Callable[[evt.Event], object] = lambda event: None
    """What the handler sees of the request; equal to `expected`."""
    expected: object = None
    data: bytes = b""
    reply: Dataset | None = None


SERVICES = {
    "C-ECHO": Service(
        VERIFICATION,
        lambda assoc: assoc.send_c_echo(),
        CEchoRQ(AffectedSOPClassUID=VERIFICATION),
        evt.EVT_C_ECHO,
    ),
    "C-STORE": Service(
        CT_IMAGE,
        lambda assoc: assoc.send_c_store(Memory.file(), priority=1),
        CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID=INSTANCE, Priority=1),
        evt.EVT_C_STORE,
        lambda event: event.dataset.SOPInstanceUID,
        INSTANCE,
        OBJECT,
    ),
    "N-EVENT-REPORT": Service(
        COMMITMENT,
        lambda assoc: assoc.send_n_event_report(ASKED, 2, COMMITMENT, "1.2.3"),
        NEventReportRQ(
            AffectedSOPClassUID=COMMITMENT,
            AffectedSOPInstanceUID="1.2.3",
            EventTypeID=2,
            CommandDataSetType=1,
        ),
        evt.EVT_N_EVENT_REPORT,
        lambda event: (event.event_type, event.event_information.PatientID),
        (2, "ASKED"),
        encoded(ASKED),
        ANSWERED,
    ),
    "N-GET": Service(
        MPPS_RETRIEVE,
        lambda assoc: assoc.send_n_get([0x00100020, "PatientName", (8, 5)], MPPS_RETRIEVE, "1.2.3"),
        NGetRQ(
            RequestedSOPClassUID=MPPS_RETRIEVE,
            RequestedSOPInstanceUID="1.2.3",
            AttributeIdentifierList=(0x00100020, 0x00100010, 0x00080005),
        ),
        evt.EVT_N_GET,
        lambda event: event.attribute_identifiers,
        [0x00100020, 0x00100010, 0x00080005],
        b"",
        ANSWERED,
    ),
    "N-SET": Service(
        MPPS,
        lambda assoc: assoc.send_n_set(ASKED, MPPS, "1.2.3"),
        NSetRQ(RequestedSOPClassUID=MPPS, RequestedSOPInstanceUID="1.2.3"),
        evt.EVT_N_SET,
        lambda event: (event.modification_list.PatientID, event.attribute_list.PatientID),
        ("ASKED", "ASKED"),
        encoded(ASKED),
        ANSWERED,
    ),
    "N-ACTION": Service(
        COMMITMENT,
        lambda assoc: assoc.send_n_action(ASKED, 1, COMMITMENT, "1.2.3"),
        NActionRQ(
            RequestedSOPClassUID=COMMITMENT,
            RequestedSOPInstanceUID="1.2.3",
            ActionTypeID=1,
            CommandDataSetType=1,
        ),
        evt.EVT_N_ACTION,
        lambda event: (event.action_type, event.action_information.PatientID),
        (1, "ASKED"),
        encoded(ASKED),
        ANSWERED,
    ),
    "N-CREATE": Service(
        MPPS,
        lambda assoc: assoc.send_n_create(ASKED, MPPS, "1.2.3"),
        NCreateRQ(AffectedSOPClassUID=MPPS, AffectedSOPInstanceUID="1.2.3", CommandDataSetType=1),
        evt.EVT_N_CREATE,
        lambda event: event.attribute_list.PatientID,
        "ASKED",
        encoded(ASKED),
        ANSWERED,
    ),
    "N-DELETE": Service(
        PRINT,
        lambda assoc: assoc.send_n_delete(FILM_SESSION, "1.2.3", meta_uid=PRINT),
        NDeleteRQ(RequestedSOPClassUID=FILM_SESSION, RequestedSOPInstanceUID="1.2.3"),
        evt.EVT_N_DELETE,
        lambda event: (event.request.sop_instance_uid, event.context.abstract_syntax),
        ("1.2.3", PRINT),
    ),
}


def test_the_table_is_whole(request: pytest.FixtureRequest) -> None:
    """Each of its cells is among the tests of this session, if all of this file was selected."""
    rows = {
        f"{role} {service}"
        for role in ("scu", "scp")
        for service in (
            *("C-ECHO", "C-STORE", "C-FIND", "C-GET", "C-MOVE", "C-CANCEL"),
            *("N-EVENT-REPORT", "N-GET", "N-SET", "N-ACTION", "N-CREATE", "N-DELETE"),
        )
    }
    backends = {"blocking", "trio", "anyio-asyncio", "anyio-trio"}
    whole = {(row, backend) for row in rows for backend in backends}
    assert len(whole) == 96
    cells = {cell for item in request.session.items if (cell := cell_of(item))}
    config = request.config
    is_part = any("::" in one for one in config.args) or any(
        config.getoption(name) for name in ("keyword", "deselect", "lf")
    )
    if is_part:
        assert cells <= whole
    else:
        assert cells == whole


def cell_of(item: pytest.Item) -> tuple[str, str] | None:
    """Return row and backend of a test of this file, None for other tests."""
    if item.path != Path(__file__) or not isinstance(item, pytest.Function):
        return None
    role, _, service = item.originalname.removeprefix("test_").partition("_")
    if role not in ("scu", "scp"):
        return None
    parameters = item.callspec.params
    name = parameters["name"] if service == "of" else service.replace("_", "-").upper()
    return f"{role} {name}", parameters["real_backend"]


# --- the public face of each flavour --------------------------------------------------------------


class Memory:
    """A DICOM file that was never on a disk."""

    @staticmethod
    def file() -> Any:
        from io import BytesIO

        return BytesIO(part10(OBJECT))


def public_ae(backend: AnyBackend) -> Any:
    """Return the AE class of a flavour, with contexts for everything here."""
    module = {"blocking": blocking, "trio": trio_flavour}.get(backend.name, anyio_flavour)
    ae = module.AE("OURS")
    for uid in CONTEXTS:
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
        ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
    return ae


async def value(result: Any) -> Any:
    """Return what a call returned, whether it was awaited or not."""
    return await result if isinstance(result, Awaitable) else result


async def taken(responses: Any) -> list[tuple[Any, Any]]:
    """Return all responses, in either form of iteration."""
    if hasattr(responses, "__aiter__"):
        return [pair async for pair in responses]
    return list(responses)


@asynccontextmanager
async def our_association(backend: AnyBackend, script: Script, handlers: Any = ()) -> AsyncIterator[Any]:
    """Our association, as requestor, with a script."""
    ae = public_ae(backend)
    async with backend.serving(script) as server:
        options = {"ext_neg": ROLES, "evt_handlers": handlers}
        assoc = await value(ae.associate(HOST, server.port, **options))
        yield assoc
        await value(assoc.release())


@asynccontextmanager
async def our_server(backend: AnyBackend, ae: Any, *handlers: Any) -> AsyncIterator[Peer]:
    """A peer that has an association with our server."""
    if backend.name == "blocking":
        server = ae.start_server((HOST, 0), block=False, evt_handlers=handlers)
        try:
            yield await _associated(backend, server.port)
        finally:
            server.shutdown()
    else:
        async with ae.start_server((HOST, 0), evt_handlers=handlers) as server:
            yield await _associated(backend, server.port)


async def _associated(backend: AnyBackend, port: int) -> Peer:
    peer = await connect(backend, port)
    answer = await peer.request(*CONTEXTS, role_selections=ROLES)
    assert isinstance(answer, AssociateAC)
    return peer


# --- the engine on the other side -----------------------------------------------------------------


def context_id(peer: Peer, uid: str) -> int:
    contexts = peer.connection.accepted_contexts
    return next(number for number, context in contexts.items() if context.abstract_syntax == uid)


async def ask(peer: Peer, request: Request, uid: str, data: bytes = b"") -> int:
    """Send a request and return its Message ID."""
    message_id = peer.connection.send_request(request, context_id(peer, uid))
    if data:
        peer.connection.send_data(data, last=True)
    await peer.flush()
    return message_id


async def reply(peer: Peer, response: Response, data: bytes = b"") -> None:
    if data:
        response = response.replace(CommandDataSetType=1)
    peer.connection.send_response(response)
    if data:
        peer.connection.send_data(data, last=True)
    await peer.flush()


async def message(peer: Peer, kind: type) -> tuple[Any, bytes]:
    """Return the next request or response, and its data set."""
    event = await peer.until(kind)
    chunks = []
    while event.has_data_set:
        chunk = await peer.until(DataSetChunk)
        chunks.append(bytes(chunk.data))
        if chunk.last:
            break
    return event.command, b"".join(chunks)


async def until_released(peer: Peer) -> None:
    await peer.until(ReleaseRQ)
    peer.connection.send(ReleaseRP())
    await peer.until_closed()


# --- the services with one response ---------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_scu_of(name: str, real_backend: AnyBackend) -> None:
    service = SERVICES[name]

    async def script(peer: Peer) -> None:
        await peer.accept()
        request, data = await message(peer, RequestReceived)
        assert request.replace(MessageID=0) == service.request
        assert data == service.data
        answer = b"" if service.reply is None else encoded(service.reply)
        await reply(peer, request.response(0x0107, ErrorComment="so so"), answer)
        await until_released(peer)

    async def main() -> Any:
        async with our_association(real_backend, Script(script)) as assoc:
            return await value(service.call(assoc))

    result = real_backend.run(main)
    response, answered = result if isinstance(result, tuple) else (result, None)
    assert response
    assert (response.Status, response.ErrorComment) == (0x0107, "so so")
    assert (answered and answered.PatientID) == (service.reply and "ANSWERED")


@pytest.mark.parametrize("name", SERVICES)
def test_scp_of(name: str, real_backend: AnyBackend) -> None:
    service = SERVICES[name]
    seen = []

    def handle(event: evt.Event) -> object:
        seen.append((event.context.abstract_syntax, service.seen(event)))
        status = dataset(Status=0x0107, ErrorComment="so so")
        return status if name in ("C-ECHO", "C-STORE", "N-DELETE") else (status, service.reply)

    async def main() -> tuple[Any, bytes]:
        ae = public_ae(real_backend)
        async with our_server(real_backend, ae, (service.kind, handle)) as peer:
            await ask(peer, service.request, service.context, service.data)
            answer = await message(peer, ResponseReceived)
            await peer.close()
            return answer

    response, data = real_backend.run(main)
    assert isinstance(response, service.request.response_class)
    assert (response.Status, response.ErrorComment) == (0x0107, "so so")
    assert response.sop_instance_uid == service.request.sop_instance_uid
    assert data == (b"" if service.reply is None else encoded(service.reply))
    assert seen == [(service.context, service.expected)]


# --- those with several ---------------------------------------------------------------------------


def test_scu_c_find(real_backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        request, data = await message(peer, RequestReceived)
        assert (type(request), request.sop_class_uid, request.Priority) == (CFindRQ, STUDY_FIND, 1)
        assert data == encoded(ASKED)
        for number in range(3):
            await reply(peer, request.response(PENDING), encoded(dataset(PatientID=str(number))))
        await reply(peer, request.response())
        await until_released(peer)

    async def main() -> list[tuple[Any, Any]]:
        async with our_association(real_backend, Script(script)) as assoc:
            return await taken(assoc.send_c_find(ASKED, STUDY_FIND, priority=1))

    pairs = real_backend.run(main)
    assert [(status.Status, found and found.PatientID) for status, found in pairs] == [
        *((PENDING, str(number)) for number in range(3)),
        (SUCCESS, None),
    ]


def test_scp_c_find(real_backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> Any:
        assert event.identifier == ASKED
        for number in range(3):
            yield PENDING, dataset(PatientID=str(number))
        yield SUCCESS, None

    async def main() -> list[tuple[int, bytes]]:
        ae = public_ae(real_backend)
        async with our_server(real_backend, ae, (evt.EVT_C_FIND, handle)) as peer:
            await ask(peer, CFindRQ(AffectedSOPClassUID=STUDY_FIND), STUDY_FIND, encoded(ASKED))
            answers = [await message(peer, ResponseReceived) for _ in range(4)]
            await peer.close()
            return [(response.Status, data) for response, data in answers]

    assert real_backend.run(main) == [
        *((PENDING, encoded(dataset(PatientID=str(number)))) for number in range(3)),
        (SUCCESS, b""),
    ]


def test_scu_c_get(real_backend: AnyBackend) -> None:
    stored = Stored()

    async def script(peer: Peer) -> None:
        await peer.accept()
        request, data = await message(peer, RequestReceived)
        assert (type(request), data) == (CGetRQ, encoded(ASKED))
        await ask(
            peer, CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2"), CT_IMAGE, OBJECT
        )
        answer, _ = await message(peer, ResponseReceived)
        assert answer.Status == SUCCESS
        await reply(peer, request.response(PENDING, NumberOfRemainingSuboperations=1))
        failed = encoded(dataset(FailedSOPInstanceUIDList=["1.3"]))
        await reply(peer, request.response(0xB000, NumberOfFailedSuboperations=1), failed)
        await until_released(peer)

    async def main() -> list[tuple[Any, Any]]:
        handlers = [(evt.EVT_C_STORE, stored)]
        async with our_association(real_backend, Script(script), handlers) as assoc:
            return await taken(assoc.send_c_get(ASKED, STUDY_GET))

    (pending, nothing), (final, failed) = real_backend.run(main)
    assert (pending.Status, pending.NumberOfRemainingSuboperations, nothing) == (PENDING, 1, None)
    assert (final.Status, final.NumberOfFailedSuboperations) == (0xB000, 1)
    assert failed.FailedSOPInstanceUIDList == "1.3"
    assert stored.objects == [OBJECT]


def test_scp_c_get(real_backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> Any:
        assert event.identifier == ASKED
        yield 2
        yield PENDING, Memory.file()
        yield PENDING, Memory.file()

    async def main() -> list[Any]:
        ae = public_ae(real_backend)
        ae.add_supported_context(CT_IMAGE, EXPLICIT_VR_LITTLE_ENDIAN, scu_role=True, scp_role=True)
        async with our_server(real_backend, ae, (evt.EVT_C_GET, handle)) as peer:
            await ask(peer, CGetRQ(AffectedSOPClassUID=STUDY_GET), STUDY_GET, encoded(ASKED))
            answers = []
            for status in (SUCCESS, 0xA700):
                request, data = await message(peer, RequestReceived)
                assert (type(request), request.sop_instance_uid, data) == (CStoreRQ, INSTANCE, OBJECT)
                await reply(peer, request.response(status))
                answers.append(await message(peer, ResponseReceived))
            await peer.close()
            return answers

    (pending, _), (final, failed) = real_backend.run(main)
    assert (pending.Status, pending.NumberOfRemainingSuboperations) == (PENDING, 1)
    assert pending.NumberOfCompletedSuboperations == 1
    assert final.Status == 0xB000
    assert not hasattr(final, "NumberOfRemainingSuboperations")
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (1, 1)
    assert failed == encoded(dataset(FailedSOPInstanceUIDList=[INSTANCE]))


def test_scu_c_move(real_backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        request, data = await message(peer, RequestReceived)
        assert (type(request), request.MoveDestination, data) == (CMoveRQ, "THERE", encoded(ASKED))
        await reply(peer, request.response(PENDING, NumberOfRemainingSuboperations=1))
        await reply(peer, request.response(NumberOfCompletedSuboperations=2))
        await until_released(peer)

    async def main() -> list[tuple[Any, Any]]:
        async with our_association(real_backend, Script(script)) as assoc:
            return await taken(assoc.send_c_move(ASKED, "THERE", STUDY_MOVE))

    (pending, _), (final, nothing) = real_backend.run(main)
    assert (pending.Status, pending.NumberOfRemainingSuboperations) == (PENDING, 1)
    assert (final.Status, final.NumberOfCompletedSuboperations, nothing) == (SUCCESS, 2, None)


def test_scp_c_move(real_backend: AnyBackend) -> None:
    requests = []

    async def destination(peer: Peer) -> None:
        await peer.accept()
        for _ in range(2):
            request, data = await message(peer, RequestReceived)
            assert data == OBJECT
            requests.append(request)
            await reply(peer, request.response())
        await until_released(peer)

    async def main() -> list[Any]:
        async with real_backend.serving(Script(destination)) as there:

            def handle(event: evt.Event) -> Any:
                assert (event.move_destination, event.identifier) == ("THERE", ASKED)
                yield HOST, there.port
                yield 2
                yield PENDING, Memory.file()
                yield PENDING, Memory.file()

            ae = public_ae(real_backend)
            async with our_server(real_backend, ae, (evt.EVT_C_MOVE, handle)) as peer:
                request = CMoveRQ(AffectedSOPClassUID=STUDY_MOVE, MoveDestination="THERE")
                moved = await ask(peer, request, STUDY_MOVE, encoded(ASKED))
                answers = [await message(peer, ResponseReceived) for _ in range(2)]
                await peer.close()
                return [moved, *(response for response, _ in answers)]

    moved, pending, final = real_backend.run(main)
    assert (pending.Status, pending.NumberOfRemainingSuboperations) == (PENDING, 1)
    assert (final.Status, final.NumberOfCompletedSuboperations) == (SUCCESS, 2)
    originators = [
        (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID)
        for request in requests
    ]
    assert originators == [("PEER", moved)] * 2


def test_scu_c_cancel(real_backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        request, _ = await message(peer, RequestReceived)
        await reply(peer, request.response(PENDING), encoded(ANSWERED))
        cancel = await peer.until(CancelReceived)
        assert cancel.message_id == request.MessageID
        await reply(peer, request.response(CANCEL))
        await until_released(peer)

    async def main() -> list[int]:
        async with our_association(real_backend, Script(script)) as assoc:
            responses = assoc.send_c_find(ASKED, STUDY_FIND)
            if hasattr(responses, "__aiter__"):
                first = await anext(responses)
                await assoc.send_c_cancel(responses.message_id)
            else:
                first = next(responses)
                assoc.send_c_cancel(responses.message_id)
            return [status.Status for status, _ in [first, *await taken(responses)]]

    assert real_backend.run(main) == [PENDING, CANCEL]


def test_scp_c_cancel(real_backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> Any:
        while not event.is_cancelled:
            yield PENDING, ANSWERED
        yield CANCEL, None

    async def main() -> int:
        ae = public_ae(real_backend)
        async with our_server(real_backend, ae, (evt.EVT_C_FIND, handle)) as peer:
            await ask(peer, CFindRQ(AffectedSOPClassUID=STUDY_FIND), STUDY_FIND, encoded(ASKED))
            response, data = await message(peer, ResponseReceived)
            assert (response.Status, data) == (PENDING, encoded(ANSWERED))
            peer.connection.send_cancel(response.MessageIDBeingRespondedTo)
            while response.Status == PENDING:
                response, _ = await message(peer, ResponseReceived)
            await peer.close()
            return int(response.Status)

    assert real_backend.run(main) == CANCEL
