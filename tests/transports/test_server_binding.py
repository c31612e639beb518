"""Handlers that come and go while a server runs."""

from __future__ import annotations

import pytest

from dicomproto_transports import evt


def first(event: evt.Event) -> int:
    return 1


def second(event: evt.Event) -> int:
    return 2


# --- the handlers of one association or server --------------------------------------------------


def test_an_intervention_event_has_one_handler() -> None:
    handlers = evt.Handlers([(evt.EVT_C_ECHO, first, ["a"])], allow_async=False)
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
    handlers = evt.Handlers([(kind, first), (kind, second, (1, 2)), (kind, first, [3])], allow_async=True)
    assert handlers.get_handlers(kind) == [(first, ()), (second, (1, 2)), (first, (3,))]
    handlers.unbind(kind, first)
    assert handlers.get_handlers(kind) == [(second, (1, 2))]
    assert handlers.get_events() == [kind]


@pytest.mark.parametrize("bound", [first, evt.in_thread(first)])
@pytest.mark.parametrize("unbound", [first, evt.in_thread(first)])
def test_a_handler_is_unbound_with_or_without_its_mark(bound: evt.Handler, unbound: evt.Handler) -> None:
    handlers = evt.Handlers([(evt.EVT_C_ECHO, bound)], allow_async=True)
    handlers.unbind(evt.EVT_C_ECHO, unbound)
    assert handlers.get_events() == []


def test_a_copy_changes_apart() -> None:
    handlers = evt.Handlers([(evt.EVT_C_ECHO, first)], allow_async=False)
    copied = handlers.copy()
    copied.bind(evt.EVT_C_STORE, second)
    assert handlers.get_events() == [evt.EVT_C_ECHO]
    assert copied.get_events() == [evt.EVT_C_ECHO, evt.EVT_C_STORE]
    assert copied.one(evt.EVT_C_ECHO) == handlers.one(evt.EVT_C_ECHO)
