"""Rows that are bytes on the wire, put to a server of each flavour; a good C-ECHO follows each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto import CEchoRQ
from dicomproto.dimse.codec import encode_command
from dicomproto.matching import matches, response_identifier
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import (
    Abort,
    AssociateAC,
    AssociateRJ,
    ReleaseRP,
    ReleaseRQ,
)
from tests.identifiers import dataset
from tests.suites.hostile import HOSTILE
from tests.suites.quirks import QUIRKS
from tests.suites.rows import Input, Query, Row, naming, outcome_of, provoking, spread
from tests.weaknesses import wire as bare
from tests.weaknesses.products import Ours, OursServed

FLAVOURS = ("blocking", "trio", "anyio-asyncio", "anyio-trio")
MOST = 40
"""Inputs of a row that servers get, spread over the row; the engine has had them all."""


def find(event: Any) -> Iterator[tuple[int, Dataset]]:
    """Match a study as an archive does."""
    study = dataset(
        StudyInstanceUID="1.2.3", PatientName="DOE^JANE", StudyDate="20240101", StudyTime="101112"
    )
    if matches(event.identifier, study):
        yield 0xFF00, response_identifier(event.identifier, study)


@pytest.fixture(scope="module", params=FLAVOURS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that stays the same for all rows."""
    target = Ours() if request.param == "blocking" else OursServed(request.param)
    contexts = [(uid, (IMPLICIT_VR_LITTLE_ENDIAN,)) for uid in provoking.CONTEXT_OF]
    handlers = [(target.evt.EVT_C_STORE, lambda event: 0), (target.evt.EVT_C_FIND, find)]
    with target.serving(handlers, contexts) as port:
        yield port


class Client(bare.Wire):
    """A peer on a bare socket."""

    @classmethod
    def to(cls, port: int) -> Client:
        return cls.connect(port, Ours.patience)

    def echo(self, message_id: int) -> None:
        """Send a C-ECHO, and read up to its response."""
        echo = CEchoRQ(MessageID=message_id, AffectedSOPClassUID=VERIFICATION)
        self.send(bare.pdv(encode_command(echo)))
        while True:
            response = self.message().command
            if getattr(response, "MessageIDBeingRespondedTo", None) == message_id:
                assert response.Status == 0
                return

    def end(self) -> object:
        """Return the last PDU before the end of the connection."""
        last: object = None
        while (pdu := self.pdu()) is not None:
            last = pdu
        return last


def is_served(port: int) -> None:
    """Do a C-ECHO as a good client does."""
    with Client.to(port) as client:
        client.send(provoking.PROPOSAL)
        client.expect(AssociateAC)
        client.echo(1)
        client.release()


def takes_echo(answer: object) -> bool:
    """Tell whether an answer accepts the context for C-ECHO, which is the first one."""
    contexts = answer.presentation_contexts if isinstance(answer, AssociateAC) else ()
    return any(one.context_id == 1 and one.result == 0 for one in contexts)


def put_to_server(one: Input, port: int) -> None:
    """Give an input to a server; it answers as the engine does, and otherwise the association goes on."""
    with Client.to(port) as client:
        if one.given is provoking.serving:
            client.send(provoking.PROPOSAL)
            client.expect(AssociateAC)
        client.send(one.sends)
        answer, event = outcome_of(one)
        if isinstance(answer, (Abort, AssociateRJ)):
            assert client.end() == answer
        elif event == "AssociateRQ":
            if takes_echo(client.expect(AssociateAC, AssociateRJ)):
                client.echo(1)
                client.release()
        elif event == "ReleaseRQ":
            assert isinstance(client.end(), ReleaseRP)
        elif event == "Abort":
            client.end()
        elif isinstance(one, Query):
            assert client.status() in one.statuses
            client.echo(99)
            client.release()
        elif event not in ("", "DataSetChunk"):  # the message is whole
            client.echo(99)
            client.release()


def cases(rows: tuple[Row, ...]) -> list[object]:
    """Return the rows with inputs for servers, under the names of their tests."""
    return [pytest.param(row, id=f"{row.row}-{row.name}") for row in rows if row.at_servers()]


def put_all(row: Row, port: int) -> None:
    """Give inputs of a row to a server, and see that it goes on."""
    for one in spread(row.at_servers(), MOST):
        with naming(one):
            put_to_server(one, port)
    is_served(port)


@pytest.mark.parametrize("row", cases(HOSTILE))
def test_hostile(row: Row, port: int) -> None:
    put_all(row, port)


@pytest.mark.parametrize("row", cases(QUIRKS))
def test_quirk(row: Row, port: int) -> None:
    put_all(row, port)


def test_a_connection_has_one_association(port: int) -> None:
    with Client.to(port) as client:
        client.send(provoking.PROPOSAL)
        client.expect(AssociateAC)
        client.send(ReleaseRQ(), provoking.PROPOSAL)
        client.expect(ReleaseRP)
        assert client.end() is None
    is_served(port)
