"""The requestor's side of an application entity: the request, the connection, and the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from dicomproto.errors import LocalProtocolError, NoAcceptedContext
from dicomproto.negotiation import build_associate_rq
from dicomproto.upper_layer.pdu import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)

from .. import arguments, evt
from ..arguments import Context
from ..association.log_lines import log_acceptance, log_connection
from ..error_text import shown, uid_named
from ..streams.addresses import name_of
from ..streams.supplied import check_stream
from .settings import RequestKey, Settled

if TYPE_CHECKING:
    from dicomproto.config import Timeouts

    from ..association.session import Session
    from ..streams.interface import Backend, Stream
    from ..streams.secure import Handshake
    from ..tls import TLSArguments

NegotiationItem = (
    RoleSelection
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityRQ
    | AsynchronousOperationsWindow
)
"""The items that `ext_neg` of `associate` may hold."""

T = TypeVar("T")


def request_of(
    settings: Settled,
    contexts: Iterable[Context] | None,
    called: str | bytes,
    calling: str | bytes | None,
    max_pdu: int | None,
    items: Iterable[object],
    operations_window: AsynchronousOperationsWindow | None,
) -> AssociateRQ:
    """Return the A-ASSOCIATE-RQ from the arguments, and from the settings where an argument is None.

    The request of earlier associations is returned again if it would be the same.
    """
    key = _key_of(called, calling, max_pdu)
    if key is None or contexts is not None or operations_window is not None or items:
        return _new_request(settings, contexts, called, calling, max_pdu, items, operations_window)
    known = settings.request(key)
    if known is None:
        known = _new_request(settings, None, called, calling, max_pdu, (), None)
        settings.keep_request(key, known)
    return known


def _key_of(called: object, calling: object, max_pdu: int | None) -> RequestKey | None:
    """Return the key of a request, None if the AE titles are none."""
    if not isinstance(called, str | bytes) or not isinstance(calling, str | bytes | None):
        return None
    return called, calling, max_pdu


def _new_request(
    settings: Settled,
    contexts: Iterable[Context] | None,
    called: str | bytes,
    calling: str | bytes | None,
    max_pdu: int | None,
    items: Iterable[object],
    operations_window: AsynchronousOperationsWindow | None,
) -> AssociateRQ:
    """Return the A-ASSOCIATE-RQ from the arguments, checked."""
    proposals = settings.proposals(contexts)
    if not proposals:
        raise LocalProtocolError(
            "an association needs presentation contexts: add_requested_context() or contexts="
        )
    wanted = "a list of items of the extended negotiation"
    extended = tuple(arguments.listed("ext_neg", wanted, items))
    unknown = [item for item in extended if not isinstance(item, NegotiationItem)]
    if unknown:
        raise TypeError(f"ext_neg holds items of the extended negotiation, not {shown(unknown[0])}")
    return build_associate_rq(
        settings.ae_title if calling is None else arguments.title("calling_ae_title", calling),
        arguments.title("ae_title", called),
        proposals,
        maximum_length=settings.maximum_pdu_size if max_pdu is None else max_pdu,
        implementation_class_uid=settings.implementation_class_uid,
        implementation_version_name=settings.implementation_version_name,
        role_selections=_of(RoleSelection, extended),
        sop_class_extended=_of(SOPClassExtendedNegotiation, extended),
        sop_class_common_extended=_of(SOPClassCommonExtendedNegotiation, extended),
        user_identity=_one_of(UserIdentityRQ, extended),
        operations_window=_one_of(AsynchronousOperationsWindow, extended) or operations_window,
    )


async def connected_stream(
    backend: Backend,
    addr: str,
    port: int,
    bind_address: tuple[str, int] | None,
    tls_args: TLSArguments | None,
    called: str,
    timeouts: Timeouts,
) -> Stream:
    """Return the stream of a new connection to a peer, with TLS if there are arguments for it."""
    wait = timeouts.connect
    deadline = None if wait is None else backend.now() + wait
    handshake = None if tls_args is None else _handshake(tls_args, addr)
    connected = await backend.connect(addr, port, bind_address=bind_address, deadline=deadline)
    stream = check_stream(connected, f"{type(backend).__name__}.connect()", backend)
    if handshake is not None:
        stream = await handshake.run(stream, name_of(called, stream.peer_address), timeouts)
    return stream


def _handshake(arguments: TLSArguments, host: str) -> Handshake:
    from ..streams.secure import Handshake  # the ssl module takes 10 ms to load

    return Handshake.with_server(arguments, host)


async def establish(session: Session) -> None:
    """Request the association on a new connection; aborts it if no context is accepted."""
    connection = session.connection
    log_connection("%s: connected", session.ending)
    session.enter("associate")
    try:
        connection.transport_connected()
        await session.notify(evt.EVT_CONN_OPEN, address=session.stream.peer_address)
        await session.notify(evt.EVT_REQUESTED, associate_request=connection.request)
        event = await session.next_event()
        assert isinstance(event, AssociateAC)
        if not connection.accepted_contexts:
            raise NoAcceptedContext(_nothing_accepted(session))
        log_acceptance(session.ending, connection)
        await session.notify(evt.EVT_ACCEPTED)
        await session.notify(evt.EVT_ESTABLISHED)
    except BaseException as error:
        await session.end(waits=isinstance(error, Exception))
        raise
    finally:
        session.leave()


def _of(kind: type[T], items: tuple[object, ...]) -> list[T]:
    return [item for item in items if isinstance(item, kind)] if items else []


def _one_of(kind: type[T], items: tuple[object, ...]) -> T | None:
    found = _of(kind, items)
    if len(found) > 1:
        raise ValueError(f"ext_neg holds {len(found)} items of {kind.__name__}, one is allowed")
    return found[0] if found else None


def _nothing_accepted(session: Session) -> str:
    reasons: dict[str, None] = {}
    for context in session.connection.rejected_contexts.values():
        reasons[f"{uid_named(context.abstract_syntax)}: {context.reason}"] = None
    return f"{session.peer_name} accepted no presentation context ({'; '.join(reasons)})"
