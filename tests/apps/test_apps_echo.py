"""`echoscu` and `echoscp`, with each other and with peers that do otherwise."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from dicomproto_transports.apps import acceptor, echoscp
from dicomproto_transports.apps.cli.address import parse_acceptor
from dicomproto_transports.apps.cli.console import Console
from dicomproto_transports.blocking import AE, evt
from tests.applications import CT, EXPLICIT, Done, RawPeer, Server

Run = Callable[..., Done]
Serve = Callable[..., Server]
VERIFICATION = "1.2.840.10008.1.1"


def test_an_echo_is_answered(run: Run, serve: Serve) -> None:
    server = serve("echoscp")
    done = run("echoscu", "-aet", "ME", "127.0.0.1", server.port)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"'ANY-SCP' at 127.0.0.1:{server.port}: 0000H (Success) in ")
    stopped = server.stop()
    assert stopped.status == 0
    assert stopped.events == [
        {"event": "echo", "calling_ae_title": "ME", "status": 0},
        {"event": "summary", "echoes": 1, "ok": True},
    ]


@pytest.mark.parametrize("word", ["-v", "--abort", "-xe", "-xb", "-xi"])
def test_many_echoes_go_over_one_association(run: Run, serve: Serve, word: str) -> None:
    server = serve("echoscp")
    done = run("echoscu", "--json", "--repeat", 3, word, "127.0.0.1", server.port)
    assert done.status == 0
    assert [event["message_id"] for event in done.named("echo")] == [1, 2, 3]
    assert {(event["status"], event["meaning"]) for event in done.named("echo")} == {(0, "Success")}
    assert done.events[-1] == {"event": "summary", "asked": 3, "succeeded": 3, "ok": True}
    assert server.stop().named("summary")[0]["echoes"] == 3


def test_quiet_says_it_with_the_exit_status_alone(run: Run, serve: Serve) -> None:
    server = serve("echoscp")
    assert run("echoscu", "-q", "127.0.0.1", server.port) == Done(0, "", "")
    server.stop()
    assert run("echoscu", "-q", "127.0.0.1", server.port) == Done(1, "", "")


_UNUSED_BY_A_REQUESTOR = (
    "dicomproto_transports.entity.acceptor",
    "dicomproto_transports.entity.admission",
    "dicomproto_transports.scp",
    "dicomproto_transports.server.serving",
    "dicomproto_transports.server.threaded",
    "dicomproto_transports.tls",
    "encodings.idna",
    "pydicom",
    "ssl",
)


def test_a_requestor_loads_nothing_that_serves(serve: Serve) -> None:
    server = serve("echoscp")
    program = """
import sys
from dicomproto_transports.apps import main
status = main(sys.argv[1:])
print(*sys.modules)
sys.exit(status)
"""
    words = ("echoscu", "-q", "127.0.0.1", str(server.port))
    command = [sys.executable, "-I", "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    loaded = set(done.stdout.split())
    assert "dicomproto_transports.blocking" in loaded
    assert not loaded.intersection(_UNUSED_BY_A_REQUESTOR)


def test_verbose_and_debug_go_to_stderr(run: Run, serve: Serve) -> None:
    server = serve("echoscp")
    done = run("echoscu", "-v", "127.0.0.1", server.port)
    assert "I: requesting an association with 'ANY-SCP' at 127.0.0.1:" in done.err
    assert "D:" not in done.err
    done = run("echoscu", "-d", "127.0.0.1", server.port)
    assert f"D:   context 1: {VERIFICATION} (Verification)\nD:     accepted, {EXPLICIT} " in done.err
    assert len(done.out.splitlines()) == 1


def test_an_ipv6_address_stands_in_brackets(run: Run) -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        done = run("echoscu", "-v", "::1", port)
    assert f"requesting an association with 'ANY-SCP' at [::1]:{port}\n" in done.err


def test_a_listener_gives_back_what_it_took() -> None:
    signals = (signal.SIGINT, signal.SIGTERM)
    before = os.listdir("/proc/self/fd"), [signal.getsignal(number) for number in signals]
    options = parse_acceptor(echoscp.parser(), ["-ba", "127.0.0.1", "0"])
    with acceptor.Acceptor(options, Console()):
        assert signal.getsignal(signal.SIGTERM) is not before[1][1]
    assert (os.listdir("/proc/self/fd"), [signal.getsignal(number) for number in signals]) == before


def test_each_echo_counts_whatever_the_threads_do(run: Run, serve: Serve) -> None:
    server = serve("echoscp")
    peers = [
        threading.Thread(target=run, args=("echoscu", "--repeat", 50, "127.0.0.1", server.port))
        for _ in range(4)
    ]
    for peer in peers:
        peer.start()
    for peer in peers:
        peer.join()
    assert server.stop().events[-1] == {"event": "summary", "echoes": 200, "ok": True}


def test_nobody_there(run: Run) -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        done = run("echoscu", "--json", "127.0.0.1", bound.getsockname()[1])
    assert done.status == 1
    assert done.named("error")[0]["error"] == "ConnectionLost"
    assert done.events[-1] == {"event": "summary", "asked": 1, "succeeded": 0, "ok": False}
    assert done.err.startswith("E: ")


def test_a_rejection_says_who_and_why(run: Run, serve: Serve) -> None:
    server = serve("echoscp", "--max-associations", 1)
    with RawPeer(server.port, (VERIFICATION, (EXPLICIT,))):
        done = run("echoscu", "--json", "127.0.0.1", server.port)
    assert done.status == 1
    (error,) = done.named("error")
    assert (error["error"], error["result"], error["source"], error["reason"]) == (
        "AssociationRejected", 2, 3, 2,
    )  # fmt: skip
    assert str(error["text"]) in done.err


def test_a_context_that_is_not_accepted(run: Run, serve: Serve) -> None:
    done = run("echoscu", "--json", "127.0.0.1", serve("storescp", "--ignore", "--no-echo").port)
    assert done.status == 1
    assert done.named("error")[0]["error"] == "NoAcceptedContext"
    done = run("echoscu", "-xe", "127.0.0.1", serve("echoscp", "-xi").port)
    assert done.status == 1


def test_a_status_of_failure_is_a_failure(run: Run) -> None:
    statuses = iter([0x0000, 0x0122, 0x0000])
    ae = AE()
    ae.add_supported_context(VERIFICATION)
    handlers = [(evt.EVT_C_ECHO, lambda event: next(statuses))]
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        done = run("echoscu", "--json", "--repeat", 3, "127.0.0.1", server.port)
    assert done.status == 1
    assert [event["status"] for event in done.named("echo")] == [0, 0x0122, 0]
    assert done.events[-1]["succeeded"] == 2


def test_an_abort_in_between(run: Run) -> None:
    ae = AE()
    ae.add_supported_context(VERIFICATION)

    def echo(event: evt.Event) -> int:
        if event.message_id == 2:
            event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    handlers = [(evt.EVT_C_ECHO, echo)]
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        done = run("echoscu", "--json", "--repeat", 3, "127.0.0.1", server.port)
    assert done.status == 1
    assert len(done.named("echo")) == 1
    assert done.named("error")[0]["by_peer"] is True


def test_a_peer_that_never_answers(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run("echoscu", "--json", "-ta", "0.05", "127.0.0.1", silent.getsockname()[1])
    assert done.status == 1
    assert (done.named("error")[0]["error"], done.named("error")[0]["phase"]) == ("TimedOut", "association")


def test_a_port_in_use(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("echoscp", "--json", "-ba", "127.0.0.1", port)
    assert done.status == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in done.err
    assert [event["event"] for event in done.events] == ["error", "summary"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_idle_associations_open(serve: Serve, number: int) -> None:
    server = serve("echoscp")
    with RawPeer(server.port, (VERIFICATION, (EXPLICIT,)), (CT, (EXPLICIT,))):
        done = server.stop(number)
    assert (done.status, done.err) == (0, "")


def test_in_text_the_port_stands_at_the_end_of_the_first_line() -> None:
    command = [sys.executable, "-m", "dicomproto_transports.apps", "echoscp", "-ba", "127.0.0.1", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        RawPeer(int(line.split()[-1]), (VERIFICATION, (EXPLICIT,))).socket.close()
        process.terminate()
    assert line.startswith("listening on 127.0.0.1, port ")
    assert process.returncode == 0


def test_an_echo_needs_no_heavy_import(serve: Serve) -> None:
    server = serve("echoscp")
    code = (
        "import sys\n"
        "from dicomproto_transports.apps import main\n"
        f"status = main(['echoscu', '-q', '127.0.0.1', '{server.port}'])\n"
        "heavy = {'pydicom', 'rich', 'trio', 'anyio', 'asyncio', 'numpy', 'json', 'ssl'}\n"
        "print(status, sorted(heavy & {m.split('.')[0] for m in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True, env=os.environ
    )
    assert done.stdout == "0 []\n"
