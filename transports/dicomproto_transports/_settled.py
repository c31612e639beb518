"""What is settled when a server or an association is made: to set it afterwards raises AttributeError.

It would have no effect, and nobody would know. A program may keep what it likes on these objects, under names
that are not nearly called as a setting is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ._checks import CHECKS, nearest

if TYPE_CHECKING:
    from typing import Self

    from dicomproto.config import Timeouts

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
    from ._settings import SETTINGS  # which are there, since every server has an application entity

    if name in _OF_SERVERS:
        raise AttributeError(f"{name} of a server is settled when it starts: give it to start_server")
    near = nearest(name, SETTINGS)
    if near is not None:
        text = f"a server has no setting {name}: set {near} on its AE, which counts from the next association"
        raise AttributeError(text)


def refuse_on_association(name: str) -> None:
    """Raise AttributeError for what an association is not told any more."""
    from ._settings import SETTINGS

    near = nearest(name, (*SETTINGS, *_OF_ASSOCIATIONS))
    if near is not None:
        _refuse(name, near)


def _refuse(name: str, near: str) -> NoReturn:
    if "timeout" in near:
        text = "the timeouts of an association are settled before it is made: set AE.timeouts, or give"
        raise AttributeError(f"{text} timeouts= to associate")
    where = "give it to associate" if near in _OF_ASSOCIATIONS else "set it on the AE, before it is made"
    raise AttributeError(f"an association has no setting {name}: {near} is settled when it is made, {where}")


class _Absent:
    # An attribute that is not there, and cannot be set either.

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Self:
        if instance is None:
            return self
        raise AttributeError(f"an association has no {self._name}", name=self._name, obj=instance)

    def __set__(self, instance: object, value: object) -> None:
        _refuse(self._name, self._name)


class SettledTimeouts:
    """The waits of an association, also under the names that pynetdicom's users know.

    They were settled when it was made, by the application entity or `associate`; to set them raises
    AttributeError, since that would have no effect, and so does any other setting. A check in `__setattr__`
    would see misspelt ones as well, but cost 2 % of a C-ECHO where the association itself is what users hold.
    """

    __slots__ = ()

    _timeouts: Timeouts

    @property
    def timeouts(self) -> Timeouts:
        """How long each wait may last."""
        return self._timeouts

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for an association to be requested, answered and released."""
        return self._timeouts.association

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response."""
        return self._timeouts.response

    @property
    def network_timeout(self) -> float | None:
        """Seconds that an acceptor waits for the next message."""
        return self._timeouts.idle

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for the TCP connection."""
        return self._timeouts.connect

    if not TYPE_CHECKING:  # to a checker they cannot be set

        def _refuse_timeout(self, value: object) -> None:
            _refuse("a timeout", "timeouts")

        timeouts = timeouts.setter(_refuse_timeout)
        acse_timeout = acse_timeout.setter(_refuse_timeout)
        dimse_timeout = dimse_timeout.setter(_refuse_timeout)
        network_timeout = network_timeout.setter(_refuse_timeout)
        connection_timeout = connection_timeout.setter(_refuse_timeout)


for _name in {*CHECKS, *_OF_ASSOCIATIONS, "requested_contexts", "supported_contexts"} - {"timeouts"}:
    setattr(SettledTimeouts, _name, _Absent(_name))
