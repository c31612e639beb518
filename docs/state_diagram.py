"""Draws the state machine as SVG, from the table that drives the code.

The diagram has the transitions of an association without faults. An arrow from state to state has its
events and actions as a label. The transitions of A-ABORT and of faults (actions AA-1 to AA-8) lead from
nearly every state to Sta13 or Sta1, and are only in the table. This module gives the places of the states.
"""

from __future__ import annotations

from html import escape

from dicomproto.upper_layer.states import TRANSITIONS, State

WIDTH, HEIGHT = 960, 800
BOX = 150, 46
START, END = "Sta1", "end"

# Centres. The idle state is drawn twice, as beginning and end.
PLACES = {
    START: (440, 40),
    "Sta4": (220, 140),
    "Sta2": (660, 140),
    "Sta5": (220, 240),
    "Sta3": (660, 240),
    "Sta6": (440, 340),
    "Sta7": (220, 440),
    "Sta8": (660, 440),
    "Sta9": (110, 550),
    "Sta10": (330, 550),
    "Sta11": (110, 660),
    "Sta12": (330, 660),
    "Sta13": (660, 660),
    END: (440, 760),
}
NAMES = {
    "Sta1": "idle",
    "Sta2": "awaiting A-ASSOCIATE-RQ",
    "Sta3": "local answer due",
    "Sta4": "connecting",
    "Sta5": "awaiting the answer",
    "Sta6": "data transfer",
    "Sta7": "awaiting A-RELEASE-RP",
    "Sta8": "local response due",
    "Sta9": "collision, requestor",
    "Sta10": "collision, acceptor",
    "Sta11": "collision, requestor",
    "Sta12": "collision, acceptor",
    "Sta13": "awaiting close",
}
# Control points of arrows that would run through a box.
BENDS = {
    ("Sta5", START): (-60, 40),
    ("Sta3", "Sta13"): (890, 440),
    ("Sta2", "Sta13"): (1130, 400),
    ("Sta7", END): (620, 600),
}


def arrows() -> dict[tuple[str, str], list[str]]:
    """Return the labels of each arrow by its two ends."""
    found: dict[tuple[str, str], list[str]] = {}
    for (event, state), (action, following) in TRANSITIONS.items():
        if action.startswith("AA-"):
            continue
        for after in following:
            if after is state:
                continue
            is_end = after is State.STA1 and state is not State.STA5
            ends = state.value, END if is_end else after.value
            found.setdefault(ends, []).append(f"{event} · {action}")
    return found


def _border(center: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Return where the line from a box's centre leaves the box."""
    dx, dy = towards[0] - center[0], towards[1] - center[1]
    scale = min((BOX[0] / 2 + 2) / abs(dx) if dx else 9e9, (BOX[1] / 2 + 2) / abs(dy) if dy else 9e9)
    return center[0] + dx * scale, center[1] + dy * scale


def _curve(ends: tuple[str, str]) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Return where an arrow begins, where it is drawn to, and where it ends."""
    start, end = PLACES[ends[0]], PLACES[ends[1]]
    bend = BENDS.get(ends, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    return _border(start, bend), bend, _border(end, bend)


def _label_places(ends: tuple[str, str], number: int) -> list[tuple[float, float]]:
    """Return the centres of an arrow's labels, around its middle."""
    (x1, y1), (x, y), (x2, y2) = _curve(ends)
    x, y = (x1 + 2 * x + x2) / 4, (y1 + 2 * y + y2) / 4
    return [(x, y + 14 * (line - (number - 1) / 2)) for line in range(number)]


def label_places() -> list[tuple[float, float]]:
    """Return the centres of all labels."""
    return [place for ends, labels in arrows().items() for place in _label_places(ends, len(labels))]


def _arrow(ends: tuple[str, str], labels: list[str]) -> str:
    (x1, y1), (x, y), (x2, y2) = _curve(ends)
    curve = f"M{x1:.0f},{y1:.0f} Q{x:.0f},{y:.0f} {x2:.0f},{y2:.0f}"
    lines = [f'<path d="{curve}" marker-end="url(#tip)"/>']
    for label, (x, y) in zip(labels, _label_places(ends, len(labels)), strict=True):
        lines.append(f'<text x="{x:.0f}" y="{y + 4:.0f}" class="label">{escape(label)}</text>')
    return "".join(lines)


def _box(place: str) -> str:
    x, y = PLACES[place]
    name = START if place == END else place
    return (
        f'<rect x="{x - BOX[0] / 2:.0f}" y="{y - BOX[1] / 2:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="8"/>'
        f'<text x="{x}" y="{y - 4}" font-weight="bold">{name}</text>'
        f'<text x="{x}" y="{y + 13}" font-size="11">{escape(NAMES[name])}</text>'
    )


def draw() -> str:
    """Return the diagram as an SVG element."""
    style = (
        "path{fill:none;stroke:#666;stroke-width:1.4}"
        "rect{fill:#f4f7fa;stroke:#345;stroke-width:1.4}"
        "text{text-anchor:middle;font-size:13px;fill:#123}"
        ".label{font-size:11px;fill:#333;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    )
    tip = (
        '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" style="fill:#666;stroke:none"/></marker>'
    )
    return "\n".join(
        [
            f'<svg class="states" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">',
            "<title>States of an association and the events that lead from one to the next</title>",
            f"<style>{style}</style><defs>{tip}</defs>",
            *(_arrow(ends, labels) for ends, labels in arrows().items()),
            *map(_box, PLACES),
            "</svg>",
        ]
    )


if __name__ == "__main__":
    print(draw())
