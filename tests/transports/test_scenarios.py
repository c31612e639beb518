"""What associations do, in every flavour: each test here is one line of the scenario table.

Both sides run the adapter, unless a peer has to do what the adapter never does; then it is a
`Script`. No test waits for time to pass: the clock of the lockstep backend jumps, and on real clocks
a timeout that is to expire is a few milliseconds long.
"""

from __future__ import annotations

import inspect
import sys
from array import array
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from dicomproto.config import Limits
from dicomproto.dimse.commands import CEchoRQ, CFindRQ, CStoreRQ
from dicomproto.dimse.events import RequestReceived, ResponseReceived
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    ConnectionLost,
    LocalProtocolError,
    NoAcceptedContext,
    NotDicomError,
    RemoteProtocolError,
    TimedOut,
)
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.events import LocallyEnded
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateRJ,
    AsynchronousOperationsWindow,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    UserIdentityRQ,
)
from dicomproto_transports import evt
from dicomproto_transports.entity.association import Association
from tests.associations import (
    CT_IMAGE,
    IMMEDIATE,
    INSTANCE,
    MR_IMAGE,
    PATIENT_ROOT_FIND,
    Peer,
    Script,
    Stored,
    associate,
    associated,
    connect,
    data_set,
    in_flavour,
    make_ae,
    make_server,
    streaming,
    timeouts,
    write_file,
    write_large_file,
)
from tests.backends import NAMES, AnyBackend

SCENARIOS = 56


def test_the_table_is_whole() -> None:
    scenarios = [
        name
        for name, function in vars(sys.modules[__name__]).items()
        if name.startswith("test_") and "backend" in inspect.signature(function).parameters
    ]
    assert (len(scenarios), len(NAMES)) == (SCENARIOS, 5)


# --- in order -----------------------------------------------------------------------------------


def test_echo(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            async with await associate(backend, server.port) as assoc:
                assert assoc.is_established
                response = await assoc.send_c_echo()
                assert response
                assert response.Status == 0x0000
                assert response.MessageIDBeingRespondedTo == 1
            assert assoc.is_released
            assert not assoc.is_established

    backend.run(main)


def test_echo_handler(backend: AnyBackend) -> None:
    seen = []

    def handle(event: evt.Event, *args: object) -> int:
        seen.append((event.message_id, event.context.abstract_syntax, *args))
        return 0x0122

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_ECHO, handle, ["more"])])) as assoc:
            assert (await assoc.send_c_echo(msg_id=7)).Status == 0x0122

    backend.run(main)
    assert seen == [(7, VERIFICATION, "more")]


def test_many_messages(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()
    path = write_file(tmp_path, data_set())

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)])) as assoc:
            for number in range(1, 41, 2):
                assert (await assoc.send_c_echo()).MessageIDBeingRespondedTo == number
                assert (await assoc.send_c_store(path)).MessageIDBeingRespondedTo == number + 1

    backend.run(main)
    assert stored.objects == [data_set()] * 20


def test_store_path(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)])) as assoc:
            response = await assoc.send_c_store(write_file(tmp_path, data_set()))
            assert response.Status == 0x0000
            assert response.AffectedSOPInstanceUID == INSTANCE
            assert not response.warnings

    backend.run(main)
    assert stored.objects == [data_set()]


def test_store_open_file(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()
    path = write_file(tmp_path, data_set())

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)])) as assoc:
            with path.open("rb") as file:
                assert (await assoc.send_c_store(file)).Status == 0x0000
                assert not file.closed

    backend.run(main)
    assert stored.objects == [data_set()]


def test_store_dataset(backend: AnyBackend) -> None:
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    seen = []

    def handle(event: evt.Event) -> int:
        seen.append(event.dataset)
        assert event.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN
        assert event.encoded_dataset()[128:132] == b"DICM"
        return 0x0000

    dataset = dcmread(get_testdata_file("CT_small.dcm"))

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, handle)])) as assoc:
            assert (await assoc.send_c_store(dataset)).Status == 0x0000

    backend.run(main)
    assert seen == [dataset]


def test_store_odd_length(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)])) as assoc:
            response = await assoc.send_c_store(write_file(tmp_path, data_set(1001)))
            assert any(warning.startswith("odd-length") for warning in response.warnings)

    backend.run(main)
    assert stored.objects == [data_set(1001) + b"\0"]


def store_big_object(backend: AnyBackend, tmp_path: Path, max_pdu: int) -> None:
    stored = Stored()
    content = data_set(8 * 1024 * 1024 + 2)
    path = write_file(tmp_path, content)
    ae = make_ae(backend)
    ae.maximum_pdu_size = max_pdu

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)], ae)) as assoc:
            assert (await assoc.send_c_store(path)).Status == 0x0000

    backend.run(main)
    assert stored.objects == [content]


def test_store_big_object_in_small_pdus(backend: AnyBackend, tmp_path: Path) -> None:
    store_big_object(backend, tmp_path, 4096)


def test_store_big_object_in_unlimited_pdus(backend: AnyBackend, tmp_path: Path) -> None:
    store_big_object(backend, tmp_path, 0)


def test_store_streamed(backend: AnyBackend, tmp_path: Path) -> None:
    content = data_set(3 * 1024 * 1024)
    received = bytearray()
    sizes = []

    def take(event: evt.Event, chunk: bytes) -> None:
        received.extend(chunk)
        sizes.append(len(chunk))

    handler = streaming(backend, take)

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE_STREAM, handler)])) as assoc:
            assert (await assoc.send_c_store(write_file(tmp_path, content))).Status == 0x0000
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert received == content
    assert max(sizes) <= 256 * 1024


def test_store_converted(backend: AnyBackend) -> None:
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    seen = []

    def handle(event: evt.Event) -> int:
        seen.append((event.context.transfer_syntax, event.dataset))
        return 0x0000

    path = get_testdata_file("CT_small.dcm")
    ae = make_ae(backend)
    ae.requested_contexts = []
    ae.requested_contexts = [(CT_IMAGE, [EXPLICIT_VR_BIG_ENDIAN])]

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, handle)]), ae) as assoc:
            with pytest.raises(NoAcceptedContext, match="may not be converted"):
                await assoc.send_c_store(path, never_convert=True)
            assert (await assoc.send_c_store(path)).Status == 0x0000

    backend.run(main)
    ((transfer_syntax, dataset),) = seen
    assert transfer_syntax == EXPLICIT_VR_BIG_ENDIAN
    assert dataset.PatientName == dcmread(path).PatientName
    pixels = array("H", dcmread(path).PixelData)
    pixels.byteswap()
    assert dataset.PixelData == pixels.tobytes()


# --- what handlers do ---------------------------------------------------------------------------


def test_handler_returns(backend: AnyBackend, tmp_path: Path) -> None:
    path = write_file(tmp_path, data_set())
    stored = Stored()
    unknown = 0xC002, "the handler returned no status"
    long = SimpleNamespace(Status=0xA900, ErrorComment="x" * 70, OffendingElement=0x00100010)
    cases = [
        (0xB007, (0xB007, None)),
        (long, (0xA900, "x" * 64)),
        (SimpleNamespace(Status=0x0000, ErrorComment="naïve\\"), (0x0000, "na?ve?")),
        (None, unknown),
        (True, unknown),
        ("0000", unknown),
        (0xFF00, unknown),
        (0x10000, unknown),
        (SimpleNamespace(Status=0xA900, OffendingElement="nonsense"), unknown),
    ]

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)])) as assoc:
            for result, expected in cases:
                stored.status = result
                response = await assoc.send_c_store(path)
                assert (response.Status, response.get("ErrorComment")) == expected
                assert response.get("OffendingElement") == ((0x00100010,) if result is long else None)

    backend.run(main)


def test_handler_raises(backend: AnyBackend, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: evt.Event) -> int:
        raise KeyError("Doe^John")

    handler_raises(backend, tmp_path, evt.EVT_C_STORE, fail, caplog)


def test_streaming_handler_raises(
    backend: AnyBackend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: evt.Event, chunk: bytes) -> None:
        raise KeyError("Doe^John")

    handler_raises(backend, tmp_path, evt.EVT_C_STORE_STREAM, streaming(backend, fail), caplog)


def handler_raises(
    backend: AnyBackend,
    tmp_path: Path,
    kind: evt.EventKind,
    handler: evt.Handler,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = write_file(tmp_path, data_set(3 * 1024 * 1024))

    async def main() -> None:
        async with associated(backend, make_server(backend, [(kind, handler)])) as assoc:
            response = await assoc.send_c_store(path)
            assert (response.Status, response.ErrorComment) == (0xC211, "KeyError in the handler")
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.name == "dicomproto.handlers"


def test_no_handler(backend: AnyBackend, tmp_path: Path) -> None:
    async def main() -> None:
        async with associated(backend, make_server(backend)) as assoc:
            response = await assoc.send_c_store(write_file(tmp_path, data_set(3 * 1024 * 1024)))
            assert response.Status == 0x0122
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_early_failure(backend: AnyBackend, tmp_path: Path) -> None:
    sizes = []

    def refuse(event: evt.Event, chunk: bytes) -> None:
        sizes.append(len(chunk))
        event.refuse(0xA700, "no room")

    size = 64 * 1024 * 1024
    path = write_large_file(tmp_path, size)
    handler = streaming(backend, refuse)

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE_STREAM, handler)])) as assoc:
            with path.open("rb") as file:
                response = await assoc.send_c_store(file)
                assert file.tell() < size / 2  # it stopped
            assert (response.Status, response.ErrorComment) == (0xA700, "no room")
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert len(sizes) == 1


def test_too_large_to_collect(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()
    ae = make_ae(backend, limits=Limits(collect=100_000))

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)], ae)) as assoc:
            response = await assoc.send_c_store(write_file(tmp_path, data_set(100_002)))
            assert response.Status == 0xA700
            response = await assoc.send_c_store(write_file(tmp_path, data_set(100_000)))
            assert response.Status == 0x0000

    backend.run(main)
    assert stored.objects == [data_set(100_000)]


def test_handler_calls_back(backend: AnyBackend, tmp_path: Path) -> None:
    statuses = []

    async def handle(event: evt.Event) -> int:
        statuses.append((await event.assoc.send_c_echo()).Status)
        return 0x0000

    handlers = [(evt.EVT_C_STORE, in_flavour(backend, handle))]
    roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]

    async def main() -> None:
        async with associated(backend, make_server(backend, handlers), ext_neg=roles) as assoc:
            response = await assoc.send_c_store(write_file(tmp_path, data_set()))
            assert response.Status == 0x0000

    backend.run(main)
    assert statuses == [0x0000]


def test_handler_calls_back_too_early(backend: AnyBackend, tmp_path: Path) -> None:
    """Before the data set is there nothing else can come: it is taken in, or the call is refused."""
    statuses = []

    async def handle(event: evt.Event) -> int:
        with pytest.raises(LocalProtocolError, match=r"read event\.chunks to the end first"):
            await event.assoc.send_c_echo()
        event.refuse(0xA700)
        await event.assoc.send_c_echo()
        return 0x0000

    scp = [(evt.EVT_C_STORE_STREAM, in_flavour(backend, handle))]
    scu = [(evt.EVT_C_ECHO, lambda event: statuses.append(0x0000) or 0x0000)]
    roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]

    async def main() -> None:
        async with associated(backend, make_server(backend, scp), ext_neg=roles, evt_handlers=scu) as assoc:
            response = await assoc.send_c_store(write_file(tmp_path, data_set(2 * 1024 * 1024)))
            assert response.Status == 0xA700
            await assoc.serve(until=lambda: statuses)

    backend.run(main)
    assert statuses == [0x0000]


def test_both_send_at_once(backend: AnyBackend, tmp_path: Path) -> None:
    """Each side looks for input while it sends, or both would stall."""
    content = data_set(6 * 1024 * 1024)
    path = write_file(tmp_path, content)
    to_scp, to_scu = bytearray(), bytearray()
    statuses = []

    async def send(event: evt.Event) -> None:
        statuses.append((await event.assoc.send_c_store(path)).Status)

    scp = [
        (evt.EVT_ESTABLISHED, in_flavour(backend, send)),
        (evt.EVT_C_STORE_STREAM, streaming(backend, lambda event, chunk: to_scp.extend(chunk))),
    ]
    scu = [(evt.EVT_C_STORE_STREAM, streaming(backend, lambda event, chunk: to_scu.extend(chunk)))]
    roles = [RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True)]

    async def main() -> None:
        async with associated(backend, make_server(backend, scp), ext_neg=roles, evt_handlers=scu) as assoc:
            statuses.append((await assoc.send_c_store(path)).Status)
            await assoc.serve(until=lambda: len(to_scu) == len(content))

    backend.run(main)
    assert statuses == [0x0000, 0x0000]
    assert to_scp == content
    assert to_scu == content


# --- negotiation --------------------------------------------------------------------------------


def test_rejected_by_name(backend: AnyBackend) -> None:
    ae = make_ae(backend, "SCP")
    ae.require_called_aet = True

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            with pytest.raises(
                AssociationRejected, match=r"'OTHER' at .* called AE title not recognized"
            ) as caught:
                await associate(backend, server.port, ae_title="OTHER")
            error = caught.value
            assert (error.result, error.source, error.reason) == (1, 1, 7)
            async with await associate(backend, server.port, ae_title="SCP"):
                pass

    backend.run(main)


def test_rejected_by_handler(backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> None:
        if event.assoc.requestor.ae_title == "UNWANTED":
            event.reject(2, 1, 1)

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_REQUESTED, handle)])) as server:
            with pytest.raises(AssociationRejected) as caught:
                await associate(backend, server.port, make_ae(backend, "UNWANTED"))
            error = caught.value
            assert (error.result, error.source, error.reason) == (2, 1, 1)
            async with await associate(backend, server.port):
                pass

    backend.run(main)


def test_rejected_where_a_handler_fails(backend: AnyBackend, caplog: pytest.LogCaptureFixture) -> None:
    """It might have rejected the peer, so nobody is let in without it."""

    async def fail(event: evt.Event) -> None:
        raise RuntimeError("the list of permitted peers cannot be read")

    async def main() -> None:
        handlers = [(evt.EVT_REQUESTED, in_flavour(backend, fail))]
        async with backend.serving(make_server(backend, handlers)) as server:
            with pytest.raises(AssociationRejected) as caught:
                await associate(backend, server.port)
            error = caught.value
            assert (error.result, error.source, error.reason) == (2, 3, 1)

    backend.run(main)
    assert "the list of permitted peers cannot be read" in caplog.text


def test_user_identity(backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> tuple[bool, bytes | None]:
        assert event.user_id_type == 2
        return event.secondary_field == b"open sesame", b"welcome"

    def identity(passcode: bytes) -> list[UserIdentityRQ]:
        return [
            UserIdentityRQ(
                identity_type=2,
                primary_field=b"ali",
                secondary_field=passcode,
                positive_response_requested=True,
            )
        ]

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_USER_ID, handle)])) as server:
            with pytest.raises(AssociationRejected):
                await associate(backend, server.port, ext_neg=identity(b"open wheat"))
            async with await associate(backend, server.port, ext_neg=identity(b"open sesame")) as assoc:
                # A response that was asked for, in which PS3.7 D.3.3.7.2 has nothing to say to a name.
                assert assoc.acceptor.user_identity.server_response == b""

    backend.run(main)


def test_nothing_accepted(backend: AnyBackend) -> None:
    ends = []

    def ended(event: evt.Event) -> None:
        ends.append(str(event.assoc.ending))

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_ABORTED, ended)])) as server:
            with pytest.raises(NoAcceptedContext, match="abstract syntax not supported"):
                await associate(backend, server.port, contexts=[MR_IMAGE])

    backend.run(main)
    assert len(ends) == 1
    assert "'SCU' at" in ends[0]


def test_context_not_accepted(backend: AnyBackend, tmp_path: Path) -> None:
    path = write_file(tmp_path, data_set(sop_class=MR_IMAGE), sop_class=MR_IMAGE)

    async def main() -> None:
        async with associated(backend, make_server(backend), contexts=[CT_IMAGE, MR_IMAGE]) as assoc:
            with pytest.raises(NoAcceptedContext, match="abstract syntax not supported"):
                await assoc.send_c_store(path)
            with pytest.raises(NoAcceptedContext, match="no context was proposed for SOP class Verification"):
                await assoc.send_c_echo()
            assert assoc.is_established

    backend.run(main)


def test_server_limit(backend: AnyBackend) -> None:
    ae = make_ae(backend)
    ae.maximum_associations = 2

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            async with await associate(backend, server.port), await associate(backend, server.port) as second:
                for _ in range(3):
                    with pytest.raises(AssociationRejected, match="local limit exceeded") as caught:
                        await associate(backend, server.port)
                    error = caught.value
                    assert (error.result, error.source, error.reason) == (2, 3, 2)
                await second.release()  # its place is free at once
                third = await associate(backend, server.port)
                await third.release()

    backend.run(main)


def test_server_limit_counts_those_that_are_served(backend: AnyBackend) -> None:
    """Not those that have ended, nor those that were rejected, however long they keep the connection open."""
    ae = make_ae(backend)
    ae.maximum_associations = 1
    ae.require_calling_aet = ["SCU"]

    async def main() -> None:
        core = make_server(backend, ae=ae)
        async with backend.serving(core) as server:
            peer = await connect(backend, server.port)
            assert isinstance(await peer.request(VERIFICATION), AssociateRJ)
            for _ in range(20):
                async with await associate(backend, server.port) as assoc:
                    assert len(core.active_associations) == 1
                assert assoc.is_released
            await peer.stream.close([], 0)

    backend.run(main)


# --- aborts -------------------------------------------------------------------------------------


def test_abort_by_requestor(backend: AnyBackend) -> None:
    ends = []

    def ended(event: evt.Event) -> None:
        ends.append(event.assoc.ending)

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_ABORTED, ended)])) as server:
            assoc = await associate(backend, server.port)
            await assoc.abort()
            await assoc.abort()
            assert assoc.is_aborted
            with pytest.raises(AssociationAborted, match="from this side") as caught:
                await assoc.send_c_echo()
            assert not caught.value.by_peer

    backend.run(main)
    (error,) = ends
    assert isinstance(error, AssociationAborted)
    assert (error.by_peer, error.source, error.reason) == (True, 0, 0)


def test_abort_by_requestor_in_mid_object(backend: AnyBackend, tmp_path: Path) -> None:
    """A file that shrinks while it is sent: the acceptor must not take it for whole."""
    path = write_file(tmp_path, data_set(16 * 1024 * 1024))
    received, ends = [], []

    def take(event: evt.Event, chunk: bytes) -> None:
        if not received:
            with path.open("r+b") as file:
                file.truncate(15 * 1024 * 1024)
        received.append(len(chunk))

    def ended(event: evt.Event) -> None:
        ends.append(event.assoc.ending)

    handlers = [(evt.EVT_C_STORE_STREAM, streaming(backend, take)), (evt.EVT_ABORTED, ended)]

    async def main() -> None:
        async with backend.serving(make_server(backend, handlers)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationAborted, match=r"object\.dcm became shorter while it was sent"):
                await assoc.send_c_store(path)
            assert assoc.is_aborted

    backend.run(main)
    assert 0 < sum(received) < 15 * 1024 * 1024
    assert isinstance(ends[0], AssociationAborted)


def test_abort_by_acceptor_in_mid_object(backend: AnyBackend, tmp_path: Path) -> None:
    path = write_file(tmp_path, data_set(32 * 1024 * 1024))
    seen = []

    async def handle(event: evt.Event) -> int:
        async for chunk in event.chunks:
            seen.append(len(chunk))
            await event.assoc.abort()
            break
        return 0x0000

    handlers = [(evt.EVT_C_STORE_STREAM, in_flavour(backend, handle))]

    async def main() -> None:
        async with backend.serving(make_server(backend, handlers)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationAborted, match="aborted by the service-user") as caught:
                await assoc.send_c_store(path)
            assert caught.value.by_peer

    backend.run(main)
    assert len(seen) == 1


def test_error_inside_with(backend: AnyBackend) -> None:
    ends = []

    def ended(event: evt.Event) -> None:
        ends.append(event.assoc.ending)

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_ABORTED, ended)])) as server:
            with pytest.raises(ZeroDivisionError):
                async with await associate(backend, server.port) as assoc:
                    1 // 0  # noqa: B018
            assert assoc.is_aborted

    backend.run(main)
    assert isinstance(ends[0], AssociationAborted)


def test_shutdown_ends_associations(backend: AnyBackend) -> None:
    ae = make_ae(backend, timeouts=timeouts(backend, "close"))

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            assoc = await associate(backend, server.port)
        with pytest.raises(AssociationAborted) as caught:
            await assoc.send_c_echo()
        assert caught.value.by_peer

    backend.run(main)


# --- release ------------------------------------------------------------------------------------


def test_release_by_acceptor(backend: AnyBackend) -> None:
    async def talk(peer: Peer) -> None:
        await peer.accept()
        peer.connection.send(ReleaseRQ())
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            assert await assoc.serve()
            assert assoc.is_released
            with pytest.raises(AssociationReleased):
                await assoc.send_c_echo()
            await assoc.release()

    backend.run(main)


def test_release_while_waiting(backend: AnyBackend) -> None:
    """A release in place of an answer (the engine of the peer would not do that; its upper layer does)."""

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        peer.connection._upper.send(ReleaseRQ())
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationReleased, match=r"'ANY-SCP' at .* released the association"):
                await assoc.send_c_echo()
            assert assoc.is_released

    backend.run(main)


def test_release_collision(backend: AnyBackend) -> None:
    """Both sides ask at once: PS3.8 7.2.2.7, Sta9 to Sta12."""
    states = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        peer.connection.send_response(received.command.response())
        await peer.flush()
        request = await peer.stream.receive(None)
        peer.connection.send(ReleaseRQ())  # before it has seen that of the other side
        await peer.flush()
        peer.connection.receive_data(request)
        await peer.until(ReleaseRQ)
        states.append(peer.connection.state.value)
        peer.connection.send(ReleaseRP())  # held back until our own request is answered
        await peer.until(LocallyEnded)
        await peer.flush()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            async with await associate(backend, server.port) as assoc:
                await assoc.send_c_echo()
            assert assoc.is_released

    backend.run(main)
    assert states == ["Sta10"]


def test_serve(backend: AnyBackend) -> None:
    """`serve` handles requests for a time, until a condition, or until the release."""
    echoes = []
    roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]

    async def echo_twice(event: evt.Event) -> None:
        await event.assoc.send_c_echo()
        await event.assoc.send_c_echo()

    def handle(event: evt.Event) -> int:
        echoes.append(event.message_id)
        return 0x0000

    scp = [(evt.EVT_ESTABLISHED, in_flavour(backend, echo_twice))]
    scu = [(evt.EVT_C_ECHO, handle)]

    async def main() -> None:
        async with associated(backend, make_server(backend, scp), ext_neg=roles, evt_handlers=scu) as assoc:
            assert await assoc.serve(until=lambda: echoes)
            assert echoes == [1]
            assert await assoc.serve(until=lambda: len(echoes) == 2)
            assert not await assoc.serve(timeout=0.001)
            assert not await assoc.serve(timeout=0)
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert echoes == [1, 2]


# --- what goes wrong ----------------------------------------------------------------------------


def test_nobody_listens(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            port = server.port
        with pytest.raises(ConnectionLost, match=f"{port}"):
            await associate(backend, port)

    backend.run(main)


def test_peer_closes_before_it_answers(backend: AnyBackend) -> None:
    async def talk(peer: Peer) -> None:
        await peer.stream.receive(None)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            with pytest.raises(ConnectionLost, match="before it answered the association request") as caught:
                await associate(backend, server.port)
            assert caught.value.state == "Sta5"

    backend.run(main)


def test_peer_vanishes(backend: AnyBackend, tmp_path: Path) -> None:
    """It closes in the middle of an object, with input unread: a reset."""
    path = write_file(tmp_path, data_set(32 * 1024 * 1024))

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(
                ConnectionLost, match=r"'ANY-SCP' at .* on the established association"
            ) as caught:
                await assoc.send_c_store(path)
            assert caught.value.state == "Sta6"
            assert assoc.is_aborted

    backend.run(main)


def test_last_words_after_a_failed_send(backend: AnyBackend, tmp_path: Path) -> None:
    """The peer's A-ABORT is found although sending failed before it was read."""
    path = write_file(tmp_path, data_set(32 * 1024 * 1024))

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        peer.connection.send(Abort(source=2, reason=6))
        await peer.stream.close(peer.connection.data_to_send(), peer.stream.now() + 1)

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationAborted, match="invalid PDU parameter value") as caught:
                await assoc.send_c_store(path)
            assert (caught.value.source, caught.value.reason) == (2, 6)

    backend.run(main)


def test_peer_does_not_answer_the_association(backend: AnyBackend) -> None:
    ae = make_ae(backend, timeouts=timeouts(backend, "association", "close"))

    async def main() -> None:
        async with backend.serving(Script(Peer.until_closed)) as server:
            with pytest.raises(TimedOut, match=r"to the association request .*association timeout") as caught:
                await associate(backend, server.port, ae)
            assert caught.value.phase == "association"

    backend.run(main)


def test_peer_does_not_answer_the_release(backend: AnyBackend) -> None:
    ae = make_ae(backend, timeouts=timeouts(backend, "close"))

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            for seconds in (IMMEDIATE, None) if backend.is_virtual else (IMMEDIATE,):
                assoc = await associate(backend, server.port, ae)
                with pytest.raises(TimedOut, match=r"to the release request .*association timeout") as caught:
                    await assoc.release(seconds)
                assert caught.value.phase == "association"

    backend.run(main)


def test_peer_does_not_respond(backend: AnyBackend) -> None:
    ae = make_ae(backend, timeouts=timeouts(backend, "response", "close"))
    ends = []

    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        ends.append(await peer.event())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port, ae)
            with pytest.raises(TimedOut, match=r"waited for its response within .* s") as caught:
                await assoc.send_c_echo()
            assert caught.value.phase == "response"
            assert assoc.is_aborted

    backend.run(main)
    assert ends == [Abort(source=0, reason=0)]


def test_peer_takes_nothing(backend: AnyBackend, tmp_path: Path) -> None:
    path = write_large_file(tmp_path, 64 * 1024 * 1024)
    ae = make_ae(backend, timeouts=timeouts(backend, "write", "close"))

    async def main() -> None:
        near, far = await backend.pair()

        async def talk(peer: Peer) -> None:
            await peer.accept()
            await peer.until(RequestReceived)
            await far.receive(None)

        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port, ae)
            with pytest.raises(TimedOut, match="waited for it to take what was sent") as caught:
                await assoc.send_c_store(path)
            assert caught.value.phase == "write"
            await near.close([], near.now())
        await far.close([], far.now())

    backend.run(main)


def test_requestor_is_silent(backend: AnyBackend) -> None:
    """ARTIM ends a connection without a request; a real one is served meanwhile."""
    ae = make_ae(backend, timeouts=timeouts(backend, "artim", "close"))
    ends = []

    def ended(event: evt.Event) -> None:
        ends.append(event.assoc.ending)

    async def main() -> None:
        handlers = [(evt.EVT_CONN_CLOSE, ended)]
        async with backend.serving(make_server(backend, handlers, ae)) as server:
            silent = await connect(backend, server.port)
            while True:
                try:
                    async with await associate(backend, server.port) as assoc:
                        assert (await assoc.send_c_echo()).Status == 0x0000
                    break
                except (AssociationAborted, ConnectionLost):  # so short a time may be over for it as well
                    assert not backend.is_virtual
            await silent.until_closed()
            await silent.stream.close([], silent.stream.now())

    backend.run(main)
    errors = [end for end in ends if not isinstance(end, AssociationReleased)]
    assert errors
    for error in errors:
        assert isinstance(error, TimedOut)
        assert error.phase == "artim"


def test_requestor_is_idle(backend: AnyBackend) -> None:
    ae = make_ae(backend, timeouts=timeouts(backend, "idle", "close"))

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationAborted) as caught:
                await assoc.serve()
            assert caught.value.by_peer

    backend.run(main)


def test_peer_is_no_dicom(backend: AnyBackend) -> None:
    async def talk(peer: Peer) -> None:
        await peer.stream.receive(None)
        await peer.stream.send([b"HTTP/1.1 400 Bad Request\r\n\r\n"], None)
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            with pytest.raises(NotDicomError, match="speaks HTTP") as caught:
                await associate(backend, server.port)
            assert caught.value.kind == "http"

    backend.run(main)


def test_requestor_is_no_dicom(backend: AnyBackend) -> None:
    """Garbage ends its own connection and nothing else."""

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            for garbage in (
                b"GET / HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01" + bytes(50),
                b"\x01\x00\xff\xff\xff\xff",
                b"",
            ):
                stranger = await connect(backend, server.port)
                await stranger.stream.send([garbage], None)
                await stranger.stream.close([], stranger.stream.now() + 1)
            async with await associate(backend, server.port) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_peer_breaks_the_protocol(backend: AnyBackend) -> None:
    async def talk(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        await peer.stream.send([bytes((4, 0, 0, 0, 0, 3, 1, 2, 3))], None)
        assert await peer.until(Abort)
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(RemoteProtocolError, match="broke the protocol: P-DATA-TF") as caught:
                await assoc.send_c_echo()
            assert caught.value.offset > 0

    backend.run(main)


def test_second_user(backend: AnyBackend) -> None:
    """Whoever uses an association while another does is refused, and does no harm."""

    async def main() -> None:
        refused = []

        async def handle(event: evt.Event) -> int:
            # The requestor waits for the answer to this very request.
            for call in (assoc.send_c_echo, assoc.serve, assoc.release):
                with pytest.raises(LocalProtocolError, match="in use by another call"):
                    await call()
                refused.append(call)
            return 0x0000

        server_core = make_server(backend, [(evt.EVT_C_ECHO, in_flavour(backend, handle))])
        async with backend.serving(server_core) as server:
            assoc = await associate(backend, server.port)
            assert (await assoc.send_c_echo()).Status == 0x0000
            assert len(refused) == 3
            [theirs] = server_core.active_associations
            assert isinstance(theirs, Association)
            for call in (theirs.send_c_echo, theirs.serve, theirs.release):
                with pytest.raises(LocalProtocolError, match="in use by another call"):
                    await call()  # the server waits for the next request
            assert (await assoc.send_c_echo()).Status == 0x0000
            await assoc.release()

    backend.run(main)


def test_store_on_the_context_of_another_sop_class(backend: AnyBackend) -> None:
    """Taken, with a warning, if this server supports its SOP class anywhere."""
    warned: list[str] = []

    def store(event: evt.Event) -> int:
        warned.append("".join(event.warnings))
        return 0x0000

    async def main() -> None:
        for supported, status in (([], 0x0122), ([MR_IMAGE], 0x0000)):
            ae = make_ae(backend)
            for uid in supported:
                ae.add_supported_context(uid)
            async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, store)], ae)) as server:
                peer = await connect(backend, server.port)
                await peer.request()
                request = CStoreRQ(AffectedSOPClassUID=MR_IMAGE, AffectedSOPInstanceUID=INSTANCE)
                peer.connection.send_request(request, 3)
                peer.connection.send_data(data_set(sop_class=MR_IMAGE), last=True)
                assert (await peer.until(ResponseReceived)).command.Status == status
                await peer.close()

    backend.run(main)
    assert warned == ["sop-class-mismatch: C-STORE-RQ of another SOP class than the context's"]


def test_unknown_service(backend: AnyBackend) -> None:
    """A service that is negotiated, but not provided, is refused; its data set is taken in."""
    ae = make_ae(backend)
    ae.add_supported_context(PATIENT_ROOT_FIND)

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            peer = await connect(backend, server.port)
            await peer.request(PATIENT_ROOT_FIND, VERIFICATION)
            peer.connection.send_request(CFindRQ(AffectedSOPClassUID=PATIENT_ROOT_FIND), 1)
            peer.connection.send_data(data_set(500_000), last=True)
            assert (await peer.until(ResponseReceived)).command.Status == 0x0211
            peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 3)
            assert (await peer.until(ResponseReceived)).command.Status == 0x0000
            await peer.close()

    backend.run(main)


def test_requests_pile_up(backend: AnyBackend) -> None:
    """A requestor that was granted a window and does not wait gets its answers in order."""
    asked = []

    def window(event: evt.Event) -> tuple[int, int]:
        asked.append((event.nr_invoked, event.nr_performed))
        return 5, 1

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_ASYNC_OPS, window)])) as server:
            peer = await connect(backend, server.port)
            proposed = AsynchronousOperationsWindow(maximum_invoked=9, maximum_performed=1)
            answer = await peer.request(VERIFICATION, operations_window=proposed)
            assert answer.asynchronous_operations_window.maximum_invoked == 5
            for _ in range(5):
                peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
            answered = [
                (await peer.until(ResponseReceived)).command.MessageIDBeingRespondedTo for _ in range(5)
            ]
            assert answered == [1, 2, 3, 4, 5]
            await peer.close()

    backend.run(main)
    assert asked == [(9, 1)]


def test_connections_without_a_request(backend: AnyBackend) -> None:
    """Of a port probe, or of what is no DICOM, no association is told."""
    seen: list[evt.EventKind] = []

    async def main() -> None:
        kinds = (evt.EVT_CONN_OPEN, evt.EVT_REQUESTED, evt.EVT_ABORTED, evt.EVT_RELEASED, evt.EVT_CONN_CLOSE)
        handlers = [(kind, lambda event: seen.append(event.event)) for kind in kinds]
        async with backend.serving(make_server(backend, handlers)) as server:
            for words in ([], [b"GET / HTTP/1.1\r\n\r\n"], [b"\x04\0\0\0\0\0"]):
                stream = await backend.backend.connect("127.0.0.1", server.port)
                await stream.close(words, stream.now() + 10)

    backend.run(main)
    assert Counter(seen) == {evt.EVT_CONN_OPEN: 3, evt.EVT_CONN_CLOSE: 3}


def test_events_in_order(backend: AnyBackend) -> None:
    """What happens is told, on both sides, and a handler that fails changes nothing but a yes or no."""
    seen: dict[str, list[str]] = {"SCU": [], "SCP": []}

    def bindings(side: str) -> list[evt.Binding]:
        def tell(event: evt.Event) -> None:
            seen[side].append(event.event.name.removeprefix("EVT_"))

        async def fail(event: evt.Event) -> None:
            raise ZeroDivisionError

        kinds = (
            *(evt.EVT_CONN_OPEN, evt.EVT_REQUESTED, evt.EVT_ACCEPTED, evt.EVT_ESTABLISHED),
            *(evt.EVT_REJECTED, evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_CONN_CLOSE),
        )
        failing = [kind for kind in kinds if (side, kind) != ("SCP", evt.EVT_REQUESTED)]
        return [*((kind, in_flavour(backend, fail)) for kind in failing), *((kind, tell) for kind in kinds)]

    async def main() -> None:
        core = make_server(backend, bindings("SCP"))
        async with associated(backend, core, evt_handlers=bindings("SCU")):
            pass
        async with backend.serving(make_server(backend, bindings("SCP"))) as server:
            with pytest.raises(NoAcceptedContext):
                await associate(backend, server.port, contexts=[MR_IMAGE], evt_handlers=bindings("SCU"))

    backend.run(main)
    opened = ["CONN_OPEN", "REQUESTED"]
    established = [*opened, "ACCEPTED", "ESTABLISHED"]
    released, aborted = ["RELEASED", "CONN_CLOSE"], ["ABORTED", "CONN_CLOSE"]
    assert seen["SCU"] == [*established, *released, *opened, *aborted]
    assert seen["SCP"] == [*established, *released, *established, *aborted]
