"""TLS over any stream: a `Handshake` makes a `TlsStream` of it, which is a `Stream` again.

The cipher works in memory (`ssl.MemoryBIO`), and the stream below moves the ciphertext with its own waits,
deadlines and rules. So sockets of all flavours, pipes of the tests and tunnels have the same TLS.

- Small buffers are joined before they are encrypted, at most `PIECE` bytes at a time. They count as sent
  when the ciphertext has left, in proportion, so that the unsent rest means the same as without TLS.
- All records of one read are decrypted at once, so that no wait ignores input that is there already.
- The cipher may have to write during a read (key update) and to read during a write (renegotiation).
- A connection that ends without close_notify counts as broken. After a release nobody reads any more, so
  that does no harm; during an association the connection is lost.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dicomproto.errors import AssociationError, ConnectionLost, TLSFailed
from dicomproto.upper_layer.violations import sniff

from ..error_text import PROTOCOLS, timed_out
from ..tls import ReloadingContext
from .addresses import Address
from .interface import Stream, TLSBroken, glimpse, interrupt, sends_at_once, try_send, wait_for_input

if TYPE_CHECKING:
    from dicomproto.config import Timeouts
    from dicomproto.upper_layer.pdu import Buffer

    from ..tls import Context, TLSArguments

PIECE = 64 * 1024
"""Bytes that are encrypted or given to decryption at a time; the buffers in memory grow to that."""

RECORD = 16 * 1024
"""Bytes of plaintext in one record at most (RFC 8446 5.1)."""

_UNSOLICITED = 4 * PIECE
"""Bytes that a peer may send in the handshake, or have us answer afterwards, while it takes nothing."""

_RECORD_TYPES = range(20, 25)  # the first bytes of TLS
_PDU_TYPES = range(1, 8)  # the first bytes of DICOM
_UNEXPECTED_MESSAGE = bytes.fromhex("1503010002020a")  # a fatal alert (RFC 8446 6.2)
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64  # X509_V_ERR_...


class _NotTLS(Exception):
    """The first byte is not TLS; the text names the protocol."""


class Handshake:
    """One handshake. It is made before the connection, so that wrong settings are found first."""

    def __init__(
        self, context: Context, *, server_side: bool = False, server_hostname: str | None = None
    ) -> None:
        context = _usable(context, server_side=server_side)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_side, server_hostname)
        self.has_heard: bool = False
        """Whether the peer sent anything."""

    @classmethod
    def with_server(cls, arguments: TLSArguments, host: str) -> Handshake:
        """Return the handshake of a client; `host` is the server's name unless the arguments have one.

        Raises ConnectionLost for an impossible host name, TLSFailed for one in the arguments, and
        TypeError or ValueError if they are not valid TLS arguments.
        """
        context: object = arguments
        name = None
        if isinstance(arguments, tuple) and len(arguments) == 2:
            context, name = arguments
        if not isinstance(name, str | None):
            raise TypeError(f"tls_args holds a context and a host name, not {name!r}")
        usable = _usable(context, server_side=False)
        try:
            return cls(usable, server_hostname=name or host.partition("%")[0])  # no IPv6 zone
        except (ValueError, TypeError) as error:  # an empty label, one of more than 63 letters, NUL
            if not name:
                raise ConnectionLost(f"cannot connect to {host}: that is no host name") from error
            text = f"{name!r}, which the certificate is to be for, is no host name"
            raise TLSFailed(text, kind="hostname") from error

    async def run(self, stream: Stream, peer: str, timeouts: Timeouts) -> TlsStream:
        """Do the handshake with `peer` within `Timeouts.tls`; on failure the stream is closed.

        Raises TimedOut, TLSFailed and, if the connection ends meanwhile, ConnectionLost.
        """
        deadline = None if timeouts.tls is None else stream.now() + timeouts.tls
        try:
            await self._shake(stream, deadline)
        except (OSError, EOFError, _NotTLS) as error:
            words, failure = self._failed(error, peer, timeouts)
            patience = 0.0 if not words else 2.0 if timeouts.close is None else timeouts.close
            await stream.close(words, stream.now() + patience)
            raise failure from error
        except BaseException:
            await stream.close([], stream.now())
            raise
        return TlsStream(stream, self._engine, self._incoming, self._outgoing)

    def _failed(
        self, error: OSError | EOFError | _NotTLS, peer: str, timeouts: Timeouts
    ) -> tuple[list[Buffer], AssociationError]:
        """Return the last words for the peer, and the error to raise."""
        words: list[Buffer] = []
        where = "in the TLS handshake"
        if not self.has_heard and not self._engine.server_side:
            where += ", at its first word: it may speak plain DICOM"
        if isinstance(error, TimeoutError):
            return words, timed_out(peer, "tls", timeouts.tls)
        if isinstance(error, EOFError):
            return words, ConnectionLost(f"{peer} closed the connection {where}")
        if isinstance(error, _NotTLS):
            if self._engine.server_side:
                words = [_UNEXPECTED_MESSAGE]
            return words, TLSFailed(f"{peer} speaks {error}, where TLS was expected", kind="plain")
        if isinstance(error, ssl.SSLError):
            if self._outgoing.pending:
                words = [self._outgoing.read()]  # the alert
            kind, text = _why(error)
            return words, TLSFailed(f"{peer}: the TLS handshake failed: {text}", kind=kind)
        return words, ConnectionLost(f"{peer} is gone ({error.strerror or error}) {where}")

    async def _shake(self, stream: Stream, deadline: float | None) -> None:
        is_done = False
        while not is_done:
            try:
                self._engine.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            rest: list[Buffer] = [self._outgoing.read()] if self._outgoing.pending else []
            while rest:
                rest = await stream.send(rest, deadline)
                if rest and (data := stream.try_receive()) is not None:
                    self._feed(data)
            if not is_done:
                self._feed(await stream.receive(deadline))

    def _feed(self, data: bytes) -> None:
        if not data:
            raise EOFError
        is_first, self.has_heard = not self.has_heard, True
        if is_first and data[0] not in _RECORD_TYPES:
            plain = data[0] in _PDU_TYPES
            raise _NotTLS("plain DICOM" if plain else PROTOCOLS.get(sniff(data[:6]), "something else"))
        if self._incoming.pending > _UNSOLICITED:
            raise _one_sided()
        self._incoming.write(data)


class TlsStream:
    """A `Stream` over a stream whose handshake is done; it owns that stream."""

    def __init__(
        self, inner: Stream, engine: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._inner = inner
        self._engine = engine
        self._incoming, self._outgoing = incoming, outgoing
        self.now: Final = inner.now
        self._eof = self._closed = False
        self._failure: OSError | None = None
        self._kept = b""
        self._pending: list[Buffer] = []  # unsent ciphertext
        self._ahead = 0  # bytes of plaintext in it; the caller keeps them as unsent
        self._front: Buffer | None = None  # the first buffer that the caller keeps
        if incoming.pending:  # application data that came with the end of the handshake
            self._decrypt(b"")

    def __repr__(self) -> str:
        return f"<TlsStream {self._engine.version()} over {self._inner!r}>"

    @property
    def local_address(self) -> Address:
        """The address of this end."""
        return self._inner.local_address

    @property
    def peer_address(self) -> Address:
        """The address of the other end."""
        return self._inner.peer_address

    @property
    def peer_certificate(self) -> Mapping[str, object] | None:
        """The result of `ssl.SSLSocket.getpeercert`: {} for a certificate that was not verified."""
        return self._engine.getpeercert()

    @property
    def peer_certificate_der(self) -> bytes | None:
        """The peer's certificate, verified or not."""
        return self._engine.getpeercert(binary_form=True)

    # Receiving

    def try_receive(self) -> bytes | None:
        """Return the bytes that have arrived, None if there are none, b"" at the end; see `Stream`."""
        if (data := self._at_hand()) is None:
            raw = self._inner.try_receive()
            if raw is None:
                return None
            self._take(raw)  # once: a peer may send records without data as fast as they are read
            data = self._at_hand()
        return data

    def interrupt(self) -> None:
        """End the wait of the stream below; see `interrupt`."""
        interrupt(self._inner)

    async def wait_for_input(self) -> None:
        """Wait until something can be read, or arrives below; see `wait_for_input`."""
        if not self._has_news:
            await wait_for_input(self._inner)

    def glimpse(self) -> str:
        """Return the end of the input of the stream below; see `glimpse`."""
        return glimpse(self._inner)

    async def receive(self, deadline: float | None) -> bytes:
        """Return the bytes that have arrived, b"" at the end; see `Stream`."""
        while (data := self._at_hand()) is None:
            if self._outgoing.pending or (self._pending and not self._ahead):
                await self._answer(deadline)
            self._take(await self._inner.receive(deadline))
            # A peer may go on sending records without data, each before the deadline.
            if deadline is not None and self.now() >= deadline and not self._has_news:
                raise TimeoutError
        return data

    @property
    def _has_news(self) -> bool:
        return bool(self._kept) or self._failure is not None or self._eof

    async def _answer(self, deadline: float | None) -> None:
        """Send the cipher's own records."""
        try:
            await self._flush(deadline)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            self._pending = []  # input of the peer from before the failure is still readable

    def _at_hand(self) -> bytes | None:
        if self._kept:
            data, self._kept = self._kept, b""
            return data
        if self._failure is not None:
            raise self._failure
        return b"" if self._eof else None

    def _take(self, raw: bytes) -> None:
        if raw:
            self._decrypt(raw)
        else:  # the end came without close_notify
            self._failure = ConnectionAbortedError(errno.ECONNABORTED, "it ended TLS without close_notify")

    def _decrypt(self, raw: bytes) -> None:
        """Keep the plaintext in `raw`, and the end or the failure behind it."""
        left = memoryview(raw)
        parts = []
        while True:
            self._incoming.write(left[:PIECE])
            left = left[PIECE:]
            try:
                while part := self._engine.read(RECORD):
                    parts.append(part)
            except ssl.SSLWantReadError:
                if left:
                    continue
                break
            except ssl.SSLError as error:
                self._failure = _broken(error)
                break
            self._eof = True
            break
        self._kept = b"".join(parts)  # nothing was kept before
        if self._outgoing.pending + sum(map(len, self._pending)) > _UNSOLICITED:
            self._failure = _one_sided()  # each of its key updates asked for one of ours (RFC 8446 4.6.3)

    # Sending

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send some of the buffers, `PIECE` bytes at most, and return the unsent rest; see `Stream`."""
        rest = list(buffers)
        while not self._ahead and not self._encrypt(rest):  # the peer began a renegotiation
            if self._kept or self._eof or self._failure:
                return rest
            await self._flush(deadline)
            self._take(await self._inner.receive(deadline))
        if self._eof:  # bytes after close_notify are discarded
            self._inner.try_receive()
        self._front = rest[0] if rest else None
        self._gather()  # the cipher's own records come after the data, and count with it
        size = sum(map(len, self._pending))
        await self._flush(deadline)
        return self._without_sent(rest, size)

    @property
    def sends_at_once(self) -> bool:
        """Whether the stream below can send without a wait; see `sends_at_once`."""
        return sends_at_once(self._inner)

    def try_send(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Send what the network takes at once, and return the unsent rest; see `try_send`."""
        rest = list(buffers)
        if self._pending or not self._encrypt(rest):
            return rest
        size = sum(map(len, self._pending))
        self._pending = try_send(self._inner, self._pending)
        return self._without_sent(rest, size)

    def _without_sent(self, rest: list[Buffer], size: int) -> list[Buffer]:
        """Drop from `rest` the part of the `size` bytes of ciphertext that has been sent."""
        left = sum(map(len, self._pending))
        ahead = -(-self._ahead * left // size) if left else 0
        _drop(rest, self._ahead - ahead)
        self._ahead, self._front = ahead, rest[0] if rest else None
        return rest

    def _encrypt(self, buffers: Sequence[Buffer]) -> bool:
        """Encrypt a piece of the buffers; False if the cipher needs input of the peer first."""
        views, room = [], PIECE
        for buffer in buffers:
            views.append(memoryview(buffer)[:room])
            room -= len(views[-1])
            if not room:
                break
        piece = views[0] if len(views) == 1 else b"".join(views)
        if len(piece):
            try:
                self._engine.write(piece)
            except ssl.SSLWantReadError:
                return False
            except ssl.SSLError as error:
                raise _broken(error) from error
        self._ahead = len(piece)
        self._gather()
        return True

    def _gather(self) -> None:
        if self._outgoing.pending:
            self._pending.append(self._outgoing.read())

    async def _flush(self, deadline: float | None) -> None:
        self._gather()
        self._pending = await self._inner.send(self._pending, deadline)

    # Closing

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Flush, send close_notify, discard until EOF or the deadline, close; see `Stream`."""
        if self._closed:
            return
        self._closed = True
        words = list(last_words)
        if self._front is not None and not (words and words[0] is self._front):
            await self._inner.close([], self.now())
            return
        _drop(words, self._ahead)
        try:
            for word in words:
                if word:
                    self._engine.write(word)
            self._engine.unwrap()
        except (ssl.SSLError, ValueError):  # no wait for the peer's close_notify
            pass
        self._gather()
        await self._inner.close(self._pending, deadline)


def _drop(buffers: list[Buffer], size: int) -> None:
    """Take `size` bytes from the front, and empty buffers with them."""
    index = 0
    while index < len(buffers) and size >= (length := len(buffers[index])):
        size -= length
        index += 1
    del buffers[:index]
    if size:
        buffers[0] = memoryview(buffers[0])[size:]


def _one_sided() -> OSError:
    return ConnectionAbortedError(errno.ECONNABORTED, "it sends and does not read")


def _usable(given: object, *, server_side: bool) -> ssl.SSLContext:
    """Return the context for the next connection; raises TypeError or ValueError if it cannot be used."""
    context = given.context if isinstance(given, ReloadingContext) else given
    setting, maker = ("ssl_context", "server_context()") if server_side else ("tls_args", "client_context()")
    if not isinstance(context, ssl.SSLContext):
        pair = "" if server_side else ", or a tuple of one and a host name"
        kind = type(given).__name__
        raise TypeError(f"{setting} is an ssl.SSLContext, as {maker} makes it{pair}, not a {kind}")
    if context.protocol == (ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER):
        side, other = ("a server", "clients") if server_side else ("a client", "servers")
        raise ValueError(f"{setting} is for {side}, and this context for {other}: use one of {maker}")
    return context


def _broken(error: ssl.SSLError) -> TLSBroken:
    kind, text = _why(error)
    return TLSBroken(f"TLS: {text}", kind)


def _why(error: ssl.SSLError) -> tuple[str, str]:
    """Return the kind of a failure and its cause in words, about "it", the peer."""
    reason = error.reason or str(error)
    words = reason.lower().replace("_", " ")
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message.rstrip(".")
        if error.verify_code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
            return "hostname", f"its certificate is for another host: {message}"
        return "certificate", f"its certificate cannot be verified: {message}"
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "certificate", "it showed no certificate"
    if " alert " in words:
        return "refused", f"it refused, with the alert {words.partition(' alert ')[2]!r}"
    return "protocol", words
