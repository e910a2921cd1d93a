"""Board: the scores of one run in one metric, with the questions that every table asks of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mot_plugin.evals import paired, selection_bias, statistics
from mot_plugin.evals.paired import Paired
from mot_plugin.evals.selection_bias import Selection
from mot_plugin.evals.statistics import Hits
from mot_plugin.report import rounding
from mot_plugin.report.scores import METHODS, Checkpoint, Method, Score

BASE = Checkpoint("base")


@dataclass(frozen=True)
class Outcomes:
    """A model's hits, one table per task, and what identifies the problems of each."""

    tables: tuple[Hits, ...]
    problems: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Board:
    """What the run evaluates (`checkpoints` x `tasks`) and the scores that are there. Missing ones are holes: None."""

    checkpoints: tuple[Checkpoint, ...]
    tasks: tuple[str, ...]
    scores: tuple[Score, ...]
    # Both take long, and several tables and sentences ask for the same.
    _differences: dict[tuple[Checkpoint, Checkpoint], Paired | None] = field(
        default_factory=dict, compare=False, repr=False
    )
    _selections: dict[tuple[Checkpoint, ...], Selection | None] = field(default_factory=dict, compare=False, repr=False)

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

    def difference(self, left: Checkpoint, right: Checkpoint) -> Paired | None:
        """The same difference in full precision, paired problem by problem, each task counted once.

        None unless both models have hits for the same problems in every task.
        """
        if (left, right) not in self._differences:
            one, other = self.outcomes(left), self.outcomes(right)
            same = one is not None and other is not None and one.problems == other.problems
            pairs = list(zip(one.tables, other.tables, strict=True)) if one and other and same else []
            self._differences[left, right] = paired.averaged(pairs) if pairs else None
        return self._differences[left, right]

    def selection(self, candidates: Sequence[Checkpoint], winner: Checkpoint) -> Selection | None:
        """How far the winner's average is luck of having been chosen; None without hits, or where problems differ.

        Its score is the printed one: this is said beside it.
        """
        asked = (*candidates, winner)
        if asked not in self._selections:
            self._selections[asked] = self._selected(candidates, winner)
        return self._selections[asked]

    def _selected(self, candidates: Sequence[Checkpoint], winner: Checkpoint) -> Selection | None:
        found = {one: outcomes for one in candidates if (outcomes := self.outcomes(one)) is not None}
        average = self.average(winner)
        if len(found) < 2 or winner not in found or average is None or len({o.problems for o in found.values()}) > 1:
            return None
        judged = selection_bias.selection([outcomes.tables for outcomes in found.values()], list(found).index(winner))
        return replace(judged, score=float(average) / 100)

    def outcomes(self, checkpoint: Checkpoint) -> Outcomes | None:
        """Its hits in every task, the problems of each in the order of what identifies them; None when some are missing."""
        tables, problems = [], []
        for task in self.tasks:
            score = self.score(checkpoint, task)
            if score is None or not score.hits:
                return None
            order = sorted(range(len(score.hits)), key=score.doc_hashes.__getitem__)
            tables.append(tuple(score.hits[place] for place in order))
            problems.append(tuple(score.doc_hashes[place] for place in order))
        return Outcomes(tuple(tables), tuple(problems)) if tables else None

    def title(self, checkpoint: Checkpoint) -> str:
        """The method as tables print it; of a matched baseline with its steps: `MTD-1000 (ALL TEACHERS)`."""
        if not checkpoint.method.endswith("-matched"):
            return checkpoint.title
        steps = max(one.step or 0 for one in (checkpoint, *self.checkpoints) if one.series == checkpoint.series)
        return f"{checkpoint.method.removesuffix('-matched')}-{steps} ({checkpoint.teacher or 'ALL TEACHERS'})"

    def name(self, checkpoint: Checkpoint) -> str:
        """Title and place: `MoT round 3`."""
        return f"{self.title(checkpoint)} {checkpoint.when}".rstrip()

    def missing(self, methods: Sequence[Method] = METHODS) -> list[str]:
        """Checkpoints of these methods without a score: the name, with the tasks when only some are missing."""
        names = []
        for checkpoint in self.checkpoints:
            holes = [task for task in self.tasks if self.score(checkpoint, task) is None]
            if checkpoint.method in methods and (holes or not self.tasks):
                some = "" if len(holes) == len(self.tasks) else f" ({', '.join(holes)})"
                names.append(self.name(checkpoint) + some)
        return names
