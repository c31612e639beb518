"""The arguments of calls: checked before anything is done, and refused in words.

Error texts show text and numbers. Of other objects they show the type, since these may hold patients' data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard, TypeVar, cast

from dicomproto.config import Timeouts
from dicomproto.negotiation import Proposal, SupportedContext, index_supported
from dicomproto.uids import DEFAULT_TRANSFER_SYNTAXES
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, PresentationContextRQ

from .checks import (
    changed_timeouts,
    checked,
    host,
    index_or_none,
    or_none,
    own_title,
    port,
    seconds,
    truth,
    wrong,
)
from .contexts import ABSTRACT_SYNTAX, TRANSFER_SYNTAX, held_by, plain_uid
from .error_text import named

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


def check_address(addr: object, number: object) -> int:
    """Check the address of a peer, and return its port."""
    checked("addr", host, addr)
    return port(number)


def check_bind_address(given: object) -> None:
    """Check the local address of a connection; None leaves it to the system."""
    if given is not None and not is_local_address(given):
        raise TypeError(f"bind_address: {wrong('(address, port), with port 0 for any', given)}")


def is_local_address(given: object) -> TypeGuard[tuple[str, int]]:
    """Tell whether something is (host, port), with port 0 for any; raises ValueError for a wrong port."""
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        return False
    if index_or_none(given[1]) is None:
        return False
    port(given[1], 0)
    return True


# --- the rest of `associate` and `start_server` ---------------------------------------------------


def title(name: str, given: object) -> str:
    """Return the argument `name` of a call, an AE title, without padding."""
    try:
        return own_title(given)
    except (TypeError, ValueError) as error:  # in place of `checked`: each association has two titles
        raise type(error)(f"{name}: {error}") from None


def timeouts_of(given: object, defaults: Timeouts) -> Timeouts:
    """Return the timeouts of one association, given whole or as a mapping of those that differ."""
    if given is None:
        return defaults
    changed = checked("timeouts", changed_timeouts, given)
    if isinstance(changed, Timeouts):
        return changed
    return defaults.replace(**changed) if changed else defaults


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


def check_shutdown(grace: object, refuse: object) -> None:
    """Check the arguments of `shutdown`."""
    checked("grace", seconds, grace)
    check_flag("refuse", refuse)


def number(name: str, given: object) -> int:
    """Return the argument `name` of a call as a number; the command checks its range."""
    found = index_or_none(given)
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
        roles = {}
        if isinstance(context, SupportedContext):
            roles = {"scu_role": role(scu_role=context.scu_role), "scp_role": role(scp_role=context.scp_role)}
        records.append(SupportedContext(abstract_syntax=uid, transfer_syntaxes=syntaxes, **roles))
    return index_supported(records)


def role(**argument: object) -> bool | None:
    """Check one keyword argument, a role that is granted or not, and return it; an error names it."""
    ((name, given),) = argument.items()
    return checked(name, or_none(truth), given)


def proposal_of(context: object) -> tuple[str, tuple[str, ...]]:
    """Return the SOP class and transfer syntaxes of a context of any form."""
    if isinstance(context, PresentationContextRQ):
        context = held_by(context)
    if isinstance(context, SupportedContext):
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
