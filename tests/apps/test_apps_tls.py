"""TLS on the command line: who is trusted, what is refused, and that nothing is unprotected by mistake."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomproto_transports.apps import echoscp, echoscu
from dicomproto_transports.apps.cli.address import parse_acceptor, parse_requestor
from tests.applications import Done, Server, write_object
from tests.certificates import Authority

Run = Callable[..., Done]
Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMPROTO_PEERS", "")


def own(authority: Authority) -> list[object]:
    return ["--enable-tls", authority.server.key, authority.server.cert]


def test_an_anonymous_client_verifies_the_server(run: Run, serve: Serve, authority: Authority) -> None:
    server = serve("echoscp", *own(authority), "-ic")
    there = f"127.0.0.1:{server.port}"
    assert run("echoscu", "--tls", "--add-cert-file", authority.ca_file, there).status == 0
    assert run("echoscu", "--anonymous-tls", "-ic", there).status == 0
    for word in ("--add-cert-file", "--tls-profile"):
        value = authority.strange_ca_file if word == "--add-cert-file" else "bcp195"
        done = run("echoscu", "--json", "--tls", word, value, there)
        assert (done.status, done.named("error")[0]["error"]) == (1, "TLSFailed")
    done = run("echoscu", "--json", there)  # in the clear
    assert done.status == 1
    assert server.stop().events[-1] == {"event": "summary", "echoes": 2, "ok": True}


def test_the_name_in_the_certificate_counts(run: Run, serve: Serve, authority: Authority) -> None:
    strange = authority.issue("elsewhere", "elsewhere.example")
    server = serve("echoscp", "--enable-tls", strange.key, strange.cert, "-ic")
    words = ["--tls", "--add-cert-file", authority.ca_file, f"127.0.0.1:{server.port}"]
    assert run("echoscu", *words).status == 1
    assert run("echoscu", "--server-name", "elsewhere.example", *words).status == 0
    assert run("echoscu", "--ignore-host-name", *words).status == 0


def test_a_server_demands_a_certificate(
    run: Run, serve: Serve, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("storescp", *own(authority), "--add-cert-file", authority.ca_file, "-od", tmp_path / "out")
    write_object(tmp_path / "file", "1.2.3", pixels=300_000)
    there = ["--add-cert-file", authority.ca_file, f"127.0.0.1:{server.port}", tmp_path / "file"]
    assert run("storescu", "--tls", *there).status == 1
    assert run("storescu", "--enable-tls", authority.client.key, authority.client.cert, *there).status == 0
    encrypted = authority.client.encrypted_key("opened")
    secret = tmp_path / "secret"
    secret.write_text("opened\n")
    monkeypatch.setenv("KEY_SECRET", "opened")
    for words in (["--key-password-file", secret], ["--key-password-env", "KEY_SECRET"]):
        words = [*words, "--enable-tls", encrypted, authority.client.cert]
        assert run("storescu", *words, *there).status == 0
    done = run("storescu", "--enable-tls", encrypted, authority.client.cert, *there)
    assert done.status == 2
    assert "is encrypted: it needs a password" in done.err
    assert server.stop().events[-1]["stored"] == 1


def test_a_client_may_go_without_where_it_is_verified_if_present(
    run: Run, serve: Serve, authority: Authority
) -> None:
    server = serve("echoscp", *own(authority), "-vc", "--add-cert-file", authority.ca_file)
    words = ["--add-cert-file", authority.ca_file, f"127.0.0.1:{server.port}"]
    assert run("echoscu", "--tls", *words).status == 0
    strange = authority.strange
    assert run("echoscu", "--enable-tls", strange.key, strange.cert, *words).status == 1


def test_certificates_are_reloaded_without_a_restart(
    run: Run, serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(authority.expired.cert.read_bytes())
    key.write_bytes(authority.expired.key.read_bytes())
    server = serve("echoscp", "-v", "--enable-tls", key, cert, "-ic")
    words = ["--tls", "--add-cert-file", authority.ca_file, f"127.0.0.1:{server.port}"]
    stderr = server.process.stderr
    assert stderr is not None

    def reloaded() -> str:
        server.process.send_signal(signal.SIGHUP)
        while "reloaded" not in (line := stderr.readline()):
            assert line
        return line

    assert run("echoscu", *words).status == 1
    cert.write_text("nothing")
    assert reloaded().startswith("E: the certificates are not reloaded: ")
    cert.write_bytes(authority.server.cert.read_bytes())
    key.write_bytes(authority.server.key.read_bytes())
    assert reloaded() == "I: the certificates are reloaded\n"
    assert run("echoscu", *words).status == 0
    assert server.stop().status == 0


def test_a_revoked_authority(run: Run, serve: Serve, authority: Authority, tmp_path: Path) -> None:
    below = authority.subordinate()
    revoked, table = tmp_path / "lists.crl", tmp_path / "peers.toml"
    revoked.write_bytes(b"".join(below.lists(is_revoked=True)))
    server = serve("echoscp", "--enable-tls", below.server.key, below.server.cert, "-ic")
    words = ["--tls", "--add-cert-file", authority.ca_file, "--add-crl-file", revoked]
    assert run("echoscu", *words, f"127.0.0.1:{server.port}").status == 0
    done = run("echoscu", *words, "--enable-crl-all", f"127.0.0.1:{server.port}")
    assert (done.status, "certificate revoked" in done.err) == (1, True)
    text = f'[p]\nhost = "127.0.0.1"\nport = {server.port}\n[p.tls]\nca = "{authority.ca_file}"\n'
    table.write_text(f'{text}crl = "{revoked}"\n')
    assert run("echoscu", "--peers", table, "p").status == 0
    assert run("echoscu", "--peers", table, "--enable-crl-all", "p").status == 1
    table.write_text(f'{text}crl = "{revoked}"\ncrl_check = "chain"\n')
    assert run("echoscu", "--peers", table, "p").status == 1
    assert server.stop().status == 0


def test_the_peer_table_may_ask_for_tls(run: Run, serve: Serve, authority: Authority, tmp_path: Path) -> None:
    server = serve("echoscp", *own(authority), "-ic")
    table = tmp_path / "peers.toml"
    text = f'[p]\nhost = "127.0.0.1"\nport = {server.port}\n[p.tls]\n'
    table.write_text(f'{text}ca = "{authority.ca_file}"\n')
    assert run("echoscu", "--peers", table, "p").status == 0
    assert run("echoscu", "--peers", table, "--disable-tls", "p").status == 1
    table.write_text(f'{text}ca = "{authority.strange_ca_file}"\n')
    assert run("echoscu", "--peers", table, "p").status == 1
    words = ["--tls", "--add-cert-file", authority.ca_file]  # these rule
    assert run("echoscu", "--peers", table, *words, "p").status == 0
    assert run("echoscu", "--peers", table, "-ic", "p").status == 0  # so do single ones
    assert run("echoscu", "--peers", table, *words[1:], "p").status == 0
    done = run("echoscu", "--peers", table, *words[1:] * 2, "p")
    assert (done.status, "--add-cert-file more than once needs --tls" in done.err) == (2, True)
    assert run("echoscu", "--peers", table, "--disable-tls", "-ic", "p").status == 2
    table.write_text(f'{text}ca = "nothing.pem"\n')
    done = run("echoscu", "--peers", table, "p")
    assert done.status == 2
    assert "[p.tls]" in done.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--add-cert-file ca.pem", "--add-cert-file means nothing without --tls or --enable-tls"),
        ("--add-cert-dir .", "--add-cert-dir means nothing without"),
        ("--add-crl-file crl", "--add-crl-file means nothing without"),
        ("--enable-crl-all", "--enable-crl-all means nothing without"),
        ("--tls --enable-crl-all", "takes its revocation lists, and there are none"),
        ("--tls-profile bcp195", "--tls-profile means nothing without"),
        ("-ic", "-rc, -vc or -ic means nothing without"),
        ("--key-password-env X", "--key-password-env means nothing without"),
        ("--server-name x", "--server-name means nothing without"),
        ("--ignore-host-name", "--ignore-host-name means nothing without"),
        ("--disable-tls -ic", "-ic means nothing without"),
        ("--tls --disable-tls", "not allowed with argument"),
        ("--tls --add-cert-file /nonexistent", "/nonexistent: No such file or directory"),
        ("--tls --add-cert-file /dev/null", "/dev/null holds no certificate in PEM"),
        ("--enable-tls /dev/null /dev/null", "/dev/null holds no certificate in PEM"),
    ],
)
def test_wrong_settings_of_a_client(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_requestor(echoscu.parser(), ["host:104", *words.split()])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--add-cert-file ca.pem", "--add-cert-file means nothing without --enable-tls"),
        ("--enable-tls k c", "--add-cert-file or --add-cert-dir is needed"),
        ("--enable-tls /nonexistent /nonexistent -ic", "/nonexistent: No such file or directory"),
        ("--tls", "unrecognized arguments: --tls"),
    ],
)
def test_wrong_settings_of_a_server(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_acceptor(echoscp.parser(), ["0", *words.split()])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err
