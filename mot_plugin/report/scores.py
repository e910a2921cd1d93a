"""Score: one number of one model on one task, and where it comes from; read from the scores.json of step `scores`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Method = Literal["base", "STD", "MTD", "MoT"]
METHODS: tuple[Method, ...] = get_args(Method)

PAIRED_METRIC = "score"  # the metric that `hits` are the outcomes of


@dataclass(frozen=True)
class Checkpoint:
    """One model of a run that is evaluated: the base, a trained checkpoint (step) or a merged student (round)."""

    method: Method
    teacher: str | None = None
    round: int | None = None
    step: int | None = None

    @property
    def series(self) -> tuple[Method, str | None]:
        """What it is one of several of: the checkpoints of one training, the rounds of MoT."""
        return self.method, self.teacher

    @property
    def order(self) -> tuple[int, int]:
        """Its place in its series: earlier is smaller."""
        return self.round or 0, self.step or 0

    @property
    def title(self) -> str:
        """The method as the paper's tables print it."""
        if self.method == "STD":
            return f"STD ({self.teacher})"
        return {"base": "Base", "MTD": "MTD (ALL TEACHERS)", "MoT": "MoT"}[self.method]

    @property
    def when(self) -> str:
        """`round 3`, `step 50`, or nothing for the base."""
        parts = {"round": self.round, "step": self.step}
        return ", ".join(f"{name} {number}" for name, number in parts.items() if number is not None)

    @property
    def name(self) -> str:
        """Title and place: `MoT round 3`."""
        return f"{self.title} {self.when}".rstrip()


@dataclass(frozen=True)
class Score:
    """One row of scores.csv. `value` and `stderr` (over problems) are shares, 0..1.

    `hits` (problems x repeats, 0 or 1) and `doc_hashes` (one per problem) are there for the metric that hits define,
    and let two models be compared problem by problem.
    """

    method: Method
    teacher: str | None
    round: int | None
    step: int | None
    task: str
    metric: str
    value: float
    stderr: float | None
    problems: int
    repeats: int
    fingerprint: str
    hits: tuple[tuple[int, ...], ...] = ()
    doc_hashes: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> Checkpoint:
        """The model that was scored."""
        return Checkpoint(self.method, self.teacher, self.round, self.step)


def from_tasks(tasks: Mapping[str, Any], checkpoint: Checkpoint, fingerprint: str) -> list[Score]:
    """Every metric of every task in a scores.json (its `tasks`), tasks and metrics in the order of their names."""
    return [
        Score(
            method=checkpoint.method,
            teacher=checkpoint.teacher,
            round=checkpoint.round,
            step=checkpoint.step,
            task=task,
            metric=metric,
            value=measured["value"],
            stderr=measured["stderr"],
            problems=entry["problems"],
            repeats=entry["repeats"],
            fingerprint=fingerprint,
            hits=tuple(tuple(row) for row in entry["hits"]) if metric == PAIRED_METRIC else (),
            doc_hashes=tuple(entry["doc_hashes"]) if metric == PAIRED_METRIC else (),
        )
        for task, entry in sorted(tasks.items())
        for metric, measured in sorted(entry["metrics"].items())
    ]
