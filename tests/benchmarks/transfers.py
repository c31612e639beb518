"""Rows of C-ECHO and C-STORE: this package beside DCMTK, a bare loop, pynetdicom and its own flavours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from . import wire
from .bare import serving_bare
from .objects import data_sets, write_file, write_objects
from .peers import NODELAY, Product, dcmtk, dicomproto
from .row import Row, Take, program, with_warm_up
from .sides import KB, MB, Asynchronous, Side, Streaming, image

SIZES = {"40KB": 40 * KB, "525KB": 525 * KB, "8MB": 8_400 * KB, "210MB": 210 * MB}


# --- contenders ---------------------------------------------------------------------------------


def repeated(command: list[str], environment: dict[str, str]) -> Take:
    """Return the take of a tool of DCMTK's that repeats its work, without its start and its association."""

    def run(count: int) -> float:
        return program([*command, "--repeat", str(count)], environment)

    return lambda count: run(count + 1) - run(1)


def dcmtk_scu(port: int, path: Path | None, environment: dict[str, str]) -> Take:
    """Return DCMTK's SCU: storescu with a file, echoscu without."""
    if path is None:
        return repeated(["/usr/bin/echoscu", "127.0.0.1", str(port)], environment)
    large = ["-pdu", "131072"] if environment else []
    return repeated(["/usr/bin/storescu", *large, "127.0.0.1", str(port), str(path)], environment)


def our_scu(side: Side, port: int, path: Path | None, task: str = "echo") -> Take:
    """Return an SCU of ours, which sends a file, or does its task without one."""
    if path is None:
        return lambda count: side.ask(task, port, **with_warm_up(count))
    return lambda count: side.ask("store", port, path=str(path), **with_warm_up(count))


def dcmtk_scp(environment: dict[str, str]) -> Product:
    """Return DCMTK's storescp, which receives and writes nothing."""
    large = ["-pdu", "131072"] if environment else []
    command = ["/usr/bin/storescp", *large, "--ignore", "{port}"]
    return Product("DCMTK", scp=command, environment=environment)


# --- the rows -----------------------------------------------------------------------------------


def plain_image(folder: Path, size: int) -> Path:
    """Write a CT image of `size` bytes and 25 short elements, and return its path."""
    path = folder / f"plain{size}.dcm"
    (content,) = data_sets(["1.2.3.1"], size, 25)
    write_file(path, "1.2.3.1", content)
    return path


def transfers(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """Our SCU and SCP, DCMTK's, and both mixtures; and the bare loop."""
    nd = stack.enter_context(dcmtk_scp(NODELAY).serving())
    packaged = stack.enter_context(dcmtk_scp({}).serving())
    bare = stack.enter_context(serving_bare(wire.receive_all))
    streaming = stack.enter_context(Streaming("ours", side.place).running())
    goals = {"echo": 0.36, "40KB": 0.9, "525KB": 0.85, "8MB": 1.3, "210MB": 2.2}
    paths = {"echo": None} | {name: image(folder, SIZES[name]) for name in SIZES}
    for name, path in paths.items():
        title = "C-ECHO" if path is None else f"C-STORE {name}"
        first = {"210MB": 1, "8MB": 4}.get(name, 50)
        theirs = dcmtk_scu(nd, path, NODELAY)
        port = streaming.port if name == "210MB" else side.port
        ours = our_scu(side, port, path)
        row = partial(Row, theirs=theirs, first=first)
        yield row(name, f"{title}, our SCU and SCP / DCMTK nd", goals[name], ours)
        yield row(f"scu-{name}", f"{title}, our SCU, their SCP / DCMTK nd", 0.95, our_scu(side, nd, path))
        mixed = dcmtk_scu(port, path, NODELAY)
        yield row(f"scp-{name}", f"{title}, their SCU, our SCP / DCMTK nd", 0.95, mixed)
        if path is not None and name != "210MB":
            yield Row(f"bare-{name}", f"{title}, ours / bare loop", None, ours, bare_loop(bare, name), first)
    plain = plain_image(folder, 40 * KB)
    title = "C-STORE 40KB of 25 elements, our SCU and SCP / DCMTK nd"
    yield Row("plain-40KB", title, None, our_scu(side, side.port, plain), dcmtk_scu(nd, plain, NODELAY), 50)
    small = paths["40KB"]
    slow = partial(Row, theirs=dcmtk_scu(packaged, small, {}), first=8)
    title = "C-STORE 40KB, DCMTK as packaged"
    ours = our_scu(side, packaged, small)
    yield slow("scu-40KB-packaged", f"{title}: our SCU, their SCP / itself", 100, ours)
    ours = dcmtk_scu(side.port, small, {})
    yield slow("scp-40KB-packaged", f"{title}: their SCU, our SCP / itself", 40, ours)


def bare_loop(port: int, name: str) -> Take:
    """Return the bare loop's SCU: messages that are ready before the clock starts."""
    uid = "1.2.3.1"
    (message,) = wire.messages([(uid, data_sets([uid], SIZES[name], 25)[0])], 131_000)
    return lambda count: wire.send_all(port, [message], [message] * count)


def flavours(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """trio and anyio on both sides, beside the blocking flavour on both sides."""
    for flavour, low, high in (("trio", 0.75, 0.9), ("anyio", 0.6, 0.75)):
        other = stack.enter_context(Asynchronous("ours", side.place, flavour).running())
        for name in ("echo", "40KB", "525KB", "8MB"):
            path = None if name == "echo" else image(folder, SIZES[name])
            title = "C-ECHO" if path is None else f"C-STORE {name}"
            goal = low if name in ("echo", "40KB") else high
            ours, theirs = (our_scu(each, each.port, path) for each in (other, side))
            yield Row(f"{flavour}-{name}", f"{title}, {flavour} / blocking", goal, ours, theirs)


def against_pynetdicom(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """The blocking flavour on both sides, beside pynetdicom on both sides."""
    other = Side("pynetdicom", side.place, "pynetdicom", "131072")
    stack.enter_context(other.running())
    for name in ("echo", "40KB", "525KB", "8MB"):
        path = None if name == "echo" else image(folder, SIZES[name])
        title = "C-ECHO" if path is None else f"C-STORE {name}"
        ours, theirs = (our_scu(each, each.port, path) for each in (side, other))
        yield Row(f"pynetdicom-{name}", f"{title}, our SCU and SCP / pynetdicom", None, ours, theirs, 4)


def programs(folder: Path) -> Iterator[Row]:
    """`storescu` to `storescp` as programs; all files are in memory where it has a file system."""
    products = {"": dcmtk(), "-preserving": dcmtk(preserving=True)}
    for name, count, goal in (("40KB", 500, 0.9), ("525KB", 150, 0.9), ("8MB", 60, 1.3)):
        take = partial(store_all, folder / f"files{name}", SIZES[name], count)
        for kind, product in products.items():
            title = f"storescu to storescp, {count} files of {name} / {product.name}"
            ours, theirs = partial(take, dicomproto()), partial(take, product)
            yield Row(f"programs-{name}{kind}", title, None if kind else goal, ours, theirs, 1, 1)


def store_all(folder: Path, size: int, count: int, product: Product, _: int) -> float:
    """Return the seconds that a product's storescu takes for a file, its start left out."""
    many, one = folder / "many", folder / "one"
    if not folder.exists():
        write_objects(many, size, count + 1)
        write_objects(one, size, 1)
    with product.serving() as port:
        seconds = []
        for files in (one, many):
            started = time.perf_counter()
            product.run(product.store(port, files))
            seconds.append(time.perf_counter() - started)
    return (seconds[1] - seconds[0]) / count
