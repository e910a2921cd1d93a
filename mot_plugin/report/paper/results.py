"""Results: entries of many runs, asked by experiment: its rounds or checkpoints, the one chosen, the base it started from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Entry, Experiment, Point
from mot_plugin.report.scores import Purpose

# One seed's numbers of one experiment; of the base, by the paper's table that prints it.
_Series = dict[tuple[Experiment, int, int], list[Point]]


Rule = Literal["best", "last"]
"""best: the highest AVG on the test problems themselves, as the paper chooses; last: the end of the training, chosen by nobody."""


@dataclass(frozen=True)
class Results:
    """`baselines`: for each table, the paper's table whose base it goes by; runs have one base each and need none.

    `rule`: what stands for a series that nobody published a choice from.
    """

    entries: tuple[Entry, ...]
    baselines: Mapping[int, int] = field(default_factory=dict)
    rule: Rule = "best"

    @cached_property
    def students(self) -> tuple[str, ...]:
        """In the order given; references are none."""
        return tuple(dict.fromkeys(e.experiment.student for e in self.entries if e.experiment.method != "reference"))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """In the order given."""
        return tuple(dict.fromkeys(e.experiment.source for e in self.entries if e.experiment.source))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """What methods are compared by."""
        return tuple(dict.fromkeys(e.task for e in self.entries if e.purpose == "main"))

    @cached_property
    def experiments(self) -> tuple[Experiment, ...]:
        """Every one that has a number."""
        return tuple(dict.fromkeys(entry.experiment for entry in self.entries))

    @cached_property
    def teachers(self) -> tuple[str, ...]:
        """Teachers that never were students, in the order given."""
        found = (e.teacher for e in self.experiments if e.method == "STD" and e.teacher and not names.taught(e.teacher))
        pools = (one for e in self.experiments for one in sorted(e.pool) if not names.taught(one))
        return tuple(dict.fromkeys((*found, *pools)))

    def pools(self, student: str, source: str) -> tuple[frozenset[str], ...]:
        """Who taught together, the largest first."""
        found = [e.pool for e in self.experiments if (e.student, e.source) == (student, source)]
        pools = [pool for pool in dict.fromkeys(found) if pool and not any(map(names.taught, pool))]
        return tuple(sorted(pools, key=lambda pool: -len(pool)))

    def full(self, student: str, source: str) -> frozenset[str]:
        """ALL TEACHERS of a student and source: the largest pool, or every teacher where nobody taught it yet."""
        pools = self.pools(student, source)
        return pools[0] if pools and len(pools[0]) > 1 else frozenset(self.teachers)

    def series(self, experiment: Experiment, place: int = 0) -> list[list[Point]]:
        """Per seed the rounds or checkpoints from early to late. Of several runs of one experiment and seed, the first."""
        found = [points for (e, _, p), points in self._series.items() if (e, p) == (experiment, place)]
        return [sorted(points, key=lambda point: point.when) for points in found]

    def chosen(self, experiment: Experiment) -> list[Point]:
        """Per seed the result: the published one, else by the rule; of equal AVG the earliest."""
        best = (self.best(points) for points in self.series(experiment))
        return [point for point in best if point is not None]

    def best(self, points: Iterable[Point]) -> Point | None:
        """The one of a series that tables call its result; None where no one has all its scores."""
        points = list(points)
        published = next((point for point in points if point.selected), None)
        if published is not None:
            return published
        averages = [(average, point) for point in points if (average := point.average(self.tasks)) is not None]
        if self.rule == "last":
            return points[-1] if averages and averages[-1][1] == points[-1] else None
        return max(averages, key=lambda pair: pair[0])[1] if averages else None

    def bases(self, student: str, table: int) -> list[Point]:
        """The student as it was, per seed."""
        place = self.baselines.get(table, 0)
        return [points[0] for points in self.series(Experiment(student), place)]

    def base_of(self, point: Point, table: int) -> Point | None:
        """The base that a point is compared with: its own run's, else its seed's, else any."""
        found = self.bases(point.experiment.student, table)
        ranked = sorted(found, key=lambda base: (base.run != point.run, base.seed != point.seed))
        return ranked[0] if ranked else None

    def general(self, experiment: Experiment, table: int = 0) -> list[Point]:
        """Scores of the selected model on other benchmarks, per seed."""
        place = self.baselines.get(table, 0) if experiment.method == "base" else 0
        return [points[0] for (e, _, p), points in self._general.items() if (e, p) == (experiment, place)]

    @cached_property
    def contradicted(self) -> tuple[tuple[Experiment, Purpose], ...]:
        """Experiments that two runs give other numbers for, with the same seed."""
        first: dict[tuple[object, ...], Entry] = {}
        found = []
        for one in self.entries:
            known = first.setdefault((_key(one), one.purpose, one.when, one.task), one)
            if known.run != one.run and known.value != one.value:
                found.append((one.experiment, one.purpose))
        return tuple(dict.fromkeys(found))

    @cached_property
    def _series(self) -> _Series:
        return _grouped([entry for entry in self.entries if entry.purpose == "main"], by_when=True)

    @cached_property
    def _general(self) -> _Series:
        return _grouped([entry for entry in self.entries if entry.purpose == "general"], by_when=False)


def _key(entry: Entry) -> tuple[Experiment, int, int]:
    """A base that the paper prints several times is several."""
    return entry.experiment, entry.seed, entry.place if entry.experiment.method == "base" else 0


def _grouped(entries: Iterable[Entry], *, by_when: bool) -> _Series:
    found: dict[tuple[Experiment, int, int], dict[tuple[int, int], dict[str, Entry]]] = {}
    runs: dict[tuple[Experiment, int, int], str] = {}
    for one in entries:
        series = _key(one)
        if runs.setdefault(series, one.run) == one.run:
            # What was published as the result comes first in the paper's numbers, and stays.
            found.setdefault(series, {}).setdefault(one.when if by_when else (0, 0), {}).setdefault(one.task, one)
    made: _Series = {}
    seen = set()
    for series, points in found.items():
        evaluated = frozenset(one.fingerprint for scores in points.values() for one in scores.values())
        # One evaluation is one, also where it stands in the reports of several seeds.
        if evaluated == {""} or (series[0], evaluated) not in seen:
            made[series] = [Point(series[0], runs[series], series[1], when, scores) for when, scores in points.items()]
        seen.add((series[0], evaluated))
    return made
