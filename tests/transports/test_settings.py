"""What an application entity may be told, and when that takes effect: with the next association."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from inspect import signature
from ipaddress import ip_network
from typing import Any, NamedTuple

import pytest
from pydicom.dataset import Dataset

from dicomproto.config import Limits, Timeouts
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CEchoRQ, CStoreRQ, NEventReportRQ, Request
from dicomproto.errors import AssociationError, AssociationRejected, ConnectionLost, NoAcceptedContext
from dicomproto.negotiation import DEFAULT_MAXIMUM_LENGTH, SupportedContext, accept_anything
from dicomproto.services import STANDARD
from dicomproto.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, VERIFICATION
from dicomproto.upper_layer.pdu import Abort, AsynchronousOperationsWindow
from dicomproto_transports import anyio, blocking, evt, testing, trio
from dicomproto_transports.checks import CHECKS, OPTIONS, SETTINGS
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.entity.ae import AECore
from dicomproto_transports.entity.settings import Settings
from tests.associations import CT_IMAGE, HOST, MR_IMAGE, associate, connect, make_ae, make_server
from tests.backends import AnyBackend, Lockstep

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
COMMITMENT = "1.2.840.10008.1.20.1"
PRIVATE, UNSUPPORTED = "1.2.826.0.1.3680043.8.498.98", "1.2.826.0.1.3680043.8.498.99"
SUPPORTED = (VERIFICATION, CT_IMAGE, MR_IMAGE, MOVE, COMMITMENT, PRIVATE)

ROLES = SupportedContext(abstract_syntax="1.2.3", transfer_syntaxes=("1.2.840.10008.1.2",))

IDENTIFIER = Dataset()
IDENTIFIER.QueryRetrieveLevel, IDENTIFIER.StudyInstanceUID = "STUDY", "1.2.3"

Look = Callable[[Any], Awaitable[object]]


# --- what a requestor sees of a setting -----------------------------------------------------------


async def nothing(association: Any) -> object:
    """Whether it is established is all there is to see."""
    return None


def of_acceptor(name: str) -> Look:
    async def look(association: Any) -> object:
        return getattr(association.acceptor, name)

    return look


async def contexts(association: Any) -> object:
    return {context.abstract_syntax for context in association.accepted_contexts}


async def window(association: Any) -> object:
    return association.acceptor.asynchronous_operations.maximum_invoked


async def waits(association: Any) -> object:
    """What the handler of C-ECHO sees as timeouts: it answers their sum."""
    return (await association.send_c_echo()).Status


async def end_of_idleness(association: Any) -> object:
    try:
        return await association.serve()
    except AssociationError as error:
        return type(error).__name__


async def move(association: Any) -> object:
    responses = association.send_c_move(IDENTIFIER, "THERE", MOVE)
    return [response.Status async for response, _ in responses]


def status_of(request: Request, context_of: str) -> Look:
    """Send a request that our own side would not send; the answer is not read by our side either."""

    async def look(association: Any) -> object:
        context = next(c for c in association.accepted_contexts if c.abstract_syntax == context_of)
        command = encode_command(request.replace(MessageID=99))
        fragment = struct.pack(">IBB", len(command) + 2, context.context_id, 3) + command
        if request.CommandDataSetType != 0x0101:
            fragment += struct.pack(">IBB", 4, context.context_id, 2) + b"\0\0"
        pdu = struct.pack(">BxI", 4, len(fragment)) + fragment
        await association._session.stream.send([pdu], None)
        answer = await association._session.stream.receive(None)
        return struct.unpack_from("<H", answer, answer.index(b"\0\0\0\x09\x02\0\0\0") + 8)[0]

    return look


REPORT = NEventReportRQ(AffectedSOPClassUID=COMMITMENT, AffectedSOPInstanceUID="1.2", EventTypeID=1)
STORE = CStoreRQ(AffectedSOPClassUID=MR_IMAGE, AffectedSOPInstanceUID="1.2.3", CommandDataSetType=1)
OF_PRIVATE = STORE.replace(AffectedSOPClassUID=PRIVATE)


class Seen(NamedTuple):
    """A new value of a setting, and what a requestor sees before and after it."""

    value: object
    look: Look
    before: object
    after: object


SHORT = Timeouts(association=100, response=10, idle=1, connect=2)
CASES = {
    "ae_title": Seen("OTHER", nothing, None, (1, 1, 7)),  # it has to be called by its name
    "limits": Seen(Limits(presentation_contexts=1), nothing, None, "AssociationAborted"),
    "timeouts": Seen(SHORT, waits, 1005, 113),
    "acse_timeout": Seen(100.0, waits, 1005, 1075),
    "dimse_timeout": Seen(100, waits, 1005, 1045),
    "network_timeout": Seen(100, waits, 1005, 205),
    "connection_timeout": Seen(None, waits, 1005, 990),
    "maximum_pdu_size": Seen(0, of_acceptor("maximum_length"), DEFAULT_MAXIMUM_LENGTH, 0),
    "maximum_associations": Seen(1, nothing, None, (2, 3, 2)),
    "maximum_associations_per_address": Seen(1, nothing, None, (2, 3, 2)),
    "maximum_associations_per_ae_title": Seen(0, nothing, None, (2, 3, 2)),
    "require_called_aet": Seen(["OTHER"], nothing, None, (1, 1, 7)),
    "require_calling_aet": Seen(["OTHER"], nothing, None, (1, 1, 3)),
    "allowed_networks": Seen(["10.0.0.0/8"], nothing, None, "ConnectionLost"),
    "maximum_operations": Seen(3, window, 1, 3),
    "implementation_class_uid": Seen(
        "1.2.3", of_acceptor("implementation_class_uid"), IMPLEMENTATION_CLASS_UID, "1.2.3"
    ),
    "implementation_version_name": Seen(
        None, of_acceptor("implementation_version_name"), IMPLEMENTATION_VERSION_NAME, None
    ),
    "strict_roles": Seen(True, status_of(REPORT, COMMITMENT), 0x0211, 0x0122),
    "strict_dispatch": Seen(True, status_of(STORE, CT_IMAGE), 0x0000, 0x0122),
    "idle_release": Seen(True, end_of_idleness, "AssociationAborted", True),
    "unrestricted_storage": Seen(True, contexts, {*SUPPORTED}, {*SUPPORTED, UNSUPPORTED}),
    "unknown_context": Seen(accept_anything, contexts, {*SUPPORTED}, {*SUPPORTED, UNSUPPORTED}),
    "sop_classes": Seen(
        STANDARD.with_sop_class(PRIVATE, "Private", [CEchoRQ]),
        status_of(OF_PRIVATE, PRIVATE),
        0x0000,
        0x0211,
    ),
    "move_destinations": Seen({"THERE": (HOST, 104)}, move, [0xA801], [0x0000]),
    "supported_contexts": Seen([UNSUPPORTED], contexts, {*SUPPORTED}, {*SUPPORTED, UNSUPPORTED}),
}

OF_REQUESTORS = {"requested_contexts", "connect", "allow_unknown"}
"""What servers have nothing to do with, but for `allow_unknown` of `test_sop_classes_in_use.py`."""

OF_SEVERAL = {"give_way_after", "maximum_collected"}
"""What shows where there are several associations: `test_server_places.py`, `test_server_holding.py`."""


OF_TEXT = {"assume_charset"}
"""What only shows in data sets: `test_association_text.py`."""


def test_no_setting_is_forgotten() -> None:
    assert set(CASES) | OF_REQUESTORS | OF_SEVERAL | OF_TEXT == set(SETTINGS)
    assert {name for name in vars(AECore()) if not name.startswith("_")} <= set(SETTINGS)
    properties = {name for name in dir(Settings) if isinstance(getattr(Settings, name, None), property)}
    assert properties == set(SETTINGS) - set(CHECKS)


def a_server(backend: AnyBackend, ae: AECore) -> ServerCore:
    def sum_of_waits(event: evt.Event) -> int:
        own = event.assoc
        waits = own.acse_timeout, own.dimse_timeout, own.network_timeout, own.connection_timeout
        return int(sum(filter(None, waits)))

    async def move_nothing(event: evt.Event) -> AsyncGenerator[object, None]:
        yield "THERE"
        yield 0

    ae.supported_contexts = SUPPORTED
    handlers = [
        (evt.EVT_C_ECHO, sum_of_waits),
        (evt.EVT_C_STORE, lambda event: 0),
        (evt.EVT_C_MOVE, move_nothing),
    ]
    return make_server(backend, handlers, ae)


@pytest.mark.parametrize("name", CASES)
def test_what_is_set_while_a_server_runs_holds_for_the_next_association(name: str) -> None:
    value, look, before, after = CASES[name]
    backend = Lockstep()
    ae, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
    ae.require_called_aet = name == "ae_title"
    scu.requested_contexts = [*SUPPORTED, UNSUPPORTED]
    window = AsynchronousOperationsWindow(maximum_invoked=9, maximum_performed=1)

    async def ask() -> Any:
        return await associate(backend, server.port, scu, ae_title="SCP", operations_window=window)

    async def outcome() -> object:
        try:
            association = await ask()
            found = await look(association)
        except AssociationRejected as error:
            return error.result, error.source, error.reason
        except AssociationError as error:
            return type(error).__name__
        await association.abort()
        return found

    async def main() -> None:
        nonlocal server
        async with backend.serving(a_server(backend, ae)) as server:
            assert await outcome() == before
            standing = await ask()
            setattr(ae, name, value)
            assert await outcome() == after
            assert await look(standing) == before  # in the middle of an association nothing changes
            await standing.abort()

    server: Any = None
    backend.run(main)


def test_what_is_changed_in_place_counts_as_well() -> None:
    backend = Lockstep()
    ae, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
    scu.requested_contexts = [*SUPPORTED, UNSUPPORTED]

    async def main() -> None:
        async with backend.serving(a_server(backend, ae)) as server:
            standing = await associate(backend, server.port, scu)
            ae.add_supported_context(UNSUPPORTED)
            ae.remove_supported_context(CT_IMAGE)
            ae.register_uid(PRIVATE, "Private", [CEchoRQ])
            ae.move_destinations["THERE"] = (HOST, 104)
            association = await associate(backend, server.port, scu)
            assert await contexts(association) == {*SUPPORTED, UNSUPPORTED} - {CT_IMAGE}
            assert await move(association) == [0x0000]
            assert await status_of(OF_PRIVATE, PRIVATE)(association) == 0x0211
            await association.abort()
            assert await move(standing) == [0xA801]
            assert await status_of(OF_PRIVATE, PRIVATE)(standing) == 0x0000
            await standing.abort()

    backend.run(main)


def test_a_server_keeps_what_it_was_started_with() -> None:
    """The arguments of `start_server` go before the settings, then as later."""
    backend = Lockstep()
    ae = make_ae(backend, "SCP")
    ae.require_called_aet = True

    async def main() -> None:
        core = ServerCore(ae, ae_title="OWN", contexts=iter([VERIFICATION]))
        async with backend.serving(core) as server:
            ae.ae_title, ae.supported_contexts, ae.maximum_pdu_size = "OTHER", [CT_IMAGE], 0
            async with await associate(backend, server.port, ae_title="OWN") as association:
                assert await contexts(association) == {VERIFICATION}
                assert association.acceptor.maximum_length == 0

    backend.run(main)


def test_doors_are_closed_while_a_server_runs(backend: AnyBackend) -> None:
    ae = make_ae(backend, "SCP")

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            silent = await connect(backend, server.port)  # its request is still to come
            async with await associate(backend, server.port) as standing:
                for name, value, expected in (
                    ("require_called_aet", True, (1, 1, 7)),
                    ("require_calling_aet", "NOBODY", (1, 1, 3)),
                    ("maximum_associations", 1, (2, 3, 2)),
                ):
                    setting = getattr(ae, name)
                    setattr(ae, name, value)
                    with pytest.raises(AssociationRejected) as caught:
                        await associate(backend, server.port)
                    assert (caught.value.result, caught.value.source, caught.value.reason) == expected
                    setattr(ae, name, setting)
                ae.allowed_networks = "10.0.0.0/8"
                with pytest.raises(ConnectionLost):
                    await associate(backend, server.port)
                answer = await silent.request(VERIFICATION)
                assert isinstance(answer, Abort)
                await silent.until_closed()
                await silent.stream.close([], 0)
                assert (await standing.send_c_echo()).Status == 0x0000
                ae.allowed_networks = ()
            async with await associate(backend, server.port) as association:
                assert association.is_established

    backend.run(main)


def test_a_server_that_supports_nothing_any_more_rejects_contexts(caplog: pytest.LogCaptureFixture) -> None:
    backend = Lockstep()
    ae = make_ae(backend, "SCP")

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=ae)) as server:
            ae.supported_contexts = []
            with pytest.raises(NoAcceptedContext):
                await associate(backend, server.port)

    backend.run(main)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# --- names --------------------------------------------------------------------------------------

FLAVOURS = [
    AECore,
    blocking.AE,
    trio.AE,
    anyio.AE,
    lambda: testing.AE(testing.Lockstep()),
]


@pytest.mark.parametrize("make", FLAVOURS, ids=["core", "blocking", "trio", "anyio", "testing"])
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("require_caled_aet", "require_called_aet"),
        ("maximum_asociations", "maximum_associations"),
        ("max_associations", "maximum_associations"),
        ("require_called_ae_title", "require_called_aet"),
        ("Require_Calling_AET", "require_calling_aet"),
        ("_require_calling_aet", "require_calling_aet"),
        ("acse_timeouts", "acse_timeout"),
        ("timeout", "timeouts"),
        ("titel", "ae_title"),
        ("asociate", "associate"),
    ],
)
def test_a_name_that_is_no_setting_is_refused(make: Callable[[], AECore], name: str, meant: str) -> None:
    if meant == "associate" and make is AECore:
        return
    ae = make()
    known = dict(vars(ae))
    with pytest.raises(AttributeError, match=f"AE(Core)? has no setting {name}; did you mean {meant}\\?"):
        setattr(ae, name, True)
    assert vars(ae) == known


ON_THE_AE = "a server has no setting {}: set {} on its AE"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, ON_THE_AE.format(name, name)) for name in SETTINGS),
        ("maximum_asociations", ON_THE_AE.format("maximum_asociations", "maximum_associations")),
        ("contexts", "contexts of a server is settled when it starts: give it to start_server"),
        ("maximum_pending", "maximum_pending of a server is settled when it starts"),
    ],
)
def test_a_server_takes_no_settings(name: str, text: str) -> None:
    ae = blocking.AE()
    ae.add_supported_context(VERIFICATION)
    with ae.start_server((HOST, 0), block=False) as server:
        with pytest.raises(AttributeError, match=text):
            setattr(server, name, 1)
        assert not hasattr(server, name)
        server.patients = 3  # type: ignore[attr-defined]  # what a program keeps there is its own affair


@pytest.mark.parametrize("kind", [trio.Server, anyio.Server, testing.LockstepServer])
def test_servers_of_all_flavours_take_no_settings(kind: type[Any]) -> None:
    server = kind.__new__(kind)
    with pytest.raises(AttributeError, match="set require_called_aet on its AE"):
        server.require_called_aet = True


@pytest.mark.parametrize("kind", [blocking.Association, trio.Association, anyio.Association])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timeouts", "set AE.timeouts, or give timeouts= to associate"),
        ("dimse_timeout", "set AE.timeouts, or give timeouts= to associate"),
        ("acse_timeout", "set AE.timeouts, or give timeouts= to associate"),
        ("network_timeout", "set AE.timeouts, or give timeouts= to associate"),
        ("connection_timeout", "set AE.timeouts, or give timeouts= to associate"),
        ("limits", "no setting limits: limits is settled when it is made, set it on the AE"),
        ("maximum_pdu_size", "maximum_pdu_size is settled when it is made, set it on the AE"),
        ("max_pdu", "max_pdu is settled when it is made, give it to associate"),
    ],
)
def test_an_association_takes_no_settings(kind: type, name: str, text: str) -> None:
    association = kind.__new__(kind)
    with pytest.raises(AttributeError, match=text):
        setattr(association, name, 5)


def test_an_association_that_stands_takes_no_settings_nor_what_is_nearly_one() -> None:
    ae = blocking.AE()
    ae.add_supported_context(VERIFICATION)
    with (
        ae.start_server((HOST, 0), block=False) as server,
        ae.associate(HOST, server.port, [VERIFICATION]) as assoc,
    ):
        for name in SETTINGS:
            for misspelt in (name, name.replace("_", "", 1), name[:-2] + name[-1]):
                with pytest.raises(AttributeError, match="settled"):
                    setattr(assoc, misspelt, 5)
            assert hasattr(assoc, name) is ("timeout" in name)
        assert assoc.timeouts == ae.timeouts
        assoc.patients = 3  # type: ignore[attr-defined]  # what a program keeps there is its own affair


def test_a_name_that_is_like_none() -> None:
    with pytest.raises(AttributeError, match="^AECore has no setting xyzzy$"):
        AECore().xyzzy = 1  # type: ignore[attr-defined]


class Archive(blocking.AE):
    """An application entity with a state of its own."""

    folder = "/archive"

    def __init__(self) -> None:
        super().__init__("ARCHIVE")
        self.folder = "/data"
        self.index: dict[str, str] = {}
        self._cache = 1
        self.__secret = 2
        self.maximum_associations = 3


def test_a_subclass_has_attributes_of_its_own() -> None:
    ae = Archive()
    ae.folder = "/other"
    ae._cache += 1
    assert (ae.folder, ae.index, ae._cache, ae.maximum_associations) == ("/other", {}, 2, 3)
    assert ae._Archive__secret == 2  # type: ignore[attr-defined]
    ae.add_supported_context(VERIFICATION)
    with ae.start_server((HOST, 0), block=False) as server:
        assert server.port


@pytest.mark.parametrize("name", [
    "require_caled_aet", "maximum_asociations", "_maximum_associations", "_require_calling_aet",
    "__require_called_aet", "_Archive__allowed_networks", "allowed_network", "_allow_networks", "Timeouts",
    "supported_context", "_requested_context", "_ae_titles",
])  # fmt: skip
def test_a_subclass_has_none_that_is_nearly_a_setting(name: str) -> None:
    with pytest.raises(AttributeError, match="no setting; did you mean"):
        setattr(Archive(), name, 5)


@pytest.mark.parametrize("name", ["_ae_title", "_supported", "_servers", "_sessions", "_revision"])
def test_what_the_library_keeps_is_not_overwritten(name: str) -> None:
    with pytest.raises(AttributeError, match=f"Archive.{name} is the library's own"):
        setattr(Archive(), name, {})


@pytest.mark.parametrize("name", ["maximum_associations", "require_caled_aet", "_allowed_networks"])
def test_a_class_that_would_set_what_instances_have_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"Wrong.{name}: set .* on an application entity"):
        type("Wrong", (blocking.AE,), {name: 5})


def test_a_method_is_called_and_not_set() -> None:
    ae = AECore()
    with pytest.raises(AttributeError, match="AECore.add_supported_context is a method: call it"):
        ae.add_supported_context = VERIFICATION  # type: ignore[assignment, method-assign]
    with pytest.raises(AttributeError, match="maximum_associations is a setting: it can be changed"):
        del ae.maximum_associations
    ae.make_association = lambda session: session  # type: ignore[method-assign]
    del ae.make_association


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("ae_title", 5, TypeError, "ae_title: must be str or bytes, not 5"),
        ("ae_title", "", ValueError, "1 to 16 ASCII"),
        ("limits", None, TypeError, "limits: must be a Limits"),
        ("timeouts", 30, TypeError, "timeouts: must be a Timeouts, such as"),
        ("acse_timeout", "30", TypeError, "acse_timeout: must be a number of seconds, not '30'"),
        ("dimse_timeout", -1, ValueError, "dimse_timeout: must be a number of seconds from 0, not -1"),
        ("network_timeout", float("nan"), ValueError, "network_timeout: must be a number of seconds from 0"),
        ("connection_timeout", True, TypeError, "connection_timeout: must be a number of seconds, not True"),
        (
            "maximum_pdu_size",
            "16384",
            TypeError,
            "maximum_pdu_size: must be a whole number from 0",
        ),
        ("maximum_pdu_size", 100, ValueError, "maximum_pdu_size: must be 0 for any number, or"),
        ("maximum_associations", "5", TypeError, "must be a whole number from 0, or None, not '5'"),
        ("maximum_associations", -1, ValueError, "maximum_associations: must be a whole number from 0"),
        ("maximum_associations_per_address", 1.5, TypeError, "must be a whole number from 0, or None"),
        ("maximum_associations_per_ae_title", True, TypeError, "must be a whole number from 0, or None"),
        ("maximum_collected", 1e9, TypeError, "maximum_collected: must be a whole number from 0, or None"),
        ("give_way_after", None, TypeError, "give_way_after: must be a number of seconds, not None"),
        ("require_called_aet", None, TypeError, "must be True, False, an AE title or a list of them"),
        ("require_called_aet", ["GOOD", 5], TypeError, "must be True, False, an AE title or a list"),
        ("require_calling_aet", True, TypeError, "require_calling_aet: must be an AE title or a list"),
        ("require_calling_aet", ["GOOD", ""], ValueError, "require_calling_aet: an AE title has 1 to 16"),
        ("allowed_networks", 4.2, TypeError, "allowed_networks: must be a network such as '10.0.0.0/8'"),
        ("allowed_networks", [10], TypeError, "allowed_networks: must be a network such as"),
        ("allowed_networks", b"10.0.0.0/8", TypeError, "allowed_networks: must be a network such as"),
        ("allowed_networks", ["10.0.0.0/8", "localhost"], ValueError, "allowed_networks: must be a network"),
        ("maximum_operations", "many", TypeError, "must be a number of operations from 0 to 65535"),
        ("maximum_operations", (1, 2, 3), ValueError, "must be a number of operations from 0 to 65535"),
        ("maximum_operations", 70000, ValueError, "must be a number of operations from 0 to 65535"),
        ("implementation_class_uid", None, TypeError, "implementation_class_uid: must be a UID, not None"),
        ("implementation_class_uid", "no UID", ValueError, "must be a UID of digits and dots"),
        ("implementation_version_name", "X" * 17, ValueError, "must be a text of 1 to 16 ASCII characters"),
        ("implementation_version_name", 1, TypeError, "must be a text of 1 to 16 ASCII characters"),
        ("strict_roles", 1, TypeError, "strict_roles: must be True or False, not 1"),
        ("strict_dispatch", "no", TypeError, "strict_dispatch: must be True or False, not 'no'"),
        ("allow_unknown", 1, TypeError, "allow_unknown: must be True or False, not 1"),
        ("idle_release", None, TypeError, "idle_release: must be True or False, not None"),
        ("unrestricted_storage", "", TypeError, "unrestricted_storage: must be True or False"),
        ("unknown_context", True, TypeError, "unknown_context: must be a function, or None, not True"),
        ("sop_classes", {}, TypeError, "sop_classes: must be a SOPClassRegistry, see register_uid"),
        ("move_destinations", [], TypeError, "move_destinations: must be a dictionary of"),
        ("move_destinations", {"A": "host"}, TypeError, "move_destinations: must be .*; 'A' has none"),
        ("move_destinations", {b"A": ("h", 104)}, TypeError, "move_destinations: must be .*; b'A' has none"),
        ("move_destinations", {"A": ("h", 0)}, ValueError, "'A': a port is a number from 1 to 65535, not 0"),
        ("move_destinations", {"A": ("h", 65536)}, ValueError, "a port is a number from 1 to 65535"),
        ("move_destinations", {"A": ("h", "104")}, TypeError, "'A': a port is a number .*, not '104'"),
        ("move_destinations", {"A": ("h", True)}, TypeError, "'A': a port is a number .*, not True"),
        ("move_destinations", {"A": (" ", 104)}, ValueError, "'A': must be the name or IP address of a host"),
        ("move_destinations", {"A": (b"h", 104)}, TypeError, "'A': must be the name or IP address of a host"),
        ("move_destinations", {"A" * 17: ("h", 104)}, ValueError, "an AE title has 1 to 16 ASCII characters"),
        ("move_destinations", {"": ("h", 104)}, ValueError, "'': an AE title has 1 to 16 ASCII characters"),
        ("move_destinations", {" A": ("h", 104)}, ValueError, "' A': an AE title without spaces around it"),
        (
            "move_destinations",
            {"A": ("h", 104, [])},
            TypeError,
            "'A': the options of associate must be a dic",
        ),
        (
            "move_destinations",
            {"A": ("h", 104, {"max_pdus": 0})},
            TypeError,
            "'A': associate has no option 'max_pdus'; did you mean max_pdu",
        ),
        *(
            ("move_destinations", {"A": ("h", 104, {option: 5})}, TypeError, f"'A': {option}: must be ")
            for option in (
                "ae_title",
                "calling_ae_title",
                "contexts",
                "ext_neg",
                "evt_handlers",
                "timeouts",
                "strict_roles",
                "allow_unknown",
                "pack_pdvs",
                "assume_charset",
            )
        ),
        ("move_destinations", {"A": ("h", 104, {"max_pdu": 5})}, ValueError, "'A': max_pdu: must be 0 for"),
        ("require_called_aet", {"GOOD": 1}, TypeError, "must be True, False, an AE title or a list of them"),
        (
            "requested_contexts",
            {"1.2": "1.2"},
            TypeError,
            "requested_contexts: must be a list of SOP classes",
        ),
        (
            "supported_contexts",
            {"1.2": "1.2"},
            TypeError,
            "supported_contexts: must be a list of SOP classes",
        ),
        ("supported_contexts", [ROLES.replace(scu_role=1)], TypeError, "scu_role: must be True or False"),
        ("supported_contexts", [ROLES.replace(scp_role="")], TypeError, "scp_role: must be True or False"),
        ("supported_contexts", 5, TypeError, "supported_contexts: must be a list of SOP classes"),
        ("requested_contexts", "1.2.3", TypeError, "requested_contexts: must be a list of SOP classes"),
    ],
)
def test_a_value_that_will_not_do_is_refused_in_words(
    name: str, value: object, error: type[Exception], text: str
) -> None:
    ae = AECore()
    before = getattr(ae, name)
    with pytest.raises(error, match=text):
        setattr(ae, name, value)
    assert getattr(ae, name) == before


def test_each_option_of_associate_may_be_one_of_a_destination() -> None:
    assert set(OPTIONS) == set(signature(blocking.AE.associate).parameters) - {"self", "addr", "port"}
    ae = AECore()
    ae.move_destinations = {"A": ("h", 104), "B": ("::1", 104, {"timeouts": {"connect": 5}, "max_pdu": None})}
    assert ae.move_destinations["A"] == ("h", 104)


def test_the_syntaxes_of_a_record_may_be_one_text() -> None:
    """It was taken letter by letter."""
    ae = AECore()
    ae.supported_contexts = [ROLES.replace(transfer_syntaxes="1.2.840.10008.1.2")]
    assert [context.transfer_syntaxes for context in ae.supported_contexts] == [("1.2.840.10008.1.2",)]


@pytest.mark.parametrize(("grace", "error"), [("5", TypeError), (None, TypeError), (-1, ValueError)])
def test_of_shutdown(backend: AnyBackend, grace: Any, error: type[Exception]) -> None:
    """The server serves on."""

    async def shut_down(server: Any, *args: object, **options: object) -> None:
        waiting = server.shutdown(*args, **options)
        if waiting is not None:  # not in the blocking flavour
            await waiting

    async def main() -> None:
        async with backend.serving(make_server(backend, ae=make_ae(backend, "SCP"))) as server:
            with pytest.raises(error, match="grace: must be a number of seconds"):
                await shut_down(server, grace)
            with pytest.raises(TypeError, match="refuse: must be True or False"):
                await shut_down(server, refuse="no")
            async with await associate(backend, server.port) as association:
                assert (await association.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_every_setting_is_checked() -> None:
    """An object of no kind is refused wherever it is set."""
    for name in SETTINGS:
        with pytest.raises((TypeError, ValueError), match=name):
            setattr(AECore(), name, object())


def test_lists_are_kept_as_they_were() -> None:
    """To append to what was set would change nothing, so that there is nothing to append to."""
    ae, names = AECore(), ["ONE"]
    ae.require_calling_aet = names
    names.append("TWO")
    assert ae.require_calling_aet == ("ONE",)
    for networks in (["10.0.0.0/8"], {"10.0.0.0/8"}, iter(["10.0.0.0/8"])):
        ae.allowed_networks = networks  # type: ignore[assignment]
        assert ae.allowed_networks == ("10.0.0.0/8",)
    ae.allowed_networks = network = ip_network("10.0.0.0/8")
    assert ae.allowed_networks is network
    ae.maximum_operations = iter([2, 3])  # type: ignore[assignment]
    assert ae.maximum_operations == (2, 3)


def test_settings_are_settled_anew_only_when_they_change() -> None:
    ae = make_ae(Lockstep())
    settled = ae.settled()
    assert ae.settled() is settled
    ae.strict_roles = True
    assert ae.settled() is not settled
    assert (settled.strict_roles, ae.settled().strict_roles) == (False, True)
