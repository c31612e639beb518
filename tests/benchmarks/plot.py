"""The table and the plot of the documentation, made from the results of `make bench --docs`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

SVG = "http://www.w3.org/2000/svg"
LINE, LEFT, WIDTH = 22, 440, 420


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return the results as a table in reStructuredText."""
    heads = ("Ratio", "Lower quartile", "Median", "Upper quartile", "Goal", "")
    return _table(heads, [
        (
            result["title"], *(f"{result[key]:.2f}" for key in ("lower", "median", "upper")),
            "" if result["goal"] is None else f"{result['goal']:g}", result["verdict"],
        )
        for result in results
    ])  # fmt: skip


def table_of_figures(figures: Sequence[dict[str, Any]]) -> str:
    """Return what is measured without a contender as a table in reStructuredText."""
    cells = [
        (figure["title"], f"{figure['value']:.1f} {figure['unit']}", f"{figure['goal']:g}", figure["verdict"])
        for figure in figures
    ]
    return _table(("Figure", "Measured", "At most", ""), cells)


def _table(heads: tuple[str, ...], cells: Sequence[tuple[str, ...]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [heads, *cells]:
        lines += [f"   {'*' if number == 0 else ' '} - {cell}".rstrip() for number, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def write_plot(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Draw each row as a bar from quartile to quartile, its goal as a stroke; the scale is logarithmic."""
    values = [result[key] for result in results for key in ("lower", "upper", "goal") if result[key]]
    low, high = math.log10(min([0.1, *values])), math.log10(max([10, *values]))

    def place(value: float) -> float:
        return LEFT + WIDTH * (math.log10(max(value, 1e-3)) - low) / (high - low)

    height = LINE * (len(results) + 1)
    drawn = [
        f'<svg xmlns="{SVG}" width="{LEFT + WIDTH + 20}" height="{height}" font-size="12">',
        f'<line x1="{place(1):.1f}" x2="{place(1):.1f}" y1="0" y2="{height - LINE}" stroke="gray"/>',
        f'<text x="{place(1):.1f}" y="{height - 6}" text-anchor="middle">1</text>',
    ]
    for number, result in enumerate(results):
        top = LINE * number + 4
        start, end = place(result["lower"]), place(result["upper"])
        drawn.append(f'<text x="4" y="{top + 11}">{escape(result["title"])}</text>')
        drawn.append(_bar(start, top, max(end - start, 2), 14, "steelblue"))
        if result["goal"] is not None:
            drawn.append(_bar(place(result["goal"]), top - 2, 2, 18, "crimson"))
    path.write_text("\n".join([*drawn, "</svg>"]) + "\n")


def _bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{colour}"/>'
