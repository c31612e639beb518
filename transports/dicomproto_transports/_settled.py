"""What is settled when a server or an association is made: to set it afterwards raises AttributeError.

It would have no effect, and nobody would know. A program may keep what it likes on these objects, under names
that are not nearly called as a setting is.
"""

from __future__ import annotations

from typing import NoReturn

from ._checks import SETTINGS, nearest

_OF_SERVERS = frozenset(
    ("evt_handlers", "contexts", "ssl_context", "proxy_protocol_from", "maximum_pending", "reuse_port")
)
"""Arguments of `start_server` that are no settings."""

_OF_ASSOCIATIONS = (
    "contexts", "max_pdu", "ext_neg", "bind_address", "tls_args", "evt_handlers", "calling_ae_title",
    "operations_window", "pack_pdvs",
)  # fmt: skip
"""Arguments of `associate` that are no settings."""


def refuse_on_server(name: str) -> None:
    """Raise AttributeError for what a server is not told by itself."""
    if name in _OF_SERVERS:
        raise AttributeError(f"{name} of a server is settled when it starts: give it to start_server")
    near = nearest(name, SETTINGS)
    if near is not None:
        text = f"a server has no setting {name}: set {near} on its AE, which counts from the next association"
        raise AttributeError(text)


def refuse_on_association(name: str) -> None:
    """Raise AttributeError for what an association is not told any more."""
    near = nearest(name, (*SETTINGS, *_OF_ASSOCIATIONS))
    if near is not None:
        _refuse(name, near)


def _refuse(name: str, near: str) -> NoReturn:
    if "timeout" in near:
        text = "the timeouts of an association are settled before it is made: set AE.timeouts, or give"
        raise AttributeError(f"{text} timeouts= to associate")
    where = "give it to associate" if near in _OF_ASSOCIATIONS else "set it on the AE, before it is made"
    raise AttributeError(f"an association has no setting {name}: {near} is settled when it is made, {where}")
