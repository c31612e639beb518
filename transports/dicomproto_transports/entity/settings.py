"""The settings of an application entity: what it asks of others, what it offers, and whom it serves.

A server reads none of them twice for one association: it takes `Settings.settled`, which stay as they are,
and what was set since then is in force with the next association. Names that are none raise AttributeError,
so that what was meant to close a door does not leave it open; what the library keeps beside the settings it
puts into `vars(self)`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from dicomproto.config import Limits, Timeouts
from dicomproto.connection import Connection
from dicomproto.negotiation import (
    DEFAULT_MAXIMUM_LENGTH,
    AcceptorPolicy,
    SupportedContext,
    accept_anything,
    index_supported,
)
from dicomproto.services import STANDARD, ServiceClass, SOPClassRegistry
from dicomproto.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import PresentationContextRQ

from ..arguments import (
    Context,
    ae_titles,
    context_uid,
    given_syntaxes,
    proposal_of,
    supported_index,
    transfer_syntaxes,
    without,
)
from ..attributes import is_ours, refuse_on_entity
from ..checks import (
    CHECKS,
    SETTINGS,
    checked,
    nearest,
    own_title,
    several,
    title_of,
    truth,
    window_of,
)
from ..contexts import PresentationContext
from ..streams.supplied import connecting_by
from ..words import known_as
from .timeouts import NamedTimeouts

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Request

    from ..checks import Network
    from ..streams.interface import Backend, Connect

MAXIMUM_ASSOCIATIONS = 10
MAXIMUM_COLLECTED = 2 * 1024 * 1024 * 1024

DEFAULTS: dict[str, object] = {
    "maximum_pdu_size": DEFAULT_MAXIMUM_LENGTH,
    "maximum_associations": MAXIMUM_ASSOCIATIONS,
    "maximum_associations_per_address": None,
    "maximum_associations_per_ae_title": None,
    "give_way_after": 30.0,
    "maximum_collected": MAXIMUM_COLLECTED,
    "require_called_aet": False,
    "require_calling_aet": (),
    "allowed_networks": (),
    "maximum_operations": 1,
    "implementation_class_uid": IMPLEMENTATION_CLASS_UID,
    "implementation_version_name": IMPLEMENTATION_VERSION_NAME,
    "strict_roles": False,
    "assume_charset": None,
    "strict_dispatch": False,
    "idle_release": False,
    "unrestricted_storage": False,
    "unknown_context": None,
    "sop_classes": STANDARD,
}
"""What settings are that nobody has set, but for those that are made anew for each entity."""

T = TypeVar("T")


@known_as("AE")
class Settings(NamedTimeouts):
    """An application entity: its name, and what it asks of others and offers to them.

    What is set here holds for the associations that are requested afterwards, of servers that run already as
    well; one that stands keeps to what held when it began. What no setting can be raises TypeError or
    ValueError, and a name that is none AttributeError. A subclass may have attributes of its own, but none
    that is nearly called as a setting is.
    """

    limits: Limits
    """What a peer may make us hold or parse: :doc:`limits`."""
    maximum_pdu_size: int
    """Announced to peers: bytes of a P-DATA-TF after its header, 0 for any number."""
    maximum_associations: int | None
    """Of one server at once; more are rejected (2, 3, 2). None for any number."""
    maximum_associations_per_address: int | None
    """Of those, from one IP address."""
    maximum_associations_per_ae_title: int | None
    """Of those, with one calling AE title."""
    give_way_after: float
    """Seconds without an operation after which an association may lose its place to a newcomer, where
    `maximum_associations` are being served; 0 for never. See :doc:`servers`."""
    maximum_collected: int | None
    """Bytes of data sets that a server holds at once for all its associations, from their first chunk to
    the end of their handlers; what passes it is refused (A700H, 0213H). None for any number. A data set
    of up to 64 KiB does not count, nor one that EVT_C_STORE_STREAM takes in chunks."""
    require_called_aet: bool | str | bytes | Sequence[str | bytes]
    """Whether a server rejects (1, 1, 7) those that call it by another name.

    True for its own name; names for several.
    """
    require_calling_aet: str | bytes | Sequence[str | bytes]
    """The names of those that a server serves, others are rejected (1, 1, 3); empty for anyone.

    A name proves nothing.
    """
    allowed_networks: Network | Sequence[Network]
    """Where those come from that a server serves, as "10.0.0.0/8"; empty for anywhere.

    A connection from elsewhere is closed without a word.
    """
    maximum_operations: int | tuple[int, int]
    """What a server agrees to where an asynchronous operations window is proposed (PS3.7 D.3.3.3): how
    many operations a requestor may have outstanding, and after those how many we, 1 if that is not given.

    0 is any number. The smaller of what is proposed and this holds; the handler of EVT_ASYNC_OPS goes
    before it.
    """
    implementation_class_uid: str
    """What we are, told to peers (PS3.7 D.3.3.2.1)."""
    implementation_version_name: str | None
    """Which version of that we are, in at most 16 characters; None tells none."""
    strict_roles: bool
    """Hold peers to the letter of role selection (PS3.7 D.3.3.4)."""
    assume_charset: str | None
    """The character set that received text is taken to be in where none is named, or one that it is not
    in: a value of Specific Character Set. None warns of such text."""
    strict_dispatch: bool
    """Refuse requests for a SOP class other than that of their presentation context."""
    idle_release: bool
    """Release an association that was idle for too long, where it would be aborted."""
    unrestricted_storage: bool
    """Let servers accept every context of a storage, private or unknown SOP class as storage, in its
    first transfer syntax and in both roles; what else they support stays as it is."""
    unknown_context: Callable[[PresentationContextRQ], SupportedContext | None] | None
    """Asked by servers about each proposal of a SOP class that is not among `supported_contexts`; returns
    what supports it, or None. `unrestricted_storage` goes before it."""
    sop_classes: SOPClassRegistry
    """The SOP classes that are known: those of the standard, and what `register_uid` added."""
    move_destinations: dict[str, tuple[str, int] | tuple[str, int, dict[str, object]]]
    """Where a handler of EVT_C_MOVE may send to by name: (host, port[, options of `associate`])."""
    connect: Connect | None
    """How to connect, in place of TCP: a function of (host, port, bind_address=, deadline=), which may be
    async, and returns a `Stream`. See :doc:`transports`."""

    _ae_title: str
    _requested: list[tuple[str, tuple[str, ...]]]
    _supported: dict[str, SupportedContext]
    _revision: object  # another one after each change
    _settled: tuple[object, Settings] | None
    """The settings as they were at some revision."""

    def __init__(
        self,
        ae_title: str | bytes = "DICOMPROTO",
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        connect: Connect | None = None,
    ) -> None:
        vars(self).update(DEFAULTS, _requested=[], _supported={}, _revision=None, _settled=None)
        self.ae_title = ae_title
        self.limits = Limits() if limits is None else limits
        self.timeouts: Timeouts = Timeouts() if timeouts is None else timeouts
        self.move_destinations = {}
        self.connect = connect

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ae_title!r}>"

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if not is_ours(cls):
            for name, value in vars(cls).items():
                near = nearest(name, SETTINGS)
                if near == name or (near is not None and not callable(value)):
                    text = f"set {near} on an application entity, as in __init__, not in its class"
                    raise TypeError(f"{cls.__name__}.{name}: {text}")

    if not TYPE_CHECKING:  # a checker would take any name for one that may be set

        def __setattr__(self, name: str, value: object) -> None:
            check = CHECKS.get(name)
            if check is not None:
                value = checked(name, check, value)
            elif not isinstance(getattr(type(self), name, None), property):
                refuse_on_entity(self, name, value)
            super().__setattr__(name, value)
            self._note_change()

        def __delattr__(self, name: str) -> None:
            if name in SETTINGS:
                raise AttributeError(f"{name} is a setting: it can be changed, but not taken away")
            super().__delattr__(name)

    def _note_change(self) -> None:
        vars(self)["_revision"] = object()

    def settled(self) -> Settings:
        """Return the settings as they are now, which stay so; the same object as long as nothing changes."""
        revision, settled = self._revision, self._settled
        if (
            settled is not None
            and settled[0] is revision
            and settled[1].move_destinations == self.move_destinations  # which may be changed in place
        ):
            return settled[1]
        values = {name: value for name, value in vars(self).copy().items() if name in _KEPT}
        for name in ("_requested", "_supported", "move_destinations"):
            values[name] = values[name].copy()
        copied = Settings.__new__(Settings)
        vars(copied).update(values, _revision=revision, _settled=None)
        vars(self)["_settled"] = revision, copied
        return copied

    @property
    def ae_title(self) -> str:
        """Our name, without padding. Set as str or ASCII bytes."""
        return self._ae_title

    @ae_title.setter
    def ae_title(self, title: str | bytes) -> None:
        vars(self)["_ae_title"] = checked("ae_title", title_of, title)

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
        vars(self)["_requested"] = _proposals("requested_contexts", contexts)

    def add_requested_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Propose a SOP class, by default in the uncompressed transfer syntaxes.

        An acceptor takes one transfer syntax of each context: where it matters which, add a context for each.
        """
        self._requested.append((context_uid(abstract_syntax), transfer_syntaxes(transfer_syntax)))
        self._note_change()

    def remove_requested_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Propose a SOP class no longer, or no longer in some transfer syntaxes."""
        uid, gone = context_uid(abstract_syntax), given_syntaxes(transfer_syntax)
        left = [(a, without(s, gone) if a == uid else s) for a, s in self._requested]
        self.requested_contexts = [(a, s) for a, s in left if s]

    def proposals(self, contexts: Iterable[Context] | None = None) -> list[tuple[str, tuple[str, ...]]]:
        """Return the SOP classes and transfer syntaxes of `contexts`, or of those that are requested."""
        return self._requested if contexts is None else _proposals("contexts", contexts)

    @property
    def supported_contexts(self) -> list[SupportedContext]:
        """What servers accept, by UID. Set from any `Context`s or `SupportedContext`s."""
        return [self._supported[uid] for uid in sorted(self._supported)]

    @supported_contexts.setter
    def supported_contexts(self, contexts: Iterable[Context | SupportedContext]) -> None:
        vars(self)["_supported"] = supported_index(checked("supported_contexts", several, contexts))

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
        for name, role in (("scu_role", scu_role), ("scp_role", scp_role)):
            if role is not None:
                checked(name, truth, role)
        added = SupportedContext(
            abstract_syntax=context_uid(abstract_syntax),
            transfer_syntaxes=transfer_syntaxes(transfer_syntax),
            scu_role=scu_role,
            scp_role=scp_role,
        )
        known = self._supported.get(added.abstract_syntax)
        self._supported.update(index_supported([added] if known is None else [known, added]))
        self._note_change()

    def remove_supported_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Accept a SOP class no longer, or no longer in some transfer syntaxes."""
        uid, gone = context_uid(abstract_syntax), given_syntaxes(transfer_syntax)
        context = self._supported.pop(uid, None)
        left = () if context is None else without(context.transfer_syntaxes, gone)
        if context is not None and left:
            self._supported[uid] = context.replace(transfer_syntaxes=left)
        self._note_change()

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
            sop_classes = sop_classes.replace(unknown=ServiceClass.STORAGE)
        if self.unrestricted_storage or self.unknown_context is not None:
            supported_sop_classes = None  # nobody can tell which
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

    def connecting(self, backend: Backend) -> Backend:
        """Return what associations are opened with: a backend, or one that connects by `connect`."""
        return backend if self.connect is None else connecting_by(self.connect, backend)

    def policy(
        self,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
    ) -> AcceptorPolicy:
        """Return what a server accepts, from whom."""
        supported = self._supported
        if contexts is not None:
            supported = supported_index(checked("contexts", several, contexts))
        unknown_context = self.unknown_context
        if self.unrestricted_storage:
            is_storage = self.sop_classes.is_storage
            supported = {uid: context for uid, context in supported.items() if not is_storage(uid)}
            unknown_context = partial(_any_storage, self.sop_classes)
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
            called_ae_titles=ae_titles(called) or None,
            calling_ae_titles=ae_titles(self.require_calling_aet) or None,
        )


# --- names and values ---------------------------------------------------------------------------

_KEPT = frozenset(CHECKS) | {"_ae_title", "_requested", "_supported"}
"""The attributes that are settings, or what the properties among those keep."""


def _proposals(name: str, given: object) -> list[tuple[str, tuple[str, ...]]]:
    """Return what the contexts that are given as `name` propose, from whatever form they have."""
    return [proposal_of(context) for context in checked(name, several, given)]


def _any_storage(sop_classes: SOPClassRegistry, proposal: PresentationContextRQ) -> SupportedContext | None:
    """Support a SOP class that is storage or not known, in the first transfer syntax and both roles."""
    uid = proposal.abstract_syntax
    is_other = sop_classes.find(uid) is not None and not sop_classes.is_storage(uid)
    return None if is_other else accept_anything(proposal)
