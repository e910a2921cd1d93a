"""Figure 1: the best single teacher is another one for another student or source (the content of Table 5)."""

from collections.abc import Sequence

from mot_plugin.report import curves, drawing
from mot_plugin.report.curves import Curve, Run
from mot_plugin.report.plots import SEQUENCE, Figure, Line, Panel
from mot_plugin.report.verdict import BELOW

NOTE = (
    "Each teacher's best checkpoint; bars: one standard error over problems, the same problems for all teachers. "
    "The best checkpoint was picked on these problems."
)


def choice(runs: Sequence[Run], *, png: bool = False) -> Figure | None:
    """One panel per student and source, one row per teacher, the best one marked; None without two STD to choose from."""
    panels, said = [], list[str]()
    order = list(dict.fromkeys(teacher for run in runs for teacher in curves.curves(run, "STD") if teacher))
    for run in runs:
        found = {teacher: curve for teacher, curve in curves.curves(run, "STD").items() if teacher is not None}
        if len(found) < 2:
            continue
        rows = [teacher for teacher in order if teacher in found]
        best = max(rows, key=lambda teacher: (_top(found[teacher]), -rows.index(teacher)))
        panels.append(_panel(run, {teacher: found[teacher] for teacher in rows}, best, order))
        said.append(_sentence(run, found, best, rows))
    if not panels:
        return None
    notes = [*said, NOTE] if any(line.errors for panel in panels for line in panel.lines) else said
    return drawing.figure("figure1", "Figure 1: the best teacher is not universal", panels, notes, png=png)


def _panel(run: Run, found: dict[str, Curve], best: str, order: Sequence[str]) -> Panel:
    lines = []
    for row, (teacher, curve) in enumerate(found.items()):
        error = curve.errors[curve.best]
        style = SEQUENCE[order.index(teacher) % len(SEQUENCE)]
        marked = 0 if teacher == best else None
        errors = () if error is None else (error,)
        lines.append(Line(teacher, style, ((_top(curve), float(row)),), errors, marked))
    base = curves.base(run)
    levels = (("Base", *base),) if base else ()
    return Panel(run.setting, f"{run.metric} (%) of the best checkpoint", tuple(lines), levels, rows=tuple(found))


def _top(curve: Curve) -> float:
    return curve.points[curve.best][1]


def _sentence(run: Run, found: dict[str, Curve], best: str, rows: Sequence[str]) -> str:
    second = max((teacher for teacher in rows if teacher != best), key=lambda teacher: _top(found[teacher]))
    one, other = (found[name].checkpoints[found[name].best] for name in (best, second))
    gap = _top(found[best]) - _top(found[second])
    if not gap:
        return f"{run.setting}: {best} and {second} are equal, and the first one counts as best."
    difference = run.board.difference(one, other)
    if difference is None or difference.stderr is None:
        return f"{run.setting}: best teacher {best}, {gap:.2f} points above {second}."
    sure = "distinguishable" if difference.distinguishable else BELOW
    return (
        f"{run.setting}: best teacher {best}, {gap:.2f} ± {100 * difference.stderr:.2f} points above {second}: {sure}."
    )
