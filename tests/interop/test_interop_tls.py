"""TLS with DCMTK's tools, in both directions: with certificates of the client, without, and with wrong ones.

DCMTK's profile is by default the non-downgrading one of BCP 195: TLS 1.2 and later.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pynetdicom
import pytest
import trustme

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto_transports.blocking import AE, evt
from dicomproto_transports.tls import PeerCertificate, client_context, server_context
from tests.certificates import Authority
from tests.interop.archives import STUDY_ROOT, Told, key_options, keys, told
from tests.interop.catalogue import Object, exceptions, objects, read_dataset
from tests.interop.programs import (
    LOOPBACK,
    OURS,
    Done,
    Program,
    dcmtk,
    dcmtk_storescp,
    our_server,
    our_storescp,
    run,
)

pytestmark = pytest.mark.dcmtk

SOME = 8
"""Objects that are sent, the largest that there are: many records each."""

KINDS = {"RSA": trustme.KeyType.RSA, "ECDSA": trustme.KeyType.ECDSA}


@pytest.fixture(scope="module", params=KINDS)
def authority(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Certificates with keys of both kinds."""
    return Authority(tmp_path_factory.mktemp("certificates"), KINDS[request.param])


def largest() -> list[Object]:
    """Return objects with pixels, each with a SOP Instance UID of its own, that DCMTK sends and takes."""
    odd = exceptions("DCMTK storescu") | exceptions("DCMTK storescp")
    images = {
        one.sop_instance_uid: one
        for one in objects()
        if one.transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN
        and one.name not in odd
        and "PixelData" in read_dataset(one.path)
    }
    return sorted(images.values(), key=lambda one: len(one.data_set))[-SOME:]


def pixels(paths: Iterable[Path]) -> dict[str, bytes]:
    """Return the pixels of files by SOP Instance UID; DCMTK encodes anew whatever is around them."""
    found = {}
    for path in paths:
        dataset = read_dataset(path)
        found[str(dataset.SOPInstanceUID)] = bytes(dataset.PixelData)
    return found


def ours(authority: Authority, name: str | None, ca: str = "ca_file") -> list[str | Path]:
    """Return our options for a requestor that shows the certificate `name`."""
    own: Any = getattr(authority, name) if name else None
    shown = ["--tls"] if own is None else ["--enable-tls", own.key, own.cert]
    return [*shown, "--add-cert-file", getattr(authority, ca)]


def theirs(authority: Authority, name: str | None, ca: str = "ca_file") -> list[str | Path]:
    """Return DCMTK's options for either side."""
    own: Any = getattr(authority, name) if name else None
    shown = ["--anonymous-tls"] if own is None else ["--enable-tls", own.key, own.cert]
    return [*shown, "--add-cert-file", getattr(authority, ca)]


def server_options(authority: Authority, *more: str, name: str = "server") -> list[str | Path]:
    """Return the options of a server; those of DCMTK and ours are the same."""
    own: Any = getattr(authority, name)
    return ["--enable-tls", own.key, own.cert, "--add-cert-file", authority.ca_file, *more]


# --- we associate ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "peer"), [("client", "-rc"), ("client", "-vc"), (None, "-vc"), (None, "-ic")]
)
def test_our_objects_reach_dcmtk(authority: Authority, tmp_path: Path, name: str | None, peer: str) -> None:
    some = largest()
    with dcmtk_storescp(tmp_path, *map(str, server_options(authority, peer))) as server:
        options = [*ours(authority, name), "--json", LOOPBACK, str(server.port)]
        done = run([*OURS, "storescu", *options, *(one.path for one in some)])
        assert run([*OURS, "echoscu", *ours(authority, name), LOOPBACK, str(server.port)]).status == 0
    assert done.status == 0, done.everything
    assert done.event("summary")["sent"] == SOME
    assert pixels((tmp_path / "stored").iterdir()) == pixels(one.path for one in some)


@pytest.mark.parametrize(
    ("name", "ca", "of_server", "said", "noted"),
    [
        (None, "ca_file", "server", "alert 'certificate required'", "did not return a certificate"),
        ("strange", "ca_file", "server", "alert 'unknown ca'", "certificate verify failed"),
        ("expired", "ca_file", "server", "alert 'certificate expired'", "certificate verify failed"),
        ("client", "strange_ca_file", "server", "its certificate cannot be verified", "alert unknown ca"),
        ("client", "ca_file", "expired", "certificate has expired", "alert certificate expired"),
        ("client", "ca_file", "client", "its certificate is for another host", "alert bad certificate"),
    ],
)
def test_what_our_requestor_says_of_dcmtk(
    authority: Authority, tmp_path: Path, name: str | None, ca: str, of_server: str, said: str, noted: str
) -> None:
    with dcmtk_storescp(tmp_path, *map(str, server_options(authority, name=of_server))) as server:
        done = run([*OURS, "echoscu", *ours(authority, name, ca), LOOPBACK, str(server.port)])
        server.until(lambda: noted in server.errors, "it says why")
    assert (done.status, said in done.errors) == (1, True), done.errors


def test_plain_and_tls_do_not_meet_at_dcmtk(authority: Authority, tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path) as server:
        done = run([*OURS, "echoscu", *ours(authority, None), LOOPBACK, str(server.port)])
    assert done.status == 1
    assert "in the TLS handshake, at its first word: it may speak plain DICOM" in done.errors


# --- DCMTK associates -----------------------------------------------------------------------------


def echo(port: int, *options: str | Path) -> Done:
    """Run DCMTK's echoscu."""
    return run([*dcmtk("echoscu"), "-v", *options, LOOPBACK, str(port)])


@pytest.mark.parametrize(
    ("name", "peer"), [("client", "-rc"), ("client", "-vc"), (None, "-vc"), (None, "-ic")]
)
def test_dcmtks_objects_reach_us(authority: Authority, tmp_path: Path, name: str | None, peer: str) -> None:
    some = largest()
    with our_storescp(tmp_path, *map(str, server_options(authority, peer))) as server:
        command = [
            *dcmtk("storescu"),
            "-v",
            "--required",
            *theirs(authority, name),
            LOOPBACK,
            str(server.port),
        ]
        done = run([*command, *(one.path for one in some)])
        assert echo(server.port, *theirs(authority, name)).status == 0
        ended = server.stop()
    assert done.status == 0, done.everything
    assert (ended.status, ended.errors) == (0, "")
    assert pixels((tmp_path / "stored").iterdir()) == pixels(one.path for one in some)


@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"])
def test_every_current_profile_of_dcmtk_meets_ours(
    authority: Authority, tmp_path: Path, profile: str
) -> None:
    with our_server("echoscp", *server_options(authority), folder=tmp_path) as server:
        done = echo(server.port, *theirs(authority, "client"), profile)
    assert done.status == 0, done.everything


@pytest.mark.parametrize(
    ("name", "ca", "of_server", "noted"),
    [
        (None, "ca_file", "server", "it showed no certificate"),
        ("strange", "ca_file", "server", "its certificate cannot be verified"),
        ("expired", "ca_file", "server", "certificate has expired"),
        ("client", "strange_ca_file", "server", "it refused, with the alert 'unknown ca'"),
        ("client", "ca_file", "expired", "it refused, with the alert 'certificate expired'"),
    ],
)
def test_what_our_server_says_of_dcmtk(
    authority: Authority, tmp_path: Path, name: str | None, ca: str, of_server: str, noted: str
) -> None:
    options = server_options(authority, "-v", name=of_server)
    with our_server("echoscp", *options, folder=tmp_path) as server:
        done = echo(server.port, *theirs(authority, name, ca))
        server.until(lambda: noted in server.errors, "it says why")
        if of_server == "server":  # it goes on
            assert echo(server.port, *theirs(authority, "client")).status == 0
    assert done.status != 0


def test_dcmtk_without_tls_is_told(authority: Authority, tmp_path: Path) -> None:
    with our_server("echoscp", *server_options(authority, "-v"), folder=tmp_path) as server:
        done = echo(server.port)
        server.until(
            lambda: "speaks plain DICOM, where TLS was expected" in server.errors, "it says what was spoken"
        )
    assert done.status != 0
    assert "Unrecognized PDU type: 15" in done.errors  # an alert of TLS


# --- queries and retrievals --------------------------------------------------------------------------
#
# Of DCMTK's other tools only findscu has options for TLS. getscu, movescu, dcmqrscp and wlmscpfs have none
# in version 3.6.7; what they do over plain TCP is tested in their own modules.


@contextlib.contextmanager
def serving(handler: evt.Binding, sop_class: str, context: ssl.SSLContext | None) -> Iterator[int]:
    """Run a server of ours and yield its port."""
    ae = AE("OURS")
    ae.add_supported_context(sop_class)
    with ae.start_server((LOOPBACK, 0), block=False, evt_handlers=[handler], ssl_context=context) as server:
        yield server.port


@pytest.mark.parametrize(
    ("name", "peer"), [("client", "require"), ("client", "verify"), (None, "verify"), (None, "ignore")]
)
def test_findscu_asks_us(
    authority: Authority, tmp_path: Path, name: str | None, peer: PeerCertificate
) -> None:
    matches = [keys("STUDY", PatientID=f"P{number}", StudyInstanceUID=f"1.2.{number}") for number in range(9)]
    asked: list[evt.Event] = []
    seen: list[bytes | None] = []

    def find(event: evt.Event) -> Iterator[object]:
        asked.append(event.identifier)
        seen.append(event.assoc.peer_certificate_der)
        for match in matches:
            yield 0xFF00, match

    identifier = keys("STUDY", PatientID="P*", StudyInstanceUID="")
    own = authority.server
    context = server_context(own.cert, own.key, ca_file=authority.ca_file, peer_certificate=peer)
    with serving((evt.EVT_C_FIND, find), STUDY_ROOT.find, context) as port:
        done = run(
            [
                *(*dcmtk("findscu"), "-v", "-S", "-X", "-od", tmp_path, *theirs(authority, name)),
                *(*key_options(identifier), LOOPBACK, str(port)),
            ]
        )
    assert done.status == 0, done.everything
    assert asked == [identifier]
    assert seen == [authority.client.der if name else None]
    assert [read_dataset(path) for path in sorted(tmp_path.glob("rsp*.dcm"))] == matches


@pytest.mark.parametrize("name", [None, "strange"])
def test_findscu_is_not_let_in(authority: Authority, name: str | None) -> None:
    asked: list[evt.Event] = []
    own = authority.server
    context = server_context(own.cert, own.key, ca_file=authority.ca_file)
    with serving((evt.EVT_C_FIND, asked.append), STUDY_ROOT.find, context) as port:
        options = key_options(keys("STUDY", StudyInstanceUID=""))
        done = run([*dcmtk("findscu"), "-S", *theirs(authority, name), *options, LOOPBACK, str(port)])
    assert done.status != 0
    assert asked == []


def move(context: ssl.SSLContext, some: list[Object], storescp: Program) -> Told:
    """Have objects moved to storescp; return the final response, as DCMTK's movescu had it over plain TCP."""

    def handle(event: evt.Event) -> Iterator[object]:
        yield LOOPBACK, storescp.port, {"tls_args": context}
        yield len(some)
        for one in some:
            yield 0xFF00, one.path

    with serving((evt.EVT_C_MOVE, handle), STUDY_ROOT.move, None) as port:
        options = ["-S", "-aem", "SECURED", *key_options(keys("STUDY", StudyInstanceUID="1.2.3"))]
        done = run([*dcmtk("movescu"), "-d", *options, LOOPBACK, str(port)])
    return told(done.errors)[-1]


@pytest.mark.parametrize(("name", "peer"), [("client", "-rc"), (None, "-ic")])
def test_what_we_move_goes_to_dcmtks_storescp(
    authority: Authority, tmp_path: Path, name: str | None, peer: str
) -> None:
    some = largest()
    own: Any = getattr(authority, name) if name else None
    context = client_context(authority.ca_file, own and own.cert, own and own.key)
    with dcmtk_storescp(tmp_path, *map(str, server_options(authority, peer))) as destination:
        assert move(context, some, destination) == Told(0x0000, None, SOME, 0, 0)
    assert pixels((tmp_path / "stored").iterdir()) == pixels(one.path for one in some)


def test_what_we_move_does_not_go_to_a_storescp_that_we_do_not_trust(
    authority: Authority, tmp_path: Path
) -> None:
    context = client_context(authority.strange_ca_file, authority.client.cert, authority.client.key)
    with dcmtk_storescp(tmp_path, *map(str, server_options(authority))) as destination:
        assert move(context, largest(), destination) == Told(0xA702, None, 0, SOME, 0)
    assert list((tmp_path / "stored").iterdir()) == []


# --- pynetdicom, whose applications know no TLS -----------------------------------------------------


def test_pynetdicom_in_both_directions(authority: Authority) -> None:
    of_client = client_context(authority.ca_file, authority.client.cert, authority.client.key)
    of_server = server_context(authority.server.cert, authority.server.key, ca_file=authority.ca_file)
    ours, theirs = AE("OURS"), pynetdicom.AE("THEIRS")
    for ae in (ours, theirs):
        ae.add_requested_context(VERIFICATION)
        ae.add_supported_context(VERIFICATION)

    with ours.start_server((LOOPBACK, 0), block=False, ssl_context=of_server) as server:
        association = theirs.associate(LOOPBACK, server.port, tls_args=(of_client, "localhost"))
        assert association.is_established
        assert association.send_c_echo().Status == 0
        association.release()

    listening = theirs.start_server((LOOPBACK, 0), block=False, ssl_context=of_server)
    try:
        port = listening.socket.getsockname()[1]
        with ours.associate(LOOPBACK, port, tls_args=of_client) as assoc:
            assert assoc.send_c_echo().Status == 0
            assert assoc.peer_certificate_der == authority.server.der
        assert assoc.is_released
    finally:
        listening.shutdown()
