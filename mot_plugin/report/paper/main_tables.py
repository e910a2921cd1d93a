"""Tables 1 and 2: MoT against the base and other models, and against every other way to use the teachers."""

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Experiment, Kind, Point
from mot_plugin.report.paper.scene import Scene, change, scores
from mot_plugin.report.paper.sheet import NONE, Cell, Column, Row, Sheet

TITLES: dict[Kind, str] = {
    "base": "Baseline",
    "MTD": "MTD (ALL TEACHERS)",
    "MoT": "MoT (ours)",
    "one-shot": "One-shot merge (ALL TEACHERS)",
    "MTD-matched": "MTD, steps as MoT (ALL TEACHERS)",
}


def table1(s: Scene) -> Sheet:
    """Per student the base and MoT on each source, the lowest AVG first as the paper has them; then other models."""
    rows: list[Row] = []
    wants: list[Experiment] = []
    for student in s.students:
        bases = s.results.bases(student, 1)
        wants.append(Experiment(student))
        rows.append(Row((names.printed(student),), (*scores(bases, s.tasks), NONE), student, _origin(bases)))
        rows += sorted((_mot(s, student, source, wants) for source in s.sources), key=_height)
    for one in s.results.experiments:
        if one.method == "reference":
            points = s.results.chosen(one)
            rows.append(
                Row((names.printed(one.student),), (*scores(points, s.tasks), NONE), "references", _origin(points))
            )
    columns = (*s.under(best=False), Column(f"{s.average_name()} Gain"))
    return Sheet(1, "main results with MoT", ("Configuration",), columns, tuple(rows), wants=tuple(wants))


def table2(s: Scene) -> Sheet:
    """Per source every method, each by its best checkpoint or round; students side by side."""
    rows = []
    wants: list[Experiment] = []
    for source in s.sources:
        for title, experiments in methods(s, source):
            cells: list[Cell] = []
            points: list[Point] = []
            for student, experiment in zip(s.students, experiments, strict=True):
                found = s.results.bases(student, 2) if title == TITLES["base"] else s.results.chosen(experiment)
                cells += scores(found, s.tasks)
                points += found
                wants.append(experiment)
            rows.append(Row((names.without_size(source), title), tuple(cells), source, _origin(points)))
    columns = tuple(column for student in s.students for column in s.under(names.printed(student)))
    return Sheet(2, "ablation on STD, MTD and MoT", ("Dataset", "Method"), columns, tuple(rows), wants=tuple(wants))


def methods(s: Scene, source: str) -> list[tuple[str, list[Experiment]]]:
    """The rows of Table 2: title, and the experiment of each student."""

    def pooled(kind: Kind) -> tuple[str, list[Experiment]]:
        return TITLES[kind], [s.pooled(student, source, kind) for student in s.students]

    rows = [
        (TITLES["base"], [Experiment(student) for student in s.students]),
        pooled("MTD"),
        *(
            (f"STD ({names.printed(teacher)})", [s.std(student, source, teacher) for student in s.students])
            for teacher in s.teachers
        ),
    ]
    if "MTD-matched" in s.extra:
        rows.append(pooled("MTD-matched"))
    if "STD-matched" in s.extra:
        rows += [
            (title, experiments) for teacher in s.teachers for title, experiments in [_matched(s, source, teacher)]
        ]
    if "one-shot" in s.extra:
        rows.append(pooled("one-shot"))
    return [*rows, pooled("MoT")]


def _matched(s: Scene, source: str, teacher: str) -> tuple[str, list[Experiment]]:
    title = f"STD, steps as MoT ({names.printed(teacher)})"
    return title, [Experiment(student, source, frozenset([teacher]), "STD-matched", teacher) for student in s.students]


def _mot(s: Scene, student: str, source: str, wants: list[Experiment]) -> Row:
    experiment = s.pooled(student, source, "MoT")
    wants.append(experiment)
    points = s.results.chosen(experiment)
    gain = change([(point, s.results.base_of(point, 1)) for point in points], s.tasks, "arrow")
    label = f"{names.printed(student)} + {names.printed(source)} (MoT)"
    return Row((label,), (*scores(points, s.tasks), gain), student, _origin(points))


def _height(row: Row) -> float:
    """Its AVG; holes come last."""
    value = row.cells[-2].value
    return float("inf") if value is None else float(value)


def _origin(points: list[Point]) -> str:
    """Whose measuring a row is: `reported` where every number is, both where some are."""
    found = dict.fromkeys(entry.origin for point in points for entry in point.scores.values())
    return " and ".join(sorted(found)) or "measured"
