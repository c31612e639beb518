"""How a process with a blocking server ends: bounded, and not without a word to the peers."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from dicomproto.errors import AssociationAborted, AssociationError, AssociationRejected, ConnectionLost
from dicomproto.uids import VERIFICATION
from dicomproto_transports.blocking import AE, Association
from tests.backends import LONGEST_WAIT

SCU = AE("SCU")
SCU.add_requested_context(VERIFICATION)

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

DRAINED_BY_SIGTERM = """
    import threading

    signal.signal(signal.SIGTERM, lambda *_: (ae.shutdown(30, refuse=REFUSE), print("draining", flush=True)))
    def tell():
        while not ae._servers:
            time.sleep(0.001)
        print(*(server.port for server in ae._servers), flush=True)
    threading.Thread(target=tell).start()
    ae.start_server(("127.0.0.1", 0))
    print("ended", flush=True)
"""

TWO_SIGNALS_AT_ONCE = """
    import os, threading

    class Spared(set):  # looked through with the lock of the connections held
        def issuperset(self, others):
            if threading.current_thread() is threading.main_thread() and not self.signalled:
                self.signalled = True
                os.kill(os.getpid(), signal.SIGTERM)
            return super().issuperset(others)

    Spared.signalled = False
    signal.signal(signal.SIGTERM, lambda *_: (print("asked", flush=True), ae.shutdown(30)))
    def tell():
        while not ae._servers:
            time.sleep(0.001)
        for server in ae._servers:
            server._connections.spared = Spared()
            print(server.port, flush=True)
    threading.Thread(target=tell).start()
    ae.start_server(("127.0.0.1", 0))
    print("ended", flush=True)
"""

IDLE_ON_TRIO = """
    import trio
    from dicomproto_transports import trio as flavour

    async def serve():
        ae = flavour.AE("SCP")
        ae.maximum_associations = None
        ae.add_supported_context(VERIFICATION)
        async with ae.start_server(("127.0.0.1", 0)) as server:
            print(server.port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)

    trio.run(serve)
"""

HANDLER_THAT_HANGS = """
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda event: time.sleep(1000))]
    )
    import dicomproto_transports.server.threaded
    dicomproto_transports.server.threaded._LAST_WAIT = 0.1
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
            yield running, SCU.associate("127.0.0.1", port)
        finally:
            running.kill()


def test_the_interpreter_exits_and_aborts_what_runs() -> None:
    with process(WITHOUT_SHUTDOWN) as (running, assoc):
        assert assoc.send_c_echo().Status == 0
        assert running.stdin is not None
        running.stdin.write("exit\n")
        running.stdin.flush()
        with pytest.raises(AssociationAborted):
            assoc.serve(timeout=LONGEST_WAIT)
        assert running.wait(LONGEST_WAIT) == 0


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "ended"), (signal.SIGINT, "ended")])
def test_a_blocking_server_ends_by_a_signal(number: signal.Signals, said: str) -> None:
    with process(UNTIL_SIGTERM) as (running, assoc):
        assert assoc.send_c_echo().Status == 0
        running.send_signal(number)
        with pytest.raises(AssociationAborted):
            assoc.serve(timeout=LONGEST_WAIT)
        assert running.wait(LONGEST_WAIT) == 0
        assert running.stdout is not None
        assert running.stdout.read().strip() == said


def test_the_interpreter_exits_although_a_handler_hangs() -> None:
    with process(HANDLER_THAT_HANGS) as (running, assoc):
        assert running.stdin is not None
        running.stdin.write("exit\n")
        running.stdin.flush()
        assert running.wait(LONGEST_WAIT) == 0
        with pytest.raises(AssociationAborted):
            assoc.send_c_echo()


def is_refused(assoc: Association, how: type[AssociationError]) -> bool:
    """Tell whether the acceptor of an association takes no other one any more."""
    address, port = assoc.acceptor.address, assoc.acceptor.port
    assert address is not None
    assert port is not None
    try:
        SCU.associate(address, port).release()
    except AssociationError as error:
        return isinstance(error, how)
    return False


@pytest.mark.parametrize("refuse", [False, True])
def test_a_server_drained_by_a_signal_finishes_what_runs(refuse: bool) -> None:
    with process(DRAINED_BY_SIGTERM.replace("REFUSE", str(refuse))) as (running, assoc):
        running.send_signal(signal.SIGTERM)
        assert running.stdout is not None
        assert running.stdout.readline() == "draining\n"
        while not is_refused(assoc, AssociationRejected if refuse else ConnectionLost):
            pass  # it may take a moment until nobody listens
        assert assoc.send_c_echo().Status == 0
        assoc.release()
        assert running.wait(LONGEST_WAIT) == 0
        assert running.stdout.read() == "ended\n"


def test_a_second_signal_may_come_at_any_point_of_the_drain() -> None:
    with process(TWO_SIGNALS_AT_ONCE) as (running, assoc):
        running.send_signal(signal.SIGTERM)
        assert running.stdout is not None
        assert [running.stdout.readline() for _ in range(2)] == ["asked\n"] * 2
        assert assoc.send_c_echo().Status == 0
        assoc.release()
        assert running.wait(LONGEST_WAIT) == 0
        assert running.stdout.read() == "ended\n"


@pytest.mark.parametrize("refuse", [False, True])
def test_ctrl_c_ends_a_drain(refuse: bool) -> None:
    with process(DRAINED_BY_SIGTERM.replace("REFUSE", str(refuse))) as (running, assoc):
        running.send_signal(signal.SIGTERM)
        assert running.stdout is not None
        assert running.stdout.readline() == "draining\n"
        running.send_signal(signal.SIGINT)
        with pytest.raises(AssociationAborted):
            assoc.serve(timeout=LONGEST_WAIT)
        assert running.wait(LONGEST_WAIT) == 0
        assert running.stdout.read() == "ended\n"


@pytest.mark.serial
def test_idle_associations_cost_little_memory_and_no_time() -> None:
    count = 200
    with process(IDLE_ON_TRIO) as (running, first), ExitStack() as stack:
        stack.enter_context(first)
        server = psutil.Process(running.pid)
        address, port = first.acceptor.address, first.acceptor.port
        assert address is not None
        assert port is not None

        def idle() -> None:
            assert stack.enter_context(SCU.associate(address, port)).send_c_echo().Status == 0

        for _ in range(10):
            idle()
        before = server.memory_info().rss
        for _ in range(count):
            idle()
        assert (server.memory_info().rss - before) / count < 40_000
        start = server.cpu_times()
        assert not first.serve(timeout=1.0)
        end = server.cpu_times()
        assert end.user + end.system - start.user - start.system <= 0.02
