"""C-FIND, C-GET and C-MOVE from the trio and the anyio flavour, with DCMTK's dcmqrscp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import evt
from dicomproto_transports import trio as trio_flavour
from tests.backends import MAKE, NAMES, Async
from tests.interop.archives import (
    EXPLICIT,
    PATIENT,
    PATIENT_ROOT,
    Received,
    dcmqrscp,
    held_by,
    holdings,
    keys,
    paths,
    patient,
    provides,
    sop_classes,
)
from tests.interop.programs import LOOPBACK

pytestmark = pytest.mark.dcmtk

SUCCESS, PENDING = 0x0000, 0xFF00


@pytest.fixture(params=NAMES[2:])
def backend(request: pytest.FixtureRequest) -> Async:
    """trio, and anyio on both of its backends."""
    made = MAKE[request.param]()
    assert isinstance(made, Async)
    return made


def entity(backend: Async, title: str) -> Any:
    """Return an AE of a flavour that supports what a patient has."""
    ae = (trio_flavour if backend.name == "trio" else anyio_flavour).AE(title)
    for uid in sop_classes(held_by(PatientID=PATIENT)):
        ae.add_supported_context(uid, EXPLICIT)
    return ae


@pytest.mark.parametrize("service", ["C-FIND", "C-GET", "C-MOVE"])
def test_dcmqrscp_is_asked(service: str, backend: Async, tmp_path: Path) -> None:
    some = held_by(PatientID=PATIENT)
    got = Received()
    stores = [(evt.EVT_C_STORE, got)]
    contexts = [(uid, [EXPLICIT]) for uid in (*PATIENT_ROOT[:3], *sop_classes(some))]
    query = keys("PATIENT", PatientID=PATIENT, PatientName="")

    async def main() -> list[tuple[Any, Dataset | None]]:
        async with entity(backend, "DEST").start_server((LOOPBACK, 0), evt_handlers=stores) as here:
            # Nobody minds yet that this blocks until it listens.
            with dcmqrscp(tmp_path, paths(holdings()), destinations={"DEST": here.port}) as server:
                association = await entity(backend, "REQUESTOR").associate(
                    LOOPBACK,
                    server.port,
                    contexts,
                    ae_title="ARCHIVE",
                    ext_neg=provides(*sop_classes(some)),
                    evt_handlers=stores,
                )
                async with association:
                    if service == "C-FIND":
                        responses = association.send_c_find(query, PATIENT_ROOT.find)
                    elif service == "C-GET":
                        responses = association.send_c_get(patient(), PATIENT_ROOT.get)
                    else:
                        responses = association.send_c_move(patient(), "DEST", PATIENT_ROOT.move)
                    answers = [answer async for answer in responses]
                assert association.is_released
                return answers

    *pending, (final, nothing) = backend.run(main)
    assert (final.Status, nothing) == (SUCCESS, None)
    assert {response.Status for response, _ in pending} == {PENDING}
    if service == "C-FIND":
        assert [match.PatientName for _, match in pending] == [some[0].PatientName]
        assert got.events == []
    else:
        assert final.NumberOfCompletedSuboperations == len(some) == len(pending)
        got.assert_are(some, same_bytes=False)
