"""The best of R rounds or checkpoints, chosen by the very problems it is reported on: by how much that flatters it.

The highest of R equal models is above them all by chance: for R = 5 by 1.16 standard errors of what differs between them.
Bootstrap after Efron and Tibshirani 1993 (chapter 17). Fresh answers of the winner say it without any model: evals/fresh.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mot_plugin.evals import resampling, statistics
from mot_plugin.evals.statistics import Hits

if TYPE_CHECKING:
    from numpy.random import RandomState

    from mot_plugin.evals.resampling import Numbers

DRAWS = 2000


@dataclass(frozen=True)
class Selection:
    """The winner among R candidates, and how far its score is luck; shares 0..1.

    score: as observed, the one that flatters; optimism: what it is expected to be too high by, on problems of this kind;
    sampling_optimism: the part of it that new answers to the same problems would take back, None with one answer each;
    out_of_bag: what those score that win on a resample of the problems, on the problems outside it, None where no
    resample left any out; again: the share of resamples that this winner wins.
    """

    winner: int
    candidates: int
    score: float
    optimism: float
    sampling_optimism: float | None
    out_of_bag: float | None
    again: float

    @property
    def corrected(self) -> float:
        """The score less its expected optimism."""
        return self.score - self.optimism


def selection(
    candidates: Sequence[Sequence[Hits]], winner: int | None = None, draws: int = DRAWS, seed: int = 0
) -> Selection:
    """Judge a choice among R candidates, each a list of tables: one per benchmark, the same problems in the same order.

    A score is the plain mean over benchmarks. `winner` is the one that was chosen; if not given, the highest, the earliest
    of equals. Problems are drawn anew for all candidates alike, with all their answers: their means hold the luck of
    sampling already, so answers drawn anew inside drawn problems would count it twice. For `sampling_optimism` answers are
    drawn anew and problems stay. Each time the winner is chosen again, by its shrunken score (see `_centres`) and the
    draw's deviation, and that deviation is its luck.
    Raises ValueError for no candidates, or tables that do not match.
    """
    shapes = {tuple(len(table) for table in candidate) for candidate in candidates}
    if len(shapes) != 1 or not candidates[0]:
        raise ValueError(f"{len(candidates)} candidates that were not scored on the same problems")
    import numpy as np

    random = np.random.RandomState(seed)  # its numbers are the same in every version of numpy (NEP 19)
    scores = np.array([_score(candidate) for candidate in candidates])
    noise, outside = resampling.problems_anew(candidates, draws, random)
    best = int(scores.argmax()) if winner is None else winner
    return Selection(
        winner=best,
        candidates=len(candidates),
        score=float(scores[best]),
        optimism=_luck(scores, noise),
        sampling_optimism=_sampling_luck(candidates, scores, draws, random),
        out_of_bag=_out_of_bag(scores, noise, outside),
        again=float(np.mean((scores + noise).argmax(1) == best)),
    )


def sentence(found: Selection, name: str) -> str:
    """`MoT round 3 is the best of 5 at 72.60, chosen by these very problems, which flatters it by about 1.10 points ...`"""
    words = (
        f"{name} is the best of {found.candidates} at {found.score * 100:.2f}, chosen by these very problems, which "
        f"flatters it by about {found.optimism * 100:.2f} points"
    )
    if found.sampling_optimism is not None:
        words += f" ({max(0.0, found.sampling_optimism) * 100:.2f} by luck of sampling alone)"
    words += f": expect {found.corrected * 100:.2f}"
    if found.out_of_bag is not None:
        words += f"; those that win on a part of the problems score {found.out_of_bag * 100:.2f} on the rest"
    return f"{words}. It wins {found.again:.0%} of resamples."


def _score(tables: Sequence[Hits]) -> float:
    return math.fsum(statistics.mean(table) for table in tables) / len(tables)


def _centres(scores: "Numbers", noise: "Numbers") -> "Numbers":
    """What the candidates' true scores may be: the observed ones, pulled to their mean by the share that is noise.

    Observed scores lie further apart than true ones. Taken as they are, they make the winner look clear, and for five
    equal models the bootstrap finds 0.82 standard errors of luck instead of 1.16. Empirical Bayes: with S^2 the variance
    of the observed and N the variance between candidates of the noise, the factor is max(0, 1 - N / S^2). Measured for
    equal models: 1.10; for some spreads it is too high by up to a fifth, which is the safe side.
    """
    spread = scores.var(ddof=1) if len(scores) > 1 else 0.0
    between = noise - noise.mean(1, keepdims=True)
    expected = between.var(0).sum() / max(1, len(scores) - 1)
    factor = max(0.0, 1 - expected / spread) if spread > 0 else 0.0
    centres: Numbers = scores.mean() + factor * (scores - scores.mean())
    return centres


def _luck(scores: "Numbers", noise: "Numbers") -> float:
    """The mean deviation of whoever wins; of one candidate it is 0 by definition and not by the draws."""
    if len(scores) == 1:
        return 0.0
    winners = (_centres(scores, noise) + noise).argmax(1)
    between = noise - noise.mean(1, keepdims=True)  # what moves all alike is no luck of the winner's
    return float(between[range(len(noise)), winners].mean())


def _sampling_luck(
    candidates: Sequence[Sequence[Hits]], scores: "Numbers", draws: int, random: "RandomState"
) -> float | None:
    if any(len(table[0]) < 2 for candidate in candidates for table in candidate):
        return None
    import numpy as np

    return _luck(
        scores, np.stack([resampling.answers_anew(candidate, draws, random) for candidate in candidates], axis=1)
    )


def _out_of_bag(scores: "Numbers", noise: "Numbers", outside: "Numbers") -> float | None:
    import numpy as np

    known = ~np.isnan(outside).any(1)
    if not known.any():
        return None
    winners = (scores + noise).argmax(1)
    return float(scores.mean() + outside[range(len(noise)), winners][known].mean())
