"""The settings of an application entity: its requests, its services, and the peers that it serves.

A server reads them once for each association, as `Settings.settled`, which does not change; a new value holds
from the next association on. Unknown names raise AttributeError, so that a misspelt restriction is noticed.
The library keeps its own attributes in `vars(self)`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from dicomproto.config import Limits, Timeouts
from dicomproto.connection import Connection
from dicomproto.negotiation import (
    DEFAULT_MAXIMUM_LENGTH,
    MAXIMUM_CONTEXTS,
    AcceptorPolicy,
    SupportedContext,
    accept_anything,
    index_supported,
    negotiate,
)
from dicomproto.services import STANDARD, ServiceClass, SOPClassRegistry
from dicomproto.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    is_valid_uid,
)
from dicomproto.upper_layer.associate_cache import AssociateCache
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateAC, AssociateRJ, AssociateRQ, PresentationContextRQ

from ..arguments import (
    Context,
    ae_titles,
    context_uid,
    given_syntaxes,
    proposal_of,
    role,
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
    window_of,
)
from ..contexts import PresentationContext
from ..error_text import known_as
from ..streams.supplied import connecting_by
from ..uid_values import with_uids
from .entity_context import EntityContext, entity_context
from .timeouts import NamedTimeouts

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Request

    from ..checks import Network
    from ..streams.interface import Backend, Connect
    from ..uid_types import ShownRequestedContext

MAXIMUM_ASSOCIATIONS = 10
_MOST_REQUESTS = 32
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
    "allow_unknown": False,
    "idle_release": False,
    "unrestricted_storage": False,
    "unknown_context": None,
    "sop_classes": STANDARD,
}
"""The default values, except of settings that are made anew for each entity."""

T = TypeVar("T")


@known_as("AE")
class Settings(NamedTimeouts):
    """An application entity: its AE title, its requests and its services.

    A setting holds for associations that are requested after it was set, with running servers as well. An
    established association keeps the settings of its beginning. A value that is not valid raises TypeError or
    ValueError, an unknown name AttributeError. A subclass may have attributes of its own, unless their names
    are similar to that of a setting.
    """

    limits: Limits
    """The limits for memory and parsing that a peer can cause: :doc:`limits`."""
    maximum_pdu_size: int
    """The maximum length announced to peers: bytes of a P-DATA-TF after its header, 0 for any number."""
    maximum_associations: int | None
    """Most associations of one server at once; more are rejected (2, 3, 2). None for any number."""
    maximum_associations_per_address: int | None
    """Most of them from one IP address."""
    maximum_associations_per_ae_title: int | None
    """Most of them with one calling AE title."""
    give_way_after: float
    """Seconds without an operation after which an association may be ended for a new one, while
    `maximum_associations` are being served; 0 for never. See :doc:`servers`."""
    maximum_collected: int | None
    """Most bytes of data sets that a server holds for all its associations, from the first chunk to the end
    of the handler; a data set above it is refused (A700H, 0213H). None for any number. A data set of up to
    64 KiB does not count, nor one that EVT_C_STORE_STREAM takes in chunks."""
    require_called_aet: bool | str | bytes | Sequence[str | bytes]
    """The called AE titles that a server accepts; others are rejected (1, 1, 7).

    True for its own title, False for any; or one or several titles.
    """
    require_calling_aet: str | bytes | Sequence[str | bytes]
    """The calling AE titles that a server accepts; others are rejected (1, 1, 3). Empty for any.

    An AE title proves nothing.
    """
    allowed_networks: Network | Sequence[Network]
    """The networks that a server serves, such as "10.0.0.0/8"; empty for all.

    A connection from another address is closed without an answer.
    """
    maximum_operations: int | tuple[int, int]
    """The asynchronous operations window that a server accepts (PS3.7 D.3.3.3): operations that the
    requestor may have outstanding, and those that we may, 1 by default.

    0 is any number. The smaller one of this and the proposed number holds. A handler of EVT_ASYNC_OPS
    replaces it.
    """
    implementation_class_uid: str
    """Our Implementation Class UID (PS3.7 D.3.3.2.1)."""
    implementation_version_name: str | None
    """Our Implementation Version Name, at most 16 characters; None sends none (PS3.7 D.3.3.2.3)."""
    strict_roles: bool
    """Apply the rules of role selection strictly (PS3.7 D.3.3.4)."""
    assume_charset: str | None
    """The character set for received text whose Specific Character Set is missing or wrong, as a value of
    that element. None warns of such text."""
    strict_dispatch: bool
    """Refuse requests for a SOP class other than that of their presentation context."""
    allow_unknown: bool
    """Send requests that the tables of SOP classes do not have, on the context of their SOP class, as for
    private and newer SOP classes. Without it such a request raises NoAcceptedContext."""
    idle_release: bool
    """Release an association after the idle timeout, in place of an abort."""
    unrestricted_storage: bool
    """Let servers accept every context of a storage, private or unknown SOP class as storage, in its
    first transfer syntax and in both roles; their other contexts stay as they are."""
    unknown_context: Callable[[PresentationContextRQ], SupportedContext | None] | None
    """Called by servers for each proposed SOP class that is not among `supported_contexts`; returns a
    supported context, or None. `unrestricted_storage` comes before it."""
    sop_classes: SOPClassRegistry
    """The known SOP classes: those of the standard, and those added by `register_uid`."""
    move_destinations: dict[str, tuple[str, int] | tuple[str, int, dict[str, object]]]
    """The destinations of C-MOVEs by AE title: (host, port[, options of `associate`])."""
    connect: Connect | None
    """A function that connects in place of TCP, of (host, port, bind_address=, deadline=); it may be async,
    and returns a `Stream`. See :doc:`transports`."""

    _ae_title: str
    _requested: list[tuple[str, tuple[str, ...]]]
    _supported: dict[str, SupportedContext]
    _revision: object  # replaced at each change
    _settled: tuple[object, Settled] | None
    """A copy of the settings, with its revision."""

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

    if not TYPE_CHECKING:  # with it, a checker would allow any name to be set

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

    def settled(self) -> Settled:
        """Return an unchanging copy of the settings; the same object until a setting changes."""
        revision, settled = self._revision, self._settled
        if (
            settled is not None
            and settled[0] is revision
            and settled[1].move_destinations == self.move_destinations  # may change in place
        ):
            return settled[1]
        values = {name: value for name, value in vars(self).copy().items() if name in _KEPT}
        for name in ("_requested", "_supported", "move_destinations"):
            values[name] = values[name].copy()
        copied = Settled.__new__(Settled)
        vars(copied).update(values, _revision=revision, _settled=None, _cache=AssociateCache(), _requests={})
        vars(self)["_settled"] = revision, copied
        return copied

    @property
    def ae_title(self) -> str:
        """Our AE title, without padding. Set as str or ASCII bytes."""
        return self._ae_title

    @ae_title.setter
    def ae_title(self, title: str | bytes) -> None:
        vars(self)["_ae_title"] = checked("ae_title", title_of, title)

    # -- presentation contexts ----------------------------------------------------------------

    @property
    def requested_contexts(self) -> list[ShownRequestedContext]:
        """The presentation contexts that `associate` proposes by default, at most 128.

        Contexts of any form that are assigned are added to them; an empty list removes all.
        """
        return [
            with_uids(
                PresentationContext(context_id=2 * i + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes)
            )
            for i, (uid, syntaxes) in enumerate(self._requested)
        ]

    @requested_contexts.setter
    def requested_contexts(self, contexts: Iterable[Context]) -> None:
        added = _proposals("requested_contexts", contexts)
        vars(self)["_requested"] = _proposable([*self._requested, *added]) if added else []

    def add_requested_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Add a SOP class to propose, by default in the `DEFAULT_TRANSFER_SYNTAXES`.

        An acceptor accepts one transfer syntax of each context; to get several, add a context for each.
        Raises ValueError for more than 128 contexts (PS3.8 9.3.2.2).
        """
        added = context_uid(abstract_syntax), transfer_syntaxes(transfer_syntax)
        vars(self)["_requested"] = _proposable([*self._requested, added])
        self._note_change()

    def remove_requested_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Remove a SOP class from the requested contexts, or some of its transfer syntaxes."""
        uid, gone = context_uid(abstract_syntax), given_syntaxes(transfer_syntax)
        left = [(a, without(s, gone) if a == uid else s) for a, s in self._requested]
        vars(self)["_requested"] = [(a, s) for a, s in left if s]
        self._note_change()

    def proposals(self, contexts: Iterable[Context] | None = None) -> list[tuple[str, tuple[str, ...]]]:
        """Return the SOP classes and transfer syntaxes of `contexts`, or of the requested contexts."""
        return self._requested if contexts is None else _proposals("contexts", contexts)

    @property
    def supported_contexts(self) -> list[EntityContext]:
        """The contexts that servers accept, sorted by UID.

        Contexts of any form that are assigned are added to them, as by `add_supported_context`; an empty list
        removes all. The roles of each can be set: `for cx in ae.supported_contexts: cx.scp_role = True`.
        """
        supported = self._supported.copy()  # other threads may change it
        return [entity_context(supported[uid], self._set_role) for uid in sorted(supported)]

    @supported_contexts.setter
    def supported_contexts(self, contexts: Iterable[Context | SupportedContext]) -> None:
        added = list(checked("supported_contexts", several, contexts))
        vars(self)["_supported"] = supported_index([*self._supported.values(), *added]) if added else {}

    def _set_role(self, uid: str, name: str, given: object) -> None:
        granted = role(**{name: given})
        known = self._supported.get(uid)
        if known is not None:
            self._supported[uid] = known.replace(**{name: granted})
            self._note_change()

    def add_supported_context(
        self,
        abstract_syntax: str,
        transfer_syntax: str | Iterable[str] | None = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Add a SOP class to accept, by default in the `DEFAULT_TRANSFER_SYNTAXES`.

        `transfer_syntax` has the preferred one first. A second call for a SOP class adds transfer syntaxes.
        The roles say whether a requestor that proposes them for itself is granted them; None grants.
        """
        added = SupportedContext(
            abstract_syntax=context_uid(abstract_syntax),
            transfer_syntaxes=transfer_syntaxes(transfer_syntax),
            scu_role=role(scu_role=scu_role),
            scp_role=role(scp_role=scp_role),
        )
        known = self._supported.get(added.abstract_syntax)
        self._supported.update(index_supported([added] if known is None else [known, added]))
        self._note_change()

    def remove_supported_context(
        self, abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
    ) -> None:
        """Remove a SOP class from the supported contexts, or some of its transfer syntaxes."""
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
        """Register a private SOP class, with its service class or with the requests that it allows.

        Associations then refuse other requests for it, and statuses have the meanings of its service class.
        `dimse_msg_type` ("C-FIND", "C-GET" or "C-MOVE") is its request, in a query/retrieve service class.
        Raises TypeError or ValueError.
        """
        self.sop_classes = self.sop_classes.with_sop_class(uid, keyword, service_class, dimse_msg_type)

    def connecting(self, backend: Backend) -> Backend:
        """Return the backend for requested associations: the given one, or one that uses `connect`."""
        return backend if self.connect is None else connecting_by(self.connect, backend)

    def policy(
        self,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
    ) -> AcceptorPolicy:
        """Return the policy of a server: the contexts and AE titles that it accepts."""
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


RequestKey = tuple[str | bytes, str | bytes | None, int | None]
"""Called and calling AE title and maximum length, as they are given to `associate`."""


class Settled(Settings):
    """Settings that do not change, with the PDUs that their associations keep for one another."""

    _cache: AssociateCache
    _requests: dict[RequestKey, AssociateRQ]

    def new_connection(
        self,
        role: Role,
        supported_sop_classes: Container[str] | None = None,
        *,
        timeouts: Timeouts | None = None,
        strict_roles: bool | None = None,
        allow_unknown: bool | None = None,
        pack_pdvs: bool = False,
    ) -> Connection:
        """Return an engine with these settings, except for those given.

        `supported_sop_classes` is for acceptors only.
        """
        sop_classes = self.sop_classes
        if self.unrestricted_storage and role is Role.ACCEPTOR:
            sop_classes = sop_classes.replace(unknown=ServiceClass.STORAGE)
        if self.unrestricted_storage or self.unknown_context is not None:
            supported_sop_classes = None  # `unknown_context` may accept any
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
            allow_unknown=self.allow_unknown if allow_unknown is None else allow_unknown,
            cache=self._cache,
        )

    def request(self, key: RequestKey) -> AssociateRQ | None:
        """Return the request that was kept under a key; None without one."""
        rq = self._requests.get(key)
        self._cache.keep(rq)  # it may have forgotten it
        return rq

    def keep_request(self, key: RequestKey, rq: AssociateRQ) -> None:
        """Keep a request that consists of the key and these settings."""
        if len(self._requests) >= _MOST_REQUESTS:
            self._requests.clear()
        self._requests[key] = rq
        self._cache.keep(rq)

    def negotiate(self, rq: AssociateRQ, policy: AcceptorPolicy) -> AssociateAC | AssociateRJ:
        """Return the answer to a request by the `policy` of these settings."""
        if self.unknown_context is not None and not self.unrestricted_storage:
            return negotiate(rq, policy)  # the user's function may answer differently each time
        return self._cache.once(negotiate, rq, policy)


# --- names and values ---------------------------------------------------------------------------

_KEPT = frozenset(CHECKS) | {"_ae_title", "_requested", "_supported"}
"""The attributes that hold settings, those behind properties included."""


def _proposals(name: str, given: object) -> list[tuple[str, tuple[str, ...]]]:
    """Return SOP classes and transfer syntaxes of contexts in any form; `name` is that of the argument."""
    return [proposal_of(context) for context in checked(name, several, given)]


def _proposable(proposals: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return what an association may propose; raises ValueError for something else (PS3.8 9.3.2.2)."""
    for uid in chain.from_iterable((uid, *syntaxes) for uid, syntaxes in proposals):
        if not is_valid_uid(uid):
            raise ValueError(f"{uid!r:.80} is no valid UID, and cannot be proposed (PS3.5 9.1)")
    if len(proposals) > MAXIMUM_CONTEXTS:
        text = f"{len(proposals)} requested contexts, {MAXIMUM_CONTEXTS} can be proposed (PS3.8 9.3.2.2)"
        raise ValueError(f"{text}: remove some, or give contexts= to associate")
    return proposals


def _any_storage(sop_classes: SOPClassRegistry, proposal: PresentationContextRQ) -> SupportedContext | None:
    """Support a storage or unknown SOP class, in its first transfer syntax and in both roles."""
    uid = proposal.abstract_syntax
    is_other = sop_classes.find(uid) is not None and not sop_classes.is_storage(uid)
    return None if is_other else accept_anything(proposal)
