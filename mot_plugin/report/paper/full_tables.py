"""Tables 11, 12 and 13: every checkpoint and round, that of MoT without a teacher, and that of MoT with few."""

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Experiment, Point
from mot_plugin.report.paper.main_tables import TITLES, methods
from mot_plugin.report.paper.pools import peers, removals
from mot_plugin.report.paper.scene import Scene, score, scores
from mot_plugin.report.paper.sheet import Cell, Column, Row, Sheet

_SHORT = {"mot_aime24": "A24", "mot_aime25": "A25"}


def table11(s: Scene) -> Sheet:
    """Sources and students side by side, a row per method and step or round."""
    places = [(source, student) for source in s.sources for student in s.students]
    listed = {source: methods(s, source) for source in s.sources}
    rows = []
    wants: list[Experiment] = []
    for number, (title, _) in enumerate(next(iter(listed.values()), [])):
        found = []
        for source, student in places:
            experiment = listed[source][number][1][s.students.index(student)]
            wants.append(experiment)
            base = experiment.method == "base"
            found.append([[p] for p in s.results.bases(student, 11)] if base else s.results.series(experiment))
        name = "Base model" if title == TITLES["base"] else title
        for when in sorted({point.when for series in found for points in series for point in points} or {(0, 0)}):
            if when == (0, 0) and name != "Base model" and any(map(_known, found)):
                continue  # a result of a step that is not known has no row here
            at = [[point for points in series for point in points if point.when == when] for series in found]
            cells = [score(points, task) for points in at for task in s.tasks]
            rows.append(Row((name, _when(when)), tuple(cells), title))
    columns = tuple(
        Column(_SHORT.get(task, names.task(task)), (names.printed(source), names.printed(student)))
        for source, student in places
        for task in s.tasks
    )
    return Sheet(
        11,
        "complete ablations, every checkpoint and round",
        ("Method", "Config"),
        columns,
        tuple(rows),
        wants=tuple(wants),
    )


def table12(s: Scene) -> Sheet:
    """MoT without one of the teachers."""
    rows = []
    found = removals(s)
    for source, student, gone, experiment in found:
        labels = (names.printed(source), names.printed(gone), names.printed(student))
        rows += [Row((*labels, when), cells, " ".join(labels)) for when, cells in _rounds(s, experiment)]
    return Sheet(
        12,
        "MoT without one of its teachers, per round",
        ("Dataset", "Without", "Base model", "Round"),
        s.under(),
        tuple(rows),
        wants=tuple(experiment for *_, experiment in found),
        folds=("Dataset", "Without"),
    )


def table13(s: Scene) -> Sheet:
    """MoT with fewer teachers than all but one."""
    rows = []
    found = peers(s)
    for source, student, experiment in found:
        labels = (names.printed(source), names.printed(student), together(s, experiment))
        rows += [Row((*labels, when), cells, " ".join(labels)) for when, cells in _rounds(s, experiment)]
    return Sheet(
        13,
        "MoT with few teachers, per round",
        ("Dataset", "Base model", "Teachers", "Round"),
        s.under(),
        tuple(rows),
        wants=tuple(experiment for *_, experiment in found),
        folds=("Dataset", "Base model", "Teachers"),
    )


def together(s: Scene, experiment: Experiment) -> str:
    """`QWQ + QWEN3-32B`, in the order of the teachers."""
    return " + ".join(names.printed(teacher) for teacher in s.teachers if teacher in experiment.pool)


def _rounds(s: Scene, experiment: Experiment) -> list[tuple[str, tuple[Cell, ...]]]:
    series = s.results.series(experiment)
    rounds = sorted({point.when for points in series for point in points})
    at = {when: [point for points in series for point in points if point.when == when] for when in rounds}
    return [(_when(when), scores(at[when], s.tasks)) for when in rounds] or [("-", scores([], s.tasks))]


def _known(series: list[list[Point]]) -> bool:
    return any(point.when != (0, 0) for points in series for point in points)


def _when(when: tuple[int, int]) -> str:
    number, step = when
    return f"Round {number}" if number else f"STEP {step}" if step else "-"
