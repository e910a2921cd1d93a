"""How smooth a probe's curve is, as numbers with intervals: the paper judges its Figure 5 by eye.

Noise makes any curve look rough, so a number alone says little. Intervals come from a bootstrap that draws the problems
anew, the same ones at every mixture, as every mixture answers the same problems. It adds the noise of the curve to it once
more, so its middle is as much too rough as the measured curve is: the intervals are reflected about the value (the "basic"
bootstrap, Davison and Hinkley 1997, section 5.2), which takes that out, and cut at 0. Without outcomes per problem, scores
are drawn from normal laws with their standard errors, independently: these intervals are far too wide, as hard problems are
hard at every mixture.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mot_plugin.evals import statistics
from mot_plugin.evals.intervals import LEVEL
from mot_plugin.evals.statistics import Hits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

DRAWS = 2000
MEASURES = {
    "detour": "Total variation beyond monotone",
    "bump": "Total variation beyond one peak",
    "leap": "Largest step",
    "bend": "Mean |second difference|",
}
"""In points of score. Detour: all steps' sizes less the way from end to end. Bump: less the way up to the peak and down."""


@dataclass(frozen=True)
class Probed:
    """One method's scores (shares) along the mixtures, `shares` rising; `hits` per mixture or none, `stderrs` likewise."""

    shares: tuple[float, ...]
    scores: tuple[float, ...]
    stderrs: tuple[float | None, ...] = ()
    hits: tuple[Hits, ...] = ()

    @property
    def way(self) -> str:
        """How intervals are made: `problems`, `errors` or, with nothing to make them from, `none`."""
        if self.hits:
            return "problems"
        return "errors" if self.stderrs and None not in self.stderrs else "none"


@dataclass(frozen=True)
class Smoothness:
    """A measure in points, and its 95 % interval where there is something to make one from."""

    value: float
    low: float | None = None
    high: float | None = None


def measure(curve: "Sequence[float] | Numbers") -> "dict[str, Numbers]":
    """Every measure of curves along the last axis, in the unit of their scores; of fewer than three points, 0 or what there is."""
    import numpy as np

    found = np.asarray(curve, dtype=float)
    steps = np.abs(np.diff(found))
    ends = np.abs(found[..., -1] - found[..., 0])
    way = 2 * found.max(-1) - found[..., 0] - found[..., -1]
    bends = np.abs(np.diff(found, n=2))
    nothing = np.zeros(found.shape[:-1])
    return {
        "detour": steps.sum(-1) - ends,
        "bump": steps.sum(-1) - way,
        "leap": steps.max(-1) if steps.shape[-1] else nothing,
        "bend": bends.mean(-1) if bends.shape[-1] else nothing,
    }


def smoothness(probed: Mapping[str, Probed], seed: int = 0) -> dict[str, dict[str, Smoothness]]:
    """Method -> measure -> value with interval, in points."""
    drawn = _drawn(probed, seed)
    found: dict[str, dict[str, Smoothness]] = {}
    for name, one in probed.items():
        values = {key: 100 * float(value) for key, value in measure(one.scores).items()}
        again = {key: 100 * value for key, value in measure(drawn[name]).items()} if name in drawn else {}
        found[name] = {key: _interval(value, again.get(key), least=0.0) for key, value in values.items()}
    return found


def difference(probed: Mapping[str, Probed], one: str, other: str, seed: int = 0) -> dict[str, Smoothness]:
    """Measure -> that of `one` less that of `other`, both on the same drawn problems; below 0, `one` is smoother."""
    drawn = _drawn(probed, seed)
    values = [{k: 100 * float(v) for k, v in measure(probed[name].scores).items()} for name in (one, other)]
    both = one in drawn and other in drawn and probed[one].way == probed[other].way
    again = [{k: 100 * v for k, v in measure(drawn[name]).items()} for name in (one, other)] if both else [{}, {}]
    return {
        key: _interval(values[0][key] - values[1][key], again[0][key] - again[1][key] if both else None)
        for key in MEASURES
    }


def _interval(value: float, again: "Numbers | None", least: float = -math.inf) -> Smoothness:
    import numpy as np

    if again is None:
        return Smoothness(value)
    low, high = np.quantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Smoothness(value, max(least, 2 * value - float(high)), max(least, 2 * value - float(low)))


def _drawn(probed: Mapping[str, Probed], seed: int) -> "dict[str, Numbers]":
    """Method -> curves drawn anew (draws x mixtures)."""
    import numpy as np

    # The one generator whose numbers are the same in every version of numpy (NEP 19).
    random = np.random.RandomState(seed)
    counts: dict[int, Numbers] = {}
    found: dict[str, Numbers] = {}
    for name, one in probed.items():
        if one.way == "problems":
            means = np.array([statistics.problem_means(table) for table in one.hits])
            n = means.shape[1]
            if n not in counts:  # the same problems for every method
                counts[n] = random.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
            found[name] = counts[n] @ means.T / n
        elif one.way == "errors":
            errors = np.array([error for error in one.stderrs if error is not None])
            found[name] = np.array(one.scores) + errors * random.standard_normal((DRAWS, len(errors)))
    return found
