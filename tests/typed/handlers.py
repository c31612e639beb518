"""Handlers of each kind of event, with types: what checks, and what must not; the types gate reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, assert_type

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from dicomproto.dimse.commands import CEchoRQ, CEchoRSP, CFindRQ, CGetRQ, CStoreRQ, Request
from dicomproto.negotiation import AcceptedContext
from dicomproto_transports import anyio, blocking, evt, trio
from dicomproto_transports.evt import AnyAssociation, Binding, EventKind

# --- what an event has --------------------------------------------------------------------------


def on_echo(event: evt.EchoEvent) -> int:
    assert_type(event.assoc, AnyAssociation)
    request: CEchoRQ = event.request
    context: AcceptedContext = event.context  # its UIDs are pydicom's
    print(request.MessageID, context.service_class_uid)
    print(event.identifier)  # type: ignore[attr-defined]
    print(event.assoc.send_c_ehco())  # type: ignore[attr-defined]
    print(event.assoc.requestor.ae_title, event.assoc.accepted_contexts[0].abstract_syntax)
    return 0x0000


def on_store(event: evt.StoreEvent) -> int:
    request: CStoreRQ = event.request
    print(request.Priority)
    assert_type(event.request.AffectedSOPInstanceUID, UID)
    assert_type(event.dataset, Dataset)
    assert_type(event.file_meta, FileMetaDataset)
    assert_type(event.encoded_dataset(), bytes)
    print(event.request.MoveDestination)  # type: ignore[attr-defined]
    print(event.chunks)  # type: ignore[attr-defined]
    return 0x0000


def on_store_stream(event: evt.StoreStreamEvent) -> int:
    if event.request.AffectedSOPInstanceUID.startswith("2.25."):
        event.refuse(0xA700, "elsewhere")
    print(event.dataset)  # type: ignore[attr-defined]
    return sum(map(len, event.chunks)) and 0x0000


def on_find(event: evt.FindEvent) -> Iterator[tuple[int, Dataset | None]]:
    request: CFindRQ = event.request
    print(request.Priority)
    yield 0xFF00, event.identifier


def on_get(event: evt.IdentifierEvent) -> Iterator[object]:
    assert_type(event.request, Request)
    yield from (0, event.identifier, event.is_cancelled)


def on_n_get(event: evt.NGetEvent, values: Dataset) -> tuple[int, Dataset]:
    assert_type(event.attribute_identifiers, list[int])
    return 0x0000, values


def on_request(event: evt.RequestEvent) -> int:
    return event.message_id


def on_requested(event: evt.RequestedEvent) -> None:
    if event.associate_request.user_identity is None:
        event.reject(1, 2, 1)


def on_connection(event: evt.TransportEvent) -> None:
    print(event.address)
    print(event.message)  # type: ignore[attr-defined]


def on_message(event: evt.DIMSEEvent) -> None:
    assert_type(event.message, evt.Message)


def on_anything(event: evt.Event) -> None:
    assert_type(event.assoc, AnyAssociation)
    print(event.event.name, event.timestamp)
    print(event.request)  # type: ignore[attr-defined]


def on_move(event: Any) -> object:
    return 0xA801, event.move_destination


class Counter:
    """A handler that is an object."""

    count = 0

    def __call__(self, event: evt.UserIdentityEvent, most: int = 1) -> bool:
        self.count += 1
        return self.count < most and event.user_id_type == 1


# --- whose association it is --------------------------------------------------------------------


def in_blocking(event: evt.EchoEvent[blocking.Association]) -> int:
    assert_type(event.assoc.send_c_echo(), CEchoRSP)
    return 0x0000


async def in_trio(event: evt.EchoEvent[trio.Association]) -> int:
    assert_type(await event.assoc.send_c_echo(), CEchoRSP)
    print(event.assoc.send_c_echo().Status)  # type: ignore[attr-defined]
    return 0x0000


async def in_anyio(event: evt.GetEvent[anyio.Association]) -> int:
    request: CGetRQ = event.request
    print(request.Priority)
    assert_type(await event.assoc.send_c_echo(), CEchoRSP)
    return 0x0000


def associations(one: blocking.Association, two: trio.Association, three: anyio.Association) -> None:
    agreed: list[AnyAssociation] = [one, two, three]
    print([association.requestor.ae_title for association in agreed])


# --- what is bound to what ----------------------------------------------------------------------

good: list[Binding] = [
    (evt.EVT_C_ECHO, on_echo),
    (evt.EVT_C_STORE, on_store),
    (evt.EVT_C_STORE_STREAM, on_store_stream),
    (evt.EVT_C_FIND, on_find),
    (evt.EVT_C_FIND, evt.in_thread(on_find)),
    (evt.EVT_C_GET, on_get),
    (evt.EVT_C_MOVE, on_move),
    (evt.EVT_N_GET, on_n_get, [Dataset()]),
    (evt.EVT_REQUESTED, on_requested),
    (evt.EVT_C_ECHO, in_blocking),
    (evt.EVT_C_ECHO, in_trio),
    (evt.EVT_C_GET, in_anyio),
    (evt.EVT_N_SET, on_request),
    (evt.EVT_CONN_OPEN, on_anything),
    (evt.EVT_CONN_OPEN, on_connection),
    (evt.EVT_DIMSE_SENT, on_message),
    (evt.EVT_ABORTED, lambda event: print(event.assoc.ending)),
    (evt.EVT_PDU_SENT, print),
    (evt.EVT_USER_ID, Counter()),
    (evt.EVT_USER_ID, Counter(), (9,)),
]

bad: Binding
bad = (evt.EVT_C_STORE, on_find)  # type: ignore[assignment]
bad = (evt.EVT_C_STORE, on_store_stream)  # type: ignore[assignment]
bad = (evt.EVT_C_FIND, on_echo)  # type: ignore[assignment]
bad = (evt.EVT_C_MOVE, in_anyio)  # type: ignore[assignment]
bad = (evt.EVT_C_GET, evt.in_thread(on_find))  # type: ignore[assignment]
bad = (evt.EVT_CONN_OPEN, on_request)  # type: ignore[assignment]
bad = (evt.EVT_DIMSE_RECV, on_connection)  # type: ignore[assignment]
bad = (evt.EVT_N_GET, on_n_get)  # type: ignore[assignment]
bad = (evt.EVT_N_SET, on_n_get, [Dataset()])  # type: ignore[assignment]
bad = (evt.EVT_C_ECHO, 0x0000)  # type: ignore[assignment]


def serve(ae: blocking.AE) -> None:
    alike = [(evt.EVT_ACCEPTED, on_anything), (evt.EVT_RELEASED, on_anything)]
    mixed: list[Binding] = [*good, *alike]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=mixed)
    ae.associate("127.0.0.1", server.port, evt_handlers=[(evt.EVT_C_ECHO, on_store)])  # type: ignore[list-item]
    server.bind(evt.EVT_C_STORE, on_store)
    server.bind(evt.EVT_N_GET, on_n_get, [Dataset()])
    server.bind(evt.EVT_C_STORE, on_find)  # type: ignore[arg-type]
    with ae.associate("127.0.0.1", server.port, evt_handlers=alike) as assoc:
        assoc.bind(evt.EVT_C_STORE, evt.in_thread(on_store))
        assoc.bind(evt.EVT_C_ECHO, on_store)  # type: ignore[arg-type]
        assoc.unbind(evt.EVT_C_STORE, on_store)


def active_associations(entities: tuple[blocking.AE, trio.AE, anyio.AE]) -> None:
    for ae in entities:
        assert_type(ae.active_associations, list[AnyAssociation])
        assert_type([one.requestor.ae_title for one in ae.active_associations], list[str])
    blocking_server = entities[0].start_server(("127.0.0.1", 0), block=False)
    assert_type(blocking_server.active_associations, list[AnyAssociation])
    assert_type(entities[1].start_server(("127.0.0.1", 0)).active_associations, list[AnyAssociation])
    print(entities[2].active_associations[0].requester)  # type: ignore[attr-defined]


def kinds(
    kind: EventKind, of_requests: EventKind[evt.RequestEvent], name: Callable[[], Awaitable[int]]
) -> None:
    print(kind.name, kind.is_intervention, name)
    kinds(evt.EVT_C_ECHO, evt.EVT_C_STORE, name)
    kinds(evt.EVT_PDU_SENT, evt.EVT_PDU_SENT, name)  # type: ignore[arg-type]
    print(evt.EVT_C_STOER)  # type: ignore[attr-defined]
