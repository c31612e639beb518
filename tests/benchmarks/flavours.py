"""The programs of trio and anyio, for the rows that set them beside the blocking flavour.

They talk as those of `side.py` do: `provide` serves until its input ends, `request` does what each line of
its input says.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread

import dicomproto

CT, EXPLICIT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.1"
CLASSES = VERIFICATION, CT
ROLE, FLAVOUR = sys.argv[1:]
PACKAGE: Any = importlib.import_module(f"dicomproto_transports.{FLAVOUR}")


def say(**words: object) -> None:
    """Tell the driver, and where the library came from."""
    print(json.dumps(words | {"from": dicomproto.__path__[0]}), flush=True)


async def read_line() -> str:
    """Return a line of the input, without holding up the event loop."""
    return await anyio.to_thread.run_sync(sys.stdin.readline)


async def provide() -> None:
    """Serve C-ECHO and C-STORE with handlers that do nothing."""
    ae = PACKAGE.AE("PROVIDER")
    for abstract_syntax in CLASSES:
        ae.add_supported_context(abstract_syntax, EXPLICIT)
    handlers = [(PACKAGE.evt.EVT_C_STORE, lambda event: 0)]
    async with ae.start_server(("127.0.0.1", 0), evt_handlers=handlers) as server:
        say(port=server.port)
        await read_line()


async def request() -> None:
    """Do what the lines of the input say."""
    say()
    while line := await read_line():
        say(seconds=await run(**json.loads(line)))


async def run(task: str, port: int, warm_up: int, count: int, path: str = "") -> float:
    """Return the seconds that `count` messages take, after some that are not counted."""
    ae = PACKAGE.AE("REQUESTOR")
    for abstract_syntax in CLASSES:
        ae.add_requested_context(abstract_syntax, EXPLICIT)
    async with ae.associate("127.0.0.1", port) as association:
        send: Callable[[], Awaitable[Any]] = association.send_c_echo
        if task == "store":
            send = lambda: association.send_c_store(path)  # noqa: E731
        started = 0.0
        for number in range(warm_up + count):
            if number == warm_up:
                started = time.perf_counter()
            if (await send()).Status != 0:
                raise RuntimeError(f"a {task} failed")
        return time.perf_counter() - started


if __name__ == "__main__":
    anyio.run(
        {"provide": provide, "request": request}[ROLE], backend="trio" if FLAVOUR == "trio" else "asyncio"
    )
