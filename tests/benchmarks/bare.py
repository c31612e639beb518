"""Peers without validation: what blocking Python does when it checks nothing."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

from dicomproto import (
    CEchoRQ,
    Connection,
    PDataTF,
    PresentationDataValue,
    ReleaseRQ,
    Role,
    build_associate_rq,
    encode_command,
    encode_pdu,
)

from . import wire
from .codec import EXPLICIT, IMPLICIT
from .servers import ADDRESS, VERIFICATION


def _serve(pipe: Pipe, answer: Callable[..., object], *words: bytes) -> None:
    with socket.create_server((ADDRESS, 0)) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            answer(listener, *words)


@contextmanager
def serving_bare(answer: Callable[..., object], *words: bytes) -> Iterator[int]:
    """Run an acceptor of `wire.py` in a process of its own; yield its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs, answer, *words), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


class Visitor:
    """A requestor that associates, echoes and releases, with bytes that were made once."""

    def __init__(self) -> None:
        engine = Connection(Role.REQUESTOR)
        engine.send(build_associate_rq("BENCH", "ANY-SCP", [(VERIFICATION, (IMPLICIT, EXPLICIT))]))
        engine.transport_connected()
        command = encode_command(CEchoRQ(MessageID=1, AffectedSOPClassUID=VERIFICATION))
        value = PresentationDataValue(context_id=1, is_command=True, is_last=True, data=command)
        self._talk = (
            (b"".join(engine.data_to_send()), 2),
            (b"".join(map(bytes, [encode_pdu(PDataTF(values=(value,)))])), 4),
            (b"".join(map(bytes, [encode_pdu(ReleaseRQ())])), 6),
        )

    def visit(self, port: int) -> None:
        """Do it once; an answer of another type is a failure."""
        with socket.create_connection((ADDRESS, port), wire.PATIENCE) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with peer.makefile("rb") as stream:
                for request, answer in self._talk:
                    peer.sendall(request)
                    head = stream.read(6)
                    if not head or head[0] != answer:
                        raise RuntimeError(f"the SCP answered {head!r} in place of a PDU of type {answer}")
                    stream.read(int.from_bytes(head[2:], "big"))
