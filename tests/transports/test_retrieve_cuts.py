"""A query and a retrieval that are cut anywhere: they end, and nothing is claimed that was not done."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.errors import AssociationError
from dicomproto.upper_layer.pdu import RoleSelection
from dicomproto_transports import evt
from dicomproto_transports.testing import Faults
from tests.associations import CT_IMAGE, Stored, associate, make_ae, make_server
from tests.backends import Lockstep

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
OBJECTS = 3
BOUND = 4000
"""Seconds on the virtual clock: more than `Timeouts.retrieve` and the others that it can meet."""


def identifier(number: int = 0) -> Dataset:
    made = Dataset()
    made.PatientID = str(number)
    return made


def image(number: int) -> Dataset:
    made = identifier(number)
    made.SOPClassUID, made.SOPInstanceUID = CT_IMAGE, f"1.2.{number}"
    return made


class Conversation:
    """A C-FIND and a C-GET over one association, and what became of them on both sides."""

    def __init__(self, to_server: Faults, to_client: Faults) -> None:
        self.stored = Stored()
        self.statuses: list[int] = []
        self.matches: list[str] = []
        self.error: AssociationError | None = None
        self.opened = self.closed = 0
        self.backend = Lockstep()
        self.faults = to_server, to_client
        self.backend.run(self.main)

    def handle(self, event: evt.Event) -> Any:
        self.opened += 1
        try:
            if event.event is evt.EVT_C_GET:
                yield OBJECTS
            for number in range(OBJECTS):
                yield 0xFF00, identifier(number) if event.event is evt.EVT_C_FIND else image(number)
        finally:
            self.closed += 1

    async def main(self) -> None:
        backend, network = self.backend, self.backend.world.backend
        ae = make_ae(backend)
        for uid in (FIND, GET):
            ae.add_requested_context(uid)
            ae.add_supported_context(uid)
        handlers = [(evt.EVT_C_FIND, self.handle), (evt.EVT_C_GET, self.handle)]
        async with backend.serving(make_server(backend, handlers, ae)) as server:
            network.to_server, network.to_client = self.faults
            roles = [RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True)]
            options: dict[str, Any] = {"ext_neg": roles, "evt_handlers": [(evt.EVT_C_STORE, self.stored)]}
            try:
                async with await associate(backend, server.port, ae, **options) as assoc:
                    async for status, match in assoc.send_c_find(identifier(), FIND):
                        self.statuses.append(status.Status)
                        if match is not None:
                            self.matches.append(match.PatientID)
                    async for status, _ in assoc.send_c_get(identifier(), GET):
                        self.statuses.append(status.Status)
            except AssociationError as error:
                self.error = error
            network.to_server = network.to_client = Faults()
            async with await associate(backend, server.port) as assoc:  # the server lives on
                assert (await assoc.send_c_echo()).Status == 0x0000


WHOLE = [0xFF00] * OBJECTS + [0] + [0xFF00] * (OBJECTS - 1) + [0]
LONGEST = 4000


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
@pytest.mark.parametrize("how", ["eof", "reset", "stall"])
def test_cut(how: Any, direction: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    succeeded = []
    for position in range(180, LONGEST, 23):
        cut = Faults(cut_after=position, how=how)
        faults = (cut, Faults()) if direction == "to the server" else (Faults(), cut)
        ran = Conversation(*faults)
        assert ran.backend.world.now() < BOUND
        assert ran.opened == ran.closed
        assert ran.statuses == WHOLE[: len(ran.statuses)]
        assert ran.matches == [str(number) for number in range(len(ran.matches))]
        if ran.statuses == WHOLE:
            succeeded.append(position)
            assert len(ran.stored.objects) == OBJECTS
        else:
            assert ran.error is not None
            assert len(ran.stored.objects) <= OBJECTS
    assert succeeded == [position for position in range(180, LONGEST, 23) if position >= min(succeeded)]
    assert not caplog.records  # whatever a peer does is no reason for a warning


@pytest.mark.parametrize("chunk", [1, 7])
def test_in_small_pieces(chunk: int) -> None:
    faults = Faults(chunk=chunk, accept=chunk)
    ran = Conversation(faults, faults)
    assert ran.error is None
    assert ran.statuses == WHOLE
    assert len(ran.stored.objects) == OBJECTS
