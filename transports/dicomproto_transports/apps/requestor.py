"""Requestors associate with a peer, and report why an association ended."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dicomproto.config import Timeouts
from dicomproto.errors import AssociationError, DicomProtoError
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, UserIdentityRQ

from ..blocking import AE
from ..streams.addresses import name_of
from .cli.console import Console
from .cli.options import timeouts_of
from .cli.user_identity import USER

if TYPE_CHECKING:
    from dicomproto.negotiation import Proposal

    from ..blocking import Association
    from ..entity.requestor import NegotiationItem
    from ..evt import Binding
    from ..peers import Peer


class NoIdentityResponse(AssociationError):
    """The peer accepted the association without a response to the user identity."""


class Requestor:
    """Associates with the peer that the options name."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        console.take_logging()
        self._options = options
        self._console = console
        self._ae = AE(ae_title=options.ae_title)
        self._peer: Peer | None = options.peer
        self._timeouts = timeouts_of(options, self._peer and self._peer.timeouts_over(Timeouts()))
        identity: UserIdentityRQ | None = options.identity
        if identity is not None and identity.identity_type != USER and options.tls is None:
            what = "passcode" if identity.secondary_field else "identity"
            console.warn(f"the {what} of the user is sent in clear: the connection has no TLS")

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
        """Associate; raises the errors of `AE.associate`."""
        options, peer = self._options, self._peer
        self._console.info(f"requesting an association with {self.name}")
        association = self._ae.associate(
            addr=options.addr,
            port=options.port,
            contexts=list(contexts),
            ae_title=options.called_aet,
            max_pdu=options.max_pdu,
            ext_neg=[*extended, options.identity] if options.identity is not None else extended,
            tls_args=options.tls,
            evt_handlers=handlers,
            calling_ae_title=options.ae_title,
            timeouts=self._timeouts,
            operations_window=self._window(),
            strict_roles=None if peer is None else peer.strict_roles,
            pack_pdvs=peer is not None and bool(peer.pack_pdvs),
            assume_charset=self._charset(),
        )
        self._check_identity(association, options.identity)
        return association

    def _window(self) -> AsynchronousOperationsWindow | None:
        """Return the window to propose: that of the option, else that of the peer table."""
        window: int | None = getattr(self._options, "window", None)
        if window is None and self._peer is not None:
            window = self._peer.window
        if window is None:
            return None
        return AsynchronousOperationsWindow(maximum_invoked=window, maximum_performed=1)

    def _charset(self) -> str | None:
        """Return the character set to assume: that of the option, else that of the peer table."""
        charset: str | None = getattr(self._options, "assume_charset", None)
        return charset or (None if self._peer is None else self._peer.assume_charset)

    def _check_identity(self, association: Association, identity: UserIdentityRQ | None) -> None:
        """Abort if a positive response was requested and is missing (PS3.7 D.3.3.7.2)."""
        if identity is None or not identity.positive_response_requested:
            return
        if association.acceptor.user_identity is None:
            association.abort()
            raise NoIdentityResponse(f"{self.name} sent no response to the identity of the user: aborted")
        self._console.info("the peer sent a response to the identity of the user")


_FIELDS = ("result", "source", "reason", "phase", "state", "kind", "by_peer", "offset", "item_path")


def facts(error: DicomProtoError) -> dict[str, object]:
    """Return the class, the text and the fields of an error, for a program."""
    fields = {name: getattr(error, name) for name in _FIELDS if hasattr(error, name)}
    return {"error": type(error).__name__, "text": str(error), **fields}


def report(console: Console, error: DicomProtoError) -> None:
    """Report the error that ended the association."""
    console.error(str(error))
    console.event("error", **facts(error))
