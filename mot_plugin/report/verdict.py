"""What the numbers say, in sentences computed from them: who is above whom, and whether that is more than chance."""

from collections.abc import Sequence

from mot_plugin.evals import selection_bias
from mot_plugin.evals.paired import Paired
from mot_plugin.report import rounding
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import METHODS, Checkpoint, Method

SELECTED = "selected on the test problems themselves, which flatters it"
BELOW = "not distinguishable"
AGAINST: tuple[Method, ...] = ("MTD", "STD", "MTD-matched", "STD-matched", "one-shot")
"""What MoT is compared with, each by its best."""


def sentences(board: Board) -> list[str]:
    """The verdict of a run: each method's best against the base, MoT against the others, how the best was chosen."""
    mot = board.best_of("MoT")
    others = [best for method in AGAINST if (best := board.best_of(method)) is not None]
    found = [] if board.average(BASE) is not None else ["The base has no complete score, so there are no gains yet."]
    if mot is None and any(board.series("MoT")):
        found.append("MoT has no complete score yet.")
    chosen = [mot, *others] if mot is not None else others
    found += [_against(board, one, BASE) for one in chosen if _both(board, one, BASE)]
    if mot is not None:
        found += [_against(board, mot, other) for other in others]
        found += _freedom(board)
    for method in ("MoT", *AGAINST):
        found += _selection(board, method)
    return found


def notes(board: Board, candidates: Sequence[Checkpoint], reference: Checkpoint) -> list[str]:
    """Which candidates cannot be told from `reference` by the paired outcomes; empty when all can."""
    pairs = [(c, board.difference(c, reference)) for c in candidates if c != reference and _both(board, c, reference)]
    unknown = [board.name(c) for c, difference in pairs if difference is None]
    close = [board.name(c) for c, difference in pairs if difference is not None and not difference.distinguishable]
    name, lines = board.name(reference), []
    if close:
        lines.append(
            f"{BELOW.capitalize()} from {name} (paired by problem: 0 lies in the 95 % interval of the difference, or the "
            f"sign-flip test has p of 0.05 or more): {', '.join(close)}."
        )
    if unknown:
        lines.append(
            f"Not paired with {name} (outcomes per problem are not there, or are of other problems): {', '.join(unknown)}."
        )
    return lines


def word(found: Paired) -> str:
    """higher, lower, or that this cannot be told."""
    return BELOW if not found.distinguishable else "higher" if found.value > 0 else "lower"


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
    if difference is None:
        judgement = ", without a paired error to judge it by"
    else:
        low, high = rounding.percent(difference.low), rounding.percent(difference.high)
        size = f"95 % interval {low} to {high}, {rounding.probability(difference.p)}"
        judgement = f" ({size})" if difference.distinguishable else f", {BELOW} ({size})"
    return (
        f"{board.name(left)} scores {board.average(left)}, {board.name(right)} {board.average(right)}: "
        f"{gain(board, left, right)} points{judgement}."
    )


def _selection(board: Board, method: Method) -> list[str]:
    """How the best of a method was chosen, and by how much that flatters it; of MoT also what the last round says."""
    best, every = board.best_of(method), [one for series in board.series(method) for one in series]
    if best is None or len(every) == 1:
        return []
    last = next(series[-1] for series in board.series(method) if best in series)
    complete = sum(board.average(one) is not None for one in every)
    found = board.selection(every, best)
    if found is not None:
        said = [selection_bias.sentence(found, board.name(best))]
    else:
        said = [f"{board.name(best)} is the best of {complete}, {SELECTED}."] if complete > 1 else []
    if method != "MoT":
        return said
    if best == last:
        return [*said, f"{board.name(best)} is also the last."]
    if board.average(last) is None:
        return [*said, f"The last, {last.when}, has no complete score."]
    if board.average(BASE) is None:
        return [*said, f"The last, {last.when}, scores {board.average(last)}."]
    return [*said, f"Judge MoT by the last: {_against(board, last, BASE)}"]


def _freedom(board: Board) -> list[str]:
    """Over how many models each method's best was picked: the more, the more chance helps it."""
    counts = {method: sum(len(series) for series in board.series(method)) for method in METHODS}
    picked = {method: count for method, count in counts.items() if count and method != "base"}
    if len(picked) < 2 or max(picked.values()) == 1:
        return []
    words = ", ".join(f"{method} one of {count}" for method, count in picked.items())
    return [f"A best picked from more models is flattered more; here {words}."]
