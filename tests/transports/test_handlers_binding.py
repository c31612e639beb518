"""Binding handlers, and what an event has for them."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CEchoRQ, CStoreRQ
from dicomproto.errors import LocalProtocolError
from dicomproto.upper_layer.pdu import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from dicomproto_transports import blocking, evt
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.contexts import build_role
from dicomproto_transports.events.handlers import Bound, Handlers
from tests.associations import (
    CT_IMAGE,
    INSTANCE,
    MR_IMAGE,
    associate,
    associated,
    data_set,
    make_ae,
    make_server,
    open_association,
    part10,
    streaming,
)
from tests.backends import AnyBackend, Lockstep


def handle(event: evt.Event) -> int:
    return 0x0000


async def handle_async(event: evt.Event) -> int:
    return 0x0000


class AsyncCallable:
    async def __call__(self, event: evt.Event) -> int:
        return 0x0000

    async def method(self, event: evt.Event) -> int:
        return 0x0000


# --- binding ------------------------------------------------------------------------------------


def test_every_event_has_its_name() -> None:
    kinds = {name: kind for name, kind in vars(evt).items() if name.startswith("EVT_")}
    assert all(kind.name == name for name, kind in kinds.items())
    assert {name for name, kind in kinds.items() if kind.is_intervention} == {
        *("EVT_ASYNC_OPS", "EVT_SOP_COMMON", "EVT_SOP_EXTENDED", "EVT_USER_ID"),
        *("EVT_C_ECHO", "EVT_C_STORE", "EVT_C_STORE_STREAM", "EVT_C_FIND", "EVT_C_GET", "EVT_C_MOVE"),
        *("EVT_N_EVENT_REPORT", "EVT_N_GET", "EVT_N_SET", "EVT_N_ACTION", "EVT_N_CREATE", "EVT_N_DELETE"),
    }
    assert repr(evt.EVT_C_ECHO) == "<EVT_C_ECHO>"
    assert evt.EVT_PDU_RECV.is_notification
    assert not evt.EVT_C_ECHO.is_notification


@pytest.mark.parametrize(
    ("binding", "error", "text"),
    [
        ((evt.EVT_C_ECHO,), TypeError, r"\(event, handler\) or \(event, handler, \[args\]\)"),
        (("EVT_C_ECHO", handle), TypeError, r"'EVT_C_ECHO' is no event"),
        ((evt.EVT_C_ECHO, 0x0000), TypeError, "EVT_C_ECHO: 0 is not callable"),
        ((evt.EVT_C_ECHO, handle, "args"), TypeError, "are a list or tuple, not 'args'"),
        ((evt.EVT_C_ECHO, handle, 5), TypeError, "are a list or tuple, not 5"),
        ((evt.EVT_C_STORE_STREAM, evt.in_thread(handle)), TypeError, "not in_thread"),
    ],
)
def test_bad_bindings_say_why(binding: evt.Binding, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        blocking.AE().bind([binding])


def test_only_one_way_to_store() -> None:
    bindings: list[evt.Binding] = [(evt.EVT_C_STORE, handle), (evt.EVT_C_STORE_STREAM, handle)]
    with pytest.raises(ValueError, match="exclude each other"):
        blocking.AE().bind(bindings)
    with pytest.raises(ValueError, match="exclude each other"):
        blocking.AE().bind(reversed(bindings))


@pytest.mark.parametrize(
    "handler",
    [handle_async, partial(handle_async), AsyncCallable(), partial(AsyncCallable()), AsyncCallable().method],
)
def test_blocking_refuses_coroutine_functions(handler: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match=r"EVT_C_ECHO: .* is a coroutine function; the blocking flavour"):
        blocking.AE().bind([(evt.EVT_C_ECHO, handler)])
    trio_flavour.AE().bind([(evt.EVT_C_ECHO, handler)])
    with pytest.raises(TypeError, match="is async; bind it as it is"):
        evt.in_thread(handler)


def test_an_intervention_has_one_handler_a_notification_any_number() -> None:
    handlers = trio_flavour.AE().bind(
        [
            (evt.EVT_C_ECHO, handle),
            (evt.EVT_C_ECHO, handle_async, [1]),
            (evt.EVT_RELEASED, handle),
            (evt.EVT_RELEASED, handle_async),
        ]
    )
    bound = handlers.one(evt.EVT_C_ECHO)
    assert bound == Bound(handler=handle_async, args=(1,))
    assert [each.handler for each in handlers.all(evt.EVT_RELEASED)] == [handle, handle_async]
    assert handlers.get_events() == [evt.EVT_C_ECHO, evt.EVT_RELEASED]
    assert handlers.one(evt.EVT_C_STORE) is None


def test_threads_bind_and_unbind_side_by_side() -> None:
    handlers = Handlers(allow_async=False)
    lasting = [[partial(print, thread, number) for number in range(50)] for thread in range(4)]

    def bind(mine: list[Callable[..., object]]) -> None:
        for handler in mine:
            handlers.bind(evt.EVT_ACCEPTED, handler)
            handlers.bind(evt.EVT_ACCEPTED, repr)
            handlers.unbind(evt.EVT_ACCEPTED, repr)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=bind, args=(mine,)) for mine in lasting]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    bound = [handler for handler, _ in handlers.get_handlers(evt.EVT_ACCEPTED)]
    assert len(bound) == 200
    assert {id(handler) for handler in bound} == {id(handler) for mine in lasting for handler in mine}


def test_in_thread_marks_a_handler() -> None:
    marked = evt.in_thread(handle)
    assert marked(None) == 0x0000
    handlers = trio_flavour.AE().bind([(evt.EVT_C_ECHO, marked)])
    assert handlers.one(evt.EVT_C_ECHO) == Bound(handler=handle, in_thread=True)
    # The blocking flavour has a thread for each association already.
    assert blocking.AE().bind([(evt.EVT_C_ECHO, marked)]).one(evt.EVT_C_ECHO) == Bound(handler=handle)


def test_blocking_notices_a_coroutine_at_run_time(caplog: pytest.LogCaptureFixture) -> None:
    ae = blocking.AE()
    ae.add_supported_context(CT_IMAGE)
    ae.add_requested_context(CT_IMAGE)

    def sneaky(event: evt.Event) -> object:
        return handle_async(event)

    handlers = [(evt.EVT_C_STORE, sneaky)]
    with (
        ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server,
        ae.associate("127.0.0.1", server.port) as assoc,
    ):
        response = assoc.send_c_store(io.BytesIO(part10(data_set())))
        assert (response.Status, response.ErrorComment) == (0xC211, "TypeError in the handler")
    assert "returned a coroutine; the blocking flavour runs none" in caplog.text


# --- events -------------------------------------------------------------------------------------


def event_of(kind: evt.EventKind, check: Callable[[evt.Event], object]) -> None:
    """Have `check` called with the event of a C-ECHO or C-STORE."""
    backend = Lockstep()
    checked = []

    def handler(event: evt.Event) -> int:
        check(event)
        checked.append(event)
        return 0x0000

    async def main() -> None:
        async with associated(backend, make_server(backend, [(kind, handler)])) as assoc:
            if kind is evt.EVT_C_ECHO:
                await assoc.send_c_echo()
            else:
                await assoc.send_c_store(io.BytesIO(part10(data_set())))

    backend.run(main)
    assert checked


def test_an_echo_event() -> None:
    def check(event: evt.Event) -> None:
        assert event.event is evt.EVT_C_ECHO
        assert repr(event) == "<Event EVT_C_ECHO>"
        assert isinstance(event.request, CEchoRQ)
        assert event.message_id == 1
        assert event.context.context_id == 1
        assert event.warnings == ()
        assert timedelta(0) <= datetime.now(UTC) - event.timestamp < timedelta(minutes=1)
        assert event.assoc.requestor.ae_title == "SCU"  # type: ignore[attr-defined]
        for name in ("dataset", "data", "chunks", "file_meta", "app_info", "address", "associate_request"):
            with pytest.raises(AttributeError, match=f"an EVT_C_ECHO event has no '{name}'"):
                getattr(event, name)
        with pytest.raises(AttributeError, match="no 'refuse'"):
            event.refuse(0xA700)
        with pytest.raises(AttributeError, match="no 'associate_request'"):
            event.reject()

    event_of(evt.EVT_C_ECHO, check)


def test_a_store_event() -> None:
    def check(event: evt.Event) -> None:
        assert isinstance(event.request, CStoreRQ)
        assert bytes(event.data) == data_set()
        assert event.encoded_dataset(include_meta=False) == data_set()
        assert event.encoded_dataset() == event.encoded_file_meta + data_set()
        assert event.dataset is event.dataset
        assert event.dataset == dcmread(io.BytesIO(event.encoded_dataset()))
        assert event.dataset.file_meta is event.file_meta
        assert event.file_meta.MediaStorageSOPInstanceUID == INSTANCE
        assert event.file_meta.SourceApplicationEntityTitle == "SCU"
        for name in ("chunks", "refuse"):
            with pytest.raises(AttributeError, match=f"an EVT_C_STORE event has no '{name}'"):
                event.refuse(0xA700) if name == "refuse" else event.chunks

    event_of(evt.EVT_C_STORE, check)


KINDS = [kind for name in evt.__all__ if isinstance(kind := getattr(evt, name), evt.EventKind)]


def members_of(kind: evt.EventKind) -> set[str]:
    return {name for name in dir(kind.event_class) if not name.startswith("_")}


def bare_event(kind: evt.EventKind) -> evt.Event:
    """Return an event that knows no more than its kind."""
    event = object.__new__(kind.event_class)
    event.event = kind
    return event


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_an_event_says_which_members_it_lacks(kind: evt.EventKind) -> None:
    event, everything = bare_event(kind), set().union(*map(members_of, KINDS))
    for name in everything - members_of(kind):
        with pytest.raises(
            AttributeError, match=rf"^an {kind.name} event has no '\w+'|^the data set is given"
        ):
            getattr(event, name)
        assert not hasattr(event, name)
    assert repr(copy(event)) == f"<Event {kind.name}>"
    assert not hasattr(event, "__dict__")  # it costs no more than its slots


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (evt.EVT_C_STORE, "chunks", "an EVT_C_STORE event has no 'chunks'; it has the data set whole"),
        (evt.EVT_C_STORE, "refuse", "an EVT_C_STORE event has no 'refuse'; it has the data set whole"),
        (evt.EVT_C_STORE, "identifier", "an EVT_C_STORE event has no 'identifier'"),
        (evt.EVT_C_STORE_STREAM, "data", "the data set is given in chunks; EVT_C_STORE gives it whole"),
        (evt.EVT_C_STORE_STREAM, "app_info", "an EVT_C_STORE_STREAM event has no 'app_info'"),
        (evt.EVT_USER_ID, "reject", "an EVT_USER_ID event has no 'reject'"),
        (evt.EVT_C_ECHO, "reject", "an EVT_C_ECHO event has no 'associate_request'"),
        (evt.EVT_PDU_SENT, "message_id", "an EVT_PDU_SENT event has no 'request'"),
        (evt.EVT_PDU_SENT, "is_cancelled", "an EVT_PDU_SENT event has no 'is_cancelled'"),
        (evt.EVT_PDU_SENT, "action_type", "an EVT_PDU_SENT event has no 'action_type'"),
    ],
)
def test_words_about_a_member_that_an_event_lacks(kind: evt.EventKind, name: str, text: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(bare_event(kind), name)
    assert str(raised.value) == text


def test_names_for_annotations_are_there_when_they_are_asked_for() -> None:
    assert (evt.AnyAssociation.__name__, evt.Message.__name__) == ("AnyAssociation", "Message")
    with pytest.raises(AttributeError, match="has no attribute 'EVT_C_STOER'"):
        evt.EVT_C_STOER  # noqa: B018


def test_an_attribute_error_of_a_member_is_told_as_it_is() -> None:
    class Broken:
        @property
        def dataset(self) -> Dataset:
            raise AttributeError("no such element")

    event = bare_event(evt.EVT_C_FIND)
    event._data = Broken()
    with pytest.raises(AttributeError, match="^no such element$"):
        event.identifier  # noqa: B018


def test_a_streaming_event() -> None:
    def check(event: evt.Event) -> None:
        assert event.file_meta.MediaStorageSOPClassUID == CT_IMAGE
        assert event.encoded_file_meta[128:132] == b"DICM"
        for name in ("data", "dataset"):
            with pytest.raises(AttributeError, match="given in chunks"):
                getattr(event, name)
        with pytest.raises(LocalProtocolError, match="status 0x0000 is no failure"):
            event.refuse(0x0000)
        with pytest.raises(TypeError, match="async for"):
            iter(event.chunks)

    event_of(evt.EVT_C_STORE_STREAM, check)


def test_refused_once_is_refused() -> None:
    """Further chunks are not given, a second refusal changes nothing, nor does the result."""
    backend = Lockstep()
    sizes = []

    def take(event: evt.Event, chunk: bytes) -> None:
        sizes.append(len(chunk))
        event.refuse(0xA700, "first")
        event.refuse(0xA900, "second")

    handler = streaming(backend, take, status=0x0000)

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE_STREAM, handler)])
        async with associated(backend, core) as assoc:
            response = await assoc.send_c_store(io.BytesIO(part10(data_set(300_000))))
            assert (response.Status, response.ErrorComment) == (0xA700, "first")

    backend.run(main)
    assert len(sizes) == 1


# --- negotiation --------------------------------------------------------------------------------


def test_extended_negotiation() -> None:
    backend = Lockstep()
    seen = []

    def extended(event: evt.Event) -> dict[str, bytes]:
        seen.append(event.app_info)
        assert event.associate_request.calling_ae_title == "SCU"
        return {CT_IMAGE: b"\2", MR_IMAGE: b"not proposed"}

    ext_neg = [SOPClassExtendedNegotiation(sop_class_uid=CT_IMAGE, application_information=b"\1\1")]

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_SOP_EXTENDED, extended)])
        async with associated(backend, core, ext_neg=ext_neg) as assoc:
            assert assoc.requestor.sop_class_extended == {CT_IMAGE: b"\1\1"}
            assert assoc.acceptor.sop_class_extended == {CT_IMAGE: b"\2"}

    backend.run(main)
    assert seen == [{CT_IMAGE: b"\1\1"}]


def test_common_extended_negotiation() -> None:
    """A SOP class that nobody knows is served as the one that its requestor says it is like."""
    backend = Lockstep()
    private = "1.2.826.0.1.3680043.8.498.99"
    ext_neg = [
        SOPClassCommonExtendedNegotiation(
            sop_class_uid=private,
            service_class_uid="1.2.840.10008.4.2",
            related_general_sop_class_uids=(CT_IMAGE,),
        )
    ]

    def common(event: evt.Event) -> dict[str, object]:
        return event.items

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_SOP_COMMON, common)])
        async with associated(backend, core, ext_neg=ext_neg, contexts=[private]) as assoc:
            assert [context.abstract_syntax for context in assoc.accepted_contexts] == [private]
            assert assoc.requestor.sop_class_common_extended == {private: ext_neg[0]}

    backend.run(main)


@pytest.mark.parametrize(
    ("answer", "status"),
    [(None, 0x0211), (lambda event: {}, 0x0211), (lambda event: event.items, 0x0000)],
    ids=["not asked", "refused", "accepted"],
)
def test_common_extended_negotiation_counts_as_far_as_it_was_accepted(
    backend: AnyBackend, answer: evt.Handler | None, status: int
) -> None:
    """A SOP class that is not known is storage here; its requestor says that it is one of worklists."""
    private, ups = "1.2.826.0.1.3680043.8.498.99", "1.2.840.10008.5.1.4.34.6"
    item = SOPClassCommonExtendedNegotiation(sop_class_uid=private, service_class_uid=ups)
    handlers: list[evt.Binding] = [(evt.EVT_N_CREATE, lambda event: (0x0000, None))]
    if answer is not None:
        handlers.append((evt.EVT_SOP_COMMON, answer))

    async def main() -> None:
        ae = make_ae(backend)
        ae.unrestricted_storage = True
        core = make_server(backend, handlers, ae)
        async with associated(backend, core, ext_neg=[item], contexts=[private]) as assoc:
            assert [context.service_class_uid for context in assoc.accepted_contexts] == [ups]
            response, _ = await assoc.send_n_create(None, private, "1.2.3")
            assert response.Status == status

    backend.run(main)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (evt.EVT_SOP_EXTENDED, ["nonsense"]),
        (evt.EVT_SOP_EXTENDED, {CT_IMAGE: 5}),
        (evt.EVT_SOP_EXTENDED, {CT_IMAGE: [1, 2]}),
        (evt.EVT_SOP_COMMON, {CT_IMAGE: "nonsense"}),
        (evt.EVT_ASYNC_OPS, "nonsense"),
        (evt.EVT_ASYNC_OPS, (-1, 1)),
        (evt.EVT_ASYNC_OPS, (1, 70000)),
        (evt.EVT_ASYNC_OPS, (1.5, 1)),
        (evt.EVT_ASYNC_OPS, ("5", "5")),
        (evt.EVT_ASYNC_OPS, 5),
    ],
)
def test_nonsense_from_a_negotiation_handler_is_no_answer(
    kind: evt.EventKind, result: object, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Lockstep()
    ext_neg = [
        SOPClassExtendedNegotiation(sop_class_uid=CT_IMAGE, application_information=b"\1\1"),
        SOPClassCommonExtendedNegotiation(sop_class_uid=CT_IMAGE, service_class_uid="1.2.840.10008.4.2"),
        AsynchronousOperationsWindow(maximum_invoked=5, maximum_performed=5),
    ]

    async def main() -> None:
        core = make_server(backend, [(kind, lambda event: result)])
        async with associated(backend, core, ext_neg=ext_neg) as assoc:
            assert assoc.acceptor.sop_class_extended == {}
            window = assoc.acceptor.asynchronous_operations
            assert (window.maximum_invoked, window.maximum_performed) == (1, 1)

    backend.run(main)
    assert f"the handler of {kind.name} failed" in caplog.text


@pytest.mark.parametrize(
    ("configured", "asked", "agreed"),
    [
        (1, (5, 5), (1, 1)),
        (4, (5, 5), (4, 1)),
        (4, (2, 2), (2, 1)),
        ((4, 3), (5, 5), (4, 3)),
        (0, (5, 0), (5, 1)),
        ((0, 0), (0, 0), (0, 0)),
        (4, None, None),
    ],
)
def test_a_server_agrees_to_the_smaller_window(
    configured: int | tuple[int, int], asked: tuple[int, int] | None, agreed: tuple[int, int] | None
) -> None:
    backend = Lockstep()
    ae = make_ae(backend, "SCP")
    ae.maximum_operations = configured

    async def main() -> None:
        ext_neg = [] if asked is None else [window(*asked)]
        async with associated(backend, make_server(backend, ae=ae), ext_neg=ext_neg) as assoc:
            assert assoc.acceptor.asynchronous_operations == (agreed and window(*agreed))
        handlers = [(evt.EVT_ASYNC_OPS, lambda event: (3, 2))]
        if asked == (5, 5):
            async with associated(backend, make_server(backend, handlers, ae), ext_neg=ext_neg) as assoc:
                assert assoc.acceptor.asynchronous_operations == window(3, 2)

    def window(invoked: int, performed: int) -> AsynchronousOperationsWindow:
        return AsynchronousOperationsWindow(maximum_invoked=invoked, maximum_performed=performed)

    backend.run(main)


@pytest.mark.parametrize("configured", [-1, 65536, (1, -1), (1,), (1, 1, 1), "12", 1.5, None])
def test_a_window_that_is_none(configured: Any) -> None:
    ae = make_ae(Lockstep())
    with pytest.raises((TypeError, ValueError), match="maximum_operations: must be a number of operations"):
        ae.maximum_operations = configured


def test_items_that_are_made_empty_and_filled_are_negotiated(backend: AnyBackend) -> None:
    seen: list[Any] = []
    handlers = [
        (
            evt.EVT_USER_ID,
            lambda event: seen.append((event.user_id_type, event.primary_field)) or (True, None),
        ),
        (evt.EVT_SOP_EXTENDED, lambda event: seen.append(event.app_info) or event.app_info),
        (evt.EVT_SOP_COMMON, lambda event: seen.append(list(event.items)) or event.items),
    ]
    role, extended, common = (
        RoleSelection(),
        SOPClassExtendedNegotiation(),
        SOPClassCommonExtendedNegotiation(),
    )
    identity, window = UserIdentityRQ(), AsynchronousOperationsWindow()
    items: Any = [role, extended, common, identity, window]
    for item in items[:3]:
        item.sop_class_uid = CT_IMAGE
    items[0].scp_role = True
    items[1].application_information = b"\1"
    items[2].service_class_uid = "1.2.840.10008.4.2"
    items[3].identity_type, items[3].primary_field = 1, b"me"
    items[4].maximum_invoked, items[4].maximum_performed = 5, 1

    async def main() -> None:
        ae = make_ae(backend, "SCP")
        ae.maximum_operations = 3
        async with associated(backend, make_server(backend, handlers, ae), ext_neg=items) as assoc:
            (context,) = [one for one in assoc.accepted_contexts if one.abstract_syntax == CT_IMAGE]
            assert (context.requestor_is_scu, context.requestor_is_scp) == (False, True)
            assert assoc.acceptor.asynchronous_operations == window.replace(maximum_invoked=3)
            assert assoc.acceptor.sop_class_extended == {CT_IMAGE: b"\1"}

    backend.run(main)
    assert sorted(map(str, seen)) == sorted(map(str, [(1, b"me"), {CT_IMAGE: b"\1"}, [CT_IMAGE]]))


def test_roles_that_are_set_on_the_contexts_of_an_entity_are_negotiated(backend: AnyBackend) -> None:
    """From the next association on, also while it serves; the error of a requested context names a remedy."""

    async def main() -> None:
        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        with pytest.raises(AttributeError, match=r"give build_role\(\) in ext_neg of associate\(\)"):
            scu.requested_contexts[0].scp_role = True  # type: ignore[attr-defined]
        ext_neg = [
            build_role(cx.abstract_syntax, scu_role=True, scp_role=True) for cx in scu.requested_contexts
        ]
        async with backend.serving(make_server(backend, ae=scp)) as server:
            for scu_role, scp_role in ((False, True), (True, False), (None, None)):
                for cx in scp.supported_contexts:
                    cx.scp_role, cx.scu_role = scp_role, scu_role  # type: ignore[misc]
                async with await associate(backend, server.port, scu, ext_neg=ext_neg) as assoc:
                    roles = {(one.requestor_is_scu, one.requestor_is_scp) for one in assoc.accepted_contexts}
                    assert roles == {(scu_role is not False, scp_role is not False)}

    backend.run(main)


def test_a_user_identity_is_rejected_when_its_handler_fails(caplog: pytest.LogCaptureFixture) -> None:
    from dicomproto.errors import AssociationRejected

    backend = Lockstep()
    ext_neg = [UserIdentityRQ(identity_type=1, primary_field=b"me")]

    async def main() -> None:
        for result in (None, (True, "text"), 1):
            core = make_server(backend, [(evt.EVT_USER_ID, lambda event, result=result: result)])
            async with backend.serving(core) as server:
                with pytest.raises(AssociationRejected):
                    await open_association(
                        make_ae(backend), backend.backend, "scp", server.port, ext_neg=ext_neg
                    )
        core = make_server(backend, [(evt.EVT_USER_ID, lambda event: event.primary_field == b"me")])
        async with associated(backend, core, ext_neg=ext_neg) as assoc:
            assert assoc.requestor.user_identity == ext_neg[0]
            assert assoc.acceptor.user_identity is None

    backend.run(main)
    assert "returns (bool, bytes or None)" in caplog.text
