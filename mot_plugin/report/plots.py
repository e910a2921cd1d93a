"""A picture as plain data: panels of lines. What draws them is report/drawing.py; a Figure is what comes of it.

Colours have at least three to one against white and against dark pages, and never stand alone: lines differ in dashes
and markers, too.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.report.scores import Method
from mot_plugin.report.table import Table


@dataclass(frozen=True)
class Figure:
    """A picture and what belongs to it. `svg` is one self-contained element that fits into a page or a file of its own.

    It is empty where there is nothing to draw with; `notes` say so then. `narrow` is the same for a small screen, `csv`
    its numbers, for those who draw it anew; `table` small numbers to stand below it; `png` is there when asked for.
    """

    name: str
    title: str
    svg: str
    notes: tuple[str, ...] = ()
    narrow: str = ""
    csv: str = ""
    table: Table | None = None
    png: bytes = b""


@dataclass(frozen=True)
class Style:
    """How a line looks: colour, dashes as matplotlib calls them (none: points only), and its marker."""

    colour: str
    dashes: str = "-"
    marker: str = "o"


INK = "#0a0b0c"
"""Stands for the colour of the page's own text."""

STYLES: dict[Method, Style] = {
    "base": Style(INK, ":", ""),
    "MoT": Style("#0077bb", "-", "o"),
    "STD": Style("#d55e00", "--", "s"),
    "MTD": Style("#009988", "-.", "^"),
    "one-shot": Style("#b0509a", "", "D"),
    "STD-matched": Style("#a6761d", ":", "v"),
    "MTD-matched": Style("#8a6fd1", ":", "P"),
}
SEQUENCE = tuple(STYLES[method] for method in ("MoT", "STD", "MTD", "one-shot", "STD-matched", "MTD-matched"))
"""For lines of one method: several runs, several teachers."""


@dataclass(frozen=True)
class Line:
    """Points from left to right; `errors` (one per point) become a band, or bars where the points are not joined."""

    label: str
    style: Style
    points: tuple[tuple[float, float], ...]
    errors: tuple[float | None, ...] = ()
    best: int | None = None
    """Which point is drawn larger, with its value beside it."""
    plain: bool = False
    """Without markers: a curve with a point at every step."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes. The title says what is drawn and in which unit."""

    title: str
    x: str
    lines: tuple[Line, ...]
    levels: tuple[tuple[str, float, float | None], ...] = ()
    """Horizontal lines: label, height, error."""
    cuts: tuple[float, ...] = ()
    """Vertical lines, the first with `cut_label`."""
    cut_label: str = ""
    ends: tuple[str, str] | None = None
    """What the left and the right end of the x axis are."""
    rows: tuple[str, ...] = ()
    """If given, y counts these from the top, and errors lie along x."""
    whole: bool = False
    """x are whole numbers."""
    zero: bool = False
    """The x axis begins at 0."""
    x_ticks: tuple[tuple[float, str], ...] = ()
    """Marks on the x axis and their names, where the numbers along it are no names: logarithms, for example."""
    y_ticks: tuple[tuple[float, str], ...] = ()
    """The same of the y axis."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue()


def numbers(panels: Sequence[Panel]) -> str:
    """Every point of every panel as CSV: panel, line, x, y, error."""
    rows: list[tuple[Any, ...]] = []
    for panel in panels:
        for line in panel.lines:
            errors = line.errors or (None,) * len(line.points)
            rows += [
                (panel.title, line.label, panel.rows[round(y)] if panel.rows else x, x if panel.rows else y, error)
                for (x, y), error in zip(line.points, errors, strict=True)
            ]
        rows += [(panel.title, label, None, height, error) for label, height, error in panel.levels]
    return csv_text(("panel", "line", "x", "y", "error"), rows)
