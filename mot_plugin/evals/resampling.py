"""Scores of several models if other problems had been drawn, or other answers to the same: bootstrap deviations."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mot_plugin.evals import statistics
from mot_plugin.evals.statistics import Hits

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import RandomState
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_CELLS = 4_000_000  # numbers drawn at once: 32 MB


def problems_anew(
    candidates: Sequence[Sequence[Hits]], draws: int, random: "RandomState"
) -> tuple["Numbers", "Numbers"]:
    """(deviations of scores, scores on the problems not drawn), both draws x candidates; nan where none was left out.

    Deviations are widened by sqrt(n / (n - 1)): n problems drawn from n vary that much too little.
    """
    import numpy as np

    noise, outside = np.zeros((draws, len(candidates))), np.zeros((draws, len(candidates)))
    for tables in zip(*candidates, strict=True):
        means = np.array([statistics.problem_means(table) for table in tables]).T
        n = len(means)
        for rows in _chunks(draws, n):
            size = rows.stop - rows.start
            drawn = random.randint(0, n, size=(size, n)) + n * np.arange(size)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
            noise[rows] += (counts @ means / n - means.mean(0)) * math.sqrt(n / max(1, n - 1))
            left = (counts == 0).sum(1, keepdims=True)
            # Less the mean of the problems left out, so that hard ones among them do not look like bad winners.
            rest = (counts == 0) @ (means - means.mean(1, keepdims=True))
            outside[rows] += np.divide(rest, left, out=np.full_like(rest, math.nan), where=left > 0)
    return noise / len(candidates[0]), outside / len(candidates[0])


def answers_anew(tables: Sequence[Hits], draws: int, random: "RandomState") -> "Numbers":
    """Deviations of one candidate's score when each problem's k answers are drawn again from them, widened likewise."""
    import numpy as np

    noise = np.zeros(draws)
    for table in tables:
        hits = np.array(table, dtype=float)
        n, k = hits.shape
        wider, counted = math.sqrt(k / (k - 1)), np.isin(hits, (0, 1)).all()
        for rows in _chunks(draws, n if counted else n * k):
            size = rows.stop - rows.start
            if counted:  # how many of k answers are hits is all that matters, and that is quick to draw
                found = random.binomial(k, hits.mean(1), size=(size, n)).mean(1) / k
            else:
                drawn = random.randint(0, k, size=(size, n, k))
                found = hits[np.arange(n)[:, None], drawn].mean((1, 2))
            noise[rows] += (found - hits.mean()) * wider
    return noise / len(tables)


def _chunks(draws: int, width: int) -> Iterator[slice]:
    step = max(1, _CELLS // width)
    for start in range(0, draws, step):
        yield slice(start, min(start + step, draws))
