"""Two tables of what the numbers are worth: every comparison with its interval and test, every choice with its luck."""

from mot_plugin.evals.paired import POWER
from mot_plugin.report import rounding, verdict
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import Checkpoint
from mot_plugin.report.table import MISSING, NOT_APPLICABLE, Table

TESTS = (
    "Paired by problem, each task counted once. 95 % interval: by Student's t, for few problems. p: two-sided sign-flip test, "
    "exact up to 20 problems that differ, else from 10,000 flips. Detectable: the smallest true difference that is found with "
    f"{POWER:.0%} power. Distinguishable: 0 lies outside the interval and p is below 0.05."
)
LUCK = (
    "Bootstrap over problems, the winner chosen again each time. Flattered by: what the choice is expected to have added; by "
    "sampling: the part of it that new answers to the same problems would take back. Elsewhere: what those that win on a part of "
    "the problems score on the rest. Wins again: the share of resamples that it wins."
)


def comparisons(board: Board) -> Table | None:
    """Each method's best against the base, and MoT's best and last against every other; None with nothing to compare."""
    pairs = _pairs(board)
    rows = [row for pair in pairs if (row := _compared(board, *pair)) is not None]
    if not rows:
        return None
    header = ("Model", "Beside", "Difference", "95 % interval", "p", "Detectable", "It is")
    tests = f"{len(rows)} comparisons: where nothing differs, one in twenty is called distinguishable all the same."
    notes = (TESTS, tests) if len(rows) > 2 else (TESTS,)
    return Table("Comparisons: is it more than chance?", header, tuple(rows), notes, labels=2)


def choices(board: Board) -> Table | None:
    """Each method's best: of how many, what it scores, and what to expect of it; None where nothing was chosen."""
    rows: list[tuple[str, ...]] = []
    for method in ("MoT", *verdict.AGAINST):
        every = [one for series in board.series(method) for one in series]
        best, complete = board.best_of(method), sum(board.average(one) is not None for one in every)
        if best is None or complete < 2:
            continue
        found = board.selection(every, best)
        if found is None:
            rows.append((board.name(best), str(complete), str(board.average(best)), *(MISSING,) * 5))
            continue
        shares = (found.optimism, found.sampling_optimism, found.corrected, found.out_of_bag)
        numbers = [NOT_APPLICABLE if share is None else str(rounding.percent(max(0.0, share))) for share in shares]
        rows.append((board.name(best), str(found.candidates), str(board.average(best)), *numbers, f"{found.again:.0%}"))
    if not rows:
        return None
    header = ("Chosen", "Of", "Score", "Flattered by", "by sampling", "Expected", "Elsewhere", "Wins again")
    return Table("Choices: how much of the best is luck?", header, tuple(rows), (LUCK,))


def _pairs(board: Board) -> list[tuple[Checkpoint, Checkpoint]]:
    mot = board.best_of("MoT")
    others = [best for method in verdict.AGAINST if (best := board.best_of(method)) is not None]
    if mot is None:
        return [(other, BASE) for other in others]
    last = next(series[-1] for series in board.series("MoT") if mot in series)
    ours = [mot] if last == mot else [mot, last]
    against = [(one, other) for one in ours for other in others]
    return [*((one, BASE) for one in (*ours, *others)), *against]


def _compared(board: Board, one: Checkpoint, other: Checkpoint) -> tuple[str, ...] | None:
    gain = verdict.gain(board, one, other)
    if gain is None:
        return None
    found = board.difference(one, other)
    names = (board.name(one), board.name(other), gain)
    if found is None:
        return (*names, *(MISSING,) * 4)
    least = NOT_APPLICABLE if found.detectable is None else str(rounding.percent(found.detectable))
    interval = f"{rounding.percent(found.low)} to {rounding.percent(found.high)}"
    return (*names, interval, rounding.probability(found.p).removeprefix("p "), least, verdict.word(found))
