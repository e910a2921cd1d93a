"""Scores along a training: the average at every checkpoint or round, and what the paper reads out of such curves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mot_plugin.report import losses
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.losses import Losses
from mot_plugin.report.scores import Checkpoint, Method, Score

DEFAULT_ROUND = 50
"""Optimizer steps per round and teacher in the paper."""


@dataclass(frozen=True)
class Run:
    """All that the figures of one run are drawn from; any of it may be missing. `name` tells it from other runs."""

    name: str
    student: str
    source: str
    board: Board
    losses: tuple[Losses, ...] = ()
    probe: tuple[Score, ...] = ()
    """Scores of mixtures with the base, in one metric."""
    teachers: tuple[str, ...] = ()

    @property
    def round_steps(self) -> int:
        """Optimizer steps of one round on each teacher's corpus."""
        return losses.round_steps(self.losses) or DEFAULT_ROUND

    @property
    def setting(self) -> str:
        """`Qwen3-8B on BOBA-200`."""
        return f"{self.student} on {self.source}"

    @property
    def metric(self) -> str:
        """What an average is called: AVG over several benchmarks, else the benchmark's name."""
        tasks = self.board.tasks
        return tasks[0].removeprefix("mot_") if len(tasks) == 1 else "AVG"


@dataclass(frozen=True)
class Curve:
    """Averages in percent along optimizer steps per teacher; errors are standard errors over problems."""

    points: tuple[tuple[float, float], ...]
    errors: tuple[float | None, ...]
    checkpoints: tuple[Checkpoint, ...]

    @property
    def best(self) -> int:
        """Place of the highest, the earliest of equals."""
        heights = [y for _, y in self.points]
        return heights.index(max(heights))


def curve(run: Run, series: Iterable[Checkpoint]) -> Curve | None:
    """Those of a series that are scored; None if there are none."""
    found = [(one, average) for one in series if (average := run.board.average(one)) is not None]
    if not found:
        return None
    points = tuple((float(_place(run, one)), float(average)) for one, average in found)
    return Curve(points, tuple(_stderr(run.board, one) for one, _ in found), tuple(one for one, _ in found))


def curves(run: Run, method: Method) -> dict[str | None, Curve]:
    """Teacher -> its curve."""
    found = {series[0].teacher: curve(run, series) for series in run.board.series(method)}
    return {teacher: one for teacher, one in found.items() if one is not None}


def base(run: Run) -> tuple[float, float | None] | None:
    """Average of the base in percent and its standard error."""
    average = run.board.average(BASE)
    return None if average is None else (float(average), _stderr(run.board, BASE))


def best_teacher(run: Run) -> str | None:
    """The teacher of the best STD; where none is scored, the first one with losses of an STD."""
    best = run.board.best_of("STD")
    if best is not None:
        return best.teacher
    return next((one.teacher for one in run.losses if one.method == "STD"), None)


def peaks(curves_by_name: Sequence[tuple[str, Curve]]) -> list[str]:
    """One sentence per curve: where its peak is, and what is left of it at the end."""
    said = []
    for name, one in curves_by_name:
        (x, top), (_, last) = one.points[one.best], one.points[-1]
        place = f"{name} peaks at {top:.2f} ({one.checkpoints[one.best].when})"
        if len(one.points) == 1:
            said.append(f"{name} has one score, {top:.2f} ({one.checkpoints[0].when}).")
        elif x == one.points[-1][0]:
            said.append(f"{place}, its last.")
        else:
            said.append(f"{place} and ends at {last:.2f}, {top - last:.2f} points lower.")
    return said


def _place(run: Run, one: Checkpoint) -> int:
    return one.round * run.round_steps if one.round is not None else one.step or 0


def _stderr(board: Board, one: Checkpoint) -> float | None:
    stderr = board.average_stderr(one)
    return None if stderr is None else 100 * stderr
