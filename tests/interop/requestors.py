"""The peers' requestors: how they are run, and what storescu says of the files that it did not send."""

from __future__ import annotations

import re
from pathlib import Path

from .catalogue import FOLDERS, by_transfer_syntax, files, name_of, objects
from .programs import LOOPBACK, PYNETDICOM, Done, dcmtk, run

# Each proposes its transfer syntax (PS3.6 Table A-1) first, the uncompressed ones after it.
DCMTK_OPTIONS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}


_LOST_ANSWER = "DIMSE timeout reached while waiting for message response"
_ATTEMPTS = 5


def pynetdicom_requestor(tool: str, *arguments: str | Path) -> Done:
    """Run one of pynetdicom's requestors, again when it loses an answer.

    It waits for an answer in one thread while another, which should be paused, may still take it from
    the queue (`Association._run_reactor`). On a busy machine that happens once in some 2000 messages;
    whether the answer was given is seen in what a proxy recorded.
    """
    for _ in range(_ATTEMPTS):
        done = run([*PYNETDICOM, tool, "-td", "5", *arguments])
        if _LOST_ANSWER not in done.errors:
            return done
    raise AssertionError(f"no answer in {_ATTEMPTS} attempts: {done.everything}")


class Reports:
    """What a run of a peer's storescu said: the files that were stored, in order, and why others were not."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.unsent: dict[str, str] = {}

    def read(self, done: Done, missing: re.Pattern[str], failed: re.Pattern[str]) -> None:
        """Read the log of a run.

        `missing` finds a file that was not even tried, `failed` the message about one that was.
        """
        assert done.status == 0, done.everything
        name, trouble = "", ""
        for line in done.errors.splitlines():
            if match := missing.match(line):
                reason = match["reason"]
                self.unsent[name_of(match["path"])] = f"{trouble}; {reason}" if trouble else reason
                trouble = ""
            elif match := re.match(r"I: Sending file: (.*)", line):
                name, trouble = name_of(match[1]), ""
            elif name and re.match(r"I: Received Store Response \(.*Success\)", line):
                self.stored.append(name)
            elif name and (match := failed.match(line)) and (reason := match["reason"]):
                told = self.unsent.get(name, "")
                if reason not in told:
                    self.unsent[name] = f"{told}; {reason}" if told else reason
            else:
                trouble = line.removeprefix("E: ") if line.startswith("E: ") else ""


def dcmtk_storescu(port: int, *options: str) -> Reports:
    """Send all files, each group of a transfer syntax with the option that proposes it."""
    reports = Reports()
    groups: dict[str, list[Path]] = {
        syntax: [one.path for one in members] for syntax, members in by_transfer_syntax(objects()).items()
    }
    known = {one.path for one in objects()}
    groups["1.2.840.10008.1.2.1"] += [path for path in files() if path not in known]
    for syntax, paths in groups.items():
        command = [*dcmtk("storescu"), "-v", "-R", "-nh", DCMTK_OPTIONS[syntax], *options]
        reports.read(
            run([*command, LOOPBACK, str(port), *paths]),
            missing=re.compile(r"W: (?P<reason>missing .*) in file: (?P<path>.*), ignoring file"),
            failed=re.compile(r"E: (?!Store Failed)(?P<reason>.*)"),
        )
    return reports


def pynetdicom_storescu(port: int, *options: str) -> Reports:
    """Send all files, those of each folder on one association."""
    reports = Reports()
    for folder in FOLDERS:
        reports.read(
            pynetdicom_requestor("storescu", "-v", "-cx", "-r", *options, LOOPBACK, str(port), folder),
            missing=re.compile(r"E: (?P<reason>Bad DICOM file|Unknown SOP .*): (?P<path>/.*)"),
            failed=re.compile(r"E: (?!Store failed)(?P<reason>.*)"),
        )
    return reports
