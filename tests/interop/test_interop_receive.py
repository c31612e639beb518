"""The peers' storescu to `dicomproto storescp`: what is stored is what was on the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.catalogue import exceptions, files, name_of, read_object
from tests.interop.programs import our_storescp
from tests.interop.proxy import Message, Proxy
from tests.interop.requestors import Reports, dcmtk_storescu, pynetdicom_storescu

UNLIMITED = 0
MAX_PDUS = [4096, 16384, 131072, UNLIMITED]
DCMTK_MARGIN = 6  # it counts the header of the PDU as well

PEERS = {"DCMTK": dcmtk_storescu, "pynetdicom": pynetdicom_storescu}


@pytest.mark.parametrize(
    ("peer", "max_pdu"),
    [
        *(pytest.param("DCMTK", length, marks=pytest.mark.dcmtk) for length in MAX_PDUS),
        *(("pynetdicom", length) for length in (4096, UNLIMITED)),
    ],
)
def test_what_is_stored_is_what_was_on_the_wire(peer: str, max_pdu: int, tmp_path: Path) -> None:
    send: Callable[..., Reports] = PEERS[peer]
    options = ["-pdu", str(max_pdu), "--accept-truncated"]  # two of the files are cut short
    with our_storescp(tmp_path, *options) as server, Proxy(server.port) as proxy:
        reports = send(proxy.port)
        done = server.stop()

    assert reports.unsent == exceptions(f"{peer} storescu")
    assert sorted([*reports.stored, *reports.unsent]) == sorted(name_of(path) for path in files())

    messages = [message for recording in proxy.recordings for message in recording.messages()]
    events = [event for event in done.events if event["event"] == "object"]
    assert len(messages) == len(events) >= len(reports.stored)
    assert all(recording.is_answered() for recording in proxy.recordings)
    for message, event in zip(messages, events, strict=True):
        check(message, event)
    assert done.status == 0
    assert done.event("summary")["ok"] is True
    warnings = done.errors.splitlines()
    of_variants = [line for line in warnings if "another object with the same SOP Instance UID" in line]
    assert len(of_variants) == done.event("summary")["variant"]
    cut = [line for line in warnings if "truncated: " in line]
    assert len(cut) <= 2  # of the files that are cut short, DCMTK sends neither
    others = [line for line in warnings if line not in (*of_variants, *cut)]
    odd = ("(group length: element (0008,0000)", "(trailing padding: element (FFFC,FFFC)")
    assert [line for line in others if not any(text in line for text in odd)] == []

    longest = max(recording.longest_p_data() for recording in proxy.recordings)
    assert all(recording.answer.maximum_length == max_pdu for recording in proxy.recordings)
    assert max_pdu == UNLIMITED or max_pdu - DCMTK_MARGIN <= longest <= max_pdu


def check(message: Message, event: dict[str, object]) -> None:
    """Compare a C-STORE request as it was on the wire with the file that `event` tells of."""
    command = message.command
    assert event["outcome"] in ("stored", "identical", "variant")
    assert event["status"] == 0
    stored = read_object(Path(str(event["path"])))
    assert stored is not None
    assert stored.data_set == message.data_set
    assert stored.sop_class_uid == command.AffectedSOPClassUID == event["sop_class_uid"]
    assert stored.sop_instance_uid == command.AffectedSOPInstanceUID
    assert stored.transfer_syntax_uid == message.transfer_syntax == event["transfer_syntax_uid"]
