"""Whom `echoscp` and `storescp` let in, and where they listen."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomproto_transports.apps import echoscp
from dicomproto_transports.apps.cli.address import parse_acceptor
from tests.applications import APPLICATION, EXPLICIT, Done, RawPeer, Server

Run = Callable[..., Done]
Serve = Callable[..., Server]
VERIFICATION = "1.2.840.10008.1.1"


def verdict(done: Done) -> tuple[object, ...]:
    if done.status == 0:
        return ("served",)
    (error,) = done.named("error")
    if error["error"] == "AssociationRejected":
        return error["result"], error["source"], error["reason"]
    return (error["error"],)


SERVED = ("served",)


@pytest.mark.parametrize(
    ("options", "words", "expected"),
    [
        ("--allow-network 127.0.0.0/8", "", SERVED),
        ("--allow-network 10.0.0.0/8 --allow-network 127.0.0.1", "", SERVED),
        ("--allow-network 10.0.0.0/8", "", ("ConnectionLost",)),
        ("--allow-calling-aet GOOD --allow-calling-aet FINE", "-aet FINE", SERVED),
        ("--allow-calling-aet GOOD", "-aet BAD", (1, 1, 3)),
        ("--require-called-aet", "-aec ECHOSCP", SERVED),
        ("--require-called-aet", "-aec OTHER", (1, 1, 7)),
        ("--allow-called-aet OTHER", "-aec OTHER", SERVED),
        ("--allow-called-aet OTHER", "-aec ECHOSCP", (1, 1, 7)),
        ("--allow-called-aet OTHER --require-called-aet", "-aec ECHOSCP", SERVED),
        ("--proxy-protocol-from 10.0.0.0/8", "", SERVED),
        ("--proxy-protocol-from 127.0.0.1", "", ("ConnectionLost",)),
        ("--reuse-port", "", SERVED),
    ],
)
def test_who_is_let_in(
    run: Run, serve: Serve, options: str, words: str, expected: tuple[object, ...]
) -> None:
    server = serve("echoscp", *options.split())
    assert verdict(run("echoscu", "--json", "127.0.0.1", server.port, *words.split())) == expected


@pytest.mark.parametrize(
    ("option", "others"),
    [("--max-associations-per-address", None), ("--max-associations-per-aet", SERVED)],
)
def test_how_many_of_one_kind_are_let_in(
    run: Run, serve: Serve, option: str, others: tuple[object, ...] | None
) -> None:
    server = serve("echoscp", option, 1)
    with RawPeer(server.port, (VERIFICATION, (EXPLICIT,)), title="SAME"):
        full = verdict(run("echoscu", "--json", "-aet", "SAME", "127.0.0.1", server.port))
        assert full[:2] == (2, 3)
        if others:
            assert verdict(run("echoscu", "--json", "-aet", "NEW", "127.0.0.1", server.port)) == others


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "users").write_bytes(b"\xef\xbb\xbfjoe:s:cret\r\n\nj\xc3\xb6rg\n")
    for name, content in (("right", "s:cret\n"), ("wrong", "s:cre\n"), ("long", "s:cret2\n")):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


NOBODY = (1, 2, 1)


@pytest.mark.parametrize(
    ("options", "words", "expected"),
    [
        ("", "", SERVED),
        ("", "--user joe", SERVED),
        ("", "--user joe -rsp", ("NoIdentityResponse",)),
        ("--accept-identity", "", SERVED),
        ("--accept-identity", "--user joe -rsp", SERVED),
        ("--accept-identity", "--user joe --password-file wrong -rsp", SERVED),
        ("--accept-identity", "--kerberos-file right -rsp", SERVED),
        ("--users users", "", NOBODY),
        ("--users users", "--user joe -rsp", NOBODY),
        ("--users users", "--user joe --password-file wrong", NOBODY),
        ("--users users", "--user joe --password-file long", NOBODY),
        ("--users users", "--user joe --password-file right", SERVED),
        ("--users users", "--user joe --password-file right -rsp", SERVED),
        ("--users users", "--user jörg -rsp", SERVED),
        ("--users users", "--user jörg --password-file wrong", SERVED),
        ("--users users", "--user jo --password-file right", NOBODY),
        ("--users users", "--jwt-file right", NOBODY),
    ],
)
def test_which_users_are_served(
    run: Run, serve: Serve, secrets: Path, options: str, words: str, expected: tuple[object, ...]
) -> None:
    server = serve("echoscp", *options.split())
    assert verdict(run("echoscu", "--json", f"127.0.0.1:{server.port}", *words.split())) == expected


def test_nothing_of_a_user_is_shown(run: Run, serve: Serve, secrets: Path) -> None:
    server = serve("storescp", "-d", "-od", secrets / "out", "--users", "users")
    for file in ("right", "wrong"):
        run("echoscu", "--user", "joe", "--password-file", file, f"127.0.0.1:{server.port}")
    done = server.stop()
    assert "W: the passcodes of the users come in clear: the connections have no TLS\n" in done.err
    for secret in ("s:cre", "joe", "j\xf6rg"):
        assert secret not in done.out + done.err


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "users: No such file or directory"),
        (b"\n", "users names no user"),
        (b"joe\n:secret\n", "users, line 2: a name is missing"),
        (b"joe:\n", "users, line 1: a passcode after the colon is missing"),
        (b"# ward 3\n", "users, line 1: there are no comments"),
        (b"#joe:secret\n", "users, line 1: there are no comments"),
        (b"joe\n \n", "users, line 2: a name is missing"),
        (b"joe \n", "users, line 1: a name neither begins nor ends with white space"),
        (b"joe:secret\njoe\n", "users, line 2: this user is listed twice"),
    ],
)
def test_wrong_users_are_refused(
    tmp_path: Path, content: bytes | None, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        parse_acceptor(echoscp.parser(), ["0", "--users", str(path)])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert text in told
    assert "secret" not in told


def test_a_proxy_is_believed_where_it_is_allowed_to_be(serve: Serve) -> None:
    server = serve("echoscp", "--proxy-protocol-from", "127.0.0.0/8", "--allow-network", "192.0.2.7", "-v")
    assert server.process.stderr is not None
    for source, let_in in (("192.0.2.7", True), ("192.0.2.8", False)):
        with socket.create_connection(("127.0.0.1", server.port), 60) as peer:
            peer.sendall(f"PROXY TCP4 {source} 127.0.0.1 40000 104\r\n".encode() + associate_rq())
            try:
                answer = peer.recv(1)
            except ConnectionResetError:
                answer = b""
            assert answer == (b"\x02" if let_in else b"")
    while "the association was accepted" not in (line := server.process.stderr.readline()):
        assert line
    assert "192.0.2.7:40000" in line


def associate_rq() -> bytes:
    from dicomproto.negotiation import build_associate_rq
    from dicomproto.upper_layer import encode_pdu

    return encode_pdu(build_associate_rq("A", "B", [(VERIFICATION, (EXPLICIT,))]))


SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def test_systemd_may_hand_over_the_socket(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = [sys.executable, "-c", SYSTEMD, str(listener.fileno()), *APPLICATION[1:]]
        process = subprocess.Popen(
            [*words, "echoscp", "--json", "systemd"],
            stdout=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
            text=True,
        )
        try:
            port = listener.getsockname()[1]
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["port"] == port
            assert run("echoscu", "127.0.0.1", port).status == 0
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


def test_systemd_may_hand_over_a_unix_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        words = [sys.executable, "-c", SYSTEMD, str(listener.fileno()), *APPLICATION[1:]]
        process = subprocess.Popen(
            [*words, "echoscp", "--json", "systemd"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
            text=True,
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(first) == {"event": "listening", "address": None, "port": None}
    assert json.loads(out)["ok"] is True


def test_without_systemd_there_is_nothing_to_take_over(run: Run) -> None:
    done = run("echoscp", "systemd")
    assert done.status == 1
    assert "E: cannot listen on any address, port systemd: there is no socket from systemd" in done.err


@pytest.mark.parametrize(
    "words",
    ["--allow-network 300.0.0.0", "--allow-network 10.0.0.1/8", "--proxy-protocol-from x",
     "--max-associations 0", "--allow-calling-aet ''", "--max-associations-per-address -1"],
)  # fmt: skip
def test_wrong_admissions_are_refused(words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_acceptor(echoscp.parser(), ["0", *words.replace("''", " ").split()])
    assert caught.value.code == 2
