"""What the requestors have in common: to associate, and to say why it did not work."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dicomproto.config import Timeouts
from dicomproto.errors import AssociationError, DicomProtoError
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, UserIdentityRQ

from .._addresses import name_of
from ..blocking import AE
from .cli.console import Console
from .cli.options import timeouts_of
from .cli.user_identity import USER

if TYPE_CHECKING:
    from dicomproto.negotiation import Proposal

    from .._requestor import NegotiationItem
    from ..blocking import Association
    from ..evt import Binding
    from ..peers import Peer


class NoIdentityResponse(AssociationError):
    """The peer accepted the association, but said nothing of the user's identity."""


class Requestor:
    """Ourselves as the client of the peer that the options name."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        console.take_logging()
        self._options = options
        self._console = console
        self._ae = AE(ae_title=options.ae_title)
        self._call = _call(options)
        identity: UserIdentityRQ | None = options.identity
        if identity is not None and identity.identity_type != USER and options.tls is None:
            what = "passcode" if identity.secondary_field else "identity"
            console.warn(f"the {what} of the user is sent for anyone to read: the connection has no TLS")

    @property
    def name(self) -> str:
        """The peer, for a person."""
        return name_of(self._options.called_aet, (self._options.addr, self._options.port))

    def associate(
        self,
        contexts: Iterable[Proposal],
        extended: Iterable[NegotiationItem] = (),
        handlers: Sequence[Binding] = (),
    ) -> Association:
        """Associate; raises what `AE.associate` does."""
        options, console = self._options, self._console
        console.info(f"requesting an association with {self.name}")
        call = self._call
        association = self._ae.associate(
            **call | {"ext_neg": [*call["ext_neg"], *extended]},
            contexts=list(contexts),
            evt_handlers=handlers,
        )
        self._check_identity(association, options.identity)
        return association

    def _check_identity(self, association: Association, identity: UserIdentityRQ | None) -> None:
        """Abort if the positive response that was asked for is not there (PS3.7 D.3.3.7.2)."""
        if identity is None or not identity.positive_response_requested:
            return
        if association.acceptor.user_identity is None:
            association.abort()
            raise NoIdentityResponse(f"{self.name} gave no response to the identity of the user: aborted")
        self._console.info("the peer answered to the identity of the user")


def _call(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments that reach the peer: what its table says, under what the options say."""
    peer: Peer | None = options.peer
    window: int | None = getattr(options, "window", None)
    call: dict[str, Any] = {}
    if peer is not None:  # its TLS is settled
        call = peer.replace(tls=None, window=window or peer.window).options(Timeouts())
    items: list[NegotiationItem] = call.get("ext_neg", [])
    if peer is None and window is not None:
        items.append(AsynchronousOperationsWindow(maximum_invoked=window, maximum_performed=1))
    if getattr(options, "assume_charset", None):
        call["assume_charset"] = options.assume_charset
    if options.identity is not None:
        items.append(options.identity)
    return call | {
        "addr": options.addr,
        "port": options.port,
        "ae_title": options.called_aet,
        "calling_ae_title": options.ae_title,
        "max_pdu": options.max_pdu,
        "timeouts": timeouts_of(options, call.get("timeouts")),
        "tls_args": options.tls,
        "ext_neg": items,
    }


_FIELDS = ("result", "source", "reason", "phase", "state", "kind", "by_peer", "offset", "item_path")


def facts(error: DicomProtoError) -> dict[str, object]:
    """Return what a program wants to know of an error: its class, its text and its fields."""
    fields = {name: getattr(error, name) for name in _FIELDS if hasattr(error, name)}
    return {"error": type(error).__name__, "text": str(error), **fields}


def report(console: Console, error: DicomProtoError) -> None:
    """Say what ended the association."""
    console.error(str(error))
    console.event("error", **facts(error))
