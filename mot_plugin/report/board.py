"""Board: the scores of one run in one metric, with the questions that every table asks of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mot_plugin.evals import statistics
from mot_plugin.report import rounding
from mot_plugin.report.scores import METHODS, Checkpoint, Method, Score

BASE = Checkpoint("base")


@dataclass(frozen=True)
class Board:
    """What the run evaluates (`checkpoints` x `tasks`) and the scores that are there. Missing ones are holes: None."""

    checkpoints: tuple[Checkpoint, ...]
    tasks: tuple[str, ...]
    scores: tuple[Score, ...]

    def score(self, checkpoint: Checkpoint, task: str) -> Score | None:
        """The score of one cell."""
        return next((s for s in self.scores if s.task == task and s.checkpoint == checkpoint), None)

    def average(self, checkpoint: Checkpoint) -> Decimal | None:
        """AVG in percent, from printed scores (with one task that task's score); None when one is missing."""
        found = [self.score(checkpoint, task) for task in self.tasks]
        present = [rounding.percent(score.value) for score in found if score is not None]
        return rounding.average(present) if present and len(present) == len(found) else None

    def average_stderr(self, checkpoint: Checkpoint) -> float | None:
        """Standard error of the average (a share), the tasks being independent."""
        found = [self.score(checkpoint, task) for task in self.tasks]
        return statistics.average_stderr([None if score is None else score.stderr for score in found])

    def series(self, method: Method) -> list[list[Checkpoint]]:
        """The checkpoints of a method from early to late: one list per teacher, in the order teachers are given."""
        teachers = dict.fromkeys(c.teacher for c in self.checkpoints if c.method == method)
        return [
            sorted((c for c in self.checkpoints if c.series == (method, teacher)), key=lambda c: c.order)
            for teacher in teachers
        ]

    def best(self, series: Sequence[Checkpoint]) -> Checkpoint | None:
        """The one with the highest printed AVG, the earliest of equals; None when no one has all its scores."""
        averages = [(average, one) for one in series if (average := self.average(one)) is not None]
        return max(averages, key=lambda pair: pair[0])[1] if averages else None

    def best_of(self, method: Method) -> Checkpoint | None:
        """The best of all series of a method: for STD, the best checkpoint of the best teacher."""
        return self.best([one for series in self.series(method) for one in series])

    def gain(self, left: Checkpoint, right: Checkpoint) -> Decimal | None:
        """Difference of the printed averages, in percent points."""
        minuend, subtrahend = self.average(left), self.average(right)
        return None if minuend is None or subtrahend is None else minuend - subtrahend

    def difference(self, left: Checkpoint, right: Checkpoint) -> statistics.Difference | None:
        """The same difference in full precision, paired problem by problem, each task counted once.

        None unless both models have hits for the same problems in every task.
        """
        parts = []
        for task in self.tasks:
            a, b = self.score(left, task), self.score(right, task)
            if a is None or b is None or not a.hits or not b.hits or a.doc_hashes != b.doc_hashes:
                return None
            parts.append(statistics.paired_difference(a.hits, b.hits))
        return statistics.average(parts) if parts else None

    def missing(self, methods: Sequence[Method] = METHODS) -> list[str]:
        """Checkpoints of these methods without a score: the name, with the tasks when only some are missing."""
        names = []
        for checkpoint in self.checkpoints:
            holes = [task for task in self.tasks if self.score(checkpoint, task) is None]
            if checkpoint.method in methods and (holes or not self.tasks):
                some = "" if len(holes) == len(self.tasks) else f" ({', '.join(holes)})"
                names.append(checkpoint.name + some)
        return names
