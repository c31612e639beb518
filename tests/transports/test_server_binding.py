"""Handlers that come and go while a server runs."""

from __future__ import annotations

import pytest

from dicomproto_transports import evt
from dicomproto_transports.events.handlers import Handlers
from tests.associations import associate, make_ae, make_server
from tests.backends import AnyBackend, Blocking


def first(event: evt.Event) -> int:
    return 1


def second(event: evt.Event) -> int:
    return 2


# --- the handlers of one association or server --------------------------------------------------


def test_an_intervention_event_has_one_handler() -> None:
    handlers = Handlers([(evt.EVT_C_ECHO, first, ["a"])], allow_async=False)
    assert handlers.get_handlers(evt.EVT_C_ECHO) == [(first, ("a",))]
    handlers.bind(evt.EVT_C_ECHO, second)
    assert handlers.get_handlers(evt.EVT_C_ECHO) == [(second, ())]
    handlers.unbind(evt.EVT_C_ECHO, first)
    assert handlers.get_events() == [evt.EVT_C_ECHO]
    handlers.unbind(evt.EVT_C_ECHO, second)
    assert handlers.get_events() == handlers.get_handlers(evt.EVT_C_ECHO) == []
    handlers.unbind(evt.EVT_C_ECHO, second)


def test_a_notification_event_has_any_number_of_handlers() -> None:
    kind = evt.EVT_RELEASED
    handlers = Handlers([(kind, first), (kind, second, (1, 2)), (kind, first, [3])], allow_async=True)
    assert handlers.get_handlers(kind) == [(first, ()), (second, (1, 2)), (first, (3,))]
    handlers.unbind(kind, first)
    assert handlers.get_handlers(kind) == [(second, (1, 2))]
    assert handlers.get_events() == [kind]


@pytest.mark.parametrize("bound", [first, evt.in_thread(first)])
@pytest.mark.parametrize("unbound", [first, evt.in_thread(first)])
def test_a_handler_is_unbound_with_or_without_its_mark(bound: evt.Handler, unbound: evt.Handler) -> None:
    handlers = Handlers([(evt.EVT_C_ECHO, bound)], allow_async=True)
    handlers.unbind(evt.EVT_C_ECHO, unbound)
    assert handlers.get_events() == []


def test_a_copy_changes_apart() -> None:
    handlers = Handlers([(evt.EVT_C_ECHO, first)], allow_async=False)
    copied = handlers.copy()
    copied.bind(evt.EVT_C_STORE, second)
    assert handlers.get_events() == [evt.EVT_C_ECHO]
    assert copied.get_events() == [evt.EVT_C_ECHO, evt.EVT_C_STORE]
    assert copied.one(evt.EVT_C_ECHO) == handlers.one(evt.EVT_C_ECHO)


# --- a server that runs -------------------------------------------------------------------------


def test_a_server_binds_handlers_for_those_that_it_serves_already(backend: AnyBackend) -> None:
    def refuse(event: evt.Event) -> int:
        return 0x0112

    released: list[tuple[object, ...]] = []

    def note(event: evt.Event, *args: object) -> None:
        released.append(args)

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            assert server.get_events() == []
            async with await associate(backend, server.port) as early:
                assert (await early.send_c_echo()).Status == 0x0000
                server.bind(evt.EVT_C_ECHO, refuse)
                server.bind(evt.EVT_RELEASED, note, ["a", 1])
                async with await associate(backend, server.port) as late:
                    for association in (early, late):
                        assert (await association.send_c_echo()).Status == 0x0112
                assert server.get_events() == [evt.EVT_C_ECHO, evt.EVT_RELEASED]
                assert server.get_handlers(evt.EVT_C_ECHO) == [(refuse, ())]
                assert server.get_handlers(evt.EVT_RELEASED) == [(note, ("a", 1))]
                server.unbind(evt.EVT_C_ECHO, refuse)
                assert (await early.send_c_echo()).Status == 0x0000
                assert server.get_handlers(evt.EVT_C_ECHO) == []

    backend.run(main)
    assert released == [("a", 1)] * 2


def test_what_is_bound_to_one_association_stays_there(backend: AnyBackend) -> None:
    """Until the server binds something else in its place, for all."""

    def own(event: evt.Event) -> int:
        return 0x0112

    def greet(event: evt.Event) -> None:
        if event.assoc.requestor.ae_title == "SPECIAL":
            event.assoc.bind(evt.EVT_C_ECHO, own)

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_ESTABLISHED, greet)])) as server:
            async with (
                await associate(backend, server.port, make_ae(backend, "SPECIAL")) as special,
                await associate(backend, server.port) as plain,
            ):
                assert (await special.send_c_echo()).Status == 0x0112
                assert (await plain.send_c_echo()).Status == 0x0000
                assert server.get_events() == [evt.EVT_ESTABLISHED]
                server.bind(evt.EVT_C_ECHO, lambda event: 0x0122)
                for association in (special, plain):
                    assert (await association.send_c_echo()).Status == 0x0122

    backend.run(main)


def test_what_one_association_excludes_is_bound_to_none(backend: AnyBackend) -> None:
    def greet(event: evt.Event) -> None:
        if event.assoc.requestor.ae_title == "SPECIAL":
            event.assoc.bind(evt.EVT_C_STORE_STREAM, first)

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_ESTABLISHED, greet)])) as server:
            async with (
                await associate(backend, server.port, make_ae(backend, "SPECIAL")) as special,
                await associate(backend, server.port) as plain,
            ):
                for association in (special, plain):
                    assert (await association.send_c_echo()).Status == 0x0000
                with pytest.raises(ValueError, match="exclude each other"):
                    server.bind(evt.EVT_C_STORE, second)
                assert server.get_events() == [evt.EVT_ESTABLISHED]

    backend.run(main)


def test_what_cannot_be_bound_changes_nothing() -> None:
    backend = Blocking()

    async def suspend(event: evt.Event) -> int:
        return 0x0000

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            with pytest.raises(TypeError, match="blocking flavour"):
                server.bind(evt.EVT_C_ECHO, suspend)
            assert server.get_events() == []

    backend.run(main)
