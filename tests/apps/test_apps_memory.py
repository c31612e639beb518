"""What an object weighs does not show in the memory of the applications that move it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dicomproto_transports.files.part10 import file_meta_bytes, read_head
from tests.applications import CT, EXPLICIT, PATIENCE, element
from tests.benchmarks.objects import data_sets
from tests.benchmarks.wire import messages, send_all

MB = 1_000_000
KIB = 1024

# The peak is that of the process alone: what `wait4` tells includes the parent's, from before the exec.
PROGRAM = """
import re, sys
from dicomproto_transports.apps import main
status = main(sys.argv[1:])
with open("/proc/self/status") as facts:
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", facts.read())[1]
print(f"PEAK {peak}")
sys.exit(status)
"""


def write_big(path: Path, size: int) -> None:
    """Write an object of `size` bytes, which take no room on the disk."""
    head = element(0x0008_0016, "UI", CT.encode()) + element(0x0008_0018, "UI", b"1.2.3")
    pixels = size - len(head) - 12
    head += b"\xe0\x7f\x10\x00OW\0\0" + pixels.to_bytes(4, "little")
    meta = file_meta_bytes(sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT)
    with path.open("wb") as file:
        file.write(meta + head)
        file.truncate(len(meta) + size)


def peaks(directory: Path, size: int) -> tuple[int, int]:
    """Send an object of `size` bytes; return the peak memory of sender and receiver, in KiB."""
    directory.mkdir()
    write_big(directory / "big.dcm", size)
    command = [sys.executable, "-c", PROGRAM, "storescp", "-ba", "127.0.0.1", "-od", str(directory), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None
            port = receiver.stdout.readline().split()[-1]
            command = [sys.executable, "-c", PROGRAM, "storescu", "--json", "127.0.0.1", port]
            command.append(str(directory / "big.dcm"))
            sender = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=10 * PATIENCE
            )
        finally:
            receiver.terminate()
        received, _ = receiver.communicate(timeout=PATIENCE)
    assert (sender.returncode, sender.stderr) == (0, "")
    assert json.loads(sender.stdout.splitlines()[-2])["sent"] == 1
    stored = directory / "CT.1.2.3"
    assert read_head(stored).data_set_length == size
    os.unlink(stored)
    sent_peak, received_peak = (re.search(r"PEAK (\d+)", text) for text in (sender.stdout, received))
    assert sent_peak is not None
    assert received_peak is not None
    return int(sent_peak[1]), int(received_peak[1])


@pytest.mark.serial
@pytest.mark.parametrize("size", [256 * MB, pytest.param(1024 * MB, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_object(tmp_path: Path, size: int) -> None:
    small = peaks(tmp_path / "small", 40_000)
    big = peaks(tmp_path / "big", size)
    growth = [after - before for before, after in zip(small, big, strict=True)]
    print(f"{size // MB} MB: peaks of sender and receiver {big} KiB, {growth} more than for 40 KB")
    assert max(growth) <= 4 * KIB


def faults_of(process: int) -> int:
    """Return how many pages the kernel has cleared or mapped for a process so far."""
    facts = Path(f"/proc/{process}/stat").read_text()
    return int(facts.rpartition(")")[2].split()[7])


def test_a_receiver_writes_from_memory_that_it_has(tmp_path: Path) -> None:
    (content,) = data_sets(["1.2.3.1"], 525_000, 25)
    (message,) = messages([("1.2.3.1", content)], most=131_066)
    command = [sys.executable, "-m", "dicomproto", "storescp", "-ba", "127.0.0.1"]
    command += ["-od", str(tmp_path), "--on-duplicate", "replace", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None
            port = int(receiver.stdout.readline().split()[-1])
            send_all(port, [], [message] * 20)
            before = faults_of(receiver.pid)
            send_all(port, [], [message] * 150)
            faults = faults_of(receiver.pid) - before
        finally:
            receiver.terminate()
    assert faults / 150 <= 2
