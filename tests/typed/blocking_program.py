"""A program with types in the blocking flavour; the types gate reads it, nothing runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CFindRSP, CMoveRQ
from dicomproto.dimse.status import Category, Status
from dicomproto_transports.blocking import AE, Association, Iterating, Responses, StoreOutcome, evt

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
BAD = {Category.FAILURE, Category.CANCEL}


def configure(ae: AE) -> None:
    ae.require_called_aet, ae.maximum_associations = True, None
    ae.require_caled_aet = True  # type: ignore[attr-defined]  # a checker knows the names of the settings


def find(assoc: Association, query: Dataset) -> list[Dataset]:
    found: list[Dataset] = []
    responses: Responses[CFindRSP]
    with assoc.send_c_find(query, STUDY_ROOT_FIND) as responses:
        for response, identifier in responses:
            status: Status = response.Status
            if status.category is Category.PENDING and identifier is not None:
                found.append(identifier)
            elif status.category is Category.FAILURE:
                comment: str | None = response.ErrorComment if "ErrorComment" in response else None
                print(f"{status:04X} {status.meaning} {status.service_class} {comment} {response.keys()}")
            if len(found) == 100 and not responses.is_over:
                responses.cancel()
    return found


def send(assoc: Association, paths: list[Path]) -> list[object]:
    outcomes: Iterating[StoreOutcome]
    with assoc.store_many(paths) as outcomes:
        return [one.item for one in outcomes if one.response is None or one.response.Status.category in BAD]


def on_find(event: evt.FindEvent[Association]) -> Iterator[tuple[int, Dataset | None]]:
    assoc: Association = event.assoc
    if assoc.send_c_echo().Status.category is not Category.SUCCESS:
        yield 0xA700, None
    if not event.is_cancelled and event.request.sop_class_uid == STUDY_ROOT_FIND:
        yield 0xFF00, event.identifier


def on_move(event: evt.MoveEvent) -> object:
    request: CMoveRQ = event.request
    print(request.AffectedSOPClassUID, request.MoveDestination, event.assoc.requestor.ae_title)
    return 0xA801, None


def on_store_stream(event: evt.StoreStreamEvent) -> int:
    size = 0
    for chunk in event.chunks:
        size += len(chunk)
    return 0x0000 if size else 0xC000


def on_action(event: evt.NActionEvent) -> tuple[Status, Dataset]:
    event.after_response(report, event.request.sop_instance_uid)
    return Status.SUCCESS, event.action_information


def report(assoc: Association, uid: str) -> None:
    response, reply = assoc.send_n_event_report(Dataset(), 1, "1.2.840.10008.1.20.1", uid)
    print(response.Status.meaning, reply)


def main() -> None:
    ae = AE("TYPED")
    ae.add_requested_context(STUDY_ROOT_FIND)
    handlers: list[evt.Binding] = [
        (evt.EVT_C_FIND, on_find),
        (evt.EVT_C_MOVE, on_move),
        (evt.EVT_C_STORE_STREAM, on_store_stream),
        (evt.EVT_N_ACTION, on_action),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    with ae.associate("127.0.0.1", server.port) as assoc:
        query = Dataset()
        print(find(assoc, query), send(assoc, [Path("object.dcm")]))
        attributes, values = assoc.send_n_get(["PatientName", 0x00100020, (0x0010, 0x0030)], "1.2", "1.3")
        print(attributes.Status.meaning, values)
    server.shutdown()
