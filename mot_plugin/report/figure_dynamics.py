"""Figures 3 and 4: loss on one teacher's corpus, and scores along the way; MoT against STD, or against another MoT."""

import dataclasses
from collections.abc import Sequence

from mot_plugin.report import curves, drawing, losses
from mot_plugin.report.curves import Curve, Run
from mot_plugin.report.plots import SEQUENCE, STYLES, Figure, Line, Panel, Style, numbers
from mot_plugin.report.scores import Method

STEPS = "optimizer steps per teacher"
BANDS = (
    "Bands: one standard error over problems. All models answer the same problems, so differences are surer than the bands "
    "suggest."
)
_SMOOTH = 60  # steps; a longer loss curve is drawn as its running mean, too
_WINDOW = 9


def against_std(run: Run, teacher: str | None = None, *, png: bool = False) -> Figure | None:
    """Figure 3: MoT against STD of one teacher, by default the best one. None if there is nothing to draw."""
    teacher = teacher or curves.best_teacher(run)
    if teacher is None:
        return None
    names: list[tuple[str, Run, Method, str | None, Style]] = [
        ("MoT", run, "MoT", None, STYLES["MoT"]),
        (f"STD ({teacher})", run, "STD", teacher, STYLES["STD"]),
    ]
    title = f"Figure 3: MoT against STD ({teacher}), {run.setting}"
    return _figure("figure3", title, names, teacher, png=png)


def against_each_other(
    runs: Sequence[Run], teacher: str | None = None, *, name: str = "", png: bool = False
) -> Figure | None:
    """Figure 4: MoT of several runs of one setting, losses on the corpus of a teacher that all have.

    None for fewer than two of them. `name` tells several such figures apart.
    """
    merged = [run for run in runs if run.board.series("MoT")]
    if len(merged) < 2:
        return None
    teacher = teacher or _shared(merged)
    names: list[tuple[str, Run, Method, str | None, Style]] = [
        (run.name, run, "MoT", None, SEQUENCE[number % len(SEQUENCE)]) for number, run in enumerate(merged)
    ]
    called = f"figure4-{name}" if name else "figure4"
    title = f"Figure 4: {' against '.join(run.name for run in merged)}, {merged[0].setting}"
    return _figure(called, title, names, teacher, png=png)


def _figure(
    name: str,
    title: str,
    wanted: Sequence[tuple[str, Run, Method, str | None, Style]],
    teacher: str | None,
    *,
    png: bool,
) -> Figure | None:
    found = [
        (label, curve, style)
        for label, run, method, of, style in wanted
        if (curve := curves.curves(run, method).get(of)) is not None
    ]
    panels, notes = list[Panel](), list[str]()
    if teacher is not None:
        loss, said = _losses(wanted, teacher)
        notes += dict.fromkeys(said)
        panels += [loss] if loss.lines else []
    if found:
        panels.append(_scores([run for _, run, *_ in wanted], found))
        notes += curves.peaks([(label, curve) for label, curve, _ in found])
        if any(error is not None for _, curve, _ in found for error in curve.errors):
            notes.append(BANDS)
    drawn = [_smoothed(panel) for panel in panels]
    return drawing.figure(name, title, drawn, notes, data=numbers(panels), png=png) if panels else None


def _scores(runs: Sequence[Run], found: Sequence[tuple[str, Curve, Style]]) -> Panel:
    lines = tuple(
        Line(label, style, one.points, one.errors if None not in one.errors else (), one.best)
        for label, one, style in found
    )
    bases = {curves.base(run) for run in runs}
    base = bases.pop() if len(bases) == 1 else None
    levels = (("Base", *base),) if base else ()
    return Panel(f"{runs[0].metric} (%) after training", STEPS, lines, levels, whole=True)


def _losses(wanted: Sequence[tuple[str, Run, Method, str | None, Style]], teacher: str) -> tuple[Panel, list[str]]:
    lines, notes = list[Line](), list[str]()
    curves_found: list[tuple[str, tuple[tuple[float, float], ...]]] = []
    merges: tuple[float, ...] = ()
    for label, run, method, _, style in wanted:
        points, merged = losses.along(run.losses, method, teacher)
        merges = merges or merged
        if points:
            curves_found.append((label, points))
            lines.append(Line(label, style, points, plain=True))
        for corpus, probes in losses.probed(run.losses, method, teacher).items():
            lines.append(_probe(label, style, corpus, probes, teacher))
    if len({id(run) for _, run, *_ in wanted}) == 1:  # on the union, MTD has no loss of its own that would compare
        for corpus, probes in losses.probed(wanted[0][1].losses, "MTD", None).items():
            lines.append(_probe("MTD", STYLES["MTD"], corpus, probes, teacher))
    if any(line.style.dashes == ":" for line in lines):
        notes.append(
            "Dotted: the loss of models as they are, evaluated on a fixed probe corpus; nothing is trained on it."
        )
    if len(curves_found) == 2:
        notes.insert(0, _above(*curves_found))
    if any(len(points) > _SMOOTH for _, points in curves_found):
        notes.append(f"Losses are running means over {_WINDOW} steps, within a round; each step's is in the CSV.")
    title = f"Training loss on the {teacher} corpus (nats per token)"
    return Panel(title, STEPS, tuple(lines), cuts=merges, cut_label="merge", whole=True), notes


def _probe(label: str, style: Style, corpus: str, probes: tuple[tuple[float, float], ...], teacher: str) -> Line:
    words = "probe" if corpus == teacher else f"probe {corpus}"
    return Line(f"{label}, {words}", Style(style.colour, ":", style.marker), probes)


def _above(one: tuple[str, Sequence[tuple[float, float]]], other: tuple[str, Sequence[tuple[float, float]]]) -> str:
    """How often one loss is above the other at the same step, which the paper sees of MoT against STD."""
    left, right = dict(one[1]), dict(other[1])
    both = sorted(left.keys() & right.keys())
    if not both:
        return f"{one[0]} and {other[0]} have no optimizer step in common."
    higher = sum(left[x] > right[x] for x in both)
    mean = sum(left[x] - right[x] for x in both) / len(both)
    return (
        f"The loss of {one[0]} is above that of {other[0]} at {higher} of {len(both)} equal steps; the mean difference is "
        f"{mean:+.4f}."
    )


def _smoothed(panel: Panel) -> Panel:
    lines = [
        dataclasses.replace(line, points=_running(line.points, panel.cuts)) if line.plain else line
        for line in panel.lines
    ]
    return dataclasses.replace(panel, lines=tuple(lines))


def _running(points: Sequence[tuple[float, float]], merges: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The points, or their running mean if they are many; it does not reach across a merge."""
    if len(points) <= _SMOOTH:
        return tuple(points)
    rooms = [sum(x > merge for merge in merges) for x, _ in points]
    found = []
    for number, (x, _) in enumerate(points):
        near = range(max(0, number - _WINDOW // 2), min(len(points), number + _WINDOW // 2 + 1))
        values = [points[place][1] for place in near if rooms[place] == rooms[number]]
        found.append((x, sum(values) / len(values)))
    return tuple(found)


def _shared(runs: Sequence[Run]) -> str | None:
    """The best single teacher of the first run that all others have, else the first that all have."""
    common = [name for name in _teachers(runs[0]) if all(name in _teachers(run) for run in runs)]
    best = next((found for run in runs if (found := curves.best_teacher(run)) is not None), None)
    return best if best in common else next(iter(common), None)


def _teachers(run: Run) -> list[str]:
    return list(dict.fromkeys(one.teacher for one in run.losses if one.method == "MoT" and one.teacher))
