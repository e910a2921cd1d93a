"""Error bars against hand computation and against simulation."""

import math

import numpy as np
import pytest

from mot_plugin.evals import statistics

HITS = [[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]


def test_by_hand() -> None:
    assert statistics.mean(HITS) == 0.5
    assert statistics.problem_means(HITS) == [0.5, 1.0, 0.0]
    assert statistics.clustered_stderr(HITS) == pytest.approx(0.5 / math.sqrt(3))
    # Only the first problem varies: s^2 = 1/3, so the variance of the mean is (1/3)/4 / 3^2.
    assert statistics.sampling_stderr(HITS) == pytest.approx(math.sqrt(1 / 3 / 4 / 9))
    assert statistics.pass_at(HITS, 1) == pytest.approx(0.5)
    assert statistics.pass_at(HITS, 2) == pytest.approx((1 - 1 / 6 + 1 + 0) / 3)
    assert statistics.pass_at(HITS, 4) == pytest.approx(2 / 3)


def test_the_mean_is_counted_in_integers() -> None:
    table = [[1] * 11 + [0] * 5] * 29 + [[1] * 16]
    assert statistics.mean(table) == (29 * 11 + 16) / 480


def test_pairing_removes_what_both_share() -> None:
    same = statistics.paired_difference(HITS, HITS)
    assert (same.value, same.stderr, same.distinguishable) == (0, 0, False)
    better = [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    difference = statistics.paired_difference(better, HITS)
    assert difference.value == pytest.approx(1 / 6)
    assert difference.stderr == pytest.approx(np.std([0.25, 0, 0.25], ddof=1) / math.sqrt(3))
    assert difference.distinguishable == (difference.value >= 2 * difference.stderr)


def test_average_of_two_benchmarks() -> None:
    both = statistics.average([statistics.Difference(0.1, 0.03), statistics.Difference(0.3, 0.04)])
    assert both.value == pytest.approx(0.2)
    assert both.stderr == pytest.approx(0.025)
    assert statistics.average_stderr([0.1, None]) is None
    with pytest.raises(ValueError, match="no differences"):
        statistics.average([])


def test_too_few_to_say() -> None:
    assert statistics.clustered_stderr([[1, 0]]) is None
    assert statistics.sampling_stderr([[1], [0]]) is None
    assert not statistics.Difference(0.5, None).distinguishable


@pytest.mark.parametrize("broken", [[], [[]], [[1, 0], [1]]])
def test_broken_tables_are_refused(broken: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="has no mean"):
        statistics.mean(broken)


def test_unpaired_tables_and_impossible_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        statistics.paired_difference(HITS, HITS[:2])
    with pytest.raises(ValueError, match="pass@5"):
        statistics.pass_at(HITS, 5)


def test_standard_errors_are_the_spread_of_repeated_experiments() -> None:
    """Draw the experiment 2000 times: the estimated errors must match the spread of the estimates themselves."""
    random = np.random.default_rng(7)
    n, k, repeats = 30, 16, 2000
    fixed = random.beta(1.2, 0.6, size=n)
    means, clustered, resampled, sampling, paired, paired_stderr = [], [], [], [], [], []
    for _ in range(repeats):
        chances = random.beta(1.2, 0.6, size=n)
        table = (random.random((n, k)) < chances[:, None]).astype(int).tolist()
        other = (random.random((n, k)) < np.clip(chances + 0.05, 0, 1)[:, None]).astype(int).tolist()
        again = (random.random((n, k)) < fixed[:, None]).astype(int).tolist()
        means.append(statistics.mean(table))
        clustered.append(statistics.clustered_stderr(table))
        resampled.append(statistics.mean(again))
        sampling.append(statistics.sampling_stderr(again))
        difference = statistics.paired_difference(other, table)
        paired.append(difference.value)
        paired_stderr.append(difference.stderr)
    for estimates, errors in ((means, clustered), (resampled, sampling), (paired, paired_stderr)):
        expected = np.sqrt(np.mean(np.square(np.array(errors, dtype=float))))
        assert np.std(estimates) == pytest.approx(expected, rel=0.06)


def test_pass_at_is_unbiased() -> None:
    random = np.random.default_rng(11)
    chance, k, draws = 0.3, 8, 3
    tables = (random.random((20000, k)) < chance).astype(int).tolist()
    assert statistics.pass_at(tables, draws) == pytest.approx(1 - (1 - chance) ** draws, abs=0.01)
