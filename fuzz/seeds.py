"""Writes fuzz/seeds/: inputs of the harness from which the fuzzer starts.

They hold each golden PDU and item, conversations on an established association made with our own
encoder, and the same with one thing wrong, so that every part of the decoders is within reach of a few
mutations. Run it after a change: `python fuzz/seeds.py`. A test compares the files with what it makes.
"""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import harness as h

from dicomproto.connection import MOST_CHUNKS
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
    NO_DATA_SET,
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CMoveRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
)
from dicomproto.errors import InvalidPDU
from dicomproto.upper_layer import (
    Abort,
    PDataTF,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    decode_pdu,
    encode_pdu,
)

SEEDS = Path(__file__).with_name("seeds")
GOLDEN = Path(__file__).parent.parent / "tests" / "golden.py"

SERVED = h.ACCEPTOR | h.ESTABLISHED
CALLING = h.ESTABLISHED | h.OCCUPIED


def pdv(
    data: bytes, context_id: int = 1, *, command: bool = False, last: bool = True
) -> PresentationDataValue:
    return PresentationDataValue(context_id=context_id, is_command=command, is_last=last, data=data)


def p_data(*values: PresentationDataValue) -> bytes:
    return encode_pdu(PDataTF(values=values))


def message(command: Command, data: bytes = b"", context_id: int = 1) -> bytes:
    """Return a message as we send it: its command in one P-DATA-TF, its data set in a second."""
    data = data if command.data_set_allowed else b""
    command = command.replace(CommandDataSetType=DATA_SET_PRESENT if data else NO_DATA_SET)
    encoded = p_data(pdv(encode_command(command), context_id, command=True))
    return encoded + p_data(pdv(data, context_id)) if data else encoded


ECHO = CEchoRQ(MessageID=7, AffectedSOPClassUID=h.VERIFICATION)
STORE = CStoreRQ(MessageID=8, AffectedSOPClassUID=h.CT_IMAGE_STORAGE, AffectedSOPInstanceUID="1.2.3")
FIND = CFindRQ(MessageID=9, AffectedSOPClassUID=h.STUDY_ROOT_FIND)
DATA = b"\x08\x00\x18\x00\x04\x00\x00\x001.23"
N_SERVICES = (
    NEventReportRQ(MessageID=1, AffectedSOPClassUID="1.2", AffectedSOPInstanceUID="1.3", EventTypeID=1),
    NGetRQ(MessageID=2, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3"),
    NSetRQ(MessageID=3, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3"),
    NActionRQ(MessageID=4, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", ActionTypeID=2),
    NCreateRQ(MessageID=5, AffectedSOPClassUID="1.2"),
    NDeleteRQ(MessageID=6, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3"),
)
RELEASE_RQ, RELEASE_RP = encode_pdu(ReleaseRQ()), encode_pdu(ReleaseRP())


def conversations() -> dict[str, tuple[int, int, bytes]]:
    """Return set-up, action and bytes by name."""
    store = message(STORE, DATA, 3)
    store_command = encode_command(STORE)
    answers = (
        message(CEchoRSP(MessageIDBeingRespondedTo=1)),
        message(CFindRSP(MessageIDBeingRespondedTo=2, Status=0xFF00), DATA, 5),
        message(CFindRSP(MessageIDBeingRespondedTo=2), context_id=5),
        message(CMoveRSP(MessageIDBeingRespondedTo=3, Status=0xFF00), context_id=7),
        message(CMoveRSP(MessageIDBeingRespondedTo=3), context_id=7),
        message(CStoreRSP(MessageIDBeingRespondedTo=4, Status=0xA700), context_id=3),
    )
    return {
        "echo": (SERVED, 0, message(ECHO) + RELEASE_RQ),
        "store": (SERVED, 0, store + store + RELEASE_RQ),
        "find-and-cancel": (
            SERVED,
            0,
            message(FIND, DATA, 5) + message(CCancelRQ(MessageIDBeingRespondedTo=9), context_id=5),
        ),
        "one-pdu": (
            SERVED,
            0,
            p_data(
                pdv(store_command, 3, command=True), pdv(DATA, 3), pdv(encode_command(ECHO), command=True)
            ),
        ),
        "fragments": (
            SERVED,
            0,
            p_data(
                pdv(store_command[:33], 3, command=True, last=False), pdv(store_command[33:], 3, command=True)
            )
            + p_data(pdv(DATA[:5], 3, last=False), pdv(b"", 3, last=False), pdv(DATA[5:], 3)),
        ),
        "n-services": (SERVED, 0, b"".join(message(command, DATA, 3) for command in N_SERVICES)),
        "strict": (SERVED | h.STRICT, 0, message(ECHO, context_id=3) + store + message(N_SERVICES[1])),
        "same-message-id": (
            SERVED,
            0,
            (message(FIND, DATA, 5) + message(FIND.replace(MessageID=9), DATA, 5)) * 2,
        ),
        "answers": (CALLING, 0, b"".join(answers) + RELEASE_RQ),
        "early-failure": (CALLING, 0, answers[-1] + RELEASE_RQ),
        "answers-in-disorder": (CALLING, h.CANCEL | 3, b"".join(answers[::-1])),
        "release-collision-requestor": (h.ESTABLISHED, h.RELEASE | 1, RELEASE_RQ + RELEASE_RP),
        "release-collision-acceptor": (SERVED, h.RELEASE | 1, RELEASE_RQ + RELEASE_RP),
        "release-collision-upper-layer": (SERVED | h.UPPER_LAYER, h.RELEASE | 1, RELEASE_RQ + RELEASE_RP),
        "data-after-release": (h.ESTABLISHED, h.RELEASE | 1, message(ECHO) + store + RELEASE_RP),
        "abort-within-store": (
            SERVED,
            0,
            p_data(pdv(store_command, 3, command=True)) + encode_pdu(Abort(source=2, reason=6)),
        ),
        "release-within-store": (SERVED, 0, p_data(pdv(store_command, 3, command=True)) + RELEASE_RQ),
        "our-abort": (SERVED, h.ABORT | 2, store + RELEASE_RQ),
        "timeout": (SERVED | h.TIMES_OUT, 0, store[:-20]),
        "idle": (SERVED | h.TIMES_OUT | h.STRICT, 0, b""),
        "no-request": (h.ACCEPTOR | h.TIMES_OUT, 0, b""),
        "empty-fragments": (SERVED | h.SMALL_LIMITS, 0, p_data(pdv(b"", 3, command=True, last=False)) * 4),
        "busy": (
            SERVED,
            0,
            # A data set that is dropped, since the SOP class is another; each fragment is no event.
            p_data(pdv(encode_command(STORE), 1, command=True))
            + p_data(*[pdv(b"ab", 1, last=False)] * (MOST_CHUNKS + 20), pdv(b"", 1)),
        ),
        "no-pdv": (SERVED, 0, b"\4\0\0\0\0\0"),
        "pdv-too-long": (SERVED, 0, struct.pack(">BxIIBB", 4, 8, 0xFFFFFFFC, 1, 3) + DATA),
        "p-data-too-long": (SERVED | h.SMALL_LIMITS, 0, p_data(pdv(bytes(1100), 3))),
        "p-data-above-announced": (
            SERVED | h.SMALL_LIMITS,
            0,
            p_data(pdv(bytes(300), 3, command=True, last=False)),
        ),
        "upper-layer": (SERVED | h.UPPER_LAYER, 0, store + message(ECHO) + RELEASE_RQ),
        "not-accepted": (SERVED, 0, message(ECHO, context_id=9)),
        "tls": (h.ACCEPTOR, 0, bytes.fromhex("16030100f5010000f10303") + bytes(20)),
        "http": (h.ACCEPTOR, 0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        "http-answer": (0, 0, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    }


def shorten(data: bytes) -> bytes:
    """Return PDUs in the form that `expand` takes; each PDV becomes a P-DATA-TF."""
    short = bytearray()
    while data:
        pdu_type, length = struct.unpack_from(">BxI", data)
        body, data = data[6 : 6 + length], data[6 + length :]
        bodies = [body]
        if pdu_type == 4:
            values = decode_pdu(data=struct.pack(">BxI", 4, len(body)) + body).values
            bodies = [bytes((v.context_id, v.is_command | v.is_last << 1)) + v.data for v in values]
        for body in bodies:
            short += struct.pack(">BH", pdu_type, len(body)) + body
    return bytes(short)


def golden() -> dict[str, tuple[int, int, bytes]]:
    """Return each golden PDU and item as the first thing that the peer says."""
    spec = importlib.util.spec_from_file_location("golden", GOLDEN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {}
    for pdu in module.PDUS:
        name = pdu.name.lower()
        setup = h.ACCEPTOR if pdu.data[0] in (1, 4, 5) else 0
        found[name] = setup, 0, pdu.data
        found[f"{name}-small-limits"] = setup | h.SMALL_LIMITS, 0, pdu.data
    for item in module.ITEMS:
        name = item.name.lower().replace(" ", "-")
        found[f"item-{name}"] = h.ACCEPTOR if item.pdu_type == 1 else 0, 0, item.pdu
    return found


def seeds() -> dict[str, bytes]:
    """Return all seeds by file name."""
    inputs = golden() | conversations()
    found = {name: bytes((setup, action)) + data for name, (setup, action, data) in inputs.items()}
    for name, (setup, action, data) in inputs.items():
        try:
            short = shorten(data)
        except (InvalidPDU, struct.error):
            continue  # its framing is what is wrong with it
        if h.expand(short) == data:
            found[f"{name}-framed"] = bytes((setup | h.FRAMED, action)) + short
    return found


def write(folder: Path) -> None:
    """Make `folder` hold the seeds and nothing else."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in seeds().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    write(SEEDS)
    print(f"{len(seeds())} seeds in {SEEDS}")
