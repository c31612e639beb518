"""The examples of pynetdicom's documents, each in all situations, with pynetdicom and with the drop-in.

`python tests/pynetdicom/blocks/table.py` runs all with both packages and prints where they differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trustme
from pydicom import dcmread

HERE = Path(__file__).parent
sys.path.append(str(HERE))

import peers  # noqa: E402
import programs  # noqa: E402

OWN = HERE.parent / "programs"
RECORDED = {False: HERE / "outcomes.json", True: OWN / "outcomes.json"}
"""What pynetdicom does with the examples of its documents, and with our own programs."""
COMPARED = ("exit", "waits", "output", "error", "wire", "files")
WORKERS = 4
DROP_IN = "dicomproto_transports.pynetdicom"


def data_folder(folder: Path) -> None:
    """Write the files that the programs read."""
    spec = find_spec("pynetdicom")
    assert spec is not None
    assert spec.submodule_search_locations
    ct = Path(spec.submodule_search_locations[0]) / "tests" / "dicom_files" / "CTImageStorage.dcm"
    shutil.copy(ct, folder / "CT.dcm")
    (folder / "instances").mkdir()
    instance = dcmread(ct)
    instance.PatientName, instance.PatientID = "CITIZEN^Jan", "1234567"
    instance.save_as(folder / "instances" / "1.dcm")
    authority = trustme.CA()
    for name in ("server", "client"):
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        chain = certificate.cert_chain_pems[0].bytes() + authority.cert_pem.bytes()
        (folder / f"{name}.crt").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(certificate.private_key_pem.bytes())


def run(jobs: Sequence[dict[str, Any]], package: str) -> dict[str, Any]:
    """Run programs in parallel; return the outcome of each by its name and situation."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="blocks-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "data").mkdir()
        data_folder(folder / "data")
        processes = []
        for number in range(WORKERS):
            (folder / f"jobs{number}").write_text(json.dumps(jobs[number::WORKERS]))
            arguments = [package, folder / f"jobs{number}", folder / f"results{number}", folder / "data"]
            with (folder / f"output{number}").open("wb") as output:
                command = [sys.executable, "-W", "ignore", str(HERE / "lab.py"), *map(str, arguments)]
                processes.append(
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
                )
        for number, process in enumerate(processes):
            if process.wait(900):
                raise RuntimeError((folder / f"output{number}").read_text()[-2000:])
            for line in (folder / f"results{number}").read_text().splitlines():
                outcome = json.loads(line)
                found[f"{outcome.pop('name')} {outcome.pop('situation')}"] = outcome
    return found


def jobs(names: Sequence[str] = (), *, own: bool = False) -> list[dict[str, Any]]:
    """Return each program in each situation: the examples of pynetdicom's documents, or our own programs."""
    todo = programs.own(OWN) if own else programs.programs()
    more = (peers.TOOLS,) if own else ()
    return [
        {**program._asdict(), "own": own, "situation": situation}
        for program in todo
        for situation in peers.SITUATIONS[program.kind] + (more if program.kind == "server" else ())
        if not names or any(part in f"{program.name} {situation}" for part in names)
    ]


def key(job: dict[str, Any]) -> str:
    """Return the name of a job in the table."""
    return f"{job['name']} {job['situation']}"


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return which of exit, output, error, wire and files differ."""
    return [part for part in COMPARED if ours[part] != theirs[part]]


def short(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome as the table has it: what a person reads, and a digest of all."""
    whole = json.dumps([outcome[part] for part in COMPARED], sort_keys=True)
    return {
        "exit": outcome["exit"],
        "waits": outcome["waits"],
        "output": outcome["output"][:3],
        "error": outcome["error"],
        "wire": [line[0] for line in outcome["wire"]],
        "digest": hashlib.sha256(whole.encode()).hexdigest()[:16],
    }


def differing(*, own: bool = False, expected: Iterable[str] = ()) -> list[str]:
    """Run all with the drop-in; return lines on what differs from pynetdicom, but for what is expected to."""
    recorded = json.loads(RECORDED[own].read_text(encoding="utf-8"))
    todo = jobs(own=own)
    ours = run(todo, DROP_IN)
    suspects = [job for job in todo if short(ours[key(job)]) != recorded[key(job)]]
    assert {key(job) for job in suspects} >= set(expected)
    # A busy machine changes the order of what happens at once: what differs runs again, beside pynetdicom.
    suspects = [job for job in suspects if key(job) not in expected]
    theirs: dict[str, Any] = {}
    for _ in range(2):
        ours, theirs = run(suspects, DROP_IN), run(suspects, "pynetdicom")
        suspects = [job for job in suspects if differences(ours[key(job)], theirs[key(job)])]
    return [line for job in suspects for line in lines_on(key(job), ours[key(job)], theirs[key(job)])]


def lines_on(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return what a person reads about two outcomes that differ."""
    return [
        f"{name}: {part}\n  pynetdicom: {theirs[part]}\n  drop-in:    {ours[part]}"
        for part in differences(ours, theirs)
    ]


def outdated(*, own: bool = False) -> list[str]:
    """Return the programs that do something else with pynetdicom than is recorded, three times."""
    recorded = json.loads(RECORDED[own].read_text(encoding="utf-8"))
    todo = jobs(own=own)
    for _ in range(3):
        theirs = run(todo, "pynetdicom")
        todo = [job for job in todo if short(theirs[key(job)]) != recorded[key(job)]]
    return [key(job) for job in todo]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--own", action="store_true", help="our own programs, not those of the documents")
    parser.add_argument("--write", action="store_true", help="write what pynetdicom does to outcomes.json")
    parser.add_argument("--save", type=Path, help="write all outcomes of both")
    parser.add_argument("names", nargs="*", help="parts of names; all by default")
    chosen = parser.parse_args()
    todo, file = jobs(chosen.names, own=chosen.own), RECORDED[chosen.own]
    theirs = run(todo, "pynetdicom")
    if chosen.write:
        # What pynetdicom does not do twice is no outcome.
        again = run(todo, "pynetdicom")
        for name in theirs:
            for part in differences(again[name], theirs[name]):
                print(f"{name}: {part} is not the same twice\n  {theirs[name][part]}\n  {again[name][part]}")
        recorded = json.loads(file.read_text()) if file.exists() else {}
        recorded |= {name: short(outcome) for name, outcome in theirs.items()}
        file.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    ours = run(todo, DROP_IN)
    if chosen.save:
        chosen.save.write_text(json.dumps({"theirs": theirs, "ours": ours}, indent=1))
    for name, outcome in theirs.items():
        for line in lines_on(name, ours[name], outcome):
            print(line)
    print(len(todo), "runs")


if __name__ == "__main__":
    main()
