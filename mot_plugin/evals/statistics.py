"""Error bars for a table of outcomes: n problems (rows), k sampled answers each (columns), 1 a hit and 0 a miss.

Everything is a share (0..1), not percent; where credit is partial, an outcome may be any share. None stands for "cannot
be estimated from so few". Intervals: evals/intervals.py; two models: evals/paired.py; the best of several:
evals/selection_bias.py.
Sources: Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640); Chen et al. 2021 (arXiv 2107.03374) for pass@k.
"""

import math
from collections.abc import Sequence

Hits = Sequence[Sequence[float]]


def mean(hits: Hits) -> float:
    """Share of hits, n*k outcomes with equal weight. Summed without rounding, so that 339 of 480 is exactly 0.70625.

    Raises ValueError for an empty or ragged table, here and in every function below.
    """
    n, k = _shape(hits)
    return math.fsum(hit for row in hits for hit in row) / (n * k)


def problem_means(hits: Hits) -> list[float]:
    """The share of hits of each problem: n values."""
    _, k = _shape(hits)
    return [math.fsum(row) / k for row in hits]


def clustered_stderr(hits: Hits) -> float | None:
    """SE of the mean when another set of problems might have been drawn: SD(problem means) / sqrt(n).

    The k answers to one problem are not independent, so the problem is the unit (Miller 2024, clustered standard
    errors, for clusters of equal size). SD has the n-1 divisor; None for one problem.
    """
    return stderr_of_mean(problem_means(hits))


def sampling_stderr(hits: Hits) -> float | None:
    """SE of the mean when the same problems are answered again: sqrt(mean_i(s_i^2 / k) / n).

    s_i^2 is the sample variance within problem i, for 0/1 outcomes p(1-p) k/(k-1) (Miller 2024, the conditional
    part of the variance decomposition). None for one answer per problem.
    """
    n, k = _shape(hits)
    if k < 2:
        return None
    squares = ((hit - p) ** 2 for row, p in zip(hits, problem_means(hits), strict=True) for hit in row)
    return math.sqrt(math.fsum(squares) / (k - 1) / k) / n


def pass_at(hits: Hits, draws: int) -> float:
    """Unbiased pass@draws: mean over problems of 1 - C(k-c, draws) / C(k, draws), c hits in k (Chen 2021, eq. 1).

    Raises ValueError unless 1 <= draws <= k, and for outcomes other than 0 and 1: part of a hit passes nothing.
    """
    n, k = _shape(hits)
    if not 1 <= draws <= k:
        raise ValueError(f"pass@{draws} of {k} answers per problem")
    if any(hit not in (0, 1) for row in hits for hit in row):
        raise ValueError(f"pass@{draws} of outcomes that are neither 0 nor 1")
    return math.fsum(1 - math.comb(k - int(sum(row)), draws) / math.comb(k, draws) for row in hits) / n


def average_stderr(stderrs: Sequence[float | None]) -> float | None:
    """SE of the plain mean of m independent scores: sqrt(sum SE_j^2) / m; None when one of them is None."""
    known = [stderr for stderr in stderrs if stderr is not None]
    if not known or len(known) < len(stderrs):
        return None
    return math.sqrt(math.fsum(stderr**2 for stderr in known)) / len(known)


def stderr_of_mean(values: Sequence[float]) -> float | None:
    """SD(values) / sqrt(n) with the n-1 divisor, the SE of the mean of independent values; None for one."""
    n = len(values)
    if n < 2:
        return None
    centre = math.fsum(values) / n
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (n - 1) / n)


def _shape(hits: Hits) -> tuple[int, int]:
    """(n, k) of a full table. Raises ValueError for an empty or ragged one."""
    widths = {len(row) for row in hits}
    if len(widths) != 1 or 0 in widths:
        raise ValueError(f"a table of {len(hits)} problems with {sorted(widths)} answers each has no mean")
    return len(hits), widths.pop()
