"""`python -m tests.benchmarks`: this project, DCMTK and pynetdicom in turn, as whole programs.

Each row is one task. Every product does it once per round, in turn, so that a machine that speeds
up or slows down does so for all; the figure is the median over the rounds, and the ratio is the
median of the ratios within a round. C-ECHO and C-STORE are whole programs from start to exit
(process start, association and all, as their users wait for them).
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from .codec import codec_rows
from .dropin import bench_dropin
from .engine import bench_engine
from .objects import write_objects
from .peers import Product, associate_once, dcmtk, dicomproto, pynetdicom
from .pourers import bench_pourers
from .servers import bench_servers
from .tls import tls_rates

KB, MB = 1000, 1_000_000
SIZES = {"40 KB": (40 * KB, 500), "525 KB": (525 * KB, 100), "8 MB": (8 * MB, 20), "200 MB": (200 * MB, 1)}
SUITES = ("echo", "store", "associations", "servers", "codec", "socket", "tls")
ON_REQUEST = ("pourers", "engine", "dropin")
"""Suites that run only with `--only`: they take long, or measure one part."""
SLOW = {"DCMTK as packaged", "pynetdicom"}


def timed(task: Callable[[], object]) -> float:
    """Return the seconds that `task` took."""
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def in_turn(tasks: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run each task once per round, in turn, and return its rates (units per second)."""
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        if name not in SLOW:
            task()  # warm caches
    for _ in range(rounds):
        for name, task in tasks.items():
            rates[name].append(task())
    return rates


def show(title: str, unit: str, rates: dict[str, list[float]]) -> None:
    """Print a row per product: the median rate, and ours against it."""
    ours = rates["dicomproto"]
    print(f"\n{title}")
    for name, values in rates.items():
        ratio = statistics.median(a / b for a, b in zip(ours, values, strict=True))
        against = "" if name == "dicomproto" else f"   dicomproto / {name}: {ratio:.2f}"
        print(f"  {name:<20}{statistics.median(values):>12,.1f} {unit}{against}", flush=True)


def bench_echo(products: list[Product], ports: dict[str, int], rounds: int) -> None:
    def task(product: Product, count: int) -> Callable[[], float]:
        command = product.echo(ports[product.name], count)
        return lambda: count / timed(lambda: product.run(command))

    # As packaged, Nagle and delayed acknowledgements leave DCMTK some 23 a second.
    counts = {"DCMTK as packaged": 60, "pynetdicom": 300}
    tasks = {product.name: task(product, counts.get(product.name, 5000)) for product in products}
    show("C-ECHO, one association", "a second", in_turn(tasks, rounds))


def bench_store(products: list[Product], ports: dict[str, int], rounds: int, files: Path) -> None:
    for title, (size, count) in SIZES.items():
        folder = files / title.replace(" ", "")
        write_objects(folder, size, count)

        def task(product: Product, folder: Path = folder, count: int = count) -> Callable[[], float]:
            command = product.store(ports[product.name], folder)
            return lambda: count / timed(lambda: product.run(command))

        rates = in_turn({product.name: task(product) for product in products}, rounds)
        show(f"C-STORE, {count} objects of {title}", "objects/s", rates)
        megabytes = {name: [value * size / MB for value in values] for name, values in rates.items()}
        show(f"C-STORE, {count} objects of {title}", "MB/s", megabytes)
        for file in folder.iterdir():
            file.unlink()


def bench_associations(products: list[Product], ports: dict[str, int], rounds: int) -> None:
    def task(port: int, count: int) -> Callable[[], float]:
        def associate() -> None:
            for _ in range(count):
                if not associate_once(port):
                    raise RuntimeError("an association was not accepted")

        return lambda: count / timed(associate)

    counts = {"pynetdicom": 20}
    tasks = {product.name: task(ports[product.name], counts.get(product.name, 200)) for product in products}
    title = (
        "Associations accepted and released by the SCP, one requestor for all (our engine on a bare socket)"
    )
    show(title, "a second", in_turn(tasks, rounds))


def _drain(pipe: Pipe) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        pipe.send(server.getsockname()[1])
        buffer = bytearray(1 << 20)
        while True:
            peer, _ = server.accept()
            with peer:
                while peer.recv_into(buffer):
                    pass
                peer.sendall(b".")


def bench_bare_socket(rounds: int) -> None:
    """What loopback itself carries between two Python processes: the ceiling for MB/s."""
    ours, theirs = multiprocessing.Pipe()
    drain = multiprocessing.Process(target=_drain, args=(theirs,), daemon=True)
    drain.start()
    port = ours.recv()
    payload = bytes(1 << 20)

    def send() -> None:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            for _ in range(200):
                peer.sendall(payload)
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)

    rate = statistics.median(200 * (1 << 20) / MB / timed(send) for _ in range(rounds))
    drain.terminate()
    print(f"\nA bare socket loop, 200 MiB\n  {'two processes':<20}{rate:>12,.1f} MB/s", flush=True)


def main() -> str | None:
    """Measure what is wanted; return why it failed, if it did."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="times that each product does each task")
    parser.add_argument("--only", choices=SUITES + ON_REQUEST, action="append", help="this suite alone")
    parser.add_argument("--against", metavar="REVISION", help="of the engine, what git knows it by")
    chosen = parser.parse_args()
    wanted = set(chosen.only or SUITES)
    found = [dicomproto(), dcmtk(packaged=False), dcmtk(packaged=True), pynetdicom()]
    products = [product for product in found if product is not None]
    if len(products) < len(found):
        print("DCMTK is missing (Debian package dcmtk): measured without it")
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        if wanted & {"echo", "store", "associations"}:
            ports = {product.name: stack.enter_context(product.serving()) for product in products}
        files = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if "echo" in wanted:
            bench_echo(products, ports, chosen.rounds)
        if "store" in wanted:
            bench_store(products, ports, chosen.rounds, files)
        if "associations" in wanted:
            bench_associations(products, ports, chosen.rounds)
    if "servers" in wanted:
        bench_servers(chosen.rounds)
    if "pourers" in wanted:
        bench_pourers(chosen.rounds)
    if "engine" in wanted:
        bench_engine(chosen.rounds, chosen.against)
    if "socket" in wanted:
        bench_bare_socket(chosen.rounds)
    if "tls" in wanted:
        show("200 MiB through a stream of ours with TLS", "MB/s", tls_rates(in_turn, chosen.rounds))
    if "codec" in wanted:
        for title, unit, rates in codec_rows(chosen.rounds):
            show(title, unit, rates)
    failed = bench_dropin(chosen.rounds) if "dropin" in wanted else []
    return f"the drop-in is slower: {'; '.join(failed)}" if failed else None


if __name__ == "__main__":
    sys.exit(main())
