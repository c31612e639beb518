"""Networks that addresses lie in or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..checks import parsed_networks

if TYPE_CHECKING:
    from ..checks import Network
    from .addresses import Address


class Networks:
    """One or some IP networks; a Unix socket has no address and lies in none.

    Raises TypeError or ValueError for what is none.
    """

    def __init__(self, networks: Network | Iterable[Network]) -> None:
        from ipaddress import ip_address

        self._networks = parsed_networks(networks)
        self._parse = ip_address

    def __contains__(self, address: Address) -> bool:
        if address is None:
            return False
        parsed = self._parse(address[0])
        return any(parsed in network for network in self._networks)
