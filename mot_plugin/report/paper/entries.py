"""Entry: one number of one model on one task, from a run or from the paper, and what it is a result of."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mot_plugin.evals.statistics import Hits
from mot_plugin.report import rounding
from mot_plugin.report.paper import names
from mot_plugin.report.scores import Method, Purpose

Kind = Method | Literal["reference"]
"""reference: another model, shown to compare with."""
Origin = Literal["measured", "reported"]
"""reported: somebody else's number, copied."""


@dataclass(frozen=True)
class Experiment:
    """What one series of numbers is a result of. Names are keys (names.py).

    `source` and `pool` are empty for the base and for references; `pool` is who taught, for STD the teacher alone.
    """

    student: str
    source: str = ""
    pool: frozenset[str] = frozenset()
    method: Kind = "base"
    teacher: str | None = None

    @property
    def title(self) -> str:
        """In a sentence: `STD (QWQ) of QWEN3-8B on BOBA-200`."""
        words = f"{self.method} ({names.printed(self.teacher)})" if self.teacher else self.method
        place = f" on {names.printed(self.source)}" if self.source else ""
        return f"{words} of {names.printed(self.student)}{place}"


@dataclass(frozen=True)
class Entry:
    """`value` and `stderr` are shares, 0..1; `run` is the run folder or `paper`.

    Equal fingerprints mean one evaluation, however many runs show it. `place` says which of the paper's tables prints the
    number, 0 elsewhere; `selected` that whoever published it chose this round or step as the result, whatever the rule says.
    `hits` and `doc_hashes` are there where outcomes per problem are at hand.
    """

    experiment: Experiment
    task: str
    value: float
    round: int | None = None
    step: int | None = None
    purpose: Purpose = "main"
    stderr: float | None = None
    problems: int = 0
    repeats: int = 0
    seed: int = 0
    origin: Origin = "measured"
    run: str = ""
    fingerprint: str = ""
    place: int = 0
    selected: bool = False
    hits: Hits = ()
    doc_hashes: tuple[str, ...] = ()

    @property
    def when(self) -> tuple[int, int]:
        """Its place in its series; (0, 0) where it is not known, or there is no other."""
        return self.round or 0, self.step or 0


@dataclass(frozen=True)
class Point:
    """One model of a series with its scores by task: a round, a checkpoint, the base."""

    experiment: Experiment
    run: str
    seed: int
    when: tuple[int, int]
    scores: dict[str, Entry]

    @property
    def selected(self) -> bool:
        """Whether it was published as the result."""
        return any(entry.selected for entry in self.scores.values())

    def printed(self, task: str) -> Decimal | None:
        """One score in percent as tables print it."""
        return rounding.percent(self.scores[task].value) if task in self.scores else None

    def average(self, tasks: tuple[str, ...]) -> Decimal | None:
        """AVG: the mean of printed scores; None when one is missing."""
        found = [value for task in tasks if (value := self.printed(task)) is not None]
        return rounding.average(found) if found and len(found) == len(tasks) else None
