"""The facade of each flavour: names, signatures, and how blocks end."""

from __future__ import annotations

import gc
import inspect
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from dicomproto.config import Timeouts
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    DataSetError,
    LocalProtocolError,
)
from dicomproto.negotiation import build_associate_rq
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import encode_pdu
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt, testing
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.blocking import Association
from dicomproto_transports.entity.ae import Requestor
from dicomproto_transports.entity.association import Association as Coroutines

FLAVOURS = [blocking, trio_flavour, anyio_flavour, testing]
METHODS = ["send_c_echo", "send_c_store", "serve", "release", "abort"]

LOCALHOST = ("127.0.0.1", 0)

DOCS = Path(__file__).parents[2] / "docs"


def prepared(ae: Any) -> Any:
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    return ae


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_names_and_the_original_signatures(flavour: Any) -> None:
    assert flavour.evt is evt
    original = inspect.signature(Requestor.associate)
    shown = inspect.signature(flavour.AE.associate)
    assert shown == original
    assert shown.return_annotation is inspect.Signature.empty
    assert flavour.AE.associate.__doc__ == Requestor.associate.__doc__
    assert flavour.AE.associate.__name__ == "associate"
    for name in flavour.__all__:
        assert hasattr(flavour, name)


@pytest.mark.parametrize("flavour", [blocking, trio_flavour, anyio_flavour])
def test_the_errors_of_files_can_be_named(flavour: Any) -> None:
    assert {"InvalidFile", "NotPart10", "TruncatedFile"} <= set(flavour.__all__)
    assert issubclass(flavour.NotPart10, flavour.InvalidFile)
    assert issubclass(flavour.InvalidFile, ValueError)
    assert not issubclass(flavour.InvalidFile, DataSetError)
    assert issubclass(flavour.TruncatedFile, DataSetError)
    assert issubclass(flavour.TruncatedFile, ValueError)


@pytest.mark.parametrize("flavour", [blocking, trio_flavour, anyio_flavour])
def test_what_calls_return_can_be_named(flavour: Any) -> None:
    iterating = "Iterating" if flavour is blocking else "StoreOutcomes"
    assert {"Association", "Responses", "StoreOutcome", iterating} <= set(flavour.__all__)


@pytest.mark.parametrize("name", METHODS)
def test_blocking_methods_are_the_originals(name: str) -> None:
    original, facade = getattr(Coroutines, name), getattr(Association, name)
    assert inspect.signature(facade) == inspect.signature(original)
    assert facade.__doc__ == original.__doc__
    assert not inspect.iscoroutinefunction(facade)


NAMES = [
    "abort", "accepted_contexts", "acceptor", "acse_timeout", "ae", "bind", "connection_timeout",
    "dimse_timeout", "ending", "get_events", "get_handlers", "is_aborted", "is_acceptor",
    "is_alive", "is_established", "is_rejected", "is_released", "is_requestor", "local", "name",
    "network_timeout", "peer_certificate", "peer_certificate_der", "rejected_contexts", "release",
    "remote", "requestor",
    "send_c_cancel", "send_c_echo", "send_c_find", "send_c_get", "send_c_move", "send_c_store",
    "send_n_action", "send_n_create", "send_n_delete", "send_n_event_report", "send_n_get",
    "send_n_set", "serve", "store_many", "timeouts", "unbind",
]  # fmt: skip
"""The names of an association, in all flavours."""


def names_of(association: object) -> list[str]:
    return [name for name in dir(association) if not name.startswith("_")]


def test_the_docs_have_the_names_of_an_association_and_no_others() -> None:
    reference = (DOCS / "api_adapters.rst").read_text()
    members = reference.partition("trio.Association\n   :members:")[2].partition("\n")[0]
    assert sorted(members.replace(" ", "").split(",")) == NAMES


def test_what_type_checkers_know_of_any_association_are_the_names_of_the_docs() -> None:
    assert names_of(evt.AnyAssociation) == NAMES


def test_an_association_has_the_names_of_the_docs_in_the_blocking_flavour() -> None:
    seen: list[object] = []
    ae = prepared(blocking.AE("ME"))
    handlers = [(evt.EVT_ACCEPTED, lambda event: seen.append(event.assoc))]
    with (
        ae.start_server(LOCALHOST, block=False, evt_handlers=handlers) as server,
        ae.associate("127.0.0.1", server.port) as assoc,
    ):
        assert [names_of(one) for one in (assoc, *seen)] == [NAMES, NAMES]


def test_an_association_has_the_names_of_the_docs_in_lockstep() -> None:
    async def scenario(ae: testing.AE) -> None:
        seen: list[object] = []
        handlers = [(evt.EVT_ACCEPTED, lambda event: seen.append(event.assoc))]
        async with ae.start_server(evt_handlers=handlers) as server:
            async with ae.associate("127.0.0.1", server.port) as assoc:
                assert [names_of(one) for one in (assoc, *seen)] == [NAMES, NAMES]

    with testing.Lockstep() as world:
        world.run(scenario(prepared(testing.AE(world))))


def test_blocking_from_associate_to_release() -> None:
    seen: list[object] = []

    def handle(event: evt.Event) -> int:
        seen.append(event.assoc)
        assert event.assoc.is_acceptor
        return 0x0000

    ae = prepared(blocking.AE("ME"))
    with ae.start_server(LOCALHOST, block=False, evt_handlers=[(evt.EVT_C_ECHO, handle)]) as server:
        with ae.associate("127.0.0.1", server.port) as assoc:
            assert assoc.is_established
            assert assoc.is_requestor
            assert not assoc.is_acceptor
            assert assoc.ending is None
            assert assoc.send_c_echo().Status == 0x0000
            assert server.active_associations == seen
            assert isinstance(seen[0], Association)
            assert [context.abstract_syntax for context in assoc.accepted_contexts] == [VERIFICATION]
            assert assoc.rejected_contexts == []
            assert assoc.requestor.ae_title == "ME"
            assert assoc.acceptor.ae_title == "ANY-SCP"
            assert repr(assoc).startswith("<Association with")
        assert assoc.is_released
        assert [assoc.is_aborted, assoc.is_rejected, assoc.is_established] == [False] * 3
        assert assoc.ending is not None


def test_an_application_entity_knows_its_associations_on_either_side() -> None:
    ae = prepared(blocking.AE("ME"))
    with ae.start_server(LOCALHOST, block=False) as server:
        assert server.server_address == server.address
        with ae.associate("127.0.0.1", server.port) as assoc:
            assert set(ae.active_associations) == {assoc, *server.active_associations}
            assert len(ae.active_associations) == 2
        assert assoc not in ae.active_associations
    assert ae.active_associations == []
    del assoc
    gc.collect()
    assert not ae._sessions


def test_blocking_block_with_an_error_aborts() -> None:
    ae = prepared(blocking.AE())
    with ae.start_server(LOCALHOST, block=False) as server:
        assoc = ae.associate("127.0.0.1", server.port)
        with pytest.raises(ZeroDivisionError), assoc:
            raise ZeroDivisionError
        assert assoc.is_aborted


@pytest.mark.parametrize(("limit", "callers"), [(1, ()), (None, ("ME",))], ids=["limit", "policy"])
def test_connections_that_are_rejected_do_not_pile_up(limit: int | None, callers: tuple[str, ...]) -> None:
    ae = prepared(blocking.AE("ME", timeouts=Timeouts(close=60.0)))
    ae.maximum_associations, ae.require_calling_aet = limit, callers
    with ExitStack() as stack:
        server = stack.enter_context(ae.start_server(LOCALHOST, block=False, maximum_pending=2))
        stack.enter_context(ae.associate("127.0.0.1", server.port))
        request = encode_pdu(build_associate_rq("A", "B", [(VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN])]))
        for _ in range(8):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            peer.sendall(request)
            assert peer.recv(100)[:1] == b"\x03"  # A-ASSOCIATE-RJ; the connection is left open
        with server._changed:
            assert server._changed.wait_for(lambda: len(server._threads) <= 1 + 2, 10)


def test_blocking_shutdown_of_all_servers_from_a_handler() -> None:
    ae = prepared(blocking.AE())

    def handle(event: evt.Event) -> int:
        ae.shutdown()
        return 0x0000

    handlers = [(evt.EVT_C_ECHO, handle)]
    server = ae.start_server(LOCALHOST, block=False, evt_handlers=handlers)
    assoc = ae.associate("127.0.0.1", server.port)
    assoc.send_c_echo()  # the association ends after its handler
    with pytest.raises(AssociationAborted):
        assoc.send_c_echo()
    with pytest.raises(ConnectionLost):
        ae.associate("127.0.0.1", server.port)
    server.shutdown()


def test_blocking_server_in_the_callers_thread() -> None:
    ae = prepared(blocking.AE())
    open_now = threading.Event()

    def opened(event: evt.Event) -> None:
        open_now.set()

    def serve() -> None:
        assert ae.start_server(LOCALHOST, evt_handlers=[(evt.EVT_CONN_OPEN, opened)]) is None

    thread = threading.Thread(target=serve)
    thread.start()
    while not ae._servers:
        pass
    (server,) = ae._servers
    with ae.associate("127.0.0.1", server.port) as assoc:
        assert assoc.send_c_echo().Status == 0x0000
    assert open_now.wait(10)
    ae.shutdown()
    thread.join(10)
    assert not thread.is_alive()


def test_blocking_refuses_coroutine_handlers() -> None:
    async def handle(event: evt.Event) -> int:
        return 0x0000

    ae = prepared(blocking.AE())
    with pytest.raises(TypeError, match="coroutine"):
        ae.start_server(LOCALHOST, block=False, evt_handlers=[(evt.EVT_C_ECHO, handle)])


def test_a_server_needs_something_to_serve() -> None:
    for ae in (blocking.AE(), trio_flavour.AE(), anyio_flavour.AE()):
        with pytest.raises(LocalProtocolError):
            ae.start_server(LOCALHOST)


def on_trio(function: Callable[[Any], Any]) -> None:
    trio.run(function, trio_flavour)


def on_anyio_asyncio(function: Callable[[Any], Any]) -> None:
    anyio.run(function, anyio_flavour)


def on_anyio_trio(function: Callable[[Any], Any]) -> None:
    anyio.run(function, anyio_flavour, backend="trio")


runners = pytest.mark.parametrize("run", [on_trio, on_anyio_asyncio, on_anyio_trio])


@runners
def test_awaited_and_entered(run: Callable[[Callable[[Any], Any]], None]) -> None:
    seen: list[object] = []

    async def handle(event: evt.Event) -> int:
        seen.append(event.assoc)
        return 0x0000

    async def scenario(flavour: Any) -> None:
        ae = prepared(flavour.AE("ME"))
        handlers = [(evt.EVT_C_ECHO, handle)]
        async with ae.start_server(LOCALHOST, evt_handlers=handlers) as server:
            async with ae.associate("127.0.0.1", server.port) as assoc:
                assert isinstance(assoc, flavour.Association)
                assert names_of(assoc) == NAMES
                assert (await assoc.send_c_echo()).Status == 0x0000
                assert server.active_associations == seen
                assert [(type(one), names_of(one)) for one in seen] == [(flavour.Association, NAMES)]
            assert assoc.is_released
            assoc = await ae.associate("127.0.0.1", server.port)
            await assoc.release()
            assert assoc.is_released

    run(scenario)


@runners
def test_entered_without_async(run: Callable[[Callable[[Any], Any]], None]) -> None:
    async def scenario(flavour: Any) -> None:
        ae = prepared(flavour.AE("ME"))
        for made in (ae.start_server(LOCALHOST), ae.associate("127.0.0.1", 104)):
            with pytest.raises(TypeError, match="`async with`, not `with`"), made:
                pass

    run(scenario)


@runners
def test_errors_are_never_wrapped(run: Callable[[Callable[[Any], Any]], None]) -> None:
    async def scenario(flavour: Any) -> None:
        ae = prepared(flavour.AE("ME"))
        ae.maximum_associations = 0
        async with ae.start_server(LOCALHOST) as server:
            with pytest.raises(AssociationRejected):
                await ae.associate("127.0.0.1", server.port)
        ae.maximum_associations = 1

        async def failing() -> None:
            async with ae.start_server(LOCALHOST) as server:
                async with ae.associate("127.0.0.1", server.port) as assoc:
                    ended.append(assoc)
                    raise ZeroDivisionError

        ended: list[Any] = []
        with pytest.raises(ZeroDivisionError):
            await failing()
        assert ended[0].is_aborted

    run(scenario)


@runners
def test_serve_forever_until_a_handler_ends_it(run: Callable[[Callable[[Any], Any]], None]) -> None:
    async def scenario(flavour: Any) -> None:
        ae = prepared(flavour.AE("ME"))

        async def handle(event: evt.Event) -> int:
            await server.shutdown()
            return 0x0000

        server = ae.start_server(LOCALHOST, evt_handlers=[(evt.EVT_C_ECHO, handle)])

        async def client() -> None:
            assoc = await ae.associate("127.0.0.1", server.port)
            with pytest.raises(AssociationAborted):
                await assoc.send_c_echo()

        async with flavour.AE.library.open_group() as group:
            group.start_soon(client)
            await server.serve_forever()

    run(scenario)
