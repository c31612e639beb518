"""The application entity: what it asks for, what it offers, and the association from either side.

`AECore` holds the configuration and opens associations; `ServerCore` answers them, one call of
`serve_connection` each. A flavour derives its `AE` from `AECore` and supplies the backend, the
listening and the accepting.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from dicomproto.config import Limits, Timeouts
from dicomproto.connection import Connection
from dicomproto.errors import LocalProtocolError, NoAcceptedContext
from dicomproto.negotiation import (
    DEFAULT_MAXIMUM_LENGTH,
    AcceptorPolicy,
    Proposal,
    SupportedContext,
    accept_anything,
    build_associate_rq,
    index_supported,
)
from dicomproto.services import STANDARD, ServiceClass, SOPClassRegistry
from dicomproto.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    UNCOMPRESSED_TRANSFER_SYNTAXES,
    normalize_uid,
)
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)

from . import evt
from ._association import AssociationCore
from ._facts import name_of, own_title, window_of
from ._operating import Drive
from .contexts import PresentationContext
from .logs import with_dumps

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Request

    from ._door import Network
    from ._stream import Backend, Stream
    from ._tls import Handshake
    from .tls import TLSArguments

log = logging.getLogger("dicomproto.association")

NegotiationItem = (
    RoleSelection
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityRQ
    | AsynchronousOperationsWindow
)
"""What `ext_neg` of `associate` may hold."""

Context = Proposal | SupportedContext | str
"""A context to propose or support: a SOP class UID, (SOP class UID, transfer syntaxes), or a record."""

MAXIMUM_ASSOCIATIONS = 10

T = TypeVar("T")


class AECore:
    """An application entity: its name, and what it asks of others and offers to them.

    What is set here holds for the associations and servers that are made afterwards.
    """

    drive: Drive | None = None
    """How the blocking flavour runs a coroutine; None where handlers may be async."""

    def __init__(
        self,
        ae_title: str | bytes = "DICOMPROTO",
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.ae_title = ae_title
        self.limits = limits or Limits()
        self.timeouts = timeouts or Timeouts()
        self.maximum_pdu_size = DEFAULT_MAXIMUM_LENGTH
        """Announced to peers: bytes of a P-DATA-TF after its header, 0 for any number."""
        self.maximum_associations: int | None = MAXIMUM_ASSOCIATIONS
        """Of one server at once; more are rejected (2, 3, 2). None for any number."""
        self.maximum_associations_per_address: int | None = None
        """Of those, from one IP address."""
        self.maximum_associations_per_ae_title: int | None = None
        """Of those, with one calling AE title."""
        self.require_called_aet: bool | str | bytes | Sequence[str | bytes] = False
        """Whether a server rejects (1, 1, 7) those that call it by another name.

        True for its own name; names for several.
        """
        self.require_calling_aet: str | bytes | Sequence[str | bytes] = ()
        """The names of those that a server serves, others are rejected (1, 1, 3); empty for anyone.

        A name proves nothing.
        """
        self.allowed_networks: Network | Sequence[Network] = ()
        """Where those come from that a server serves, as "10.0.0.0/8"; empty for anywhere.

        A connection from elsewhere is closed without a word.
        """
        self.maximum_operations: int | tuple[int, int] = 1
        """What a server agrees to where an asynchronous operations window is proposed (PS3.7 D.3.3.3): how
        many operations a requestor may have outstanding, and after those how many we, 1 if that is not given.

        0 is any number. The smaller of what is proposed and this holds; the handler of EVT_ASYNC_OPS goes
        before it.
        """
        self.implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
        self.implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME
        self.strict_roles = False
        """Hold peers to the letter of role selection (PS3.7 D.3.3.4)."""
        self.strict_dispatch = False
        """Refuse requests for a SOP class other than that of their presentation context."""
        self.idle_release = False
        """Release an association that was idle for too long, where it would be aborted."""
        self.unrestricted_storage = False
        """Let servers accept every context of a storage, private or unknown SOP class as storage, in its
        first transfer syntax and in both roles; what else they support stays as it is."""
        self.sop_classes = STANDARD
        """The SOP classes that are known: those of the standard, and what `register_uid` added."""
        self.move_destinations: dict[str, tuple[str, int] | tuple[str, int, dict[str, object]]] = {}
        """Where a handler of EVT_C_MOVE may send to by name: (host, port[, options of `associate`])."""
        self._requested: list[tuple[str, tuple[str, ...]]] = []
        self._supported: dict[str, SupportedContext] = {}
        self._associations: set[ref[AssociationCore]] = set()  # changed by any thread, in one step

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ae_title!r}>"

    @property
    def ae_title(self) -> str:
        """Our name, without padding. Set as str or ASCII bytes."""
        return self._ae_title

    @ae_title.setter
    def ae_title(self, title: str | bytes) -> None:
        self._ae_title = own_title(title)

    # -- timeouts under the names that pynetdicom's users know --------------------------------

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for an association to be requested, answered and released: `association` and `artim`."""
        return self.timeouts.association

    @acse_timeout.setter
    def acse_timeout(self, seconds: float | None) -> None:
        self.timeouts = self.timeouts.replace(association=seconds, artim=seconds)

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response: `response`, `action` and `retrieve`."""
        return self.timeouts.response

    @dimse_timeout.setter
    def dimse_timeout(self, seconds: float | None) -> None:
        self.timeouts = self.timeouts.replace(response=seconds, action=seconds, retrieve=seconds)

    @property
    def network_timeout(self) -> float | None:
        """Seconds that an acceptor waits for the next message: `idle`."""
        return self.timeouts.idle

    @network_timeout.setter
    def network_timeout(self, seconds: float | None) -> None:
        self.timeouts = self.timeouts.replace(idle=seconds)

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for the TCP connection: `connect`."""
        return self.timeouts.connect

    @connection_timeout.setter
    def connection_timeout(self, seconds: float | None) -> None:
        self.timeouts = self.timeouts.replace(connect=seconds)

    # -- presentation contexts ----------------------------------------------------------------

    @property
    def requested_contexts(self) -> list[PresentationContext]:
        """What `associate` proposes by default. Set from any `Context`s."""
        return [
            PresentationContext(context_id=2 * i + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes)
            for i, (uid, syntaxes) in enumerate(self._requested)
        ]

    @requested_contexts.setter
    def requested_contexts(self, contexts: Iterable[Context]) -> None:
        self._requested = [_proposal(context) for context in contexts]

    def add_requested_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Propose a SOP class, by default in the uncompressed transfer syntaxes.

        An acceptor takes one transfer syntax of each context: where it matters which, add a context for each.
        """
        self._requested.append((_uid(abstract_syntax), _syntaxes(transfer_syntax)))

    def remove_requested_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Propose a SOP class no longer, or no longer in some transfer syntaxes."""
        uid, gone = _uid(abstract_syntax), _removed(transfer_syntax)
        left = [(a, _without(s, gone) if a == uid else s) for a, s in self._requested]
        self._requested = [(a, s) for a, s in left if s]

    @property
    def supported_contexts(self) -> list[SupportedContext]:
        """What servers accept, by UID. Set from any `Context`s or `SupportedContext`s."""
        return [self._supported[uid] for uid in sorted(self._supported)]

    @supported_contexts.setter
    def supported_contexts(self, contexts: Iterable[Context | SupportedContext]) -> None:
        self._supported = supported_index(contexts)

    def add_supported_context(
        self,
        abstract_syntax: str,
        transfer_syntax: str | Iterable[str] | None = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Accept a SOP class, by default in the uncompressed transfer syntaxes, the preferred one first.

        Added again, it gets more transfer syntaxes. The roles say whether a requestor that proposes
        them for itself is granted them; None grants.
        """
        added = SupportedContext(
            abstract_syntax=_uid(abstract_syntax),
            transfer_syntaxes=_syntaxes(transfer_syntax),
            scu_role=scu_role,
            scp_role=scp_role,
        )
        known = self._supported.get(added.abstract_syntax)
        self._supported.update(index_supported([added] if known is None else [known, added]))

    def remove_supported_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Accept a SOP class no longer, or no longer in some transfer syntaxes."""
        uid, gone = _uid(abstract_syntax), _removed(transfer_syntax)
        context = self._supported.pop(uid, None)
        left = () if context is None else _without(context.transfer_syntaxes, gone)
        if context is not None and left:
            self._supported[uid] = context.replace(transfer_syntaxes=left)

    def register_uid(
        self,
        uid: str,
        keyword: str,
        service_class: ServiceClass | Iterable[type[Request]],
        dimse_msg_type: str = "",
    ) -> None:
        """Make a private SOP class known, by its service class or by the requests that it allows.

        Associations then refuse other requests for it, and statuses have the meanings of its service class.
        `dimse_msg_type` ("C-FIND", "C-GET" or "C-MOVE") says which request of a query/retrieve service class
        it has. Raises ValueError.
        """
        self.sop_classes = self.sop_classes.with_sop_class(uid, keyword, service_class, dimse_msg_type)

    # -- associations -------------------------------------------------------------------------

    def bind(self, bindings: Iterable[evt.Binding] | None) -> evt.Handlers:
        """Check handlers and return them; raises TypeError, with a reason, for one that cannot be run."""
        return evt.Handlers(bindings, allow_async=type(self).drive is None)

    def new_connection(
        self,
        role: Role,
        supported_sop_classes: Container[str] | None = None,
        *,
        timeouts: Timeouts | None = None,
        strict_roles: bool | None = None,
        pack_pdvs: bool = False,
    ) -> Connection:
        """Return an engine with this application entity's settings, but for those that are given.

        The SOP classes are an acceptor's.
        """
        sop_classes = self.sop_classes
        if self.unrestricted_storage and role is Role.ACCEPTOR:
            supported_sop_classes = None
            sop_classes = sop_classes.replace(unknown=ServiceClass.STORAGE)
        return Connection(
            role,
            limits=self.limits,
            timeouts=timeouts or self.timeouts,
            strict_roles=self.strict_roles if strict_roles is None else strict_roles,
            pack_pdvs=pack_pdvs,
            strict_dispatch=self.strict_dispatch,
            idle_release=self.idle_release,
            supported_sop_classes=supported_sop_classes,
            sop_classes=sop_classes,
        )

    @property
    def active_associations(self) -> list[object]:
        """The associations that are established now, those that were requested and those of all servers."""
        known = [reference() for reference in self._associations.copy()]
        return [core.facade for core in known if core is not None and core.is_established]

    def new_association(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        handlers: evt.Handlers,
        timeouts: Timeouts | None = None,
    ) -> AssociationCore:
        """Return the association of an engine and a stream."""
        handlers = with_dumps(handlers)
        core = AssociationCore(connection, stream, backend, timeouts or self.timeouts, handlers, self)
        core.facade = self.wrap(core)
        self._associations.add(ref(core, self._associations.discard))
        core.observe()
        if core.observer is not None:
            core.observer.start()
        return core

    def wrap(self, association: AssociationCore) -> object:
        """Return the object that handlers get for an association; a flavour may have its own."""
        return association

    async def open_association(
        self,
        backend: Backend,
        addr: str,
        port: int,
        contexts: Iterable[Context] | None = None,
        ae_title: str | bytes = "ANY-SCP",
        max_pdu: int | None = None,
        ext_neg: Iterable[NegotiationItem] | None = None,
        bind_address: tuple[str, int] | None = None,
        tls_args: TLSArguments | None = None,
        evt_handlers: Iterable[evt.Binding] | None = None,
        *,
        calling_ae_title: str | bytes | None = None,
        timeouts: Timeouts | Mapping[str, float | None] | None = None,
        operations_window: AsynchronousOperationsWindow | None = None,
        strict_roles: bool | None = None,
        pack_pdvs: bool = False,
    ) -> AssociationCore:
        """Associate with a peer: `associate` of all flavours.

        `contexts` replaces the requested ones; `max_pdu` the `maximum_pdu_size`; `ext_neg` holds items of the
        extended negotiation. `tls_args` is an `ssl.SSLContext`, or one and the host name that the peer's
        certificate must be for, in place of `addr`. `calling_ae_title`, `timeouts` and `strict_roles` go
        before the settings of this entity, `timeouts` also as a mapping of those that differ.
        `operations_window` is proposed unless `ext_neg` holds one; `pack_pdvs` sends a command and the
        beginning of its data set in one PDU; `Peer.options` gives what a peer table says.

        Raises an AssociationError that says who and why: ConnectionLost, TLSFailed, TimedOut,
        AssociationRejected, AssociationAborted, or NoAcceptedContext (after an abort) if nothing that was
        proposed is accepted; LocalProtocolError for what cannot be proposed, ValueError for no port, and
        TypeError or ValueError for `tls_args` that are none.
        """
        if not 0 < port < 65536:  # getaddrinfo(3) would take what is left of it after a division
            raise ValueError(f"a port is a number from 1 to 65535, not {port!r}")
        handlers = self.bind(evt_handlers)
        if not isinstance(timeouts, Timeouts):
            timeouts = self.timeouts.replace(**(timeouts or {}))
        connection = self.new_connection(
            Role.REQUESTOR, timeouts=timeouts, strict_roles=strict_roles, pack_pdvs=pack_pdvs
        )
        request = self._request(contexts, ae_title, max_pdu, ext_neg or (), operations_window)
        if calling_ae_title is not None:
            request = request.replace(calling_ae_title=own_title(calling_ae_title))
        connection.send(request)
        wait = timeouts.connect
        deadline = None if wait is None else backend.now() + wait
        handshake = None if tls_args is None else _handshake(tls_args, addr)
        stream = await backend.connect(addr, port, bind_address=bind_address, deadline=deadline)
        if handshake is not None:
            peer = name_of(own_title(ae_title), stream.peer_address)
            stream = await handshake.run(stream, peer, timeouts)
        association = self.new_association(connection, stream, backend, handlers, timeouts)
        association.ae_title = own_title(request.calling_ae_title)
        log.debug("%s: connected", association.peer_name)
        try:
            connection.transport_connected()
            await association.notify(evt.EVT_CONN_OPEN, address=stream.peer_address)
            await association.notify(evt.EVT_REQUESTED, associate_request=connection.request)
            event = await association.next_event()
            assert isinstance(event, AssociateAC)
            if not connection.accepted_contexts:
                raise NoAcceptedContext(_nothing_accepted(association))
            association.log_acceptance()
            await association.notify(evt.EVT_ACCEPTED)
            await association.notify(evt.EVT_ESTABLISHED)
        except BaseException:
            await association.end()
            raise
        return association

    def _request(
        self,
        contexts: Iterable[Context] | None,
        called: str | bytes,
        max_pdu: int | None,
        items: Iterable[object],
        operations_window: AsynchronousOperationsWindow | None,
    ) -> AssociateRQ:
        proposals = self._requested if contexts is None else [_proposal(context) for context in contexts]
        if not proposals:
            raise LocalProtocolError(
                "an association needs presentation contexts: add_requested_context() or contexts="
            )
        extended = tuple(items)
        unknown = [item for item in extended if not isinstance(item, NegotiationItem)]
        if unknown:
            raise TypeError(f"ext_neg holds items of the extended negotiation, not {unknown[0]!r}")
        return build_associate_rq(
            self.ae_title,
            own_title(called),
            proposals,
            maximum_length=self.maximum_pdu_size if max_pdu is None else max_pdu,
            implementation_class_uid=self.implementation_class_uid,
            implementation_version_name=self.implementation_version_name,
            role_selections=_of(RoleSelection, extended),
            sop_class_extended=_of(SOPClassExtendedNegotiation, extended),
            sop_class_common_extended=_of(SOPClassCommonExtendedNegotiation, extended),
            user_identity=_one_of(UserIdentityRQ, extended),
            operations_window=_one_of(AsynchronousOperationsWindow, extended) or operations_window,
        )

    def policy(
        self,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
    ) -> AcceptorPolicy:
        """Return what a server accepts, from whom; raises LocalProtocolError if that is nothing."""
        supported = self._supported if contexts is None else supported_index(contexts)
        unknown_context = None
        if self.unrestricted_storage:
            is_storage = self.sop_classes.is_storage
            supported = {uid: context for uid, context in supported.items() if not is_storage(uid)}
            unknown_context = partial(_any_storage, self.sop_classes)
        elif not supported:
            raise LocalProtocolError(
                "a server needs presentation contexts: add_supported_context() or contexts="
            )
        title = self.ae_title if ae_title is None else own_title(ae_title)
        called = title if self.require_called_aet is True else self.require_called_aet or ()
        operations = self.maximum_operations
        return AcceptorPolicy(
            supported=dict(supported),
            operations_window=window_of((operations, 1) if isinstance(operations, int) else operations),
            unknown_context=unknown_context,
            maximum_length=self.maximum_pdu_size,
            implementation_class_uid=self.implementation_class_uid,
            implementation_version_name=self.implementation_version_name,
            called_ae_titles=_titles(called) or None,
            calling_ae_titles=_titles(self.require_calling_aet) or None,
        )


# --- what users may give ------------------------------------------------------------------------


def _titles(given: str | bytes | Sequence[str | bytes]) -> frozenset[str]:
    return frozenset(map(own_title, [given] if isinstance(given, str | bytes) else given))


def _handshake(arguments: TLSArguments, host: str) -> Handshake:
    from ._tls import Handshake  # the ssl module takes 10 ms to load

    return Handshake.with_server(arguments, host)


def supported_index(contexts: Iterable[Context | SupportedContext]) -> dict[str, SupportedContext]:
    """Return contexts by UID, from whatever form they have."""
    records = []
    for context in contexts:
        if not isinstance(context, SupportedContext):
            uid, syntaxes = _proposal(context)
            context = SupportedContext(abstract_syntax=uid, transfer_syntaxes=syntaxes)
        records.append(context)
    return index_supported(records)


def _proposal(context: Context) -> tuple[str, tuple[str, ...]]:
    if isinstance(context, PresentationContextRQ | SupportedContext):
        return _uid(context.abstract_syntax), _syntaxes(context.transfer_syntaxes)
    if isinstance(context, str):
        return _uid(context), UNCOMPRESSED_TRANSFER_SYNTAXES
    abstract_syntax, transfer_syntaxes = context
    return _uid(abstract_syntax), _syntaxes(transfer_syntaxes)


def _any_storage(sop_classes: SOPClassRegistry, proposal: PresentationContextRQ) -> SupportedContext | None:
    """Support a SOP class that is storage or not known, in the first transfer syntax and both roles."""
    uid = proposal.abstract_syntax
    is_other = sop_classes.find(uid) is not None and not sop_classes.is_storage(uid)
    return None if is_other else accept_anything(proposal)


def _of(kind: type[T], items: Iterable[object]) -> list[T]:
    return [item for item in items if isinstance(item, kind)]


def _one_of(kind: type[T], items: Iterable[object]) -> T | None:
    found = _of(kind, items)
    if len(found) > 1:
        raise ValueError(f"ext_neg holds {len(found)} items of {kind.__name__}, one is allowed")
    return found[0] if found else None


def _nothing_accepted(association: AssociationCore) -> str:
    reasons: dict[str, None] = {}
    for context in association.rejected_contexts:
        reasons[f"{context.abstract_syntax}: {context.reason}"] = None
    return f"{association.peer_name} accepted no presentation context ({'; '.join(reasons)})"


def _uid(uid: str) -> str:
    plain = normalize_uid(str(uid))
    if not plain:
        raise ValueError("an abstract syntax is a UID, not an empty string")
    return plain


def _syntaxes(given: str | Iterable[str] | None) -> tuple[str, ...]:
    if given is None:
        return UNCOMPRESSED_TRANSFER_SYNTAXES
    syntaxes = _removed(given)
    if not syntaxes:
        raise ValueError("a presentation context needs a transfer syntax")
    return tuple(dict.fromkeys(syntaxes))


def _removed(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return tuple(_uid(uid) for uid in ([given] if isinstance(given, str) else given))


def _without(syntaxes: tuple[str, ...], gone: tuple[str, ...] | None) -> tuple[str, ...]:
    return () if gone is None else tuple(uid for uid in syntaxes if uid not in gone)
