"""Send every DICOM object of pydicom's test files through `storescu` to `storescp`.

Both are command line applications, each in its own process, connected over the loopback
interface. Afterwards the written data sets are compared with the sent ones, byte
for byte. The exit status is 0 only if every object arrived. Two of the files are truncated on purpose;
the programs send and keep them only with an option.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pydicom

APPLICATION = [sys.executable, "-m", "dicomproto_transports.apps"]
QUIET = ["-ll", "error"]  # odd files give warnings
TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


@dataclass
class Object:
    """A DICOM object in a file."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data_set: bytes

    @classmethod
    def read(cls, path: Path) -> Object | None:
        """Read a Part 10 file; None if it is not one, or lacks attributes that C-STORE needs."""
        content = path.read_bytes()
        if content[128:132] != b"DICM":
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = pydicom.dcmread(path, stop_before_pixels=True)
        syntax = head.file_meta.get("TransferSyntaxUID")
        if not (syntax and head.get("SOPClassUID") and head.get("SOPInstanceUID")):
            return None
        data_set = content[data_set_offset(content) :]
        return cls(path, head.SOPClassUID.name, head.SOPInstanceUID, syntax.name, data_set)


def data_set_offset(content: bytes) -> int:
    """Walk over the elements of group 0002 (always Explicit VR Little Endian, PS3.10 7.1)."""
    offset = 132
    while content[offset : offset + 2] == b"\x02\x00":
        if content[offset + 4 : offset + 6] in (b"OB", b"UN"):
            offset += 12 + int.from_bytes(content[offset + 8 : offset + 12], "little")
        else:
            offset += 8 + int.from_bytes(content[offset + 6 : offset + 8], "little")
    return offset


def transfer(objects: list[Object], directory: Path) -> dict[str, object]:
    """Send the files to a `storescp` that writes to `directory`; return the summary of `storescu`."""
    receiver = subprocess.Popen(
        [
            *APPLICATION,
            "storescp",
            "--accept-truncated",
            *QUIET,
            "-ba",
            "127.0.0.1",
            "-od",
            str(directory),
            "0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdout is not None
    with receiver:
        try:
            port = receiver.stdout.readline().split()[-1]  # "listening on 127.0.0.1, port 40123"
            paths = [str(one.path) for one in objects]
            sender = subprocess.run(
                [*APPLICATION, "storescu", "--send-truncated", "--json", *QUIET, "127.0.0.1", port, *paths],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            receiver.terminate()
            receiver.stdout.read()
    summary: dict[str, object] = json.loads(sender.stdout.splitlines()[-1])
    summary["ok"] = sender.returncode == 0 and receiver.wait() == 0
    return summary


def compare(sent: list[Object], directory: Path) -> tuple[dict[Path, str], list[str]]:
    """Return how each object arrived, and the names of files that were not sent.

    Objects with the same SOP Instance UID are told apart by what they hold; the receiver keeps
    identical ones once.
    """
    received = defaultdict(list)
    for path in directory.iterdir():
        one = Object.read(path)
        assert one is not None, path
        received[one.sop_instance, one.sop_class, one.transfer_syntax].append(one)
    states, matched = {}, set()
    for one in sent:
        states[one.path] = "LOST"
        for copy in received[one.sop_instance, one.sop_class, one.transfer_syntax]:
            padded = one.data_set + b"\0" * (len(one.data_set) % 2)
            if copy.data_set in (one.data_set, padded):
                states[one.path] = "identical" if copy.data_set == one.data_set else "padded"
                matched.add(copy.path)
    strangers = [
        copy.path.name for copies in received.values() for copy in copies if copy.path not in matched
    ]
    return states, strangers


def show(sent: list[Object], states: dict[Path, str]) -> None:
    """Print a line for each pair of SOP class and transfer syntax."""
    rows = defaultdict(list)
    for one in sent:
        rows[one.sop_class, one.transfer_syntax].append(one)
    line = "{:38.38}  {:52.52}  {:>7}  {:>10}  {}"
    print(line.format("SOP class", "transfer syntax", "objects", "bytes", "status"))
    for (sop_class, syntax), members in sorted(rows.items()):
        size = sum(len(one.data_set) for one in members)
        found = {states[one.path] for one in members}
        status = " and ".join(sorted(found))
        print(line.format(sop_class, syntax, len(members), f"{size:,}", status))


def main() -> int:
    """Run the demonstration."""
    found = [Object.read(path) for path in sorted(TEST_FILES.rglob("*")) if path.is_file()]
    sent = [one for one in found if one is not None]
    if not sent:
        print(f"no DICOM object in {TEST_FILES}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        summary = transfer(sent, Path(directory))
        states, strangers = compare(sent, Path(directory))
    show(sent, states)
    arrived = sum(state != "LOST" for state in states.values())
    pairs = len({(one.sop_class, one.transfer_syntax) for one in sent})
    uids = len({one.sop_instance for one in sent})
    size = sum(len(one.data_set) for one in sent)
    seconds = float(str(summary["seconds"])) or 1e-9
    print(
        f"\n{arrived} of {len(sent)} objects arrived: {pairs} pairs, {uids} SOP Instance UIDs,"
        f" {size / 1e6:.1f} MB in {seconds:.2f} s: {len(sent) / seconds:.0f} objects/s,"
        f" {size / 1e6 / seconds:.1f} MB/s"
    )
    for name in strangers:
        print(f"not sent by anybody: {name}", file=sys.stderr)
    return 0 if arrived == len(sent) and summary["ok"] and not strangers else 1


if __name__ == "__main__":
    sys.exit(main())
