"""The checks of settings, and the setting that a misspelled name means.

Each check takes a given value and returns the value to keep: a sequence becomes a tuple, so that nobody
changes it unnoticed. A wrong value raises TypeError or ValueError with the values that are allowed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from dicomproto.config import Limits, Timeouts
from dicomproto.services import SOPClassRegistry
from dicomproto.uids import is_valid_uid
from dicomproto.upper_layer.conformance import is_valid_ae_title
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, normalize_ae_title

from .error_text import named, shown

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    Network = str | IPv4Network | IPv6Network
    """A network as "10.0.0.0/8", "2001:db8::/32" or one address, or made by the standard library."""

T = TypeVar("T")

Check = Callable[[object], object]

_NEAR = 0.85
"""The likeness (`difflib`, 1 for the same) from which a name counts as a misspelled setting."""

_RELATED = 0.6
"""The likeness from which an error text suggests a name."""

_SMALLEST_PDU = 128


def wrong(wanted: str, value: object) -> str:
    """Say what is allowed and what was given; of an object only its type, as it may hold patients."""
    return f"must be {wanted}, not {shown(value)}"


def checked(name: str, check: Callable[[object], T], value: object) -> T:
    """Return the value to keep of a setting or argument; raises TypeError or ValueError with its name."""
    try:
        return check(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def truth(value: object) -> bool:
    """Check True or False."""
    if not isinstance(value, bool):
        raise TypeError(wrong("True or False", value))
    return value


@overload
def whole(low: int = 0) -> Callable[[object], int]: ...
@overload
def whole(low: int = 0, *, or_none: Literal[True]) -> Callable[[object], int | None]: ...
def whole(low: int = 0, *, or_none: bool = False) -> Callable[[object], int | None]:
    """Return a check of whole numbers."""
    wanted = f"a whole number from {low}{', or None' if or_none else ''}"

    def check(value: object) -> int | None:
        if value is None and or_none:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(wrong(wanted, value))
        if value < low:
            raise ValueError(wrong(wanted, value))
        return value

    return check


def seconds(value: object) -> float:
    """Check a length of time."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(wrong("a number of seconds", value))
    if isnan(value) or value < 0:
        raise ValueError(wrong("a number of seconds from 0", value))
    return value


def seconds_or_none(value: object) -> float | None:
    """Check a length of time, or None for no bound."""
    return None if value is None else seconds(value)


def pdu_size(value: object) -> int:
    """Check a maximum length: 0, or enough for the beginning of a command."""
    size = whole()(value)
    if size and not _SMALLEST_PDU <= size < 2**32:
        raise ValueError(
            wrong(f"0 for any number, or a number of bytes from {_SMALLEST_PDU} to 2**32 - 1", size)
        )
    return size


def limits(value: object) -> Limits:
    """Check limits, which have judged their values when they were made."""
    if not isinstance(value, Limits):
        raise TypeError(wrong("a Limits, such as Limits(collect=2**20)", value))
    return value


def timeouts(value: object) -> Timeouts:
    """Check timeouts, which have judged their values when they were made."""
    if not isinstance(value, Timeouts):
        raise TypeError(wrong("a Timeouts, such as Timeouts(idle=60)", value))
    return value


def changed_timeouts(value: object) -> Timeouts | Mapping[str, float | None] | None:
    """Check timeouts, given whole, as a mapping of those that differ, or None."""
    if value is None or isinstance(value, Timeouts):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(wrong("a Timeouts, or a mapping of those that differ, such as {'connect': 5}", value))
    for name, given in value.items():
        if name not in Timeouts._fields:
            raise TypeError(f"there is none called {name!r:.80}; there are {', '.join(Timeouts._fields)}")
        checked(name, seconds_or_none, given)
    return value


def uid(value: object) -> str:
    """Check a UID."""
    if not isinstance(value, str):
        raise TypeError(wrong("a UID", value))
    if not is_valid_uid(value):
        raise ValueError(wrong("a UID of digits and dots, at most 64", value))
    return value


def version_name(value: object) -> str | None:
    """Check an Implementation Version Name (PS3.7 D.3.3.2.3)."""
    wanted = "a text of 1 to 16 ASCII characters, or None"
    if value is not None and not isinstance(value, str):
        raise TypeError(wrong(wanted, value))
    if value is not None and not (0 < len(value) <= 16 and value.isascii() and value.isprintable()):
        raise ValueError(wrong(wanted, value))
    return value


def title_of(value: object) -> str:
    """Return an AE title without padding."""
    if not isinstance(value, str | bytes):
        raise TypeError(wrong("str or bytes", value))
    return own_title(value)


def several(value: object) -> Iterable[Any]:
    """Check an iterable, such as a list of presentation contexts."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(wrong("a list of SOP classes or presentation contexts", value))
    return value


def names(value: object) -> object:
    """Check one AE title, several, or an empty list."""
    if isinstance(value, str | bytes):
        own_title(value)
        return value
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise TypeError(wrong("an AE title or a list of them", value))
    titles = tuple(value)
    for title in titles:
        if not isinstance(title, str | bytes):
            raise TypeError(wrong("a list of AE titles", value))
        own_title(title)
    return titles


def names_or_truth(value: object) -> object:
    """Check True, False or AE titles."""
    if isinstance(value, bool):
        return value
    try:
        return names(value)
    except TypeError:
        raise TypeError(wrong("True, False, an AE title or a list of them", value)) from None


def parsed_networks(networks: Any) -> list[IPv4Network | IPv6Network]:
    """Return one or several IP networks, from a `Network` or several.

    Raises TypeError or ValueError if an argument is not a network. IPv4 networks that are mapped into IPv6
    ("::ffff:10.0.0.0/104") count as IPv4 networks, since such a peer has an IPv4 address here.
    """
    import ipaddress  # not at the top: it takes milliseconds to import

    single = str, ipaddress.IPv4Network, ipaddress.IPv6Network  # iterable types, but single networks
    given = [networks] if isinstance(networks, single) else networks
    found = []
    for network in given:
        if isinstance(network, bytes | int):  # ipaddress takes it for the bits of an address
            raise TypeError(f"a network is text such as '10.0.0.0/8', not {named(network)}")
        found.append(_unmapped(ipaddress.ip_network(network)))
    return found


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    from ipaddress import IPv4Network

    whole = int(network.network_address)
    if network.version == 4 or network.prefixlen < 96 or whole >> 32 != 0xFFFF:  # RFC 4291 2.5.5.2
        return network
    return IPv4Network((whole & 0xFFFFFFFF, network.prefixlen - 96))


def networks(value: Any) -> Any:
    """Check one IP network or several."""
    is_one = isinstance(value, str) or hasattr(value, "network_address")  # a network is iterable itself
    given = tuple(value) if isinstance(value, Iterable) and not is_one else value
    if given == ():
        return ()  # without the modules for networks
    try:
        parsed_networks(given)
    except TypeError:
        raise TypeError(wrong("a network such as '10.0.0.0/8', or a list of them", value)) from None
    except ValueError as error:
        raise ValueError(f"must be a network such as '10.0.0.0/8', or a list of them: {error}") from None
    return given


def window(value: object) -> object:
    """Check the number of outstanding operations."""
    wanted = "a number of operations from 0 to 65535, or two of them"
    given = tuple(value) if isinstance(value, Iterable) else value
    try:
        if isinstance(value, bool):
            raise TypeError
        window_of((given, 1) if isinstance(given, int) else given)
    except TypeError:
        raise TypeError(wrong(wanted, value)) from None
    except ValueError:
        raise ValueError(wrong(wanted, value)) from None
    return given


def sop_classes(value: object) -> SOPClassRegistry:
    """Check a registry of SOP classes."""
    if not isinstance(value, SOPClassRegistry):
        raise TypeError(wrong("a SOPClassRegistry, see register_uid", value))
    return value


def function_or_none(value: object) -> object:
    """Check a function, or None."""
    if value is not None and not callable(value):
        raise TypeError(wrong("a function, or None", value))
    return value


def connect_or_none(value: object) -> object:
    """Check a function that connects in place of TCP, or None."""
    wanted = "a function of (host, port, *, bind_address, deadline), which may be async, or None"
    if value is None:
        return None
    if not callable(value) or isinstance(value, type):
        raise TypeError(wrong(wanted, value))
    import inspect  # not at the top: it takes milliseconds to import

    try:
        inspect.signature(value).bind("host", 104, bind_address=None, deadline=None)
    except TypeError as error:
        raise TypeError(f"must be {wanted}: {error}") from None
    except ValueError:  # some that are built in do not tell theirs
        pass
    return value


def host(value: object) -> str:
    """Check the name or IP address of a host."""
    if not isinstance(value, str):
        raise TypeError(wrong("the name or IP address of a host, as text", value))
    if not value.strip() or not value.isprintable():
        raise ValueError(wrong("the name or IP address of a host", value))
    return value


def port(value: object, low: int = 1) -> int:
    """Check the number of a port; getaddrinfo(3) would take a larger one modulo 65536."""
    number = index_or_none(value)
    if number is None:
        raise TypeError(f"a port is a number from {low} to 65535, not {shown(value)}")
    if not low <= number < 65536:
        raise ValueError(f"a port is a number from {low} to 65535, not {number}")
    return number


def index_or_none(value: Any) -> int | None:
    """Return a whole number of any type but bool; None for something else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def destinations(value: object) -> object:
    """Check addresses by AE title; the dictionary itself is kept, and may change."""
    wanted = "a dictionary of (host, port) or (host, port, options of associate) by AE title"
    if not isinstance(value, dict):
        raise TypeError(wrong(wanted, value))
    for title, address in value.items():
        is_address = isinstance(address, tuple) and len(address) in (2, 3)
        if not isinstance(title, str) or not is_address:
            raise TypeError(f"must be {wanted}; {shown(title)} has none")
        checked(shown(title), _stripped_title, title)
        checked(shown(title), _destination, address)
    return value


def _stripped_title(title: object) -> object:
    """Check the name of a destination: what a C-MOVE names is compared without padding."""
    if own_title(title) != title:
        raise ValueError("an AE title without spaces around it is wanted")
    return title


def _destination(address: Any) -> object:
    """Check (host, port[, options]) of a destination."""
    host(address[0])
    port(address[1])
    options = address[2] if len(address) == 3 else {}
    if not isinstance(options, Mapping):
        raise TypeError(f"the options of associate {wrong('a dictionary', options)}")
    for name, given in options.items():
        if name not in OPTIONS:
            raise TypeError(f"associate has no option {name!r:.80}{hint(str(name), OPTIONS)}")
        checked(name, OPTIONS[name], given)
    return address


def or_none(check: Callable[[object], T]) -> Callable[[object], T | None]:
    """Return a check that allows None as well."""
    return lambda value: None if value is None else check(value)


def charset_or_none(value: object) -> str | None:
    """Check the name of a character set, or several with backslashes between them."""
    if value is None:
        return None
    from dicomproto.encoding.characters import are_known

    if not isinstance(value, str):
        raise TypeError(wrong("a value of Specific Character Set, as 'ISO_IR 100', or None", value))
    if not are_known(value.split("\\")):
        raise ValueError(f"must be a value of Specific Character Set, as 'ISO_IR 100', not {value!r}")
    return value


def window_of(operations: Any) -> AsynchronousOperationsWindow:
    """Return the window of (operations invoked, operations performed) by the requestor, 0 for any number.

    Raises TypeError for other things than two whole numbers, and ValueError for numbers that no PDU can hold.
    """
    invoked, performed = map(operator.index, operations)
    if not (0 <= invoked <= 0xFFFF and 0 <= performed <= 0xFFFF):
        raise ValueError(f"numbers of operations are from 0 to 65535, unlike {operations!r}")
    return AsynchronousOperationsWindow(maximum_invoked=invoked, maximum_performed=performed)


def own_title(title: object) -> str:
    """Return an AE title without padding.

    Raises ValueError for one that PS3.5 Table 6.2-1 does not allow, and TypeError for other things than text.
    """
    if not isinstance(title, str | bytes):
        raise TypeError(f"an AE title is str or bytes, not {named(title)}")
    text = title.decode("latin-1") if isinstance(title, bytes) else title
    text = normalize_ae_title(text)
    if not is_valid_ae_title(text):
        raise ValueError(f"an AE title has 1 to 16 ASCII characters and no backslash, unlike {title!r}")
    return text


OPTIONS: dict[str, Check] = {
    "ae_title": title_of,
    "calling_ae_title": or_none(title_of),
    "contexts": or_none(several),
    "max_pdu": or_none(pdu_size),
    "ext_neg": or_none(several),
    "bind_address": lambda value: value,
    "tls_args": lambda value: value,
    "evt_handlers": or_none(several),
    "timeouts": changed_timeouts,
    "operations_window": lambda value: value,
    "strict_roles": or_none(truth),
    "allow_unknown": or_none(truth),
    "pack_pdvs": truth,
    "assume_charset": charset_or_none,
}
"""The options of `associate`, each with a check that needs nothing else; the call itself checks the rest."""

CHECKS: dict[str, Check] = {
    "limits": limits,
    "timeouts": timeouts,
    "maximum_pdu_size": pdu_size,
    "maximum_associations": whole(or_none=True),
    "maximum_associations_per_address": whole(or_none=True),
    "maximum_associations_per_ae_title": whole(or_none=True),
    "give_way_after": seconds,
    "maximum_collected": whole(or_none=True),
    "require_called_aet": names_or_truth,
    "require_calling_aet": names,
    "allowed_networks": networks,
    "maximum_operations": window,
    "implementation_class_uid": uid,
    "implementation_version_name": version_name,
    "strict_roles": truth,
    "assume_charset": charset_or_none,
    "strict_dispatch": truth,
    "allow_unknown": truth,
    "idle_release": truth,
    "unrestricted_storage": truth,
    "unknown_context": function_or_none,
    "sop_classes": sop_classes,
    "move_destinations": destinations,
    "connect": connect_or_none,
}
"""The settings that are kept as they are given, each with its check."""

SETTINGS = (
    *CHECKS, "ae_title", "acse_timeout", "dimse_timeout", "network_timeout", "connection_timeout",
    "requested_contexts", "supported_contexts",
)  # fmt: skip
"""The names of all settings; those without a check are properties of an application entity."""


# --- names --------------------------------------------------------------------------------------


def nearest(name: str, known: Iterable[str], likeness: float = _NEAR) -> str | None:
    """Return the known name that `name` is most like, None if no name is near enough."""
    from difflib import get_close_matches  # in a moment when something is wrong

    if _bare(name) == "connected":  # a state, not the setting `connect`
        return None
    found = get_close_matches(_bare(name), list(known), 1, likeness)
    return found[0] if found else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of an error text with the name that was meant, "" if there is no such name."""
    found = nearest(name, known, _RELATED)
    return "" if found is None else f"; did you mean {found}?"


def _bare(name: str) -> str:
    """Return a name in small letters, without leading underscores or the class of a mangled name."""
    if name.startswith("_") and "__" in name[1:] and not name.startswith("__"):
        name = name[1:].partition("__")[2]
    return name.strip("_").lower()
