"""The bridge to Hypothesis yields what it says: values of every class, and what can be sent."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from dicomproto import strategies
from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import COMMANDS, CEchoRQ, Command, CStoreRQ
from dicomproto.uids import is_valid_uid
from dicomproto.upper_layer import Role, State, UpperLayer, decode_pdu, encode_pdu
from tests.conversations import RQ

ONE = settings(database=None, phases=[Phase.generate], derandomize=True)
TAKES_REQUEST = {"answers"}
NAMES = sorted(set(strategies.__all__) - TAKES_REQUEST)


@pytest.mark.parametrize("name", NAMES)
def test_each_strategy_yields_something(name: str) -> None:
    found = find(getattr(strategies, name)(), lambda value: True, settings=ONE)
    assert found is not None


def test_an_answer_accepts_what_was_proposed() -> None:
    answer = find(strategies.answers(RQ), lambda value: True, settings=ONE)
    assert [context.context_id for context in answer.presentation_contexts] == [1, 3]


@given(strategies.uids(), strategies.ae_titles())
def test_text_is_conformant(uid: str, title: str) -> None:
    assert is_valid_uid(uid)
    assert 1 <= len(title) <= 16


@given(st.data())
def test_proposals_and_answers_make_an_association(data: st.DataObject) -> None:
    requestor, acceptor = UpperLayer(Role.REQUESTOR), UpperLayer(Role.ACCEPTOR)
    proposal = data.draw(strategies.proposals())
    requestor.send(proposal)
    requestor.transport_connected()
    acceptor.transport_connected()
    acceptor.receive_data(b"".join(requestor.data_to_send()))
    assert acceptor.next_event() == proposal
    answer = data.draw(strategies.answers(proposal))
    acceptor.send(answer)
    requestor.receive_data(b"".join(acceptor.data_to_send()))
    assert requestor.next_event() == answer
    assert requestor.state is acceptor.state is State.STA6


@given(strategies.pdus())
def test_pdus_are_encoded_and_decoded(pdu) -> None:
    assert decode_pdu(encode_pdu(pdu)) == pdu


@given(strategies.commands())
def test_commands_are_encoded_and_decoded(command: Command) -> None:
    decoded = decode_command(encode_command(command))
    assert decoded == command
    assert decoded.warnings == ()


@given(strategies.commands(CEchoRQ, CStoreRQ))
def test_commands_of_some_classes(command: Command) -> None:
    assert type(command) in (CEchoRQ, CStoreRQ)


def test_every_command_is_among_them() -> None:
    for kind in COMMANDS.values():
        command = find(strategies.commands(kind), lambda value: True, settings=ONE)
        assert type(command) is kind


def test_without_hypothesis_what_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location(strategies.__name__, strategies.__file__)
    assert spec
    assert spec.loader
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'dicomproto\[testing\]'") as caught:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert caught.value.name == "hypothesis"
