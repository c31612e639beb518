"""The engine alone, each side of an association by itself: processor time and Python calls of a message.

Two connections in memory talk once, and what each read would bring is recorded. Then each side hears its
recording again and again, and does what an adapter does: it asks for the deadline before each read, and for
what is to be sent. Nothing waits and nothing is sent, so the least of several batches is a steady figure.

`python -m tests.benchmarks.engine --against REVISION` measures two revisions in turn. This file then
runs as a program of each and uses nothing but names that every revision has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import dicomproto
from dicomproto import (
    NEED_DATA,
    AssociateAC,
    AssociateRQ,
    Connection,
    DataSetChunk,
    PresentationContextAC,
    RequestReceived,
    ResponseReceived,
    Role,
    build_associate_rq,
)
from dicomproto.dimse.commands import CEchoRQ, CStoreRQ

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Request

VERIFICATION, CT, EXPLICIT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = {1: VERIFICATION, 3: CT}
MAXIMUM_LENGTH = 131072
READ = 120 * 1024
"""Most bytes that one read brings."""

WARM_UP = 5
"""Messages of an association that do not count."""

CASES = {"C-ECHO": (0, 100), "C-STORE 40 KB": (40_000, 50), "C-STORE 525 KB": (525_000, 20)}
"""Bytes of the data set, and messages of a batch."""


def _established(role: Role) -> Connection:
    """Return one end of an association."""
    request = build_associate_rq(
        "BENCH", "ANY-SCP", [(uid, (EXPLICIT,)) for uid in CONTEXTS.values()], maximum_length=MAXIMUM_LENGTH
    )
    answer = AssociateAC(
        called_ae_title="ANY-SCP",
        calling_ae_title="BENCH",
        maximum_length=MAXIMUM_LENGTH,
        implementation_class_uid="1.2.3",
        presentation_contexts=tuple(
            PresentationContextAC(context_id=number, result=0, transfer_syntax=EXPLICIT)
            for number in CONTEXTS
        ),
    )
    requestor, acceptor = Connection(Role.REQUESTOR), Connection(Role.ACCEPTOR)
    requestor.send(request)
    requestor.transport_connected()
    acceptor.transport_connected()
    acceptor.receive_data(b"".join(requestor.data_to_send()))
    assert isinstance(acceptor.next_event(), AssociateRQ)
    acceptor.send(answer)
    requestor.receive_data(b"".join(acceptor.data_to_send()))
    assert isinstance(requestor.next_event(), AssociateAC)
    return requestor if role is Role.REQUESTOR else acceptor


def _request(number: int, size: int) -> Request:
    if not size:
        return CEchoRQ(AffectedSOPClassUID=VERIFICATION)
    uid = f"1.2.826.0.1.3680043.8.498.{1000 + number}"
    return CStoreRQ(AffectedSOPClassUID=CT, AffectedSOPInstanceUID=uid)


class Recording:
    """What the reads of both sides bring, message by message."""

    def __init__(self, size: int, messages: int) -> None:
        self.requests = [_request(number, size) for number in range(messages)]
        self.data_set = bytes(size)
        self.of_provider: list[list[bytes]] = []
        self.of_user: list[bytes] = []
        user, provider = _established(Role.REQUESTOR), _established(Role.ACCEPTOR)
        for request in self.requests:
            sent = send(user, request, self.data_set)
            self.of_provider.append([sent[at : at + READ] for at in range(0, len(sent), READ)])
            self.of_user.append(provide(provider, self.of_provider[-1]))
            assert use(user, self.of_user[-1]) == 0


def send(user: Connection, request: Request, data_set: bytes) -> bytes:
    """Send a request; return the bytes."""
    user.send_request(request, 3 if data_set else 1)
    if data_set:
        user.send_data(data_set, last=True)
    return b"".join(user.data_to_send())


def use(user: Connection, received: bytes) -> int:
    """Take the response that one read brings; return its status."""
    assert user.next_event() is NEED_DATA
    user.next_deadline(0.0)
    user.receive_data(received)
    response = user.next_event()
    assert type(response) is ResponseReceived
    return response.command.Status


def provide(provider: Connection, reads: list[bytes]) -> bytes:
    """Take the message that some reads bring, and answer it; return the answer."""
    request = None
    for read in reads:
        provider.receive_data(read)
        while (event := provider.next_event()) is not NEED_DATA:
            if type(event) is RequestReceived:
                request = event
            if request is not None and (not request.has_data_set or is_last(event)):
                provider.send_response(request.command.response())
        provider.next_deadline(0.0)
    return b"".join(provider.data_to_send())


def is_last(event: object) -> bool:
    return type(event) is DataSetChunk and event.last


def sides(recording: Recording) -> dict[str, Callable[[Connection, int], object]]:
    """Return what each side does for one message."""

    def user_takes(connection: Connection, number: int) -> object:
        send_only(connection, recording.requests[number], recording.data_set)
        return use(connection, recording.of_user[number])

    return {
        "SCP": lambda connection, number: provide(connection, recording.of_provider[number]),
        "SCU": user_takes,
    }


def send_only(user: Connection, request: Request, data_set: bytes) -> None:
    """Send a request; the bytes are not joined, since no adapter does."""
    user.send_request(request, 3 if data_set else 1)
    if data_set:
        user.send_data(data_set, last=True)
    user.data_to_send()


ROLES = {"SCP": Role.ACCEPTOR, "SCU": Role.REQUESTOR}


def tasks() -> Iterator[tuple[str, Role, int, Callable[[Connection, int], object]]]:
    """Yield a name, the side, the messages of a batch, and what the side does for a message."""
    for case, (size, messages) in CASES.items():
        recording = Recording(size, WARM_UP + messages)
        for side, take in sides(recording).items():
            yield f"{case}, {side}", ROLES[side], messages, take


def microseconds(role: Role, messages: int, take: Callable[[Connection, int], object], batches: int) -> float:
    """Return the processor time of a message: that of the fastest batch. Each has its own association."""
    least = float("inf")
    for _ in range(batches):
        connection = _established(role)
        for number in range(WARM_UP):
            take(connection, number)
        started = time.thread_time_ns()
        for number in range(WARM_UP, WARM_UP + messages):
            take(connection, number)
        least = min(least, (time.thread_time_ns() - started) / messages / 1000)
    return least


def calls(role: Role, take: Callable[[Connection, int], object]) -> dict[str, int]:
    """Return the Python calls of one message, by function."""
    connection = _established(role)
    for number in range(WARM_UP):
        take(connection, number)
    counts: dict[str, int] = {}

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename != __file__:
            name = frame.f_code.co_qualname
            counts[name] = counts.get(name, 0) + 1

    sys.setprofile(count)
    try:
        take(connection, WARM_UP)
    finally:
        sys.setprofile(None)
    return counts


def measure(batches: int) -> dict[str, tuple[float, int]]:
    """Return the microseconds and the calls of a message, by its name and side."""
    return {
        name: (microseconds(role, messages, take, batches), sum(calls(role, take).values()))
        for name, role, messages, take in tasks()
    }


def bench_engine(rounds: int, against: str | None) -> None:
    """Print a row for each message and side; beside it that of the revision `against`, if there is one."""
    from .sides import BUILD, install  # not there when this file is the program of a revision

    places = {"new": install(BUILD / "new", None)}
    if against is not None:
        places["old"] = install(BUILD / "old", against)
    figures: dict[str, dict[str, tuple[float, int]]] = {}
    for _ in range(rounds):
        for side, place in places.items():
            known = figures.setdefault(side, {})
            for name, figure in _ask(place).items():
                known[name] = min(figure, known.get(name, figure))
    print("\nThe engine alone, for each message: processor time, Python calls")
    for name, (taken, made) in figures["new"].items():
        row = f"  {name:<22}{taken:>8.1f} us{made:>6} calls"
        if against is not None:
            before, were = figures["old"][name]
            row += f"   {against}: {before:>8.1f} us{were:>6} calls   {before / taken:.2f} times as fast"
        print(row, flush=True)


def _ask(place: Path) -> dict[str, tuple[float, int]]:
    """Return what this file measures as a program of the revision in `place`."""
    environment = os.environ | {"PYTHONPATH": str(place), "PYTHONSAFEPATH": "1"}
    ran = subprocess.run(
        [sys.executable, __file__, "figures"], env=environment, capture_output=True, check=True
    )
    answer = json.loads(ran.stdout)
    if not Path(answer["from"]).is_relative_to(place):
        raise RuntimeError(f"the engine was loaded from {answer['from']}, not from {place}")
    return {name: (taken, made) for name, (taken, made) in answer["figures"].items()}


if __name__ == "__main__":
    if sys.argv[1:] == ["figures"]:
        print(json.dumps({"from": dicomproto.__file__, "figures": measure(40)}))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--against", metavar="REVISION", help="another one, by what git knows it by")
        bench_engine(3, parser.parse_args().against)
