"""Confidence intervals of means of few values: Student's t, and what can be said when all values are the same.

Written out, because 30 problems need t and not the normal law, and a whole scipy for one quantile is much.
"""

import functools
import math
from collections.abc import Sequence

from mot_plugin.evals import statistics

LEVEL = 0.95
"""Confidence of every interval that we print."""

_TINY = 1e-300  # keeps the continued fraction off division by zero, in Lentz's way


def mean_interval(values: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """The 95 % interval for the mean of what n independent `values` were drawn from, all within `least`..`most`.

    Mean +- t(n-1) SE, cut at the bounds. Values that are all one number c have no spread to go by: then the share q of
    others that may have been missed is at most 1 - 0.025^(1/n) (Clopper and Pearson), and they may lie at either bound.
    So 0 hits in 30 problems still leave room up to 11.6 %. Raises ValueError for none, or one outside the bounds.
    """
    if not values or not least <= min(values) <= max(values) <= most:
        raise ValueError(f"no interval within {least}..{most} for {len(values)} values")
    n, stderr = len(values), statistics.stderr_of_mean(values)
    if min(values) == max(values) or stderr is None:
        missed = 1 - ((1 - LEVEL) / 2) ** (1 / n)
        return values[0] - (values[0] - least) * missed, values[0] + (most - values[0]) * missed
    centre, half = math.fsum(values) / n, t_quantile((1 + LEVEL) / 2, n - 1) * stderr
    return max(least, centre - half), min(most, centre + half)


def interval_of_average(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The interval for the plain mean of m independent numbers, each given as (value, low, high).

    Distances to the ends add up like standard errors, sqrt(sum_j (value_j - low_j)^2) / m, and so do those upwards (Zou and
    Donner 2008, "MOVER"): parts keep their own t, and those without spread their room. Raises ValueError for no parts.
    """
    if not parts:
        raise ValueError("the average of nothing")
    m, centre = len(parts), math.fsum(value for value, _, _ in parts) / len(parts)
    down = math.hypot(*(value - low for value, low, _ in parts)) / m
    return centre - down, centre + math.hypot(*(high - value for value, _, high in parts)) / m


@functools.cache
def t_quantile(probability: float, degrees: float) -> float:
    """The t below which Student's law has this probability; degrees of freedom need not be whole.

    By bisection of the distribution function: 12 digits up to 1000 degrees, 8 up to a million. Raises ValueError unless
    0 < probability < 1 and degrees > 0.
    """
    if not 0 < probability < 1 or not degrees > 0:
        raise ValueError(f"no quantile of t for probability {probability}, {degrees} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, degrees)
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < probability:
        low, high = high, 2 * high
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if t_probability(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def t_probability(t: float, degrees: float) -> float:
    """P(T <= t): with x = df / (df + t^2), the tail beyond |t| is I_x(df/2, 1/2) / 2 (DLMF 8.17, Abramowitz 26.7.1)."""
    rest = t * t / (degrees + t * t)
    tail = _incomplete_beta(degrees / (degrees + t * t), rest, degrees / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """I_x(a, b), regularised, with `rest` = 1 - x kept apart: near 1 the difference would lose its digits."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction is slow, the mirrored one is fast
        return 1 - _incomplete_beta(rest, x, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(logarithm) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction 1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22, from the front (Lentz)."""
    value = upper = 1.0
    lower = 0.0
    for step in range(1, 100_000):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / ((1 + term * lower) or _TINY)
        upper = (1 + term / upper) or _TINY
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-15:
            break
    return value
