"""Unified procedure steps and print against pynetdicom: the SOP class of a message is not the context's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from dicomproto.services import keyword_of, uid_of
from dicomproto_transports import (
    PrintManagementPresentationContexts,
    UnifiedProcedurePresentationContexts,
)
from dicomproto_transports.blocking import AE, evt
from tests.interop.programs import peer_server, run

PEER = [sys.executable, str(Path(__file__).with_name("pynetdicom_steps.py"))]
CONTEXTS = UnifiedProcedurePresentationContexts + PrintManagementPresentationContexts
STEP, PULL, META, FILM_BOX = (
    uid_of(keyword) or ""
    for keyword in (
        "UnifiedProcedureStepPush",
        "UnifiedProcedureStepPull",
        "BasicGrayscalePrintManagementMeta",
        "BasicFilmBox",
    )
)


def test_pynetdicom_as_user() -> None:
    seen = []

    def pair(event: evt.Event) -> tuple[int, None]:
        seen.append((event.request.name, keyword_of(event.context.abstract_syntax), bool(event.warnings)))
        return 0x0000, None

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        pair(event)
        yield 0xFF00, event.identifier

    ae = AE()
    ae.supported_contexts = CONTEXTS
    kinds = (evt.EVT_N_CREATE, evt.EVT_N_SET, evt.EVT_N_GET, evt.EVT_N_ACTION)
    handlers = [*((kind, pair) for kind in kinds), (evt.EVT_C_FIND, find), (evt.EVT_N_DELETE, lambda e: 0)]
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        done = run([*PEER, str(server.port)])
        for _ in range(4):
            # Its own thread may take a response that comes at once away from the call that waits for it.
            if "Received unexpected" in done.errors:
                seen.clear()
                done = run([*PEER, str(server.port)])
    assert done.status == 0, done.errors
    statuses = json.loads(done.output)
    # It may say so only for what its context has: the box for colors is no member of the grayscale class.
    assert statuses.pop("color box") == 0x0122
    assert set(statuses.values()) == {0x0000}
    # pynetdicom sends whatever names the Push class on the first context that it finds, a liberty.
    assert seen == [
        ("N-CREATE-RQ", "UnifiedProcedureStepPush", False),
        ("N-SET-RQ", "UnifiedProcedureStepPush", True),
        ("N-GET-RQ", "UnifiedProcedureStepPush", False),
        ("N-ACTION-RQ", "UnifiedProcedureStepPush", True),  # to change a state belongs on Pull
        ("C-FIND-RQ", "UnifiedProcedureStepPush", True),
        ("C-FIND-RQ", "UnifiedProcedureStepPull", False),
        ("N-CREATE-RQ", "BasicGrayscalePrintManagementMeta", False),
    ]


def test_pynetdicom_as_provider(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.PatientID = "1"
    on_another, on_its_own = 0x0000, 0x0001  # what its handler answers
    with (
        peer_server(lambda port: [*PEER, "serve", str(port)], tmp_path) as server,
        AE().associate("127.0.0.1", server.port, contexts=CONTEXTS) as assoc,
    ):
        assert assoc.send_n_create(dataset, STEP, "1.2.3")[0].Status == on_its_own
        assert assoc.send_n_set(dataset, STEP, "1.2.3")[0].Status == on_another
        assert assoc.send_n_get(["PatientID"], PULL, "1.2.3")[0].Status == on_its_own
        assert assoc.send_n_create(dataset, FILM_BOX, "1.2.3", meta_uid=META)[0].Status == on_another
        response, _ = assoc.send_n_create(dataset, FILM_BOX, "1.2.3")
        assert response.Status == on_its_own
        found = list(assoc.send_c_find(dataset, STEP))
        assert [int(response.Status) for response, _ in found] == [0xFF00, 0x0000]
        assert found[0][1] == dataset
