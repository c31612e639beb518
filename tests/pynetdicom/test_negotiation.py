"""Associations begin, fail and tell why with the drop-in as with pynetdicom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicomproto.upper_layer import encode_pdu
from tests.dialogues import associate_rq

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"
VERIFICATION = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"

LEAKY = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
"""pynetdicom leaves sockets open, and raises in its threads."""

ours_alone = pytest.mark.parametrize("package", [OURS], indirect=True)
"""For what pynetdicom does by chance, or with a leak."""


@pytest.fixture(params=[OURS, pytest.param(THEIRS, marks=LEAKY)])
def package(request: pytest.FixtureRequest) -> Any:
    return import_module(request.param)


@pytest.fixture
def ae(package: Any) -> Iterator[Any]:
    ae = package.AE()
    ae.acse_timeout = 10
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    yield ae
    ae.shutdown()


def served(package: Any, ae: Any, **handlers: Callable[..., Any]) -> Any:
    bindings = [(getattr(package.evt, name), handler) for name, handler in handlers.items()]
    return ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bindings)


def requested(ae: Any, server: Any, **options: Any) -> Any:
    return ae.associate(*server.server_address[:2], **options)


def state_of(assoc: Any) -> tuple[bool, bool, bool, bool]:
    return assoc.is_established, assoc.is_rejected, assoc.is_aborted, assoc.is_released


def primitives(package: Any) -> Any:
    return import_module(f"{package.__name__}.pdu_primitives")


def test_a_peer_that_is_down(ae: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assoc = ae.associate("127.0.0.1", closed.getsockname()[1])
    assert state_of(assoc) == (False, False, True, False)
    assert assoc.acceptor.primitive is None
    with pytest.raises(RuntimeError):
        assoc.send_c_echo()
    assoc.release()
    assoc.abort()


@pytest.mark.parametrize(
    ("setting", "value", "answer"),
    [("require_called_aet", True, (1, 1, 7)), ("require_calling_aet", ["OTHER"], (1, 1, 3))],
)
def test_a_rejection_says_why(package: Any, ae: Any, setting: str, value: Any, answer: Any) -> None:
    server = served(package, ae)
    setattr(ae, setting, value)  # while the server runs
    assoc = requested(ae, server)
    assert state_of(assoc) == (False, True, False, False)
    primitive = assoc.acceptor.primitive
    assert (primitive.result, primitive.result_source, primitive.diagnostic) == answer
    assert not assoc.is_alive()


def test_the_limit_of_associations_is_that_of_all_servers(package: Any, ae: Any) -> None:
    ae.maximum_associations = 1
    first, second = served(package, ae), served(package, ae)
    held = requested(ae, first)
    assert held.is_established
    refused = requested(ae, second)
    assert refused.is_rejected
    primitive = refused.acceptor.primitive
    assert (primitive.result, primitive.result_source, primitive.diagnostic) == (2, 3, 2)
    held.release()


@pytest.mark.parametrize(
    ("codecs", "title", "read"),
    [
        (("ascii",), b"M\xc3\xa4X", None),
        (("ascii", "utf-8"), b"M\xc3\xa4X", "MX"),
        (("ascii", "utf-8"), b"X\xffY", None),
    ],
)
def test_titles_of_peers_are_read_with_the_codecs(
    package: Any, ae: Any, monkeypatch: pytest.MonkeyPatch, codecs: Any, title: bytes, read: str | None
) -> None:
    """Other characters than ASCII are left out; the association is aborted if no codec fits."""
    ae.acse_timeout = 1  # pynetdicom's thread waits for so long after it has aborted
    monkeypatch.setattr(import_module(f"{package.__name__}._config"), "CODECS", codecs)
    titles: list[str] = []
    server = served(
        package,
        ae,
        EVT_REQUESTED=lambda event: titles.append(event.assoc.requestor.primitive.calling_ae_title),
    )
    rq = encode_pdu(associate_rq(calling_ae_title="TITLE")).replace(b"TITLE".ljust(16), title.ljust(16))
    with socket.create_connection(server.server_address[:2], 10) as peer:
        peer.sendall(rq)
        answer = peer.recv(6)
    assert answer[0] == (7 if read is None else 2)  # A-ABORT or A-ASSOCIATE-AC
    assert titles == ([] if read is None else [read])


def test_no_accepted_context_is_an_abort(package: Any, ae: Any) -> None:
    server = served(package, ae)
    ae.requested_contexts = []
    ae.add_requested_context(CTImageStorage)
    assoc = requested(ae, server)
    assert state_of(assoc) == (False, False, True, False)
    assert assoc.accepted_contexts == []
    (rejected,) = assoc.rejected_contexts
    assert (rejected.abstract_syntax, rejected.result, rejected.status) == (
        CTImageStorage,
        3,
        "Abstract Syntax Not Supported",
    )


def test_contexts_are_those_of_the_start_of_the_server(package: Any, ae: Any) -> None:
    server = served(package, ae)
    ae.add_supported_context(CTImageStorage)
    ae.add_requested_context(CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    assoc = requested(ae, server)
    (accepted,) = assoc.accepted_contexts
    assert (accepted.context_id, accepted.abstract_syntax.name) == (1, "Verification SOP Class")
    assert accepted.transfer_syntax[0].is_implicit_VR
    assert [context.context_id for context in assoc.rejected_contexts] == [3]
    assoc.release()


def test_the_context_of_a_message_is_found_as_findscu_does(package: Any, ae: Any) -> None:
    syntaxes = ExplicitVRLittleEndian, ImplicitVRLittleEndian
    ae.add_supported_context(CTImageStorage, syntaxes)
    contexts = [package.build_context(CTImageStorage, syntax) for syntax in syntaxes]
    assoc = requested(ae, served(package, ae), contexts=contexts)
    find = assoc._get_valid_context
    assert find(CTImageStorage, "", "scu").context_id == 1
    assert find(CTImageStorage, ImplicitVRLittleEndian).context_id == 3
    assert find(CTImageStorage, "", "scu", context_id=3).context_id == 3
    assert find(CTImageStorage, DeflatedExplicitVRLittleEndian, "scu").context_id == 1
    for wrong in ((CTImageStorage, "", "scp"), (VERIFICATION, ""), (CTImageStorage, JPEGBaseline8Bit)):
        with pytest.raises(ValueError, match="No presentation context"):
            find(*wrong)
    with pytest.raises(ValueError, match="No presentation context"):
        find(CTImageStorage, DeflatedExplicitVRLittleEndian, allow_conversion=False)
    assoc.release()


@ours_alone
def test_misuse_raises(package: Any, ae: Any) -> None:
    empty = package.AE()
    with pytest.raises(RuntimeError, match="requested presentation context"):
        empty.associate("127.0.0.1", 1)
    with pytest.raises(ValueError, match="128"):
        ae.associate("127.0.0.1", 1, contexts=[package.build_context(VERIFICATION)] * 129)
    with pytest.raises(ValueError, match="PresentationContext"):
        ae.associate("127.0.0.1", 1, contexts=[VERIFICATION])
    for arguments in ((b"127.0.0.1", 1), ("127.0.0.1", "1")):
        with pytest.raises(TypeError):
            ae.associate(*arguments)
    with pytest.raises(ValueError, match="No supported"):
        empty.start_server(("127.0.0.1", 0), block=False)


def test_a_call_without_an_accepted_context_raises(package: Any, ae: Any) -> None:
    assoc = requested(ae, served(package, ae))
    with pytest.raises(ValueError, match="No presentation context"):
        next(assoc.send_c_find(import_module("pydicom").Dataset(), FIND))
    assoc.release()


@pytest.mark.parametrize(
    ("verdict", "state"),
    [((True, None), True), ((False, None), False), (ValueError("no"), False), (None, True)],
)
def test_a_user_identity(package: Any, ae: Any, verdict: Any, state: bool) -> None:
    seen: list[Any] = []

    def handle_identity(event: Any) -> Any:
        seen.append((event.user_id_type, event.primary_field, event.secondary_field))
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    item = primitives(package).UserIdentityNegotiation()
    item.user_identity_type, item.primary_field, item.secondary_field = 2, b"name", b"secret"
    server = served(package, ae, **({"EVT_USER_ID": handle_identity} if verdict else {}))
    assoc = requested(ae, server, ext_neg=[item])
    assert assoc.is_established is state
    assert seen == [(2, b"name", b"secret")] * bool(verdict)
    if not state:
        primitive = assoc.acceptor.primitive
        assert (primitive.result, primitive.result_source, primitive.diagnostic) == (2, 2, 1)
    assoc.release()


def test_extended_negotiation_is_answered(package: Any, ae: Any) -> None:
    item = primitives(package).SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = FIND, b"\x01\x00"
    window = primitives(package).AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 5
    server = served(
        package,
        ae,
        EVT_SOP_EXTENDED=lambda event: {uid: info[:1] for uid, info in event.app_info.items()},
        EVT_ASYNC_OPS=lambda event: (event.nr_invoked, event.nr_performed),
    )
    assoc = requested(ae, server, ext_neg=[item, window])
    assert assoc.is_established
    assert assoc.requestor.sop_class_extended == {FIND: b"\x01\x00"}
    assert assoc.acceptor.sop_class_extended == {FIND: b"\x01"}
    assert assoc.acceptor.asynchronous_operations == (1, 1)
    assert not assoc.requestor.writeable
    with pytest.raises(RuntimeError):
        assoc.requestor.add_negotiation_item(item)
    assoc.release()


def test_roles_of_a_supported_context(package: Any, ae: Any) -> None:
    ae.add_supported_context(CTImageStorage)
    ae.add_requested_context(CTImageStorage)
    for context in ae.supported_contexts:
        if context.abstract_syntax == CTImageStorage:
            context.scu_role = context.scp_role = True
    server = served(package, ae)
    roles = [package.build_role(CTImageStorage, scu_role=True, scp_role=True)]
    assoc = requested(ae, server, ext_neg=roles)
    (context,) = [one for one in assoc.accepted_contexts if one.abstract_syntax == CTImageStorage]
    assert (context.as_scu, context.as_scp) == (True, True)
    (accepted,) = server.active_associations
    (theirs,) = [one for one in accepted.accepted_contexts if one.abstract_syntax == CTImageStorage]
    assert (theirs.as_scu, theirs.as_scp) == (True, True)
    assoc.release()


@pytest.mark.parametrize(
    ("after", "is_left_to_chance"),
    [((), True), (("abort",), True), (("kill",), False), (("send_reject",), True)],
    ids=["nothing", "abort", "kill", "another rejection"],
)
def test_a_handler_of_a_request_may_reject(
    package: Any, ae: Any, after: tuple[str, ...], is_left_to_chance: bool
) -> None:
    """Nothing that the handler does next replaces it. pynetdicom may lose it without `kill`."""
    seen: list[Any] = []

    def handle_requested(event: Any) -> None:
        assoc = event.assoc
        assoc.acse.send_reject(1, 1, 3)
        seen.append((assoc.is_established, assoc.is_rejected))
        for name in after:
            if name == "send_reject":
                assoc.acse.send_reject(2, 1, 7)
            else:
                getattr(assoc, name)()

    assoc = requested(ae, served(package, ae, EVT_REQUESTED=handle_requested))
    assert seen == [(False, True)]
    if package.__name__ == OURS or not is_left_to_chance:
        assert state_of(assoc) == (False, True, False, False)
        primitive = assoc.acceptor.primitive
        assert (primitive.result, primitive.result_source, primitive.diagnostic) == (1, 1, 3)


@pytest.mark.parametrize("situation", ["accepted", "no context", "rejected", "down"])
def test_a_requestor_tells_of_its_request_first(package: Any, ae: Any, situation: str) -> None:
    seen: list[str] = []
    closed = threading.Event()
    server = served(package, ae)
    if situation == "down":
        server.shutdown()
    elif situation == "rejected":
        ae.require_calling_aet = ["OTHER"]
    elif situation == "no context":
        ae.requested_contexts = []
        ae.add_requested_context(CTImageStorage)
    names = ("REQUESTED", "CONN_OPEN", "ACCEPTED", "ESTABLISHED", "REJECTED", "ABORTED")
    handlers = [
        (getattr(package.evt, f"EVT_{name}"), lambda event: seen.append(event.event.name[4:]))
        for name in names
    ]
    handlers.append((package.evt.EVT_CONN_CLOSE, lambda event: closed.set()))
    assoc = requested(ae, server, evt_handlers=handlers)
    expected = {
        "accepted": ["REQUESTED", "CONN_OPEN", "ACCEPTED", "ESTABLISHED"],
        "no context": ["REQUESTED", "CONN_OPEN", "ACCEPTED", "ABORTED"],
        "rejected": ["REQUESTED", "CONN_OPEN", "REJECTED"],
        "down": ["REQUESTED", "ABORTED"],
    }
    assert seen == expected[situation]
    assoc.release()
    assert closed.wait(10)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_handler_of_a_request_may_change_the_settings(package: Any, ae: Any, limit: int) -> None:
    names = []

    def handle_requested(event: Any) -> None:
        names.append((event.assoc.requestor.ae_title, event.assoc.requestor.primitive.calling_ae_title))
        if len(names) == 2:
            ae.maximum_associations = limit

    server = served(package, ae, EVT_REQUESTED=handle_requested)
    ae.maximum_associations = 4 - limit
    first, second = requested(ae, server), requested(ae, server)
    assert names == [("", "PYNETDICOM"), ("", "PYNETDICOM")]
    assert (first.is_established, second.is_established) == (True, limit == 3)
    if second.is_rejected:
        primitive = second.acceptor.primitive
        assert (primitive.result, primitive.result_source, primitive.diagnostic) == (2, 3, 2)
    third = requested(ae, server)
    assert third.is_established == (limit == 3)
    for assoc in (first, second, third):
        assoc.release()


def test_items_of_the_negotiation_are_listed_by_kind(package: Any, ae: Any) -> None:
    listed: list[list[str]] = []

    def names_of(user: Any) -> list[str]:
        return [type(item).__name__ for item in user.extended_negotiation]

    server = served(package, ae, EVT_REQUESTED=lambda event: listed.append(names_of(event.assoc.requestor)))
    pdu = primitives(package)
    identity, window = pdu.UserIdentityNegotiation(), pdu.AsynchronousOperationsWindowNegotiation()
    identity.user_identity_type, identity.primary_field = 1, b"user"
    window.maximum_number_operations_invoked = 2
    extended = pdu.SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = VERIFICATION, b"1"
    role = package.build_role(VERIFICATION, scp_role=True)
    assoc = requested(ae, server, ext_neg=[extended, identity, window, role])
    expected = ["SCP_SCU_RoleSelection", "AsynchronousOperationsWindow", "UserIdentity", "SOPClassExtended"]
    assert names_of(assoc.requestor) == [f"{name}Negotiation" for name in expected]
    assert listed == [names_of(assoc.requestor)]
    assoc.release()


def test_notifications_come_in_order(package: Any, ae: Any) -> None:
    seen: list[str] = []
    over = threading.Event()

    def note(event: Any) -> None:
        seen.append(event.event.name)
        assert event.event.is_notification
        assert event.timestamp.tzinfo is None
        if event.event == package.evt.EVT_CONN_CLOSE:
            over.set()

    names = ("CONN_OPEN", "REQUESTED", "ACCEPTED", "ESTABLISHED", "RELEASED", "CONN_CLOSE")
    server = served(package, ae, **{f"EVT_{name}": note for name in names})
    assoc = requested(ae, server)
    assoc.send_c_echo()
    assoc.release()
    assert over.wait(10)
    assert sorted(seen) == sorted(f"EVT_{name}" for name in names)
    assert seen[:4] == [f"EVT_{name}" for name in names[:4]]


def test_handlers_are_listed_bound_and_unbound(package: Any, ae: Any) -> None:
    evt = package.evt
    seen: list[Any] = []

    def handle_echo(event: Any, word: str) -> int:
        seen.append(word)
        return 0x0000

    def note(event: Any) -> None:
        seen.append(event.event.name)

    server = served(package, ae)
    assoc = requested(ae, server)
    default = evt.get_default_handler(evt.EVT_C_ECHO)
    assert server.get_handlers(evt.EVT_C_ECHO) == (default, None)
    server.bind(evt.EVT_C_ECHO, handle_echo, ["word"])
    server.bind(evt.EVT_RELEASED, note)
    assert server.get_handlers(evt.EVT_C_ECHO) == (handle_echo, ["word"])
    assert server.get_handlers(evt.EVT_RELEASED) == [(note, None)]
    assert evt.EVT_RELEASED in server.get_events()
    (accepted,) = server.active_associations
    assert accepted.get_handlers(evt.EVT_RELEASED) == [(note, None)]
    assoc.send_c_echo()
    server.unbind(evt.EVT_C_ECHO, handle_echo)
    server.unbind(evt.EVT_RELEASED, note)
    assert server.get_handlers(evt.EVT_C_ECHO) == (default, None)
    assert server.get_handlers(evt.EVT_RELEASED) == []
    assoc.send_c_echo()
    assoc.release()
    assert seen == ["word"]


def test_messages_are_told(package: Any, ae: Any) -> None:
    seen: list[Any] = []

    def note(event: Any) -> None:
        message = event.message
        seen.append((event.event.name, message.command_set.CommandField, message.context_id))

    assoc = requested(
        ae,
        served(package, ae),
        evt_handlers=[(package.evt.EVT_DIMSE_SENT, note), (package.evt.EVT_DIMSE_RECV, note)],
    )
    assoc.send_c_echo()
    assert seen == [("EVT_DIMSE_SENT", 0x0030, 1), ("EVT_DIMSE_RECV", 0x8030, 1)]
    assoc.release()


def test_private_names_name_the_public_ones() -> None:
    ours = import_module(OURS)
    ae = ours.AE()
    ae.own_attribute = 1
    with pytest.raises(AttributeError, match="ae_title"):
        ae._ae_title = "X"
    with pytest.raises(AttributeError, match="supported_contexts"):
        ae._supported_contexts  # noqa: B018
    assoc = ours.Association(ae, "requestor")
    with pytest.raises(AttributeError, match="EVT_PDU_RECV"):
        assoc.dul  # noqa: B018


def test_every_private_attribute_of_pynetdicoms_entity_names_a_public_one() -> None:
    ae = import_module(OURS).AE()
    names = {name for name in vars(import_module(THEIRS).AE()) if name.startswith("_")} - {"_lock"}
    assert len(names) > 10
    for name in names:
        with pytest.raises(AttributeError, match=f"{name} is a private name") as told:
            getattr(ae, name)
        with pytest.raises(AttributeError, match=f"{name} is a private name"):
            setattr(ae, name, None)
        public = str(told.value).rpartition("; use ")[2].removesuffix("()")
        assert hasattr(type(ae), public), name
