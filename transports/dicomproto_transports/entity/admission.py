"""Admission of connections before the first byte of DICOM: PROXY header, allowed networks, TLS.

A connection from a proxy begins with a header that names the original peer. This address counts from then on,
here and everywhere else. A connection from an address outside the allowed networks is closed without an
answer, which would tell its peer something.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dicomproto.errors import AssociationError

from ..checks import checked, networks
from ..error_text import timed_out
from ..streams.addresses import name_of
from ..streams.networks import Networks

if TYPE_CHECKING:
    from dicomproto.config import Timeouts

    from ..checks import Network
    from ..streams.addresses import Address
    from ..streams.interface import Stream
    from ..streams.secure import Handshake
    from ..streams.tcp import SocketStream
    from ..tls import Context as TLSContext

log: logging.Logger = logging.getLogger("dicomproto.server")


class Admission:
    """Admits the connections of a server, and returns the stream to serve."""

    def __init__(self, proxies: Network | Iterable[Network], ssl_context: TLSContext | None) -> None:
        trusted = checked("proxy_protocol_from", networks, proxies)
        self._proxies = Networks(trusted) if trusted else None
        self._ssl_context = ssl_context
        if ssl_context is not None:
            _handshake(ssl_context)  # a bad context raises here, not for each connection

    async def admit(
        self, arrived: SocketStream, allowed: Networks | None, timeouts: Timeouts
    ) -> Stream | None:
        """Read the header of a proxy, if there is one, and return the stream; None if it was closed."""
        from_proxy = self._proxies is not None and arrived.peer_address in self._proxies
        if from_proxy and not await self._learn_source(arrived, timeouts.proxy):
            return None
        return await self.admit_stream(arrived, allowed, timeouts)

    async def admit_stream(
        self, arrived: Stream, allowed: Networks | None, timeouts: Timeouts
    ) -> Stream | None:
        """Return the stream of a connection without a PROXY header; None if it was closed."""
        if not is_allowed(arrived.peer_address, allowed):
            await arrived.close([], arrived.now())
            return None
        if self._ssl_context is None:
            return arrived
        return await self._secure(arrived, self._ssl_context, timeouts)

    async def _learn_source(self, stream: SocketStream, seconds: float | None) -> bool:
        """Read the header of a proxy; without a valid one, close the stream and return False."""
        from ..streams.proxy_header import read_header  # few servers stand behind a proxy

        proxy = name_of("", stream.peer_address)
        try:
            header = await read_header(stream, None if seconds is None else stream.now() + seconds)
        except TimeoutError:
            log.info("%s", timed_out(proxy, "proxy", seconds))
        except ValueError as error:
            log.info("%s: %s", proxy, error)
        except (EOFError, OSError) as error:
            log.debug("%s: %s", proxy, error)  # perhaps a health check
        else:
            if header.source is not None:
                log.debug("%s comes through %s", name_of("", header.source), proxy)
                stream.comes_through_proxy(header.source)
            return True
        await stream.close([], stream.now())
        return False

    async def _secure(self, stream: Stream, context: TLSContext, timeouts: Timeouts) -> Stream | None:
        """Return the stream with TLS; None if the handshake failed and the stream is closed."""
        handshake = _handshake(context)
        try:
            return await handshake.run(stream, name_of("", stream.peer_address), timeouts)
        except AssociationError as error:
            log.log(logging.INFO if handshake.has_heard else logging.DEBUG, "%s", error)
        except Exception:
            log.exception("the TLS handshake with %s failed", name_of("", stream.peer_address))
        return None


def is_allowed(address: Address, allowed: Networks | None) -> bool:
    """Tell whether an address is in the allowed networks; logs an address that is not."""
    if allowed is None or address in allowed:
        return True
    log.info("%s is in none of the allowed networks: closed", name_of("", address))
    return False


def _handshake(context: TLSContext) -> Handshake:
    from ..streams.secure import Handshake  # the ssl module takes 10 ms to load

    return Handshake(context, server_side=True)
