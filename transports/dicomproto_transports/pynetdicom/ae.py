"""The application entity with pynetdicom's manners."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

from pydicom.uid import UID

from . import _config
from ._addresses import AddressInformation
from ._context_lists import Contexts, check_contexts
from ._core import Core
from ._globals import DEFAULT_MAX_LENGTH, MODE_REQUESTOR
from ._settings import Settings
from ._titles import title_of
from .association import Association
from .events import EventHandlerType, parts_of
from .transport import Address, AssociationServer, ThreadedAssociationServer

if TYPE_CHECKING:
    import ssl

LOGGER = logging.getLogger("pynetdicom.ae")


class ApplicationEntity(Settings):
    """An application entity: it requests associations and serves them.

    Programs may keep attributes of their own on it.
    """

    def __init__(self, ae_title: str = "PYNETDICOM") -> None:
        """Make an application entity without contexts."""
        super().__init__(ae_title)
        self.core: Core = Core(self)
        self.servers: list[AssociationServer] = []

    def __copy__(self) -> Self:
        """Return an application entity whose settings change apart; the lists of contexts are the same."""
        copied = super().__copy__()
        copied.core = Core(copied)
        return copied

    # -- associations -------------------------------------------------------------------------------

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
        check_contexts(proposed)
        if not proposed:
            raise RuntimeError(
                "At least one requested presentation context is required before associating with a peer"
            )
        proposed = [deepcopy(context) for context in proposed]  # one may be there twice
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
