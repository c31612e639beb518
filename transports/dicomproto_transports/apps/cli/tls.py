"""The TLS options, with the names and the meaning of those of DCMTK, and the contexts made from them."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError
from typing import TYPE_CHECKING

from .user_identity import secret_of

if TYPE_CHECKING:
    from ...peers import Peer
    from ...tls import PeerCertificate, ReloadingContext, TLSArguments

_DETAILS = {
    "ca_files": "--add-cert-file",
    "ca_path": "--add-cert-dir",
    "crl_files": "--add-crl-file",
    "crl_check": "--enable-crl-all",
    "tls_profile": "--tls-profile",
    "peer_certificate": "-rc, -vc or -ic",
    "key_password_file": "--key-password-file",
    "key_password_env": "--key-password-env",
    "server_name": "--server-name",
    "any_host_name": "--ignore-host-name",
}
"""Options that need TLS. Without it they are errors: to ignore them would leave users unprotected."""


def add_security(parser: ArgumentParser, *, is_requestor: bool) -> None:
    """Add the TLS options."""
    group = parser.add_argument_group("transport layer security (TLS) options")
    _add_protocol(group, is_requestor=is_requestor)
    _add_trust(group, is_requestor=is_requestor)
    _add_verification(group, is_requestor=is_requestor)
    _add_key_password(group)
    if is_requestor:
        _add_host_name(group)


def _add_protocol(group: argparse._ArgumentGroup, *, is_requestor: bool) -> None:
    protocol = group.add_mutually_exclusive_group()
    protocol.add_argument(
        "--enable-tls", nargs=2, metavar=("KEY", "CERT"),
        help="use TLS, with this private key and certificate (PEM files)",
    )  # fmt: skip
    if is_requestor:
        protocol.add_argument(
            "--tls", "--anonymous-tls", dest="anonymous_tls", action="store_true",
            help="use TLS, without a certificate of our own",
        )  # fmt: skip
        protocol.add_argument(
            "--disable-tls", action="store_true", help="use plain TCP, even if the peer table has TLS"
        )


def _add_trust(group: argparse._ArgumentGroup, *, is_requestor: bool) -> None:
    group.add_argument(
        "--add-cert-file", dest="ca_files", action="append", metavar="FILE",
        help="trust the certificates in this file; may be repeated"
        + (" (default: those that the system trusts)" if is_requestor else ""),
    )  # fmt: skip
    group.add_argument(
        "--add-cert-dir", dest="ca_path", metavar="DIR",
        help="trust the certificates in this directory, as made by 'openssl rehash'",
    )  # fmt: skip
    group.add_argument(
        "--add-crl-file", dest="crl_files", action="append", metavar="FILE",
        help="refuse certificates of peers that this list revokes, and those whose issuer has no list; may be"
        " repeated",
    )  # fmt: skip
    group.add_argument(
        "--enable-crl-all", dest="crl_check", action="store_const", const="chain",
        help="check the certificates of the authorities against the lists of --add-crl-file, too; each issuer"
        " needs a list",
    )  # fmt: skip
    group.add_argument(
        "--tls-profile", choices=("bcp195", "bcp195-tls13"),
        help="bcp195: TLS 1.2 and 1.3 according to PS3.15 B.12 and RFC 9325; bcp195-tls13: TLS 1.3 only"
        " (default: bcp195)",
    )  # fmt: skip


def _add_verification(group: argparse._ArgumentGroup, *, is_requestor: bool) -> None:
    choice = group.add_mutually_exclusive_group()
    kinds = {
        "-rc --require-peer-cert": ("require", "verify the certificate of the peer, and fail without one")
    }
    if not is_requestor:  # a server always has one
        kinds["-vc --verify-peer-cert"] = ("verify", "verify the certificate of the peer, if it has one")
    kinds["-ic --ignore-peer-cert"] = (
        "ignore",
        "accept any certificate: the identity of the peer is not verified",
    )
    for spelling, (value, text) in kinds.items():
        default = " (default)" if value == "require" else ""
        choice.add_argument(
            *spelling.split(), dest="peer_certificate", action="store_const", const=value,
            help=text + default,
        )  # fmt: skip


def _add_key_password(group: argparse._ArgumentGroup) -> None:
    password = group.add_mutually_exclusive_group()
    password.add_argument(
        "--key-password-file", metavar="FILE", help="file whose first line decrypts the private key"
    )
    password.add_argument(
        "--key-password-env", metavar="NAME", help="environment variable that decrypts the private key"
    )


def _add_host_name(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--server-name", metavar="NAME",
        help="the host name in the certificate of the peer (default: that of its address)",
    )  # fmt: skip
    group.add_argument(
        "--ignore-host-name", dest="any_host_name", action="store_true",
        help="accept a trusted certificate for any host name, as DCMTK's tools do",
    )  # fmt: skip


def client_tls(options: argparse.Namespace) -> TLSArguments | None:
    """Return the TLS arguments of a requestor, None for plain TCP; raises ArgumentTypeError."""
    if not (options.anonymous_tls or options.enable_tls):
        peer: Peer | None = options.peer
        if peer is None or peer.tls is None or options.disable_tls:
            _refuse_details(options, "--tls or --enable-tls")
            return None
        try:
            return peer.replace(tls=peer.tls.replace(**_changes(options))).tls_args()
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None
    from ...tls import client_context

    key, cert = options.enable_tls or (None, None)
    try:
        context = client_context(
            options.ca_files,
            cert,
            key,
            secret_of(options, "key_password"),
            ca_path=options.ca_path,
            crl_file=options.crl_files,
            crl_check=options.crl_check or "leaf",
            profile=options.tls_profile or "bcp195",
            peer_certificate=options.peer_certificate or "require",
            check_hostname=not options.any_host_name,
        )
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(_words(error)) from None
    return context, options.server_name


def _changes(options: argparse.Namespace) -> dict[str, object]:
    """Return the changes to the TLS settings of the peer table; raises ArgumentTypeError."""
    changes: dict[str, object] = {}
    for name, key in _OF_PEER.items():
        value = getattr(options, name)
        if isinstance(value, list):
            if len(value) > 1:
                raise ArgumentTypeError(f"{_DETAILS[name]} more than once needs --tls or --enable-tls")
            (value,) = value
        if value:
            changes[key] = value
    if options.key_password_env:
        raise ArgumentTypeError("--key-password-env needs --enable-tls")
    if options.peer_certificate is not None:
        changes["verify"] = options.peer_certificate == "require"
    if options.any_host_name:
        changes["check_host_name"] = False
    return changes


_OF_PEER = {
    "ca_path": "ca",
    "ca_files": "ca",
    "crl_files": "crl",
    "crl_check": "crl_check",
    "tls_profile": "profile",
    "key_password_file": "password_file",
    "server_name": "server_name",
}
"""The setting of the peer table that each option overrides."""


def server_tls(options: argparse.Namespace) -> ReloadingContext | None:
    """Return the TLS context of an acceptor, None for plain TCP; raises ArgumentTypeError."""
    if not options.enable_tls:
        _refuse_details(options, "--enable-tls")
        return None
    kind: PeerCertificate = options.peer_certificate or "require"
    if kind != "ignore" and not options.ca_files and not options.ca_path:
        raise ArgumentTypeError(
            "--add-cert-file or --add-cert-dir is needed: the certificates to trust;"
            " -ic accepts peers without one"
        )
    import ssl

    from ...tls import ReloadingContext, server_context

    key, cert = options.enable_tls

    def make() -> ssl.SSLContext:
        return server_context(
            cert,
            key,
            secret_of(options, "key_password"),
            ca_file=options.ca_files,
            ca_path=options.ca_path,
            crl_file=options.crl_files,
            crl_check=options.crl_check or "leaf",
            profile=options.tls_profile or "bcp195",
            peer_certificate=kind,
        )

    try:
        return ReloadingContext(make)
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(_words(error)) from None


def _refuse_details(options: argparse.Namespace, needed: str) -> None:
    for name, spelled in _DETAILS.items():
        if getattr(options, name, None):
            raise ArgumentTypeError(f"{spelled} means nothing without {needed}")


def _words(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
