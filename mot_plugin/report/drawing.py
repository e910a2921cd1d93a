"""Draws a picture with matplotlib (the extra `report`), the only module that knows it; without it, numbers are left.

Lengths are points of the SVG: 4/3 of a pixel when it is shown in its own size.
"""

import importlib
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mot_plugin.report import drawing_text, svg
from mot_plugin.report.plots import INK, Figure, Line, Panel, numbers
from mot_plugin.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

WIDE, NARROW = 660, 300
_PLOT, _ROW = 170, 24
MISSING = "There is no picture, because matplotlib is not installed: pip install 'mot-plugin[report]'"
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mot-plugin",
    "font.family": "DejaVu Sans",  # matplotlib brings it, and it is wide: the page's own font fits where it fitted
    "font.size": drawing_text.SIZE,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "path.simplify": False,
}


def figure(
    name: str,
    title: str,
    panels: Sequence[Panel],
    notes: Sequence[str] = (),
    *,
    data: str | None = None,
    table: Table | None = None,
    png: bool = False,
) -> Figure:
    """Draw panels beside each other and, for small screens, below each other. Without matplotlib, only a note says so.

    `data` is the CSV to go with it, if it is not the panels' own numbers.
    """
    data = numbers(panels) if data is None else data
    if not installed():
        return Figure(name, title, "", (*notes, MISSING), csv=data, table=table)
    wide = _draw(panels, WIDE, min(len(panels), 2))
    return Figure(
        name,
        title,
        svg.fit(_text(wide), name, title),
        tuple(notes),
        narrow=svg.fit(_text(_draw(panels, NARROW, 1)), f"{name}-narrow", title),
        csv=data,
        table=table,
        png=_png(wide) if png else b"",
    )


def installed() -> bool:
    """Whether there is something to draw with."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        return False
    return True


def _draw(panels: Sequence[Panel], width: float, columns: int) -> "Drawn":
    import matplotlib
    from matplotlib.figure import Figure as Drawn

    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    each = width / columns
    heads = [max(drawing_text.above(panel, each) for panel in row) for row in rows]
    tall = [head + max(_height(p) + drawing_text.below(p) for p in row) for head, row in zip(heads, rows, strict=True)]
    height = sum(tall)
    with matplotlib.rc_context(_SETTINGS):
        drawn = Drawn(figsize=(width / 72, height / 72))
        drawn.patch.set_visible(False)
        for number, panel in enumerate(panels):
            row, column = divmod(number, columns)
            left = column * each + drawing_text.left(panel)
            across = (column + 1) * each - drawing_text.right(panel) - left
            up = _height(panel)
            bottom = height - sum(tall[:row]) - heads[row] - up
            axes = drawn.add_axes((left / width, bottom / height, across / width, up / height))
            _paint(axes, panel, (across, up))
            drawing_text.around(axes, panel, drawing_text.left(panel), each)
    return drawn


def _height(panel: Panel) -> float:
    return max(60, _ROW * len(panel.rows)) if panel.rows else _PLOT


def _paint(axes: "Axes", panel: Panel, size: tuple[float, float]) -> None:
    axes.patch.set_visible(False)
    for side in ("top", "right", *(["left"] if panel.rows else [])):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set(alpha=0.5, linewidth=0.8)
    axes.grid(axis="x" if panel.rows else "y", color=INK, alpha=0.14, linewidth=0.6)
    axes.tick_params(length=3, width=0.6, labelsize=drawing_text.SIZE, pad=3)
    axes.set_axisbelow(True)
    for label, height, error in panel.levels:
        _level(axes, height, error, upright=bool(panel.rows), label=label)
    for line in panel.lines:
        _line(axes, line, across=bool(panel.rows))
    _ticks(axes, panel, size)
    drawing_text.values(axes, panel, size)
    for number, cut in enumerate(panel.cuts):
        axes.axvline(cut, color=INK, alpha=0.35, linewidth=0.8, dashes=(1, 2))
        if number == 0:
            drawing_text.beside(axes, cut, panel.cut_label)
    if not panel.rows:
        drawing_text.key(axes, panel, size)


def _level(axes: "Axes", height: float, error: float | None, *, upright: bool, label: str) -> None:
    draw, span = (axes.axvline, axes.axvspan) if upright else (axes.axhline, axes.axhspan)
    draw(height, color=INK, alpha=0.7, linewidth=1.1, dashes=(2, 2))
    if error is not None and not upright:
        span(height - error, height + error, facecolor=INK, alpha=0.07, linewidth=0)
    if upright:
        drawing_text.upright(axes, height, label)


def _line(axes: "Axes", line: Line, *, across: bool) -> None:
    if not line.points:
        return
    style = line.style
    xs, ys = [x for x, _ in line.points], [y for _, y in line.points]
    errors = [math.nan if error is None else error for error in line.errors]
    if across or not style.dashes:
        bars = {"xerr" if across else "yerr": errors} if line.errors else {}
        axes.errorbar(xs, ys, **bars, fmt="none", ecolor=style.colour, elinewidth=1.4, alpha=0.55)
    elif errors and len(xs) > 1:
        low, high = ([y + sign * e for y, e in zip(ys, errors, strict=True)] for sign in (-1, 1))
        axes.fill_between(xs, low, high, facecolor=style.colour, alpha=0.13, linewidth=0)
    look = {"marker": "", "linewidth": 1.2} if line.plain else {"marker": style.marker, "linewidth": 1.7}
    dashes = "none" if across or not style.dashes else style.dashes
    axes.plot(xs, ys, color=style.colour, linestyle=dashes, markersize=4.5, markeredgewidth=0, **look)
    if line.best is not None:
        marker = style.marker or "o"
        axes.plot(*line.points[line.best], color=style.colour, marker=marker, markersize=8.5, markeredgewidth=0)


def _ticks(axes: "Axes", panel: Panel, size: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(
        MaxNLocator(max(3, min(9, int(size[0] // 32))), integer=panel.whole, steps=[1, 2, 5, 10])
    )
    if panel.rows:
        axes.set_ylim(len(panel.rows) - 0.5, -0.5)
        axes.set_yticks(range(len(panel.rows)), panel.rows)
        axes.tick_params(axis="y", length=0)
        return
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0.02, y=0.1)
    if panel.zero:
        axes.set_xlim(left=0)
    if panel.ends is not None:
        axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    for ticks, named in ((axes.set_xticks, panel.x_ticks), (axes.set_yticks, panel.y_ticks)):
        if named:
            ticks([place for place, _ in named], [words for _, words in named])


def _text(drawn: "Drawn") -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with matplotlib.rc_context(_SETTINGS):
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(drawn).print_svg(file, metadata=nothing)
    return file.getvalue()


def _png(drawn: "Drawn") -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.rc_context(_SETTINGS):
        file = io.BytesIO()
        FigureCanvasAgg(drawn)
        drawn.savefig(file, format="png", dpi=192, facecolor="white", metadata={"Software": None})
    return file.getvalue()
