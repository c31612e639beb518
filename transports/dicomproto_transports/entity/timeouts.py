"""The timeouts of an application entity, also under the names of pynetdicom."""

from __future__ import annotations

from dicomproto.config import Timeouts

from ..checks import checked, seconds_or_none


class NamedTimeouts:
    """The timeouts of an application entity."""

    timeouts: Timeouts
    """The longest time of each wait: :doc:`limits`."""

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for the negotiation and for the release: `association` and `artim`."""
        return self.timeouts.association

    @acse_timeout.setter
    def acse_timeout(self, seconds: float | None) -> None:
        checked("acse_timeout", seconds_or_none, seconds)
        self.timeouts = self.timeouts.replace(association=seconds, artim=seconds)

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response: `response`, `action` and `retrieve`."""
        return self.timeouts.response

    @dimse_timeout.setter
    def dimse_timeout(self, seconds: float | None) -> None:
        checked("dimse_timeout", seconds_or_none, seconds)
        self.timeouts = self.timeouts.replace(response=seconds, action=seconds, retrieve=seconds)

    @property
    def network_timeout(self) -> float | None:
        """Seconds that an acceptor waits for the next message: `idle`."""
        return self.timeouts.idle

    @network_timeout.setter
    def network_timeout(self, seconds: float | None) -> None:
        checked("network_timeout", seconds_or_none, seconds)
        self.timeouts = self.timeouts.replace(idle=seconds)

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for the TCP connection: `connect`."""
        return self.timeouts.connect

    @connection_timeout.setter
    def connection_timeout(self, seconds: float | None) -> None:
        checked("connection_timeout", seconds_or_none, seconds)
        self.timeouts = self.timeouts.replace(connect=seconds)
