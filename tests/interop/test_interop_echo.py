"""C-ECHO, in both directions, with every pair of tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.associations import associate
from tests.backends import MAKE, NAMES
from tests.interop.programs import (
    LOOPBACK,
    OURS,
    dcmtk,
    dcmtk_storescp,
    our_server,
    pynetdicom_server,
    run,
)
from tests.interop.proxy import Proxy
from tests.interop.requestors import pynetdicom_requestor
from tests.ports import free_port

UNLIMITED = 0
MAX_PDUS = [4096, 16384, 131072, UNLIMITED]
REQUESTS = 3


def succeeds(port: int, max_pdu: int) -> None:
    """Assert that our echoscu gets its answers at `port`."""
    done = run(
        [*OURS, "echoscu", "--json", "--repeat", str(REQUESTS), "-pdu", str(max_pdu), LOOPBACK, str(port)]
    )
    assert done.status == 0, done.everything
    assert done.event("summary") == {
        "event": "summary", "asked": REQUESTS, "succeeded": REQUESTS, "ok": True
    }  # fmt: skip
    assert [event["status"] for event in done.events if event["event"] == "echo"] == [0] * REQUESTS
    assert done.errors == ""


@pytest.mark.dcmtk
@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072])
def test_ours_to_dcmtk_storescp(max_pdu: int, tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path, "-pdu", str(max_pdu)) as server:
        succeeds(server.port, max_pdu)


@pytest.mark.parametrize("max_pdu", MAX_PDUS)
@pytest.mark.parametrize("tool", ["echoscp", "storescp"])
def test_ours_to_pynetdicom(tool: str, max_pdu: int, tmp_path: Path) -> None:
    with pynetdicom_server(tool, tmp_path, "-pdu", str(max_pdu)) as server:
        succeeds(server.port, max_pdu)


@pytest.mark.dcmtk
@pytest.mark.parametrize("max_pdu", MAX_PDUS)
@pytest.mark.parametrize("ours", ["echoscp", "storescp"])
def test_dcmtk_to_ours(ours: str, max_pdu: int, tmp_path: Path) -> None:
    theirs = ["-pdu", str(max_pdu)] if max_pdu else []
    with our_server(ours, "-pdu", str(max_pdu), folder=tmp_path) as server:
        many = ["--repeat", str(REQUESTS), "--propose-ts", "38", "--propose-pc", "128"]
        done = run([*dcmtk("echoscu"), "-v", *many, *theirs, LOOPBACK, str(server.port)])
        ended = server.stop()
    assert done.status == 0, done.everything
    assert done.errors.count("Received Echo Response (Success)") == REQUESTS
    assert (ended.status, ended.errors) == (0, "")


@pytest.mark.parametrize("max_pdu", MAX_PDUS)
@pytest.mark.parametrize("ours", ["echoscp", "storescp"])
def test_pynetdicom_to_ours(ours: str, max_pdu: int, tmp_path: Path) -> None:
    many = ["--repeat", str(REQUESTS), "-pdu", str(max_pdu)]
    with our_server(ours, "-pdu", str(max_pdu), folder=tmp_path) as server, Proxy(server.port) as proxy:
        done = pynetdicom_requestor("echoscu", "-v", *many, LOOPBACK, str(proxy.port))
        ended = server.stop()
    assert done.status == 0, done.everything
    assert done.errors.count("Received Echo Response (Status: 0x0000 - Success)") == REQUESTS
    assert (ended.status, ended.errors) == (0, "")
    assert all(recording.is_answered() for recording in proxy.recordings)


@pytest.mark.dcmtk
@pytest.mark.parametrize("flavour", NAMES[1:])
def test_many_associations_in_a_row_from_one_source_port(flavour: str, tmp_path: Path) -> None:
    """DCMTK's acceptor waits for the requestor to close first, which would hold the port (TIME_WAIT)."""
    backend = MAKE[flavour]()

    async def main(port: int, here: tuple[str, int]) -> None:
        for _ in range(4):
            async with await associate(backend, port, bind_address=here) as assoc:
                assert (await assoc.send_c_echo()).Status == 0
            assert assoc.is_released

    with dcmtk_storescp(tmp_path) as server:
        backend.run(main, server.port, (LOOPBACK, free_port()))
