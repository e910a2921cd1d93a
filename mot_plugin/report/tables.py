"""The paper's Tables 1, 2, 10 and 11 from scores and corpus summaries. What is missing is an en dash and a note."""

from collections.abc import Mapping, Sequence
from typing import Any

from mot_plugin.evals import levels
from mot_plugin.report import rounding, verdict
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import METHODS, Checkpoint, Method
from mot_plugin.report.table import MISSING, NOT_APPLICABLE, Table

__all__ = ["MISSING", "NOT_APPLICABLE", "Table", "table1", "table2", "table10", "table11"]


def table1(board: Board, student: str, source: str) -> Table:
    """Main results: the base and MoT, at its best round and at its last."""
    rows = [(student, *_scores(board, BASE), NOT_APPLICABLE)] if BASE in board.checkpoints else []
    shown = []
    for series in board.series("MoT"):
        for checkpoint, words in _best_and_last(board, series):
            shown.append(checkpoint)
            label = f"{student} + {source} (MoT, {checkpoint.when}{words})"
            rows.append((label, *_scores(board, checkpoint), verdict.gain(board, checkpoint, BASE) or MISSING))
    header = ("Configuration", *_score_header(board), "AVG Gain" if len(board.tasks) > 1 else "Gain")
    notes = [
        *_score_notes(board, ("base", "MoT")),
        *_selection_note(board, ("MoT",)),
        *verdict.notes(board, shown, BASE),
    ]
    return Table("Table 1: main results", header, tuple(rows), tuple(notes))


def table2(board: Board, source: str) -> Table:
    """Ablation: every way to use the teachers, each at its best checkpoint with the last beside it."""
    rows, shown = [], []
    for series in _all_series(board, ("base", "MTD", "STD", "MTD-matched", "STD-matched", "one-shot", "MoT")):
        best, last = board.best(series), series[-1]
        checkpoint = best or last
        shown.append(checkpoint)
        has_gain = checkpoint != BASE
        rows.append(
            (
                source,
                board.title(checkpoint),
                *_scores(board, checkpoint),
                (verdict.gain(board, checkpoint, BASE) or MISSING) if has_gain else NOT_APPLICABLE,
                (checkpoint.when if best and has_gain else "") or NOT_APPLICABLE,
                _last(board, last) if has_gain else NOT_APPLICABLE,
            )
        )
    average = "AVG" if len(board.tasks) > 1 else "score"
    header = ("Dataset", "Method", *_score_header(board), "Gain", "Best at", f"Last {average} (at)")
    mot = board.best_of("MoT")
    notes = [*_score_notes(board), *_selection_note(board), *verdict.notes(board, shown, BASE)]
    if mot is not None:
        notes += verdict.notes(board, [c for c in shown if c != BASE], mot)
    return Table("Table 2: STD, MTD and MoT", header, tuple(rows), tuple(notes))


def table10(summaries: Sequence[Mapping[str, Any]], missing: Sequence[str] = ()) -> Table:
    """Distillation data sets and their sizes, from the corpora's summary.json; `missing` names those not there."""
    rows = tuple(
        (
            str(summary["source"]),
            str(summary["teacher"]),
            str(summary["name"]),
            str(summary["kept"]),
            str(summary["prompts"]),
            str(summary["samples"]),
            *(str(summary["tokens"][name]) for name in ("min", "median", "max", "total")),
        )
        for summary in summaries
    )
    header = ("Source", "Teacher", "Distillation dataset name", "Size", "Prompts", "Samples")
    tokens = ("Tokens min", "median", "max", "total")
    notes = ["Size counts training rows; prompts and samples are what they were chosen from."]
    if missing:
        notes.append(f"Missing: {', '.join(missing)}.")
    return Table("Table 10: distillation data sets", (*header, *tokens), rows, tuple(notes))


def table11(board: Board) -> Table:
    """Every checkpoint and every round; the best of each series is marked."""
    rows = []
    for series in _all_series(board, ("base", "STD", "MTD", "STD-matched", "MTD-matched", "one-shot", "MoT")):
        best = board.best(series) if len(series) > 1 else None
        for checkpoint in series:
            mark = " *" if checkpoint == best else ""
            rows.append(
                (board.title(checkpoint), (checkpoint.when or NOT_APPLICABLE) + mark, *_scores(board, checkpoint))
            )
    header = ("Method", "Config", *_score_header(board))
    notes = (*_score_notes(board), *_selection_note(board, mark="A star marks the best. The "))
    return Table("Table 11: every checkpoint and round", header, tuple(rows), notes)


def _all_series(board: Board, methods: Sequence[Method]) -> list[list[Checkpoint]]:
    return [series for method in methods for series in board.series(method)]


def _best_and_last(board: Board, series: Sequence[Checkpoint]) -> list[tuple[Checkpoint, str]]:
    """The rows of a series in Table 1, with the words that say which they are."""
    best, last = board.best(series), series[-1]
    if len(series) == 1:
        return [(last, "")]
    if best is None or best == last:
        return [(last, ": last" if best is None else ": last, and best on the test problems")]
    return [(best, ": best on the test problems"), (last, ": last")]


def _score_header(board: Board) -> tuple[str, ...]:
    names = tuple(task.removeprefix("mot_").upper() for task in board.tasks)
    return (*names, "AVG") if len(names) > 1 else names


def _scores(board: Board, checkpoint: Checkpoint) -> tuple[str, ...]:
    """One cell per task, and AVG when there are several."""
    cells = []
    for task in board.tasks:
        score = board.score(checkpoint, task)
        cells.append(rounding.plus_minus(str(rounding.percent(score.value)), score.stderr) if score else MISSING)
    return (*cells, _average(board, checkpoint)) if len(cells) > 1 else tuple(cells)


def _average(board: Board, checkpoint: Checkpoint) -> str:
    average = board.average(checkpoint)
    return MISSING if average is None else rounding.plus_minus(str(average), board.average_stderr(checkpoint))


def _last(board: Board, last: Checkpoint) -> str:
    return _average(board, last) + (f" ({last.when})" if last.when else "")


def _selection_note(board: Board, methods: Sequence[Method] = METHODS, *, mark: str = "The ") -> list[str]:
    """What "best" means, for a table in which something was picked."""
    if not any(len(series) > 1 and board.best(series) for series in _all_series(board, methods)):
        return []
    return [f"{mark}best of a method or teacher has the highest average, the earliest of equals: {verdict.SELECTED}."]


def _score_notes(board: Board, methods: Sequence[Method] = METHODS) -> list[str]:
    """How many problems and answers stand behind the cells, and which cells are missing."""
    sizes = []
    for task, name in zip(board.tasks, _score_header(board), strict=False):
        found = dict.fromkeys(f"{s.problems} x {s.repeats}" for s in board.scores if s.task == task)
        if not found:
            continue
        sizes.append(f"{name} {' and '.join(found)}" + (" (not comparable)" if len(found) > 1 else ""))
    lines = (
        [
            f"Problems x answers to each: {', '.join(sizes)}; ± is one standard error over problems, of a gain paired by problem."
        ]
        if sizes
        else []
    )
    lines += _chance_notes(board, methods)
    missing = board.missing(methods)
    return [*lines, f"Missing: {', '.join(missing)}."] if missing else lines


def _chance_notes(board: Board, methods: Sequence[Method]) -> list[str]:
    """Which cells guessing explains."""
    found: dict[str, list[str]] = {}
    for task, name in zip(board.tasks, _score_header(board), strict=False):
        for one in (one for one in board.checkpoints if one.method in methods):
            score = board.score(one, task)
            if score is None or score.chance is None or not score.hits:
                continue
            if words := levels.at_chance(levels.level(score.hits), score.problems, score.chance):
                found.setdefault(f"{name} {words}", []).append(board.name(one))
    return [f"{words}: {', '.join(names)}." for words, names in found.items()]
