"""The peer table: a TOML file with the addresses, AE titles and options of peers.

    [pacs]                          # the name: letters, digits, "-" and "_"
    host = "pacs.example.org"
    port = 11112
    ae_title = "PACS"               # the called AE title; ANY-SCP by default, which C-MOVE cannot use
    calling_ae_title = "VIEWER"     # our AE title towards it
    max_pdu = 65536                 # bytes of a P-DATA-TF that we announce; 0: unlimited
    window = 8                      # requests that may be outstanding, proposed to the peer
    strict_roles = true             # apply the rules of role selection strictly
    pack_pdvs = true                # send a command and the beginning of its data set in one PDU
    assume_charset = "ISO_IR 100"   # the character set of its text if it names none, or a wrong one
    [pacs.timeouts]                 # seconds, 0: no limit; the fields of `Timeouts`
    response = 120
    [pacs.tls]                      # TLS, with the settings that differ from the defaults
    ca = "hospital-ca.pem"          # paths are relative to this file
    cert = "viewer.pem"
    key = "viewer-key.pem"

An unknown key or value is an error that names the file, the table and the key: a misspelt setting for TLS
must not turn it off.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dicomproto.config import Timeouts
from dicomproto.errors import DicomProtoError
from dicomproto.record import Record
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow

from .checks import own_title

if TYPE_CHECKING:
    from .tls import CRLCheck, Profile, TLSArguments

__all__ = ["InvalidPeers", "Peer", "PeerTLS", "default_peers_path", "load_peers", "move_destinations"]

_NAME = re.compile(r"(?=.*[A-Za-z_-])[A-Za-z0-9_-]+")
_MAXIMUM_WINDOW = 0xFFFF
_ANY = "ANY-SCP"


class InvalidPeers(DicomProtoError, ValueError):
    """A peer table that is not readable or not valid; the text names the file, the table and the key."""


class PeerTLS(Record):
    """TLS for connections to a peer: the arguments of `tls.client_context`, with absolute paths."""

    ca: str | None = None
    """PEM file or folder of the trusted certificates; those of the system if None."""
    crl: str | None = None
    """PEM file of certificate revocation lists."""
    crl_check: CRLCheck = "leaf"
    """The certificates to look up there: the peer's alone ("leaf"), or those of authorities too ("chain")."""
    cert: str | None = None
    """PEM file of our certificate, with the intermediate certificates."""
    key: str | None = None
    """PEM file of our private key; None if it is in `cert`."""
    password_file: str | None = None
    """File whose first line is the password of the key."""
    profile: Profile = "bcp195"
    """The security profile."""
    server_name: str | None = None
    """The name to check in the certificate; the host if None."""
    check_host_name: bool = True
    """Whether the certificate must be for that name."""
    verify: bool = True
    """Whether the certificate is verified. Without, an attacker may read and change the connection."""


class Peer(Record):
    """A peer: its name in the table, its address, and options that differ from the settings of the `AE`."""

    name: str
    host: str
    port: int
    ae_title: str = _ANY
    """The called AE title; "ANY-SCP" if it is not known."""
    calling_ae_title: str | None = None
    """Our AE title; that of the `AE` if None."""
    max_pdu: int | None = None
    """The maximum length that we announce: bytes of a P-DATA-TF after its header, 0 for any number."""
    window: int | None = None
    """Requests of ours that may be outstanding, proposed in the negotiation; None proposes nothing."""
    strict_roles: bool | None = None
    """Whether the rules of role selection are applied strictly."""
    pack_pdvs: bool | None = None
    """Whether a command and the beginning of its data set are sent in one PDU."""
    assume_charset: str | None = None
    """The character set of its text if it names none, or a wrong one."""
    timeouts: tuple[tuple[str, float | None], ...] = ()
    """The fields of `Timeouts` that differ, in seconds."""
    tls: PeerTLS | None = None
    """TLS for connections to it; None for plain TCP."""

    def options(self, timeouts: Timeouts | None = None) -> dict[str, Any]:
        """Return the keyword arguments of `AE.associate` for this peer.

        Used as `ae.associate(**peers["pacs"].options())`; other options are those of the AE. The peer's own
        timeouts replace those of `timeouts`, or of the AE if None. `ext_neg` is left to the caller.

        Raises InvalidPeers for a TLS file that is not valid.
        """
        options: dict[str, Any] = {"addr": self.host, "port": self.port, "ae_title": self.ae_title}
        for name in ("max_pdu", "calling_ae_title", "strict_roles", "pack_pdvs", "assume_charset"):
            if getattr(self, name) is not None:
                options[name] = getattr(self, name)
        if self.timeouts:
            changes = dict(self.timeouts)
            options["timeouts"] = changes if timeouts is None else self.timeouts_over(timeouts)
        if self.window is not None:
            window = AsynchronousOperationsWindow(maximum_invoked=self.window, maximum_performed=1)
            options["operations_window"] = window
        if self.tls is not None:
            options["tls_args"] = self.tls_args()
        return options

    def tls_args(self) -> TLSArguments | None:
        """Return `tls_args` for `AE.associate`; raises InvalidPeers for files that are not valid."""
        settings = self.tls
        if settings is None:
            return None
        from .tls import client_context

        is_folder = settings.ca is not None and os.path.isdir(settings.ca)
        try:
            password = None if settings.password_file is None else _first_line(settings.password_file)
            context = client_context(
                None if is_folder else settings.ca,
                settings.cert,
                settings.key,
                password,
                ca_path=settings.ca if is_folder else None,
                crl_file=settings.crl,
                crl_check=settings.crl_check,
                profile=settings.profile,
                peer_certificate="require" if settings.verify else "ignore",
                check_hostname=settings.check_host_name,
            )
        except OSError as error:
            raise InvalidPeers(f"[{self.name}.tls]: {error.filename}: {error.strerror}") from None
        except ValueError as error:
            raise InvalidPeers(f"[{self.name}.tls]: {error}") from None
        return context, settings.server_name

    @property
    def move_title(self) -> str:
        """The AE title by which a C-MOVE names this peer; raises InvalidPeers if the table has none."""
        if self.ae_title == _ANY:
            raise InvalidPeers(f"[{self.name}] ae_title: is needed for a destination of C-MOVE")
        return self.ae_title

    def move_destination(self) -> tuple[str, int, dict[str, Any]]:
        """Return the entry of `AE.move_destinations` for this peer."""
        options = self.options()
        return options.pop("addr"), options.pop("port"), options

    def timeouts_over(self, timeouts: Timeouts) -> Timeouts:
        """Return `timeouts`, some of them replaced by those of this peer."""
        changed: Timeouts = timeouts.replace(**dict(self.timeouts))
        return changed


def default_peers_path() -> str | None:
    """Return the path of the user's peer table, or None if there is none.

    It is $DICOMPROTO_PEERS if that is set; else `dicomproto/peers.toml` in $XDG_CONFIG_HOME (by default
    ~/.config), if that file exists.
    """
    named = os.environ.get("DICOMPROTO_PEERS")
    if named is not None:
        return named or None
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = os.path.join(base, "dicomproto", "peers.toml")
    return path if os.path.isfile(path) else None


def load_peers(path: str | os.PathLike[str]) -> dict[str, Peer]:
    """Read a peer table and return its peers by name, in the order of the file; raises InvalidPeers."""
    import tomllib

    shown = os.fspath(path)
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise InvalidPeers(f"{shown}: {error.strerror}") from None
    except RecursionError:
        raise InvalidPeers(f"{shown}: its brackets or names are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, or int() of thousands of digits
        raise InvalidPeers(f"{shown}: this is no TOML: {error}") from None
    reader = _Reader(shown, os.path.dirname(os.path.abspath(path)))
    return {name: reader.peer(name, table) for name, table in tables.items()}


def move_destinations(
    peers: Mapping[str, Peer],
) -> dict[str, tuple[str, int] | tuple[str, int, dict[str, object]]]:
    """Return a value for `AE.move_destinations` with each of `peers` under its AE title.

    Raises InvalidPeers if a peer has no AE title, if two have the same one, or for an invalid TLS file.
    """
    names: dict[str, str] = {}
    for peer in peers.values():
        other = names.setdefault(peer.move_title, peer.name)
        if other != peer.name:
            raise InvalidPeers(f"[{peer.name}] ae_title: {peer.ae_title!r} is that of [{other}], too")
    return {peer.ae_title: peer.move_destination() for peer in peers.values()}


# --- reading ------------------------------------------------------------------------------------


class _Reader:
    """Reads the tables of one file; knows its name for errors, and its folder for relative paths."""

    def __init__(self, shown: str, folder: str) -> None:
        self._shown = shown
        self._folder = folder
        self._tls: dict[str, Callable[[object], object]] = {
            **dict.fromkeys(("ca", "crl", "cert", "key", "password_file"), self._path),
            "crl_check": _crl_check,
            "profile": _profile,
            "server_name": _host,
            "check_host_name": _truth,
            "verify": _truth,
        }

    def peer(self, name: str, table: object) -> Peer:
        """Return the peer that the table [name] describes."""
        if not _NAME.fullmatch(name):
            raise self._error(name, "", "a name is made of letters, digits, '-' and '_', not of digits alone")
        if not isinstance(table, dict):
            raise InvalidPeers(f"{self._shown}: {name!r} belongs into a table, such as [pacs]")
        inner = {key: table[key] for key in ("timeouts", "tls") if key in table}
        plain = {key: value for key, value in table.items() if key not in inner}
        fields = self._fields(name, plain, _PEER)
        for key in ("host", "port"):
            if key not in fields:
                raise self._error(name, key, "is missing")
        if "timeouts" in inner:
            timeouts = self._fields(f"{name}.timeouts", inner["timeouts"], _TIMEOUTS)
            fields["timeouts"] = tuple(timeouts.items())
        if "tls" in inner:
            fields["tls"] = self._security(f"{name}.tls", inner["tls"])
        return Peer(name=name, **fields)

    def _security(self, place: str, table: object) -> PeerTLS:
        settings = PeerTLS(**self._fields(place, table, self._tls))
        if settings.key and not settings.cert:
            raise self._error(place, "key", "needs a cert")
        if settings.password_file and not settings.cert:
            raise self._error(place, "password_file", "needs a cert")
        return settings

    def _fields(
        self, place: str, table: object, checks: Mapping[str, Callable[[object], object]]
    ) -> dict[str, Any]:
        """Return the checked fields of a table; every key must be known."""
        if not isinstance(table, dict):
            raise InvalidPeers(f"{self._shown}: {place} must be a table, [{place}]")
        fields = {}
        for key, value in table.items():
            if key not in checks:
                raise self._error(place, key, f"is not known; there are {', '.join(checks)}")
            try:
                fields[key] = checks[key](value)
            except ValueError as error:
                raise self._error(place, key, f"must be {error}, not {_shown(value)}") from None
        return fields

    def _error(self, place: str, key: str, text: str) -> InvalidPeers:
        return InvalidPeers(
            f"{self._shown}: [{place}] {key}: {text}" if key else f"{self._shown}: [{place}]: {text}"
        )

    def _path(self, value: object) -> str:
        return os.path.normpath(os.path.join(self._folder, os.path.expanduser(_text(value))))


def _shown(value: object) -> str:
    """Return a wrong value for an error text; of text only the type, as it may be a secret."""
    is_short = isinstance(value, (bool, float)) or (isinstance(value, int) and value.bit_length() <= 64)
    return repr(value) if is_short else f"this {type(value).__name__}"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _host(value: object) -> str:
    host = _text(value)
    try:
        host.encode("idna")  # refuses empty labels, and those of more than 63 letters
    except UnicodeError:
        host = ""
    if not host or not host.isprintable() or " " in host:
        raise ValueError("the name or the address of a host") from None
    return host


def _profile(value: object) -> str:
    from .tls import PROFILES

    if not isinstance(value, str) or value not in PROFILES:
        raise ValueError(f"one of {', '.join(PROFILES)}")
    return value


def _crl_check(value: object) -> str:
    if value not in ("leaf", "chain"):
        raise ValueError("one of leaf, chain")
    return str(value)


def _first_line(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.readline().rstrip(b"\r\n")


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _whole(low: int, high: int, *others: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not (low <= value <= high or value in others)
        ):
            also = "".join(f"{other} or " for other in others)
            raise ValueError(f"{also}a whole number from {low} to {high}")
        return value

    return check


def _title(value: object) -> str:
    try:
        return own_title(_text(value))
    except ValueError:
        raise ValueError("an AE title of 1 to 16 ASCII characters without backslash") from None


def _charset(value: object) -> object:
    from .checks import charset_or_none

    try:
        return charset_or_none(_text(value))
    except ValueError:
        raise ValueError("a value of Specific Character Set, as 'ISO_IR 100'") from None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError("a number of seconds, 0 for no limit")
    return float(value) or None


_PEER: dict[str, Callable[[object], object]] = {
    "host": _host,
    "port": _whole(1, 65535),
    "ae_title": _title,
    "calling_ae_title": _title,
    "max_pdu": _whole(128, 2**32 - 1, 0),
    "window": _whole(1, _MAXIMUM_WINDOW),
    "strict_roles": _truth,
    "pack_pdvs": _truth,
    "assume_charset": _charset,
}
_TIMEOUTS: dict[str, Callable[[object], object]] = dict.fromkeys(Timeouts._fields, _seconds)
