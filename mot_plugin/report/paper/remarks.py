"""What stands below a table: how much is behind its cells, whose base it goes by, who chose, and on what problems."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Entry, Experiment, Point
from mot_plugin.report.paper.printed import RUN
from mot_plugin.report.paper.results import Results
from mot_plugin.report.paper.scene import Scene
from mot_plugin.report.paper.sheet import Sheet
from mot_plugin.report.scores import Purpose

BASED = (1, 2, 6, 8)
CHOSEN = (1, 2, 5, 6, 7, 8, 9)


def remarks(s: Scene, sheet: Sheet) -> list[str]:
    """Every sentence that applies to this table."""
    if not sheet.rows:
        return []
    said = [*sizes(s, sheet), *seeds(sheet)]
    if sheet.number in BASED:
        said += baselines(s, sheet.number)
    if sheet.number in CHOSEN:
        said += choice(s, sheet)
    said += reported(s, sheet)
    purposes = purposes_of(sheet)
    against = {one.title: None for one, purpose in s.results.contradicted if one in sheet.wants and purpose in purposes}
    if against:
        said.append(
            f"Several runs with one seed give different numbers, and the first run given counts: {', '.join(against)}."
        )
    return said


def of_paper(s: Scene, sheet: Sheet) -> list[str]:
    """What should be known of the paper's numbers where they stand beside others."""
    said = baselines(s, sheet.number) if sheet.number in BASED else []
    if sheet.number in CHOSEN:
        said += worse(s, sheet)
    return [*said, *reported(s, sheet)]


def purposes_of(sheet: Sheet) -> tuple[Purpose, ...]:
    """What a table's scores were measured for."""
    return ("general",) if sheet.number in (3, 4) else ("main", "general") if sheet.number == 9 else ("main",)


def sizes(s: Scene, sheet: Sheet) -> list[str]:
    """Problems x answers to each, per task, of what was measured here."""
    purposes = purposes_of(sheet)
    wanted = set(sheet.wants)
    found: dict[str, dict[str, None]] = {}
    for entry in s.results.entries:
        if entry.problems and entry.purpose in purposes and (entry.experiment in wanted or sheet.number == 9):
            found.setdefault(entry.task, {})[f"{entry.problems} x {entry.repeats}"] = None
    columns = {column.name for column in sheet.columns}
    shown = {task for task in found if columns & {names.task(task), names.task(task, full=True)}}
    if not found or sheet.number == 5:
        return []
    listed = ", ".join(
        f"{names.task(task)} {' and '.join(each)}{' (not comparable)' if len(each) > 1 else ''}"
        for task, each in found.items()
        if task in shown or not shown
    )
    error = any(cell.error is not None and cell.seeds == 1 for row in sheet.rows for cell in row.cells)
    words = "; ± is one standard error over problems" if error else ""
    if error and sheet.number in (1, 3, 4, 6, 7):
        together = all(entry.hits for entry in s.results.entries)
        apart = "as if both scores were independent (each run's own report pairs them)"
        words += f", of a change {'paired by problem' if together else apart}"
    return [f"Problems x answers to each: {listed}{words}."]


def seeds(sheet: Sheet) -> list[str]:
    """Which cells are means over runs."""
    counts = {cell.seeds for row in sheet.rows for cell in row.cells if cell.seeds > 1}
    if not counts:
        return []
    return [
        f"Of experiments run with {' or '.join(map(str, sorted(counts)))} seeds: mean ± standard deviation over the seeds, "
        "each with the checkpoint or round that it chose."
    ]


def baselines(s: Scene, table: int) -> list[str]:
    """Whose base the table goes by, where there are several."""
    said = []
    for student in s.students:
        every = [e for e in s.results.entries if e.experiment == Experiment(student) and e.purpose == "main"]
        groups = [(key, list(group)) for key, group in groupby(every, key=lambda entry: (entry.place, entry.run))]
        averages: dict[str, str] = {}
        for (place, run), group in groups:
            point = Point(Experiment(student), run, 0, (0, 0), {entry.task: entry for entry in group})
            averages.setdefault(str(point.average(s.tasks)), f"the paper's Table {place}" if place else run)
        used = [str(point.average(s.tasks)) for point in s.results.bases(student, table)]
        if len(averages) > 1:
            listed = ", ".join(f"{average} ({where})" for average, where in averages.items())
            said.append(
                f"There are {len(averages)} bases of {names.printed(student)}: {listed}; here {', '.join(used)}."
            )
    return said


def choice(s: Scene, sheet: Sheet) -> list[str]:
    """How the shown checkpoint or round was chosen, the last beside it, and where the paper's is not its best."""
    picked = _picked(s, sheet)
    if not picked:
        return []
    if s.results.rule == "last":
        return ["Each method's last checkpoint or round: chosen by nobody, so not flattered."]
    said = [
        "Each method's best checkpoint or round by AVG, the earliest of equals: chosen on the test problems themselves, "
        "which flatters it."
    ]
    last = [
        f"{one.title} {points[-1].average(s.tasks)} at {_when(points[-1])} (best {chosen.average(s.tasks)} at {_when(chosen)})"
        for one, chosen, points in picked
        if chosen.run != RUN and one.method == "MoT" and points[-1].average(s.tasks) is not None
    ]
    if last:
        said.append(f"The last round, chosen by nobody: {'; '.join(last)}.")
    return [*said, *worse(s, sheet)]


def worse(s: Scene, sheet: Sheet) -> list[str]:
    """Where the published result is not the best of its series."""
    found = [
        f"{one.title} {chosen.average(s.tasks)}, with {top.average(s.tasks)} at {_when(top)}"
        for one, chosen, points in _picked(s, sheet)
        if chosen.selected and (top := _top(s.results, points)) is not None and _above(s, top, chosen)
    ]
    return (
        [f"Results that the paper chose and that are not the best of its Table 11: {'; '.join(found)}."]
        if found
        else []
    )


def _picked(s: Scene, sheet: Sheet) -> list[tuple[Experiment, Point, list[Point]]]:
    """Every choice among several: the experiment, what was chosen, and from what."""
    return [
        (one, chosen, points)
        for one in dict.fromkeys(sheet.wants)
        for points in s.results.series(one)
        if len(points) > 1 and (chosen := s.results.best(points)) is not None
    ]


def reported(s: Scene, sheet: Sheet) -> list[str]:
    """Numbers that were copied from elsewhere."""
    if sheet.number not in (1, 2):
        return []
    place = s.results.baselines.get(sheet.number, 0)
    entries = [e for e in s.results.entries if e.origin == "reported" and e.place in (sheet.number, place)]
    if not entries:
        return []
    listed = ", ".join(f"{names.printed(student)} {_tasks(group)}" for student, group in _by_student(entries))
    return [f"Reported by others and copied: {listed}. The rest is measured."]


def _by_student(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.experiment.student, []).append(entry)
    return list(found.items())


def _tasks(entries: Sequence[Entry]) -> str:
    return " and ".join(names.task(entry.task) for entry in entries)


def _top(results: Results, points: Sequence[Point]) -> Point | None:
    known = [(average, point) for point in points if (average := point.average(results.tasks)) is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _above(s: Scene, one: Point, other: Point) -> bool:
    left, right = one.average(s.tasks), other.average(s.tasks)
    return left is not None and right is not None and left > right


def _when(point: Point) -> str:
    number, step = point.when
    return f"round {number}" if number else f"step {step}" if step else "a step that is not said"
