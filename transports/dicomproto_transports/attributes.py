"""The attributes that programs may set on application entities, servers and associations.

Other names raise AttributeError. A server or an association does not read its arguments again: to set them
later would silently have no effect. A program may keep attributes of its own on these objects, under names
that are not similar to a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from .checks import SETTINGS, hint, nearest

_OF_SERVERS = frozenset(
    ("evt_handlers", "contexts", "ssl_context", "proxy_protocol_from", "maximum_pending", "reuse_port")
)
"""Arguments of `start_server` besides the settings."""

_OF_ASSOCIATIONS = (
    "contexts", "max_pdu", "ext_neg", "bind_address", "tls_args", "evt_handlers", "calling_ae_title",
    "operations_window", "pack_pdvs",
)  # fmt: skip
"""Arguments of `associate` besides the settings."""


def is_ours(kind: type) -> bool:
    """Tell whether a class is the library's own."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def refuse_on_entity(ae: object, name: str, value: object) -> None:
    """Raise AttributeError for an attribute that is not read, or that belongs to the library."""
    kind = type(ae)
    if name.startswith("__") and name.endswith("__"):
        return
    owner = next((one for one in kind.__mro__ if name in vars(one) or name in _annotated(one)), None)
    if owner is not None and is_ours(owner):
        if name.startswith("_"):
            raise AttributeError(f"{kind.__name__}.{name} is the library's own; call yours otherwise")
        if callable(getattr(kind, name, None)) and not callable(value):
            raise AttributeError(f"{kind.__name__}.{name} is a method: call it")
    elif owner is None and is_ours(kind):
        known = hint(name, [*SETTINGS, *(one for one in dir(kind) if not one.startswith("_"))])
        raise AttributeError(f"{kind.__name__} has no setting {name}{known}")
    elif owner is None and (near := nearest(name, SETTINGS)) is not None:
        raise AttributeError(f"{kind.__name__}.{name} is no setting; did you mean {near}?")


def _annotated(kind: type) -> Mapping[str, object]:
    annotated: Mapping[str, object] = vars(kind).get("__annotations__", {})
    return annotated


def refuse_on_server(name: str) -> None:
    """Raise AttributeError for settings and arguments, which a server does not take."""
    if name in _OF_SERVERS:
        raise AttributeError(f"{name} of a server is settled when it starts: give it to start_server")
    near = nearest(name, SETTINGS)
    if near is not None:
        text = f"a server has no setting {name}: set {near} on its AE, which counts from the next association"
        raise AttributeError(text)


def refuse_on_association(name: str) -> None:
    """Raise AttributeError for settings and arguments, which an association does not take any more."""
    near = nearest(name, (*SETTINGS, *_OF_ASSOCIATIONS))
    if near is not None:
        _refuse(name, near)


def _refuse(name: str, near: str) -> NoReturn:
    if "timeout" in near:
        text = "the timeouts of an association are settled before it is made: set AE.timeouts, or give"
        raise AttributeError(f"{text} timeouts= to associate")
    where = "give it to associate" if near in _OF_ASSOCIATIONS else "set it on the AE, before it is made"
    raise AttributeError(f"an association has no setting {name}: {near} is settled when it is made, {where}")
