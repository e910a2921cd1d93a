"""What the numbers say, in sentences computed from them: who is above whom, and whether that is more than chance."""

from collections.abc import Sequence

from mot_plugin.report import rounding
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import METHODS, Checkpoint

SELECTED = "selected on the test problems themselves, which flatters it"
BELOW = "not distinguishable"


def sentences(board: Board) -> list[str]:
    """The verdict of a run: each method's best against the base, MoT against the others, how the best was chosen."""
    mot, mtd, std = board.best_of("MoT"), board.best_of("MTD"), board.best_of("STD")
    found = [] if board.average(BASE) is not None else ["The base has no complete score, so there are no gains yet."]
    if mot is None and any(board.series("MoT")):
        found.append("MoT has no complete score yet.")
    found += [_against(board, one, BASE) for one in (mot, mtd, std) if one is not None and _both(board, one, BASE)]
    if mot is not None:
        found += [_against(board, mot, other) for other in (mtd, std) if other is not None]
        found += _freedom(board)
    for series in board.series("MoT"):
        found += _selection(board, series)
    return found


def notes(board: Board, candidates: Sequence[Checkpoint], reference: Checkpoint) -> list[str]:
    """Which candidates cannot be told from `reference` by the paired outcomes; empty when all can."""
    pairs = [(c, board.difference(c, reference)) for c in candidates if c != reference and _both(board, c, reference)]
    unknown = [c.name for c, difference in pairs if difference is None or difference.stderr is None]
    close = [
        c.name for c, difference in pairs if difference and not difference.distinguishable and c.name not in unknown
    ]
    lines = []
    if close:
        lines.append(
            f"{BELOW.capitalize()} from {reference.name} (difference below two standard errors, paired by problem): "
            f"{', '.join(close)}."
        )
    if unknown:
        lines.append(
            f"No paired standard error against {reference.name} (outcomes per problem are not there, are of other "
            f"problems, or there is one problem only): {', '.join(unknown)}."
        )
    return lines


def gain(board: Board, left: Checkpoint, right: Checkpoint) -> str | None:
    """`↑3.02 ± 1.85`: difference of printed averages and its paired standard error; None when a score is missing."""
    change = board.gain(left, right)
    if change is None:
        return None
    difference = board.difference(left, right)
    return rounding.plus_minus(rounding.arrow(change), difference.stderr if difference else None)


def _both(board: Board, left: Checkpoint, right: Checkpoint) -> bool:
    return board.gain(left, right) is not None


def _against(board: Board, left: Checkpoint, right: Checkpoint) -> str:
    difference = board.difference(left, right)
    if difference is None or difference.stderr is None:
        judgement = "without a paired standard error to judge it by"
    elif difference.distinguishable:
        judgement = "at least two standard errors"
    else:
        judgement = f"{BELOW} from no difference (below two standard errors)"
    return (
        f"{left.name} scores {board.average(left)}, {right.name} {board.average(right)}: "
        f"{gain(board, left, right)} points, {judgement}."
    )


def _selection(board: Board, series: Sequence[Checkpoint]) -> list[str]:
    best, last = board.best(series), series[-1]
    if best is None or len(series) == 1:
        return []
    chosen = f"{best.name} is the best of {sum(board.average(one) is not None for one in series)}, {SELECTED}"
    if best == last:
        return [f"{chosen}; it is also the last."]
    if board.average(last) is None:
        return [f"{chosen}; the last, {last.when}, has no complete score."]
    if board.average(BASE) is None:
        return [f"{chosen}; the last, {last.when}, scores {board.average(last)}."]
    return [f"{chosen}; judge MoT by the last: {_against(board, last, BASE)}"]


def _freedom(board: Board) -> list[str]:
    """Over how many models each method's best was picked: the more, the more chance helps it."""
    counts = {method: sum(len(series) for series in board.series(method)) for method in METHODS}
    picked = {method: count for method, count in counts.items() if count and method != "base"}
    if len(picked) < 2 or max(picked.values()) == 1:
        return []
    words = ", ".join(f"{method} one of {count}" for method, count in picked.items())
    return [f"A best picked from more models is flattered more; here {words}."]
