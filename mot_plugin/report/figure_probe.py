"""Figure 5: scores of mixtures of a checkpoint with the base student, theta = lambda base + (1 - lambda) checkpoint."""

from collections.abc import Sequence

from mot_plugin.report import drawing, smoothness
from mot_plugin.report.curves import Run
from mot_plugin.report.plots import STYLES, Figure, Line, Panel
from mot_plugin.report.scores import Checkpoint, Score
from mot_plugin.report.smoothness import MEASURES, Probed, Smoothness
from mot_plugin.report.table import Table

AXIS = "λ, the weight of the base"
ENDS = ("checkpoint", "base")
_WAYS = {
    "problems": "95 % intervals: basic bootstrap over problems, the same ones at every λ.",
    "errors": (
        "95 % intervals: scores drawn from their standard errors, as outcomes per problem are not at hand; far too wide, as "
        "hard problems are hard at every λ."
    ),
    "none": "No intervals: there are neither outcomes per problem nor standard errors.",
}


def probe(runs: Sequence[Run], *, png: bool = False) -> Figure | None:
    """One panel per run (a source), one line per method; None if no run has a probe of at least two mixtures."""
    panels, rows, ways, said = [], list[tuple[str, ...]](), list[str](), list[str]()
    settings = [run.setting for run in runs]
    for run in runs:
        setting = run.setting if settings.count(run.setting) == 1 else f"{run.setting}, {run.name}"
        for task in dict.fromkeys(score.task for score in run.probe):
            found = probed(run, task)
            if not found:
                continue
            panels.append(_panel(setting, task, found))
            measured = smoothness.smoothness(found)
            rows += [(setting, name, *map(_cell, values.values())) for name, values in measured.items()]
            ways += [one.way for one in found.values()]
            said += _compared(setting, found)
            if len(found) > 1 and {"MoT", "MTD"} <= found.keys():
                less = smoothness.difference(found, "MoT", "MTD")
                rows.append((setting, "MoT less MTD", *map(_cell, less.values())))
    if not panels:
        return None
    notes = [
        "λ = 0 is the trained checkpoint, λ = 1 the base: the paper's way round. Bands: one standard error over problems, "
        "which moves a whole curve more than its shape.",
        *said,
        *dict.fromkeys(_WAYS[way] for way in ways),
    ]
    header = ("Setting", "Method", *MEASURES.values())
    table = Table("Smoothness of the probe curves (points; lower is smoother)", header, tuple(rows), _TABLE_NOTES)
    return drawing.figure("figure5", "Figure 5: reverse-merge probe", panels, notes, table=table, png=png)


_TABLE_NOTES = (
    "Beyond monotone: the sizes of all steps less the way from end to end; beyond one peak: less the way up to the highest "
    "point and down from it. Noise makes every curve look rougher, so a measured value lies above the true one, and an "
    "interval reaches lower than higher.",
)


def probed(run: Run, task: str) -> dict[str, Probed]:
    """Method -> its curve on one task. The unmixed ends are the checkpoint's and the base's own scores where given so."""
    ends = [score for score in run.probe if score.task == task and score.method == "base"]
    found: dict[str, Probed] = {}
    for method in STYLES:
        rows = [score for score in run.probe if (score.task, score.method) == (task, method) and method != "base"]
        rows += [end for end in ends if rows and all(_share(row) != _share(end) for row in rows)]
        rows.sort(key=_share)
        if len({_share(row) for row in rows}) < 2:
            continue
        paired = all(row.hits and row.doc_hashes == rows[0].doc_hashes for row in rows)
        found[method] = Probed(
            tuple(_share(row) for row in rows),
            tuple(row.value for row in rows),
            tuple(row.stderr for row in rows),
            tuple(row.hits for row in rows) if paired else (),
        )
    return found


def _share(score: Score) -> float:
    return score.share if score.share is not None else float(score.checkpoint == Checkpoint("base"))


def _panel(setting: str, task: str, found: dict[str, Probed]) -> Panel:
    lines = tuple(
        Line(
            name,
            next(style for method, style in STYLES.items() if method == name),
            tuple((share, 100 * value) for share, value in zip(one.shares, one.scores, strict=True)),
            tuple(100 * error for error in one.stderrs if error is not None) if None not in one.stderrs else (),
        )
        for name, one in found.items()
    )
    return Panel(f"{task.removeprefix('mot_')} (%), {setting}", AXIS, lines, ends=ENDS)


def _compared(setting: str, found: dict[str, Probed]) -> list[str]:
    """In words: is MoT's curve smoother than MTD's?"""
    if not {"MoT", "MTD"} <= found.keys():
        return []
    less = smoothness.difference(found, "MoT", "MTD")["bump"]
    if less.low is None or less.high is None:
        judgement = "without an interval to judge it by"
    elif less.high < 0:
        judgement = "MoT's curve is smoother"
    elif less.low > 0:
        judgement = "MTD's curve is smoother"
    else:
        judgement = "not distinguishable"
    return [f"{setting}: MoT's variation beyond one peak less MTD's is {_cell(less, signed=True)} points: {judgement}."]


def _cell(found: Smoothness, *, signed: bool = False) -> str:
    value = f"{found.value:+.2f}" if signed else f"{found.value:.2f}"
    return value if found.low is None else f"{value} [{found.low:.2f}, {found.high:.2f}]"
