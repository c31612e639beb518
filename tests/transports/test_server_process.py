"""How a process with a blocking server ends: bounded, and not without a word to the peers."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dicomproto.errors import AssociationAborted
from dicomproto.uids import VERIFICATION
from dicomproto_transports.blocking import AE, Association

SERVER = """
    import signal, sys, time
    from dicomproto.uids import VERIFICATION
    from dicomproto_transports.blocking import AE, evt

    ae = AE("SCP")
    ae.add_supported_context(VERIFICATION)
"""

WITHOUT_SHUTDOWN = """
    server = ae.start_server(("127.0.0.1", 0), block=False)
    print(server.port, flush=True)
    sys.stdin.readline()
"""

UNTIL_SIGTERM = """
    import threading

    signal.signal(signal.SIGTERM, lambda *_: ae.shutdown())
    def tell():
        while not ae._servers:
            time.sleep(0.001)
        print(*(server.port for server in ae._servers), flush=True)
    threading.Thread(target=tell).start()
    ae.start_server(("127.0.0.1", 0))
    print("ended", flush=True)
"""

HANDLER_THAT_HANGS = """
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda event: time.sleep(1000))]
    )
    import dicomproto_transports._threads
    dicomproto_transports._threads._LAST_WAIT = 0.1
    print(server.port, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def process(script: str) -> Iterator[tuple[subprocess.Popen[str], Association]]:
    """Run a server in a process and associate with it."""
    source = textwrap.dedent(SERVER) + textwrap.dedent(script)
    command = [sys.executable, "-W", "error", "-c", source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            port = int(running.stdout.readline())
            ae = AE("SCU")
            ae.add_requested_context(VERIFICATION)
            yield running, ae.associate("127.0.0.1", port)
        finally:
            running.kill()


def test_the_interpreter_exits_and_aborts_what_runs() -> None:
    with process(WITHOUT_SHUTDOWN) as (running, assoc):
        assert assoc.send_c_echo().Status == 0
        assert running.stdin is not None
        running.stdin.write("exit\n")
        running.stdin.flush()
        with pytest.raises(AssociationAborted):
            assoc.serve(timeout=10)
        assert running.wait(10) == 0


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "ended"), (signal.SIGINT, "ended")])
def test_a_blocking_server_ends_by_a_signal(number: signal.Signals, said: str) -> None:
    with process(UNTIL_SIGTERM) as (running, assoc):
        assert assoc.send_c_echo().Status == 0
        running.send_signal(number)
        with pytest.raises(AssociationAborted):
            assoc.serve(timeout=10)
        assert running.wait(10) == 0
        assert running.stdout is not None
        assert running.stdout.read().strip() == said


def test_the_interpreter_exits_although_a_handler_hangs() -> None:
    with process(HANDLER_THAT_HANGS) as (running, assoc):
        assert running.stdin is not None
        running.stdin.write("exit\n")
        running.stdin.flush()
        assert running.wait(10) == 0
        with pytest.raises(AssociationAborted):
            assoc.send_c_echo()
