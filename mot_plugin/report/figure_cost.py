"""Scores against what they took: one point per checkpoint, so that MoT's K trainings per round are seen for what they are."""

from collections.abc import Callable, Sequence

from mot_plugin.report import cost, curves, drawing
from mot_plugin.report.cost import Cost, Spent
from mot_plugin.report.curves import Curve, Run
from mot_plugin.report.plots import STYLES, Figure, Line, Panel, Style, csv_text
from mot_plugin.report.scores import METHODS
from mot_plugin.report.table import MISSING, Table

HEADER = (
    "Method",
    "Checkpoint",
    "Optimizer steps",
    "Sequences",
    "Teacher tokens",
    "Training tokens",
)
NOTES = (
    "Each point is a checkpoint with all that had to be done for it: its teachers' traces, its trainings and merges, not its "
    "evaluation.",
    "A round of MoT is K trainings, one per teacher, so it takes K times the optimizer steps of a baseline over the same "
    "steps per teacher.",
)


def spending(run: Run, spent: Sequence[Spent], *, png: bool = False) -> Figure | None:
    """Two panels, of tokens and of hours, and the account of every method's last checkpoint; None without any cost."""
    found = [
        (name, style, curve, [cost.of(one, spent) for one in curve.checkpoints]) for name, style, curve in _series(run)
    ]
    found = [one for one in found if any(one[3])]
    if not found:
        return None
    every = [one for _, _, _, costs in found for one in costs if one is not None]
    hours, hour = _clock(max((one.hours or 0 for one in every), default=0.0), gpu=any(one.gpus for one in spent))
    unit, size = _unit(max((one.tokens or 0 for one in every), default=0.0))
    panels = [
        _panel(run, found, f"tokens, generated and trained on{unit}", lambda c: _scaled(c.tokens, size)),
        _panel(run, found, hours, lambda c: _scaled(c.hours, hour)),
    ]
    panels = [panel for panel in panels if panel.lines]
    table = _table(found, hours, hour)
    notes = list(NOTES)
    if any(one.kind == "traces" and one.estimated for one in spent):
        notes.append("Tokens of traces that were given are estimated: samples times the mean length of those kept.")
    if any(one.kind == "traces" and one.seconds is None for one in spent):
        notes.append("Teachers' time is not counted: this run was given their traces.")
    title = f"Cost: scores against what they took, {run.setting}"
    return drawing.figure("cost", title, panels, notes, data=_csv(found), table=table, png=png)


_Found = Sequence[tuple[str, Style, Curve, list[Cost | None]]]


def _series(run: Run) -> list[tuple[str, Style, Curve]]:
    """Every method's curve; of STD the best teacher's, as the others took about as much."""
    made = []
    for method in METHODS:
        found = {} if method == "base" else curves.curves(run, method)
        if method in ("STD", "STD-matched") and found:
            best = max(found, key=lambda teacher: found[teacher].points[found[teacher].best][1])
            found = {best: found[best]}
        made += [
            (f"{method} ({teacher})" if teacher else method, STYLES[method], one) for teacher, one in found.items()
        ]
    return made


def _panel(run: Run, found: _Found, x: str, read: Callable[[Cost], float | None]) -> Panel:
    lines = []
    for name, style, curve, costs in found:
        taken = [None if one is None else read(one) for one in costs]
        places = [number for number, one in enumerate(taken) if one is not None]
        points = tuple((taken[number] or 0.0, curve.points[number][1]) for number in places)
        if points:  # without bands: so many of them hide each other
            lines.append(Line(name, style, points))
    base = curves.base(run)
    levels = (("Base", base[0], None),) if base else ()
    return Panel(f"{run.metric} (%)", x, tuple(lines), levels, zero=True)


def _table(found: _Found, hours: str, hour: float) -> Table:
    rows = []
    for name, _, curve, costs in found:
        last = costs[-1]
        if last is None:
            continue
        cells = (f"{last.steps:,}", *map(_count, (last.sequences, last.teacher_tokens, last.training_tokens)))
        spent = MISSING if last.hours is None else f"{last.hours / hour:,.2f}"
        rows.append((name, curve.checkpoints[-1].when or "merge", *cells, spent))
    return Table("What each method's last checkpoint took", (*HEADER, hours[:1].upper() + hours[1:]), tuple(rows))


def _csv(found: _Found) -> str:
    rows = [
        (name, one.when, y, error, c.steps, c.sequences, c.teacher_tokens, c.training_tokens, c.hours)
        for name, _, curve, costs in found
        for one, (_, y), error, c in zip(curve.checkpoints, curve.points, curve.errors, costs, strict=True)
        if c is not None
    ]
    header = "method checkpoint score stderr optimizer_steps sequences teacher_tokens training_tokens hours".split()
    return csv_text(header, rows)


def _count(number: float | None) -> str:
    return MISSING if number is None else f"{number:,.0f}"


def _scaled(number: float | None, size: float) -> float | None:
    return None if number is None else number / size


def _clock(most: float, *, gpu: bool) -> tuple[str, float]:
    """What the axis of time is called, and one of its units in hours: short runs are told in minutes."""
    unit, size = ("hours", 1.0) if most >= 1 else ("minutes", 1 / 60)
    return (f"GPU-{unit}" if gpu else f"{unit} (there is no GPU)"), size


def _unit(most: float) -> tuple[str, float]:
    for word, size in (("billion", 1e9), ("million", 1e6), ("thousand", 1e3)):
        if most >= size:
            return f" ({word})", size
    return "", 1.0
