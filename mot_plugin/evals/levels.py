"""How high a model scores and how sure that is; shares of answers that went wrong; what guessing would score."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.evals import statistics
from mot_plugin.evals.intervals import interval_of_average, mean_interval
from mot_plugin.evals.statistics import Hits

FAR = 3
"""Standard errors that a score must lie above chance before it says that anything was understood."""


@dataclass(frozen=True)
class Level:
    """A mean share over problems. `stderr` (problems drawn anew) and `low`..`high` (95 %) take the problem as the unit.

    `sampling_stderr` is for the same problems answered again; None where an answer per problem is all there is.
    """

    value: float
    stderr: float | None
    low: float
    high: float
    sampling_stderr: float | None = None


def level(hits: Hits) -> Level:
    """The score of one model: n problems, k answers each, outcomes 0..1. Raises ValueError for a broken table."""
    low, high = mean_interval(statistics.problem_means(hits), 0, 1)
    return Level(statistics.mean(hits), statistics.clustered_stderr(hits), low, high, statistics.sampling_stderr(hits))


def average(parts: Sequence[Level]) -> Level:
    """The plain mean of scores on separate benchmarks, each counted once. Raises ValueError for none."""
    low, high = interval_of_average([(part.value, part.low, part.high) for part in parts])
    return Level(
        math.fsum(part.value for part in parts) / len(parts),
        statistics.average_stderr([part.stderr for part in parts]),
        low,
        high,
        statistics.average_stderr([part.sampling_stderr for part in parts]),
    )


def rates(graded: Sequence[Mapping[str, float]]) -> dict[str, Level]:
    """Every metric that a scorer's `metrics` gave per problem (truncated, no_answer, distinct...), with its errors.

    A rate of exactly 0 keeps an upper end: no answer of 30 problems truncated does not mean that none ever is. Raises
    ValueError for no problems, and for a metric that is no share or that some problem lacks.
    """
    if not graded or any(row.keys() != graded[0].keys() for row in graded):
        raise ValueError(f"{len(graded)} problems that do not share their metrics")
    found = {}
    for name in graded[0]:
        values = [row[name] for row in graded]
        low, high = mean_interval(values, 0, 1)
        found[name] = Level(math.fsum(values) / len(values), statistics.stderr_of_mean(values), low, high)
    return found


def majority(answers: Sequence[Sequence[Hashable | None]], hits: Hits) -> list[float]:
    """maj@k of each problem: whether the answer that most of its k answers give is a hit.

    `answers` has what was read from each text in the form in which two are the same (an integer, a letter), None where
    nothing was; `hits` the outcomes beside them. None has no vote. Of answers with equally many votes one is taken at
    random, so the problem gets the share of them that are hits. Raises ValueError where the two tables differ in shape.
    """
    return [_voted(given, row) for given, row in zip(answers, hits, strict=True)]


def _voted(answers: Sequence[Hashable | None], hits: Sequence[float]) -> float:
    pairs = [(answer, hit) for answer, hit in zip(answers, hits, strict=True) if answer is not None]
    votes = Counter(answer for answer, _ in pairs)
    # The first hit stands for all: one answer is judged one way.
    first = dict(reversed(pairs))
    winners = [answer for answer, count in votes.items() if count == max(votes.values())]
    return math.fsum(first[answer] for answer in winners) / len(winners) if winners else 0.0


def guessed(doc: Mapping[str, Any]) -> float:
    """What guessing scores on one problem: right letters over all letters of a choice, 0 where the answer is open."""
    return len(set(doc["gold"])) / len(doc["letters"]) if "letters" in doc and "gold" in doc else 0.0


def at_chance(score: Level, problems: int, chance: float) -> str | None:
    """Words for a score that guessing explains, or that is worse than guessing; None for one well above.

    `chance` is the mean of `guessed` over the problems. Within three standard errors counts as explained; the larger one
    is taken of the score's and of guessing's own, which is still there when all outcomes are the same.
    """
    error = max(score.stderr or 0.0, math.sqrt(chance * (1 - chance) / problems))
    if score.value > chance + FAR * error:
        return None
    if not chance:
        return f"within {FAR} standard errors of 0: it shows no skill"
    where = f"guessing ({chance:.1%})"
    if score.value >= chance - FAR * error:
        return f"within {FAR} standard errors of {where}: see whether the prompt shows the options and the answers are read"
    return f"below {where}: most answers were probably not read"
