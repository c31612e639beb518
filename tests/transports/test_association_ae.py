"""Application entities: what they are told, what they propose, what they say of an association."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from pydicom.uid import UID, CTImageStorage

from dicomproto.config import Timeouts
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    LocalProtocolError,
    NotDicomError,
    RemoteProtocolError,
    TimedOut,
)
from dicomproto.negotiation import SupportedContext
from dicomproto.uids import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicomproto.upper_layer.events import (
    ConnectionClosed,
    LocallyEnded,
    NotDicom,
    ProtocolViolation,
    Role,
    TimerExpired,
)
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateRJ,
    PresentationContextRQ,
    ReleaseRP,
    RoleSelection,
    UserIdentityRQ,
)
from dicomproto_transports import (
    DEFAULT_TRANSFER_SYNTAXES,
    AllStoragePresentationContexts,
    evt,
    testing,
)
from dicomproto_transports.association.endings import explain
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.entity.service_users import acceptor_of, requestor_of
from dicomproto_transports.streams.addresses import name_of
from tests.associations import (
    CT_IMAGE,
    MR_IMAGE,
    Peer,
    associated,
    make_ae,
    make_server,
    open_association,
)
from tests.backends import AnyBackend, Lockstep

PEER = "'PACS' at 10.0.0.1:104"


# --- names --------------------------------------------------------------------------------------


def test_a_title_may_be_padded_text_or_bytes() -> None:
    assert AECore().ae_title == "DICOMPROTO"
    assert AECore(" ARCHIVE ").ae_title == "ARCHIVE"
    assert AECore(b"ARCHIVE         ").ae_title == "ARCHIVE"
    assert repr(AECore("ARCHIVE")) == "<AECore 'ARCHIVE'>"


@pytest.mark.parametrize("title", ["", "    ", "X" * 17, "BACK\\SLASH", "ÜBER", "TAB\t", b"\xff"])
def test_a_title_that_is_none(title: str | bytes) -> None:
    with pytest.raises(ValueError, match="1 to 16 ASCII characters"):
        AECore(title)


# --- timeouts -----------------------------------------------------------------------------------


def test_timeouts_by_their_old_names() -> None:
    ae = AECore(timeouts=Timeouts(write=5))
    ae.acse_timeout, ae.dimse_timeout, ae.network_timeout, ae.connection_timeout = 1, 2, 3, None
    assert ae.timeouts == Timeouts(
        association=1, artim=1, response=2, action=2, retrieve=2, idle=3, connect=None, write=5
    )
    assert (ae.acse_timeout, ae.dimse_timeout) == (1, 2)
    assert (ae.network_timeout, ae.connection_timeout) == (3, None)


# --- contexts -----------------------------------------------------------------------------------


def test_requested_contexts() -> None:
    ae = AECore()
    ae.add_requested_context(CTImageStorage)
    ae.add_requested_context(MR_IMAGE, EXPLICIT_VR_LITTLE_ENDIAN)
    ae.add_requested_context(MR_IMAGE, [IMPLICIT_VR_LITTLE_ENDIAN, UID(EXPLICIT_VR_LITTLE_ENDIAN)])
    assert [(c.context_id, c.abstract_syntax, c.transfer_syntaxes) for c in ae.requested_contexts] == [
        (1, CT_IMAGE, tuple(DEFAULT_TRANSFER_SYNTAXES)),
        (3, MR_IMAGE, (EXPLICIT_VR_LITTLE_ENDIAN,)),
        (5, MR_IMAGE, (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)),
    ]
    ae.remove_requested_context(MR_IMAGE, EXPLICIT_VR_LITTLE_ENDIAN)
    assert [c.transfer_syntaxes for c in ae.requested_contexts[1:]] == [(IMPLICIT_VR_LITTLE_ENDIAN,)]
    ae.remove_requested_context(CT_IMAGE)
    assert [c.abstract_syntax for c in ae.requested_contexts] == [MR_IMAGE]
    ae.requested_contexts = [
        VERIFICATION,
        MR_IMAGE,
        (CT_IMAGE, [IMPLICIT_VR_LITTLE_ENDIAN]),
        PresentationContextRQ(
            context_id=99, abstract_syntax=MR_IMAGE, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,)
        ),
    ]
    syntaxes = [c.abstract_syntax for c in ae.requested_contexts]
    assert syntaxes == [MR_IMAGE, VERIFICATION, MR_IMAGE, CT_IMAGE, MR_IMAGE]
    ae.requested_contexts = []
    assert ae.requested_contexts == []


def test_there_are_at_most_128_requested_contexts() -> None:
    ae = AECore()
    ae.requested_contexts = AllStoragePresentationContexts[:127]
    with pytest.raises(ValueError, match="129 requested contexts, 128 can be proposed"):
        ae.requested_contexts = [CT_IMAGE, MR_IMAGE]
    assert len(ae.requested_contexts) == 127
    ae.add_requested_context(VERIFICATION)
    with pytest.raises(ValueError, match="129 requested contexts, 128 can be proposed"):
        ae.add_requested_context(CT_IMAGE)
    assert ae.requested_contexts[-1].abstract_syntax == VERIFICATION
    assert len(ae.requested_contexts) == 128


@pytest.mark.parametrize("uid", ["1.2.03", "1..2", "9" * 70, "1.2.3.", ".1"])
def test_what_cannot_be_proposed_is_refused_where_it_is_added(uid: str) -> None:
    ae = AECore()
    with pytest.raises(ValueError, match="is no valid UID, and cannot be proposed"):
        ae.add_requested_context(uid)
    with pytest.raises(ValueError, match="is no valid UID, and cannot be proposed"):
        ae.add_requested_context(CT_IMAGE, [IMPLICIT_VR_LITTLE_ENDIAN, uid])
    with pytest.raises(ValueError, match="is no valid UID, and cannot be proposed"):
        ae.requested_contexts = [CT_IMAGE, uid]
    assert ae.requested_contexts == []


def test_supported_contexts() -> None:
    ae = AECore()
    ae.add_supported_context(CTImageStorage, IMPLICIT_VR_LITTLE_ENDIAN)
    ae.add_supported_context(CT_IMAGE, [EXPLICIT_VR_LITTLE_ENDIAN], scu_role=False, scp_role=True)
    ae.add_supported_context(VERIFICATION)
    verification, ct = ae.supported_contexts
    assert verification.transfer_syntaxes == tuple(DEFAULT_TRANSFER_SYNTAXES)
    assert ct.transfer_syntaxes == (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    assert (ct.scu_role, ct.scp_role) == (False, True)
    ae.remove_supported_context(CT_IMAGE, IMPLICIT_VR_LITTLE_ENDIAN)
    assert ae.supported_contexts[1].transfer_syntaxes == (EXPLICIT_VR_LITTLE_ENDIAN,)
    ae.remove_supported_context(CT_IMAGE)
    ae.remove_supported_context(CT_IMAGE)
    assert ae.supported_contexts == [verification]
    ae.supported_contexts = [ct, MR_IMAGE]
    assert [c.abstract_syntax for c in ae.supported_contexts] == [VERIFICATION, CT_IMAGE, MR_IMAGE]
    assert ae.supported_contexts[1] == ct
    ae.supported_contexts = []
    assert ae.supported_contexts == []


def test_roles_of_the_contexts_of_an_entity() -> None:
    """They are set on the entity; the errors of other assignments name what works."""
    ae = AECore()
    ae.supported_contexts = [CT_IMAGE, MR_IMAGE]
    for cx in ae.supported_contexts:
        cx.scp_role = True
        assert cx.scp_role is True
    assert [(cx.scp_role, cx.scu_role) for cx in ae.supported_contexts] == [(True, None)] * 2
    ct, mr = ae.supported_contexts
    ct.scp_role, ct.scu_role = None, False
    assert [(cx.scp_role, cx.scu_role) for cx in ae.supported_contexts] == [(None, False), (True, None)]
    with pytest.raises(TypeError, match="scu_role: must be True or False, not 'yes'"):
        ct.scu_role = "yes"  # type: ignore[assignment]
    with pytest.raises(AttributeError, match=r"is immutable; use replace\(abstract_syntax=...\)"):
        ct.abstract_syntax = MR_IMAGE  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"add_supported_context\(\) and remove_supported_context\(\)"):
        ct.transfer_syntax = [IMPLICIT_VR_LITTLE_ENDIAN]  # type: ignore[assignment, misc]
    ae.remove_supported_context(MR_IMAGE)
    mr.scp_role = False
    assert ae.supported_contexts == [ct]
    plain = SupportedContext(abstract_syntax=CT_IMAGE, transfer_syntaxes=ct.transfer_syntax, scu_role=False)
    assert ct == plain == ct != mr
    assert hash(ct) == hash(plain)
    ae.supported_contexts = [cx.replace(scp_role=True) for cx in ae.supported_contexts]
    assert [(cx.scp_role, cx.scu_role) for cx in ae.supported_contexts] == [(True, False)]
    with pytest.raises(AttributeError, match=r"is immutable; use replace\(scp_role=...\)"):
        ct.replace(scp_role=True).scp_role = False
    ae.requested_contexts = [CT_IMAGE]
    with pytest.raises(AttributeError, match=r"no roles: give build_role\(\) in ext_neg of associate\(\)"):
        ae.requested_contexts[0].scp_role = True  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"use replace\(transfer_syntaxes=...\)"):
        ae.requested_contexts[0].transfer_syntax = ()  # type: ignore[misc]


def test_supported_contexts_are_read_while_another_thread_removes_some() -> None:
    ae = AECore()
    ae.supported_contexts = [VERIFICATION, CT_IMAGE]
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            ae.remove_supported_context(CT_IMAGE)
            ae.add_supported_context(CT_IMAGE)

    thread, interval = threading.Thread(target=change), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        assert {len(ae.supported_contexts) for _ in range(2000)} <= {1, 2}
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_contexts_that_are_none() -> None:
    with pytest.raises(ValueError, match="abstract syntax is a UID"):
        AECore().add_requested_context("")
    with pytest.raises(ValueError, match="needs a transfer syntax"):
        AECore().add_supported_context(CT_IMAGE, [])


# --- associating --------------------------------------------------------------------------------


def associate_with(ae: AECore, port: int = 104, **options: Any) -> None:
    backend = Lockstep()
    backend.run(lambda: open_association(ae, backend.backend, "nowhere", port, **options))


def test_what_cannot_be_proposed_is_said_before_anything_is_sent() -> None:
    ae = AECore()
    with pytest.raises(LocalProtocolError, match="needs presentation contexts"):
        associate_with(ae)
    ae.add_requested_context(VERIFICATION)
    with pytest.raises(LocalProtocolError, match="needs presentation contexts"):
        associate_with(ae, contexts=[])
    with pytest.raises(LocalProtocolError, match="at most 128"):
        associate_with(ae, contexts=[f"1.2.3.{number}" for number in range(129)])
    with pytest.raises(ValueError, match="1 to 16 ASCII characters"):
        associate_with(ae, ae_title="A NAME THAT IS TOO LONG")
    with pytest.raises(TypeError, match="ext_neg holds items of the extended negotiation, not 'role'"):
        associate_with(ae, ext_neg=["role"])
    with pytest.raises(ValueError, match="2 items of UserIdentityRQ, one is allowed"):
        associate_with(ae, ext_neg=[UserIdentityRQ(identity_type=1, primary_field=b"me")] * 2)
    with pytest.raises(TypeError, match="None is no event"):
        associate_with(ae, evt_handlers=[(None, None)])
    for port in (-1, 0, 65536, 70000):
        with pytest.raises(ValueError, match="a port is a number from 1 to 65535"):
            associate_with(ae, port)


def test_a_server_needs_contexts() -> None:
    backend = Lockstep()
    with pytest.raises(LocalProtocolError, match="a server needs presentation contexts"):
        make_server(backend, ae=AECore())


def test_each_side_as_a_dict(backend: AnyBackend) -> None:
    """`remote` and `local`, from either side, before and after the end."""
    seen: list[Any] = []

    def note(event: evt.Event) -> int:
        assert event.assoc.is_alive()
        seen.extend((event.assoc, event.assoc.remote, event.assoc.local, event.assoc.name))
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_ECHO, note)])
        async with associated(backend, core, ae_title="CALLED", max_pdu=20000) as assoc:
            assert assoc.is_alive()
            await assoc.send_c_echo()
            theirs, remote, local, name = seen
            assert assoc.remote == local
            assert assoc.local == remote
            assert (assoc.remote["ae_title"], assoc.remote["address"]) == ("CALLED", "127.0.0.1")
            assert assoc.remote["port"] == assoc.acceptor.port
            assert (assoc.remote["mode"], assoc.local["mode"]) == ("acceptor", "requestor")
            assert (assoc.local["ae_title"], assoc.local["pdv_size"]) == ("SCU", 20000)
            here, there = (f"127.0.0.1:{side['port']}" for side in (assoc.local, assoc.remote))
            assert assoc.name == f"requestor {here} - {there}"
            assert name == f"acceptor {there} - {here}"
        assert not assoc.is_alive()
        assert assoc.remote == local
        assert theirs.remote == remote

    backend.run(main)


def test_each_side_without_an_address() -> None:
    with Lockstep().world as world:
        left, right = world.pair(addresses=(None, None))
        scp = testing.AE(world, "SCP")
        scp.add_supported_context(VERIFICATION)
        seen: list[evt.AnyAssociation] = []
        handlers = [(evt.EVT_REQUESTED, lambda event: seen.append(event.assoc))]

        async def main() -> None:
            world.spawn(scp.serve_stream(right, evt_handlers=handlers))
            peer = Peer(left, Role.REQUESTOR)
            await peer.request()
            await peer.close()

        world.run(main())
    [assoc] = seen
    assert assoc.remote["ae_title"] == "PEER"
    assert (assoc.remote["address"], assoc.remote["port"]) == (None, None)
    assert assoc.name == "acceptor nowhere - nowhere"


def test_what_both_sides_know_of_each_other() -> None:
    backend = Lockstep()
    scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
    scp.maximum_pdu_size, scp.implementation_version_name = 0, None
    scu.implementation_class_uid, scu.implementation_version_name = "1.2.3", "NAME"
    roles = [RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True)]

    async def main() -> None:
        core = make_server(backend, ae=scp)
        async with associated(backend, core, scu, ae_title="CALLED", max_pdu=16384, ext_neg=roles) as assoc:
            assert repr(assoc) == "<Association with 'CALLED' at 127.0.0.1:11112, Sta6>"
            assert (assoc.is_requestor, assoc.is_acceptor) == (True, False)
            assert len(assoc.accepted_contexts) == 2
            assert assoc.rejected_contexts == []
            assert assoc.requestor.ae_title == "SCU"
            assert assoc.requestor.maximum_length == 16384
            assert assoc.requestor.implementation_class_uid == "1.2.3"
            assert assoc.requestor.implementation_version_name == "NAME"
            assert assoc.requestor.asynchronous_operations is None
            assert len(assoc.requestor.requested_contexts) == 2
            assert assoc.acceptor.ae_title == "CALLED"
            assert (assoc.acceptor.address, assoc.acceptor.port) == ("127.0.0.1", 11112)
            assert assoc.acceptor.maximum_length == 0
            assert assoc.acceptor.implementation_version_name is None
            assert assoc.acceptor.role_selection == {CT_IMAGE: roles[0]}
            assert assoc.acceptor.requested_contexts == ()
            ((other,),) = [core.active_associations]
            assert (other.is_requestor, other.is_acceptor) == (False, True)
            assert other.requestor == assoc.requestor
            assert other.acceptor == assoc.acceptor
        assert repr(assoc) == "<Association with 'CALLED' at 127.0.0.1:11112, ended>"
        assert str(assoc.ending) == "'CALLED' at 127.0.0.1:11112: the association was released"

    backend.run(main)


def test_before_the_request_nothing_is_known() -> None:
    nobody = requestor_of(None, None)
    assert (nobody.ae_title, nobody.address, nobody.port) == ("", None, None)
    assert acceptor_of(None, None, ("::1", 104, 0, 0)).address == "::1"
    for user in (nobody, acceptor_of(None, None, None)):
        assert user.maximum_length is None
        assert user.implementation_class_uid is None
        assert user.implementation_version_name is None
        assert user.asynchronous_operations is None
        assert user.user_identity is None
        assert user.role_selection == user.sop_class_extended == user.sop_class_common_extended == {}
        assert user.requested_contexts == ()


def test_the_names_of_peers() -> None:
    assert name_of("", None) == "the peer"
    assert name_of("PACS", None) == "'PACS'"
    assert name_of("PACS", ("10.0.0.1", 104)) == PEER
    assert name_of("", ("fe80::1", 104, 0, 0)) == "the peer at [fe80::1]:104"
    assert name_of("\x1b[31m", None) == r"'\x1b[31m'"


# --- why it ended -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "error", "text"),
    [
        (
            AssociateRJ(result=2, source=3, reason=2),
            AssociationRejected,
            AssociateRJ(result=2, source=3, reason=2).meaning,
        ),
        (
            Abort(source=2, reason=6),
            AssociationAborted,
            "ended the association: aborted by the service-provider: invalid PDU parameter value",
        ),
        (ReleaseRP(), AssociationReleased, "the association was released"),
        (LocallyEnded(pdu=ReleaseRP()), AssociationReleased, "released the association"),
        (LocallyEnded(pdu=Abort()), AssociationAborted, "the association was aborted from this side"),
        (
            LocallyEnded(pdu=AssociateRJ(result=1, source=1, reason=7)),
            AssociationRejected,
            f"the association was {AssociateRJ(result=1, source=1, reason=7).meaning}, from this side",
        ),
        (
            ProtocolViolation(
                text="bad", offset=99, item_path="P-DATA-TF / PDV", state="Sta6", abort=Abort(source=2)
            ),
            RemoteProtocolError,
            "broke the protocol: P-DATA-TF / PDV: bad (byte 99)",
        ),
        (NotDicom(kind="tls", abort=Abort()), NotDicomError, "speaks TLS, where plain DICOM was expected"),
        (NotDicom(kind="unknown", abort=Abort()), NotDicomError, "speaks no DICOM"),
        (
            TimerExpired(timer="response", state="Sta6"),
            TimedOut,
            "waited for its response within 60 s (response timeout)",
        ),
    ],
)
def test_endings_in_words(terminal: Any, error: type[Exception], text: str) -> None:
    found = explain(terminal, PEER, timeouts=Timeouts())
    assert type(found) is error
    assert str(found) in (f"{PEER}: {text}", f"{PEER} {text}")


@pytest.mark.parametrize(
    ("state", "mid_pdu", "broken", "text"),
    [
        ("Sta5", False, None, "closed the connection before it answered the association request"),
        ("Sta6", True, None, "closed the connection on the established association in the middle of a PDU"),
        (
            "Sta6",
            False,
            ConnectionResetError(104, "Connection reset by peer"),
            "is gone (Connection reset by peer) on the established association",
        ),
        ("Sta11", False, None, "closed the connection during a release"),
    ],
)
def test_lost_connections_in_words(state: str, mid_pdu: bool, broken: OSError | None, text: str) -> None:
    error = explain(ConnectionClosed(state=state, mid_pdu=mid_pdu, quiet=False), PEER, broken=broken)
    assert str(error) == f"{PEER} {text}"
    assert error.state == state  # type: ignore[attr-defined]
