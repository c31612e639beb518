"""Taking responses one after the other, leaving early, and what the next call does about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import JPEGBaseline8Bit

from dicomproto.config import Limits
from dicomproto.datasets import encode_data_set
from dicomproto.dimse.commands import CEchoRQ, CFindRQ
from dicomproto.dimse.events import CancelReceived, DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import (
    AssociationAborted,
    ConnectionLost,
    DataSetError,
    LocalProtocolError,
    NoAcceptedContext,
    RemoteProtocolError,
    TimedOut,
)
from dicomproto.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN as DEFLATED
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.pdu import Abort, AsynchronousOperationsWindow, RoleSelection
from dicomproto_transports import blocking, evt
from dicomproto_transports.entity.ae import AECore
from tests.associations import (
    HOST,
    Peer,
    Script,
    associate,
    associated,
    in_flavour,
    make_ae,
    make_server,
    timeouts,
)
from tests.backends import AnyBackend
from tests.dialogues import message

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MATCHES = 5


def identifier(patient_id: str = "") -> Dataset:
    made = Dataset()
    made.PatientID = patient_id
    return made


def finding_ae(backend: AnyBackend, title: str = "SCU", **settings: Any) -> AECore:
    ae = make_ae(backend, title, **settings)
    ae.add_requested_context(FIND)
    ae.add_supported_context(FIND)
    return ae


class Finder:
    """A handler of EVT_C_FIND that counts how it is ended."""

    def __init__(self, matches: int = MATCHES) -> None:
        self.matches = matches
        self.yielded = 0
        self.closed = 0
        self.cancelled = 0

    def __call__(self, event: evt.Event) -> Any:
        try:
            for number in range(self.matches):
                yield 0xFF00, identifier(str(number))
                self.yielded += 1
            yield 0x0000, None
        finally:
            self.closed += 1
            self.cancelled += event.is_cancelled


def found_by(backend: AnyBackend, handler: Any, **options: Any) -> Any:
    core = make_server(backend, [(evt.EVT_C_FIND, handler)], finding_ae(backend, "SCP"))
    return associated(backend, core, finding_ae(backend), **options)


def test_all_of_them(backend: AnyBackend) -> None:
    finder = Finder()

    async def main() -> None:
        async with found_by(backend, finder) as assoc:
            responses = assoc.send_c_find(identifier(), FIND)
            assert repr(responses) == "<responses to C-FIND-RQ not sent yet>"
            seen = [(status.Status, match and match.PatientID) async for status, match in responses]
            assert seen == [*((0xFF00, str(n)) for n in range(MATCHES)), (0, None)]
            assert responses.is_over
            assert [pair async for pair in responses] == []
            await responses.close()
            await responses.cancel()
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)
    assert (finder.closed, finder.cancelled) == (1, 0)


def test_awaited_to_be_sent_at_once(backend: AnyBackend) -> None:
    async def main() -> None:
        async with found_by(backend, Finder()) as assoc:
            responses = await assoc.send_c_find(identifier(), FIND, msg_id=77)
            assert responses.message_id == 77
            assert assoc._session.connection.outstanding.keys() == {77}
            assert len([pair async for pair in responses]) == MATCHES + 1

    backend.run(main)


@pytest.mark.parametrize("leave", ["block", "call", "release", "close"])
def test_left_early(backend: AnyBackend, leave: str) -> None:
    """The operation is cancelled and drained by whatever comes next."""
    finder = Finder(1_000_000)

    async def main() -> None:
        async with found_by(backend, finder) as assoc:
            responses = assoc.send_c_find(identifier(), FIND)
            if leave == "block":
                async with responses:
                    async for _ in responses:
                        break
            else:
                async for _ in responses:
                    break
            if leave == "call":
                assert (await assoc.send_c_echo()).Status == 0
                with pytest.raises(LocalProtocolError, match="was cancelled because C-ECHO-RQ was called"):
                    await anext(responses)
            elif leave == "release":
                await assoc.release()
            elif leave == "close":
                await responses.close()
            assert responses.is_over
            assert not assoc._session.connection.outstanding
        assert assoc.is_released

    backend.run(main)
    assert (finder.closed, finder.cancelled) == (1, 1)
    assert finder.yielded < 1_000_000


def test_the_handler_may_end_a_cancelled_operation_itself(backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> Any:
        while not event.is_cancelled:
            yield 0xFF00, identifier("1")
        yield 0xFE00, None

    async def main() -> None:
        async with found_by(backend, handle) as assoc:
            statuses = []
            responses = assoc.send_c_find(identifier(), FIND)
            async for status, _ in responses:
                statuses.append(status.Status)
                if len(statuses) == 3:
                    await responses.cancel()
                    await assoc.send_c_cancel(responses.message_id)
            assert statuses[-1] == 0xFE00
            assert set(statuses[:-1]) == {0xFF00}
            with pytest.raises(LocalProtocolError, match="no operation with Message ID"):
                await assoc.send_c_cancel(responses.message_id)

    backend.run(main)


def test_an_error_in_the_block_is_not_replaced(backend: AnyBackend) -> None:
    async def main() -> None:
        async with found_by(backend, Finder()) as assoc:
            with pytest.raises(KeyError, match="mine"):
                async with assoc.send_c_find(identifier(), FIND):
                    raise KeyError("mine")
            assert assoc.is_established

    backend.run(main)


def test_a_peer_that_does_not_heed_a_cancel(backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await answer_first(peer)
        await peer.until(CancelReceived)
        await peer.until_closed()

    async def main() -> None:
        ae = finding_ae(backend, timeouts=timeouts(backend, "cancel"))
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, ae)
            with pytest.raises(TimedOut) as caught:
                async with assoc.send_c_find(identifier(), FIND) as responses:
                    await anext(responses)
            assert caught.value.phase == "cancel"
            assert assoc.is_aborted
            with pytest.raises(TimedOut):
                await anext(assoc.send_c_find(identifier(), FIND))

    backend.run(main)


async def answer_first(peer: Peer, data: bytes = b"") -> None:
    """Answer a C-FIND with one match."""
    received = await peer.until(RequestReceived)
    assert isinstance(received.command, CFindRQ)
    await peer.until(DataSetChunk)
    peer.connection.send_response(received.command.response(0xFF00, CommandDataSetType=1))
    data = data or encode_data_set(identifier("1"), EXPLICIT_VR_LITTLE_ENDIAN)
    peer.connection.send_data(data, last=True)
    await peer.flush()


@pytest.mark.parametrize("how", ["abort", "close"])
def test_the_peer_is_gone_between_two_responses(backend: AnyBackend, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await answer_first(peer)
        if how == "abort":
            peer.connection.send(Abort())
            await peer.flush()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, finding_ae(backend))
            responses = assoc.send_c_find(identifier(), FIND)
            assert (await anext(responses))[0].Status == 0xFF00
            with pytest.raises(AssociationAborted if how == "abort" else ConnectionLost):
                await anext(responses)
            assert responses.is_over
            await responses.close()

    backend.run(main)


def test_an_identifier_that_cannot_be_decoded_costs_only_itself(backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        await peer.until(DataSetChunk)
        for data in (b"not deflated", encode_data_set(identifier("2"), DEFLATED)):
            peer.connection.send_response(received.command.response(0xFF00, CommandDataSetType=1))
            peer.connection.send_data(data, last=True, pad=True)
        peer.connection.send_response(received.command.response())
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            ae = make_ae(backend, "SCU")
            ae.add_requested_context(FIND, DEFLATED)
            assoc = await associate(backend, server.port, ae)
            responses = assoc.send_c_find(identifier(), FIND)
            with pytest.raises(DataSetError):
                await anext(responses)
            assert [match and match.PatientID async for _, match in responses] == ["2", None]
            await assoc.abort()

    backend.run(main)


def test_nuls_are_no_match(backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await answer_first(peer, bytes(16))
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, finding_ae(backend))
            response, match = await anext(assoc.send_c_find(identifier(), FIND))
            assert (response.Status, match) == (0xFF00, None)
            await assoc.abort()

    backend.run(main)


def test_an_identifier_above_the_limit_ends_the_association(backend: AnyBackend) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await answer_first(peer, bytes(4096))
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            ae = finding_ae(backend, limits=Limits(collect=1000))
            assoc = await associate(backend, server.port, ae)
            with pytest.raises(AssociationAborted, match=r"more than 1000 bytes .*Limits.collect"):
                await anext(assoc.send_c_find(identifier(), FIND))

    backend.run(main)


def test_what_cannot_be_sent(backend: AnyBackend) -> None:
    async def main() -> None:
        async with found_by(backend, Finder(), contexts=[FIND]) as assoc:
            text = f"C-MOVE-RQ for SOP class {MOVE} (StudyRootQueryRetrieveInformationModelMove): "
            with pytest.raises(NoAcceptedContext, match=re.escape(text)):
                assoc.send_c_move(identifier(), "THERE", MOVE)
            with pytest.raises(ValueError, match="AE title"):
                assoc.send_c_move(identifier(), "a name that is too long", FIND)
            broken = Dataset()
            broken.PixelData = b"compressed"
            broken.file_meta = FileMetaDataset()
            broken.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
            with pytest.raises(DataSetError):
                assoc.send_c_find(broken, FIND)
            with pytest.raises(NoAcceptedContext):
                await assoc.send_n_get([], VERIFICATION, "1.2")
            assert assoc.is_established

    backend.run(main)


def test_handlers_call_back_while_responses_are_taken(backend: AnyBackend) -> None:
    """A find whose handler echoes, whose handler finds: three deep, and nothing gets mixed up."""
    depths = []

    async def outer(event: evt.Event) -> Any:
        depths.append(1)
        if len(depths) == 1:
            yield 0xFF00, identifier("1")
            assert (await event.assoc.send_c_echo()).Status == 0
        yield 0x0000, None

    async def echoed(event: evt.Event) -> object:
        pairs = [pair async for pair in event.assoc.send_c_find(identifier(), FIND)]
        assert [status.Status for status, _ in pairs] == [0]
        return 0

    async def main() -> None:
        bindings = [(evt.EVT_C_FIND, outer), (evt.EVT_ASYNC_OPS, lambda event: (2, 1))]
        server = make_server(backend, bindings, finding_ae(backend, "SCP"))
        roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]
        handlers = [(evt.EVT_C_ECHO, echoed)]
        window = AsynchronousOperationsWindow(maximum_invoked=2, maximum_performed=1)
        async with associated(
            backend, server, finding_ae(backend), ext_neg=[*roles, window], evt_handlers=handlers
        ) as assoc:
            pairs = [pair async for pair in assoc.send_c_find(identifier(), FIND)]
            assert [status.Status for status, _ in pairs] == [0xFF00, 0]

    if backend.name != "blocking":  # whose handlers are not async
        backend.run(main)
        assert depths == [1, 1]


@pytest.mark.parametrize("how", ["abort", "release"])
def test_left_after_the_association_has_ended(backend: AnyBackend, how: str) -> None:
    """Once there is nothing left to cancel, leaving is quiet."""

    async def main() -> None:
        async with found_by(backend, Finder()) as assoc:
            async with assoc.send_c_find(identifier(), FIND) as responses:
                async for _ in responses:
                    await getattr(assoc, how)()
                    assert responses.is_over
                    break
            await responses.close()
            await responses.cancel()
            assert responses.is_over
            assert not assoc._session.unfinished

    backend.run(main)


def test_used_in_a_handler_that_it_waits_for(backend: AnyBackend) -> None:
    """Within the wait for its next response that cannot be had; it can be cancelled."""
    refused: list[str] = []
    box: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        await peer.until(DataSetChunk)
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        await peer.until(CancelReceived)
        peer.connection.send_response(received.command.response(0xFE00))
        await peer.until_closed()

    async def echoed(event: evt.Event) -> object:
        for call in (box[0].__anext__, box[0].close):
            with pytest.raises(LocalProtocolError, match="C-FIND-RQ 1: its next response is being waited"):
                await call()
            refused.append(call.__name__)
        await box[0].cancel()
        return 0

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]
            handlers = [(evt.EVT_C_ECHO, in_flavour(backend, echoed))]
            assoc = await associate(
                backend, server.port, finding_ae(backend), ext_neg=roles, evt_handlers=handlers
            )
            box.append(assoc.send_c_find(identifier(), FIND))
            assert [status.Status async for status, _ in box[0]] == [0xFE00]
            assert assoc.is_established
            await assoc.abort()

    backend.run(main)
    assert refused == ["__anext__", "close"]


def test_begun_in_a_handler_that_its_beginning_waits_for(backend: AnyBackend) -> None:
    """It is sent once, whatever is asked of it while something else has to be ended first."""
    refused: list[object] = []
    box: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        for number in range(2):
            received = await peer.until(RequestReceived)
            await peer.until(DataSetChunk)
            if number == 0:
                peer.connection.send_response(received.command.response(0xFF00, CommandDataSetType=1))
                peer.connection.send_data(
                    encode_data_set(identifier("1"), EXPLICIT_VR_LITTLE_ENDIAN), last=True
                )
                await peer.until(CancelReceived)
                peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
                await peer.until(ResponseReceived)
            peer.connection.send_response(received.command.response())
        await peer.until_closed()

    async def echoed(event: evt.Event) -> object:
        with pytest.raises(LocalProtocolError, match="being waited for"):
            await anext(box[0])
        refused.append(box[0])
        return 0

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]
            handlers = [(evt.EVT_C_ECHO, in_flavour(backend, echoed))]
            assoc = await associate(
                backend, server.port, finding_ae(backend), ext_neg=roles, evt_handlers=handlers
            )
            await anext(assoc.send_c_find(identifier(), FIND))
            box.append(assoc.send_c_find(identifier(), FIND))
            assert [status.Status async for status, _ in box[0]] == [0]
            await assoc.abort()

    backend.run(main)
    assert refused == box


def test_blocking_form() -> None:
    finder = Finder(1_000_000)
    ae = blocking.AE("SCP")
    ae.add_supported_context(FIND)
    ae.add_requested_context(FIND)
    server = ae.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_C_FIND, finder)])
    try:
        with ae.associate(HOST, server.port) as assoc:
            responses = assoc.send_c_find(identifier(), FIND)
            assert (responses.message_id, responses.is_over) == (1, False)
            assert repr(responses) == "<responses to C-FIND-RQ 1>"
            for status, match in responses:
                assert status
                assert match is not None
                break
            responses.cancel()
            assert [status.Status for status, _ in responses][-1] == 0xFE00
            with assoc.send_c_find(identifier(), FIND) as responses:
                next(responses)
            assert responses.is_over
            assoc.send_c_find(identifier(), FIND).close()
            with pytest.raises(NoAcceptedContext):
                assoc.send_c_get(identifier(), "1.2.840.10008.5.1.4.1.2.2.3")
    finally:
        server.shutdown()
    assert finder.closed == finder.cancelled == 3


# --- late responses -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0x0000, 0xB001])
def test_a_late_response_does_not_answer_the_next_query_of_the_same_message_id(
    backend: AnyBackend, status: int
) -> None:
    """Many programs give each query the same one. After B001H, which ended the query, the rest is dropped."""
    asked: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        first = await peer.until(RequestReceived)
        await peer.until(DataSetChunk)
        peer.connection.send_response(first.command.response(status))
        second = await peer.until(RequestReceived)
        await peer.until(DataSetChunk)
        asked.extend([first.command.MessageID, second.command.MessageID])
        await peer.stream.send([message(first.command.response(0xA700), context_id=first.context_id)], None)
        if status:
            peer.connection.send_response(second.command.response())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, finding_ae(backend))
            queries = [assoc.send_c_find(identifier(), FIND, msg_id=5) for _ in range(2)]
            assert [response.Status async for response, _ in queries[0]] == [status]
            if status:
                assert [response.Status async for response, _ in queries[1]] == [0x0000]
                await assoc.abort()
            else:
                with pytest.raises(RemoteProtocolError, match="to Message ID 5, which is not outstanding"):
                    await anext(queries[1])

    backend.run(main)
    assert asked[0] == 5 != asked[1]


# --- a query for one match ------------------------------------------------------------------------

RELEVANT_PATIENT = "1.2.840.10008.5.1.4.37.1"


@pytest.mark.parametrize(
    ("results", "statuses"),
    [
        ([], [0x0000]),
        ([(0xFF00, "1")], [0xFF00, 0x0000]),
        ([(0xFF00, "1"), (0x0000, None)], [0xFF00, 0x0000]),
        ([(0xFF00, "1"), (0xFF00, "2")], [0xC100]),
        ([(0xFF00, "1"), (0xC200, None)], [0xC200]),
    ],
)
def test_relevant_patient_information_has_one_match_at_most(
    backend: AnyBackend, results: list[tuple[int, str | None]], statuses: list[int]
) -> None:
    """Of several none is sent, since it might be of the wrong patient (PS3.4 Q.4)."""

    def handle(event: evt.Event) -> Any:
        for status, patient in results:
            yield status, patient and identifier(patient)

    async def main() -> None:
        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        scp.add_supported_context(RELEVANT_PATIENT)
        scu.add_requested_context(RELEVANT_PATIENT)
        core = make_server(backend, [(evt.EVT_C_FIND, handle)], scp)
        async with associated(backend, core, scu) as assoc:
            responses = assoc.send_c_find(identifier(), RELEVANT_PATIENT)
            assert [status.Status async for status, _ in responses] == statuses

    backend.run(main)


def test_a_data_set_that_cannot_be_decoded_does_not_hide_its_response(backend: AnyBackend) -> None:
    """The caller has to know whether it was done what was asked for."""
    print_job = "1.2.840.10008.5.1.1.14"

    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        peer.connection.send_response(received.command.response(CommandDataSetType=1))
        peer.connection.send_data(b"not deflated", last=True, pad=True)
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            ae = make_ae(backend, "SCU")
            ae.add_requested_context(print_job, DEFLATED)
            assoc = await associate(backend, server.port, ae)
            with pytest.raises(DataSetError) as caught:
                await assoc.send_n_get([], print_job, "1.2.3")
            assert caught.value.response.Status == 0  # type: ignore[attr-defined]
            await assoc.abort()

    backend.run(main)
