"""Whom a command line means: addresses in all spellings, names in the peer table, and the user."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path
from typing import Any

import pytest

from dicomproto.config import Timeouts
from dicomproto.upper_layer.pdu import PDataTF, UserIdentityRQ
from dicomproto_transports.apps import echoscu, main, storescu
from dicomproto_transports.apps.cli.address import parse_requestor
from dicomproto_transports.blocking import AE, evt
from dicomproto_transports.peers import Peer, load_peers
from tests.applications import CT, EXPLICIT, run_application, write_object

VERIFICATION = "1.2.840.10008.1.1"
TABLE = """
[pacs]
host = "pacs.example"
port = 4242
ae_title = "PACS"

[tuned]
host = "::1"
port = 11112
calling_ae_title = "VIEWER"
max_pdu = 0
window = 4
strict_roles = true
[tuned.timeouts]
response = 5
connect = 0
"""


@pytest.fixture(autouse=True)
def own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "peers.toml"
    path.write_text(TABLE)
    monkeypatch.setenv("DICOMPROTO_PEERS", str(path))
    return path


def means(words: str) -> tuple[str, str, int]:
    options = parse_requestor(echoscu.parser(), shlex.split(words))
    return options.called_aet, options.addr, options.port


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("host 104", ("ANY-SCP", "host", 104)),
        ("host:104", ("ANY-SCP", "host", 104)),
        ("AET@host:104", ("AET", "host", 104)),
        ("AET@host 104", ("AET", "host", 104)),
        ("'AN AET@host:104'", ("AN AET", "host", 104)),
        ("A@B@host:104", ("A@B", "host", 104)),
        ("10.0.0.1:104", ("ANY-SCP", "10.0.0.1", 104)),
        ("[::1]:104", ("ANY-SCP", "::1", 104)),
        ("[::1] 104", ("ANY-SCP", "::1", 104)),
        ("AET@[fe80::1%eth0]:104", ("AET", "fe80::1%eth0", 104)),
        ("::1 104", ("ANY-SCP", "::1", 104)),
        ("-v host --abort 104", ("ANY-SCP", "host", 104)),
        ("AET@host:104 -aec OTHER", ("OTHER", "host", 104)),
        ("pacs", ("PACS", "pacs.example", 4242)),
        ("pacs -aec OTHER", ("OTHER", "pacs.example", 4242)),
        ("unknown 104", ("ANY-SCP", "unknown", 104)),
        ("X@pacs:104", ("X", "pacs", 104)),
        ("pacs:104", ("ANY-SCP", "pacs", 104)),
    ],
)
def test_an_address_has_many_spellings(words: str, meant: tuple[str, str, int]) -> None:
    assert means(words) == meant


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("unknown", "'unknown' is not a peer in TABLE, so HOST:PORT is needed, or a port after the host"),
        ("unknown x", "or a port after the host, not 'x'"),
        ("::1", "or a port after the host"),
        ("host:104 105", "'host:104' has a port already; '105' is too much"),
        ("pacs 104", "'pacs' has a port already; '104' is too much"),
        ("host:0", "a port is a whole number from 1 to 65535"),
        ("host:", "a port is a whole number from 1 to 65535"),
        ("host:x", "a port is a whole number from 1 to 65535"),
        ("host 65536", "a port is a whole number from 1 to 65535"),
        (":104", "':104': the host is missing"),
        ("A@", "'A@': the host is missing"),
        ("@host:104", "an AE title has 1 to 16 printable ASCII characters"),
        ("ABCDEFGHIJKLMNOPQ@host:104", "an AE title has 1 to 16 printable ASCII characters"),
        ("[::1", "an address in brackets ends with ']' or ']:PORT'"),
        ("[::1]104", "an address in brackets ends with ']' or ']:PORT'"),
        ("host 104 105", "unrecognized arguments: 105"),
        ("", "the following arguments are required: address"),
    ],
)
def test_a_wrong_address_is_told_apart(
    words: str, text: str, own_table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        means(words)
    assert caught.value.code == 2
    assert text.replace("TABLE", str(own_table)) in capsys.readouterr().err


def test_without_a_table_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DICOMPROTO_PEERS", "")
    with pytest.raises(SystemExit):
        means("pacs")
    assert "'pacs' is not a peer, and there is no peer table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("host 104 a b", ("host", 104, ["a", "b"])),
        ("host:104 a b", ("host", 104, ["a", "b"])),
        ("host:104 104", ("host", 104, ["104"])),
        ("pacs 104", ("pacs.example", 4242, ["104"])),
        ("host -r 104 a -v b", ("host", 104, ["a", "b"])),
        ("host 104 -- -a", ("host", 104, ["-a"])),
    ],
)
def test_files_follow_the_address(
    words: str, meant: tuple[str, int, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "104").touch()
    monkeypatch.chdir(tmp_path)
    options = parse_requestor(storescu.parser(), words.split())
    assert (options.addr, options.port, options.path) == meant


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("host 104", "the following arguments are required: path"),
        ("host file", "or a port after the host, not 'file'"),
        ("host:104", "the following arguments are required: path"),
        ("host:104 104 file", "'host:104' has a port already; '104' is too much"),
    ],
)
def test_files_are_needed(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_requestor(storescu.parser(), words.split())
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_options_rule_over_the_table_and_the_table_over_the_defaults() -> None:
    plain = parse_requestor(echoscu.parser(), ["pacs"])
    assert (plain.ae_title, plain.max_pdu) == ("ECHOSCU", 131_072)
    tuned = parse_requestor(echoscu.parser(), ["tuned"])
    assert (tuned.ae_title, tuned.max_pdu, tuned.called_aet) == ("VIEWER", 0, "ANY-SCP")
    assert tuned.peer.timeouts_over(Timeouts()) == Timeouts(response=5, connect=None)
    both = parse_requestor(echoscu.parser(), ["tuned", "-aet", "ME", "-pdu", "16384"])
    assert (both.ae_title, both.max_pdu) == ("ME", 16384)


def test_a_table_may_be_named_and_must_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[there]\nhost = "h"\nport = 1\n')
    assert means(f"there --peers {other}") == ("ANY-SCP", "h", 1)
    other.write_text('[there]\nhost = "h"\nport = 1\ntsl = true\n')
    with pytest.raises(SystemExit) as caught:
        means(f"there --peers {other}")
    assert caught.value.code == 2
    assert f"{other}: [there] tsl: is not known" in capsys.readouterr().err
    with pytest.raises(SystemExit):  # where no name is looked up, too
        means(f"host:104 --peers {other}")
    assert f"{other}: [there] tsl: is not known" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        means(f"A@host:104 --peers {other}x")
    assert f"{other}x: No such file or directory" in capsys.readouterr().err
    monkeypatch.setenv("DICOMPROTO_PEERS", str(other))
    assert means("host:104") == ("ANY-SCP", "host", 104)


def test_a_peer_is_called_as_the_table_says(tmp_path: Path) -> None:
    requests = []
    ae = AE()
    ae.add_supported_context(VERIFICATION)
    handlers = [(evt.EVT_REQUESTED, lambda event: requests.append(event.associate_request))]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        table = tmp_path / "peers.toml"
        table.write_text(
            f'[local]\nhost = "127.0.0.1"\nport = {server.port}\nae_title = "THERE"\n'
            'calling_ae_title = "HERE"\nmax_pdu = 4096\nwindow = 7\n'
        )
        assert main(["echoscu", "-q", "local"]) == 0
        assert main(["echoscu", "-q", f"SCP@127.0.0.1:{server.port}"]) == 0
    finally:
        server.shutdown()
    by_name, by_address = requests
    assert (by_name.called_ae_title.strip(), by_name.calling_ae_title.strip()) == ("THERE", "HERE")
    assert by_name.maximum_length == 4096
    window = by_name.asynchronous_operations_window
    assert (window.maximum_invoked, window.maximum_performed) == (7, 1)
    assert (by_address.called_ae_title.strip(), by_address.calling_ae_title.strip()) == ("SCP", "ECHOSCU")
    assert by_address.asynchronous_operations_window is None


def test_no_setting_of_the_table_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the table holds for programs goes into the call of a tool, too."""
    calls = []
    associate = AE.associate

    def spy(self: AE, **call: Any) -> object:
        calls.append(call)
        return associate(self, **call)

    monkeypatch.setattr(AE, "associate", spy)
    ae = AE()
    ae.add_supported_context(VERIFICATION)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        table = tmp_path / "peers.toml"
        table.write_text(
            f'[local]\nhost = "127.0.0.1"\nport = {server.port}\nae_title = "THERE"\n'
            'calling_ae_title = "HERE"\nmax_pdu = 4096\nwindow = 7\nstrict_roles = true\n'
            'pack_pdvs = true\nassume_charset = "ISO_IR 100"\n[local.timeouts]\nresponse = 5\n'
        )
        assert main(["echoscu", "-q", "local"]) == 0
    finally:
        server.shutdown()
    peer = load_peers(table)["local"]
    wanted = peer.options(Timeouts())
    left = set(Peer._fields) - set(wanted)
    assert left <= {"name", "host", "tls", "window"}  # under another name, or tested by themselves
    (call,) = calls
    assert {name: call[name] for name in wanted} == wanted


@pytest.mark.parametrize("packs", [True, False])
def test_a_table_may_ask_for_packed_pdus(tmp_path: Path, packs: bool) -> None:
    packed = []

    def received(event: evt.Event) -> None:
        if isinstance(event.pdu, PDataTF):
            packed.append(len({value.is_command for value in event.pdu.values}) == 2)

    ae = AE()
    ae.add_supported_context(CT, EXPLICIT)
    handlers: list[evt.Binding] = [(evt.EVT_PDU_RECV, received), (evt.EVT_C_STORE, lambda event: 0)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    table, path = tmp_path / "peers.toml", tmp_path / "a.dcm"
    write_object(path, "1.2.3")
    try:
        text = f'[local]\nhost = "127.0.0.1"\nport = {server.port}\npack_pdvs = {str(packs).lower()}\n'
        table.write_text(text)
        assert main(["storescu", "-q", "local", str(path)]) == 0
    finally:
        server.shutdown()
    assert any(packed) is packs


def test_a_table_may_set_timeouts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "peers.toml"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        table.write_text(
            f'[local]\nhost = "127.0.0.1"\nport = {silent.getsockname()[1]}\n'
            "[local.timeouts]\nassociation = 0.05\n"
        )
        assert main(["echoscu", "local"]) == 1
    assert "0.05" in capsys.readouterr().err


# --- who the user is ----------------------------------------------------------------------------


def identity(words: str) -> UserIdentityRQ | None:
    options = parse_requestor(echoscu.parser(), ["host:104", *words.split()])
    found: UserIdentityRQ | None = options.identity
    return found


def test_nobody_is_named_unless_asked_for() -> None:
    assert identity("") is None


def test_each_kind_of_identity_has_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b" p\xc3\xa4ss \r\nnot this\n")
    monkeypatch.setenv("PASSCODE", "from outside")
    user = UserIdentityRQ(identity_type=1, primary_field="jürgen".encode())
    assert identity("--user jürgen") == identity("-usr jürgen") == user
    with_passcode = user.replace(identity_type=2, secondary_field=" päss ".encode())
    assert identity(f"--user jürgen --password-file {secret}") == with_passcode
    assert identity("--user jürgen --password-env PASSCODE") == user.replace(
        identity_type=2, secondary_field=b"from outside"
    )
    assert identity("--user jürgen -rsp") == user.replace(positive_response_requested=True)
    secret.write_bytes(b"\n\x00ticket\n")
    assert identity(f"--kerberos-file {secret}") == UserIdentityRQ(
        identity_type=3, primary_field=b"\n\x00ticket\n"
    )
    secret.write_bytes(b"<saml/>\n")
    assert identity(f"--saml-file {secret}") == UserIdentityRQ(identity_type=4, primary_field=b"<saml/>")
    secret.write_bytes(b"e30.e30.\n")
    assert identity(f"--jwt-file {secret} --identity-response") == UserIdentityRQ(
        identity_type=5, primary_field=b"e30.e30.", positive_response_requested=True
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--password-env X", "a passcode needs --user"),
        ("-rsp", "--identity-response needs an identity"),
        ("--user a --password-env NOT_SET", "the environment has no variable NOT_SET"),
        ("--user a --password-file /nonexistent", "/nonexistent: No such file or directory"),
        ("--jwt-file /dev/null", "the identity of the user is empty"),
        ("--user a --password-file /dev/null", "the passcode of the user is empty"),
        ("--user a --jwt-file b", "not allowed with argument"),
        ("--user a --password-env A --password-file b", "not allowed with argument"),
        ("--user " + "a" * 65536, "more than 65535 bytes"),
        ("--user \udcff", "argument -usr: the name of the user is not in UTF-8"),
    ],
)
def test_a_wrong_identity_is_refused(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        identity(words)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_no_option_takes_a_secret() -> None:
    spelled = {word for action in echoscu.parser()._actions for word in action.option_strings}
    assert {word for word in spelled if "pass" in word} == {
        "--password-file", "--password-env", "--key-password-file", "--key-password-env",
    }  # fmt: skip


@pytest.mark.parametrize("answers", [True, False])
def test_a_positive_response_is_insisted_on(answers: bool) -> None:
    ae = AE()
    ae.add_supported_context(VERIFICATION)
    seen = []

    def check(event: evt.Event) -> tuple[bool, bytes]:
        seen.append(event.user_id_type)
        return True, b""

    handlers: list[evt.Binding] = [(evt.EVT_USER_ID, check)] if answers else []
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        done = run_application("echoscu", "--json", "--user", "me", "-rsp", f"127.0.0.1:{server.port}")
    finally:
        server.shutdown()
    assert seen == [1] * answers
    assert done.status == (0 if answers else 1)
    if not answers:
        assert done.named("error")[0]["error"] == "NoIdentityResponse"
        assert done.named("echo") == []


@pytest.mark.parametrize(
    ("words", "what"),
    [(["--user", "me", "--password-env", "SECRET"], "passcode"), (["--jwt-file", "token"], "identity")],
)
def test_a_secret_on_plain_tcp_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], what: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "very-secret")
    (tmp_path / "token").write_text("very-secret")
    ae = AE()
    ae.add_supported_context(VERIFICATION)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        assert main(["echoscu", f"127.0.0.1:{server.port}", *words]) == 0
        warned = capsys.readouterr().err
        assert main(["echoscu", f"127.0.0.1:{server.port}", "--user", "me"]) == 0
    finally:
        server.shutdown()
    assert warned == f"W: the {what} of the user is sent in clear: the connection has no TLS\n"
    assert capsys.readouterr().err == ""


def test_nothing_of_a_secret_is_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very-secret\n")
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        done = run_application("echoscu", "-d", "--user", "me", "--password-file", secret, address)
    assert done.status == 1
    assert "very-secret" not in done.out + done.err
