"""Scene: the results that tables are made of, and which students, sources and methods they show; cells made from points."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from mot_plugin.evals import paired, statistics
from mot_plugin.report import rounding
from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Experiment, Kind, Point
from mot_plugin.report.paper.results import Results
from mot_plugin.report.paper.sheet import Cell, Column, over_seeds

Grouping = Literal["paper", "corrected"]
"""Which benchmarks count as sensitive to forgetting: as the paper prints it, or with SuperGPQA and SimpleQA exchanged."""


@dataclass(frozen=True)
class Scene:
    """`extra`: methods beyond the paper's that some run has. `full`: per student and source, who ALL TEACHERS are."""

    results: Results
    students: tuple[str, ...]
    sources: tuple[str, ...]
    tasks: tuple[str, ...]
    teachers: tuple[str, ...]
    extra: tuple[Kind, ...] = ()
    grouping: Grouping = "paper"
    shifted: str | None = None
    """The teacher of Table 6; the one that costs most on average if not given."""

    @property
    def header(self) -> tuple[Column, ...]:
        """The tasks, and AVG where there are several."""
        columns = tuple(Column(names.task(task), best=True) for task in self.tasks)
        return (*columns, Column("AVG", best=True)) if len(self.tasks) > 1 else columns

    def under(self, *over: str, best: bool = True) -> tuple[Column, ...]:
        """The same columns under headings."""
        return tuple(replace(column, over=over, best=best) for column in self.header)

    def pooled(self, student: str, source: str, method: Kind) -> Experiment:
        """A method of all teachers."""
        return Experiment(student, source, self.results.full(student, source), method)

    def std(self, student: str, source: str, teacher: str) -> Experiment:
        """One teacher's."""
        return Experiment(student, source, frozenset([teacher]), "STD", teacher)

    def average_name(self) -> str:
        """What a change is a change of."""
        return "AVG" if len(self.tasks) > 1 else names.task(self.tasks[0]) if self.tasks else "AVG"


def scene(results: Results, like: Results | None = None, **chosen: object) -> Scene:
    """All that `like` (or the results themselves) has: its students, sources, tasks and teachers."""
    shape = like or results
    extra: tuple[Kind, ...] = ("one-shot", "STD-matched", "MTD-matched")
    there = {experiment.method for experiment in shape.experiments}
    made = Scene(
        results, shape.students, shape.sources, shape.tasks, shape.teachers, tuple(one for one in extra if one in there)
    )
    return replace(made, **chosen)  # type: ignore[arg-type]  # names and types are those of the fields


def scores(points: Sequence[Point], tasks: Sequence[str]) -> tuple[Cell, ...]:
    """One cell per task, and AVG when there are several."""
    cells = tuple(score(points, task) for task in tasks)
    return (*cells, average(points, tasks)) if len(cells) > 1 else cells


def score(points: Sequence[Point], task: str) -> Cell:
    """One task's score."""
    return over_seeds([point.printed(task) for point in points], [error(point, task) for point in points])


def average(points: Sequence[Point], tasks: Sequence[str]) -> Cell:
    """AVG, of printed scores."""
    return over_seeds(
        [point.average(tuple(tasks)) for point in points], [average_error(point, tasks) for point in points]
    )


def change(
    pairs: Sequence[tuple[Point, Point | None]], tasks: Sequence[str], style: Literal["arrow", "change"]
) -> Cell:
    """AVG minus AVG, as printed, of each pair. Its error takes both as independent: scores alone do not pair problems."""
    values, errors = [], []
    for one, other in pairs:
        values.append(difference(one.average(tuple(tasks)), other.average(tuple(tasks)) if other else None))
        errors.append(unpaired(average_error(one, tasks), average_error(other, tasks) if other else None))
    return over_seeds(values, errors, style)


def mean_change(points: Sequence[tuple[Point, Point | None]], tasks: Sequence[str]) -> Cell:
    """The mean over tasks of printed score minus printed base, as Tables 3 and 4 give it."""
    values, errors = [], []
    for one, base in points:
        parts = [difference(one.printed(task), base.printed(task) if base else None) for task in tasks]
        known = [part for part in parts if part is not None]
        values.append(rounding.average(known) if known and len(known) == len(parts) else None)
        errors.append(statistics.average_stderr([error_of_change(one, base, task) for task in tasks]))
    return over_seeds(values, errors, "arrow")


def error(point: Point, task: str) -> float | None:
    """Standard error over problems, in points."""
    found = point.scores.get(task)
    return None if found is None or found.stderr is None else 100 * found.stderr


def error_of_change(one: Point, base: Point | None, task: str) -> float | None:
    """In points: paired by problem where outcomes are at hand, else as if both scores were independent."""
    left, right = one.scores.get(task), base.scores.get(task) if base else None
    if left is None or right is None or base is None:
        return None
    if left.hits and right.hits and sorted(left.doc_hashes) == sorted(right.doc_hashes):
        stderr = paired.compared(*paired.aligned(left.hits, left.doc_hashes, right.hits, right.doc_hashes)).stderr
        return None if stderr is None else 100 * stderr
    return unpaired(error(one, task), error(base, task))


def average_error(point: Point, tasks: Sequence[str]) -> float | None:
    """Of AVG, in points."""
    return statistics.average_stderr([error(point, task) for task in tasks])


def difference(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Of printed numbers; None where one is missing."""
    return None if one is None or other is None else one - other


def unpaired(one: float | None, other: float | None) -> float | None:
    """Error of the difference of two independent numbers."""
    mean = statistics.average_stderr([one, other])
    return None if mean is None else 2 * mean
