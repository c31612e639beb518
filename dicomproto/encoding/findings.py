"""The warnings of a walk, one of each kind, and the places that its errors name; never a value."""

from __future__ import annotations

from collections.abc import Iterable

from .frames import ELEMENTS, Frame
from .headers import PIXEL_DATA


class Findings:
    """The warnings of one walk; `is_native` tells whether its transfer syntax has native pixel data."""

    def __init__(self, *, is_native: bool) -> None:
        self._is_native = is_native
        self._texts: dict[str, str] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings, of the form "kind: what and where"."""
        return tuple(self._texts.values())

    @property
    def kinds(self) -> set[str]:
        """The kinds of the warnings."""
        return set(self._texts)

    def warn(self, kind: str, text: str, frames: Iterable[Frame], tag: int | None, at: int) -> None:
        """Keep the first warning of a kind."""
        if kind not in self._texts:
            self._texts[kind] = f"{kind}: {told(frames, tag, at, text)}"

    def note(self, tag: int, previous: int, length: int, at: int, frames: list[Frame]) -> None:
        """Warn of the faults of an element; `previous` is the tag before it."""
        if tag <= previous:
            self.warn("order", "is out of order, or there twice", frames, tag, at)
        if length & 1:
            self.warn("odd length", "has an odd length", frames, tag, at)
        if not tag & 0xFFFF:
            self.warn("group length", "is a group length, which is retired", frames, tag, at)
        if tag == 0xFFFC_FFFC:
            self.warn("trailing padding", "pads the data set", frames, tag, at)
        if tag >> 16 == 2:
            self.warn("group 0002", "belongs into File Meta", frames, tag, at)
        if tag == PIXEL_DATA and length and not self._is_native and len(frames) == 1:
            self.warn("native pixel data", "is not encapsulated", frames, tag, at)


def told(frames: Iterable[Frame], tag: int | None, at: int, text: str) -> str:
    """Return `text` with its place: the enclosing items, the element and the offset, without a value.

    The first of `frames` is the data set.
    """
    path = [
        f"({frame.tag >> 16:04X},{frame.tag & 0xFFFF:04X}) item {frame.items}"
        for number, frame in enumerate(frames)
        if number and frame.kind == ELEMENTS
    ]
    if len(path) > 4:
        path[2:-2] = ["..."]
    if tag is not None:
        path.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
    where = f"element {', '.join(path)} " if path else ""
    return f"{where}{text} (at byte {at})"
