"""An association has a thread that serves its peer while the program does other things."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.waits import LONGEST, becomes

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"
VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT, COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"

LEAKY = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pynetdicom leaves sockets open."""


@pytest.fixture(params=[OURS, pytest.param(THEIRS, marks=LEAKY)])
def package(request: pytest.FixtureRequest) -> Any:
    return import_module(request.param)


@pytest.fixture
def ae(package: Any) -> Iterator[Any]:
    ae = package.AE()
    for uid in (VERIFICATION, COMMITMENT):
        ae.add_supported_context(uid)
        ae.add_requested_context(uid)
    yield ae
    ae.shutdown()


def served(package: Any, ae: Any, **handlers: Callable[..., Any]) -> Any:
    bindings = [(getattr(package.evt, name), handler) for name, handler in handlers.items()]
    return ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bindings)


def requested(package: Any, ae: Any, server: Any, **handlers: Callable[..., Any]) -> Any:
    bindings = [(getattr(package.evt, name), handler) for name, handler in handlers.items()]
    assoc = ae.associate(*server.server_address[:2], evt_handlers=bindings)
    assert assoc.is_established
    return assoc


def test_it_is_a_thread_with_a_name(package: Any, ae: Any) -> None:
    server = served(package, ae)
    assoc = requested(package, ae, server)
    assert isinstance(assoc, threading.Thread)
    assert assoc.is_alive()
    assert assoc.name.startswith("RequestorThread@")
    (accepted,) = server.active_associations
    assert accepted.name.startswith("AcceptorThread@")
    assert {one.mode for one in ae.active_associations} == {"requestor", "acceptor"}
    assoc.release()
    assert becomes(lambda: not assoc.is_alive() and not accepted.is_alive())
    assert ae.active_associations == []


def test_a_release_of_the_peer_is_noticed_while_the_program_sleeps(package: Any, ae: Any) -> None:
    released: list[object] = []
    server = served(package, ae)
    assoc = requested(package, ae, server, EVT_RELEASED=released.append)
    server.active_associations[0].release()
    assert becomes(lambda: not assoc.is_established)
    assert assoc.is_released
    assert becomes(lambda: len(released) == 1)


def test_an_abort_of_the_peer_is_noticed_while_the_program_sleeps(package: Any, ae: Any) -> None:
    aborted: list[object] = []
    server = served(package, ae)
    assoc = requested(package, ae, server, EVT_ABORTED=aborted.append)
    server.active_associations[0].abort()
    assert becomes(lambda: assoc.is_aborted)
    assert not assoc.is_established
    assert becomes(lambda: len(aborted) == 1)
    with pytest.raises(RuntimeError):
        assoc.send_c_echo()


def test_an_event_report_reaches_a_requestor_that_sleeps(package: Any, ae: Any) -> None:
    seen: list[Any] = []

    def handle_report(event: Any) -> tuple[int, None]:
        seen.append((event.event_type, event.event_information.TransactionUID, threading.current_thread()))
        return 0x0000, None

    server = served(package, ae)
    assoc = requested(package, ae, server, EVT_N_EVENT_REPORT=handle_report)
    report = Dataset()
    report.TransactionUID = "1.2.3"
    acceptor = server.active_associations[0]  # another thread than this serves it
    for _ in range(2):
        status, reply = acceptor.send_n_event_report(report, 1, COMMITMENT, COMMITMENT_INSTANCE)
        assert (status.Status, reply) == (0x0000, Dataset())
    assert [one[:2] for one in seen] == [(1, "1.2.3")] * 2
    assert assoc.send_c_echo().Status == 0x0000
    assoc.release()
    assert assoc.is_released


def test_calls_of_several_threads_take_turns(package: Any, ae: Any) -> None:
    if package.__name__ == THEIRS:
        return  # pynetdicom mixes the responses up
    assoc = requested(package, ae, served(package, ae))
    statuses: list[int] = []

    def call() -> None:
        statuses.extend(assoc.send_c_echo().Status for _ in range(50))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0x0000] * 200
    assoc.release()


@pytest.mark.parametrize("response", ["A-ABORT", "A-RELEASE"])
def test_the_idle_time_ends_an_association(package: Any, ae: Any, response: str) -> None:
    assoc = requested(package, ae, served(package, ae))
    assoc.network_timeout_response = response
    assoc.network_timeout = 0.1
    assert becomes(lambda: not assoc.is_established)
    assert (assoc.is_aborted, assoc.is_released) == (response == "A-ABORT", response == "A-RELEASE")


def test_timeouts_of_the_entity_reach_running_associations(package: Any, ae: Any) -> None:
    server = served(package, ae)
    assoc = requested(package, ae, server)
    ae.acse_timeout, ae.dimse_timeout, ae.connection_timeout = 11, 12, 13
    assert (assoc.acse_timeout, assoc.dimse_timeout, assoc.connection_timeout) == (11, 12, 13)
    (accepted,) = server.active_associations
    assert accepted.dimse_timeout == 12
    ae.network_timeout = 0.1
    assert becomes(lambda: assoc.is_aborted and not accepted.is_alive())


def test_a_peer_without_an_answer_is_given_up(package: Any, ae: Any) -> None:
    done = threading.Event()

    def handle_echo(event: Any) -> int:
        done.wait(LONGEST)
        return 0x0000

    assoc = requested(package, ae, served(package, ae, EVT_C_ECHO=handle_echo))
    assoc.dimse_timeout = 0.1
    assert assoc.send_c_echo() == Dataset()
    assert assoc.is_aborted
    done.set()


def test_a_call_wakes_a_thread_that_waits(package: Any, ae: Any) -> None:
    if package.__name__ == THEIRS:
        return  # its thread never waits
    assoc = requested(package, ae, served(package, ae))
    for _ in range(3):
        assert becomes(lambda: assoc.turns.is_idle)
        assert assoc.send_c_echo().Status == 0x0000
    assert becomes(lambda: assoc.turns.is_idle)
    assoc.release()
    assert assoc.is_released


def test_a_release_in_a_handler_ends_the_association(ae: Any, package: Any) -> None:
    def handle_echo(event: Any) -> int:
        event.assoc.release()
        return 0x0000

    if package.__name__ == THEIRS:
        return  # its requestor gets no response and waits in vain
    assoc = requested(package, ae, served(package, ae, EVT_C_ECHO=handle_echo))
    assert assoc.send_c_echo().Status == 0x0000
    assert becomes(lambda: assoc.is_released)


VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="none")


@pytest.mark.parametrize(("switch", "value"), [(False, "none"), (True, "set")])
def test_handlers_have_the_context_variables_of_the_program(
    package: Any, ae: Any, switch: bool, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(import_module(f"{package.__name__}._config"), "PASS_CONTEXTVARS", switch)
    server = served(package, ae)
    token = VARIABLE.set("set")
    assoc = requested(package, ae, server, EVT_RELEASED=lambda event: seen.append(VARIABLE.get()))
    VARIABLE.reset(token)
    server.active_associations[0].release()
    assert becomes(lambda: seen == [value])
    assert not assoc.is_established
