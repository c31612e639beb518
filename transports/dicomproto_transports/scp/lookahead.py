"""What the handler of a C-MOVE yields, some of it looked at before its turn.

An association is negotiated before anything is sent over it, so what comes next is looked at when one
is to be opened. Only files are, and they are opened then: it does no harm that the handler moves or
removes them as it goes on. A data set, or a file that the handler holds open, may be another one once
it goes on, so it stands still there. The end, a final status and an exception wait for their turn,
behind the files before them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING

from dicomproto.dimse.status import Category, category_of

from .. import evt
from ..files.objects import FileToSend, KnownFile, prepare
from .cancelling import give_way
from .results import status_of
from .yielded import Steps

if TYPE_CHECKING:
    from ..association.session import Session
    from ..events.handlers import Bound
    from ..files.objects import ObjectToSend

_MOST_FILES = 32
"""Open files; more would tell little more of what is to be negotiated."""

_LONGEST_LOOK = 0.1
"""Seconds after which no further result is asked for: what was looked at is waiting to be sent."""


class _Raised:
    """In place of a result: what the handler raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class StepsAhead:
    """The results of one handler of a C-GET or C-MOVE."""

    def __init__(self, session: Session, bound: Bound, event: evt.RequestEvent) -> None:
        self._session = session
        self._steps = Steps(session, bound, event)
        self._ahead: deque[object] = deque()

    async def next(self) -> object:
        """Return what the handler yields next, a file that was looked at as a `FileToSend`."""
        if not self._ahead:
            return await self._steps.next()
        result = self._ahead.popleft()
        if isinstance(result, _Raised):
            raise result.error
        return result

    async def look_ahead(self, is_over: Callable[[], bool]) -> None:
        """Look at the files that come next, while `is_over` does not say that none of them will be sent.

        To be called when the last result was a file, which has been opened. The peer is heard between two
        of them: raises as `give_way`.
        """
        ahead, now = self._ahead, self._session.stream.now
        end = now() + _LONGEST_LOOK
        while len(ahead) < _MOST_FILES and now() < end and not is_over():
            if ahead and _file_in(ahead[-1]) is None:
                break
            try:
                ahead.append(_opened(await self._steps.next()))
            except Exception as error:
                ahead.append(_Raised(error))
            await give_way(self._session)

    def upcoming(self) -> list[FileToSend]:
        """Return the files that were looked at and not taken yet."""
        files = map(_file_in, self._ahead)
        return [file for file in files if file is not None]

    def drop_files(self) -> list[str]:
        """Forget the files that were looked at, and return their SOP Instance UIDs."""
        names = []
        for file in self.upcoming():
            names.append(file.sop_instance_uid)
            file.close()
        self._ahead = deque(result for result in self._ahead if _file_in(result) is None)
        return names

    async def close(self) -> None:
        """End the handler where it is, and close the files."""
        self.drop_files()
        await self._steps.close()


def came_as_path(item: ObjectToSend) -> bool:
    """Tell whether an object is a file that stays open when its handler goes on."""
    return isinstance(item, FileToSend) and item.is_ours


def close_file_in(result: object) -> None:
    """Close the file of a result that was looked at; nothing happens if that is done, or it has none."""
    file = _file_in(result)
    if file is not None:
        file.close()


def _file_in(result: object) -> FileToSend | None:
    return result[1] if isinstance(result, tuple) and isinstance(result[-1], FileToSend) else None


def _opened(result: object) -> object:
    """Return a result with its file opened; as it is if it has none, or there is something wrong with it."""
    if not isinstance(result, tuple) or len(result) != 2:
        return result
    status, item = result
    try:
        if (
            isinstance(item, str | PathLike | KnownFile)
            and category_of(status_of(status)) is Category.PENDING
        ):
            return status, prepare(item)
    except Exception:  # it comes again when it is its turn
        return result
    return result
