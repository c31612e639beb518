"""Ours and pynetdicom as the two sides of a conversation, in one process, under one face.

Both have an `AE`, the `EVT_*` names and the `send_*` methods, so that a conversation is written once and
held in both directions.
"""

from __future__ import annotations

import functools
import logging
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ParamSpec

import pynetdicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt as their_events
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.transport import ThreadedAssociationServer

from dicomproto.upper_layer import pdu
from dicomproto_transports import blocking
from dicomproto_transports import evt as our_events

from .archives import CT_IMAGE, EXPLICIT, IMPLICIT, MR_IMAGE, PATIENT, held_by, wait_until
from .programs import LOOPBACK

P = ParamSpec("P")

Handlers = dict[str, Callable[..., object]]
"""Handlers by the names of their events, without EVT_."""

TIMEOUT = 5.0
"""Seconds that pynetdicom waits for an answer that it may have lost."""

_POLL = 0.02
_ATTEMPTS = 5
_CANCEL, _RESPONSE = 0x0FFF, 0x8000  # Command Fields (PS3.7 E.1)
_PENDING = (0xFF00, 0xFF01)
_LOST_ANSWER = "DIMSE timeout reached while waiting for message response"


class Ours:
    """Our side."""

    name = "ours"
    evt: ModuleType = our_events

    @contextmanager
    def serving(self, handlers: Handlers, *contexts: str | tuple[str, Sequence[str]]) -> Iterator[int]:
        """Run a server and yield its port."""
        entity = blocking.AE("ACCEPTOR")
        server = entity.start_server(
            (LOOPBACK, 0), block=False, evt_handlers=bound(self.evt, handlers), contexts=contexts
        )
        try:
            yield server.port
        finally:
            server.shutdown()

    @contextmanager
    def associated(
        self,
        port: int,
        *contexts: str | tuple[str, Sequence[str]],
        handlers: Handlers | None = None,
        ext_neg: Iterable[Any] = (),
    ) -> Iterator[Any]:
        """Associate, and release at the end."""
        with blocking.AE("REQUESTOR").associate(
            LOOPBACK, port, contexts, ext_neg=ext_neg, evt_handlers=bound(self.evt, handlers or {})
        ) as association:
            yield association

    def destination(self, port: int, *uids: str) -> object:
        """Return what a handler of EVT_C_MOVE yields, to send objects of these SOP classes to a port."""
        return LOOPBACK, port

    def role(self, uid: str, *, scu: bool = False, scp: bool = False) -> Any:
        """Return an item of role selection."""
        return pdu.RoleSelection(sop_class_uid=uid, scu_role=scu, scp_role=scp)

    def extended(self, uid: str, information: bytes) -> Any:
        """Return an item of SOP class extended negotiation."""
        return pdu.SOPClassExtendedNegotiation(sop_class_uid=uid, application_information=information)

    def common_extended(self, uid: str, service_class: str, related: Sequence[str] = ()) -> Any:
        """Return an item of SOP class common extended negotiation."""
        return pdu.SOPClassCommonExtendedNegotiation(
            sop_class_uid=uid, service_class_uid=service_class, related_general_sop_class_uids=tuple(related)
        )

    def identity(self, kind: int, primary: bytes, secondary: bytes = b"", *, answer: bool = True) -> Any:
        """Return an item of user identity negotiation."""
        return pdu.UserIdentityRQ(
            identity_type=kind,
            positive_response_requested=answer,
            primary_field=primary,
            secondary_field=secondary,
        )

    def window(self, invoked: int, performed: int) -> Any:
        """Return an asynchronous operations window."""
        return pdu.AsynchronousOperationsWindow(maximum_invoked=invoked, maximum_performed=performed)


class Theirs:
    """pynetdicom's side."""

    name = "pynetdicom"
    evt: ModuleType = their_events

    def __init__(self) -> None:
        self.answers = Answers()
        """What becomes of the requests of the associations to come."""

    @contextmanager
    def serving(self, handlers: Handlers, *contexts: str | tuple[str, Sequence[str]]) -> Iterator[int]:
        """Run a server and yield its port."""
        entity = self._entity("ACCEPTOR")
        for context in contexts:
            uid, syntaxes = (context, None) if isinstance(context, str) else context
            entity.add_supported_context(uid, _listed(syntaxes), scu_role=True, scp_role=True)
        server = entity.make_server(
            (LOOPBACK, 0),
            evt_handlers=[*bound(self.evt, handlers), *self.answers.handlers],
            server_class=ThreadedAssociationServer,
        )
        # As `start_server` does, which would take half a second to shut down.
        thread = threading.Thread(target=server.serve_forever, args=(_POLL,))
        thread.start()
        try:
            yield server.server_address[1]
            # What the requestor has released may still be served; it is not to be aborted.
            wait_until(lambda: not server.active_associations, "pynetdicom has ended its associations")
        finally:
            for association in server.active_associations:
                association.abort()
            socketserver.BaseServer.shutdown(server)
            server.server_close()
            thread.join()

    @contextmanager
    def associated(
        self,
        port: int,
        *contexts: str | tuple[str, Sequence[str]],
        handlers: Handlers | None = None,
        ext_neg: Iterable[Any] = (),
    ) -> Iterator[Any]:
        """Associate, and release at the end."""
        entity = self._entity("REQUESTOR")
        for context in contexts:
            uid, syntaxes = (context, None) if isinstance(context, str) else context
            entity.add_requested_context(uid, _listed(syntaxes))
        association = entity.associate(
            LOOPBACK,
            port,
            ext_neg=list(ext_neg),
            evt_handlers=[*bound(self.evt, handlers or {}), *self.answers.handlers],
        )
        assert association.is_established
        try:
            yield association
            association.release()
        finally:
            association.abort()
            association.join()

    def _entity(self, title: str) -> Any:
        entity = pynetdicom.AE(title)
        entity.dimse_timeout = TIMEOUT
        return entity

    def destination(self, port: int, *uids: str) -> object:
        """Return what a handler of EVT_C_MOVE yields, to send objects of these SOP classes to a port."""
        contexts = [pynetdicom.build_context(uid) for uid in uids]
        return LOOPBACK, port, {"contexts": contexts, "evt_handlers": self.answers.handlers}

    def role(self, uid: str, *, scu: bool = False, scp: bool = False) -> Any:
        """Return an item of role selection."""
        return pynetdicom.build_role(uid, scu_role=scu, scp_role=scp)

    def extended(self, uid: str, information: bytes) -> Any:
        """Return an item of SOP class extended negotiation."""
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = uid, information
        return item

    def common_extended(self, uid: str, service_class: str, related: Sequence[str] = ()) -> Any:
        """Return an item of SOP class common extended negotiation."""
        item = SOPClassCommonExtendedNegotiation()
        item.sop_class_uid, item.service_class_uid = uid, service_class
        item.related_general_sop_class_identification = list(related)
        return item

    def identity(self, kind: int, primary: bytes, secondary: bytes = b"", *, answer: bool = True) -> Any:
        """Return an item of user identity negotiation."""
        item = UserIdentityNegotiation()
        item.user_identity_type, item.positive_response_requested = kind, answer
        item.primary_field = primary
        if secondary:
            item.secondary_field = secondary
        return item

    def window(self, invoked: int, performed: int) -> Any:
        """Return an asynchronous operations window."""
        item = AsynchronousOperationsWindowNegotiation()
        item.maximum_number_operations_invoked = invoked
        item.maximum_number_operations_performed = performed
        return item


class Answers:
    """The requests that pynetdicom sent, and how many of them had a final response that came to it.

    It is told of a message by the thread that reads, before the message can be lost between its threads.
    """

    def __init__(self) -> None:
        self._open: Counter[tuple[int, int]] = Counter()
        self.handlers = [(their_events.EVT_DIMSE_SENT, self._sent), (their_events.EVT_DIMSE_RECV, self._came)]

    def _sent(self, event: Any) -> None:
        command = event.message.command_set
        if command.CommandField < _RESPONSE and command.CommandField != _CANCEL:
            self._open[id(event.assoc), command.MessageID] += 1

    def _came(self, event: Any) -> None:
        command = event.message.command_set
        if command.CommandField >= _RESPONSE and command.Status not in _PENDING:
            self._open[id(event.assoc), command.MessageIDBeingRespondedTo] -= 1

    @property
    def all_came(self) -> bool:
        """Whether nothing was left unanswered by the peers."""
        return not any(self._open.values())


OURS, THEIRS = Ours(), Theirs()


Side = Ours | Theirs

both_ways = pytest.mark.parametrize(
    ("requestor", "acceptor"), [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours-asks", "pynetdicom-asks"]
)
both_syntaxes = pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])


def bound(events: ModuleType, handlers: Handlers) -> list[Any]:
    return [(getattr(events, f"EVT_{name}"), handler) for name, handler in handlers.items()]


def _listed(syntaxes: Sequence[str] | None) -> list[str] | None:
    return None if syntaxes is None else list(syntaxes)


def facts(status: Any) -> dict[str, object]:
    """Return a status with its related elements, those that are there, of a response or a Dataset."""
    keywords = ("Status", "ErrorComment", "OffendingElement", "ErrorID", "AttributeIdentifierList")
    found = {keyword: getattr(status, keyword, None) for keyword in keywords}
    return {keyword: _plain(keyword, value) for keyword, value in found.items() if value is not None}


def _plain(keyword: str, value: Any) -> object:
    if keyword in ("OffendingElement", "AttributeIdentifierList"):
        return [int(tag) for tag in ([value] if isinstance(value, int) else value)]
    return value if isinstance(value, str) else int(value)


def status(code: int, **elements: object) -> Dataset:
    """Return a status as a handler of either side may give it."""
    result = Dataset()
    result.Status = code
    for keyword, value in elements.items():
        setattr(result, keyword, value)
    return result


def images() -> list[Dataset]:
    """Return three CT images and an MR image."""
    some = held_by(PatientID=PATIENT)
    of_ct = [held.head for held in some if held.object.sop_class_uid == CT_IMAGE]
    of_mr = [held.head for held in some if held.object.sop_class_uid == MR_IMAGE]
    return [*of_ct[:3], of_mr[0]]


class Receiving:
    """A handler of EVT_C_STORE that refuses the object whose turn it is."""

    def __init__(self, refused: int = -1) -> None:
        self.came: list[str] = []
        self.originators: list[object] = []
        self._refused = refused

    def __call__(self, event: Any) -> int:
        self.came.append(str(event.request.AffectedSOPInstanceUID))
        request = event.request
        self.originators.append(
            (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID)
        )
        return 0xA700 if len(self.came) - 1 == self._refused else 0x0000


class _Lost(logging.Handler):
    """Notices that pynetdicom has lost an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.happened = False

    def emit(self, record: logging.LogRecord) -> None:
        self.happened = self.happened or _LOST_ANSWER in record.getMessage()


def again_if_an_answer_is_lost(test: Callable[P, None]) -> Callable[P, None]:
    """Hold a conversation again when pynetdicom has lost an answer; see `requestors.pynetdicom_requestor`.

    An answer that never came to it was not lost there, and is missed at once.
    """

    @functools.wraps(test)
    def attempts(*args: P.args, **kwargs: P.kwargs) -> None:
        logger = logging.getLogger("pynetdicom")
        for _ in range(_ATTEMPTS):
            lost = _Lost()
            answers = THEIRS.answers = Answers()
            logger.addHandler(lost)
            try:
                test(*args, **kwargs)
            except Exception as error:
                if lost.happened and answers.all_came:
                    continue
                if lost.happened:
                    error.add_note("pynetdicom waited in vain for an answer that never came to it")
                raise
            else:
                return
            finally:
                logger.removeHandler(lost)
        raise AssertionError(f"no answer in {_ATTEMPTS} attempts")

    return attempts
