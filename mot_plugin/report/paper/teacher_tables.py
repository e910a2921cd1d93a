"""Tables 5 to 8: which teacher is best, what the worst one costs alone, what leaving one out costs, what peers teach."""

from decimal import Decimal

from mot_plugin.report import rounding
from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Point
from mot_plugin.report.paper.full_tables import together
from mot_plugin.report.paper.pools import peers, removals
from mot_plugin.report.paper.scene import Scene, average, change, scores
from mot_plugin.report.paper.sheet import Cell, Column, Row, Sheet
from mot_plugin.report.table import MISSING

TIE = "The teacher with the highest AVG of its best checkpoint; of equals the first in the order of the teachers: {}."


def table5(s: Scene) -> Sheet:
    """The best teacher of each student and source."""
    rows = tuple(
        Row((names.printed(student),), tuple(_best(s, student, source) for source in s.sources))
        for student in s.students
    )
    columns = tuple(Column(f"Best teacher on {names.printed(source)} (STD)") for source in s.sources)
    notes = [TIE.format(", ".join(map(names.printed, s.teachers)))] if s.teachers else []
    tied = [
        f"{names.printed(student)} on {names.printed(source)} ({', '.join(map(names.printed, top))})"
        for student in s.students
        for source in s.sources
        if len(top := _top(s, student, source)) > 1
    ]
    if tied:
        notes.append(f"Tied: {'; '.join(tied)}.")
    wants = tuple(s.std(a, b, t) for a in s.students for b in s.sources for t in s.teachers)
    return Sheet(5, "best teacher under STD", ("Base model",), columns, rows, tuple(notes), wants)


def table6(s: Scene) -> Sheet:
    """What STD with one teacher does to AVG: the one that was named, or the one that costs most."""
    teacher = s.shifted or shifted(s)
    rows = []
    wants = []
    for student in s.students:
        cells = []
        for source in s.sources:
            experiment = s.std(student, source, teacher or "")
            points = s.results.chosen(experiment)
            cells.append(change([(point, s.results.base_of(point, 6)) for point in points], s.tasks, "change"))
            wants.append(experiment)
        rows.append(Row((names.printed(student),), tuple(cells)))
    columns = tuple(Column(f"{names.printed(source)} ({s.average_name()} change)") for source in s.sources)
    words = f"STD with {names.printed(teacher) if teacher else 'the teacher that costs most'} beside the base"
    lowest = "with the lowest mean change over students and sources"
    why = (
        f"the one {lowest}"
        if teacher == shifted(s)
        else f"as asked; {names.printed(shifted(s) or MISSING)} is the one {lowest}"
    )
    notes = (f"The teacher: {names.printed(teacher)}, {why}.",) if teacher else ()
    return Sheet(6, words, ("Base model",), columns, tuple(rows), notes, tuple(wants))


def table7(s: Scene) -> Sheet:
    """AVG of MoT without a teacher less that of MoT with all."""
    found = removals(s)
    kinds = list(dict.fromkeys((source, gone) for source, _, gone, _ in found))
    by_place = {(source, gone, student): experiment for source, student, gone, experiment in found}
    rows = []
    for student in s.students:
        cells = []
        for source, gone in kinds:
            less = s.results.chosen(by_place[source, gone, student]) if (source, gone, student) in by_place else []
            whole = s.results.chosen(s.pooled(student, source, "MoT"))
            pairs = [(point, _same_seed(point, whole)) for point in less]
            cells.append(change(pairs, s.tasks, "change"))
        rows.append(Row((names.printed(student),), tuple(cells)))
    change_name = f"{s.average_name()} change"
    return Sheet(
        7,
        "MoT without one of its teachers, less MoT with all",
        ("Base model",),
        tuple(Column(change_name, (names.printed(source), names.printed(gone))) for source, gone in kinds),
        tuple(rows) if kinds else (),
        wants=tuple(one for *_, one in found),
        heads=("Dataset", "Without"),
    )


def table8(s: Scene) -> Sheet:
    """Few teachers: each alone, together, and all."""
    rows: list[Row] = []
    found = peers(s)
    for source, student, experiment in found:
        block = f"{source} {student} {together(s, experiment)}"
        place = (names.printed(source), names.printed(student))
        listed: list[tuple[str, list[Point]]] = [("Base", s.results.bases(student, 8))]
        for teacher in (teacher for teacher in s.teachers if teacher in experiment.pool):
            listed.append((f"STD: only {names.printed(teacher)}", s.results.chosen(s.std(student, source, teacher))))
        listed.append((f"MoT: {together(s, experiment)}", s.results.chosen(experiment)))
        listed.append(("MoT: ALL TEACHERS", s.results.chosen(s.pooled(student, source, "MoT"))))
        rows += [Row((*place, title), scores(points, s.tasks), block) for title, points in listed]
    return Sheet(
        8,
        "few teachers",
        ("Dataset", "Base model", "Teacher setting"),
        s.under(),
        tuple(rows),
        wants=tuple(one for *_, one in found),
        folds=("Dataset", "Base model"),
    )


def shifted(s: Scene) -> str | None:
    """The teacher whose STD changes AVG least to the good, on average over students and sources; None without any."""
    means: dict[str, Decimal] = {}
    for teacher in s.teachers:
        cells = [
            change(
                [(point, s.results.base_of(point, 6)) for point in s.results.chosen(s.std(a, b, teacher))],
                s.tasks,
                "change",
            )
            for a in s.students
            for b in s.sources
        ]
        values = [cell.value for cell in cells if cell.value is not None]
        if values:
            means[teacher] = rounding.average(values)
    return min(means, key=lambda teacher: means[teacher]) if means else None


def _best(s: Scene, student: str, source: str) -> Cell:
    top = _top(s, student, source)
    return Cell(words=names.printed(top[0])) if top else Cell()


def _top(s: Scene, student: str, source: str) -> list[str]:
    """Teachers with the highest AVG, in their order."""
    averages = {
        teacher: value
        for teacher in s.teachers
        if (value := average(s.results.chosen(s.std(student, source, teacher)), s.tasks).value) is not None
    }
    return [teacher for teacher, value in averages.items() if value == max(averages.values())]


def _same_seed(point: Point, others: list[Point]) -> Point | None:
    ranked = sorted(others, key=lambda other: other.seed != point.seed)
    return ranked[0] if ranked else None
