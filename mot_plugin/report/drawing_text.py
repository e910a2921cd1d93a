"""The words of a drawing: titles, axes' names, values at points, and the key at the right end of the lines."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mot_plugin.report.plots import INK, Line, Panel, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 9.0
_LETTER = 0.61 * SIZE  # of DejaVu Sans, on average and generously
_SAMPLE, _GAP, _LINE = 20, 6, 13
_VALUE = 34  # a number in bold, such as 78.33
_BELOW, _ENDS, _WIDEST = 42, 13, 112


def below(panel: Panel) -> float:
    """Points for the words below the axes."""
    lines = len(_entries(panel)) if _under(panel) else 0
    return _BELOW + (_ENDS if panel.ends else 0) + (_LINE * lines + 4 if lines else 0)


def _under(panel: Panel) -> bool:
    """Whether the names of lines are too long to stand beside the axes."""
    return not panel.rows and _longest(panel) > _WIDEST


def _longest(panel: Panel) -> float:
    return max((_width(label) for label, _, _ in _entries(panel)), default=0)


def left(panel: Panel) -> float:
    """Points for the words left of the axes."""
    return max(38, *(_width(row) + 10 for row in panel.rows)) if panel.rows else 38


def right(panel: Panel) -> float:
    """Points for the key right of the axes."""
    if panel.rows:
        return 10 + max(_width(words) for words, _ in _amounts(panel).values())
    return 20 if _under(panel) else _GAP + _SAMPLE + 4 + _longest(panel) + 6


def _width(words: str) -> float:
    return _LETTER * len(words)


def title_lines(panel: Panel, width: float) -> list[str]:
    """The title, in as many lines as it needs."""
    return textwrap.wrap(panel.title, max(10, int(width / (1.08 * _LETTER))))  # it is bold


def above(panel: Panel, width: float) -> float:
    """Points for the title and what may stand below it."""
    return 18 + 12 * len(title_lines(panel, width))


def around(axes: "Axes", panel: Panel, margin: float, width: float) -> None:
    """The title above, from the left edge on, and below what x is; at its ends, what they are."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    for number, line in enumerate(reversed(title_lines(panel, width))):
        axes.annotate(line, (0, 1), xytext=(2 - margin, 14 + 12 * number), weight="bold", **place)
    axes.annotate(panel.x, (0.5, 0), xytext=(0, -30 - (_ENDS if panel.ends else 0)), ha="center", **place)
    for at, side, words in zip((0, 1), ("left", "right"), panel.ends or (), strict=False):
        axes.annotate(words, (at, 0), xytext=(0, -29), ha=side, style="italic", **place)


def values(axes: "Axes", panel: Panel, size: tuple[float, float]) -> None:
    """The value of each best point: above it, or below where another's would be in the way. In rows, every value."""
    for row, (words, best) in _amounts(panel).items():
        beside: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(
            words, (1, row), xycoords=axes.get_yaxis_transform(), weight="bold" if best else "normal", **beside
        )
    if panel.rows:
        return
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    taken: list[tuple[float, float]] = []
    for x, y in sorted((line.points[line.best] for line in panel.lines if line.best is not None), key=_height):
        place = ((x - left) / (right - left) * size[0], (y - low) / (high - low) * size[1])
        crowded = any(abs(place[0] - a) < _VALUE and abs(place[1] - b) < 2 * _LINE for a, b in taken)
        taken.append(place)
        last = place[0] > size[0] - _VALUE / 2  # the key begins there
        how = {"ha": "right" if last else "center", "va": "top" if crowded else "baseline"}
        axes.annotate(
            f"{y:.2f}",
            (x, y),
            xytext=(5 if last else 0, -7 if crowded else 6),
            textcoords="offset points",
            weight="bold",
            **how,
        )


def _height(point: tuple[float, float]) -> float:
    return -point[1]


def _amounts(panel: Panel) -> dict[float, tuple[str, bool]]:
    """Row -> its value with its error, and whether it is the best."""
    found = {}
    for line in panel.lines if panel.rows else ():
        (x, row), error = line.points[0], (line.errors or (None,))[0]
        words = f"{x:.2f}" if error is None else f"{x:.2f} ± {error:.2f}"
        found[row] = (words, line.best is not None)
    return found


def upright(axes: "Axes", x: float, words: str) -> None:
    """What an upright line is, above the axes."""
    axes.annotate(
        words,
        (x, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        alpha=0.8,
    )


def beside(axes: "Axes", x: float, words: str) -> None:
    """What a vertical line is, at its upper end."""
    axes.annotate(
        words, (x, 1), xycoords=("data", "axes fraction"), xytext=(3, -4), textcoords="offset points", alpha=0.75
    )


def key(axes: "Axes", panel: Panel, size: tuple[float, float]) -> None:
    """Samples and names of lines at the right, each as near to the end of its line as the others let it; long ones below."""
    entries = _entries(panel)
    low, high = axes.get_ylim()
    wished = [(height - low) / (high - low) * size[1] for _, height, _ in entries]
    places, start = spread(wished, _LINE, size[1]), size[0] + _GAP
    if _under(panel):
        top = -_BELOW - (_ENDS if panel.ends else 0)
        order = sorted(range(len(entries)), key=lambda number: -wished[number])
        places, start = [top - _LINE * order.index(number) for number in range(len(entries))], 0
    for (label, _, style), place in zip(entries, places, strict=True):
        _entry(axes, label, style, (start, place), size)


def _entry(axes: "Axes", label: str, style: Style, at: tuple[float, float], size: tuple[float, float]) -> None:
    """One sample with its name, `at` points from the axes' corner."""
    x, y = [(at[0] + part) / size[0] for part in (0, _SAMPLE / 2, _SAMPLE)], at[1] / size[1]
    marks: dict[str, Any] = {"marker": style.marker, "markevery": [1], "markersize": 4.5, "markeredgewidth": 0}
    dashes = style.dashes or "none"
    where: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    axes.plot(x, [y] * 3, color=style.colour, linestyle=dashes, linewidth=1.7, **where, **marks)
    axes.annotate(label, (x[2], y), xycoords="axes fraction", xytext=(4, 0), textcoords="offset points", va="center")


def _entries(panel: Panel) -> list[tuple[str, float, Style]]:
    lines = [(line.label, line.points[-1][1], _keyed(line)) for line in panel.lines if line.points and line.label]
    return lines + [(label, height, Style(INK, ":", "")) for label, height, _ in panel.levels]


def _keyed(line: Line) -> Style:
    return Style(line.style.colour, line.style.dashes, "") if line.plain else line.style


def spread(wished: Sequence[float], gap: float, most: float) -> list[float]:
    """Places as near to those wished as they can be with `gap` between any two, within 0..most if there is room."""
    order = sorted(range(len(wished)), key=wished.__getitem__)
    groups: list[list[float]] = []  # [sum of wishes, count], of places that touch
    for index in order:
        groups.append([wished[index], 1])
        while len(groups) > 1 and _low(groups[-1], gap) < _high(groups[-2], gap) + gap:
            total, count = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + count]
    places = [_low(group, gap) + gap * number for group in groups for number in range(int(group[1]))]
    for number in range(len(places)):
        places[number] = max(places[number], gap * number)
    for number in range(1, len(places) + 1):
        places[-number] = min(places[-number], most - gap * (number - 1))
    found = [0.0] * len(wished)
    for index, place in zip(order, places, strict=True):
        found[index] = place
    return found


def _low(group: list[float], gap: float) -> float:
    return group[0] / group[1] - gap * (group[1] - 1) / 2


def _high(group: list[float], gap: float) -> float:
    return group[0] / group[1] + gap * (group[1] - 1) / 2
