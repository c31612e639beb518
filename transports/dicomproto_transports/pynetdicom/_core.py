"""The drop-in's parts for the library: settings, sessions, timeouts that change, waits that give way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dicomproto.config import Timeouts
from dicomproto.services import SOPClass, SOPClassRegistry

from .. import blocking
from ..association.session import Session
from ..streams.blocking_waits import BlockingBackend, InterruptibleWaiter
from . import sop_class
from ._provider import serve

if TYPE_CHECKING:
    from dicomproto.connection import Connection

    from ..entity.settings import Settings, Settled
    from ..events.handlers import Handlers
    from ..streams.interface import Backend, Stream


class ChangingTimeouts(Timeouts):
    """The timeouts of one association, which may change while it runs."""

    def change(self, **values: float | None) -> None:
        """Set timeouts; they hold from the next wait on."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


class EverySOPClass(SOPClassRegistry):
    """Lets every request pass: the provider of the drop-in judges them as pynetdicom does."""

    def find(self, uid: str, service_class_uid: str = "") -> SOPClass | None:
        """Return None: the engine is to know nothing of a SOP class."""
        return None


def timeouts_of(
    *, acse: float | None, dimse: float | None, connection: float | None, tls: float | None
) -> ChangingTimeouts:
    """Return the timeouts of an association; its idle timeout is not the engine's but its own thread's."""
    return ChangingTimeouts(
        connect=connection,
        tls=tls,
        association=acse,
        artim=acse,
        response=dimse,
        action=dimse,
        retrieve=dimse,
        idle=None,
    )


BACKEND = BlockingBackend(make_waiter=InterruptibleWaiter)


class Core(blocking.AE):
    """The library's application entity behind one of the drop-in, whose settings it takes over."""

    def __init__(self, face: Any) -> None:
        super().__init__("PYNETDICOM")
        vars(self).update(_face=face, _taken=())

    def settled(self) -> Settled:
        """Return the present settings."""
        face = vars(self)["_face"]
        wanted = (
            face.maximum_pdu_size,
            face.maximum_associations,
            str(face.implementation_class_uid),
            face.implementation_version_name,
            sop_class.registry(),
            face.ae_title.strip(),
        )
        if wanted != vars(self)["_taken"]:
            vars(self)["_taken"] = wanted
            own: blocking.AE = self
            own.maximum_pdu_size, own.maximum_associations, uid, version, registry, title = wanted
            own.implementation_class_uid, own.implementation_version_name = uid, version
            own.sop_classes, own.ae_title = EverySOPClass(registered=registry.registered), title
            own.give_way_after, own.allow_unknown = 0.0, True
        return super().settled()

    def new_session(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        handlers: Handlers,
        settings: Settings,
        *,
        association: Any = None,
        **options: Any,
    ) -> Session:
        """Return the session of an association: `association`, or the running thread in a server.

        Its handlers, its timeouts and its provider are the drop-in's.
        """
        owner: Any = threading.current_thread() if association is None else association
        options.update(timeouts=owner.live_timeouts, serve=serve, make_association=owner.attach)
        handlers = owner.library_handlers()
        return super().new_session(connection, stream, backend, handlers, settings, **options)
