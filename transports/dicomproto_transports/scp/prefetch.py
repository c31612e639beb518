"""Results of a C-GET or C-MOVE handler, some of them fetched ahead.

The contexts of an association are negotiated before its first object. So before an association is opened, the
next results are fetched as long as they are paths. Their files are opened at once: the handler may then move
or remove them. A data set, or a file that the handler holds open, may change when the handler goes on, so the
fetching stops there. An end, a final status or an exception is kept until the files before it are sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

from dicomproto.dimse.status import Category, category_of

from .. import evt
from ..files.objects import FileToSend, KnownFile, prepare
from .cancelling import poll_peer
from .result_iterator import ResultIterator
from .results import status_of

if TYPE_CHECKING:
    from ..association.session import Session
    from ..events.handlers import Bound
    from ..files.objects import ObjectToSend

T = TypeVar("T")

_MOST_FILES = 32
"""Most files fetched ahead; further ones would add few contexts."""

_LONGEST_PREFETCH = 0.1
"""Seconds after which no further result is fetched, since objects are waiting to be sent."""


class _Raised:
    """An exception of the handler, in place of a result."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class PrefetchedResults:
    """The results of one handler of a C-GET or C-MOVE."""

    def __init__(self, session: Session, bound: Bound, event: evt.RequestEvent) -> None:
        self._session = session
        self._results = ResultIterator(session, bound, event)
        self._ahead: deque[object] = deque()

    async def next(self) -> object:
        """Return the next result of the handler; a file fetched ahead is a `FileToSend`."""
        if not self._ahead:
            return await self._results.next()
        result = self._ahead.popleft()
        if isinstance(result, _Raised):
            raise result.error
        return result

    async def prefetch(self, is_over: Callable[[], bool]) -> None:
        """Fetch the next results while they are paths, until `is_over` is true.

        Called when the last result was a path, whose file is open. Input is read between two results: raises
        as `poll_peer`.
        """
        ahead, now = self._ahead, self._session.stream.now
        end = now() + _LONGEST_PREFETCH
        while len(ahead) < _MOST_FILES and now() < end and not is_over():
            if ahead and _file_in(ahead[-1]) is None:
                break
            try:
                ahead.append(_opened(await self._results.next()))
            except Exception as error:
                ahead.append(_Raised(error))
            await poll_peer(self._session)

    def upcoming(self) -> list[FileToSend]:
        """Return the files that were fetched ahead."""
        files = map(_file_in, self._ahead)
        return [file for file in files if file is not None]

    def drop_files(self) -> list[str]:
        """Drop the files that were fetched ahead, and return their SOP Instance UIDs."""
        names = []
        for file in self.upcoming():
            names.append(file.sop_instance_uid)
            file.close()
        self._ahead = deque(result for result in self._ahead if _file_in(result) is None)
        return names

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation that takes all results, then close the handler and the files.

        Returns its result. Raises HandlerCut; see `ResultIterator.run`.
        """
        try:
            return await self._results.run(operation)
        finally:
            self.drop_files()


def came_as_path(item: ObjectToSend) -> bool:
    """Tell whether an object came as a path: its file stays open when the handler goes on."""
    return isinstance(item, FileToSend) and item.is_ours


def close_file_in(result: object) -> None:
    """Close the file of a result, if it has one."""
    file = _file_in(result)
    if file is not None:
        file.close()


def _file_in(result: object) -> FileToSend | None:
    return result[1] if isinstance(result, tuple) and isinstance(result[-1], FileToSend) else None


def _opened(result: object) -> object:
    """Return a result with its file opened; unchanged if it has no path, or opening fails."""
    if not isinstance(result, tuple) or len(result) != 2:
        return result
    status, item = result
    try:
        if (
            isinstance(item, str | PathLike | KnownFile)
            and category_of(status_of(status)) is Category.PENDING
        ):
            return status, prepare(item)
    except Exception:  # it is raised again when the object is sent
        return result
    return result
