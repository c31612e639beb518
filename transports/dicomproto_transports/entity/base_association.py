"""The part of an association that does not wait, for all flavours: state, negotiation, handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from dicomproto.errors import AssociationError, AssociationRejected, AssociationReleased
from dicomproto.upper_layer.events import Role

from ..attributes import refuse_on_association
from ..error_text import known_as
from ..events.service_user import ServiceUser, UserInfo
from ..streams.addresses import place_of
from ..uid_values import with_uids
from .service_users import acceptor_of, requestor_of

if TYPE_CHECKING:
    from dicomproto.config import Timeouts

    from .. import evt
    from ..association.session import Session
    from ..events.event_kind import E
    from ..uid_types import ShownAcceptedContext, ShownRejectedContext
    from .settings import Settings


@known_as("Association")
class BaseAssociation:
    """The part of an association that does not wait: state, negotiation, handlers."""

    def __init__(self, session: Session, ae: Settings) -> None:
        self._session = session
        self._ae = ae

    def __repr__(self) -> str:
        session = self._session
        state = "ended" if session.ending.terminal else session.connection.state.value
        return f"<{type(self).__name__} with {session.peer_name}, {state}>"

    @property
    def ae(self) -> Settings:
        """The application entity of this side."""
        return self._ae

    # -- state and negotiation ----------------------------------------------------------------

    @property
    def is_established(self) -> bool:
        """Whether messages can be exchanged."""
        return self._session.is_established

    def is_alive(self) -> bool:
        """Tell whether the association has not ended, be it established or still being negotiated.

        A requestor that makes no call does not read: it learns of the end by its next call.
        """
        return self._session.ending.reason is None

    @property
    def is_released(self) -> bool:
        """Whether it ended in order, by a release from either side."""
        return isinstance(self.ending, AssociationReleased)

    @property
    def is_rejected(self) -> bool:
        """Whether the acceptor rejected it."""
        return isinstance(self.ending, AssociationRejected)

    @property
    def is_aborted(self) -> bool:
        """Whether it ended otherwise: aborted by either side, lost, or timed out."""
        return not isinstance(self.ending, AssociationReleased | AssociationRejected | None)

    @property
    def ending(self) -> AssociationError | None:
        """The error that explains the end of the association; None before the end."""
        return self._session.ending.error

    @property
    def is_requestor(self) -> bool:
        """Whether this side proposed the association."""
        return self._session.connection.role is Role.REQUESTOR

    @property
    def is_acceptor(self) -> bool:
        """Whether the peer proposed the association."""
        return self._session.connection.role is Role.ACCEPTOR

    @property
    def accepted_contexts(self) -> list[ShownAcceptedContext]:
        """The accepted presentation contexts; their UIDs are `pydicom.uid.UID`."""
        return [with_uids(context) for context in self._session.connection.accepted_contexts.values()]

    @property
    def rejected_contexts(self) -> list[ShownRejectedContext]:
        """The rejected presentation contexts, each with the reason; their UIDs are `pydicom.uid.UID`."""
        return [with_uids(context) for context in self._session.connection.rejected_contexts.values()]

    @property
    def peer_certificate(self) -> Mapping[str, object] | None:
        """The peer's certificate, as `ssl.SSLSocket.getpeercert` returns it; None without one.

        It is empty if the TLS context does not verify certificates.
        """
        certificate: Mapping[str, object] | None = getattr(self._session.stream, "peer_certificate", None)
        return certificate

    @property
    def peer_certificate_der(self) -> bytes | None:
        """The peer's certificate in DER, verified or not; None without one."""
        certificate: bytes | None = getattr(self._session.stream, "peer_certificate_der", None)
        return certificate

    @property
    def requestor(self) -> ServiceUser:
        """The side that proposed the association: its name, address and proposals."""
        session = self._session
        address = session.stream.local_address if self.is_requestor else session.stream.peer_address
        return requestor_of(session.connection.request, address)

    @property
    def acceptor(self) -> ServiceUser:
        """The side that answered: its name, address and answers."""
        session = self._session
        address = session.stream.peer_address if self.is_requestor else session.stream.local_address
        return acceptor_of(session.connection.request, session.connection.answer, address)

    @property
    def local(self) -> UserInfo:
        """This side: a dict with "ae_title", "address", "port", "mode" and "pdv_size"."""
        return self.requestor.info("requestor") if self.is_requestor else self.acceptor.info("acceptor")

    @property
    def remote(self) -> UserInfo:
        """The peer, as `local`; address and port are None if the transport has none."""
        return self.acceptor.info("acceptor") if self.is_requestor else self.requestor.info("requestor")

    @property
    def name(self) -> str:
        """A name for logs: the role of this side, and the addresses of both."""
        stream, role = self._session.stream, "requestor" if self.is_requestor else "acceptor"
        return f"{role} {place_of(stream.local_address)} - {place_of(stream.peer_address)}"

    # -- timeouts: fixed when it was made, also under the names of pynetdicom -----------------

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts of this association."""
        return self._session.timeouts

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for the negotiation and for the release."""
        return self._session.timeouts.association

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response."""
        return self._session.timeouts.response

    @property
    def network_timeout(self) -> float | None:
        """Seconds that an acceptor waits for the next message."""
        return self._session.timeouts.idle

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for the TCP connection."""
        return self._session.timeouts.connect

    if not TYPE_CHECKING:  # with it, a checker would allow any name to be set

        def __setattr__(self, name: str, value: object) -> None:
            if not name.startswith("_"):  # our own attributes
                refuse_on_association(name)
            super().__setattr__(name, value)

    # -- handlers -----------------------------------------------------------------------------

    def bind(self, event: evt.EventKind[E], handler: evt.HandlerOf[E], args: Sequence[object] = ()) -> None:
        """Bind a handler for this association alone.

        It is called as `handler(event, *args)`. An intervention event has one handler: a new one replaces it.
        Raises TypeError, with a reason, for a handler that cannot run.
        """
        self._session.bind(event, handler, args)

    def unbind(self, event: evt.EventKind, handler: evt.Handler) -> None:
        """Unbind a handler for this association alone; does nothing if it is not bound."""
        self._session.unbind(event, handler)

    def get_events(self) -> list[evt.EventKind]:
        """Return the events that have a handler."""
        return self._session.runner.handlers.get_events()

    def get_handlers(self, event: evt.EventKind) -> list[tuple[evt.Handler, tuple[object, ...]]]:
        """Return the handlers of an event, each with its extra arguments, in the order of binding."""
        return self._session.runner.handlers.get_handlers(event)


session_of: Callable[[BaseAssociation], Session] = attrgetter("_session")
"""Returns the session of an association; as a C function, it saves a Python call for each message."""
