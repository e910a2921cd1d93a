"""Makespan and efficiency against the number of GPUs, both axes in powers of two."""

import math
from collections.abc import Sequence

from mot_plugin.costs.scaling import Point, best
from mot_plugin.costs.scaling_table import csv
from mot_plugin.report import drawing
from mot_plugin.report.plots import INK, SEQUENCE, Figure, Line, Panel, Style

NAME = "scaling"


def figure(points: Sequence[Point], title: str, *, png: bool = False) -> Figure:
    """Two panels: hours until everything is done, and what of the added GPUs is used."""
    counts = list(dict.fromkeys(point.gpus for point in points))
    x_ticks = tuple((math.log2(count), str(count)) for count in counts)
    panels = [
        Panel("Until everything is done (hours)", "GPUs", _times(points), x_ticks=x_ticks, y_ticks=_powers(points)),
        Panel("Efficiency (%)", "GPUs", _efficiencies(points), x_ticks=x_ticks),
    ]
    return drawing.figure(NAME, title, panels, data=csv(points), png=png)


def _times(points: Sequence[Point]) -> tuple[Line, ...]:
    first = best(points)[0]
    counts = list(dict.fromkeys(point.gpus for point in points))
    ideal = tuple((math.log2(count), math.log2(first.hours * first.gpus / count)) for count in counts)
    lines = [
        Line(
            f"{width} per training",
            style,
            tuple((math.log2(one.gpus), math.log2(one.hours)) for one in points if one.width == width),
        )
        for width, style in zip(dict.fromkeys(point.width for point in points), SEQUENCE, strict=False)
    ]
    return (*lines, Line("ideal", Style(INK, ":", ""), ideal, plain=True))


def _efficiencies(points: Sequence[Point]) -> tuple[Line, ...]:
    first = best(points)[0]
    work = first.hours * first.gpus
    return tuple(
        Line(
            f"{width} per training",
            style,
            tuple((math.log2(one.gpus), 100 * work / (one.hours * one.gpus)) for one in points if one.width == width),
        )
        for width, style in zip(dict.fromkeys(point.width for point in points), SEQUENCE, strict=False)
    )


def _powers(points: Sequence[Point]) -> tuple[tuple[float, str], ...]:
    """Marks at every second, or every, power of two between the shortest and the ideal time."""
    most = max(math.log2(point.hours) for point in points)
    least = min(math.log2(point.hours) for point in points) - 2
    step = 2 if most - least > 6 else 1
    return tuple((float(power), f"{2.0**power:g}") for power in range(math.floor(least), math.ceil(most) + 1, step))
