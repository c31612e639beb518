"""The contexts for the security profiles of PS3.15, and what is said of files that will not do."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import crypto

from dicomproto.config import Timeouts
from dicomproto_transports.streams.secure import Handshake, TlsStream
from dicomproto_transports.testing import Lockstep
from dicomproto_transports.tls import PROFILES, CRLCheck, ReloadingContext, client_context, server_context
from tests.certificates import Authority

RECOMMENDED = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
}  # fmt: skip
"""RFC 9325 4.2."""


def meet(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str = "archive"
) -> tuple[TlsStream, TlsStream]:
    """Shake hands; raises what the client's side raises."""
    with Lockstep() as world:
        left, right = world.pair()
        ends = world.run_all(
            Handshake(client, server_hostname=name).run(left, "SCP", Timeouts()),
            Handshake(server, server_side=True).run(right, "SCU", Timeouts()),
        )
        return ends[0], ends[1]


def cipher(stream: TlsStream) -> tuple[str, str]:
    """Return the cipher suite and the version of TLS that were agreed on."""
    name, version, _ = stream._engine.cipher() or ("", "", 0)
    return name, version


@pytest.fixture
def both(authority: Authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A context for each side, of the first profile."""
    return client_context(authority.ca_file), server_context(authority.server.cert, authority.server.key)


@pytest.mark.parametrize("side", [0, 1])
def test_the_first_profile(both: tuple[ssl.SSLContext, ssl.SSLContext], side: int) -> None:
    context = both[side]
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED
    old = {suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"}
    assert old == RECOMMENDED
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.security_level == 2


def test_tls_1_3_is_preferred(both: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    assert [cipher(end)[1] for end in meet(*both)] == ["TLSv1.3"] * 2


def test_a_client_proposes_the_cheap_suite_and_a_server_takes_the_strong_one(
    both: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    client, server = both
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    proposed = [suite["name"] for suite in client.get_ciphers() if suite["protocol"] != "TLSv1.3"]
    assert proposed[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert cipher(meet(client, server)[0]) == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2")


def test_the_second_profile_is_without_tls_1_2(authority: Authority) -> None:
    assert list(PROFILES) == ["bcp195", "bcp195-tls13"]
    context = client_context(authority.ca_file, profile="bcp195-tls13")
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_a_client_trusts_the_system_if_nothing_else_is_said(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    server = server_context(authority.server.cert, authority.server.key)
    assert meet(client_context(), server)
    assert client_context().verify_mode == ssl.CERT_REQUIRED


def test_a_folder_of_trusted_certificates(authority: Authority, tmp_path: Path) -> None:
    content = authority.ca_file.read_bytes()
    subject = crypto.load_certificate(crypto.FILETYPE_PEM, content).subject_name_hash()
    (tmp_path / f"{subject:08x}.0").write_bytes(content)  # as `openssl rehash` does
    server = server_context(authority.server.cert, authority.server.key)
    assert meet(client_context(ca_path=tmp_path), server)


def test_several_files_of_trusted_certificates(authority: Authority) -> None:
    client = client_context([authority.strange_ca_file, authority.ca_file])
    for files in (authority.server, authority.strange):
        assert meet(client, server_context(files.cert, files.key), "localhost")


def test_key_and_certificate_in_one_file(authority: Authority) -> None:
    assert meet(client_context(authority.ca_file), server_context(str(authority.server.both)))


@pytest.mark.parametrize("password", ["secret", b"secret"])
def test_an_encrypted_key(authority: Authority, password: str | bytes) -> None:
    key = authority.server.encrypted_key("secret")
    assert meet(client_context(authority.ca_file), server_context(authority.server.cert, key, password))


def test_the_hostname_may_go_unchecked(authority: Authority) -> None:
    server = server_context(authority.server.cert, authority.server.key)
    assert meet(client_context(authority.ca_file, check_hostname=False), server, "another")
    assert meet(client_context(peer_certificate="ignore"), server, "another")


def test_a_revoked_certificate(authority: Authority, tmp_path: Path) -> None:
    revoked = tmp_path / "crl.pem"
    revoked.write_bytes(authority.revoke(authority.expired))
    server = server_context(authority.server.cert, authority.server.key)
    assert meet(client_context(authority.ca_file, crl_file=revoked), server)
    revoked.write_bytes(authority.revoke(authority.server))
    with pytest.raises(Exception, match="certificate revoked"):
        meet(client_context(authority.ca_file, crl_file=[revoked]), server)
    revoked.write_bytes(authority.ca_file.read_bytes() + revoked.read_bytes())
    with pytest.raises(Exception, match="certificate revoked"):  # one file that is meant for both
        meet(client_context(revoked, crl_file=revoked), server)


@pytest.mark.parametrize("is_revoked", [False, True])
@pytest.mark.parametrize("crl_check", ["leaf", "chain"])
def test_a_revoked_authority_is_seen_where_the_chain_is_checked(
    authority: Authority, tmp_path: Path, is_revoked: bool, crl_check: CRLCheck
) -> None:
    below = authority.subordinate()
    files = [tmp_path / "root.crl", tmp_path / "below.crl"]
    for path, content in zip(files, below.lists(is_revoked=is_revoked), strict=True):
        path.write_bytes(content)
    for client in (
        client_context(authority.ca_file, crl_file=files, crl_check=crl_check),
        client_context(authority.ca_file, crl_file=_joined(files), crl_check=crl_check),
    ):
        server = server_context(below.server.cert, below.server.key)
        if is_revoked and crl_check == "chain":
            with pytest.raises(Exception, match="certificate revoked"):
                meet(client, server)
        else:
            assert meet(client, server)
    demanding = server_context(
        authority.server.cert,
        authority.server.key,
        ca_file=authority.ca_file,
        crl_file=files,
        crl_check=crl_check,
    )
    client = client_context(authority.ca_file, below.server.cert, below.server.key)
    if is_revoked and crl_check == "chain":
        with pytest.raises(Exception, match="certificate revoked"):
            meet(client, demanding)
    else:
        assert meet(client, demanding)


def _joined(files: list[Path]) -> Path:
    path = files[0].with_name("all.crl")
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    return path


def test_an_issuer_without_a_list(authority: Authority, tmp_path: Path) -> None:
    below = authority.subordinate()
    root, own = tmp_path / "root.crl", tmp_path / "own.crl"
    for path, content in zip((root, own), below.lists(is_revoked=False), strict=True):
        path.write_bytes(content)
    server = server_context(below.server.cert, below.server.key)
    assert meet(client_context(authority.ca_file, crl_file=own), server)
    for client in (
        client_context(authority.ca_file, crl_file=root),
        client_context(authority.ca_file, crl_file=own, crl_check="chain"),
    ):
        with pytest.raises(Exception, match="unable to get certificate CRL"):
            meet(client, server)


def test_reloading(authority: Authority) -> None:
    made = []

    def make() -> ssl.SSLContext:
        made.append(client_context(authority.ca_file))
        if len(made) == 2:
            raise OSError("the disk is gone")
        return made[-1]

    context = ReloadingContext(make)
    assert context.context is made[0]
    with pytest.raises(OSError, match="the disk is gone"):
        context.reload()
    assert context.context is made[0]
    context.reload()
    assert context.context is made[2]


def test_a_failing_start_is_told_at_once() -> None:
    with pytest.raises(FileNotFoundError):
        ReloadingContext(lambda: server_context("nowhere.pem"))


# --- what will not do -----------------------------------------------------------------------------

Give = Callable[[Authority, Path], Any]

WRONG: dict[str, tuple[Give, type[Exception], str]] = {
    "no certificate file": (lambda a, d: server_context(d / "none"), FileNotFoundError, "none"),
    "no key file": (lambda a, d: server_context(a.server.cert, d / "none"), FileNotFoundError, "none"),
    "no CA file": (lambda a, d: client_context(d / "none"), FileNotFoundError, "none"),
    "no CA folder": (lambda a, d: client_context(ca_path=d / "none"), FileNotFoundError, "none"),
    "no list file": (lambda a, d: client_context(crl_file=d / "none"), FileNotFoundError, "none"),
    "text for a certificate": (
        lambda a, d: server_context(d / "text"),
        ValueError,
        "text holds no certificate",
    ),
    "text for a key": (
        lambda a, d: server_context(a.server.cert, d / "text"),
        ValueError,
        "text holds no private key",
    ),
    "text for a CA": (lambda a, d: client_context(d / "text"), ValueError, "text holds no certificate"),
    "no list for a chain": (
        lambda a, d: client_context(a.ca_file, crl_check="chain"),
        ValueError,
        "takes its revocation lists, and there are none",
    ),
    "another check": (
        lambda a, d: client_context(a.ca_file, crl_check="all"),
        ValueError,
        "crl_check is one of leaf, chain, not 'all'",
    ),
    "text for a list": (
        lambda a, d: client_context(crl_file=d / "text"),
        ValueError,
        "text holds no revocation list",
    ),
    "a list for a CA": (
        lambda a, d: server_context(a.server.cert, a.server.key, ca_file=[a.ca_file, d / "list"]),
        ValueError,
        "list holds no certificate in PEM",
    ),
    "a CA for a list": (
        lambda a, d: client_context(a.ca_file, crl_file=a.server.cert),
        ValueError,
        "server.pem holds no revocation list in PEM",
    ),
    "a list with a certificate": (
        lambda a, d: client_context(a.ca_file, crl_file=d / "both"),
        ValueError,
        "both holds a certificate, which would be trusted",
    ),
    "a broken CA": (
        lambda a, d: client_context(d / "broken"),
        ValueError,
        "broken holds no certificate that can be used",
    ),
    "a key and no certificate": (lambda a, d: client_context(key=a.client.key), ValueError, "cert="),
    "no key": (lambda a, d: server_context(a.server.cert), ValueError, "server.pem holds no private key"),
    "another's key": (
        lambda a, d: server_context(a.server.cert, a.client.key),
        ValueError,
        "key in .*client.key is not that of the certificate in .*server.pem",
    ),
    "no password": (
        lambda a, d: server_context(a.server.cert, a.server.encrypted_key("right")),
        ValueError,
        "server.encrypted is encrypted: it needs a password",
    ),
    "the wrong password": (
        lambda a, d: server_context(a.server.cert, a.server.encrypted_key("right"), "wrong"),
        ValueError,
        "the password for the private key in .*server.encrypted is wrong",
    ),
    "a broken certificate": (
        lambda a, d: server_context(d / "broken", a.server.key),
        ValueError,
        "broken and .* cannot be used",
    ),
    "nobody to trust": (
        lambda a, d: server_context(a.server.cert, a.server.key, peer_certificate="verify"),
        ValueError,
        "ca_file",
    ),
    "an unknown profile": (
        lambda a, d: client_context(profile="basic"),  # type: ignore[arg-type]
        ValueError,
        "there are bcp195, bcp195-tls13",
    ),
    "an unknown wish": (
        lambda a, d: client_context(peer_certificate="maybe"),  # type: ignore[arg-type]
        ValueError,
        "require, verify, ignore",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_will_not_do_is_named(authority: Authority, tmp_path: Path, case: str) -> None:
    (tmp_path / "text").write_text("no PEM")
    (tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "list").write_bytes(revoked := authority.revoke(authority.expired))
    (tmp_path / "both").write_bytes(revoked + authority.server.cert.read_bytes())
    give, kind, text = WRONG[case]
    with pytest.raises(kind, match=text):
        give(authority, tmp_path)


@pytest.mark.parametrize("name", ["ca_file", "cert", "crl_file", "ca_path"])
@pytest.mark.parametrize("given", [0, True, b"ca.pem", [0], [None]], ids=str)
def test_a_file_is_given_as_its_path(name: str, given: object) -> None:
    """A number would be an open file: it was read, and closed, standard output for one."""
    if name in ("cert", "ca_path") and isinstance(given, list):
        given = given[0] or 0
    with pytest.raises(TypeError, match="a file for TLS is given as its path, not "):
        client_context(**{name: given})  # type: ignore[arg-type]
    os.fstat(0)


@pytest.mark.parametrize("given", [None, 0, "", "no"], ids=repr)
def test_the_hostname_goes_unchecked_on_purpose_only(given: object) -> None:
    with pytest.raises(TypeError, match="check_hostname must be True or False, not "):
        client_context(check_hostname=given)  # type: ignore[arg-type]
