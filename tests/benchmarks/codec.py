"""The PDU codec alone, against pynetdicom's in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from pynetdicom.pdu import A_ASSOCIATE_RQ

from dicomproto import (
    CLOSED,
    NEED_DATA,
    AssociateAC,
    AssociateRQ,
    Connection,
    DataSetChunk,
    PresentationContextAC,
    Role,
    build_associate_rq,
    decode_pdu,
    encode_pdu,
)
from dicomproto.dimse.commands import CStoreRQ

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

Row = tuple[str, str, dict[str, list[float]]]


def _rate(task: Callable[[], object], seconds: float = 0.3) -> float:
    count, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        for _ in range(10):
            task()
        count += 10
    return count / passed


def _in_turn(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            rates[name].append(_rate(task))
    return rates


def _associate_rq() -> AssociateRQ:
    contexts = [(f"1.2.840.10008.5.1.4.1.1.{number}", (IMPLICIT, EXPLICIT)) for number in range(1, 129)]
    return build_associate_rq("BENCH", "ANY-SCP", contexts)


def _pair() -> tuple[Connection, Connection]:
    ours, peer = Connection(Role.REQUESTOR), Connection(Role.ACCEPTOR)
    ours.send(build_associate_rq("BENCH", "ANY-SCP", [(CT, (EXPLICIT,))]))
    ours.transport_connected()
    peer.transport_connected()
    peer.receive_data(b"".join(ours.data_to_send()))
    request = peer.next_event()
    assert isinstance(request, AssociateRQ)
    accepted = PresentationContextAC(context_id=1, result=0, transfer_syntax=EXPLICIT)
    peer.send(
        AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            implementation_class_uid="1.2.3",
            maximum_length=16382,
            presentation_contexts=(accepted,),
        )
    )
    ours.receive_data(b"".join(peer.data_to_send()))
    ours.next_event()
    return ours, peer


def _stream_rate(size: int) -> float:
    """Return the MB/s at which one object goes through two engines in one thread, 16 KB PDUs."""
    ours, peer = _pair()
    data = bytes(size)
    started = time.perf_counter()
    ours.send_request(CStoreRQ(AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2.3"), 1)
    ours.send_data(data, last=True)
    received = 0
    for buffer in ours.data_to_send():
        peer.receive_data(buffer)
        while (event := peer.next_event()) is not NEED_DATA and event is not CLOSED:
            if isinstance(event, DataSetChunk):
                received += len(event.data)
    assert received == size
    return size / 1e6 / (time.perf_counter() - started)


def decoding() -> tuple[Callable[[], object], Callable[[], object]]:
    """Return our decoding of an A-ASSOCIATE-RQ of 128 contexts, and pynetdicom's."""
    encoded = encode_pdu(_associate_rq())
    return lambda: decode_pdu(encoded), lambda: A_ASSOCIATE_RQ().decode(encoded)


def codec_rows(rounds: int) -> Iterator[Row]:
    """Yield (title, unit, rates by product)."""
    ours = _associate_rq()
    encoded = encode_pdu(ours)
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(encoded)

    yield (
        f"PDU codec: decode an A-ASSOCIATE-RQ of 128 contexts ({len(encoded)} bytes)",
        "a second",
        _in_turn(dict(zip(("dicomproto", "pynetdicom"), decoding(), strict=True)), rounds),
    )
    yield (
        "PDU codec: encode it",
        "a second",
        _in_turn({"dicomproto": lambda: encode_pdu(ours), "pynetdicom": theirs.encode}, rounds),
    )
    rates = {"dicomproto": [_stream_rate(64 << 20) for _ in range(rounds)]}
    yield "P-DATA: a 64 MiB object through two engines, no I/O", "MB/s", rates
