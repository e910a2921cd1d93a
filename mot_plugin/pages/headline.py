"""The numbers that stand on top of a page: each method's best and last beside the base, and what it all took."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mot_plugin.report import rounding, verdict
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import METHODS, Checkpoint


@dataclass(frozen=True)
class Strip:
    """A model on the scale of scores: percent, its standard error, and its gain over the base in words."""

    label: str
    when: str
    value: Decimal
    error: Decimal | None
    gain: str | None
    kind: str
    """base, best or last: best is selected on the test problems."""


@dataclass(frozen=True)
class Scale:
    """Where strips are drawn: the lowest and highest value, and round values between them."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Percent from the left."""
        return round(min(max((float(value) - self.low) / (self.high - self.low), 0.0), 1.0) * 100, 3)


def strips(board: Board) -> list[Strip]:
    """The base, then for each method its last model and its best one, as far as they have scores."""
    found: list[Strip] = []
    for method in METHODS:
        best = board.best_of(method)
        if method == "base":
            found += [_strip(board, BASE, "base")] if board.average(BASE) is not None else []
            continue
        if best is None:
            continue
        last = next((series[-1] for series in board.series(method) if best in series), best)
        if last != best and board.average(last) is not None:
            found.append(_strip(board, last, "last"))
        found.append(_strip(board, best, "last" if last == best and len(_all(board, best)) == 1 else "best"))
    return found


def _all(board: Board, one: Checkpoint) -> list[Checkpoint]:
    return [other for other in board.checkpoints if other.method == one.method]


def _strip(board: Board, one: Checkpoint, kind: str) -> Strip:
    value = board.average(one)
    assert value is not None
    error = board.average_stderr(one)
    gain = None if one == BASE else verdict.gain(board, one, BASE)
    shown = None if error is None else rounding.percent(error)
    return Strip(one.title, one.when, value, shown, gain, kind)


def scale(shown: Sequence[Strip]) -> Scale:
    """From a round value below the lowest error bar to one above the highest."""
    ends = [float(s.value) + side * 2 * float(s.error or 0) for s in shown for side in (-1, 1)]
    low, high = max(0.0, min(ends, default=0.0)), min(100.0, max(ends, default=100.0))
    step = next((nice for nice in (0.5, 1, 2, 5, 10, 20, 25) if (high - low) / nice <= 6), 25)
    bottom = max(0.0, step * (low // step))
    top = min(100.0, step * (high // step + 1))
    count = round((top - bottom) / step)
    return Scale(bottom, top, tuple(bottom + number * step for number in range(count + 1)))


def name(board: Board) -> str:
    """What is compared, in words."""
    tasks = [task.removeprefix("mot_") for task in board.tasks]
    return tasks[0] if len(tasks) == 1 else f"average of {', '.join(tasks)}"
