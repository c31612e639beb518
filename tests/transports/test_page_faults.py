"""Objects of the usual sizes go through memory that the process has: the kernel need not clear more pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.objects import data_sets, write_file

SIZE, WARM_UP, COUNT = 525_000, 20, 40
MOST_FAULTS = 2

# Both sides in one process; it prints the page faults of an object.
PROGRAM = """
import resource, sys

flavour, path, warm_up, count, kind = sys.argv[1:]
library = {"trio": "trio", "anyio": "anyio"}.get(flavour)
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
OBJECTS = int(warm_up), int(count)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def tell(before):
    print((faults() - before) / OBJECTS[1])

def whole(event):
    assert len(event.data) > 500_000
    return 0

def streamed(event):
    assert sum(map(len, event.chunks)) > 500_000
    return 0

async def streamed_async(event):
    assert sum([len(chunk) async for chunk in event.chunks]) > 500_000
    return 0

def entity(AE):
    ae = AE("FAULTS")
    ae.maximum_pdu_size = 131_072
    ae.add_supported_context(CT, EXPLICIT)
    ae.add_requested_context(CT, EXPLICIT)
    return ae

def handlers(evt, streamed):
    return [(evt.EVT_C_STORE, whole)] if kind == "whole" else [(evt.EVT_C_STORE_STREAM, streamed)]

async def main():
    if flavour == "trio":
        from dicomproto_transports.trio import AE, evt
    else:
        from dicomproto_transports.anyio import AE, evt
    ae = entity(AE)
    async with ae.start_server(("127.0.0.1", 0), evt_handlers=handlers(evt, streamed_async)) as server:
        async with ae.associate("127.0.0.1", server.port) as assoc:
            for objects in OBJECTS:
                before = faults()
                for _ in range(objects):
                    assert (await assoc.send_c_store(path)).Status == 0
            tell(before)

if library is None:
    from dicomproto_transports.blocking import AE, evt
    ae = entity(AE)
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers(evt, streamed)) as server:
        with ae.associate("127.0.0.1", server.port) as assoc:
            for objects in OBJECTS:
                before = faults()
                for _ in range(objects):
                    assert assoc.send_c_store(path).Status == 0
            tell(before)
else:
    __import__(library).run(main)
"""


@pytest.mark.parametrize("kind", ["whole", "streamed"])
@pytest.mark.parametrize("flavour", ["blocking", "trio", "anyio"])
def test_an_object_causes_no_page_faults(flavour: str, kind: str, tmp_path: Path) -> None:
    (content,) = data_sets(["1.2.3.1"], SIZE, 25)
    write_file(tmp_path / "object.dcm", "1.2.3.1", content)
    words = [flavour, str(tmp_path / "object.dcm"), str(WARM_UP), str(COUNT), kind]
    command = [sys.executable, "-c", PROGRAM, *words]
    program = subprocess.run(command, capture_output=True, text=True, check=False)
    assert program.returncode == 0, program.stderr
    assert float(program.stdout) <= MOST_FAULTS
