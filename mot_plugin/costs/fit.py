"""A straight line through what steps took: seconds = start-up + work x time per unit of work. Sums are kept as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

APART = 1.5
"""The largest work must be so many times the smallest for a line through the points to say anything."""
HALF = 0.5


@dataclass(frozen=True)
class Point:
    """One step: its work in any unit, its seconds, and those of its work alone if they are known."""

    work: float
    seconds: float
    working: float | None = None


@dataclass(frozen=True)
class Line:
    """`startup` seconds, `each` seconds per unit of work, and what single points say of the second."""

    startup: float
    each: float
    how: str
    eaches: tuple[float, ...]


def line(points: Sequence[Point], expected: float) -> Line:
    """The line of some points with work. `expected`: the start-up to believe where the points cannot tell it from work.

    Where the tools said how long the work took, that is it. Else least squares, where works differ enough; else the
    start-up is what was expected, but no more than half of the shortest step.
    """
    works, times = [point.work for point in points], [point.seconds for point in points]
    timed = [point.working for point in points if point.working is not None]
    if len(timed) == len(points):
        each, how = sum(timed) / sum(works), "timed by its tool"
    elif len(points) >= 3 and max(works) > APART * min(works):
        each, how = _slope(works, times), "by works that differ"
    else:
        startup = min(expected, HALF * min(times))
        each, how = (_mean(times) - startup) / _mean(works), "start-up as before"
    if each <= 0 or each * _mean(works) > _mean(times):  # noise: what is certain is the sum
        each, how = HALF * _mean(times) / _mean(works), "half start-up, half work: the points do not say"
    startup = _mean(times) - each * _mean(works)
    eaches = tuple(
        (time - startup if point.working is None else point.working) / point.work
        for point, time in zip(points, times, strict=True)
    )
    return Line(startup, each, how, eaches)


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    across, up = _mean(xs), _mean(ys)
    return sum((x - across) * (y - up) for x, y in zip(xs, ys, strict=True)) / sum((x - across) ** 2 for x in xs)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
