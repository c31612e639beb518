"""What the requestors have in common: to associate, and to say why it did not work."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dicomproto.errors import DicomProtoError

from .._facts import name_of
from ..blocking import AE
from ._console import Console
from ._options import timeouts_of

if TYPE_CHECKING:
    from dicomproto.negotiation import Proposal

    from ..blocking import Association


class Peer:
    """The peer that the options name, and ourselves as its client."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        console.take_logging()
        self._options = options
        self._console = console
        self._ae = AE(ae_title=options.ae_title, timeouts=timeouts_of(options))

    def associate(self, contexts: Iterable[Proposal]) -> Association:
        """Associate; raises what `AE.associate` does."""
        options, console = self._options, self._console
        console.info(
            f"requesting an association with {name_of(options.called_aet, (options.addr, options.port))}"
        )
        association = self._ae.associate(
            options.addr,
            options.port,
            ae_title=options.called_aet,
            contexts=list(contexts),
            max_pdu=options.max_pdu,
        )
        acceptor = association.acceptor
        console.debug(
            f"accepted by {acceptor.implementation_class_uid} ({acceptor.implementation_version_name}),"
            f" maximum length {acceptor.maximum_length}"
        )
        for context in association.accepted_contexts:
            console.debug(
                f"context {context.context_id}: {context.abstract_syntax} in {context.transfer_syntax}"
            )
        for refused in association.rejected_contexts:
            console.debug(f"context {refused.context_id}: {refused.abstract_syntax}: {refused.reason}")
        return association


_FIELDS = ("result", "source", "reason", "phase", "state", "kind", "by_peer", "offset", "item_path")


def facts(error: DicomProtoError) -> dict[str, object]:
    """Return what a program wants to know of an error: its class, its text and its fields."""
    fields = {name: getattr(error, name) for name in _FIELDS if hasattr(error, name)}
    return {"error": type(error).__name__, "text": str(error), **fields}


def report(console: Console, error: DicomProtoError) -> None:
    """Say what ended the association."""
    console.error(str(error))
    console.event("error", **facts(error))
