"""The application entity with pynetdicom's manners."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pydicom.uid import UID

from . import _config
from ._addresses import AddressInformation
from ._core import Core
from ._globals import DEFAULT_MAX_LENGTH, DEFAULT_TRANSFER_SYNTAXES, MODE_REQUESTOR
from ._titles import title_of, titles_of
from ._version import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from .association import Association
from .events import EventHandlerType, parts_of
from .presentation import PresentationContext
from .transport import Address, AssociationServer, ThreadedAssociationServer
from .utils import set_ae, set_uid

if TYPE_CHECKING:
    import ssl

LOGGER = logging.getLogger("pynetdicom.ae")

Contexts = list[PresentationContext]
Syntaxes = str | Iterable[str] | None

MOST_CONTEXTS = 128
"""Most presentation contexts of one request (PS3.8 9.3.2.2: odd IDs up to 255)."""

_PUBLIC = {
    "_ae_title": "ae_title",
    "_requested_contexts": "requested_contexts",
    "_supported_contexts": "supported_contexts",
    "_acse_timeout": "acse_timeout",
    "_connection_timeout": "connection_timeout",
    "_dimse_timeout": "dimse_timeout",
    "_network_timeout": "network_timeout",
    "_maximum_associations": "maximum_associations",
    "_maximum_pdu_size": "maximum_pdu_size",
    "_implementation_uid": "implementation_class_uid",
    "_implementation_version": "implementation_version_name",
    "_require_calling_aet": "require_calling_aet",
    "_require_called_aet": "require_called_aet",
    "_servers": "shutdown()",
}
"""The private names of pynetdicom, with the public ones."""


def _listed(transfer_syntax: Syntaxes) -> list[str]:
    if transfer_syntax is None:
        return list(DEFAULT_TRANSFER_SYNTAXES)
    return [transfer_syntax] if isinstance(transfer_syntax, str) else list(transfer_syntax)


class _Values:
    """The values of the settings of one application entity."""

    def __init__(self) -> None:
        self.ae_title = "PYNETDICOM"
        self.acse_timeout: float | None = 30
        self.connection_timeout: float | None = None
        self.dimse_timeout: float | None = 30
        self.network_timeout: float | None = 60
        self.requested: list[PresentationContext] = []
        self.supported: dict[UID, PresentationContext] = {}
        self.maximum_associations = 10
        self.maximum_pdu_size = DEFAULT_MAX_LENGTH
        self.class_uid = PYNETDICOM_IMPLEMENTATION_UID
        self.version: str | None = PYNETDICOM_IMPLEMENTATION_VERSION
        self.require_calling_aet: list[str] = []
        self.require_called_aet = False


class ApplicationEntity:
    """An application entity: it requests associations and serves them.

    Programs may keep attributes of their own on it. Values of settings are judged as pynetdicom does: most
    of those that are not valid are replaced by the default, with a word in the log.
    """

    def __init__(self, ae_title: str = "PYNETDICOM") -> None:
        """Make an application entity without contexts."""
        self._values = _Values()
        self.ae_title = ae_title
        self.core: Core = Core(self)
        self.servers: list[AssociationServer] = []

    if not TYPE_CHECKING:  # with it, a checker would allow any name

        def __setattr__(self, name: str, value: object) -> None:
            """Set an attribute; AttributeError for a private name of a setting."""
            if name in _PUBLIC:
                raise AttributeError(_private(name))
            super().__setattr__(name, value)

        def __getattr__(self, name: str) -> object:
            """Raise AttributeError, which names the public way for a private name."""
            if name in _PUBLIC:
                raise AttributeError(_private(name))
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- timeouts -----------------------------------------------------------------------------------

    def _timeout(self, name: str, value: float | None, default: float | None, *, zero: bool = True) -> None:
        good = isinstance(value, int | float) and (value >= 0 if zero else value > 0)
        if value is not None and not good:
            LOGGER.warning("%s set to %s", name, "None" if default is None else f"{default:g} s")
            value = default
        setattr(self._values, name, value)
        for assoc in self.active_associations:
            setattr(assoc, name, value)

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for the answer to a request of an association or of its release; None for any time."""
        return self._values.acse_timeout

    @acse_timeout.setter
    def acse_timeout(self, value: float | None) -> None:
        self._timeout("acse_timeout", value, 30)

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for a TCP connection; None for any time."""
        return self._values.connection_timeout

    @connection_timeout.setter
    def connection_timeout(self, value: float | None) -> None:
        self._timeout("connection_timeout", value, None, zero=False)

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response; None for any time."""
        return self._values.dimse_timeout

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self._timeout("dimse_timeout", value, 30)

    @property
    def network_timeout(self) -> float | None:
        """Seconds without a message after which an association is ended; None for any time."""
        return self._values.network_timeout

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self._timeout("network_timeout", value, 60)

    # -- names and limits ---------------------------------------------------------------------------

    @property
    def ae_title(self) -> str:
        """The AE title. Raises TypeError and ValueError for what is none."""
        return self._values.ae_title

    @ae_title.setter
    def ae_title(self, value: str) -> None:
        self._values.ae_title = title_of("ae_title", value)

    @property
    def implementation_class_uid(self) -> UID:
        """The Implementation Class UID."""
        return self._values.class_uid

    @implementation_class_uid.setter
    def implementation_class_uid(self, value: str | bytes | UID) -> None:
        uid = set_uid(value, "implementation_class_uid", False, False, True)
        if uid is None or not uid.is_valid:
            raise ValueError(f"Invalid 'implementation_class_uid' value '{uid}'")
        self._values.class_uid = uid

    @property
    def implementation_version_name(self) -> str | None:
        """The Implementation Version Name, None to send none."""
        return self._values.version

    @implementation_version_name.setter
    def implementation_version_name(self, value: str | None) -> None:
        if isinstance(value, str) and not value:
            raise ValueError("Invalid 'implementation_version_name' value - must not be an empty str")
        self._values.version = set_ae(value, "implementation_version_name")

    @property
    def maximum_associations(self) -> int:
        """Most associations that servers accept at once."""
        return self._values.maximum_associations

    @maximum_associations.setter
    def maximum_associations(self, value: int) -> None:
        given: object = value
        if not isinstance(given, int) or given < 1:
            LOGGER.warning("maximum_associations set to 1")
            value = 1
        self._values.maximum_associations = value

    @property
    def maximum_pdu_size(self) -> int:
        """The maximum length of a P-DATA-TF that servers announce; 0 is no limit."""
        return self._values.maximum_pdu_size

    @maximum_pdu_size.setter
    def maximum_pdu_size(self, value: int) -> None:
        if value >= 0:
            self._values.maximum_pdu_size = value
        else:
            LOGGER.warning("maximum_pdu_size set to %d", DEFAULT_MAX_LENGTH)

    @property
    def require_called_aet(self) -> bool:
        """Whether servers reject a request for another AE title."""
        return self._values.require_called_aet

    @require_called_aet.setter
    def require_called_aet(self, require_match: bool) -> None:
        self._values.require_called_aet = require_match

    @property
    def require_calling_aet(self) -> list[str]:
        """The AE titles of requestors that servers accept; empty for any."""
        return self._values.require_calling_aet

    @require_calling_aet.setter
    def require_calling_aet(self, ae_titles: list[str]) -> None:
        self._values.require_calling_aet = titles_of("require_calling_aet", ae_titles)

    # -- presentation contexts ----------------------------------------------------------------------

    @property
    def requested_contexts(self) -> Contexts:
        """The contexts that `associate` proposes; a list that is set is added, an empty one clears."""
        return self._values.requested

    @requested_contexts.setter
    def requested_contexts(self, contexts: Contexts) -> None:
        if not contexts:
            self._values.requested = []
            return
        _check_contexts(contexts)
        for context in contexts:
            self.add_requested_context(UID(context.abstract_syntax or ""), context.transfer_syntax)

    def add_requested_context(self, abstract_syntax: str | UID, transfer_syntax: Syntaxes = None) -> None:
        """Add a context to propose, by default in the four uncompressed syntaxes.

        Raises ValueError for the 129th.
        """
        if len(self._values.requested) >= MOST_CONTEXTS:
            raise ValueError(
                "Failed to add the requested presentation context as there are already the maximum allowed "
                "number of requested contexts"
            )
        self._values.requested.append(_context(UID(abstract_syntax), transfer_syntax))

    def remove_requested_context(self, abstract_syntax: str | UID, transfer_syntax: Syntaxes = None) -> None:
        """Remove the contexts of an abstract syntax, or some of their transfer syntaxes."""
        uid, requested = UID(abstract_syntax), self._values.requested
        for context in [context for context in requested if context.abstract_syntax == uid]:
            if transfer_syntax is not None:
                _remove(context, transfer_syntax)
            if transfer_syntax is None or not context.transfer_syntax:
                requested.remove(context)

    @property
    def supported_contexts(self) -> Contexts:
        """The contexts that servers accept, by abstract syntax; a list that is set is added to them."""
        supported = self._values.supported
        return [supported[uid] for uid in sorted(supported)]

    @supported_contexts.setter
    def supported_contexts(self, contexts: Contexts) -> None:
        if not contexts:
            self._values.supported = {}
        for context in contexts:
            given: object = context
            if not isinstance(given, PresentationContext):
                raise ValueError("'contexts' must be a list of PresentationContext items")
            self.add_supported_context(UID(context.abstract_syntax or ""), context.transfer_syntax)

    def add_supported_context(
        self,
        abstract_syntax: str | UID,
        transfer_syntax: Syntaxes = None,
        scu_role: bool | None = None,
        scp_role: bool | None = None,
    ) -> None:
        """Add a context to accept, or transfer syntaxes to one; the roles are granted if both are given."""
        uid, supported = UID(abstract_syntax), self._values.supported
        for name, role in (("scu_role", scu_role), ("scp_role", scp_role)):
            if not isinstance(role, bool | None):
                raise TypeError(f"`{name}` must be None or bool")
        context = supported.get(uid)
        if context is None:
            context = _context(uid, transfer_syntax)
        else:
            for syntax in _listed(transfer_syntax):
                context.add_transfer_syntax(UID(syntax))
        context.scu_role, context.scp_role = scu_role, scp_role
        supported[uid] = context

    def remove_supported_context(self, abstract_syntax: str | UID, transfer_syntax: Syntaxes = None) -> None:
        """Remove the context of an abstract syntax, or some of its transfer syntaxes."""
        uid, supported = UID(abstract_syntax), self._values.supported
        context = supported.get(uid)
        if context is None:
            return
        if transfer_syntax is not None:
            _remove(context, transfer_syntax)
        if transfer_syntax is None or not context.transfer_syntax:
            del supported[uid]

    # -- associations -------------------------------------------------------------------------------

    @property
    def active_associations(self) -> list[Association]:
        """The associations whose threads run, requested ones and those of servers."""
        threads = [thread for thread in threading.enumerate() if isinstance(thread, Association)]
        return [assoc for assoc in threads if assoc.ae is self]

    def associate(
        self,
        addr: str | tuple[str, int, int],
        port: int,
        contexts: Contexts | None = None,
        ae_title: str = "ANY-SCP",
        max_pdu: int = DEFAULT_MAX_LENGTH,
        ext_neg: list[Any] | None = None,
        bind_address: Address | None = None,
        tls_args: tuple[ssl.SSLContext, str] | None = None,
        evt_handlers: list[EventHandlerType] | None = None,
    ) -> Association:
        """Request an association, and return it whatever its state: `is_established` tells.

        Raises RuntimeError without contexts, ValueError for more than 128, and TypeError or ValueError for an
        argument that is not valid.
        """
        remote = _address_of(addr, port)
        local = _bind_address(bind_address, remote)
        assoc = Association(self, MODE_REQUESTOR)
        assoc.connect_with(None if bind_address is None else (local.address, local.port), tls_args)
        acceptor, requestor = assoc.acceptor, assoc.requestor
        acceptor.ae_title, acceptor.address_info = ae_title, remote
        requestor.ae_title, requestor.address_info = self.ae_title, local
        requestor.maximum_length = max_pdu
        requestor.implementation_class_uid = self.implementation_class_uid
        requestor.implementation_version_name = self.implementation_version_name
        for item in ext_neg or []:
            requestor.add_negotiation_item(item)
        proposed = contexts or self.requested_contexts
        _check_contexts(proposed)
        if not proposed:
            raise RuntimeError(
                "At least one requested presentation context is required before associating with a peer"
            )
        proposed = deepcopy(proposed)
        for number, context in enumerate(proposed):
            context.context_id = 2 * number + 1
        requestor.requested_contexts = proposed
        for binding in evt_handlers or []:
            assoc.bind(*parts_of(binding))
        assoc.request()
        if assoc.is_established:
            assoc.start()
        return assoc

    # -- servers ------------------------------------------------------------------------------------

    def make_server(
        self,
        address: Address,
        ae_title: str | None = None,
        contexts: Contexts | None = None,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: list[EventHandlerType] | None = None,
        server_class: type[Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return a server that listens on `address`; its `serve_forever` accepts.

        Raises ValueError without supported contexts, and if one has only one of its roles set.
        """
        if not (_config.UNRESTRICTED_STORAGE_SERVICE or contexts or self.supported_contexts):
            text = "No supported Presentation Contexts have been defined"
            LOGGER.error(text)
            raise ValueError(text)
        title = title_of("ae_title", ae_title or self.ae_title)
        supported = contexts or self.supported_contexts
        odd = [cx.abstract_syntax for cx in supported if (cx.scu_role is None) != (cx.scp_role is None)]
        if odd:
            raise ValueError(
                "The following presentation contexts have inconsistent scu_role/scp_role values (if one is "
                "None, both must be):\n  " + "\n  ".join(map(str, odd))
            )
        made = server_class or AssociationServer
        return made(self, address, title, supported, ssl_context, evt_handlers=evt_handlers or [], **kwargs)

    def start_server(
        self,
        address: Address,
        block: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: list[EventHandlerType] | None = None,
        ae_title: str | None = None,
        contexts: Contexts | None = None,
    ) -> ThreadedAssociationServer | None:
        """Listen on (host, port) and serve; without `block` in a thread, and the server is returned."""
        server: AssociationServer = self.make_server(
            address,
            ae_title=ae_title,
            contexts=contexts,
            ssl_context=ssl_context,
            evt_handlers=evt_handlers,
            server_class=AssociationServer if block else ThreadedAssociationServer,
        )
        self.servers.append(server)
        if isinstance(server, ThreadedAssociationServer):
            server.start()
            return server
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.shutdown()
        return None

    def shutdown(self) -> None:
        """Abort all associations, and shut down all servers."""
        for assoc in self.active_associations:
            assoc.abort()
        for server in self.servers[:]:
            server.shutdown()
        self.servers.clear()

    def __str__(self) -> str:
        """Return all settings in lines."""
        lines = ["", f"Application Entity {self.ae_title}"]
        for kind, contexts in (
            ("Requested", self.requested_contexts),
            ("Supported", self.supported_contexts),
        ):
            lines += ["", f"  {kind} Presentation Contexts:"]
            if not contexts:
                lines.append("\tNone")
            for context in contexts:
                lines.append(f"\t{UID(context.abstract_syntax or '').name}")
                lines += [f"\t\t{syntax.name}" for syntax in context.transfer_syntax]
        lines.append("")
        for name in ("ACSE", "DIMSE", "Network", "Connection"):
            lines.append(f"  {name} timeout: {getattr(self, f'{name.lower()}_timeout')} s")
        lines.append("")
        if self.require_calling_aet:
            lines.append(f"  Required calling AE title(s): {', '.join(self.require_calling_aet)}")
        lines += [f"  Require called AE title: {self.require_called_aet}", ""]
        active = self.active_associations
        lines.append(f"  Association(s): {len(active)}/{self.maximum_associations}")
        for assoc in active:
            peer = assoc.remote
            lines.append(f"\tPeer: {peer['ae_title']} on {peer['address']}:{peer['port']}")
        return "\n".join(lines)


# --- checks ----------------------------------------------------------------------------------------


def _private(name: str) -> str:
    return f"{name} is a private name of pynetdicom; use {_PUBLIC[name]}"


def _context(uid: UID, transfer_syntax: Syntaxes) -> PresentationContext:
    context = PresentationContext()
    context.abstract_syntax = uid
    context.transfer_syntax = [UID(syntax) for syntax in _listed(transfer_syntax)]
    return context


def _remove(context: PresentationContext, transfer_syntax: Syntaxes) -> None:
    for syntax in _listed(transfer_syntax):
        if syntax in context.transfer_syntax:
            context.transfer_syntax.remove(UID(syntax))


def _check_contexts(contexts: Contexts) -> None:
    if len(contexts) > MOST_CONTEXTS:
        raise ValueError("The maximum allowed number of requested presentation contexts is 128")
    given: list[Any] = list(contexts)
    if not all(isinstance(context, PresentationContext) for context in given):
        raise ValueError("'contexts' must be a list of PresentationContext items")


def _address_of(addr: Any, port: Any) -> AddressInformation:
    """Return the address of a peer. Raises TypeError, and `socket.gaierror` for an unknown name."""
    kinds = [type(part) for part in addr[:3]] if isinstance(addr, tuple) else []
    if not isinstance(addr, str) and kinds != [str, int, int]:
        raise TypeError("'addr' must be str or tuple[str, int, int]")
    if not isinstance(port, int):
        raise TypeError("'port' must be int")
    return AddressInformation.from_addr_port(addr, port)


def _bind_address(given: Any, remote: AddressInformation) -> AddressInformation:
    """Return the local address. Raises TypeError."""
    if given is None:
        return AddressInformation("::0" if remote.is_ipv6 else "", 0)
    text = "'bind_address' must be tuple[str, int] or tuple[str, int, int, int]"
    if not isinstance(given, tuple | list) or len(given) not in (2, 4) or not isinstance(given[0], str):
        raise TypeError(text)
    if not all(isinstance(part, int) for part in given[1:]):
        raise TypeError(text)
    return AddressInformation(*given)
