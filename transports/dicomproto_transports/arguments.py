"""The arguments of calls: checked before anything is done, and refused in words.

Error texts show text and numbers. Of other objects they show the type, since these may hold patients' data.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast

from dicomproto.config import Timeouts
from dicomproto.negotiation import Proposal, SupportedContext, index_supported
from dicomproto.uids import DEFAULT_TRANSFER_SYNTAXES
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, PresentationContextRQ

from .checks import checked, own_title, seconds_or_none, timeouts, whole, wrong
from .contexts import ABSTRACT_SYNTAX, TRANSFER_SYNTAX, plain_uid
from .error_text import named, shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Context = Proposal | SupportedContext | str
"""A context to propose or support: a SOP class UID, (SOP class UID, transfer syntaxes), or a record."""

T = TypeVar("T")

# --- data sets ------------------------------------------------------------------------------------


def is_data_set(given: object) -> bool:
    """Tell whether something is a pydicom data set, not a class or an element."""
    return hasattr(given, "to_json_dict") and hasattr(given, "get_item") and not isinstance(given, type)


def data_set(given: object, call: str) -> Dataset:
    """Return the argument of `call` as a data set; TypeError names its type, not its content."""
    if is_data_set(given):
        return cast("Dataset", given)
    advice = "; make_identifier(**keywords) makes one" if isinstance(given, Mapping) else ""
    raise TypeError(f"{call}: a pydicom Dataset is wanted, not {named(given)}{advice}")


def objects(given: Iterable[T]) -> Iterable[T]:
    """Return the objects for `store_many`, if they are several."""
    if isinstance(given, str | bytes) or is_data_set(given) or not isinstance(given, Iterable):
        raise TypeError(
            f"store_many: several objects are wanted, as a list or a generator, not {named(given)};"
            " send_c_store sends one"
        )
    return given


# --- addresses ------------------------------------------------------------------------------------


def check_address(host: object, port: object) -> int:
    """Check the address of a peer, and return its port."""
    if not isinstance(host, str):
        raise TypeError(f"addr: {wrong('the name or IP address of a host, as text', host)}")
    if not host.strip() or not host.isprintable():
        raise ValueError(f"addr: {wrong('the name or IP address of a host', host)}")
    number = _number(port)
    if number is None:
        raise TypeError(f"a port is a number from 1 to 65535, not {shown(port)}")
    if not 0 < number < 65536:  # getaddrinfo(3) would take it modulo 65536
        raise ValueError(f"a port is a number from 1 to 65535, not {number}")
    return number


def check_bind_address(given: object) -> None:
    """Check the local address of a connection; None leaves it to the system."""
    if given is not None and not is_local_address(given):
        raise TypeError(f"bind_address: {wrong('(address, port), with port 0 for any', given)}")


def is_local_address(given: object) -> TypeGuard[tuple[str, int]]:
    """Tell whether something is (host, port), with port 0 for any; raises ValueError for a wrong port."""
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        return False
    number = _number(given[1])
    if number is not None and not 0 <= number < 65536:
        raise ValueError(f"a port is a number from 0 to 65535, not {number}")
    return number is not None


def _number(given: Any) -> int | None:
    try:
        return None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        return None


# --- the rest of `associate` and `start_server` ---------------------------------------------------


def maximum_length(given: object) -> None:
    """Check a maximum length that replaces the setting."""
    if given is not None:
        checked("max_pdu", whole(), given)


def timeouts_of(given: object, defaults: Timeouts) -> Timeouts:
    """Return the timeouts of one association, given whole or as a mapping of those that differ."""
    if given is None:
        return defaults
    if isinstance(given, Timeouts):
        return checked("timeouts", timeouts, given)
    wanted = "a Timeouts, or a mapping of those that differ, such as {'connect': 5}"
    if not isinstance(given, Mapping):
        raise TypeError(f"timeouts: {wrong(wanted, given)}")
    for name, value in given.items():
        if name not in Timeouts._fields:
            known = ", ".join(Timeouts._fields)
            raise TypeError(f"timeouts: there is none called {name!r}; there are {known}")
        checked(f"timeouts: {name}", seconds_or_none, value)
    return defaults.replace(**given)


def listed(name: str, wanted: str, given: object) -> Iterable[object]:
    """Return an iterable that is not text, whose items would be letters."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: {wrong(wanted, given)}")
    return given


def check_window(given: object) -> None:
    """Check a proposed asynchronous operations window."""
    if not isinstance(given, AsynchronousOperationsWindow | None):
        wanted = "an AsynchronousOperationsWindow, or None"
        raise TypeError(f"operations_window: {wrong(wanted, given)}")


def check_flag(name: str, given: object, *, or_none: bool = False) -> None:
    """Check True or False, or None if allowed."""
    if not isinstance(given, bool) and not (or_none and given is None):
        raise TypeError(f"{name}: {wrong('True or False', given)}")


def number(name: str, given: object) -> int:
    """Return the argument `name` of a call as a number; the command checks its range."""
    found = _number(given)
    if found is None:
        raise TypeError(f"{name}: {wrong('a whole number', given)}")
    return found


def uid(name: str, given: object) -> str:
    """Return the argument `name` of a call as a UID."""
    if not isinstance(given, str) or not given:
        raise TypeError(f"{name}: {wrong('a UID, as text', given)}")
    return given


def tags_of(given: object) -> tuple[int, ...]:
    """Return tags from numbers, (group, element) pairs or keywords; () for None."""
    from pydicom.tag import Tag

    if given is None:
        return ()
    wanted = "a list of tags, keywords or (group, element) pairs"
    found: list[int | str | tuple[int, int]] = []
    for tag in listed("identifier_list", wanted, given):
        if isinstance(tag, bool) or not isinstance(tag, int | str | tuple):
            raise TypeError(f"identifier_list: {wrong(wanted, tag)}")
        found.append(tag)
    return tuple(int(tag if isinstance(tag, int) else Tag(tag)) for tag in found)


# --- presentation contexts and names ---------------------------------------------------------------


def ae_titles(given: str | bytes | Sequence[str | bytes]) -> frozenset[str]:
    """Return one AE title or several without padding."""
    return frozenset(map(own_title, [given] if isinstance(given, str | bytes) else given))


def supported_index(contexts: Iterable[Context | SupportedContext]) -> dict[str, SupportedContext]:
    """Return contexts of any form by UID."""
    records = []
    for context in contexts:
        uid, syntaxes = proposal_of(context)
        if not isinstance(context, SupportedContext):
            context = SupportedContext(abstract_syntax=uid, transfer_syntaxes=syntaxes)
        records.append(context)
    return index_supported(records)


def proposal_of(context: object) -> tuple[str, tuple[str, ...]]:
    """Return the SOP class and transfer syntaxes of a context of any form."""
    if isinstance(context, PresentationContextRQ | SupportedContext):
        return context_uid(context.abstract_syntax), transfer_syntaxes(context.transfer_syntaxes)
    if isinstance(context, str):
        return context_uid(context), DEFAULT_TRANSFER_SYNTAXES
    if not isinstance(context, tuple | list) or len(context) != 2:
        wanted = "a SOP class UID, (SOP class UID, transfer syntaxes) or a PresentationContext"
        raise TypeError(f"a presentation context {wrong(wanted, context)}")
    abstract_syntax, syntaxes = context
    return context_uid(abstract_syntax), transfer_syntaxes(syntaxes)


def context_uid(uid: object) -> str:
    """Return the UID of a SOP class, as text."""
    return plain_uid(ABSTRACT_SYNTAX, uid)


def transfer_syntaxes(given: object) -> tuple[str, ...]:
    """Return the transfer syntaxes of a context: one, several, or for None the default ones."""
    if given is None:
        return DEFAULT_TRANSFER_SYNTAXES
    syntaxes = given_syntaxes(given)
    if not syntaxes:
        raise ValueError("a presentation context needs a transfer syntax")
    return tuple(dict.fromkeys(syntaxes))


def given_syntaxes(given: object) -> tuple[str, ...] | None:
    """Return one transfer syntax or several; None for None."""
    if given is None:
        return None
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise TypeError(f"a transfer syntax {wrong('a UID, as text, or a list of them', given)}")
    several = [given] if isinstance(given, str) else given
    return tuple([plain_uid(TRANSFER_SYNTAX, uid) for uid in several])


def without(syntaxes: tuple[str, ...], gone: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the transfer syntaxes that are left; none where all are gone."""
    return () if gone is None else tuple(uid for uid in syntaxes if uid not in gone)
