"""Smoothness of probe curves: the measures on curves worked out by hand, and whether their intervals hold what they promise."""

from typing import Any

import numpy as np
import pytest

from mot_plugin.report import smoothness
from mot_plugin.report.smoothness import Probed, measure

SHARES = tuple(place / 10 for place in range(11))


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ((1, 2, 4, 5), {"detour": 0, "bump": 0, "leap": 2, "bend": 1}),
        ((5, 3, 1), {"detour": 0, "bump": 0, "leap": 2, "bend": 0}),
        ((1, 4, 2), {"detour": 4, "bump": 0, "leap": 3, "bend": 5}),
        ((1, 3, 2, 4), {"detour": 2, "bump": 2, "leap": 2, "bend": 3}),
        ((2, 2, 2), {"detour": 0, "bump": 0, "leap": 0, "bend": 0}),
        ((2, 7), {"detour": 0, "bump": 0, "leap": 5, "bend": 0}),
    ],
)
def test_measures(curve: tuple[float, ...], expected: dict[str, float]) -> None:
    assert {key: float(value) for key, value in measure(curve).items()} == expected


def world(random: np.random.RandomState, count: int) -> Any:
    """Chances of problems along the mixtures: of different difficulty, each falling a little, each in its own smooth way."""
    at = np.array(SHARES)
    level = random.normal(1, 1.5, size=(count, 1))
    own = 0.25 * random.standard_normal((count, 1)) * np.sin(3 * at + 6 * random.random_sample((count, 1)))
    return 1 / (1 + np.exp(-(level - 0.3 * at + own)))


def answered(random: np.random.RandomState, chances: Any, repeats: int = 64) -> Probed:
    hits = random.random_sample((*chances.shape, repeats)) < chances[..., None]
    tables = tuple(tuple(map(tuple, hits[:, place].astype(int).tolist())) for place in range(len(SHARES)))
    return Probed(SHARES, tuple(hits.mean((0, 2))), hits=tables)  # type: ignore[arg-type]


def test_intervals_hold_the_truth_where_percentiles_never_do() -> None:
    """A population whose curve only falls: its detour is 0, what 30 problems show is never 0, nor is any resample."""
    random = np.random.RandomState(5)
    population = world(random, 30_000)
    truth = float(measure(population.mean(0))["detour"])
    assert truth == pytest.approx(0, abs=1e-9)
    held = seen = percentile = 0
    for _ in range(40):
        probed = answered(random, population[random.choice(len(population), 30, replace=False)])
        found = smoothness.smoothness({"MoT": probed})["MoT"]["detour"]
        drawn = measure(smoothness._drawn({"MoT": probed}, 0)["MoT"])["detour"]
        held += found.low is not None and found.low <= 0
        seen += found.value > 1
        percentile += float(np.quantile(drawn, 0.025)) <= 0
    assert seen >= 36, "noise of more than a point, nearly every time"
    assert held >= 34
    assert percentile == 0


def test_the_same_problems_are_drawn_for_both() -> None:
    random = np.random.RandomState(1)
    one = answered(random, world(random, 30))
    rough = np.clip(world(random, 30) + np.array([0.2, -0.2] * 5 + [0.2]), 0, 1)
    both = {"MoT": one, "MTD": answered(random, rough), "twin": one}
    assert all(found.low == found.high == 0 for found in smoothness.difference(both, "MoT", "twin").values())
    less = smoothness.difference(both, "MoT", "MTD")
    assert all(found.high is not None and found.high < 0 for found in less.values())
    assert smoothness.difference(both, "MTD", "MoT")["bump"].value == -less["bump"].value


def test_without_outcomes_errors_are_used_and_are_wider() -> None:
    random = np.random.RandomState(2)
    known = answered(random, world(random, 30))
    bare = Probed(known.shares, known.scores, (0.06,) * 11)
    wide, narrow = (smoothness.smoothness({"m": one})["m"]["leap"] for one in (bare, known))
    assert (bare.way, known.way) == ("errors", "problems")
    assert wide.low == 0
    assert wide.high is not None
    assert narrow.high is not None
    assert wide.value == narrow.value
    spread = [float(np.std(measure(smoothness._drawn({"m": one}, 0)["m"])["leap"])) for one in (bare, known)]
    assert spread[0] > 3 * spread[1]


def test_without_either_there_is_no_interval() -> None:
    alone = Probed((0.0, 1.0), (0.5, 0.4), (None, 0.1))
    assert alone.way == "none"
    found = smoothness.smoothness({"m": alone})["m"]["leap"]
    assert (round(found.value, 9), found.low, found.high) == (10, None, None)
