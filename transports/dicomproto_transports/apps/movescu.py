"""`dicomproto movescu`: have objects sent to an application entity, which may be our own."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from dicomproto.errors import DicomProtoError
from dicomproto.uids import VERIFICATION

from .cli.address import find_peer, parse_requestor
from .cli.console import Console
from .cli.listening import MAXIMUM_ASSOCIATIONS, add_callers, admit_callers
from .cli.options import (
    add_peer,
    add_port,
    console_of,
    exit_status,
    new_parser,
    timeouts_of,
)
from .cli.tls import server_tls
from .cli.values import ae_title, port
from .querying.extended_negotiation import check_extension, extension_of
from .querying.identifier import add_identifier
from .querying.models import add_models, check_level
from .querying.options import add_manner, settle_query, syntaxes_of
from .receiving.options import add_acceptance, add_output, is_writable

if TYPE_CHECKING:
    from dicomproto.dimse.commands import CStoreRQ

    from ..blocking import Server
    from ..peers import Peer
    from .querying.retrieval import RetrievalResult
    from .receiving.receiver import Receiver

_DESCRIPTION = """Send a C-MOVE request to a peer, which sends the objects to the application entity -aem.

The keys come from -k and from the file of -f, e.g.
  dicomproto movescu pacs -aem WORKSTATION -S -k QueryRetrieveLevel=STUDY -k StudyInstanceUID=1.2.3

The peer must know the address of that application entity. With --store it is this program, which then
writes the objects to files, as storescp does, until the request is done. It listens on every interface
unless -ba is given, and serves every requestor that calls its AE title; --allow-network and
--allow-calling-aet admit the peer alone. Objects with another Move Originator than this request are
refused with status 0124."""

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "listening", "address": "", "port": 11113}
  {"event": "object", "outcome": "stored", "status": 0, "path": ..., "bytes": 39016, "reason": "",
   "warnings": [], "sop_class_uid": ..., "transfer_syntax_uid": ..., "calling_ae_title": "PACS"}
  {"event": "progress", "remaining": 2, "completed": 1, "warning": 0, "failed": 0}
  {"event": "error", "error": "AssociationRejected", "text": ..., "result": 1, "source": 1, "reason": 7}
  {"event": "summary", "suboperations_remaining": null, "suboperations_completed": 3,
   "suboperations_warning": 0, "suboperations_failed": 0, "failed_uids": [], "status": 0,
   "meaning": "Success", "cancelled": false, "ok": true}
The counts of sub-operations come from the peer, null if it does not send them. "failed_uids" are the SOP
Instance UIDs that it could not send. "listening" and "object" come with --store only; the summary then has
the counts of storescp ("stored" and so on). An object with the outcome "foreign" was refused because it
does not belong to this request; it does not count. The summary is always the last line."""

_LINGER = 2.0
"""Seconds without a byte that end the wait for further objects, after the final response."""

_OF_STORE = (
    "allow_network",
    "allow_calling_aet",
    "any_originator",
    "any_sop_class",
    "any_transfer_syntax",
)
"""The options that need `--store`."""

_DAY = 86_400.0
"""Seconds; longer than any wait."""


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("movescu", "ADDRESS [PORT] -aem TITLE -k KEY...", _DESCRIPTION, _EVENTS)
    network = add_peer(result, "MOVESCU", "retrieve", "cancel")
    add_port(result)
    network.add_argument(
        "-aem", "--move-aet", metavar="TITLE",
        help="the application entity to send the objects to: its AE title, or its name in the peer table"
        " (default: that of --store-aet)",
    )  # fmt: skip
    add_models(result, "move")
    add_identifier(result)
    store = result.add_argument_group("options of our own Storage SCP")
    store.add_argument(
        "--store", action="store_true", help="receive the objects here, and write them to files"
    )
    store.add_argument(
        "--store-port", type=port, default=11113, metavar="PORT",
        help="TCP port to listen on; 0: a free port, which is printed (default: 11113)",
    )  # fmt: skip
    store.add_argument(
        "--store-aet", type=ae_title, default="STORESCP", metavar="TITLE",
        help="AE title of the Storage SCP (default: STORESCP)",
    )  # fmt: skip
    store.add_argument(
        "-ba", "--bind-address", default="", metavar="ADDRESS",
        help="address of the interface to listen on (default: all)",
    )  # fmt: skip
    store.add_argument(
        "--store-plain", action="store_true",
        help="receive over plain TCP although the request uses TLS (default: TLS for both)",
    )  # fmt: skip
    add_callers(store)
    add_acceptance(store)
    store.add_argument(
        "--any-originator", action="store_true",
        help="receive objects with any Move Originator, for a peer that names a wrong one",
    )  # fmt: skip
    add_output(result)
    add_manner(result, "move", "objects")
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse_requestor(parser(), arguments, settle_query, _settle_destination)
    console = console_of(options)
    from dicomproto.quiet import Quiet

    from .querying.retrieval import RetrievalResult

    retrieval = RetrievalResult(options, console)
    try:
        if options.store and not is_writable(options, console):
            retrieval.failed = True
        else:
            storing = _storing(options, console, retrieval) if options.store else nullcontext()
            with Quiet(), storing:
                _move(options, console, retrieval)
    except DicomProtoError as error:
        from .requestor import report

        report(console, error)
        retrieval.failed = True
    except _CannotListen as error:
        console.error(str(error))
        console.event("error", error="OSError", text=str(error))
        retrieval.failed = True
    except KeyboardInterrupt:
        console.error("interrupted")
        retrieval.failed = True
    return exit_status(retrieval.summarize(), console)


class _CannotListen(Exception):
    """Our own Storage SCP could not be started."""


def _settle_destination(options: argparse.Namespace) -> None:
    if options.move_aet is not None:
        peer = find_peer(options, options.move_aet)
        options.move_aet = ae_title(options.move_aet) if peer is None else _title_of(peer)
    else:
        options.move_aet = options.store_aet
    options.message_id = None
    options.store_tls = None
    if options.store:
        # Different in each run: objects of an earlier request may still be coming.
        options.message_id = int.from_bytes(os.urandom(2)) or 1
    else:
        for name in _OF_STORE:
            if getattr(options, name):
                raise ArgumentTypeError(f"--{name.replace('_', '-')} needs --store")
    if not options.store or options.tls is None or options.store_plain:
        return
    if not options.enable_tls:
        raise ArgumentTypeError(
            "to receive over TLS needs --enable-tls; --store-plain receives over plain TCP"
        )
    options.store_tls = server_tls(options)


def _title_of(peer: Peer) -> str:
    from ..peers import InvalidPeers

    try:
        return peer.move_title
    except InvalidPeers as error:
        raise ArgumentTypeError(f"argument -aem: {error}") from None


@contextmanager
def _storing(options: argparse.Namespace, console: Console, retrieval: RetrievalResult) -> Iterator[None]:
    """A block in which our own Storage SCP listens; raises _CannotListen."""
    from .. import evt
    from ..blocking import AE
    from .receiving.receiver import Receiver, support_storage

    receiver = Receiver(
        options,
        console,
        on_receipt=retrieval.received,
        why_foreign=None if options.any_originator else partial(_why_foreign, options),
    )
    retrieval.watch(receiver)
    ae = AE(ae_title=options.store_aet, timeouts=timeouts_of(options))
    ae.maximum_pdu_size = options.max_pdu
    ae.maximum_associations = MAXIMUM_ASSOCIATIONS
    ae.require_called_aet = [options.store_aet, options.move_aet]
    admit_callers(ae, options)
    support_storage(ae, options)
    ae.add_supported_context(VERIFICATION)
    where = options.bind_address or "any address"
    try:
        server = ae.start_server(
            (options.bind_address, options.store_port),
            block=False,
            evt_handlers=[
                (evt.EVT_C_STORE_STREAM, receiver.store),
                (evt.EVT_REJECTED, lambda event: console.warn(str(event.assoc.ending))),
            ],
            ssl_context=options.store_tls,
        )
    except OSError as error:
        text = f"cannot listen on {where}, port {options.store_port}: {error.strerror}"
        raise _CannotListen(text) from None
    show = console.info if options.store_port else console.result
    show(f"listening on {where}, port {server.port}")
    console.event("listening", address=options.bind_address, port=server.port)
    try:
        yield
        _await_the_rest(server, receiver)
        if receiver.foreign:
            console.warn(
                f"{receiver.foreign} objects of other requests were refused; --any-originator accepts them"
            )
    finally:
        server.shutdown(0)


def _why_foreign(options: argparse.Namespace, request: CStoreRQ, sender: str) -> str:
    """Return why an object does not belong to this request (PS3.7 9.1.1.1.6, 9.1.1.1.7), or "".

    Peers made with pynetdicom name themselves as the originator.
    """
    title = (request.MoveOriginatorApplicationEntityTitle or "").strip(" ")
    if title not in ("", options.ae_title, sender):
        return f"its Move Originator is {title!r}, not {options.ae_title!r}"
    if request.MoveOriginatorMessageID not in (None, options.message_id):
        number = request.MoveOriginatorMessageID
        return f"its C-MOVE request is {number}, not {options.message_id}"
    return ""


def _await_the_rest(server: Server, receiver: Receiver) -> None:
    """Wait until the peer has released its associations, or no byte has come for a while."""
    deadline = monotonic() + _LINGER
    closing = Thread(target=server.shutdown, args=(_DAY,))
    closing.start()
    while closing.is_alive() and (left := deadline - monotonic()) > 0:
        closing.join(left)
        deadline = max(deadline, receiver.last_chunk + _LINGER)


def _move(options: argparse.Namespace, console: Console, retrieval: RetrievalResult) -> None:
    from .requestor import Requestor

    check_level(options, console)
    contexts = [(options.model, syntaxes_of(options))]
    requestor = Requestor(options, console)
    with requestor.associate(contexts, extension_of(options, "move")) as association:
        check_extension(association, options, "move", console)
        responses = association.send_c_move(
            options.identifier, options.move_aet, options.model, msg_id=options.message_id
        )
        retrieval.follow(responses)
