"""Associations over TLS, in every flavour: who is let in, who is told why not, and how they end."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
import trio
from pydicom.dataset import Dataset

from dicomproto.config import Timeouts
from dicomproto.errors import (
    AssociationError,
    ConnectionLost,
    NotDicomError,
    TimedOut,
    TLSFailed,
)
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateAC, ReleaseRP, ReleaseRQ
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt, testing
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.entity.association import Association
from dicomproto_transports.streams.secure import Handshake, TlsStream
from dicomproto_transports.testing import Lockstep
from dicomproto_transports.tls import ReloadingContext, client_context, server_context
from tests.associations import (
    HOST,
    Peer,
    Script,
    Stored,
    associate,
    data_set,
    make_ae,
    make_server,
    open_association,
    timeouts,
    write_file,
)
from tests.backends import AnyBackend, Async
from tests.certificates import Authority, Files

STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MIB = 1024 * 1024


@asynccontextmanager
async def serving(
    backend: AnyBackend,
    context: Any,
    handlers: Iterable[evt.Binding] = (),
    ae: AECore | None = None,
    **options: int,
) -> AsyncIterator[int]:
    """A server with TLS; gives its port."""
    core = ServerCore(ae or make_ae(backend, "SCP"), handlers, ssl_context=context)
    async with backend.serving(core, **options) as server:
        yield server.port


def of_server(authority: Authority, own: Files | None = None, **options: Any) -> ssl.SSLContext:
    own = own or authority.server
    return server_context(own.cert, own.key, **options)


def of_client(authority: Authority, own: Files | None = None, **options: Any) -> ssl.SSLContext:
    options.setdefault("ca_file", authority.ca_file)
    return client_context(cert=own and own.cert, key=own and own.key, **options)


async def failing(
    backend: AnyBackend, port: int, ae: AECore | None = None, **options: Any
) -> AssociationError:
    """Associate in vain and return why."""
    with pytest.raises(AssociationError) as caught:
        await associate(backend, port, ae, **options)
    return caught.value


# --- in order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_objects_travel_and_both_know_whom_with(
    backend: AnyBackend, authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    stored, seen = Stored(), []
    data = data_set(3 * MIB + 2)
    path = write_file(tmp_path, data)

    def look(event: evt.Event) -> None:
        seen.append((event.assoc.peer_certificate, event.assoc.peer_certificate_der))

    async def main() -> None:
        context = of_client(authority, authority.client)
        context.maximum_version = version
        handlers = [(evt.EVT_REQUESTED, look), (evt.EVT_C_STORE, stored)]
        server = of_server(authority, ca_file=authority.ca_file)
        async with serving(backend, server, handlers) as port:
            async with await associate(backend, port, tls_args=context) as assoc:
                assert isinstance(assoc._session.stream, TlsStream)
                assert version.name.replace("_", ".") in repr(assoc._session.stream)
                certificate = assoc.peer_certificate
                assert certificate is not None
                assert ("DNS", "archive") in certificate["subjectAltName"]
                assert assoc.peer_certificate_der == authority.server.der
                assert (await assoc.send_c_echo()).Status == 0
                for _ in range(2):
                    assert (await assoc.send_c_store(path)).Status == 0
            assert assoc.is_released

    backend.run(main)
    assert stored.objects == [data, data]
    ((certificate, der),) = seen
    assert ((("commonName", "MODALITY"),)) in certificate["subject"]
    assert der == authority.client.der


def test_without_client_certificates(backend: AnyBackend, authority: Authority) -> None:
    seen = []

    async def main() -> None:
        look = (evt.EVT_ESTABLISHED, lambda event: seen.append(event.assoc.peer_certificate))
        async with serving(backend, of_server(authority), [look]) as port:
            async with await associate(backend, port, tls_args=of_client(authority)) as assoc:
                await assoc.send_c_echo()

    backend.run(main)
    assert seen == [None]


def test_a_certificate_that_was_not_verified_is_empty(backend: AnyBackend, authority: Authority) -> None:
    async def main() -> None:
        context = of_client(authority, ca_file=None, peer_certificate="ignore")
        async with serving(backend, of_server(authority, authority.strange)) as port:
            async with await associate(backend, port, tls_args=context) as assoc:
                assert assoc.peer_certificate == {}
                assert assoc.peer_certificate_der == authority.strange.der

    backend.run(main)


def test_without_tls_there_is_no_certificate(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            async with await associate(backend, server.port) as assoc:
                assert (assoc.peer_certificate, assoc.peer_certificate_der) == (None, None)

    backend.run(main)


@pytest.mark.parametrize("peer", ["require", "verify", "ignore"])
@pytest.mark.parametrize("shown", [None, "client", "strange"])
def test_what_becomes_of_clients_by_their_certificates(
    backend: AnyBackend, authority: Authority, peer: Any, shown: str | None
) -> None:
    own = getattr(authority, shown) if shown else None
    good = {"require": ["client"], "verify": ["client", None], "ignore": ["client", "strange", None]}

    async def main() -> None:
        context = of_server(authority, ca_file=authority.ca_file, peer_certificate=peer)
        async with serving(backend, context) as port:
            tls_args = of_client(authority, own)
            if shown in good[peer]:
                async with await associate(backend, port, tls_args=tls_args) as assoc:
                    await assoc.send_c_echo()
            else:
                assert await failing(backend, port, tls_args=tls_args)

    backend.run(main)


@pytest.mark.parametrize("name", ["archive", "127.0.0.1", "::1", None])
def test_the_server_may_be_known_by_another_name(
    backend: AnyBackend, authority: Authority, name: str | None
) -> None:
    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            async with await associate(backend, port, tls_args=(of_client(authority), name)) as assoc:
                await assoc.send_c_echo()

    backend.run(main)


def test_the_server_is_told_the_name_that_is_called(real_backend: AnyBackend, authority: Authority) -> None:
    names: list[str | None] = []
    context = of_server(authority)
    context.sni_callback = lambda engine, name, _: names.append(name)

    async def main() -> None:
        async with serving(real_backend, context) as port:
            ae = make_ae(real_backend, "SCU")
            for tls_args in (of_client(authority), (of_client(authority), "archive")):
                assoc = await open_association(ae, real_backend.backend, "localhost", port, tls_args=tls_args)
                await assoc.release()

    real_backend.run(main)
    assert names == ["localhost", "archive"]


def test_a_move_destination_over_tls(backend: AnyBackend, authority: Authority, tmp_path: Path) -> None:
    stored = Stored()
    data = data_set()

    async def main() -> Any:
        there = of_server(authority, ca_file=authority.ca_file)
        async with serving(backend, there, [(evt.EVT_C_STORE, stored)]) as destination:

            def move(event: evt.Event) -> Any:
                yield HOST, destination, {"tls_args": of_client(authority, authority.client)}
                yield 1
                yield 0xFF00, path

            archive = make_ae(backend, "ARCHIVE")
            archive.add_supported_context(STUDY_MOVE)
            core = make_server(backend, [(evt.EVT_C_MOVE, move)], archive)
            async with backend.serving(core) as server:
                async with await associate(backend, server.port, contexts=[STUDY_MOVE]) as assoc:
                    identifier = Dataset()
                    identifier.QueryRetrieveLevel = "STUDY"
                    return [status async for status, _ in assoc.send_c_move(identifier, "THERE", STUDY_MOVE)]

    path = write_file(tmp_path, data)
    final = backend.run(main)[-1]
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 1)
    assert stored.objects == [data]


# --- those who are not let in ---------------------------------------------------------------------


class Refusal(NamedTuple):
    server: dict[str, Any]
    client: dict[str, Any]
    kind: str
    raised: str
    noted: str


_OURS, _THEIRS, _NEW, _OLD = (
    {"ca_file": True},
    {"own": "strange"},
    {"profile": "bcp195-tls13"},
    {"tls12": True},
)

REFUSALS = {
    "a CA that is not trusted": Refusal(
        _THEIRS, {}, "certificate", "be verified: unable to get local issuer", "alert 'unknown ca'"
    ),
    "another host": Refusal({"own": "client"}, {}, "hostname", "for another host", "alert 'bad certificate'"),
    "an expired certificate": Refusal(
        {"own": "expired"}, {}, "certificate", "has expired", "alert 'certificate expired'"
    ),
    "no client certificate": Refusal(
        _OURS, {}, "refused", "alert 'certificate required'", "it showed no certificate"
    ),
    "no client certificate, TLS 1.2": Refusal(
        _OURS, _OLD, "refused", "alert 'handshake failure'", "it showed no certificate"
    ),
    "a client of a strange CA": Refusal(
        _OURS, _THEIRS, "refused", "alert 'unknown ca'", "cannot be verified: unable to get local issuer"
    ),
    "a client whose certificate has expired": Refusal(
        _OURS, {"own": "expired"}, "refused", "alert 'certificate expired'", "has expired"
    ),
    "no version in common": Refusal(
        _NEW, _OLD, "refused", "alert 'protocol version'", "unsupported protocol"
    ),
    "no cipher suite in common": Refusal(
        {"ciphers": "ECDHE-ECDSA-AES128-CCM"},
        _OLD,
        "refused",
        "alert 'handshake failure'",
        "no shared cipher",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_both_sides_say_what_failed(
    backend: AnyBackend, authority: Authority, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dicomproto")
    servers, clients, kind, text, noted = REFUSALS[case]
    server = of_server(
        authority,
        getattr(authority, servers.get("own", "server")),
        ca_file=authority.ca_file if "ca_file" in servers else None,
        profile=servers.get("profile", "bcp195"),
    )
    if "ciphers" in servers:
        server.set_ciphers(servers["ciphers"])
    client = of_client(authority, getattr(authority, clients.get("own", ""), None))
    if "tls12" in clients:
        client.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main() -> None:
        async with serving(backend, server) as port:
            error = await failing(backend, port, tls_args=(client, clients.get("name")))
            assert isinstance(error, TLSFailed)
            assert isinstance(error, ConnectionLost)
            assert (error.kind, text in str(error)) == (kind, True), error
            assert f"'ANY-SCP' at {HOST}:{port}" in str(error)

    backend.run(main)
    (record,) = (r for r in caplog.records if r.levelno >= logging.INFO)
    assert noted in record.getMessage()
    assert record.getMessage().startswith(f"the peer at {HOST}:")


def told_by_servers(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged of peers that did not give their names."""
    messages = [record.getMessage() for record in caplog.records]
    return [message for message in messages if message.startswith("the peer at")]


def test_a_plain_peer_where_tls_was_expected(
    backend: AnyBackend, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dicomproto")

    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            error = await failing(backend, port)
            assert isinstance(error, NotDicomError)
            assert error.kind == "tls"
            assert str(error).endswith("speaks TLS, where plain DICOM was expected")
        async with backend.serving(make_server(backend)) as server:
            error = await failing(backend, server.port, tls_args=of_client(authority))
            assert isinstance(error, TLSFailed)
            assert error.kind == "plain"
            assert str(error).endswith("speaks plain DICOM, where TLS was expected")

    backend.run(main)
    to_tls, to_plain = told_by_servers(caplog)
    assert to_tls.endswith("speaks plain DICOM, where TLS was expected")
    assert to_plain.endswith("speaks TLS, where plain DICOM was expected")


@pytest.mark.parametrize(
    ("said", "spoken"), [(b"GET / HTTP/1.0\r\n\r\n", "HTTP"), (b"\xff" * 10, "something else")]
)
def test_a_peer_that_speaks_neither(
    backend: AnyBackend, authority: Authority, caplog: pytest.LogCaptureFixture, said: bytes, spoken: str
) -> None:
    caplog.set_level(logging.INFO, "dicomproto")

    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            stream = await backend.backend.connect(HOST, port)
            await stream.send([said], None)
            while await stream.receive(stream.now() + 10):
                pass
            await stream.close([], stream.now())

    backend.run(main)
    (record,) = caplog.records
    assert record.getMessage().endswith(f"speaks {spoken}, where TLS was expected")


def test_whoever_looks_whether_the_port_is_open_is_no_news(
    backend: AnyBackend, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dicomproto")

    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            stream = await backend.backend.connect(HOST, port)
            await stream.close([], stream.now())
            async with await associate(backend, port, tls_args=of_client(authority)) as assoc:
                await assoc.send_c_echo()

    backend.run(main)
    assert told_by_servers(caplog) == []


# --- time -----------------------------------------------------------------------------------------


def test_silent_clients_block_nobody(backend: AnyBackend, authority: Authority) -> None:
    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            silent = [await backend.backend.connect(HOST, port) for _ in range(20)]
            for _ in range(3):
                async with await associate(backend, port, tls_args=of_client(authority)) as assoc:
                    await assoc.send_c_echo()
            for stream in silent:
                assert stream.try_receive() is None  # they are waited for still
                await stream.close([], stream.now())

    backend.run(main)


def test_a_silent_client_is_not_waited_for_longer_than_allowed(
    backend: AnyBackend, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dicomproto")
    ae = make_ae(backend, "SCP", timeouts=timeouts(backend, "tls"))

    async def main() -> None:
        async with serving(backend, of_server(authority), ae=ae) as port:
            start = backend.backend.now()  # the server's time begins when it accepts
            stream = await backend.backend.connect(HOST, port)
            assert await stream.receive(start + 60) == b""
            assert stream.now() - start >= (ae.timeouts.tls or 0) * 0.9
            await stream.close([], stream.now())

    backend.run(main)
    assert "(tls timeout)" in caplog.text


def test_a_silent_server_is_not_waited_for_longer_than_allowed(
    backend: AnyBackend, authority: Authority
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(silent)) as server:
            ae = make_ae(backend, "SCU", timeouts=timeouts(backend, "tls"))
            error = await failing(backend, server.port, ae, tls_args=of_client(authority))
            assert isinstance(error, TimedOut)
            assert error.phase == "tls"
            assert "waited for its part of the TLS handshake within" in str(error)

    backend.run(main)


def test_a_connection_in_the_handshake_is_pending(real_backend: AnyBackend, authority: Authority) -> None:
    async def main() -> None:
        async with serving(real_backend, of_server(authority), maximum_pending=2) as port:
            silent = [await real_backend.backend.connect(HOST, port) for _ in range(3)]
            assert await silent[0].receive(silent[0].now() + 10) == b""
            async with await associate(real_backend, port, tls_args=of_client(authority)) as assoc:
                assert await silent[1].receive(silent[1].now() + 10) == b""
                more = await real_backend.backend.connect(HOST, port)
                assert silent[2].try_receive() is None  # an association that stands does not count
                await assoc.send_c_echo()
            for stream in (*silent, more):
                await stream.close([], stream.now())

    real_backend.run(main)


def test_a_shutdown_ends_handshakes(backend: AnyBackend, authority: Authority) -> None:
    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            stream = await backend.backend.connect(HOST, port)
            async with await associate(backend, port, tls_args=of_client(authority)):
                pass
        with suppress(ConnectionResetError):
            assert await stream.receive(stream.now() + 10) == b""
        await stream.close([], stream.now())

    backend.run(main)


def test_a_cancelled_handshake_closes_the_connection(async_backend: Async, authority: Authority) -> None:
    async def main() -> None:
        ended = async_backend.library.event()
        begun = async_backend.library.event()

        async def silent(peer: Peer) -> None:
            await peer.stream.receive(None)
            begun.set()
            assert await peer.stream.receive(None) == b""
            ended.set()

        async with async_backend.serving(Script(silent)) as server:
            with async_backend.library.scope() as scope:

                async def cancel() -> None:
                    await begun.wait()
                    scope.cancel()

                async with async_backend.library.open_group() as group:
                    group.start_soon(cancel)
                    await associate(async_backend, server.port, tls_args=of_client(authority))
            await ended.wait()

    async_backend.run(main)


# --- connections that end -------------------------------------------------------------------------


def test_a_server_that_hangs_up_in_the_handshake(backend: AnyBackend, authority: Authority) -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.stream.receive(None)

    async def main() -> None:
        async with backend.serving(Script(hang_up)) as server:
            error = await failing(backend, server.port, tls_args=of_client(authority))
            assert type(error) is ConnectionLost
            assert "in the TLS handshake" in str(error)

    backend.run(main)


def test_a_peer_that_sends_and_does_not_read_in_the_handshake(authority: Authority) -> None:
    """It may not fill our memory, whatever the time that it has."""
    with Lockstep() as world:
        left, right = world.pair(capacity=300)
        handshake = Handshake(of_client(authority), server_hostname="archive")

        async def flood() -> None:
            head, rest = bytes.fromhex("1603034000"), [b"x" * MIB]
            await right.send([head], None)
            with suppress(ConnectionResetError):
                while True:
                    rest = await right.send(rest, None) or [b"x" * MIB]

        async def shake() -> None:
            with pytest.raises(ConnectionLost, match="sends and does not read"):
                await handshake.run(left, "PEER", Timeouts())

        async def both() -> None:
            flooding = world.spawn(flood())
            await shake()
            await world.wait_for(lambda: flooding.done)

        world.run(both())


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_the_end_of_the_connection_in_an_association(
    backend: AnyBackend, authority: Authority, says_goodbye: bool
) -> None:
    async def vanish(assoc: Association) -> None:
        stream = assoc._session.stream
        assert isinstance(stream, TlsStream)
        await (stream if says_goodbye else stream._inner).close([], stream.now())

    async def main() -> None:
        async with serving(backend, of_server(authority)) as port:
            assoc = await associate(backend, port, tls_args=of_client(authority))
            other = await associate(backend, port, tls_args=of_client(authority))
            await vanish(assoc)
            with pytest.raises(ConnectionLost) as caught:
                await assoc.send_c_echo()
            assert "established" in str(caught.value)
            await other.release()

    backend.run(main)


def test_a_server_that_does_not_say_close_notify_after_the_release(
    backend: AnyBackend, authority: Authority
) -> None:
    """Normal, for many do not (PS3.8 has the release for it)."""
    context = of_server(authority)

    async def curt(peer: Peer) -> None:
        plain = peer.stream
        peer.stream = await Handshake(context, server_side=True).run(plain, "SCU", Timeouts())
        await peer.accept()
        await peer.until(ReleaseRQ)
        peer.connection.send(ReleaseRP())
        await peer.flush()
        await plain.close([], plain.now())

    async def main() -> None:
        async with backend.serving(Script(curt)) as server:
            assoc = await associate(backend, server.port, tls_args=of_client(authority))
            await assoc.release()
            assert assoc.is_released

    backend.run(main)


# --- settings -------------------------------------------------------------------------------------


def test_new_certificates_without_a_restart(
    backend: AnyBackend, authority: Authority, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(files: Files) -> None:
        cert.write_bytes(files.cert.read_bytes())
        key.write_bytes(files.key.read_bytes())

    renewed = authority.issue(f"renewed-{tmp_path.name}", "127.0.0.1")
    install(authority.server)
    context = ReloadingContext(lambda: server_context(cert, key))

    async def main() -> None:
        async with serving(backend, context) as port:
            async with await associate(backend, port, tls_args=of_client(authority)) as before:
                key.write_bytes(renewed.key.read_bytes())  # half of it
                with pytest.raises(ValueError, match="is not that of the certificate in"):
                    context.reload()
                async with await associate(backend, port, tls_args=of_client(authority)) as still:
                    assert still.peer_certificate_der == authority.server.der
                install(renewed)
                context.reload()
                async with await associate(backend, port, tls_args=of_client(authority)) as after:
                    assert after.peer_certificate_der == renewed.der
                await before.send_c_echo()

    backend.run(main)


def test_a_client_may_reload_too(backend: AnyBackend, authority: Authority) -> None:
    async def main() -> None:
        context = ReloadingContext(lambda: of_client(authority))
        async with serving(backend, of_server(authority)) as port:
            for tls_args in (context, (context, "archive")):
                async with await associate(backend, port, tls_args=tls_args) as assoc:
                    await assoc.send_c_echo()

    backend.run(main)


def test_wrong_settings_are_found_before_there_is_a_connection(
    backend: AnyBackend, authority: Authority
) -> None:
    client, server = of_client(authority), of_server(authority)

    def open_server(context: Any) -> None:
        ServerCore(make_ae(backend), ssl_context=context)

    for wrong in (client, ReloadingContext(lambda: client)):
        with pytest.raises(ValueError, match=r"for a server, and this context for clients: .*server_context"):
            open_server(wrong)
    for nonsense in ("cert.pem", (server, None), {"cert": "cert.pem"}):
        with pytest.raises(TypeError, match=r"ssl_context is an ssl.SSLContext, .*, not a (str|tuple|dict)"):
            open_server(nonsense)

    async def main() -> None:
        for wrong in (server, (server, "archive"), ReloadingContext(lambda: server)):
            with pytest.raises(ValueError, match=r"for a client, and this context for servers: .*client_con"):
                await associate(backend, 1, tls_args=wrong)
        for nonsense in ({"ca_file": "ca.pem"}, (client,), (client, "a", "b"), ("archive", client), True, {}):
            with pytest.raises(TypeError, match="tls_args"):
                await associate(backend, 1, tls_args=nonsense)

    backend.run(main)


@pytest.mark.parametrize("host", [".foo", "a..b", "x" * 64])
def test_what_is_no_host_name(backend: AnyBackend, authority: Authority, host: str) -> None:
    async def main() -> None:
        for tls_args in (of_client(authority), (of_client(authority), None)):
            with pytest.raises(ConnectionLost, match=f"cannot connect to {host}: that is no host name"):
                await open_association(make_ae(backend), backend.backend, host, 104, tls_args=tls_args)

    backend.run(main)


def test_a_name_for_the_certificate_that_is_no_host_name(backend: AnyBackend, authority: Authority) -> None:
    async def main() -> None:
        with pytest.raises(
            TLSFailed, match="'.x', which the certificate is to be for, is no host name"
        ) as caught:
            await associate(backend, 1, tls_args=(of_client(authority), ".x"))
        assert caught.value.kind == "hostname"

    backend.run(main)


# --- the public faces -----------------------------------------------------------------------------


def prepared(ae: Any) -> Any:
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    return ae


def test_the_blocking_face(authority: Authority) -> None:
    seen = []
    look = (evt.EVT_ESTABLISHED, lambda event: seen.append(event.assoc.peer_certificate_der))
    scp, scu = prepared(blocking.AE("SCP")), prepared(blocking.AE("SCU"))
    context = of_server(authority, ca_file=authority.ca_file)
    with scp.start_server((HOST, 0), block=False, ssl_context=context, evt_handlers=[look]) as server:
        tls_args = of_client(authority, authority.client)
        with scu.associate(HOST, server.port, tls_args=tls_args) as assoc:
            assert assoc.send_c_echo().Status == 0
            assert assoc.peer_certificate["serialNumber"]
            assert assoc.peer_certificate_der == authority.server.der
    assert seen == [authority.client.der]


@pytest.mark.parametrize("flavour", ["trio", "anyio", "testing"])
def test_the_faces_that_are_awaited(authority: Authority, flavour: str) -> None:
    async def main(scp: Any, scu: Any) -> None:
        async with (
            scp.start_server((HOST, 0), ssl_context=of_server(authority)) as server,
            scu.associate(HOST, server.port, tls_args=of_client(authority)) as assoc,
        ):
            assert (await assoc.send_c_echo()).Status == 0
            assert assoc.peer_certificate_der == authority.server.der

    if flavour == "testing":
        with Lockstep() as world:
            world.run(main(prepared(testing.AE(world)), prepared(testing.AE(world))))
    elif flavour == "trio":
        trio.run(main, prepared(trio_flavour.AE()), prepared(trio_flavour.AE()))
    else:
        anyio.run(main, prepared(anyio_flavour.AE()), prepared(anyio_flavour.AE()))


def test_the_header_of_a_proxy_comes_before_tls(real_backend: AnyBackend, authority: Authority) -> None:
    """In one segment with the client's hello, as a busy proxy sends it."""
    seen: list[object] = []

    def look(event: evt.Event) -> None:
        seen.append((event.assoc.requestor.address, event.assoc.peer_certificate_der))

    async def main() -> None:
        core = ServerCore(
            make_ae(real_backend, "SCP"),
            [(evt.EVT_REQUESTED, look)],
            ssl_context=of_server(authority, ca_file=authority.ca_file),
            proxy_protocol_from=[HOST],
        )
        async with real_backend.serving(core) as server:
            stream = Announcing(await real_backend.backend.connect(HOST, server.port))
            handshake = Handshake(of_client(authority, authority.client), server_hostname="archive")
            peer = Peer(await handshake.run(stream, "SCP", Timeouts()), Role.REQUESTOR)
            assert isinstance(await peer.request(), AssociateAC)
            await peer.close()

    real_backend.run(main)
    assert seen == [("192.0.2.7", authority.client.der)]


class Announcing:
    """A stream that says a PROXY header with its first words."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._header = [b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 2762\r\n"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def send(self, buffers: Sequence[Any], deadline: float | None) -> Any:
        header, self._header = self._header, []
        return await self._stream.send([*header, *buffers], deadline)
