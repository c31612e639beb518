"""The association with pynetdicom's manners: it tells of failures by its state, and has a thread.

The thread of a requested association waits for the peer while nobody calls: it serves requests, and notices a
release, an abort and the idle timeout. In a server it is the thread that serves the peer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
    Response,
)
from dicomproto.errors import (
    AssociationError,
    AssociationRejected,
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    LocalProtocolError,
)
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateRJ, AssociateRQ

from ..association.closing import abort, release
from ..entity.requestor import connected_stream, establish
from ..events.handlers import Handlers
from ..files.sources import Encoding, MemorySource, piece_size
from ..scu.requests import decoded
from ..scu.responses import Responses
from ..scu.store import make_request
from ..streams.blocking_waits import Interrupted, run
from . import _config
from . import events as evt
from ._addresses import AddressInformation
from ._core import BACKEND, ChangingTimeouts, OwnThread, timeouts_of
from ._globals import (
    MODE_ACCEPTOR,
    MODE_REQUESTOR,
    STATUS_CANCEL,
    STATUS_FAILURE,
    STATUS_PENDING,
    STATUS_SUCCESS,
    STATUS_WARNING,
)
from ._logs import bind_dumps, log_identifier
from ._notices import library_binding
from ._objects import object_to_send
from ._proposal import request_of
from ._service_user import ServiceUser
from ._statuses import status_data_set
from ._turns import Turns
from .pdu_primitives import A_ASSOCIATE, associate_primitive
from .presentation import PresentationContext, negotiate_as_requestor
from .sop_class import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
    Verification,
)
from .status import code_to_category
from .utils import make_target

if TYPE_CHECKING:
    from ..association.operations import Reply
    from ..association.session import Session
    from ..tls import TLSArguments

LOGGER = logging.getLogger("pynetdicom.association")

T = TypeVar("T")

QUIET = 0.05
"""Seconds without a call after which the thread of a requested association waits for the peer."""

_IDENTIFIED = (STATUS_PENDING,)
_WITH_FAILED_LIST = (STATUS_CANCEL, STATUS_WARNING, STATUS_FAILURE)
"""The categories of responses with an identifier, to a C-FIND and to a C-GET or C-MOVE."""

_PRIVATE = {
    "dul": "EVT_PDU_RECV and EVT_PDU_SENT, or `abort()`",
    "dimse": "EVT_DIMSE_RECV and EVT_DIMSE_SENT, or the `send_*` methods",
    "acse": "`release()`, `abort()` and `is_established`",
    "set_socket": "bind_address= and tls_args= of `AE.associate`",
    "lock": "a lock of your own",
    "run_reactor": "`is_established`: the association serves its peer by itself",
}
"""What programs may touch of pynetdicom's parts, with the public way."""

_LAST_WAIT = 0.5
"""Seconds that an abort or a release waits for the thread of the association."""

_UPS = (
    UnifiedProcedureStepPull,
    UnifiedProcedureStepWatch,
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepQuery,
)

__all__ = ["Association", "ServiceUser"]


class Association(OwnThread):
    """One association; `AE.associate` returns the requestor's, `event.assoc` is that of a handler.

    `is_established`, `is_rejected`, `is_aborted` and `is_released` tell its state.
    """

    def __init__(self, ae: Any, mode: str, **options: Any) -> None:
        """Make an association; `mode` is "requestor" or "acceptor"; `options` are for the thread.

        A program that ends with an association of its own goes on serving the peer until that has ended it.
        """
        options["daemon"] = mode != MODE_REQUESTOR or threading.current_thread().daemon
        super().__init__(**options)
        stamp = datetime.now().strftime("%Y%m%d%H%M%S")
        self.mode = mode
        own: threading.Thread = self
        own.name = f"{'Acceptor' if self.is_acceptor else 'Requestor'}Thread@{stamp}"
        self.turns: Turns = Turns()
        self.bindings: evt.Bindings = evt.Bindings()
        self.live_timeouts: ChangingTimeouts = timeouts_of(
            acse=ae.acse_timeout, dimse=ae.dimse_timeout, connection=ae.connection_timeout, tls=15.0
        )
        self.network_timeout_response: str = "A-ABORT"
        self._ae = ae
        self._server: Any = None
        self._is_rejecting = False
        self._is_release_due = False
        self._target_in_context = make_target(self._serve)
        self._network_timeout: float | None = ae.network_timeout
        self._session: Session | None = None
        self._failure: AssociationError | None = None
        self._contexts: tuple[dict[int, PresentationContext], list[PresentationContext]] | None = None
        self._found: dict[tuple[str, str, str | None, bool], PresentationContext] = {}
        self._connect: tuple[Any, Any] = (None, None)
        self._over = threading.Event()
        self.requestor: ServiceUser = ServiceUser(self, MODE_REQUESTOR)
        self.acceptor: ServiceUser = ServiceUser(self, MODE_ACCEPTOR)

    if not TYPE_CHECKING:  # with it, a checker would allow any name

        def __getattr__(self, name: str) -> object:
            """Raise AttributeError, which names the public way for a private part of pynetdicom."""
            if name in _PRIVATE:
                text = f"assoc.{name} is an internal part of pynetdicom and has no counterpart"
                raise AttributeError(f"{text}; use {_PRIVATE[name]}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- which one ----------------------------------------------------------------------------------

    @property
    def ae(self) -> Any:
        """The application entity of this side."""
        return self._ae

    @property
    def mode(self) -> str:
        """ "requestor" or "acceptor"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        mode = mode.lower()
        if mode not in (MODE_REQUESTOR, MODE_ACCEPTOR):
            raise ValueError("Invalid association `mode` value, must be either 'requestor' or 'acceptor'")
        self._mode = mode

    @property
    def is_acceptor(self) -> bool:
        """Whether the peer has requested it."""
        return self._mode == MODE_ACCEPTOR

    @property
    def is_requestor(self) -> bool:
        """Whether this side has requested it."""
        return self._mode == MODE_REQUESTOR

    @property
    def local(self) -> dict[str, Any]:
        """Name, address and mode of this side."""
        return (self.acceptor if self.is_acceptor else self.requestor).info

    @property
    def remote(self) -> dict[str, Any]:
        """Name, address and mode of the peer."""
        return (self.requestor if self.is_acceptor else self.acceptor).info

    # -- state --------------------------------------------------------------------------------------

    @property
    def ending(self) -> AssociationError | None:
        """The error that explains the end, as the library knows it; None before the end."""
        return self._failure if self._session is None else self._session.ending.error

    @property
    def is_established(self) -> bool:
        """Whether it was accepted, and has not ended."""
        session = self._session
        return session is not None and session.ending.reason is None and session.connection.answer is not None

    @property
    def is_released(self) -> bool:
        """Whether it ended in order."""
        return isinstance(self.ending, AssociationReleased)

    @property
    def is_rejected(self) -> bool:
        """Whether the acceptor rejected it."""
        return self._is_rejecting or isinstance(self.ending, AssociationRejected)

    @property
    def is_aborted(self) -> bool:
        """Whether it ended otherwise: aborted, lost, timed out, or never connected."""
        return not isinstance(self.ending, AssociationReleased | AssociationRejected | None)

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for the answer to a request of the association or of its release."""
        return self.live_timeouts.association

    @acse_timeout.setter
    def acse_timeout(self, value: float | None) -> None:
        self.live_timeouts.change(association=value, artim=value)

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for the TCP connection."""
        return self.live_timeouts.connect

    @connection_timeout.setter
    def connection_timeout(self, value: float | None) -> None:
        self.live_timeouts.change(connect=value)

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response."""
        return self.live_timeouts.response

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self.live_timeouts.change(response=value, action=value, retrieve=value)

    @property
    def network_timeout(self) -> float | None:
        """Seconds without a message after which the association is ended."""
        return self._network_timeout

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self._network_timeout = value
        self.turns.nudge()

    # -- in a server -------------------------------------------------------------------------------

    @property
    def server(self) -> Any:
        """The server of an acceptor's association, None for a requestor's."""
        return self._server

    def note_rejection(self) -> None:
        """Note that the association is about to be rejected by this side, and tell the handlers."""
        self._is_rejecting = True
        evt.trigger(self, evt.EVT_REJECTED, {})

    @property
    def is_told_rejected(self) -> bool:
        """Whether the handlers of EVT_REJECTED have run."""
        return self._is_rejecting

    def serve_for(self, server: Any) -> None:
        """Take contexts and handlers of a server, and the settings of the application entity."""
        self._server, ae, acceptor = server, self._ae, self.acceptor
        self.bindings = server.bindings.copy()
        acceptor.maximum_length = ae.maximum_pdu_size
        acceptor.ae_title = server.ae_title
        acceptor.implementation_version_name = ae.implementation_version_name
        acceptor.supported_contexts = deepcopy(server.contexts)

    # -- handlers -----------------------------------------------------------------------------------

    def bind(self, event: evt.EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler for this association alone."""
        self.bindings.bind(event, handler, args)
        session = self._session
        if session is not None and isinstance(event, evt.NotificationEvent):
            kind, notice = library_binding(self, event)
            if not session.runner.handlers.all(kind):
                session.bind(kind, notice)

    def unbind(self, event: evt.EventType, handler: Callable[..., Any]) -> None:
        """Unbind a handler for this association alone."""
        self.bindings.unbind(event, handler)
        session = self._session
        if session is not None and isinstance(event, evt.NotificationEvent):
            kind, _ = library_binding(self, event)
            if not self.bindings.handlers(event):
                for bound in session.runner.handlers.all(kind):
                    session.unbind(kind, bound.handler)

    def get_events(self) -> list[evt.EventType]:
        """Return the events that have a handler, default handlers included."""
        return self.bindings.events()

    def get_handlers(self, event: evt.EventType) -> evt.HandlerArgType:
        """Return (handler, args) of an intervention event, a list of these of another event."""
        return self.bindings.handlers(event)

    def library_handlers(self) -> Handlers:
        """Return the handlers of the library that tell ours."""
        handlers = Handlers(allow_async=False)
        for event in self.bindings.several:
            handlers.bind(*library_binding(self, event))
        bind_dumps(handlers)
        return handlers

    @property
    def proposal(self) -> AssociateRQ | None:
        """The A-ASSOCIATE-RQ, as the library knows it."""
        return None if self._session is None else self._session.connection.request

    # -- presentation contexts -----------------------------------------------------------------------

    def _answered(self) -> tuple[dict[int, PresentationContext], list[PresentationContext]]:
        """Return the accepted contexts by ID, and the rejected ones."""
        if self._contexts is None:
            session = self._session
            answer = None if session is None else session.connection.answer
            if answer is None or self.is_acceptor:
                return {}, []
            roles = {
                uid: (item.scu_role, item.scp_role) for uid, item in self.requestor.role_selection.items()
            }
            contexts = self.requestor.requested_contexts
            for context in contexts:
                uid = context.abstract_syntax
                if uid is not None and uid in roles:
                    scu, scp = roles[uid]
                    context.scu_role, context.scp_role = bool(scu), bool(scp)
            primitive = self.acceptor.primitive
            assert primitive is not None
            answers = primitive.presentation_context_definition_results_list
            answered = {
                uid: (item.scu_role, item.scp_role) for uid, item in self.acceptor.role_selection.items()
            }
            self.settle_contexts(negotiate_as_requestor(contexts, answers, answered))
        assert self._contexts is not None
        return self._contexts

    def settle_contexts(self, contexts: list[PresentationContext]) -> None:
        """Note the outcome of the negotiation."""
        accepted = {context.context_id or 0: context for context in contexts if context.result == 0}
        self._contexts = accepted, [context for context in contexts if context.result != 0]

    @property
    def accepted_contexts(self) -> list[PresentationContext]:
        """The accepted presentation contexts, by ID."""
        accepted = self._answered()[0]
        return [accepted[context_id] for context_id in sorted(accepted)]

    @property
    def rejected_contexts(self) -> list[PresentationContext]:
        """The rejected presentation contexts."""
        return self._answered()[1]

    def _context_for(
        self,
        abstract_syntax: str | UID,
        transfer_syntax: str | UID = "",
        role: str | None = "scu",
        *,
        converts: bool = True,
    ) -> PresentationContext:
        """Return the accepted context for a SOP class. Raises ValueError."""
        key = str(abstract_syntax), str(transfer_syntax), role, converts
        context = self._found.get(key)
        if context is None:
            context = self._search(UID(abstract_syntax), UID(transfer_syntax), role, converts=converts)
            self._found[key] = context
        return context

    def _search(self, uid: UID, syntax: UID, role: str | None, *, converts: bool) -> PresentationContext:
        accepted = self.accepted_contexts
        possible = [context for context in accepted if context.abstract_syntax == uid]
        if not possible and uid == UnifiedProcedureStepPush:
            possible = [context for context in accepted if context.abstract_syntax in _UPS]
        if role is not None:
            possible = [
                context for context in possible if (context.as_scu if role == "scu" else context.as_scp)
            ]
        matches = []
        for context in possible:
            given = context.transfer_syntax[0]
            if syntax == given:
                return context
            if not syntax or (
                not (syntax.is_compressed or given.is_compressed)
                and syntax.is_little_endian == given.is_little_endian
            ):
                matches.append(context)
        if matches and converts:
            return matches[0]
        text = f"No presentation context for '{uid.name}' has been accepted by the peer"
        if syntax:
            text += f" with '{syntax.name}' transfer syntax"
        text += f" for the {(role or 'scu').upper()} role"
        LOGGER.error(text)
        raise ValueError(text)

    # -- begin --------------------------------------------------------------------------------------

    def connect_with(self, bind_address: Any, tls_args: TLSArguments | None) -> None:
        """Note the local address and the TLS arguments of the connection."""
        self._connect = bind_address, tls_args

    def request(self) -> None:
        """Connect to the acceptor and negotiate; the state tells the outcome."""
        LOGGER.info("Requesting Association")
        with self.turns:
            try:
                run(self._negotiate())
            except AssociationError as error:
                if self._session is None:
                    self._failure = error
                    evt.trigger(self, evt.EVT_ABORTED, {})
                LOGGER.error("Association %s: %s", "Rejected" if self.is_rejected else "Aborted", error)
                return
        LOGGER.info("Association Accepted")

    async def _negotiate(self) -> None:
        core, timeouts = self._ae.core, self.live_timeouts
        settings = core.settled()
        rq = request_of(self.requestor, self.acceptor)
        self.requestor.read_from(lambda: associate_primitive(rq))
        connection = settings.new_connection(Role.REQUESTOR, timeouts=timeouts)
        connection.send(rq)
        bind_address, tls_args = self._connect
        try:
            stream = await connected_stream(
                BACKEND,
                self.acceptor.address,
                self.acceptor.port,
                bind_address,
                tls_args,
                rq.called_ae_title,
                timeouts,
            )
        except ValueError as error:
            if tls_args is None:
                raise
            raise ConnectionLost(f"the connection to the peer has no TLS: {error}") from error
        session = core.new_session(
            connection,
            stream,
            BACKEND,
            Handlers(allow_async=False),
            settings,
            ae_title=rq.calling_ae_title,
            association=self,
        )
        await establish(session)

    def attach(self, session: Session) -> Association:
        """Take the session that this association is the face of."""
        self._session = session
        stream, connection = session.stream, session.connection
        local, peer = stream.local_address, stream.peer_address
        ours, theirs = self.requestor, self.acceptor
        if self.is_acceptor:
            ours, theirs = theirs, ours
            self.requestor.read_from(
                lambda: None if connection.request is None else associate_primitive(connection.request)
            )
        if local is not None:
            ours.address_info = AddressInformation.from_tuple(local)
        if peer is not None and self.is_acceptor:
            theirs.address_info = AddressInformation.from_tuple(peer)
        self.acceptor.read_from(self._answer_primitive)
        return self

    def _answer_primitive(self) -> A_ASSOCIATE | None:
        session = self._session
        if session is None:
            return None
        request, answer = session.connection.request, session.connection.answer
        if answer is not None:
            return associate_primitive(answer, request)
        error = session.ending.error
        if isinstance(error, AssociationRejected):
            rejection = AssociateRJ(result=error.result, source=error.source, reason=error.reason)
            return associate_primitive(rejection, request)
        return None

    # -- the thread ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve the peer while nobody calls; the thread does this."""
        self._target_in_context()

    def _serve(self) -> None:
        try:
            if self.is_acceptor:
                self.turns.take()
                try:
                    super().run()
                finally:
                    self.turns.give()
            else:
                self._watch()
        finally:
            self.turns.close()

    def _watch(self) -> None:
        """Wait for the peer whenever no call has come for a moment, to the end of the association."""
        session, turns = self._session, self.turns
        while session is not None and session.ending.reason is None:
            uses = turns.uses
            self._over.wait(QUIET)
            if turns.uses != uses or session.unfinished or not turns.take(wait=False):
                continue
            try:
                session.enter("the association's thread")
                try:
                    self._serve_until_wanted(session)
                finally:
                    session.leave()
            except AssociationError:
                pass
            except Exception as error:  # a fault of the library is not to leave the peer alone
                LOGGER.exception(error)
                run(session.end())
            finally:
                turns.give()

    def serve_peer(self) -> None:
        """Serve the peer in the association's own thread, to the end of the association, which raises."""
        session, turns = self._session, self.turns
        assert session is not None
        while True:
            self._serve_until_wanted(session)
            session.leave()
            try:
                turns.let_others()
            finally:
                session.enter("the server")

    def _serve_until_wanted(self, session: Session) -> None:
        """Serve the peer until another thread wants the association; raises AssociationError at the end."""
        turns = self.turns
        while turns.begin_wait():
            timeout = self._network_timeout
            deadline = None if timeout is None else session.stream.now() + timeout
            try:
                event = run(session.next_event(deadline))
            except Interrupted:
                return
            except TimeoutError:
                turns.end_wait()
                self._end_idle(session)
                continue
            finally:
                turns.end_wait()
            run(session.dispatch(event))
            run(session.send_all())
            if self._is_release_due:
                session.leave()
                try:
                    run(release(session, self.acse_timeout))
                finally:
                    session.enter("the association's thread")

    def _end_idle(self, session: Session) -> None:
        LOGGER.error("Network timeout reached")
        if self.network_timeout_response == "A-RELEASE":
            session.leave()
            try:
                run(release(session))
            finally:
                session.enter("the association's thread")
        else:
            run(session.end())

    # -- end ----------------------------------------------------------------------------------------

    def abort(self, block: bool = True) -> None:
        """Abort the association; does nothing after its end."""
        session = self._session
        if session is not None and session.ending.reason is None:
            LOGGER.info("Aborting Association")
            run(abort(session))
        self._end_thread(wait=block)

    def _end_thread(self, *, wait: bool) -> None:
        """Let the thread end, and wait for that: the peer has then had time to notice."""
        self._over.set()
        if wait and self.is_alive() and threading.current_thread() is not self:
            self.join(_LAST_WAIT)

    def kill(self) -> None:
        """End the association at once."""
        self.abort()

    def release(self) -> None:
        """Release the association; does nothing unless it is established."""
        session = self._session
        if session is None or not session.is_established:
            return
        LOGGER.info("Releasing Association")
        with self.turns:
            try:
                run(release(session, self.acse_timeout))
            except AssociationError as error:
                LOGGER.info("Association Aborted: %s", error)
            except LocalProtocolError as error:  # a handler's request has no response yet
                LOGGER.info("The release waits for a response: %s", error)
                self._is_release_due = True
                return
        self._end_thread(wait=True)

    # -- messages -----------------------------------------------------------------------------------

    def _established(self, what: str) -> Session:
        session = self._session
        if session is None or not session.is_established:
            text = f"The association with a peer SCP must be established before sending {what} request"
            raise RuntimeError(text)
        return session

    def is_cut(self, message_id: int) -> bool:
        """Tell whether the peer no longer waits for the result of its operation."""
        return self._session is not None and self._session.runner.is_cut(message_id)

    def _in_turn(self, session: Session, what: str, coroutine: Coroutine[Any, Any, T]) -> T | None:
        """Run a call of this thread; None if the association ends before its result."""
        with self.turns:
            try:
                session.enter(what)
                try:
                    return run(coroutine)
                finally:
                    session.leave()
            except AssociationError as error:
                LOGGER.error("No response: %s", error)
                return None
            finally:
                coroutine.close()

    def _encode(self, session: Session, dataset: Dataset, context: PresentationContext, what: str) -> bytes:
        try:
            return Encoding(session).encode(dataset, context.transfer_syntax[0])
        except Exception as error:
            verb = "Unable" if "Event Information" in what else "Failed"
            LOGGER.error("%s to encode the supplied %s", verb, what)
            raise ValueError(f"{verb} to encode the supplied {what}") from error

    def send_c_echo(self, msg_id: int = 1) -> Dataset:
        """Send a C-ECHO; returns the status, empty if there is no response.

        Raises RuntimeError unless the association is established, and ValueError without an accepted context.
        """
        session = self._established("a C-ECHO")
        context = self._context_for(Verification)
        check_numbers(msg_id)
        LOGGER.info("Sending Echo Request: MsgID %s", msg_id)
        request = CEchoRQ(MessageID=msg_id, AffectedSOPClassUID=Verification)
        reply = self._in_turn(session, "send_c_echo", session.call(request, context.context_id or 0))
        return Dataset() if reply is None else status_data_set(reply.response)

    def send_c_store(
        self,
        dataset: str | Path | Dataset,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Dataset:
        """Send an object, or the file of one, with C-STORE; returns the status, empty without a response.

        A file is streamed unchanged if its transfer syntax was accepted. Raises AttributeError for a data set
        that lacks something, and as `send_c_echo`.
        """
        session = self._established("a C-STORE")
        return self._store(session, "send_c_store", dataset, msg_id, priority, originator_aet, originator_id)

    def store(self, dataset: Dataset, msg_id: int) -> Dataset:
        """Send an object as a sub-operation of a C-GET, in the turn of the association's thread."""
        return self._store(self._established("a C-STORE"), "", dataset, msg_id, 2, None, None)

    def _store(
        self,
        session: Session,
        what: str,
        dataset: str | Path | Dataset,
        msg_id: int,
        priority: int,
        originator_aet: str | None,
        originator_id: int | None,
    ) -> Dataset:
        check_numbers(msg_id, priority)
        item, converts = object_to_send(dataset)
        try:
            context = self._context_for(item.sop_class_uid, item.transfer_syntax_uid, converts=converts)
            syntax = context.transfer_syntax[0]
            size = piece_size(session.connection.peer_maximum_length)
            try:
                if syntax == item.transfer_syntax_uid:
                    source = item.source(size, session.piece_buffers, session)
                else:
                    source = item.converted(syntax, size, session)
            except DataSetError as error:
                LOGGER.error("Failed to encode the supplied dataset")
                raise ValueError("Failed to encode the supplied dataset") from error
            request = make_request(
                MessageID=msg_id,
                AffectedSOPClassUID=item.sop_class_uid,
                AffectedSOPInstanceUID=item.sop_instance_uid,
                Priority=priority,
                MoveOriginatorApplicationEntityTitle=originator_aet and title_in_message(originator_aet),
                MoveOriginatorMessageID=originator_id,
            )
            call = session.call(request, context.context_id or 0, source)
            if what:
                reply = self._in_turn(session, what, call)
            else:
                reply = run(call)
        finally:
            item.close()
        return Dataset() if reply is None else status_data_set(reply.response)

    def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | UID | None = None
    ) -> None:
        """Send a C-CANCEL for the operation with a Message ID.

        Raises ValueError without `context_id` and `query_model`, and as `send_c_echo`.
        """
        session = self._established("a C-CANCEL")
        if isinstance(query_model, str):
            self._context_for(query_model)
        elif not isinstance(context_id, int):
            raise ValueError(
                "'send_c_cancel' requires either the 'query_model' used for the service request or the "
                "corresponding 'context_id'"
            )
        LOGGER.info("Sending C-CANCEL request")
        with self.turns:
            try:
                run(session.cancel(msg_id))
            except LocalProtocolError as error:
                LOGGER.warning("No C-CANCEL was sent: %s", error)

    def send_c_find(
        self, dataset: Dataset, query_model: str | UID, msg_id: int = 1, priority: int = 2
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a C-FIND; returns an iterator over (status, identifier or None).

        The status is empty if there is no response. Raises ValueError if the data set cannot be encoded, and
        as `send_c_echo`.
        """
        session = self._established("a C-FIND")
        context = self._context_for(query_model)
        data = self._encode(session, dataset, context, "Dataset")
        check_numbers(msg_id, priority)
        request = CFindRQ(MessageID=msg_id, AffectedSOPClassUID=str(query_model), Priority=priority)
        log_identifier(LOGGER, "Request Identifier", dataset, wanted=_config.LOG_REQUEST_IDENTIFIERS)
        return self._responses(session, request, context, data)

    def send_c_get(
        self, dataset: Dataset, query_model: str | UID, msg_id: int = 1, priority: int = 2
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a C-GET; returns an iterator as `send_c_find`. EVT_C_STORE handles the objects."""
        session = self._established("a C-GET")
        context = self._context_for(query_model)
        data = self._encode(session, dataset, context, "Identifier dataset")
        check_numbers(msg_id, priority)
        request = CGetRQ(MessageID=msg_id, AffectedSOPClassUID=str(query_model), Priority=priority)
        log_identifier(LOGGER, "Request Identifier", dataset, wanted=_config.LOG_REQUEST_IDENTIFIERS)
        return self._responses(session, request, context, data)

    def send_c_move(
        self, dataset: Dataset, move_aet: str, query_model: str | UID, msg_id: int = 1, priority: int = 2
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a C-MOVE to the AE `move_aet`; returns an iterator as `send_c_find`."""
        session = self._established("a C-MOVE")
        context = self._context_for(query_model)
        data = self._encode(session, dataset, context, "Identifier dataset")
        check_numbers(msg_id, priority)
        request = CMoveRQ(
            MessageID=msg_id,
            AffectedSOPClassUID=str(query_model),
            MoveDestination=title_in_message(move_aet),
            Priority=priority,
        )
        log_identifier(LOGGER, "Request Identifier", dataset, wanted=_config.LOG_REQUEST_IDENTIFIERS)
        return self._responses(session, request, context, data)

    def _responses(
        self, session: Session, request: Any, context: PresentationContext, data: bytes
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        LOGGER.info("Sending %s: MsgID %s", request.name, request.MessageID)
        accepted = session.connection.accepted_contexts[context.context_id or 0]
        responses: Responses[Any] = Responses(session, request, accepted, data)
        with self.turns:
            try:
                run(responses.begin())
            except AssociationError as error:
                LOGGER.error("No response: %s", error)
        return self._iterate(session, responses, request)

    def _iterate(
        self, session: Session, responses: Responses[Any], request: Request
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        reply: Reply[Any] | None
        while True:
            try:
                with self.turns:
                    reply = run(responses.next_reply())
            except AssociationError as error:
                LOGGER.error("No response: %s", error)
                yield Dataset(), None
                return
            if reply is None:
                return
            response: Response = reply.response
            status, identifier = status_data_set(response), None
            category = code_to_category(response.Status)
            if category in (_IDENTIFIED if isinstance(request, CFindRQ) else _WITH_FAILED_LIST):
                try:
                    identifier = decoded(session, reply) or Dataset()
                except DataSetError as error:
                    LOGGER.error("Failed to decode the received Identifier dataset: %s", error)
            wanted = _config.LOG_RESPONSE_IDENTIFIERS
            log_identifier(LOGGER, "Response Identifier", identifier, wanted=wanted)
            yield status, identifier
            if reply.is_final:
                return

    # -- normalized services ------------------------------------------------------------------------

    def _ask(
        self,
        what: str,
        request: Any,
        uid: str | UID,
        dataset: Dataset | None,
        name: str = "",
        role: str | None = "scu",
    ) -> tuple[Dataset, Dataset | None]:
        """Send a request of the normalized services on the context of `uid`."""
        session = self._established(what)
        check_numbers(request.MessageID)
        context, source = self._context_for(uid, role=role), None
        if dataset is not None:
            data = self._encode(session, dataset, context, f"'{name}' dataset")
            if data or type(request).data_set_required:
                source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
                request = request.replace(CommandDataSetType=DATA_SET_PRESENT)
        call = session.call(request, context.context_id or 0, source)
        reply: Reply[Any] | None = self._in_turn(session, what, call)
        if reply is None:
            return Dataset(), None
        status = status_data_set(reply.response)
        if code_to_category(reply.response.Status) not in (STATUS_SUCCESS, STATUS_WARNING):
            return status, None
        try:
            return status, decoded(session, reply) or Dataset()
        except DataSetError as error:
            LOGGER.error("Unable to decode the received dataset: %s", error)
            status.Status = 0x0110
            return status, None

    def send_n_action(
        self,
        dataset: Dataset | None,
        action_type: int,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-ACTION; returns the status, empty without a response, and the Action Reply or None.

        The reply is empty if none was sent with success or a warning. `meta_uid` is the SOP class of the
        context, `class_uid` otherwise. Raises as `send_c_find`.
        """
        self._established("an N-ACTION")
        request = NActionRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
            ActionTypeID=action_type,
        )
        return self._ask("an N-ACTION", request, meta_uid or class_uid, dataset, "Action Information")

    def send_n_create(
        self,
        dataset: Dataset | None,
        class_uid: str | UID,
        instance_uid: str | UID | None = None,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-CREATE; returns the status and the Attribute List as `send_n_action`."""
        self._established("an N-CREATE")
        request = NCreateRQ(
            MessageID=msg_id,
            AffectedSOPClassUID=str(class_uid),
            AffectedSOPInstanceUID=str(instance_uid) if instance_uid else None,
        )
        return self._ask("an N-CREATE", request, meta_uid or class_uid, dataset, "Attribute List")

    def send_n_delete(
        self,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> Dataset:
        """Send an N-DELETE; returns the status, empty without a response. Raises as `send_c_echo`."""
        self._established("an N-DELETE")
        request = NDeleteRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
        )
        return self._ask("an N-DELETE", request, meta_uid or class_uid, None)[0]

    def send_n_event_report(
        self,
        dataset: Dataset | None,
        event_type: int,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-EVENT-REPORT; returns the status and the Event Reply as `send_n_action`."""
        self._established("an N-EVENT-REPORT")
        request = NEventReportRQ(
            MessageID=msg_id,
            AffectedSOPClassUID=str(class_uid),
            AffectedSOPInstanceUID=str(instance_uid),
            EventTypeID=event_type,
        )
        uid = meta_uid or class_uid
        return self._ask("an N-EVENT-REPORT", request, uid, dataset, "Event Information", None)

    def send_n_get(
        self,
        identifier_list: list[Any] | None,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-GET for the tags of a list; returns the status and the Attribute List."""
        self._established("an N-GET")
        request = NGetRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
            AttributeIdentifierList=tags_of(identifier_list),
        )
        return self._ask("an N-GET", request, meta_uid or class_uid, None)

    def send_n_set(
        self,
        dataset: Dataset,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-SET; returns the status and the Attribute List as `send_n_action`."""
        self._established("an N-SET")
        request = NSetRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
        )
        return self._ask("an N-SET", request, meta_uid or class_uid, dataset, "Modification List")


def title_in_message(title: str) -> str:
    """Return an AE title as `_config.USE_SHORT_DIMSE_AET` wants it in a message."""
    return title if _config.USE_SHORT_DIMSE_AET else title.ljust(16)


def check_numbers(msg_id: int, priority: int = 2) -> None:
    """Check a Message ID and a priority. Raises TypeError and ValueError."""
    given: object = msg_id
    if not isinstance(given, int):
        raise TypeError("'MessageID' must be an int")
    if not 0 <= given <= 0xFFFF:
        raise ValueError("'MessageID' must be between 0 and 65535, inclusive")
    if priority not in (0, 1, 2):
        raise ValueError("'Priority' must be 0, 1, or 2")


def tags_of(given: list[Any] | None) -> tuple[int, ...] | None:
    """Return the tags of a list in any form that pydicom takes; None for none."""
    from pydicom.tag import Tag

    if not given:
        return None
    return tuple(int(Tag(tag)) for tag in given)
