"""The programs that are measured: each product's own SCP and SCU, run as its users run them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dicomproto import Connection, ReleaseRQ, Role, build_associate_rq
from tests.ports import free_port

VERIFICATION = "1.2.840.10008.1.1"
STARTUP_TIMEOUT = 30.0
NODELAY = {"TCP_NODELAY": "1"}


class Product:
    """One product under one setting; `environment` is added to the tools' own."""

    def __init__(
        self,
        name: str,
        *,
        scp: Sequence[str],
        store: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._scp = scp
        self._store = store
        self._environment = os.environ | (environment or {})
        # Installed programs start from bytecode; ours, run from the source tree, shall too.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """Run the product's storescp, into a folder that is deleted afterwards; yield its port."""
        port = free_port()
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "wb") as null:
            command = [part.format(port=port, folder=folder) for part in self._scp]
            process = subprocess.Popen(
                command, cwd=folder, env=self._environment, stdin=null, stdout=null, stderr=null
            )
            try:
                wait_until_serving(port, process)
                yield port
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def store(self, port: int, folder: Path) -> list[str]:
        """Return the command that sends the files of `folder`."""
        return [part.format(port=port, folder=folder) for part in self._store]

    def run(self, command: list[str]) -> None:
        """Run a command of this product; a failure ends the benchmark with what it printed."""
        done = subprocess.run(command, check=False, env=self._environment, capture_output=True, timeout=600)
        if done.returncode:
            raise RuntimeError(
                f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode()[-2000:]}"
            )


def associate_once(port: int) -> bool:
    """Make and release one association with our engine over a bare socket; tell whether it was accepted."""
    connection = Connection(Role.REQUESTOR)
    contexts = [(VERIFICATION, ("1.2.840.10008.1.2",))]
    connection.send(build_associate_rq("BENCH", "ANY-SCP", contexts))
    with socket.create_connection(("127.0.0.1", port), timeout=STARTUP_TIMEOUT) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.transport_connected()
        released = False
        while True:
            peer.sendall(b"".join(connection.data_to_send()))
            data = peer.recv(65536)
            connection.receive_data(data)
            if not data:
                return False
            connection.next_event()
            if released:
                return True
            if not connection.is_established:
                return False
            connection.send(ReleaseRQ())
            released = True


def wait_until_serving(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when an association with the process on `port` succeeds."""
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the SCP ended with status {process.returncode}")
        try:
            if associate_once(port):
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the SCP does not answer")


OURS = [sys.executable, "-m", "dicomproto_transports.apps"]


def our_storescp(*options: str) -> Product:
    """Return our receiver, as installed in this environment, with options."""
    return Product("dicomproto", scp=[*OURS, "storescp", "{port}", "-q", *options])


def dicomproto() -> Product:
    """Ours, as installed in this environment."""
    return Product(
        "dicomproto",
        scp=[*OURS, "storescp", "{port}", "-od", "{folder}", "-q"],
        store=[*OURS, "storescu", "127.0.0.1", "{port}", "{folder}", "-q"],
    )


def dcmtk(*, preserving: bool = False) -> Product:
    """DCMTK's tools without Nagle and with large PDUs; `preserving` stores data sets undecoded.

    pynetdicom installs scripts of the same names, so they are looked for where Debian has them.
    """
    option = ["+B"] if preserving else []
    return Product(
        "DCMTK nd +B" if preserving else "DCMTK nd",
        scp=["/usr/bin/storescp", *option, "-pdu", "131072", "+xa", "-od", "{folder}", "{port}"],
        store=["/usr/bin/storescu", "-pdu", "131072", "-R", "+sd", "127.0.0.1", "{port}", "{folder}"],
        environment=NODELAY,
    )


def dcmqrscp(folder: Path) -> Product:
    """DCMTK's archive, which has its index in `folder`."""
    settings = [
        "MaxPDUSize = 131072", "MaxAssociations = 16", "HostTable BEGIN", "HostTable END",
        "VendorTable BEGIN", "VendorTable END", "AETable BEGIN", f"ANY-SCP {folder} RW (200, 1024mb) ANY",
        "AETable END", "",
    ]  # fmt: skip
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text("\n".join(settings))
    command = ["/usr/bin/dcmqrscp", "-c", str(configuration), "{port}"]
    return Product("dcmqrscp", scp=command, environment=NODELAY)
