"""The peer table: what it says reaches `associate`; what is wrong is told by file, table and key."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dicomproto.config import Timeouts
from dicomproto.errors import TimedOut, TLSFailed
from dicomproto.upper_layer.pdu import AssociateRQ, AsynchronousOperationsWindow, RoleSelection
from dicomproto_transports.blocking import AE, evt
from dicomproto_transports.peers import (
    InvalidPeers,
    Peer,
    PeerTLS,
    default_peers_path,
    load_peers,
    move_destinations,
)
from dicomproto_transports.tls import server_context
from tests.certificates import Authority

VERIFICATION = "1.2.840.10008.1.1"
MINIMUM = 'host = "h"\nport = 104\n'


def load(path: Path, text: str) -> dict[str, Peer]:
    (path / "peers.toml").write_text(text, encoding="utf-8")
    return load_peers(path / "peers.toml")


def test_a_peer_needs_a_host_and_a_port(tmp_path: Path) -> None:
    assert load(tmp_path, f"[pacs]\n{MINIMUM}") == {"pacs": Peer(name="pacs", host="h", port=104)}
    assert load(tmp_path, "") == {}


def test_all_that_can_be_said_is_kept(tmp_path: Path) -> None:
    peers = load(
        tmp_path,
        f"""
        [a]
        {MINIMUM}
        ae_title = " PACS "
        calling_ae_title = "ME"
        max_pdu = 65536
        window = 8
        strict_roles = false
        pack_pdvs = true
        [a.timeouts]
        response = 120
        cancel = 1.5
        write = 0
        [a.tls]
        ca = "ca.pem"
        cert = "certs/own.pem"
        key = "/etc/own.key"
        password_file = "../secret"
        profile = "bcp195"
        server_name = "pacs.example"
        crl = "~/revoked.pem"
        crl_check = "chain"
        check_host_name = false
        verify = false
        [b]
        {MINIMUM}
        [b.tls]
        """,
    )
    assert list(peers) == ["a", "b"]
    assert peers["a"] == Peer(
        name="a",
        host="h",
        port=104,
        ae_title="PACS",
        calling_ae_title="ME",
        max_pdu=65536,
        window=8,
        strict_roles=False,
        pack_pdvs=True,
        timeouts=(("response", 120.0), ("cancel", 1.5), ("write", None)),
        tls=PeerTLS(
            ca=str(tmp_path / "ca.pem"),
            cert=str(tmp_path / "certs" / "own.pem"),
            key="/etc/own.key",
            password_file=str(tmp_path.parent / "secret"),
            profile="bcp195",
            server_name="pacs.example",
            crl=os.path.expanduser("~/revoked.pem"),
            crl_check="chain",
            check_host_name=False,
            verify=False,
        ),
    )
    assert peers["b"].tls == PeerTLS()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[a", "this is no TOML: "),
        pytest.param("x = " + "[" * 100_000, "its brackets or names are nested too deeply", id="arrays"),
        pytest.param(f"[a]\nhost = {'{a = ' * 5000}1", "names are nested too deeply", id="tables"),
        pytest.param(f"[a]\nport = {'9' * 5000}", "this is no TOML: Exceeds the limit", id="digits"),
        pytest.param(
            f"[a]\nport = 0x{'9' * 5000}",
            "[a] port: must be a whole number from 1 to 65535, not this int",
            id="hexadecimal digits",
        ),
        ("[a]\nhost = 'h'", "[a] port: is missing"),
        ("[a]\nport = 104", "[a] host: is missing"),
        ("host = 'h'", "'host' belongs into a table, such as [pacs]"),
        ("[[a]]\nhost = 'h'", "'a' belongs into a table, such as [pacs]"),
        ("['a.b']\n", "[a.b]: a name is made of letters, digits, '-' and '_'"),
        ("[104]\n", "[104]: a name is made of letters, digits, '-' and '_', not of digits alone"),
        (f"[a]\n{MINIMUM}tsl = true", "[a] tsl: is not known; there are host, port, ae_title, "),
        (f"[a]\n{MINIMUM}tls = true", "a.tls must be a table, [a.tls]"),
        (f"[a]\n{MINIMUM}timeouts = 5", "a.timeouts must be a table, [a.timeouts]"),
        (
            f"[a]\n{MINIMUM}[a.tls]\nsecret = 'x'",
            "[a.tls] secret: is not known; there are ca, crl, cert, key, ",
        ),
        (f"[a]\n{MINIMUM}[a.tls]\nca = 1", "[a.tls] ca: must be a text, not 1"),
        (f"[a]\n{MINIMUM}[a.tls]\nprofile = 'ssl3'", "[a.tls] profile: must be one of bcp195, bcp195-tls13"),
        (f"[a]\n{MINIMUM}[a.tls]\nprofile = [1]", "[a.tls] profile: must be one of bcp195, bcp195-tls13"),
        (f"[a]\n{MINIMUM}[a.tls]\nprofile = {{}}", "[a.tls] profile: must be one of bcp195, bcp195-tls13"),
        (f"[a]\n{MINIMUM}[a.tls]\ncrl_check = 'all'", "[a.tls] crl_check: must be one of leaf, chain"),
        (f"[a]\n{MINIMUM}[a.tls]\nverify = 'no'", "[a.tls] verify: must be true or false, not this str"),
        (f"[a]\n{MINIMUM}[a.tls]\nkey = 'k'", "[a.tls] key: needs a cert"),
        (f"[a]\n{MINIMUM}[a.tls]\npassword_file = 'k'", "[a.tls] password_file: needs a cert"),
        (f"[a]\n{MINIMUM}[a.timeouts]\nsleep = 5", "[a.timeouts] sleep: is not known; there are connect, "),
        (
            f"[a]\n{MINIMUM}[a.timeouts]\nidle = -1",
            "[a.timeouts] idle: must be a number of seconds, 0 for no",
        ),
        (f"[a]\n{MINIMUM}[a.timeouts]\nidle = true", "not True"),
        (f"[a]\n{MINIMUM}[a.timeouts]\nidle = inf", "[a.timeouts] idle: must be a number of seconds"),
        (f"[a]\n{MINIMUM}[a.timeouts]\nidle = nan", "[a.timeouts] idle: must be a number of seconds"),
        ("[a]\nhost = ''\nport = 1", "[a] host: must be a text, not this str"),
        ("[a]\nhost = 'a..b'\nport = 1", "[a] host: must be the name or the address of a host, not this str"),
        ("[a]\nhost = 'a b'\nport = 1", "[a] host: must be the name or the address of a host, not this str"),
        ("[a]\nhost = 'a '\nport = 1", "[a] host: must be the name or the address of a host, not this str"),
        (
            f"[a]\n{MINIMUM}[a.tls]\nserver_name = '.x'",
            "[a.tls] server_name: must be the name or the address",
        ),
        ("[a]\nhost = 'h'\nport = '104'", "[a] port: must be a whole number from 1 to 65535, not this str"),
        ("[a]\nhost = 'h'\nport = 0", "[a] port: must be a whole number from 1 to 65535, not 0"),
        ("[a]\nhost = 'h'\nport = true", "[a] port: must be a whole number from 1 to 65535, not True"),
        (
            f"[a]\n{MINIMUM}max_pdu = 1",
            "[a] max_pdu: must be 0 or a whole number from 128 to 4294967295, not 1",
        ),
        (f"[a]\n{MINIMUM}window = 0", "[a] window: must be a whole number from 1 to 65535, not 0"),
        (f"[a]\n{MINIMUM}ae_title = 'ABCDEFGHIJKLMNOPQ'", "[a] ae_title: must be an AE title of 1 to 16"),
        (f"[a]\n{MINIMUM}ae_title = 'a\\b'", "[a] ae_title: must be an AE title of 1 to 16"),
        (f"[a]\n{MINIMUM}calling_ae_title = ' '", "[a] calling_ae_title: must be an AE title of 1 to 16"),
        (f"[a]\n{MINIMUM}strict_roles = 1", "[a] strict_roles: must be true or false, not 1"),
    ],
)
def test_what_is_wrong_is_told_by_file_table_and_key(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InvalidPeers) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'peers.toml'}: ")
    assert error in str(caught.value)


@pytest.mark.parametrize(
    "host", ["pacs", "pacs.example.org.", "klinik-köln.de", "::1", "fe80::1%eth0", "10.0.0.1"]
)
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    assert load(tmp_path, f"[a]\nhost = '{host}'\nport = 1")["a"].host == host


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidPeers, match="peers.toml: No such file"):
        load_peers(tmp_path / "peers.toml")
    (tmp_path / "peers.toml").write_bytes(b"# \xff")
    with pytest.raises(InvalidPeers, match="this is no TOML"):
        load_peers(tmp_path / "peers.toml")


def test_the_users_table_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMPROTO_PEERS", "named.toml")
    assert default_peers_path() == "named.toml"
    monkeypatch.setenv("DICOMPROTO_PEERS", "")
    assert default_peers_path() is None
    monkeypatch.delenv("DICOMPROTO_PEERS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_peers_path() is None
    for variable, folder in (("XDG_CONFIG_HOME", tmp_path), ("HOME", tmp_path / ".config")):
        monkeypatch.setenv("HOME", str(tmp_path))
        path = folder / "dicomproto" / "peers.toml"
        path.parent.mkdir(parents=True)
        path.touch()
        assert default_peers_path() == str(path)
        monkeypatch.delenv(variable)


@pytest.mark.parametrize("spoken", [True, False])
def test_a_peer_is_all_that_associate_needs(tmp_path: Path, spoken: bool) -> None:
    requests = []
    ae = AE("SELF")
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    handlers = [(evt.EVT_REQUESTED, lambda event: requests.append(event.associate_request))]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    text = f"""
        [p]
        host = "127.0.0.1"
        port = {server.port}
        ae_title = "PEER"
        """
    if spoken:
        text += """
            max_pdu = 4096
            window = 3
            calling_ae_title = "OTHER"
            strict_roles = true
            pack_pdvs = true
            [p.timeouts]
            response = 5
            """
    try:
        peer = load(tmp_path, text)["p"]
        with ae.associate(**peer.options()) as association:
            assert association.send_c_echo().Status == 0
    finally:
        server.shutdown()
    (request,) = requests
    expected = ("PEER", "OTHER", 4096) if spoken else ("PEER", "SELF", ae.maximum_pdu_size)
    names = request.called_ae_title.strip(), request.calling_ae_title.strip()
    assert (*names, request.maximum_length) == expected
    window = AsynchronousOperationsWindow(maximum_invoked=3, maximum_performed=1)
    assert request.asynchronous_operations_window == (window if spoken else None)
    assert peer.options().get("strict_roles") == (True if spoken else None)


def test_the_timeouts_of_a_peer_are_kept(tmp_path: Path) -> None:
    ae = AE()
    ae.add_requested_context(VERIFICATION)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = f'[p]\nhost = "127.0.0.1"\nport = {port}\n[p.timeouts]\nassociation = 0.01\nclose = 0.01\n'
        peer = load(tmp_path, text)["p"]
        with pytest.raises(TimedOut) as caught:
            ae.associate(**peer.options())
    assert caught.value.phase == "association"


def test_the_timeouts_of_a_peer_go_before_those_of_the_entity(tmp_path: Path) -> None:
    peer = load(tmp_path, f"[p]\n{MINIMUM}[p.timeouts]\nresponse = 1\nidle = 0\n")["p"]
    assert peer.timeouts_over(Timeouts(response=2, close=3)) == Timeouts(response=1, close=3, idle=None)


def test_what_a_peer_leaves_open_is_what_the_entity_says() -> None:
    seen: list[Timeouts] = []
    requests: list[AssociateRQ] = []

    def look(event: evt.Event) -> None:
        seen.append(event.assoc._session.timeouts)
        requests.append(event.associate_request)

    ae = AE(timeouts=Timeouts(connect=11, response=12))
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    role = RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)
    other = AsynchronousOperationsWindow(maximum_invoked=5, maximum_performed=1)
    extended: tuple[list[Any], ...] = ([role], [role, other])
    with ae.start_server(("127.0.0.1", 0), block=False) as server:
        peer = Peer(name="p", host="127.0.0.1", port=server.port, window=4, timeouts=(("response", 5.0),))
        host, port, options = peer.move_destination()
        for items in extended:
            handlers = [(evt.EVT_REQUESTED, look)]
            with ae.associate(host, port, **options, ext_neg=items, evt_handlers=handlers):
                pass
    assert seen == [Timeouts(connect=11, response=5)] * 2
    assert [request.role_selections for request in requests] == [(role,)] * 2
    windows = [request.asynchronous_operations_window for request in requests]
    assert windows == [AsynchronousOperationsWindow(maximum_invoked=4, maximum_performed=1), other]


def test_a_change_of_a_timeout_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="sleep"):
        AE().associate("127.0.0.1", 104, [VERIFICATION], timeouts={"sleep": 1})


def test_a_peer_is_called_over_tls_as_the_table_says(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    key = authority.client.encrypted_key("secret")
    (tmp_path / "password").write_text("secret\n")
    ae = AE()
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    context = server_context(authority.server.cert, authority.server.key, ca_file=authority.ca_file)
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    try:
        text = f"""
            [p]
            host = "127.0.0.1"
            port = {server.port}
            [p.tls]
            ca = "ca.pem"
            cert = "{authority.client.cert}"
            key = "{key}"
            password_file = "password"
            server_name = "localhost"
            """
        peer = load(tmp_path, text)["p"]
        with ae.associate(**peer.options()) as association:
            assert association.send_c_echo().Status == 0
        stranger = load(tmp_path, text.replace("ca.pem", "strange-ca.pem"))["p"]
        with pytest.raises(TLSFailed):
            ae.associate(**stranger.options())
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ca = 'nothing.pem'", "nothing.pem: No such file"),
        ("cert = 'peers.toml'", "holds no certificate in PEM"),
        ("cert = 'peers.toml'\npassword_file = 'nothing'", "nothing: No such file"),
    ],
)
def test_files_that_will_not_do_are_named(tmp_path: Path, text: str, error: str) -> None:
    peer = load(tmp_path, f"[p]\n{MINIMUM}[p.tls]\n{text}\n")["p"]
    with pytest.raises(InvalidPeers) as caught:
        peer.options()
    assert str(caught.value).startswith("[p.tls]: ")
    assert error in str(caught.value)


def test_a_folder_may_hold_who_is_trusted(tmp_path: Path) -> None:
    peer = load(tmp_path, f"[p]\n{MINIMUM}[p.tls]\nca = '.'\n")["p"]
    assert peer.tls_args() is not None
    assert load(tmp_path, f"[p]\n{MINIMUM}")["p"].tls_args() is None


def test_a_peer_may_be_a_move_destination(tmp_path: Path) -> None:
    peer = load(tmp_path, f"[p]\n{MINIMUM}ae_title = 'THERE'\nmax_pdu = 0\n")["p"]
    assert peer.move_destination() == ("h", 104, {"ae_title": "THERE", "max_pdu": 0})


def test_peers_are_move_destinations_by_their_titles(tmp_path: Path) -> None:
    peers = load(
        tmp_path,
        f"[one]\n{MINIMUM}ae_title = 'ONE'\n"
        f"[two]\n{MINIMUM}ae_title = 'TWO'\nmax_pdu = 0\n"
        f"[three]\n{MINIMUM}",
    )
    with pytest.raises(InvalidPeers, match=r"\[three\] ae_title: is needed for a destination of C-MOVE"):
        move_destinations(peers)
    del peers["three"]
    destinations = move_destinations(peers)
    assert destinations == {
        "ONE": ("h", 104, {"ae_title": "ONE"}),
        "TWO": ("h", 104, {"ae_title": "TWO", "max_pdu": 0}),
    }
    ae = AE()
    ae.move_destinations = destinations
    peers["again"] = peers["one"].replace(name="again")
    with pytest.raises(InvalidPeers, match=r"\[again\] ae_title: 'ONE' is that of \[one\], too"):
        move_destinations(peers)
