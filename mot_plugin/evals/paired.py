"""Two models on the same problems: their difference, its error, and whether chance alone would do as much.

Pairing problem by problem takes out how hard each problem is, which both models share (Miller 2024, section 4.2).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mot_plugin.evals import statistics
from mot_plugin.evals.intervals import LEVEL, interval_of_average, mean_interval, t_quantile
from mot_plugin.evals.statistics import Hits

POWER = 0.8
"""The chance with which a difference of the `detectable` size is found."""
EXACT = 20
"""Up to so many problems that differ, all sign flips are counted; beyond, FLIPS are drawn."""
FLIPS = 10_000


@dataclass(frozen=True)
class Paired:
    """One model's mean minus another's, over one benchmark or several.

    stderr: None for one problem; low..high: the 95 % interval; p: of the two-sided sign-flip test, `exact` if all flips
    were counted; detectable: the smallest true difference that is found with 80 % power at this standard error.
    """

    value: float
    stderr: float | None
    low: float
    high: float
    p: float
    exact: bool
    detectable: float | None

    @property
    def distinguishable(self) -> bool:
        """Whether zero lies outside the interval and the test agrees: each covers for the other with few problems."""
        return self.p < 1 - LEVEL and not self.low <= 0 <= self.high


def aligned(left: Hits, left_hashes: Sequence[str], right: Hits, right_hashes: Sequence[str]) -> tuple[Hits, Hits]:
    """Both tables in one order of problems, by what identifies each. Problems with one hash keep their order.

    Raises ValueError when the problems are not the same, or there is not one hash for each.
    """
    if len(left) != len(left_hashes) or len(right) != len(right_hashes):
        raise ValueError(f"{len(left)} and {len(right)} problems, {len(left_hashes)} and {len(right_hashes)} hashes")
    here, there = Counter(left_hashes), Counter(right_hashes)
    if here != there:
        raise ValueError(
            f"different problems: {(here - there).total()} of {len(left)} only in the first, "
            f"{(there - here).total()} of {len(right)} only in the second"
        )
    ordered = [
        [table[place] for place in sorted(range(len(table)), key=hashes.__getitem__)]
        for table, hashes in ((left, left_hashes), (right, right_hashes))
    ]
    return ordered[0], ordered[1]


def compared(left: Hits, right: Hits, seed: int = 0) -> Paired:
    """mean(left) - mean(right) on the same problems in the same order; the numbers of answers k may differ.

    Raises ValueError when the numbers of problems differ or a table is broken.
    """
    return averaged([(left, right)], seed)


def averaged(pairs: Sequence[tuple[Hits, Hits]], seed: int = 0) -> Paired:
    """The plain mean of the differences of m benchmarks, each a stratum of its own: problems are paired within it.

    SE = sqrt(sum_j SE_j^2) / m, and the interval and `detectable` likewise. The flips are those of all problems, each with
    the weight that it has in the mean. Raises ValueError for no benchmarks.
    """
    if not pairs:
        raise ValueError("the average of no differences")
    parts = [_differences(left, right) for left, right in pairs]
    m = len(parts)
    values = [math.fsum(part) / len(part) for part in parts]
    ends = [mean_interval(part, -1, 1) for part in parts]
    low, high = interval_of_average([(value, *end) for value, end in zip(values, ends, strict=True)])
    p, exact = sign_flip([d / len(part) / m for part in parts for d in part], seed)
    return Paired(
        value=math.fsum(values) / m,
        stderr=statistics.average_stderr([statistics.stderr_of_mean(part) for part in parts]),
        low=low,
        high=high,
        p=p,
        exact=exact,
        detectable=statistics.average_stderr([detectable(part) for part in parts]),
    )


def detectable(differences: Sequence[float]) -> float | None:
    """The smallest true difference that a two-sided 5 % test finds with 80 % power: (t_0.975 + t_0.8) SE.

    None where the differences have no spread to say it from.
    """
    stderr = statistics.stderr_of_mean(differences)
    if not stderr:
        return None
    degrees = len(differences) - 1
    return (t_quantile((1 + LEVEL) / 2, degrees) + t_quantile(POWER, degrees)) * stderr


def sign_flip(values: Sequence[float], seed: int = 0) -> tuple[float, bool]:
    """p of |sum(values)| if every sign were a coin's, two-sided, and whether all flips were counted.

    The null hypothesis: neither model is better on any problem, so either could have had either result. All 2^n flips for
    up to 20 values that are not 0 (a zero has no sign), else 10,000 drawn ones with the observed one added to them.
    """
    import numpy as np

    largest = max(map(abs, values), default=0) or 1.0
    sizes = np.abs(np.array([value for value in values if value], dtype=float)) / largest
    # Sums that are equal on paper differ in their last bits, and ties are many: outcomes lie on a lattice.
    reached = abs(math.fsum(values)) / largest - 1e-9 * float(sizes.sum())
    if len(sizes) <= EXACT:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums - size, sums + size])
        return float(np.mean(np.abs(sums) >= reached)), True
    # Of the one generator whose numbers are the same in every version of numpy (NEP 19). Flips of equal sizes only
    # matter in number, so a size needs one binomial draw however many problems have it.
    random = np.random.RandomState(seed)
    sums = np.zeros(FLIPS)
    grouped, counts = np.unique(sizes.round(12), return_counts=True)
    for size, count in zip(grouped, counts, strict=True):
        sums += size * (2.0 * random.binomial(count, 0.5, size=FLIPS) - count)
    return float((1 + np.sum(np.abs(sums) >= reached)) / (1 + FLIPS)), False


def _differences(left: Hits, right: Hits) -> list[float]:
    if len(left) != len(right):
        raise ValueError(f"{len(left)} and {len(right)} problems cannot be paired")
    both = zip(statistics.problem_means(left), statistics.problem_means(right), strict=True)
    return [a - b for a, b in both]
