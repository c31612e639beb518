"""A program with types in the trio flavour; the types gate reads it, nothing runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CFindRSP, CMoveRQ
from dicomproto.dimse.status import Category, Status
from dicomproto_transports.trio import AE, Association, Responses, StoreOutcome, StoreOutcomes, evt

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
BAD = {Category.FAILURE, Category.CANCEL}


def configure(ae: AE) -> None:
    ae.require_called_aet, ae.maximum_associations = True, None
    ae.require_caled_aet = True  # type: ignore[attr-defined]  # a checker knows the names of the settings


async def find(assoc: Association, query: Dataset) -> list[Dataset]:
    found: list[Dataset] = []
    responses: Responses[CFindRSP]
    async with assoc.send_c_find(query, STUDY_ROOT_FIND) as responses:
        async for response, identifier in responses:
            status: Status = response.Status
            if status.category is Category.PENDING and identifier is not None:
                found.append(identifier)
            elif status.category is Category.FAILURE:
                comment: str | None = response.ErrorComment if "ErrorComment" in response else None
                print(f"{status:04X} {status.meaning} {status.service_class} {comment} {response.keys()}")
            if len(found) == 100 and not responses.is_over:
                await responses.cancel()
    return found


async def send(assoc: Association, paths: list[Path]) -> list[object]:
    outcomes: StoreOutcomes
    async with assoc.store_many(paths) as outcomes:
        first: StoreOutcome = await anext(outcomes)
        print(first.item, first.error)
        return [
            one.item async for one in outcomes if one.response is None or one.response.Status.category in BAD
        ]


async def on_find(event: evt.FindEvent[Association]) -> AsyncIterator[tuple[int, Dataset | None]]:
    assoc: Association = event.assoc
    if (await assoc.send_c_echo()).Status.category is not Category.SUCCESS:
        yield 0xA700, None
    if not event.is_cancelled and event.request.sop_class_uid == STUDY_ROOT_FIND:
        yield 0xFF00, event.identifier


def on_move(event: evt.MoveEvent) -> object:
    request: CMoveRQ = event.request
    print(request.AffectedSOPClassUID, request.MoveDestination, event.assoc.requestor.ae_title)
    return 0xA801, None


async def on_store_stream(event: evt.StoreStreamEvent) -> int:
    size = 0
    async for chunk in event.chunks:
        size += len(chunk)
    return 0x0000 if size else 0xC000


async def on_action(event: evt.NActionEvent) -> tuple[Status, Dataset]:
    event.after_response(report, event.request.sop_instance_uid)
    return Status.SUCCESS, event.action_information


async def report(assoc: Association, uid: str) -> None:
    response, reply = await assoc.send_n_event_report(Dataset(), 1, "1.2.840.10008.1.20.1", uid)
    print(response.Status.meaning, reply)


async def main() -> None:
    ae = AE("TYPED")
    ae.add_requested_context(STUDY_ROOT_FIND)
    handlers: list[evt.Binding] = [
        (evt.EVT_C_FIND, on_find),
        (evt.EVT_C_MOVE, evt.in_thread(on_move)),
        (evt.EVT_C_STORE_STREAM, on_store_stream),
        (evt.EVT_N_ACTION, on_action),
    ]
    async with (
        ae.start_server(("127.0.0.1", 0), evt_handlers=handlers) as server,
        ae.associate("127.0.0.1", server.port) as assoc,
    ):
        query = Dataset()
        print(await find(assoc, query), await send(assoc, [Path("object.dcm")]))
        awaited: Responses[CFindRSP] = await assoc.send_c_find(query, STUDY_ROOT_FIND)
        await awaited.close()
    other: Association = await ae.associate("127.0.0.1", 104)
    await other.abort()
