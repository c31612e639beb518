"""Draws the rooms of both packages as SVG, from the imports of the source and the order of the layers.

A folder is a box. The modules of a layer that are in no folder share a box. An arrow leads from a box to
a box that it imports from. An arrow is left out if other arrows lead there too.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from layers import LAYERS, PACKAGES, Modules, arrows, modules_in, room_of

import dicomproto
import dicomproto_transports

Graph = dict[str, set[str]]

LINE, GAP, BETWEEN, MARGIN = 15, 26, 40, 20
"""Pixels: height of a line, between boxes of a row, between rows, around all."""

CHARACTER = 7.2
"""Pixels that a character of a name takes."""

LONGEST = 46
"""Characters in a line of a box."""


def source() -> Modules:
    """Return the modules of both packages."""
    found: Modules = {}
    for package in (dicomproto, dicomproto_transports):
        assert package.__file__
        found |= modules_in(package.__name__, Path(package.__file__).parent)
    return found


def boxes(modules: Modules) -> dict[str, str]:
    """Return the box of each room that has modules; the box of a folder has the folder's name."""
    folders = {module.rpartition(".")[0] for module in modules} | set(PACKAGES)
    found = {}
    for layer in LAYERS:
        rooms = [room for room in layer if any(room_of(module) == room for module in modules)]
        single = [room for room in rooms if room not in folders]
        found |= {room: room for room in rooms if room in folders}
        found |= dict.fromkeys(single, " ".join(single))
    return found


def box_arrows(modules: Modules) -> Graph:
    """Return the boxes that each box imports from."""
    box = boxes(modules)
    found: Graph = {name: set() for name in box.values()}
    for module, imported in arrows(modules).items():
        start = box[room_of(module)]
        found[start] |= {box[room_of(name)] for name in imported} - {start}
    return found


def needed(graph: Graph) -> Graph:
    """Return a graph without the arrows that a longer way replaces."""

    def reached(start: str, seen: set[str]) -> set[str]:
        for end in graph[start] - seen:
            seen.add(end)
            reached(end, seen)
        return seen

    behind = {name: reached(name, set()) for name in graph}
    return {
        start: {end for end in ends if not any(end in behind[other] for other in ends - {end})}
        for start, ends in graph.items()
    }


def rows(graph: Graph) -> list[list[str]]:
    """Return the boxes by row, the highest layer first, each above those that it imports from."""
    found = []
    for layer in LAYERS:
        left = [box for box in graph if any(room in layer for room in box.split())]
        lowest: list[list[str]] = []
        while left:
            free = [box for box in left if not graph[box] & set(left)] or left
            lowest.append(free)
            left = [box for box in left if box not in free]
        found += lowest
    return found[::-1]


def routed(graph: Graph, levels: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows with a place for each arrow that passes, and the places on the way of each arrow."""
    rows = [list(level) for level in levels]
    row_of = {box: number for number, level in enumerate(levels) for box in level}
    ways = []
    for start, ends in graph.items():
        for end in sorted(ends, key=lambda name: row_of[name]):
            between = [f"{start}>{end}>{number}" for number in range(row_of[start] + 1, row_of[end])]
            for number, place in enumerate(between, row_of[start] + 1):
                rows[number].append(place)
            ways.append([start, *between, end])
    return rows, ways


def width(place: str) -> float:
    """Return the width of a box, or of the place where an arrow passes."""
    return 6.0 if ">" in place else max(CHARACTER * len(line) for line in lines(place)) + 24


def lines(box: str) -> list[str]:
    """Return the text of a box."""
    found = [""]
    for room in box.split():
        package, _, name = room.partition(".")
        word = f"{package}.__init__" if not name else name.replace(".", "/")
        if found[-1] and len(found[-1]) + len(word) > LONGEST:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


def spread(rows: list[list[str]], ways: list[list[str]]) -> dict[str, float]:
    """Return the centre of each place, near the places that it is joined with."""
    joined: Graph = {place: set() for row in rows for place in row}
    for way in ways:
        for one, other in pairwise(way):
            joined[one].add(other)
            joined[other].add(one)
    centres: dict[str, float] = {}
    for row in rows:
        put(row, centres)
    for _ in range(12):
        for row in (*rows, *rows[::-1]):
            wished = {
                place: sum(centres[other] for other in joined[place]) / len(joined[place])
                if joined[place]
                else centres[place]
                for place in row
            }
            row.sort(key=lambda place: wished[place])
            put(row, centres, wished)
    leftmost = min(centres[place] - width(place) / 2 for place in centres)
    return {place: centre - leftmost + MARGIN for place, centre in centres.items()}


def put(row: list[str], centres: dict[str, float], wished: dict[str, float] | None = None) -> None:
    """Give the places of a row their centres, in order, as near as there is room to those wished."""
    end = float("-inf")
    moved = []
    for place in row:
        least = end + GAP + width(place) / 2
        wish = wished[place] if wished else least if end > float("-inf") else 0.0
        centres[place] = max(wish, least)
        moved.append(centres[place] - wish)
        end = centres[place] + width(place) / 2
    back = sum(moved) / len(moved)  # half of those that stand too far right shall stand too far left
    for place in row:
        centres[place] -= back


class Places(NamedTuple):
    """Where everything stands: centres and half heights, by box and by place where an arrow passes."""

    x: dict[str, float]
    y: dict[str, float]
    half: dict[str, float]
    height: float
    """Of the whole diagram."""


def height(place: str) -> float:
    """Return the height of a box; none for the place where an arrow passes."""
    return 0.0 if ">" in place else LINE * len(lines(place)) + 14.0


def placed(rows: list[list[str]], ways: list[list[str]]) -> Places:
    """Return where the places of the rows stand."""
    y, half, top = {}, {}, float(MARGIN)
    for row in rows:
        tallest = max(map(height, row))
        for place in row:
            y[place] = top + tallest / 2
            half[place] = (height(place) or tallest) / 2
        top += tallest + BETWEEN
    return Places(spread(rows, ways), y, half, top - BETWEEN + MARGIN)


def _arrow(way: list[str], at: Places) -> str:
    """Draw an arrow: curves between the rows, straight lines through them."""
    x, y = at.x[way[0]], at.y[way[0]] + at.half[way[0]]
    path = f"M{x:.0f},{y:.0f}"
    for place in way[1:]:
        end = at.y[place] - at.half[place]
        middle = (y + end) / 2
        path += f" C{x:.0f},{middle:.0f} {at.x[place]:.0f},{middle:.0f} {at.x[place]:.0f},{end:.0f}"
        x, y = at.x[place], end
        if place != way[-1]:
            y = at.y[place] + at.half[place]
            path += f" V{y:.0f}"
    return f'<path d="{path}" marker-end="url(#room-tip)"/>'


def _box(box: str, at: Places) -> str:
    kind = "engine" if box.split()[0].split(".")[0] == PACKAGES[0] else "adapters"
    x, y, across = at.x[box], at.y[box], width(box)
    drawn = (
        f'<rect class="{kind}" x="{x - across / 2:.0f}" y="{y - at.half[box]:.0f}" '
        f'width="{across:.0f}" height="{height(box):.0f}" rx="6"/>'
    )
    words = lines(box)
    for number, line in enumerate(words):
        middle = y + 4 + LINE * (number - (len(words) - 1) / 2)
        drawn += f'<text x="{x:.0f}" y="{middle:.0f}">{escape(line)}</text>'
    return drawn


def draw() -> str:
    """Return the diagram as an SVG element."""
    graph = needed(box_arrows(source()))
    places, ways = routed(graph, rows(graph))
    at = placed(places, ways)
    across = max(at.x[place] + width(place) / 2 for place in at.x) + MARGIN
    style = (
        "path{fill:none;stroke:#789;stroke-width:1.2}"
        "rect{stroke:#345;stroke-width:1.2}"
        "text{text-anchor:middle;font-size:12px;fill:#123}"
        ".engine{fill:#e9f2e4}.adapters{fill:#eef3fa}"
    )
    tip = (
        '<marker id="room-tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L10,5 L0,10 z" style="fill:#678;stroke:none"/></marker>'
    )
    view = f'viewBox="0 0 {across:.0f} {at.height:.0f}"'
    return "\n".join(
        [
            f'<svg class="rooms" role="img" {view} xmlns="http://www.w3.org/2000/svg">',
            "<title>The rooms of both packages, and which imports from which</title>",
            f"<style>{style}</style><defs>{tip}</defs>",
            *(_arrow(way, at) for way in ways),
            *(_box(box, at) for box in graph),
            "</svg>",
        ]
    )


if __name__ == "__main__":
    print(draw())
