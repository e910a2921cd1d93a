"""Score: one number of one model on one task, and where it comes from; read from the scores.json of step `scores`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Method = Literal["base", "STD", "MTD", "MoT", "one-shot", "STD-matched", "MTD-matched"]
METHODS: tuple[Method, ...] = get_args(Method)
Purpose = Literal["main", "general", "probe"]
"""main: what methods are compared by. general: other benchmarks, on selected models. probe: on mixtures with the base."""

_TITLES = {
    "base": "Base",
    "MTD": "MTD (ALL TEACHERS)",
    "MoT": "MoT",
    "one-shot": "One-shot merge",
    "MTD-matched": "MTD-matched (ALL TEACHERS)",
}
PAIRED_METRIC = "score"  # the metric that `hits` are the outcomes of


@dataclass(frozen=True)
class Checkpoint:
    """One model of a run that is evaluated: the base, a trained checkpoint (step) or a merged student (round)."""

    method: Method
    teacher: str | None = None
    round: int | None = None
    step: int | None = None
    share: float | None = None
    """The weight of the base student in a mixture with it (lambda of the paper's section 7.2)."""

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
        if self.method in ("STD", "STD-matched"):
            return f"{self.method} ({self.teacher})" if self.teacher else f"Best {self.method}"
        return _TITLES[self.method]

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
    """One row of scores.csv. `value` and `stderr` (over problems) are shares, 0..1; `share` is a probe's lambda.

    `chance` is what guessing scores. `hits` (problems x repeats, 0 or 1) and `doc_hashes` (one per problem) are there for the
    metric that hits define, and let two models be compared problem by problem.
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
    purpose: Purpose = "main"
    share: float | None = None
    chance: float | None = None
    hits: tuple[tuple[int, ...], ...] = ()
    doc_hashes: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> Checkpoint:
        """The model that was scored."""
        return Checkpoint(self.method, self.teacher, self.round, self.step, self.share)


def from_tasks(
    tasks: Mapping[str, Any], checkpoint: Checkpoint, fingerprint: str, purpose: Purpose = "main"
) -> list[Score]:
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
            purpose=purpose,
            share=checkpoint.share,
            chance=entry.get("chance"),
            hits=tuple(tuple(row) for row in entry["hits"]) if metric == PAIRED_METRIC else (),
            doc_hashes=tuple(entry["doc_hashes"]) if metric == PAIRED_METRIC else (),
        )
        for task, entry in sorted(tasks.items())
        for metric, measured in sorted(entry["metrics"].items())
    ]
