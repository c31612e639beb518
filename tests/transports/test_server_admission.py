"""Whom a server serves: names, networks, proxies, limits, and a handler that has the last word."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from dicomproto.config import Timeouts
from dicomproto.errors import AssociationError, AssociationRejected, ConnectionLost
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateAC
from dicomproto_transports import blocking, evt
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.tls import client_context, server_context
from tests.associations import IMMEDIATE, Peer, associate, make_ae, make_server
from tests.backends import AnyBackend, Blocking, Lockstep
from tests.certificates import Authority

LOCAL = "127.0.0.1"
OTHER = "127.0.0.2"

VERSION_1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 4242 104\r\n"
VERSION_2 = bytes.fromhex("0d0a0d0a000d0a515549540a 2111000c c0000201 c0000202 1092 0068")
UNKNOWN = b"PROXY UNKNOWN\r\n"
HEALTH_CHECK = bytes.fromhex("0d0a0d0a000d0a515549540a 20000000")


async def refusal(backend: AnyBackend, port: int, ae: AECore | None = None, **options: Any) -> object:
    """Ask for an association that is refused; return how."""
    try:
        association = await associate(backend, port, ae, **options)
    except AssociationRejected as error:
        return error.result, error.source, error.reason
    except AssociationError as error:
        return type(error)
    await association.release()
    return None


async def through_proxy(backend: AnyBackend, port: int, *parts: bytes) -> Peer:
    """Connect as a proxy does, and say `parts`."""
    stream = await backend.backend.connect(LOCAL, port)
    for part in parts:
        await stream.send([part], None)
    return Peer(stream, Role.REQUESTOR)


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("required", "called", "outcome"),
    [
        (False, "ANYTHING", None),
        (True, "SCP", None),
        (True, "OTHER", (1, 1, 7)),
        ("ARCHIVE", "ARCHIVE", None),
        (b"ARCHIVE ", "ARCHIVE", None),
        ("ARCHIVE", "SCP", (1, 1, 7)),
        (["ARCHIVE", b"PACS"], "PACS", None),
        (["ARCHIVE", b"PACS"], "SCP", (1, 1, 7)),
        ([], "ANYTHING", None),
    ],
)
def test_called_ae_titles(required: Any, called: str, outcome: object) -> None:
    backend = Lockstep()
    ae = make_ae(backend, "SCP")
    ae.require_called_aet = required

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            assert await refusal(backend, server.port, ae_title=called) == outcome

    backend.run(main)


@pytest.mark.parametrize(
    ("required", "outcome"),
    [([], None), ("SCU", None), (["OTHER", b"SCU"], None), ("OTHER", (1, 1, 3)), ([b"A", "B"], (1, 1, 3))],
)
def test_calling_ae_titles(required: Any, outcome: object) -> None:
    backend = Lockstep()
    ae = make_ae(backend, "SCP")
    ae.require_calling_aet = required

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            assert await refusal(backend, server.port) == outcome

    backend.run(main)


# --- networks -----------------------------------------------------------------------------------


def test_a_connection_from_a_network_that_is_not_allowed_is_closed_without_a_word(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    ae = make_ae(backend)
    ae.allowed_networks = ["2001:db8::/32", ipaddress.ip_network("127.0.0.1")]
    opened = []

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_CONN_OPEN, opened.append)], ae)
        async with backend.serving(core) as server:
            stream = await backend.backend.connect(LOCAL, server.port, bind_address=(OTHER, 0))
            assert await stream.receive(stream.now() + 10) == b""
            await stream.close([], stream.now())
            assert await refusal(backend, server.port, bind_address=(OTHER, 0)) is ConnectionLost
            assert opened == []
            assert await refusal(backend, server.port) is None

    with caplog.at_level(logging.INFO, "dicomproto.server"):
        backend.run(main)
    assert f"the peer at {OTHER}" in caplog.text
    assert "is in none of the allowed networks" in caplog.text
    assert [event.address[0] for event in opened] == [LOCAL]


@pytest.mark.parametrize("networks", ["127.0.0.1/8", ["10.0.0.0/8", "localhost"], [4.2]])
def test_networks_that_are_none(networks: Any) -> None:
    backend = Lockstep()
    ae = make_ae(backend)
    with pytest.raises(ValueError):
        ServerCore(ae, proxy_protocol_from=networks)
    with pytest.raises(ValueError, match="allowed_networks"):
        ae.allowed_networks = networks


@pytest.mark.parametrize(
    ("network", "is_allowed"),
    [
        ("127.0.0.0/8", True),
        (ipaddress.ip_network("127.0.0.0/8"), True),
        (ipaddress.ip_network("10.0.0.0/8"), False),
        (ipaddress.ip_network("::1"), False),
        (["::ffff:127.0.0.0/104"], True),
        (["::ffff:127.0.0.1"], True),
        (["::ffff:0:0/96"], True),
        (["::ffff:10.0.0.0/104", "fe80::/10", "::fffe:127.0.0.1", "10.0.0.0/8"], False),
    ],
)
def test_one_network_may_be_given_as_it_is_or_as_mapped_into_ipv6(network: Any, is_allowed: bool) -> None:
    backend = Lockstep()
    ae = make_ae(backend)
    ae.allowed_networks = network

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            assert await refusal(backend, server.port) is (None if is_allowed else ConnectionLost)
        ae.allowed_networks = ()
        async with backend.serving(proxied_server(backend, ae=ae, networks=network)) as server:
            peer = await through_proxy(backend, server.port, VERSION_1)
            answer = await peer.request(VERIFICATION)
            assert isinstance(answer, AssociateAC) == is_allowed
            await peer.stream.close([], 0)

    backend.run(main)


# --- proxies ------------------------------------------------------------------------------------


def proxied_server(
    backend: AnyBackend,
    handlers: Iterable[evt.Binding] = (),
    ae: AECore | None = None,
    networks: Iterable[str] = ("127.0.0.1",),
) -> ServerCore:
    return ServerCore(ae or make_ae(backend, "SCP"), handlers, proxy_protocol_from=networks)


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_a_proxied_connection_has_the_address_of_its_source(backend: AnyBackend, header: bytes) -> None:
    opened, requested = [], []

    def note_opened(event: evt.Event) -> None:
        opened.append(event.address)

    def note_requested(event: evt.Event) -> None:
        requested.append((event.assoc.requestor.address, event.assoc.requestor.port))

    async def main() -> None:
        handlers = [(evt.EVT_CONN_OPEN, note_opened), (evt.EVT_REQUESTED, note_requested)]
        async with backend.serving(proxied_server(backend, handlers)) as server:
            for parts in ([header], [header[:1], header[1:17], header[17:]]):
                peer = await through_proxy(backend, server.port, *parts)
                assert isinstance(await peer.request(VERIFICATION), AssociateAC)
                await peer.close()

    backend.run(main)
    assert opened == requested == [("192.0.2.1", 4242)] * 2


@pytest.mark.parametrize("header", [UNKNOWN, HEALTH_CHECK], ids=["unknown", "local"])
def test_a_header_that_names_nobody_leaves_the_address_of_the_proxy(
    backend: AnyBackend, header: bytes
) -> None:
    opened = []

    async def main() -> None:
        core = proxied_server(backend, [(evt.EVT_CONN_OPEN, lambda event: opened.append(event.address))])
        async with backend.serving(core) as server:
            peer = await through_proxy(backend, server.port, header)
            assert isinstance(await peer.request(VERIFICATION), AssociateAC)
            assert opened == [peer.stream.local_address]
            await peer.close()

    backend.run(main)


def test_a_proxy_that_sends_no_header_is_closed_without_a_word(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with backend.serving(proxied_server(backend)) as server:
            assert await refusal(backend, server.port) is ConnectionLost
            for parts in ([b"PROXY TCP4 nobody\r\n" + bytes(20)], [VERSION_2[:12] + bytes(4)]):
                peer = await through_proxy(backend, server.port, *parts)
                await peer.until_closed()
                await peer.stream.close([], peer.stream.now())

    with caplog.at_level(logging.INFO, "dicomproto.server"):
        backend.run(main)
    reasons = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert sorted(reasons) == [
        "it does not begin with a PROXY header",
        "the line of its PROXY header does not end",
        "version and command 0x00 are not known",
    ]


def test_a_proxy_that_only_looks_whether_we_are_alive_is_not_worth_a_line(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with backend.serving(proxied_server(backend)) as server:
            for parts in ([], [b"PROX"]):
                peer = await through_proxy(backend, server.port, *parts)
                await peer.stream.close([], peer.stream.now())
            peer = await through_proxy(backend, server.port, VERSION_1)
            assert isinstance(await peer.request(VERIFICATION), AssociateAC)
            await peer.close()

    with caplog.at_level(logging.INFO, "dicomproto.server"):
        backend.run(main)
    assert caplog.records == []


def test_a_header_that_does_not_come_in_time(backend: AnyBackend, caplog: pytest.LogCaptureFixture) -> None:
    ae = make_ae(backend, timeouts=Timeouts(proxy=5.0 if backend.is_virtual else IMMEDIATE))

    async def main() -> None:
        async with backend.serving(proxied_server(backend, ae=ae)) as server:
            peer = await through_proxy(backend, server.port, VERSION_1[:20])
            await peer.until_closed()
            await peer.stream.close([], peer.stream.now())

    with caplog.at_level(logging.INFO, "dicomproto.server"):
        backend.run(main)
    assert "waited for its PROXY header within" in caplog.text
    assert "(proxy timeout)" in caplog.text


def test_a_header_is_read_from_proxies_only(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(proxied_server(backend, networks=["127.0.0.2/31"])) as server:
            assert await refusal(backend, server.port) is None
            peer = await through_proxy(backend, server.port, VERSION_1)
            await peer.until_closed()
            await peer.stream.close([], peer.stream.now())

    backend.run(main)


def test_the_source_counts_for_allowed_networks_and_not_its_proxy(backend: AnyBackend) -> None:
    ae = make_ae(backend)
    ae.allowed_networks = ["192.0.2.0/25"]

    async def main() -> None:
        async with backend.serving(proxied_server(backend, ae=ae)) as server:
            peer = await through_proxy(backend, server.port, VERSION_1)
            assert isinstance(await peer.request(VERIFICATION), AssociateAC)
            await peer.close()
            for header in (VERSION_1.replace(b"192.0.2.1", b"192.0.2.129"), UNKNOWN):
                peer = await through_proxy(backend, server.port, header)
                assert await peer.stream.receive(peer.stream.now() + 10) == b""
                await peer.stream.close([], peer.stream.now())

    backend.run(main)


def test_a_shutdown_while_a_header_is_awaited(backend: AnyBackend) -> None:
    async def main() -> None:
        async with backend.serving(proxied_server(backend)) as server:
            peer = await through_proxy(backend, server.port, VERSION_1[:20])
            second = await through_proxy(backend, server.port, VERSION_1)
            assert isinstance(await second.request(VERIFICATION), AssociateAC)  # so the first was accepted
            await second.close()
        await peer.until_closed()
        await peer.stream.close([], peer.stream.now())

    backend.run(main)


# --- limits -------------------------------------------------------------------------------------


def test_a_limit_for_each_address(backend: AnyBackend) -> None:
    ae = make_ae(backend)
    ae.maximum_associations_per_address = 2

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server, AsyncExitStack() as stack:
            first = await associate(backend, server.port)
            await stack.enter_async_context(await associate(backend, server.port))
            assert await refusal(backend, server.port) == (2, 3, 2)
            elsewhere = {"bind_address": (OTHER, 0)}
            await stack.enter_async_context(await associate(backend, server.port, **elsewhere))
            await first.release()  # its place is free at once
            assert await refusal(backend, server.port) is None

    backend.run(main)


def test_a_limit_for_each_calling_ae_title(backend: AnyBackend) -> None:
    ae = make_ae(backend)
    ae.maximum_associations_per_ae_title = 1
    one, two = make_ae(backend, "ONE"), make_ae(backend, "TWO")

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            async with await associate(backend, server.port, one):
                assert await refusal(backend, server.port, one) == (2, 3, 2)
                async with await associate(backend, server.port, two):
                    assert await refusal(backend, server.port, two) == (2, 3, 2)
            assert await refusal(backend, server.port, one) is None

    backend.run(main)


def test_the_limit_in_all_holds_beside_the_others(backend: AnyBackend) -> None:
    ae = make_ae(backend)
    ae.maximum_associations, ae.maximum_associations_per_ae_title = 2, 2
    ae.maximum_associations_per_address = 5

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            async with await associate(backend, server.port), await associate(backend, server.port):
                assert await refusal(backend, server.port, make_ae(backend, "NEW")) == (2, 3, 2)

    backend.run(main)


def test_the_source_counts_for_the_limit_of_an_address(backend: AnyBackend) -> None:
    ae = make_ae(backend)
    ae.maximum_associations_per_address = 1

    async def main() -> None:
        async with backend.serving(proxied_server(backend, ae=ae)) as server:
            peers = []
            for number in (1, 2, 3, 2):
                header = VERSION_1.replace(b"192.0.2.1", b"192.0.2.%d" % number)
                peers.append(await through_proxy(backend, server.port, header))
                answer = await peers[-1].request(VERIFICATION)
                assert isinstance(answer, AssociateAC) == (len(peers) < 4)
            for peer in peers[:3]:
                await peer.close()
            await peers[3].stream.close([], 0)

    backend.run(main)


# --- the handler that has the last word ---------------------------------------------------------


def test_a_handler_sees_the_request_with_its_address_and_gives_its_own_reason(backend: AnyBackend) -> None:
    seen = []

    def judge(event: evt.Event) -> None:
        requestor = event.assoc.requestor
        seen.append((requestor.ae_title, requestor.address, event.associate_request.called_ae_title.strip()))
        if requestor.address == OTHER:
            event.reject(result=1, source=1, reason=3)

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_REQUESTED, judge)])) as server:
            assert await refusal(backend, server.port) is None
            assert await refusal(backend, server.port, bind_address=(OTHER, 0)) == (1, 1, 3)

    backend.run(main)
    assert seen == [("SCU", LOCAL, "ANY-SCP"), ("SCU", OTHER, "ANY-SCP")]


@pytest.mark.parametrize("values", [(1, 1, 9), (3, 1, 1), (1, 3, 7), ("1", 1, 1)])
def test_a_reason_that_does_not_exist_is_the_handlers_error(
    values: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Lockstep()

    async def main() -> None:
        handlers = [(evt.EVT_REQUESTED, lambda event: event.reject(*values))]
        async with backend.serving(make_server(backend, handlers)) as server:
            assert await refusal(backend, server.port) == (2, 3, 1)

    backend.run(main)
    assert "a handler of EVT_REQUESTED failed" in caplog.text
    assert "is not in PS3.8 Table 9-21" in caplog.text


def test_a_handler_is_not_asked_about_those_who_are_refused_anyway(backend: AnyBackend) -> None:
    asked: list[object] = []
    ae = make_ae(backend)
    ae.maximum_associations = 0

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_REQUESTED, asked.append)], ae)) as server:
            assert await refusal(backend, server.port) == (2, 3, 2)

    backend.run(main)
    assert asked == []


def test_the_facade_takes_networks_of_proxies() -> None:
    backend = Blocking()
    ae = blocking.AE()
    ae.add_supported_context(VERIFICATION)
    with ae.start_server((LOCAL, 0), block=False, proxy_protocol_from=["127.0.0.0/8"]) as server:

        async def talk() -> None:
            peer = await through_proxy(backend, server.port, VERSION_2)
            assert isinstance(await peer.request(VERIFICATION), AssociateAC)
            (association,) = server.active_associations
            assert association.requestor.address == "192.0.2.1"
            await peer.close()

        backend.run(talk)


def test_a_silent_proxy_counts_as_pending(real_backend: AnyBackend) -> None:
    async def main() -> None:
        async with real_backend.serving(proxied_server(real_backend), maximum_pending=1) as server:
            silent = await through_proxy(real_backend, server.port, VERSION_1[:20])
            peer = await through_proxy(real_backend, server.port, VERSION_1)
            assert await silent.stream.receive(silent.stream.now() + 10) == b""
            assert isinstance(await peer.request(VERIFICATION), AssociateAC)
            await peer.close()
            await silent.stream.close([], 0)

    real_backend.run(main)


def test_a_handler_sees_the_certificate_of_who_asks(backend: AnyBackend, authority: Authority) -> None:
    """Whether it is good, TLS has decided; whose it is, the handler sees."""
    theirs = client_context(authority.ca_file, authority.client.cert, authority.client.key)
    ours = server_context(authority.server.cert, authority.server.key, ca_file=authority.ca_file)

    def judge(event: evt.Event) -> None:
        subject = dict(pair for group in event.assoc.peer_certificate["subject"] for pair in group)
        if subject["commonName"] != event.assoc.requestor.ae_title:
            event.reject(result=1, source=1, reason=3)

    async def main() -> None:
        core = ServerCore(make_ae(backend), [(evt.EVT_REQUESTED, judge)], ssl_context=ours)
        async with backend.serving(core) as server:
            for title, outcome in (("MODALITY", None), ("OTHER", (1, 1, 3))):
                ae = make_ae(backend, title)
                assert await refusal(backend, server.port, ae, tls_args=theirs) == outcome

    backend.run(main)
