"""The public association, written once as `async def`, for requestor and acceptor alike.

Each `send_*` is one operation; `association/session.py` waits for the responses and serves the peer.
Methods that do not wait are in `base_association.py`. The coroutines use only the session, so that the
blocking flavour can run them for its own association.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from dicomproto.dimse.commands import (
    LOW,
    AnsweredBy,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRSP,
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
    Response,
)
from dicomproto.errors import AssociationReleased
from dicomproto.record import maker_of
from dicomproto.uids import VERIFICATION

from .. import arguments
from ..association.closing import abort, leave_block, release
from ..association.endings import AbortOnCut
from ..checks import checked, seconds_or_none, wrong
from ..error_text import known_as
from ..files.objects import KnownFile, prepare
from ..files.sources import Encoding
from ..scu.requests import ask, call_of, context_for
from ..scu.responses import Responses
from ..scu.store import store
from ..scu.store_many import StoreOutcomes
from .base_association import BaseAssociation, session_of

if TYPE_CHECKING:
    from os import PathLike
    from typing import Self

    from pydicom.dataset import Dataset

    from ..association.session import Session

    ToStore = Dataset | str | PathLike[str] | BinaryIO | KnownFile

R = TypeVar("R", bound=Response)

_make_echo = maker_of(CEchoRQ)


@known_as("Association")
class Association(BaseAssociation):
    """One association, from its first byte to its last.

    Not created by hand: `AE.associate` returns the requestor's, `event.assoc` is the acceptor's. The `send_*`
    methods return the response, with its `Status`. If the association ends before the response, they raise an
    `AssociationError` that names the peer and the reason.
    """

    # -- the user's calls ---------------------------------------------------------------------

    async def send_c_echo(self, msg_id: int | None = None) -> CEchoRSP:
        """Verify that the peer answers, with C-ECHO (PS3.7 9.1.5).

        `msg_id` is the Message ID; None lets the library choose one. As in all requests, that of a request of
        the same service just before is replaced, so that a late response to that does not answer this one.
        Raises NoAcceptedContext if no context for Verification was accepted.
        """
        session = session_of(self)
        session.enter("send_c_echo")
        try:
            request = _make_echo(MessageID=_message_id(msg_id), AffectedSOPClassUID=VERIFICATION)
            context = context_for(session, request)
            return (await session.call(request, context.context_id)).response
        finally:
            session.leave()

    async def send_c_store(
        self,
        dataset: ToStore,
        msg_id: int | None = None,
        priority: int = LOW,
        originator_aet: str | None = None,
        originator_id: int | None = None,
        *,
        never_convert: bool = False,
        send_truncated: bool = False,
    ) -> CStoreRSP:
        """Send a composite SOP instance for storage (PS3.7 9.1.1).

        `dataset` is a pydicom data set, the path of a DICOM file, a seekable binary file, or a `KnownFile`,
        whose head was read before. A file is streamed unchanged. If its transfer syntax was not accepted,
        another one was accepted for the SOP class, and its pixel data is native, it is re-encoded, unless
        `never_convert`. `originator_aet` and `originator_id` name the C-MOVE that this is a part of.
        `warnings` of the response lists tolerated faults.

        Raises NoAcceptedContext, InvalidFile for a file that is not DICOM, ValueError for a data set without
        the UIDs of an object, and OSError if the file cannot be read; the association stays. A file that
        changes or fails midway ends in AssociationAborted. A file whose data set certainly ends early, within
        a value, an item or a sequence (PS3.5 7.1.1, 7.5, A.4), raises TruncatedFile (a DataSetError and
        ValueError) before anything is sent, unless `send_truncated`. A deflated data set is not checked.
        """
        if not (never_convert is False is send_truncated):
            arguments.check_flag("never_convert", never_convert)
            arguments.check_flag("send_truncated", send_truncated)
        session = session_of(self)
        session.enter("send_c_store")
        try:
            item = prepare(dataset, send_truncated=send_truncated)
            try:
                return await store(
                    session,
                    item,
                    msg_id=_message_id(msg_id),
                    priority=priority,
                    originator_aet=originator_aet,
                    originator_id=originator_id,
                    never_convert=never_convert,
                )
            finally:
                item.close()
        finally:
            session.leave()

    def store_many(
        self,
        objects: Iterable[ToStore],
        *,
        priority: int = LOW,
        never_convert: bool = False,
        send_truncated: bool = False,
    ) -> StoreOutcomes:
        """Send many objects for storage, as many at once as the asynchronous operations window allows.

        Returns an iterator over `StoreOutcome`s, in the order of the responses. `objects` are arguments of
        `send_c_store`, taken one by one as they are needed. The outcome of an object that cannot be sent has
        its error, and the next ones follow. Raises the AssociationError of the end.
        """
        arguments.check_flag("never_convert", never_convert)
        arguments.check_flag("send_truncated", send_truncated)
        arguments.number("priority", priority)
        return StoreOutcomes(
            session_of(self),
            arguments.objects(objects),
            priority=priority,
            never_convert=never_convert,
            send_truncated=send_truncated,
        )

    def send_c_find(
        self, dataset: Dataset, query_model: str, msg_id: int | None = None, priority: int = LOW
    ) -> Responses[CFindRSP]:
        """Query for matches of an identifier (PS3.7 9.1.2).

        `query_model` is the SOP class of the information model, such as Study Root Query/Retrieve - FIND.
        Returns an iterator over the responses: a pending (response, identifier) for each match, then the
        final (response, None). Raises NoAcceptedContext, and DataSetError for an identifier that cannot be
        encoded.
        """
        request = CFindRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(query_model=query_model),
            Priority=priority,
        )
        return _responses(session_of(self), request, dataset)

    def send_c_get(
        self, dataset: Dataset, query_model: str, msg_id: int | None = None, priority: int = LOW
    ) -> Responses[CGetRSP]:
        """Retrieve the objects that match an identifier, over this association (PS3.7 9.1.3).

        They come as C-STORE requests during the iteration over the responses, for the handler of EVT_C_STORE
        or EVT_C_STORE_STREAM. Their SOP classes must have been proposed with the SCP role. Returns and raises
        as `send_c_find`. The responses count the sub-operations; the identifier of the final one lists those
        that failed.
        """
        request = CGetRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(query_model=query_model),
            Priority=priority,
        )
        return _responses(session_of(self), request, dataset)

    def send_c_move(
        self,
        dataset: Dataset,
        move_aet: str,
        query_model: str,
        msg_id: int | None = None,
        priority: int = LOW,
    ) -> Responses[CMoveRSP]:
        """Let the peer send the objects that match an identifier to the AE `move_aet` (PS3.7 9.1.4).

        Returns and raises as `send_c_get`.
        """
        request = CMoveRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(query_model=query_model),
            MoveDestination=arguments.title("move_aet", move_aet),
            Priority=priority,
        )
        return _responses(session_of(self), request, dataset)

    async def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | None = None
    ) -> None:
        """Cancel a C-FIND, C-GET or C-MOVE of ours (PS3.7 9.3.2.3); its final response still comes.

        `msg_id` is the one that was given to the request, or `message_id` of its responses. `context_id` and
        `query_model` are ignored: the request is known. Raises LocalProtocolError if no such operation is
        outstanding.
        """
        await session_of(self).cancel(arguments.number("msg_id", msg_id))

    async def send_n_event_report(
        self,
        dataset: Dataset | None,
        event_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int | None = None,
        meta_uid: str | None = None,
    ) -> tuple[NEventReportRSP, Dataset | None]:
        """Report an event about a SOP instance, as its SCP (PS3.7 10.1.1).

        `meta_uid` is the SOP class of the context, if it is not the instance's, such as a meta SOP class.
        Returns the response and its Event Reply or None. Raises NoAcceptedContext, and DataSetError for a
        data set that cannot be encoded or decoded; the association stays.
        """
        request = NEventReportRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(class_uid=class_uid),
            AffectedSOPInstanceUID=_uid(instance_uid=instance_uid),
            EventTypeID=arguments.number("event_type", event_type),
        )
        return await ask(session_of(self), request, dataset, meta_uid)

    async def send_n_get(
        self,
        identifier_list: Iterable[int | str | tuple[int, int]] | None,
        class_uid: str,
        instance_uid: str,
        msg_id: int | None = None,
        meta_uid: str | None = None,
    ) -> tuple[NGetRSP, Dataset | None]:
        """Get attributes of a SOP instance (PS3.7 10.1.2), by tag or keyword; None or [] for all.

        Returns the response and its Attribute List; otherwise as `send_n_event_report`.
        """
        request = NGetRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=_uid(instance_uid=instance_uid),
            AttributeIdentifierList=arguments.tags_of(identifier_list) or None,
        )
        return await ask(session_of(self), request, None, meta_uid)

    async def send_n_set(
        self,
        dataset: Dataset,
        class_uid: str,
        instance_uid: str,
        msg_id: int | None = None,
        meta_uid: str | None = None,
    ) -> tuple[NSetRSP, Dataset | None]:
        """Set attributes of a SOP instance to those of a Modification List (PS3.7 10.1.3).

        Returns the response and its Attribute List; otherwise as `send_n_event_report`, and raises
        LocalProtocolError without a list.
        """
        request = NSetRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=_uid(instance_uid=instance_uid),
        )
        return await ask(session_of(self), request, dataset, meta_uid)

    async def send_n_action(
        self,
        dataset: Dataset | None,
        action_type: int,
        class_uid: str,
        instance_uid: str,
        msg_id: int | None = None,
        meta_uid: str | None = None,
    ) -> tuple[NActionRSP, Dataset | None]:
        """Request an action on a SOP instance (PS3.7 10.1.4); `dataset` is the Action Information.

        Returns the response and its Action Reply; otherwise as `send_n_event_report`.
        """
        request = NActionRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=_uid(instance_uid=instance_uid),
            ActionTypeID=arguments.number("action_type", action_type),
        )
        return await ask(session_of(self), request, dataset, meta_uid)

    async def send_n_create(
        self,
        dataset: Dataset | None,
        class_uid: str,
        instance_uid: str | None = None,
        msg_id: int | None = None,
        meta_uid: str | None = None,
    ) -> tuple[NCreateRSP, Dataset | None]:
        """Create a SOP instance (PS3.7 10.1.5); without `instance_uid` the peer chooses one and returns it.

        Returns the response, with its AffectedSOPInstanceUID, and its Attribute List; otherwise as
        `send_n_event_report`.
        """
        request = NCreateRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(class_uid=class_uid),
            AffectedSOPInstanceUID=None if instance_uid is None else _uid(instance_uid=instance_uid),
        )
        return await ask(session_of(self), request, dataset, meta_uid)

    async def send_n_delete(
        self, class_uid: str, instance_uid: str, msg_id: int | None = None, meta_uid: str | None = None
    ) -> NDeleteRSP:
        """Delete a SOP instance (PS3.7 10.1.6); returns the response, raises as `send_n_event_report`."""
        request = NDeleteRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=_uid(instance_uid=instance_uid),
        )
        return (await ask(session_of(self), request, None, meta_uid))[0]

    async def serve(self, timeout: float | None = None, until: Callable[[], object] | None = None) -> bool:
        """Serve requests of the peer, for `timeout` seconds or until `until()` is true.

        Unfinished iterations are ended first. Returns True if `until()` became true or, without `until`, the
        peer released the association; False otherwise. Raises AssociationError for another end.
        """
        checked("timeout", seconds_or_none, timeout)
        if until is not None and not callable(until):
            raise TypeError(f"until: {wrong('a function, or None', until)}")
        session = session_of(self)
        session.enter("serve")
        deadline = None if timeout is None else session.stream.now() + timeout
        try:
            # A cut between two messages loses nothing, so the association stays.
            async with AbortOnCut(session.end, session.is_under_way):
                await session.settle("serve")
                while until is None or not until():
                    await session.dispatch(await session.next_event(deadline))
                    if deadline is not None and session.stream.now() >= deadline:
                        break
                await session.send_all()
                return until is not None and bool(until())
        except TimeoutError:
            return False
        except AssociationReleased:
            return until is None or bool(until())
        finally:
            session.leave()

    async def release(self, timeout: float | None = None) -> None:
        """Release the association in order (PS3.8 7.2); does nothing after its end.

        If the peer does not answer within `timeout` seconds, or `Timeouts.association`, it is aborted.

        A peer that closes or aborts in place of an answer cuts nothing short: that is not an error, but
        `is_released` is false. Raises TimedOut and RemoteProtocolError; in a handler, whose request is still
        unanswered, LocalProtocolError.
        """
        checked("timeout", seconds_or_none, timeout)
        await release(session_of(self), timeout)

    async def abort(self) -> None:
        """Abort the association (PS3.8 7.3); does nothing after its end.

        Any task may call this at any time, and in the blocking flavour any thread, as for one of
        `server.active_associations`. A call that waits then raises AssociationAborted. A thread beside the
        event loop of trio or anyio uses their `from_thread.run`.

        If no call is under way, it waits for the peer to close the connection, for at most `Timeouts.close`.
        Otherwise that call closes. While a handler runs, the A-ABORT leaves at once, and the connection is
        closed after the handler, whose `event.is_cancelled` is true. A PDU that is being sent ends first.
        """
        await abort(session_of(self))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await leave_block(session_of(self), kind)


def _responses(session: Session, request: AnsweredBy[R], dataset: Dataset) -> Responses[R]:
    dataset = arguments.data_set(dataset, call_of(request))
    context = context_for(session, request)
    return Responses(session, request, context, Encoding(session).encode(dataset, context.transfer_syntax))


def _message_id(given: int | None) -> int:
    """Return the Message ID given to a call; 0 lets the engine choose one."""
    return 0 if given is None else arguments.number("msg_id", given)


def _uid(**argument: str) -> str:
    """Check one keyword argument, a UID, and return it; TypeError names it."""
    ((name, given),) = argument.items()
    return arguments.uid(name, given)
