"""Exclusive use of an association: by one call at a time, or by a handler that this call runs.

A second call is refused; there is no queue. While a handler runs without calling the association, any thread
may read ahead for it, to tell whether the peer still waits for the result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from dicomproto.errors import AssociationError, LocalProtocolError
from dicomproto.quiet import Quiet

from .. import evt
from ..events.handlers import Bound, Handlers, Step, call
from ..streams.interface import ServerShutdown
from .driver import MOST_AHEAD
from .log_lines import log

if TYPE_CHECKING:
    from dicomproto.connection import Connection

    from ..streams.interface import Backend, Stream
    from .driver import Driver

Drive = Callable[[Coroutine[object, object, object]], object]
"""Runs a coroutine to its end without an event loop, as the blocking flavour does."""

T = TypeVar("T")

_TIME_TO_NOTICE = 1.0
"""Seconds for a thread to notice that another one aborts its association; it is busy elsewhere after that."""

_MOST_TURNS = 100
"""The same in turns of other tasks."""


class HandlerRunner:
    """Runs the handlers of one association, and admits one call at a time."""

    __slots__ = (
        "handlers", "drive", "_driver", "_connection", "_stream", "_backend", "_clock_offset", "_looking",
        "_is_quiet", "_busy", "_user",
    )  # fmt: skip

    def __init__(
        self,
        driver: Driver,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        handlers: Handlers,
        drive: Drive | None,
    ) -> None:
        self._driver = driver
        self._connection = connection
        self._stream = stream
        self._backend = backend
        self.handlers: Handlers = handlers
        self.drive: Drive | None = drive
        """How the blocking flavour runs a coroutine; None where handlers may be async."""
        self._clock_offset = stream.now() - monotonic()
        self._looking = threading.Lock()  # held during `is_cut`, which any thread may call
        self._is_quiet = False  # a handler runs without a call: `is_cut` may read ahead
        self._busy = False
        self._user: object = None  # the task whose handler runs; it may use the association

    # -- one call at a time -------------------------------------------------------------------

    def enter(self, what: str) -> None:
        """Take the association for one call, until `leave`; LocalProtocolError if another call has it."""
        ending = self._driver.ending
        if self._busy or (self._user is not None and self._user != self._backend.current_task()):
            if ending.reason is not None:
                raise ending.known()
            raise LocalProtocolError(
                f"{what}: the association is in use by another call; open one for each task or thread"
            )
        if self._is_quiet:  # otherwise no thread reads ahead, nor begins to
            with self._looking:
                self._is_quiet = False
        self._busy = True
        if ending.reason is not None:  # an abort from outside sets it, then looks whether a call has begun
            self.leave()
            raise ending.known()

    def leave(self) -> None:
        """Free the association for the next call."""
        self._busy = False
        self._is_quiet = self._user is not None
        ending = self._driver.ending
        if ending.waiting is not None:
            ending.tell_waiting()

    @property
    def is_free(self) -> bool:
        """Whether no other call and no handler of another task has the association."""
        return not self._busy and self._user in (None, self._backend.current_task())

    @property
    def is_quiet(self) -> bool:
        """Whether a handler runs that does not use the association."""
        return self._is_quiet

    # -- aborting -----------------------------------------------------------------------------

    async def abort(self, *, waits: bool = True) -> None:
        """End the association: here if no call is under way, else the call ends it; see `Driver.end`.

        While a handler runs, the A-ABORT leaves at once, and the call that runs the handler closes after it.
        """
        driver, ending = self._driver, self._driver.ending
        if self._user is not None and self._user == self._backend.current_task():
            with self._own_abort():  # a handler may abort at any time
                await driver.end(waits=waits)
            return
        with self._looking:
            waiting = ending.waiting = ending.waiting or threading.Condition(self._looking)
        driver.ask_to_end()
        for _ in range(0 if self.drive else _MOST_TURNS):
            if self._is_left():
                break
            await self._backend.checkpoint()
        with waiting:
            if self.drive is not None:
                waiting.wait_for(self._is_left, _TIME_TO_NOTICE)
            if ending.terminal is not None or not self._is_left():
                return
            if self._is_quiet:
                driver.cut()
                driver.sender.send_at_once()
                return
            self._busy = True
        try:
            await driver.end(waits=waits)
        finally:
            self.leave()

    def _is_left(self) -> bool:
        """Tell whether no call waits, reads or sends: a handler runs, or no call is under way."""
        is_free = not self._busy and self._user is None
        return is_free or self._is_quiet or self._driver.ending.terminal is not None

    @contextmanager
    def _own_abort(self) -> Iterator[None]:
        busy, self._busy = self._busy, True
        with self._looking:
            quiet, self._is_quiet = self._is_quiet, False
        try:
            yield
        finally:
            self._busy, self._is_quiet = busy, quiet

    # -- handlers -----------------------------------------------------------------------------

    def running(self, *, may_use: bool = True) -> Running:
        """A block in which a handler runs: only the handler may use the association, if `may_use`."""
        return Running(self, may_use)

    async def run(
        self, bound: Bound, event: object, *, may_use: bool = True, step: Step | None = None
    ) -> object:
        """Run a handler and return its result; `event` is its first argument. See `call` for `step`."""
        if bound.in_thread:
            return await self.in_thread(lambda: bound.handler(event, *bound.args), may_look=may_use)
        with Running(self, may_use):
            return await call(bound, event, is_blocking=self.drive is not None, step=step)

    async def in_thread(self, function: Callable[[], T], *, may_look: bool = True) -> T:
        """Run a function of a handler in a worker thread and return its result; see `Backend`."""
        quiet, self._is_quiet = self._is_quiet, may_look

        def run() -> T:
            with Quiet():
                return function()

        try:
            return await self._backend.in_thread(run, self._note_leaving)
        finally:
            with self._looking:
                self._is_quiet = quiet

    def _note_leaving(self) -> None:
        """Note that this side is about to end the association."""
        self._driver.ending.is_leaving = True

    def handlers_of(self, kind: evt.EventKind) -> tuple[Bound, ...]:
        """Return the handlers of a notification event, as they are now."""
        return self.handlers.all(kind)

    async def tell(self, event: evt.Event) -> bool:
        """Run the handlers of a notification event and log failures; tell whether all succeeded."""
        good, may_use, ending = True, event.event not in evt.OBSERVED, self._driver.ending
        for bound in self.handlers.all(event.event):
            had_ended = ending.is_leaving
            try:
                await self.run(bound, event, may_use=may_use)
            except Exception as error:
                good = False
                name = event.event.name
                if self.explains(error) and not had_ended:
                    what = "%s: a handler of %s ended with the association (%s)"
                    log.info(what, ending.peer_name, name, type(error).__name__)
                else:
                    log.exception("%s: a handler of %s failed", ending.peer_name, name)
        if ending.reason is not None:  # a handler or another thread has aborted
            await self._driver.end()
        return good

    def explains(self, error: BaseException | None, event: evt.RequestEvent | None = None) -> bool:
        """Tell whether a handler raised `error` only because this association ended.

        True if `error` is an AssociationError or was caused by one, or if the handler had read a true
        `is_cancelled`.
        """
        if not self._driver.ending.is_leaving:
            return False
        if event is not None and event.verdict:
            return True
        while error is not None and not isinstance(error, AssociationError):
            error = error.__cause__ or error.__context__
        return error is not None

    # -- reading ahead for a handler ----------------------------------------------------------

    def is_cut(self, message_id: int) -> bool:
        """Tell whether the peer no longer waits for the result of its operation.

        Reads what has arrived, without waiting, while a handler runs and does not use the association.
        Any thread may call it: it holds a lock, and the thread of the association takes that lock to go on.
        """
        driver = self._driver
        if not driver.ending.is_leaving:
            self.look_ahead(notices_time=True)
        return driver.ending.is_leaving or message_id in driver.cancelled

    def look_ahead(self, most: int = MOST_AHEAD, *, notices_time: bool = False) -> None:
        """Read up to `most` bytes of data sets ahead, unless the association is in use."""
        if self._looking.acquire(blocking=False):
            try:
                if self._is_quiet and self._driver.look_ahead(most) and notices_time:
                    self._notice_time()
            finally:
                self._looking.release()

    def _notice_time(self) -> None:
        """Note that the rest of a message is overdue, or that the server is shutting down."""
        if self._connection.is_receiving:
            self._driver.notice_overdue(self._now())
        if self.drive is not None:
            try:
                self.drive(self._backend.checkpoint())
            except ServerShutdown:
                self._driver.ending.is_leaving = True

    def _now(self) -> float:
        """Return the time of the stream, in any thread."""
        try:
            return self._stream.now()
        except RuntimeError:  # a thread without an event loop
            return monotonic() + self._clock_offset


class Running(Quiet):
    """A block in which a handler runs; see `HandlerRunner.running`.

    pydicom decodes values when a handler reads them, and must not quote them on stderr or in a log.
    """

    __slots__ = ("_runner", "_may_use", "_before")

    def __init__(self, runner: HandlerRunner, may_use: bool) -> None:
        self._runner = runner
        self._may_use = may_use

    def __enter__(self) -> None:
        runner, may_use = self._runner, self._may_use
        super().__enter__()
        self._before = runner._busy, runner._user, runner._is_quiet
        runner._busy, runner._user = not may_use, runner._backend.current_task()
        runner._is_quiet = may_use

    def __exit__(self, *_: object) -> None:
        runner = self._runner
        busy, user, is_quiet = self._before
        with runner._looking:
            runner._is_quiet = is_quiet
        runner._busy, runner._user = busy, user
        super().__exit__()
