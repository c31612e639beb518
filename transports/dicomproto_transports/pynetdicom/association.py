"""The association with pynetdicom's manners: it tells of failures by its state, and has a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydicom.uid import UID

from dicomproto.errors import AssociationError, AssociationRejected, ConnectionLost, LocalProtocolError
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateRJ, AssociateRQ

from ..association.closing import abort, release
from ..entity.requestor import connected_stream, establish
from ..events.handlers import Handlers
from ..streams.blocking_waits import run
from . import events as evt
from ._addresses import AddressInformation
from ._composite_services import CompositeServices
from ._core import BACKEND
from ._globals import MODE_ACCEPTOR, MODE_REQUESTOR
from ._internals import PRIVATE_PARTS
from ._logs import bind_dumps
from ._normalized_services import NormalizedServices
from ._notices import library_binding, library_bindings
from ._peer_thread import PeerThread
from ._proposal import request_of
from ._service_user import ServiceUser
from .pdu_primitives import A_ASSOCIATE, associate_primitive
from .presentation import PresentationContext, negotiate_as_requestor

if TYPE_CHECKING:
    from ..association.session import Session
    from ..tls import TLSArguments

LOGGER = logging.getLogger("pynetdicom.association")

__all__ = ["Association", "ServiceUser"]


class Association(CompositeServices, NormalizedServices, PeerThread):
    """One association; `AE.associate` returns the requestor's, `event.assoc` is that of a handler.

    `is_established`, `is_rejected`, `is_aborted` and `is_released` tell its state.
    """

    def __init__(self, ae: Any, mode: str, **options: Any) -> None:
        """Make an association; `mode` is "requestor" or "acceptor"; `options` are for the thread.

        A program that ends with an association of its own goes on serving the peer until that has ended it.
        """
        options["daemon"] = mode != MODE_REQUESTOR or threading.current_thread().daemon
        super().__init__(ae, mode, **options)
        stamp = datetime.now().strftime("%Y%m%d%H%M%S")
        own: threading.Thread = self
        own.name = f"{'Acceptor' if self.is_acceptor else 'Requestor'}Thread@{stamp}"
        self.bindings: evt.Bindings = evt.Bindings()
        self._server: Any = None
        self._connect: tuple[Any, Any] = (None, None)
        self.requestor: ServiceUser = ServiceUser(self, MODE_REQUESTOR)
        self.acceptor: ServiceUser = ServiceUser(self, MODE_ACCEPTOR)

    if not TYPE_CHECKING:  # with it, a checker would allow any name

        def __getattr__(self, name: str) -> object:
            """Raise AttributeError, which names the public way for a private part of pynetdicom."""
            if name in PRIVATE_PARTS:
                text = f"assoc.{name} is an internal part of pynetdicom and has no counterpart"
                raise AttributeError(f"{text}; use {PRIVATE_PARTS[name]}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def local(self) -> dict[str, Any]:
        """Name, address and mode of this side."""
        return (self.acceptor if self.is_acceptor else self.requestor).info

    @property
    def remote(self) -> dict[str, Any]:
        """Name, address and mode of the peer."""
        return (self.requestor if self.is_acceptor else self.acceptor).info

    # -- in a server -------------------------------------------------------------------------------

    @property
    def server(self) -> Any:
        """The server of an acceptor's association, None for a requestor's."""
        return self._server

    def note_rejection(self) -> None:
        """Note that the association is about to be rejected by this side, and tell the handlers."""
        self.is_told_rejected = True
        evt.trigger(self, evt.EVT_REJECTED, {})

    def serve_for(self, server: Any) -> None:
        """Take contexts and handlers of a server, and the settings of the application entity."""
        self._server, ae, acceptor = server, self.ae, self.acceptor
        self.bindings = server.bindings.copy()
        acceptor.maximum_length = ae.maximum_pdu_size
        acceptor.ae_title = server.ae_title
        acceptor.implementation_version_name = ae.implementation_version_name
        acceptor.supported_contexts = deepcopy(server.contexts)

    # -- handlers -----------------------------------------------------------------------------------

    def bind(self, event: evt.EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler for this association alone."""
        self.bindings.bind(event, handler, args)
        session = self.session
        if session is not None and isinstance(event, evt.NotificationEvent):
            kind, notice = library_binding(self, event)
            if not session.runner.handlers.all(kind):
                session.bind(kind, notice)

    def unbind(self, event: evt.EventType, handler: Callable[..., Any]) -> None:
        """Unbind a handler for this association alone."""
        self.bindings.unbind(event, handler)
        session = self.session
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
        for kind, notice in library_bindings(self):
            handlers.bind(kind, notice)
        bind_dumps(handlers)
        return handlers

    @property
    def proposal(self) -> AssociateRQ | None:
        """The A-ASSOCIATE-RQ, as the library knows it."""
        return None if self.session is None else self.session.connection.request

    # -- presentation contexts -----------------------------------------------------------------------

    @property
    def accepted_contexts(self) -> list[PresentationContext]:
        """The accepted presentation contexts, by ID."""
        return self.contexts.accepted

    @property
    def rejected_contexts(self) -> list[PresentationContext]:
        """The rejected presentation contexts."""
        return self.contexts.rejected

    def _get_valid_context(
        self,
        ab_syntax: str | UID,
        tr_syntax: str | UID,
        role: str | None = None,
        context_id: int | None = None,
        allow_conversion: bool = True,
    ) -> PresentationContext:
        """Return the accepted context for a SOP class, as pynetdicom's own programs ask for it.

        Raises ValueError.
        """
        return self.contexts.find(ab_syntax, tr_syntax, role, context_id, converts=allow_conversion)

    def negotiated(self) -> list[PresentationContext] | None:
        """Return the contexts with the acceptor's answers; None before there are any."""
        session = self.session
        if self.is_acceptor or session is None or session.connection.answer is None:
            return None
        contexts, roles = self.requestor.requested_contexts, _roles(self.requestor)
        for context in contexts:
            proposed = roles.get(context.abstract_syntax or UID(""))
            if proposed is not None:
                context.scu_role, context.scp_role = map(bool, proposed)
        primitive = self.acceptor.primitive
        assert primitive is not None
        answers = primitive.presentation_context_definition_results_list
        return negotiate_as_requestor(contexts, answers, _roles(self.acceptor))

    # -- begin --------------------------------------------------------------------------------------

    def connect_with(self, bind_address: Any, tls_args: TLSArguments | None) -> None:
        """Note the local address and the TLS arguments of the connection."""
        self._connect = bind_address, tls_args

    def request(self) -> None:
        """Connect to the acceptor and negotiate; the state tells the outcome."""
        LOGGER.info("Requesting Association")
        rq = request_of(self.requestor, self.acceptor)
        self.requestor.read_from(lambda: associate_primitive(rq))
        evt.trigger(self, evt.EVT_REQUESTED, {})
        with self.turns:
            try:
                run(self._negotiate(rq))
            except AssociationError as error:
                if self.session is None:
                    self.failure: AssociationError | None = error
                    peer = self.acceptor.address_info
                    evt.trigger(self, evt.EVT_CONN_CLOSE, {"address": peer and peer.as_tuple})
                    evt.trigger(self, evt.EVT_ABORTED, {})
                LOGGER.error("Association %s: %s", "Rejected" if self.is_rejected else "Aborted", error)
                return
        LOGGER.info("Association Accepted")

    async def _negotiate(self, rq: AssociateRQ) -> None:
        core, timeouts = self.ae.core, self.live_timeouts
        settings = core.settled()
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
        self.session: Session | None = session
        session.keeps_message_ids = True  # pynetdicom's default is 1 for each request
        session.ending.is_told = self.is_requestor
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
        session = self.session
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

    # -- end ----------------------------------------------------------------------------------------

    def abort(self, block: bool = True) -> None:
        """Abort the association; does nothing after its end, nor in a handler after a rejection."""
        if self.is_told_rejected and threading.current_thread() is self:
            return  # the rejection ends it
        session = self.session
        if session is not None and session.ending.reason is None:
            LOGGER.info("Aborting Association")
            run(abort(session))
        self.end_thread(wait=block)

    def kill(self) -> None:
        """End the association at once, as `abort`."""
        self.abort()

    def release(self) -> None:
        """Release the association; does nothing unless it is established."""
        session = self.session
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
                self.release_later()
                return
        self.end_thread(wait=True)


def _roles(side: ServiceUser) -> dict[UID, tuple[bool | None, bool | None]]:
    return {uid: (item.scu_role, item.scp_role) for uid, item in side.role_selection.items()}
