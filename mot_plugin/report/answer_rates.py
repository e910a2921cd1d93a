"""How the answers were: cut off, without an answer, all the same; and what several answers to a problem would reach."""

from collections.abc import Sequence

from mot_plugin.report import rounding
from mot_plugin.report.board import Board
from mot_plugin.report.scores import PAIRED_METRIC, Checkpoint, Score
from mot_plugin.report.table import MISSING, Table

_NAMES = {"pass_at_k": "pass@k", "maj_at_k": "maj@k", "no_answer": "no answer"}
_FIRST = ("pass_at_k", "maj_at_k", "truncated", "no_answer", "distinct")
NOTE = (
    "Shares of the n x k answers in percent, ± one standard error over problems. pass@k: problems with a hit among their k "
    "answers; maj@k: problems whose most frequent answer is a hit. Truncated: cut off before the thought ended. Distinct: "
    "different texts among the k answers to a problem."
)


def table(board: Board, scores: Sequence[Score]) -> Table | None:
    """One row per model and task, a column per metric beside the score that scores.json has; None where there is none."""
    found = {(s.checkpoint, s.task, s.metric): s for s in scores if s.purpose == "main"}
    there = dict.fromkeys(metric for _, _, metric in found if metric != PAIRED_METRIC)
    metrics = [*(name for name in _FIRST if name in there), *sorted(there.keys() - set(_FIRST))]
    if not metrics:
        return None
    rows = tuple(
        _row(board, one, task, [found.get((one, task, metric)) for metric in metrics])
        for one in board.checkpoints
        for task in board.tasks
        if any((one, task, metric) in found for metric in metrics)
    )
    header = (
        "Method",
        "Config",
        "Task",
        "n x k",
        *(_NAMES.get(metric, metric.replace("_", " ")) for metric in metrics),
    )
    return Table("Answers: how they were given", header, rows, (NOTE,), labels=3)


def _row(board: Board, one: Checkpoint, task: str, found: Sequence[Score | None]) -> tuple[str, ...]:
    known = next(score for score in found if score is not None)
    return (
        board.title(one),
        one.when or "-",
        task.removeprefix("mot_").upper(),
        f"{known.problems} x {known.repeats}",
        *(rounding.plus_minus(str(rounding.percent(s.value)), s.stderr) if s else MISSING for s in found),
    )
