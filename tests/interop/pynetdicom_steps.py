"""pynetdicom as user and provider of unified procedure steps and print: `PORT` calls, `serve PORT` serves.

A user proposes all contexts of both services. What it prints is one line of JSON: a name and the
status of each response.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pynetdicom import (
    AE,
    PrintManagementPresentationContexts,
    UnifiedProcedurePresentationContexts,
    evt,
)
from pynetdicom.sop_class import (
    BasicColorImageBox,
    BasicFilmBox,
    BasicGrayscalePrintManagementMeta,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
)

CONTEXTS = UnifiedProcedurePresentationContexts + PrintManagementPresentationContexts
STEP, META = UnifiedProcedureStepPush, BasicGrayscalePrintManagementMeta


def call(port: int) -> None:
    """Ask for this and that on one association."""
    entity, dataset = AE(), Dataset()
    entity.requested_contexts, entity.dimse_timeout = CONTEXTS, 10
    dataset.PatientID = "1"
    association = entity.associate("127.0.0.1", port)
    assert association.is_established
    statuses = {
        "create": association.send_n_create(dataset, STEP, "1.2.3")[0],
        "set": association.send_n_set(dataset, STEP, "1.2.3")[0],
        "get": association.send_n_get([0x00100020], STEP, "1.2.3")[0],
        "action": association.send_n_action(dataset, 1, STEP, "1.2.3")[0],
        "find": [status for status, _ in association.send_c_find(dataset, STEP)][-1],
        "find pull": [s for s, _ in association.send_c_find(dataset, UnifiedProcedureStepPull)][-1],
        "film box": association.send_n_create(dataset, BasicFilmBox, "1.2.3", meta_uid=META)[0],
        "color box": association.send_n_set(dataset, BasicColorImageBox, "1.2.3", meta_uid=META)[0],
        "delete": association.send_n_delete(BasicFilmBox, "1.2.3"),
    }
    association.release()
    print(json.dumps({name: status.Status for name, status in statuses.items()}))


def pair(event: evt.Event) -> tuple[int, None]:
    """Answer what SOP class the request names and which context it came on, as far as a status can."""
    named = getattr(event.request, "RequestedSOPClassUID", None) or event.request.AffectedSOPClassUID
    return 0x0000 if named != event.context.abstract_syntax else 0x0001, None


def find(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
    """Find what was asked for."""
    yield 0xFF00, event.identifier


def serve(port: int) -> None:
    """Serve until killed."""
    entity = AE()
    entity.supported_contexts = CONTEXTS
    kinds = (evt.EVT_N_CREATE, evt.EVT_N_SET, evt.EVT_N_GET, evt.EVT_N_ACTION)
    handlers = [*((kind, pair) for kind in kinds), (evt.EVT_C_FIND, find)]
    entity.start_server(("127.0.0.1", port), evt_handlers=handlers)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    *what, port = sys.argv[1:]
    (serve if what else call)(int(port))
