"""TLS contexts for the security profiles of DICOM, from PEM files.

`client_context` and `server_context` return plain `ssl.SSLContext`s for those profiles of PS3.15 Annex B that
OpenSSL and Python support:

- "bcp195": the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12). TLS 1.2 with
  the four cipher suites that RFC 9325 4.2 recommends, and TLS 1.3, which is preferred.
- "bcp195-tls13": the same without TLS 1.2, for networks where every peer supports TLS 1.3.

The modified profile (PS3.15 B.13) is not offered: its servers shall support cipher suites (Camellia in GCM,
AES in CCM with TLS 1.3) that OpenSSL lacks or Python cannot turn on. The older profiles are retired. The
adapters take any other `ssl.SSLContext` as well.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import Literal

from .error_text import shown

__all__ = [
    "client_context", "server_context", "ReloadingContext",
    "Context", "TLSArguments", "PROFILES", "Profile", "PeerCertificate", "CRLCheck",
]  # fmt: skip

Path = str | PathLike[str]
Paths = Path | Sequence[Path]

Profile = Literal["bcp195", "bcp195-tls13"]
"""A security profile; see the docstring of this module."""

PeerCertificate = Literal["require", "verify", "ignore"]
"""The rule for the peer's certificate, as with DCMTK's options -rc, -vc and -ic.

"require": the peer must send a certificate that verifies. "verify": it may send none; one that it sends must
verify. "ignore": any certificate or none, so the identity of the peer is not known.
"""

CRLCheck = Literal["leaf", "chain"]
"""The certificates to look up in the lists of `crl_file`, as with DCMTK's options +crv and +cra.

"leaf": that of the peer; a list of its issuer must be there. "chain": those of the authorities up to the root
as well; the list of each issuer must be there.
"""

PROFILES: dict[Profile, ssl.TLSVersion] = {
    "bcp195": ssl.TLSVersion.TLSv1_2,
    "bcp195-tls13": ssl.TLSVersion.TLSv1_3,
}
"""The lowest version of TLS of each profile; the highest is always 1.3."""

# RFC 9325 4.2. A client proposes AES-128 first, a server prefers the stronger suite (4.2.1).
_AES_128 = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256")
_AES_256 = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384")

# RFC 9325 4.5: RSA keys of at least 2048 bits, no signatures with SHA-1.
_STRENGTH = "@SECLEVEL=2"

_VERIFY: dict[PeerCertificate, ssl.VerifyMode] = {
    "require": ssl.CERT_REQUIRED,
    "verify": ssl.CERT_OPTIONAL,
    "ignore": ssl.CERT_NONE,
}

_CRL_CHECK: dict[CRLCheck, ssl.VerifyFlags] = {
    "leaf": ssl.VERIFY_CRL_CHECK_LEAF,
    "chain": ssl.VERIFY_CRL_CHECK_CHAIN,
}


def client_context(
    ca_file: Paths | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    password: str | bytes | None = None,
    *,
    ca_path: Path | None = None,
    crl_file: Paths | None = None,
    crl_check: CRLCheck = "leaf",
    profile: Profile = "bcp195",
    peer_certificate: PeerCertificate = "require",
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """Return a context for requestors of associations.

    All files are PEM. `ca_file` (one or several) and `ca_path` (a folder made by `openssl rehash`) hold the
    trusted certificates; without either, the system's are used. `cert` is our own certificate with the chain
    up to its CA, for servers that ask for one; `key` is its private key (None: in the same file), which
    `password` decrypts. `crl_file` (one or several) holds revocation lists: a revoked certificate of a peer
    is refused, with `crl_check="chain"` also that of an authority, and a certificate whose issuer has no list
    there. `check_hostname` compares the certificate with the called name or address; DCMTK's tools do not.
    A server always sends a certificate, so "verify" means "require".

    Raises OSError for an unreadable file and ValueError for a file with other content.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, profile, _AES_128 + _AES_256)
    if not isinstance(check_hostname, bool):  # a false value by accident would let anyone in
        raise TypeError(f"check_hostname must be True or False, not {shown(check_hostname)}")
    checked = _verify_mode(peer_certificate) != ssl.CERT_NONE
    context.check_hostname = check_hostname and checked
    context.verify_mode = ssl.CERT_REQUIRED if checked else ssl.CERT_NONE
    _load_own(context, cert, key, password)
    _load_trusted(context, ca_file, ca_path, crl_file, crl_check)
    if checked and ca_file is None and ca_path is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def server_context(
    cert: Path,
    key: Path | None = None,
    password: str | bytes | None = None,
    *,
    ca_file: Paths | None = None,
    ca_path: Path | None = None,
    crl_file: Paths | None = None,
    crl_check: CRLCheck = "leaf",
    profile: Profile = "bcp195",
    peer_certificate: PeerCertificate | None = None,
) -> ssl.SSLContext:
    """Return a context for a server; the files are those of `client_context`.

    `peer_certificate` is the rule for the certificates of clients: by default "require" (mutual
    authentication) with `ca_file` or `ca_path`, "ignore" without them.

    Raises OSError for an unreadable file and ValueError for a file with other content.
    """
    is_trusting = ca_file is not None or ca_path is not None
    if peer_certificate is None:
        peer_certificate = "require" if is_trusting else "ignore"
    verify_mode = _verify_mode(peer_certificate)
    if verify_mode != ssl.CERT_NONE and not is_trusting:
        raise ValueError("certificates of clients are verified with ca_file or ca_path; there is neither")
    context = _context(ssl.PROTOCOL_TLS_SERVER, profile, _AES_256 + _AES_128)
    context.verify_mode = verify_mode
    context.num_tickets = 0  # sessions are not resumed; a client that only sends would leave tickets unread
    _load_own(context, cert, key, password)
    _load_trusted(context, ca_file, ca_path, crl_file, crl_check)
    return context


class ReloadingContext:
    """A context whose files can be read again, for use in place of an `ssl.SSLContext`.

        context = ReloadingContext(lambda: server_context("cert.pem", "key.pem", ca_file="ca.pem"))

    `reload` makes a new context for later connections; existing ones do not change.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make
        self._context = make()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for the next connection."""
        return self._context

    def reload(self) -> None:
        """Read the files again; keeps the old context and raises the error if that fails."""
        self._context = self._make()


Context = ssl.SSLContext | ReloadingContext
"""The type of `ssl_context` of servers."""

TLSArguments = Context | tuple[Context, str | None]
"""The type of `tls_args` of `associate`: a context, or a context and the name to check in the certificate.

The name is by default the called address. If it is a host name, it is sent to the server as well (SNI).
"""


def _context(protocol: int, profile: Profile, ciphers: Iterable[str]) -> ssl.SSLContext:
    if profile not in PROFILES:
        raise ValueError(f"there is no TLS profile {profile!r}; there are {', '.join(PROFILES)}")
    context = ssl.SSLContext(protocol)
    context.minimum_version = PROFILES[profile]
    context.set_ciphers(":".join([*ciphers, _STRENGTH]))  # of TLS 1.2; all suites of TLS 1.3 are allowed
    context.options |= ssl.OP_NO_RENEGOTIATION  # RFC 9325 3.5
    return context


def _verify_mode(peer_certificate: PeerCertificate) -> ssl.VerifyMode:
    if peer_certificate not in _VERIFY:
        raise ValueError(f"peer_certificate is one of {', '.join(_VERIFY)}, not {peer_certificate!r}")
    return _VERIFY[peer_certificate]


_CERTIFICATE, _REVOKED = b"CERTIFICATE-----", b"X509 CRL-----"  # ends of the labels (RFC 7468)


def _load_own(
    context: ssl.SSLContext, cert: Path | None, key: Path | None, password: str | bytes | None
) -> None:
    if cert is None:
        if key is not None:
            raise ValueError("a private key needs its certificate: cert=")
        return
    holder = cert if key is None else key
    for path, mark, what in (
        (cert, _CERTIFICATE, "certificate"),
        (holder, b"KEY-----", "private key"),
    ):
        if mark not in _read(path):
            raise ValueError(f"{fspath(path)} holds no {what} in PEM")
    asked: list[bool] = []

    def give_password() -> str | bytes:
        asked.append(True)
        if password is None:  # OpenSSL would ask at the terminal
            raise ValueError(f"the private key in {fspath(holder)} is encrypted: it needs a password")
        return password

    try:
        context.load_cert_chain(cert, key, give_password)
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            text = f"the private key in {fspath(holder)} is not that of the certificate in {fspath(cert)}"
        elif asked:
            text = f"the password for the private key in {fspath(holder)} is wrong"
        else:
            text = f"{fspath(cert)} and {fspath(holder)} cannot be used: {_words(error)}"
        raise ValueError(text) from error


def _load_trusted(
    context: ssl.SSLContext,
    ca_file: Paths | None,
    ca_path: Path | None,
    crl_file: Paths | None,
    crl_check: CRLCheck,
) -> None:
    if crl_check not in _CRL_CHECK:
        raise ValueError(f"crl_check is one of {', '.join(_CRL_CHECK)}, not {crl_check!r}")
    trusted, revoked = _several(ca_file), _several(crl_file)
    for paths, mark, what in ((trusted, _CERTIFICATE, "certificate"), (revoked, _REVOKED, "revocation list")):
        for path in paths:
            content = _read(path)  # OpenSSL loads any PEM object without an error
            if mark not in content:
                raise ValueError(f"{fspath(path)} holds no {what} in PEM")
            if _CERTIFICATE in content and path not in trusted:
                raise ValueError(
                    f"{fspath(path)} holds a certificate, which would be trusted, beside its list"
                )
            try:
                context.load_verify_locations(path)
            except ssl.SSLError as error:
                raise ValueError(
                    f"{fspath(path)} holds no {what} that can be used: {_words(error)}"
                ) from error
    if ca_path is not None:
        _check_path(ca_path)
        os.listdir(ca_path)  # OpenSSL reads it later, and ignores a missing folder
        context.load_verify_locations(capath=ca_path)
    if revoked:
        context.verify_flags |= _CRL_CHECK[crl_check]
    elif crl_check == "chain":
        raise ValueError("to check a whole chain takes its revocation lists, and there are none")


def _several(paths: Paths | None) -> Sequence[Path]:
    if paths is None:
        return ()
    return paths if isinstance(paths, Sequence) and not isinstance(paths, str | bytes) else (paths,)


def _check_path(path: object) -> None:
    if not isinstance(path, str | PathLike):  # `open` takes a number as a file descriptor
        raise TypeError(f"a file for TLS is given as its path, not {shown(path)}")


def _read(path: Path) -> bytes:
    _check_path(path)
    with open(path, "rb") as file:  # the ssl module does not name the file that it cannot open
        return file.read()


def _words(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")
