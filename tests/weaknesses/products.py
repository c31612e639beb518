"""What the probes are put to: a `Target`, which is dicomproto's blocking flavour or pynetdicom.

Both go by the same names (`AE`, `evt`, `associate`, `send_c_store`...), so one probe does for both;
a target says where they differ. Nothing of the targets is imported before it is asked for.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.weaknesses.wire import (
    COMMITMENT,
    CT_IMAGE,
    EXPLICIT,
    FIND,
    GET,
    LOCALHOST,
    MIB,
    MOVE,
    MR_IMAGE,
    RELEVANT_PATIENT,
    VERIFICATION,
    CannotBePut,
    Weak,
)

SUPPORTED = (VERIFICATION, CT_IMAGE, MR_IMAGE, FIND, GET, MOVE, RELEVANT_PATIENT, COMMITMENT)
"""What servers support, and requestors ask for, unless a probe says otherwise."""

NOT_SOON = 60.0
"""Seconds of the timeouts that a probe is not about: longer than any probe waits."""

_GETSCU = ("getscu", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=1")

_CLOSE = 10.0
"""Seconds that a peer has to close; each that a probe makes does so at once."""

Contexts = Iterable[tuple[str, tuple[str, ...]]]
DEFAULT_CONTEXTS = tuple((uid, (EXPLICIT,)) for uid in SUPPORTED)


class Target:
    """A product, with what probes do to it."""

    name: str
    patience: float
    """Seconds that the peer waits for an answer before it counts as missing."""

    maximum_collected = 8 * MIB
    """Bytes of a data set that the target is told to hold, where it can be told."""

    evt: Any
    storage_contexts: list[Any]

    def entity(self, timeout: float = NOT_SOON) -> Any:
        """Return an application entity all of whose timeouts are the same."""
        raise NotImplementedError

    def requestor(self, response: float, write: float) -> Any:
        """Return an application entity with these timeouts; not every product has one for sending."""
        entity = self.entity()
        entity.dimse_timeout = response
        return entity

    def unset(self) -> Any:
        """Return an application entity that was told nothing."""
        raise NotImplementedError

    def build_context(self, uid: str, syntaxes: tuple[str, ...]) -> Any:
        """Return a presentation context."""
        raise NotImplementedError

    def build_role(self, uid: str, *, scu_role: bool, scp_role: bool) -> Any:
        """Return an item of role selection."""
        raise NotImplementedError

    def port_of(self, server: Any) -> int:
        """Return the port that a server listens on."""
        raise NotImplementedError

    def attend(self, association: Any) -> None:
        """Give an association the time to answer what its peer has sent between two calls."""
        raise NotImplementedError

    def store_many(self, association: Any, datasets: list[Any]) -> list[int | None]:
        """Store objects, as many at once as were negotiated; return the statuses."""
        raise NotImplementedError

    def window(self, operations: int) -> Any:
        """Return the item that proposes so many operations at once."""
        raise NotImplementedError

    def archive(self, folder: Path) -> AbstractContextManager[int]:
        """Run the application that writes received objects to `folder`; yields its port."""
        raise NotImplementedError

    def retrieve(self, port: int, folder: Path) -> None:
        """Run the application that asks for objects with C-GET and writes them to `folder`."""
        raise NotImplementedError

    def retrieve_as_it_comes(self, port: int, folder: Path) -> None:
        """Ask for objects with C-GET; `folder` holds what is written of them as they come."""
        raise NotImplementedError

    def receiving_to_disk(self, folder: Path) -> AbstractContextManager[int]:
        """Run a server that writes what it receives to `folder` as it comes; yields its port."""
        raise NotImplementedError

    # -- what both do alike -------------------------------------------------------------------

    @contextmanager
    def listening(
        self,
        handlers: Iterable[Any] = (),
        contexts: Contexts = DEFAULT_CONTEXTS,
        *,
        timeout: float = NOT_SOON,
        maximum: int = 10,
        ssl_context: ssl.SSLContext | None = None,
    ) -> Iterator[Any]:
        """Run a server; yields it."""
        entity = self.entity(timeout)
        entity.maximum_associations = maximum
        for uid, syntaxes in contexts:
            entity.add_supported_context(uid, list(syntaxes), scu_role=True, scp_role=True)
        server = entity.start_server(
            (LOCALHOST, 0), block=False, evt_handlers=list(handlers), ssl_context=ssl_context
        )
        try:
            yield server
        finally:
            server.shutdown()

    @contextmanager
    def serving(
        self, handlers: Iterable[Any] = (), contexts: Contexts = DEFAULT_CONTEXTS, **options: Any
    ) -> Iterator[int]:
        """Run a server; yields its port."""
        with self.listening(handlers, contexts, **options) as server:
            yield self.port_of(server)

    def associate(
        self,
        port: int,
        contexts: Contexts = DEFAULT_CONTEXTS,
        handlers: Iterable[Any] = (),
        ext_neg: Iterable[Any] = (),
        *,
        response: float = NOT_SOON,
        write: float = NOT_SOON,
    ) -> Any:
        """Return an association of the target with a peer; see `requestor` for the timeouts."""
        association = self.requestor(response, write).associate(
            LOCALHOST,
            port,
            contexts=[self.build_context(uid, syntaxes) for uid, syntaxes in contexts],
            ext_neg=list(ext_neg),
            evt_handlers=list(handlers),
        )
        if not association.is_established:
            raise Weak("the association was not established")
        return association

    def status(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> int | None:
        """Return the status that a `send_*` returns; None if it says in whatever way that there is none."""
        from dicomproto.errors import AssociationError

        with suppress(AssociationError):
            status: int | None = getattr(call(*arguments, **options), "Status", None)
            return status
        return None


class Ours(Target):
    """dicomproto, in its blocking flavour."""

    name = "dicomproto"
    patience = 20.0

    def __init__(self) -> None:
        from dicomproto_transports import blocking, contexts, evt

        self.evt = evt
        self._blocking = blocking
        self._contexts = contexts

    @property
    def storage_contexts(self) -> list[Any]:  # type: ignore[override]
        return list(self._contexts.StoragePresentationContexts)

    def entity(self, timeout: float = NOT_SOON) -> Any:
        from dicomproto.config import Limits, Timeouts

        waits = dict.fromkeys(Timeouts._fields, timeout)
        return self._blocking.AE(
            timeouts=Timeouts(**{**waits, "close": _CLOSE}),
            limits=Limits(collect=self.maximum_collected),
        )

    def requestor(self, response: float, write: float) -> Any:
        entity = super().requestor(response, write)
        entity.timeouts = entity.timeouts.replace(write=write)
        return entity

    def unset(self) -> Any:
        return self._blocking.AE()

    def build_context(self, uid: str, syntaxes: tuple[str, ...]) -> Any:
        return self._contexts.build_context(uid, syntaxes)

    def build_role(self, uid: str, *, scu_role: bool, scp_role: bool) -> Any:
        return self._contexts.build_role(uid, scu_role, scp_role)

    def port_of(self, server: Any) -> int:
        port: int = server.port
        return port

    def attend(self, association: Any) -> None:
        association.serve(self.patience)

    def store_many(self, association: Any, datasets: list[Any]) -> list[int | None]:
        outcomes = list(association.store_many(datasets))
        return [one.response.Status if one.response else None for one in outcomes]

    def window(self, operations: int) -> Any:
        from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow

        return AsynchronousOperationsWindow(maximum_invoked=operations, maximum_performed=1)

    @contextmanager
    def archive(self, folder: Path) -> Iterator[int]:
        from tests.interop.programs import our_server

        with our_server("storescp", "-od", folder, folder=folder.with_name("printed")) as program:
            yield program.port

    def receiving_to_disk(self, folder: Path) -> AbstractContextManager[int]:
        return self.archive(folder)

    def retrieve(self, port: int, folder: Path) -> None:
        from tests.interop.programs import OURS, run

        run([*OURS, *_GETSCU, "--sop-class", "CTImageStorage", LOCALHOST, str(port), "-od", folder])

    retrieve_as_it_comes = retrieve


class OursServed(Ours):
    """dicomproto, whose servers are trio's or anyio's; the handlers run inline."""

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.backend = backend

    @contextmanager
    def listening(
        self,
        handlers: Iterable[Any] = (),
        contexts: Contexts = DEFAULT_CONTEXTS,
        *,
        timeout: float = NOT_SOON,
        maximum: int = 10,
        ssl_context: ssl.SSLContext | None = None,
    ) -> Iterator[Any]:
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from queue import SimpleQueue

        from dicomproto_transports import anyio, trio
        from tests.backends import Async

        backend, over, servers = Async(self.backend), threading.Event(), SimpleQueue[Any]()
        own = self.entity(timeout)
        entity = (trio if self.backend == "trio" else anyio).AE(timeouts=own.timeouts, limits=own.limits)
        entity.maximum_associations = maximum
        for uid, syntaxes in contexts:
            entity.add_supported_context(uid, list(syntaxes))

        async def serve() -> None:
            async with entity.start_server(
                (LOCALHOST, 0), evt_handlers=list(handlers), ssl_context=ssl_context
            ) as server:

                def wait() -> None:  # the thread is there before the server is said to be
                    servers.put(server)
                    over.wait()

                await backend.library.in_thread(wait)

        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(backend.run, serve)
            served.add_done_callback(lambda _: servers.put(None))  # nobody waits for a server that fails
            try:
                yield servers.get()
            finally:
                over.set()
                served.result()


class Theirs(Target):
    """pynetdicom, as it is installed."""

    name = "pynetdicom"
    patience = 4.0

    def __init__(self) -> None:
        import pynetdicom
        from pynetdicom import evt

        self.evt = evt
        self._package = pynetdicom
        self.storage_contexts = list(pynetdicom.StoragePresentationContexts)

    def entity(self, timeout: float = NOT_SOON) -> Any:
        entity = self._package.AE()
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout
        entity.connection_timeout = timeout
        return entity

    def unset(self) -> Any:
        return self._package.AE()

    def build_context(self, uid: str, syntaxes: tuple[str, ...]) -> Any:
        return self._package.build_context(uid, list(syntaxes))

    def build_role(self, uid: str, *, scu_role: bool, scp_role: bool) -> Any:
        return self._package.build_role(uid, scu_role=scu_role, scp_role=scp_role)

    def port_of(self, server: Any) -> int:
        port: int = server.socket.getsockname()[1]
        return port

    def attend(self, association: Any) -> None:
        """Nothing: a thread of its own attends to it."""

    def store_many(self, association: Any, datasets: list[Any]) -> list[int | None]:
        return [self.status(association.send_c_store, dataset) for dataset in datasets]

    def window(self, operations: int) -> Any:
        from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

        item = AsynchronousOperationsWindowNegotiation()
        item.maximum_number_operations_invoked = operations
        item.maximum_number_operations_performed = 1
        return item

    @contextmanager
    def archive(self, folder: Path) -> Iterator[int]:
        from tests.interop.programs import PYNETDICOM, peer_server

        try:
            import sqlalchemy  # noqa: F401 - qrscp needs it
        except ImportError:
            raise CannotBePut("its qrscp needs SQLAlchemy, which is not installed") from None
        folder.mkdir(parents=True, exist_ok=True)
        command = [*PYNETDICOM, "qrscp", "-ba", LOCALHOST, "--instance-location", folder]
        command += ["--database-location", folder.with_name("index.sqlite")]
        printed = folder.with_name("printed")
        with peer_server(lambda port: [*command, "--port", str(port)], printed) as program:
            yield program.port

    def _write_as_it_comes(self, folder: Path) -> None:
        import tempfile

        from pynetdicom import _config

        folder.mkdir(parents=True, exist_ok=True)
        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(folder)

    def retrieve(self, port: int, folder: Path) -> None:
        from tests.interop.programs import PYNETDICOM, run

        run([*PYNETDICOM, *_GETSCU, LOCALHOST, str(port), "-od", folder])

    def retrieve_as_it_comes(self, port: int, folder: Path) -> None:
        self._write_as_it_comes(folder)
        roles = [self.build_role(CT_IMAGE, scu_role=False, scp_role=True)]
        contexts = ((GET, (EXPLICIT,)), (CT_IMAGE, (EXPLICIT,)))
        handlers = [(self.evt.EVT_C_STORE, lambda event: 0)]
        for _ in self.associate(port, contexts, handlers, roles).send_c_get(query(), GET):
            pass

    @contextmanager
    def receiving_to_disk(self, folder: Path) -> Iterator[int]:
        self._write_as_it_comes(folder)
        with self.serving([(self.evt.EVT_C_STORE, lambda event: 0)]) as port:
            yield port


PRODUCTS: dict[str, Callable[[], Target]] = {Ours.name: Ours, Theirs.name: Theirs}


def dataset(size: int = 64, sop_class: str = CT_IMAGE, instance: str = "") -> Any:
    """Return an object to store, as a pydicom data set."""
    from pydicom.dataset import Dataset, FileMetaDataset

    from tests.weaknesses.wire import INSTANCE

    made = Dataset()
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = instance or INSTANCE
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    made.add_new(0x7FE00010, "OW", bytes(size))
    return made


def query() -> Any:
    """Return an identifier to look for."""
    from pydicom.dataset import Dataset

    made = Dataset()
    made.QueryRetrieveLevel = "PATIENT"
    made.PatientID = ""
    return made
