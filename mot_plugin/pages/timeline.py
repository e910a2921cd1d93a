"""When each step ran, as bars on one line of time. Times in which nothing ran are cut out of it and marked."""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from mot_plugin.step import Plan
from mot_plugin.store import Record, Store
from mot_plugin.views import alive

KINDS = ("data", "train", "merge", "evaluate", "other")
"""Groups of kinds of steps that share a colour."""

_GROUPS = {
    "source": "data",
    "traces": "data",
    "corpus": "data",
    "train": "train",
    "merge": "merge",
    "evaluate": "evaluate",
}
_PAUSE = 0.04  # of the time worked: a longer one in which nothing ran is cut out
_CUT = 0.012  # what is left of it
_TICKS = 6
_NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True)
class Span:
    """One step's last attempt. Times are seconds since 1970; `elsewhere` is the other run that made it."""

    step: str
    number: int
    kind: str
    method: str
    state: str
    begin: float
    end: float
    attempts: int
    gpus: int
    peak_mb: int | None
    elsewhere: str | None

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return max(0.0, self.end - self.begin)

    @property
    def group(self) -> str:
        """The colour it has."""
        return _GROUPS.get(self.kind, "other")

    @property
    def lane(self) -> str:
        """What it belongs to: `mot/round-1`, `std/qwq`, `mtd`, `corpus`."""
        parts = [part for part in self.step.split("/") if not part.startswith("step-")]
        return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


@dataclass(frozen=True)
class Bar:
    """A span where it is drawn: percent from the left, percent wide."""

    span: Span
    left: float
    width: float


@dataclass(frozen=True)
class Mark:
    """A tick or a pause on the line of time: percent from the left, and its words."""

    left: float
    words: str


@dataclass(frozen=True)
class Timeline:
    """Bars by lane; a lane has several lines where its steps ran at once."""

    lanes: tuple[tuple[str, tuple[tuple[Bar, ...], ...]], ...]
    ticks: tuple[Mark, ...]
    pauses: tuple[Mark, ...]


def spans(plan: Plan, store: Store, at: float) -> list[Span]:
    """Every step that ran or runs, in the order of the plan. One that was killed has no end: its log's last word is it."""
    found: list[Span] = []
    for number, step in enumerate(plan.steps, 1):
        record = store.record(plan.prints[step.name])
        if record is None or not record.started:
            continue
        logs = list(store.home(plan.prints[step.name]).glob("attempt-*.log"))
        last = max((log.stat().st_mtime for log in logs), default=record.started)
        end = record.ended if record.ended is not None else at if _runs(record) else last
        elsewhere = record.run if record.run != plan.recipe else None
        attempts = max(len(logs), record.attempt)
        found.append(
            Span(
                step.name, number, step.kind, step.method, record.state, record.started, max(end, record.started),
                attempts, step.gpus, record.peak_mb, elsewhere,
            )
        )  # fmt: skip
    return found


def _runs(record: Record) -> bool:
    return record.state == "running" and alive(record.host, record.pid)


def timeline(every: Sequence[Span], clock: "Clock") -> Timeline:
    """The bars of these spans."""
    lanes: dict[str, list[list[Bar]]] = {}
    for span in every:
        left, right = clock.place(span.begin), clock.place(span.end)
        bar = Bar(span, round(100 * left, 3), round(100 * (right - left), 3))
        lines = lanes.setdefault(span.lane, [])
        line = next((line for line in lines if all(_apart(bar, other) for other in line)), None)
        if line is None:
            lines.append([bar])
        else:
            line.append(bar)
    drawn = tuple((lane, tuple(tuple(line) for line in lines)) for lane, lines in lanes.items())
    return Timeline(drawn, clock.ticks(), clock.pauses())


def _apart(bar: Bar, other: Bar) -> bool:
    return bar.span.end <= other.span.begin or other.span.end <= bar.span.begin


class Clock:
    """Time without the pauses: `place` says where a moment is, 0..1."""

    def __init__(self, every: Sequence[Span]) -> None:
        busy = _busy(every)
        worked = sum(end - begin for begin, end in busy)
        self._worked = worked or 1.0
        self._cuts: list[tuple[float, float]] = []  # where a pause is on the line, how long it was
        points, at = [(busy[0][0], 0.0)] if busy else [(0.0, 0.0)], 0.0
        for (begin, end), after in itertools.zip_longest(busy, busy[1:]):
            at += end - begin
            points.append((end, at))
            if after is not None:
                gap = after[0] - end
                if gap > _PAUSE * self._worked:
                    self._cuts.append((at + _CUT * self._worked / 2, gap))
                    gap = _CUT * self._worked
                at += gap
                points.append((after[0], at))
        self._times, self._places = [time for time, _ in points], [place for _, place in points]
        self._length = at or 1.0

    @property
    def worked(self) -> float:
        """Seconds in which something ran."""
        return self._worked

    def place(self, time: float) -> float:
        """Where a moment is, 0..1."""
        index = min(max(bisect.bisect_right(self._times, time), 1), len(self._times) - 1)
        if index < 1:
            return 0.0
        (t0, t1), (p0, p1) = self._times[index - 1 : index + 1], self._places[index - 1 : index + 1]
        inside = (time - t0) / (t1 - t0) if t1 > t0 else 0.0
        return (p0 + min(max(inside, 0.0), 1.0) * (p1 - p0)) / self._length

    def ticks(self) -> tuple[Mark, ...]:
        """Round times along the line, counted without the pauses."""
        step = next((nice for nice in _NICE if self._length / nice <= _TICKS), _NICE[-1])
        count = int(self._length / step) + 1
        return tuple(
            Mark(round(100 * number * step / self._length, 3), _short(number * step)) for number in range(count)
        )

    def pauses(self) -> tuple[Mark, ...]:
        """Where time was cut out."""
        return tuple(
            Mark(round(100 * at / self._length, 3), f"nothing ran for {_short(gap)}") for at, gap in self._cuts
        )


def _busy(every: Sequence[Span]) -> list[tuple[float, float]]:
    """The times in which something ran, from early to late."""
    found: list[tuple[float, float]] = []
    for span in sorted(every, key=lambda span: span.begin):
        if found and span.begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], span.end))
        else:
            found.append((span.begin, span.end))
    return found


def _short(seconds: float) -> str:
    """`0`, `45 s`, `2 min`, `1 h 30`, `3 d`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else "0"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    if whole < 172800:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60:02}" if whole % 3600 // 60 else "")
    return f"{whole / 86400:.3g} d"
