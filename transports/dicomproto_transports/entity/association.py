"""The association as its users hold it, written once as `async def`, for requestor and acceptor alike.

Each `send_*` is one operation of ours; how it waits for its responses, and what happens meanwhile,
is `association/session.py`. What does not wait is in `base_association.py`, for all flavours. The
coroutines use nothing but the session, so that the blocking flavour can run them for its own association.
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
from ..association.endings import CutEnds
from ..checks import checked, own_title, seconds_or_none, wrong
from ..files.objects import KnownFile, prepare
from ..files.pieces import Encoding
from ..scu.requests import ask, call_of, context_for
from ..scu.responses import Responses
from ..scu.store import store
from ..scu.store_many import StoreOutcomes
from ..words import known_as
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

    Not created by hand: `AE.associate` gives the requestor's, handlers find the acceptor's in
    `event.assoc`. The `send_*` methods return the response, with its `Status`; they raise
    `AssociationError`, which says who and why, when the association ends before it came.
    """

    # -- the user's calls ---------------------------------------------------------------------

    async def send_c_echo(self, msg_id: int | None = None) -> CEchoRSP:
        """Ask the peer for a sign of life (PS3.7 9.1.5).

        `msg_id` is the Message ID, allotted if None. Raises NoAcceptedContext if no context for Verification
        was accepted.
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

        `dataset` is a pydicom data set, the path of a DICOM file, a binary file that can seek, or a
        `KnownFile`, whose head was read before. A file is streamed as it is. If its transfer syntax was not
        accepted but another one was for the SOP class, and its pixel data is native, it is re-encoded,
        unless `never_convert`. `originator_aet` and `originator_id` name the C-MOVE that this is a part of.
        `warnings` of the result tells what was odd.

        Raises NoAcceptedContext, InvalidFile for what is no DICOM file, ValueError for a data set that is no
        object, and OSError if the file cannot be read; the association stays. A file that changes or fails
        midway ends in AssociationAborted. One whose data set certainly ends early, within a value, an item or
        a sequence (PS3.5 7.1.1, 7.5, A.4), is a TruncatedFile (a DataSetError and ValueError) before anything
        is sent, unless `send_truncated`. What cannot be followed, such as a deflated data set, is not looked
        at.
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

        Returns an iterator over `StoreOutcome`s, in the order of the responses; `objects`, each of them what
        `send_c_store` takes, are asked for as they are needed. One that cannot be sent is an outcome
        with its error, and the others go on. Raises the AssociationError of the end.
        """
        arguments.check_flag("never_convert", never_convert)
        arguments.check_flag("send_truncated", send_truncated)
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
        """Ask for what matches an identifier (PS3.7 9.1.2).

        `query_model` is the SOP class of the information model, such as Study Root Query/Retrieve - FIND.
        Returns the responses, to be iterated over: (response, identifier) for each match, pending, and at
        last (response, None). Raises NoAcceptedContext, and DataSetError if the identifier cannot be encoded.
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
        """Have the objects that match an identifier sent over this association (PS3.7 9.1.3).

        They come as C-STORE requests while the responses are iterated over, and are handled by EVT_C_STORE or
        EVT_C_STORE_STREAM; their SOP classes must have been proposed with the SCP role. Returns and raises
        as `send_c_find`; the responses count the sub-operations, the identifier of the last lists those that
        failed.
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
        """Have the objects that match an identifier sent to the AE `move_aet` (PS3.7 9.1.4).

        Returns and raises as `send_c_get`.
        """
        request = CMoveRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(query_model=query_model),
            MoveDestination=own_title(move_aet),
            Priority=priority,
        )
        return _responses(session_of(self), request, dataset)

    async def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | None = None
    ) -> None:
        """Ask the peer to end a C-FIND, C-GET or C-MOVE of ours (PS3.7 9.3.2.3); its final response comes.

        `context_id` and `query_model` are not needed: the request is known. Raises LocalProtocolError if no
        such operation is outstanding.
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

        `meta_uid` names the SOP class of the context, where that is not the instance's: a meta SOP class, for
        one. Returns the response and its Event Reply, None if there is none. Raises NoAcceptedContext, and
        DataSetError for what cannot be encoded or decoded; the association stays.
        """
        request = NEventReportRQ(
            MessageID=_message_id(msg_id),
            AffectedSOPClassUID=_uid(class_uid=class_uid),
            AffectedSOPInstanceUID=instance_uid,
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
        """Ask for attributes of a SOP instance (PS3.7 10.1.2), by tag or keyword; None or [] for all.

        Returns the response and its Attribute List; otherwise as `send_n_event_report`.
        """
        request = NGetRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=instance_uid,
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
        """Change attributes of a SOP instance to those of a Modification List (PS3.7 10.1.3).

        Returns the response and its Attribute List; otherwise as `send_n_event_report`, and raises
        LocalProtocolError without a list.
        """
        request = NSetRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=instance_uid,
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
        """Have something done to a SOP instance (PS3.7 10.1.4); `dataset` is the Action Information.

        Returns the response and its Action Reply; otherwise as `send_n_event_report`.
        """
        request = NActionRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=instance_uid,
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
            AffectedSOPInstanceUID=instance_uid,
        )
        return await ask(session_of(self), request, dataset, meta_uid)

    async def send_n_delete(
        self, class_uid: str, instance_uid: str, msg_id: int | None = None, meta_uid: str | None = None
    ) -> NDeleteRSP:
        """Delete a SOP instance (PS3.7 10.1.6); returns the response, raises as `send_n_event_report`."""
        request = NDeleteRQ(
            MessageID=_message_id(msg_id),
            RequestedSOPClassUID=_uid(class_uid=class_uid),
            RequestedSOPInstanceUID=instance_uid,
        )
        return (await ask(session_of(self), request, None, meta_uid))[0]

    async def serve(self, timeout: float | None = None, until: Callable[[], object] | None = None) -> bool:
        """Handle what the peer sends, for `timeout` seconds or until `until()` is true.

        What was begun is finished first. Returns True if `until()` became true or, where none was given, the
        peer released the association; False otherwise. Raises AssociationError if it ends in another way.
        """
        checked("timeout", seconds_or_none, timeout)
        if until is not None and not callable(until):
            raise TypeError(f"until: {wrong('a function, or None', until)}")
        session = session_of(self)
        session.enter("serve")
        deadline = None if timeout is None else session.stream.now() + timeout
        try:
            # Cut between two messages, nothing is lost and the association stays.
            async with CutEnds(session.end, session.is_under_way):
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
        """Release the association in order (PS3.8 7.2); nothing happens if it has ended.

        A peer that has not answered after `timeout` seconds is aborted; `Timeouts.association` holds anyway.

        A peer that closes or aborts in place of an answer cuts nothing short, so that is no error, but
        `is_released` is false then. Raises TimedOut and RemoteProtocolError, and LocalProtocolError in a
        handler, whose request is still to be answered.
        """
        checked("timeout", seconds_or_none, timeout)
        await release(session_of(self), timeout)

    async def abort(self) -> None:
        """Abort the association (PS3.8 7.3); nothing happens if it has ended.

        Then waits for the peer to close the connection, no longer than `Timeouts.close`.
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
        await leave_block(session_of(self), is_cut=kind is not None)


def _responses(session: Session, request: AnsweredBy[R], dataset: Dataset) -> Responses[R]:
    dataset = arguments.data_set(dataset, call_of(request))
    context = context_for(session, request)
    return Responses(session, request, context, Encoding(session).encode(dataset, context.transfer_syntax))


def _message_id(given: int | None) -> int:
    """Return the Message ID that a call was given, 0 for one that is to be allotted."""
    return 0 if given is None else arguments.number("msg_id", given)


def _uid(**argument: str) -> str:
    """Return the one argument of a call, which is a UID; TypeError names it."""
    ((name, given),) = argument.items()
    return arguments.uid(name, given)
