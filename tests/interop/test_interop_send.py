"""`dicomproto storescu` to the peers' storescp: what they store is what we were given."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.interop.catalogue import Object, exceptions, objects, read_dataset, read_object
from tests.interop.programs import LOOPBACK, OURS, Done, dcmtk_storescp, pynetdicom_server, run
from tests.interop.proxy import Proxy

UNLIMITED = 0
PDV_HEADER = 6
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
NATIVE = {IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}


def send(port: int, some: Iterable[Object], *options: str) -> tuple[Done, dict[str, str]]:
    """Send objects; return what the program said, and the reasons of those that were not sent, by name."""
    names = {str(one.path): one.name for one in some}
    command = [*OURS, "storescu", "--json", "--send-truncated", *options]  # two of the files are cut short
    done = run([*command, LOOPBACK, str(port), *names])
    told = {str(event["path"]): event for event in done.events if event["event"] == "file"}
    assert told.keys() == names.keys(), done.errors
    unsent = {
        names[path]: str(event["reason"]).rpartition("): ")[2]  # of a refused context the answer only
        for path, event in told.items()
        if event["state"] != "sent"
    }
    return done, unsent


@pytest.mark.dcmtk
@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072])
def test_dcmtk_stores_every_data_set_as_it_is(max_pdu: int, tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path, "-pdu", str(max_pdu)) as server:
        done, unsent = send(server.port, objects(), "-pdu", str(max_pdu))

    assert unsent == exceptions("DCMTK storescp")
    assert done.status == (1 if unsent else 0)
    assert done.event("summary")["sent"] == len(objects()) - len(unsent)
    # File names do not matter, and nothing but what was sent may be there.
    received = [stored for path in (tmp_path / "stored").iterdir() if (stored := read_object(path))]
    for one in objects():
        if one.name not in unsent:
            copies = [copy for copy in received if identity(copy) == identity(one)]
            same = [copy for copy in copies if one.arrived_as(copy.data_set)]
            assert same, f"{one.name}: {len(copies)} files with its UIDs, none with its data set"
            received.remove(same[0])
    assert received == []


def identity(one: Object) -> tuple[str, str, str]:
    """Return what a C-STORE request says of an object."""
    return one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid


@pytest.mark.dcmtk
def test_what_cannot_be_converted_never_stops_the_rest(tmp_path: Path) -> None:
    """DCMTK's storescp is told to take Implicit VR Little Endian only."""
    with dcmtk_storescp(tmp_path, "+xi") as server:
        done, unsent = send(server.port, objects())

    compressed = {one.name for one in objects() if one.transfer_syntax_uid not in NATIVE}
    assert all(unsent.pop(name) == "none of the transfer syntaxes supported" for name in compressed)
    assert unsent == exceptions("DCMTK storescp +xi")
    assert done.status == 1
    assert done.event("summary")["associations"] == 1
    received = [stored for path in (tmp_path / "stored").iterdir() if (stored := read_object(path))]
    assert {one.transfer_syntax_uid for one in received} == {IMPLICIT_VR_LITTLE_ENDIAN}
    sent = [one for one in objects() if one.name not in compressed | unsent.keys()]
    assert Counter(one.sop_instance_uid for one in received) == Counter(one.sop_instance_uid for one in sent)


@pytest.mark.parametrize("max_pdu", [4096, UNLIMITED])  # for those between see the last test
def test_pynetdicom_stores_equal_data_sets(max_pdu: int, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    different: dict[str, str] = {}
    with pynetdicom_server("storescp", tmp_path, "-pdu", str(max_pdu), "-od", str(stored)) as server:
        for generation in generations(objects()):
            done, unsent = send(server.port, generation, "-pdu", str(max_pdu))
            assert done.status == (1 if unsent else 0)
            different |= unsent
            received = {path.name.split(".", 1)[1]: path for path in stored.iterdir()}
            # What it fails to write it leaves behind as far as it came.
            assert received.keys() <= {one.sop_instance_uid for one in generation}
            assert received.keys() >= {one.sop_instance_uid for one in generation if one.name not in unsent}
            for one in generation:
                if one.name not in unsent and (difference := compare(one, received[one.sop_instance_uid])):
                    different[one.name] = difference
            for path in received.values():
                path.unlink()

    assert different == exceptions("pynetdicom storescp")


def generations(some: Iterable[Object]) -> list[list[Object]]:
    """Part objects so that no SOP Instance UID occurs twice: pynetdicom overwrites what has the same."""
    result: list[list[Object]] = []
    seen: Counter[str] = Counter()
    for one in some:
        generation = seen[one.sop_instance_uid]
        seen[one.sop_instance_uid] += 1
        if generation == len(result):
            result.append([])
        result[generation].append(one)
    return result


def compare(one: Object, path: Path) -> str:
    """Return the difference between an object and what pynetdicom wrote, in words; "" if there is none."""
    sent, received = read_dataset(one.path), read_dataset(path)
    found = []
    if received.file_meta.TransferSyntaxUID != one.transfer_syntax_uid:
        found.append(f"in {received.file_meta.TransferSyntaxUID}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that are no business of ours
        for tag in sorted(sent.keys() | received.keys()):
            if tag not in received:
                found.append(f"without {tag}")
            elif tag not in sent:
                found.append(f"with {tag}")
            elif sent[tag] != received[tag]:
                found.append(f"another {tag}")
    return ", ".join(found)


@pytest.mark.parametrize(
    ("peer", "max_pdu"),
    [
        *(pytest.param("DCMTK", length, marks=pytest.mark.dcmtk) for length in (4096, 16384, 131072)),
        *(("pynetdicom", length) for length in (4096, 16384, 131072, UNLIMITED)),
    ],
)
def test_the_pdus_are_as_long_as_the_peer_takes(peer: str, max_pdu: int, tmp_path: Path) -> None:
    (large,) = (one for one in objects() if one.name == "test_files/examples_overlay.dcm")
    options = ["-pdu", str(max_pdu)]
    if peer == "DCMTK":
        serving = dcmtk_storescp(tmp_path, *options)
    else:
        serving = pynetdicom_server("storescp", tmp_path, *options)
    with serving as server, Proxy(server.port) as proxy:
        done, _ = send(proxy.port, [large])
    assert done.status == 0
    (recording,) = proxy.recordings
    (message,) = recording.messages()
    assert message.data_set == large.data_set
    assert recording.longest_p_data() == (max_pdu or len(large.data_set) + PDV_HEADER)
