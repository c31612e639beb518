"""The command line as its tests see it: applications as processes, files to send, a raw peer."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dicomproto import NEED_DATA, Connection, ReleaseRP, ReleaseRQ, ResponseReceived
from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import CFindRQ, CFindRSP, CStoreRQ, CStoreRSP
from dicomproto.negotiation import build_associate_rq
from dicomproto.uids import normalize_uid
from dicomproto.upper_layer import decode_pdu, encode_pdu
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import PDataTF, PresentationDataValue
from dicomproto_transports.files.part10 import file_meta_bytes

APPLICATION = [sys.executable, "-m", "dicomproto_transports.apps"]
PATIENCE = 60
"""Seconds after which a process counts as stuck."""

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass
class Done:
    """A process that has ended."""

    status: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        """What it printed with --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    def named(self, name: str) -> list[dict[str, object]]:
        """Return the events of one kind."""
        return [event for event in self.events if event["event"] == name]


@dataclass
class Server:
    """An application that listens."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM) -> Done:
        """Tell it to end, and return what it said after its first line."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> Done:
        """Wait until it has ended."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return Done(self.process.returncode, out, err)


def run_application(*words: object, **options: object) -> Done:
    """Run an application to its end."""
    done = subprocess.run(
        [*APPLICATION, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        **options,  # type: ignore[call-overload]
    )
    return Done(done.returncode, done.stdout, done.stderr)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode an element in Explicit VR Little Endian."""
    header = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode()
    value += b"\0" * (len(value) % 2)
    if vr in ("OB", "OW"):
        return header + bytes(2) + len(value).to_bytes(4, "little") + value
    return header + len(value).to_bytes(2, "little") + value


def data_set(uid: str, sop_class: str = CT, *, patient: str = "", pixels: int = 0) -> bytes:
    """Return a small data set in Explicit VR Little Endian with `pixels` bytes of pixel data."""
    content = element(0x0008_0016, "UI", sop_class.encode()) + element(0x0008_0018, "UI", uid.encode())
    if patient:
        content += element(0x0010_0010, "PN", patient.encode())
    return content + element(0x7FE0_0010, "OW", os.urandom(min(pixels, 65536)) * (pixels // 65536 or 1))


def write_object(
    path: Path,
    uid: str,
    *,
    sop_class: str = CT,
    transfer_syntax: str = EXPLICIT,
    patient: str = "",
    pixels: int = 1000,
) -> bytes:
    """Write a DICOM file and return its data set."""
    content = data_set(uid, sop_class, patient=patient, pixels=pixels)
    meta = file_meta_bytes(sop_class_uid=sop_class, sop_instance_uid=uid, transfer_syntax_uid=transfer_syntax)
    path.write_bytes(meta + content)
    return content


class RawPeer:
    """A requestor that says what it is told to, byte by byte if need be: an engine on a socket."""

    def __init__(
        self, port: int, *contexts: tuple[str, tuple[str, ...]], title: str = "RAW", called: str = "ANY-SCP"
    ) -> None:
        self.engine = Connection(Role.REQUESTOR)
        self.engine.send(build_associate_rq(title, called, contexts))
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.engine.transport_connected()
        try:
            self.flush()
            self.answer = self.next_event()
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        """Send what the engine has ready."""
        for buffer in self.engine.data_to_send():
            self.socket.sendall(buffer)

    def next_event(self) -> object:
        """Return the next event, or CLOSED."""
        while (event := self.engine.next_event()) is NEED_DATA:
            data = self.socket.recv(65536)
            if data:
                self.engine.receive_data(data)
            else:
                self.engine.receive_eof()
        return event

    def begin_store(
        self, uid: str, part: bytes, *, sop_class: str = CT, last: bool = False, **originator: Any
    ) -> None:
        """Send a C-STORE request and a part of its data set."""
        request = CStoreRQ(AffectedSOPClassUID=sop_class, AffectedSOPInstanceUID=uid, **originator)
        self.engine.send_request(request, 1)
        self.go_on(part, last=last)

    def go_on(self, part: bytes, *, last: bool) -> None:
        """Send more of the data set."""
        self.engine.send_data(part, last=last, pad=last)
        self.flush()

    def status(self) -> int:
        """Return the status of the next response."""
        event = self.next_event()
        assert isinstance(event, ResponseReceived), event
        return event.command.Status

    def store(self, uid: str, data: bytes, **originator: Any) -> int:
        """Send an object and return the status of its response; `originator` goes into the request."""
        self.begin_store(uid, data, last=True, **originator)
        return self.status()

    def find(self, sop_class: str, identifier: bytes) -> tuple[int, list[bytes]]:
        """Send an identifier of any length, as the engine would not; return the status, and the matches."""
        command = encode_command(CFindRQ(AffectedSOPClassUID=sop_class, MessageID=1, CommandDataSetType=1))
        for is_command, value in ((True, command), (False, identifier)):
            pdv = PresentationDataValue(context_id=1, is_command=is_command, is_last=True, data=value)
            self.socket.sendall(encode_pdu(PDataTF(values=(pdv,))))
        matches: list[bytes] = []
        part = b""
        with self.socket.makefile("rb") as answer:
            while True:
                header = answer.read(6)
                pdu = decode_pdu(header + answer.read(int.from_bytes(header[2:], "big")))
                assert isinstance(pdu, PDataTF), pdu
                for pdv in pdu.values:
                    part += bytes(pdv.data)
                    if not pdv.is_last:
                        continue
                    whole, part = part, b""
                    if not pdv.is_command:
                        matches.append(whole)
                        continue
                    response = decode_command(whole)
                    assert isinstance(response, CFindRSP)
                    if response.Status not in (0xFF00, 0xFF01):
                        return response.Status, matches

    def store_as(self, uid: bytes, data: bytes, *, sop_class: str = CT) -> int:
        """Send an object with any bytes as SOP Instance UID, as the engine would not; return the status.

        Without a `sop_class` there is no Affected SOP Class UID.
        """
        elements = [
            *([(0x0002, sop_class.encode() + b"\0" * (len(sop_class) % 2))] if sop_class else []),
            (0x0100, b"\x01\x00"),
            (0x0110, b"\x01\x00"),
            (0x0700, b"\x00\x00"),
            (0x0800, b"\x01\x00"),
            (0x1000, uid + b"\0" * (len(uid) % 2)),
        ]
        body = b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements)
        command = struct.pack("<HHII", 0, 0, 4, len(body)) + body
        for is_command, value in ((True, command), (False, data)):
            pdv = PresentationDataValue(context_id=1, is_command=is_command, is_last=True, data=value)
            self.socket.sendall(encode_pdu(PDataTF(values=(pdv,))))
        with self.socket.makefile("rb") as answer:
            header = answer.read(6)
            pdu = decode_pdu(header + answer.read(int.from_bytes(header[2:], "big")))
        assert isinstance(pdu, PDataTF), pdu
        response = decode_command(bytes(pdu.values[0].data))
        assert isinstance(response, CStoreRSP)
        assert normalize_uid(str(response.AffectedSOPInstanceUID)).encode("latin-1") == uid.rstrip(b"\0 ")
        return response.Status

    def release(self) -> None:
        """Release the association and see it end."""
        self.engine.send(ReleaseRQ())
        self.flush()
        assert isinstance(self.next_event(), ReleaseRP)
