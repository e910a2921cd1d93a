"""Error bars and intervals against hand computation, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.evals import intervals, levels, paired, statistics
from mot_plugin.evals.levels import Level

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
    same = paired.compared(HITS, HITS)
    assert (same.value, same.stderr, same.distinguishable) == (0, 0, False)
    better = [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    difference = paired.compared(better, HITS)
    assert difference.value == pytest.approx(1 / 6)
    assert difference.stderr == pytest.approx(np.std([0.25, 0, 0.25], ddof=1) / math.sqrt(3))


def test_the_error_of_an_average_of_two_benchmarks() -> None:
    assert statistics.average_stderr([0.03, 0.04]) == pytest.approx(0.025)
    assert statistics.average_stderr([0.1, None]) is None


def test_partial_credit() -> None:
    credit = [[0.25, 0.75], [1.0, 1.0]]
    assert statistics.mean(credit) == 0.75
    assert statistics.sampling_stderr(credit) == pytest.approx(math.sqrt((0.125 / 2 + 0) / 4))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        statistics.pass_at(credit, 1)


def test_too_few_to_say() -> None:
    assert statistics.clustered_stderr([[1, 0]]) is None
    assert statistics.sampling_stderr([[1], [0]]) is None
    assert paired.compared([[1, 0]], [[0, 0]]).stderr is None


@pytest.mark.parametrize("broken", [[], [[]], [[1, 0], [1]]])
def test_broken_tables_are_refused(broken: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="has no mean"):
        statistics.mean(broken)


def test_unpaired_tables_and_impossible_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired.compared(HITS, HITS[:2])
    with pytest.raises(ValueError, match="pass@5"):
        statistics.pass_at(HITS, 5)


def test_standard_errors_are_the_spread_of_repeated_experiments() -> None:
    """Draw the experiment 2000 times: the estimated errors must match the spread of the estimates themselves."""
    random = np.random.default_rng(7)
    n, k, repeats = 30, 16, 2000
    fixed = random.beta(1.2, 0.6, size=n)
    means, clustered, resampled, sampling, gaps, gap_stderr = [], [], [], [], [], []
    for _ in range(repeats):
        chances = random.beta(1.2, 0.6, size=n)
        table = (random.random((n, k)) < chances[:, None]).astype(int).tolist()
        other = (random.random((n, k)) < np.clip(chances + 0.05, 0, 1)[:, None]).astype(int).tolist()
        again = (random.random((n, k)) < fixed[:, None]).astype(int).tolist()
        means.append(statistics.mean(table))
        clustered.append(statistics.clustered_stderr(table))
        resampled.append(statistics.mean(again))
        sampling.append(statistics.sampling_stderr(again))
        both = zip(statistics.problem_means(other), statistics.problem_means(table), strict=True)
        each = [left - right for left, right in both]
        gaps.append(math.fsum(each) / n)
        gap_stderr.append(statistics.stderr_of_mean(each))
    for estimates, errors in ((means, clustered), (resampled, sampling), (gaps, gap_stderr)):
        expected = np.sqrt(np.mean(np.square(np.array(errors, dtype=float))))
        assert np.std(estimates) == pytest.approx(expected, rel=0.06)


def test_pass_at_is_unbiased() -> None:
    random = np.random.default_rng(11)
    chance, k, draws = 0.3, 8, 3
    tables = (random.random((20000, k)) < chance).astype(int).tolist()
    assert statistics.pass_at(tables, draws) == pytest.approx(1 - (1 - chance) ** draws, abs=0.01)


@given(st.lists(st.lists(st.integers(0, 1), min_size=5, max_size=5), min_size=1, max_size=4), st.integers(1, 5))
def test_pass_at_is_the_share_of_subsets_with_a_hit(hits: list[list[int]], draws: int) -> None:
    subsets = [[any(some) for some in itertools.combinations(row, draws)] for row in hits]
    expected = sum(sum(found) / len(found) for found in subsets) / len(hits)
    assert statistics.pass_at(hits, draws) == pytest.approx(expected)


# P(|T| > t) = 0.05, 0.01 and 0.2 as printed in statistical tables; df = 1 and 2 also have closed forms.
@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (1, (12.7062, 63.6567, 3.0777)),
        (2, (4.3027, 9.9248, 1.8856)),
        (5, (2.5706, 4.0321, 1.4759)),
        (29, (2.0452, 2.7564, 1.3114)),
        (120, (1.9799, 2.6174, 1.2886)),
        (1_000_000, (1.9600, 2.5758, 1.2816)),
    ],
)
def test_quantiles_of_t_are_those_of_the_tables(degrees: int, expected: tuple[float, ...]) -> None:
    found = [intervals.t_quantile(p, degrees) for p in (0.975, 0.995, 0.9)]
    assert found == pytest.approx(expected, abs=6e-5)


@given(st.floats(0.001, 0.999), st.floats(0.5, 5000))
def test_quantile_and_distribution_function_are_inverse(p: float, degrees: float) -> None:
    t = intervals.t_quantile(p, degrees)
    assert intervals.t_probability(t, degrees) == pytest.approx(p, abs=1e-9)
    assert intervals.t_quantile(1 - p, degrees) == pytest.approx(-t, abs=1e-6 * (1 + abs(t)))


def test_quantiles_with_closed_forms() -> None:
    for p in (0.5001, 0.6, 0.9, 0.999):
        assert intervals.t_quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-9)
        assert intervals.t_quantile(p, 2) == pytest.approx((2 * p - 1) * math.sqrt(1 / (2 * p * (1 - p))), rel=1e-9)
    for p, degrees in ((0, 3), (1, 3), (0.5, 0)):
        with pytest.raises(ValueError, match="no quantile"):
            intervals.t_quantile(p, degrees)


def beta_table(random: np.random.Generator, n: int, k: int) -> list[list[int]]:
    """n problems of AIME's kind: many that nearly always or nearly never succeed."""
    return (random.random((n, k)) < random.beta(1.2, 0.6, size=n)[:, None]).astype(int).tolist()


def test_intervals_cover_the_truth_and_naive_ones_do_not() -> None:
    """Of 1000 evaluations of 12 problems with 16 answers, 95 % of the intervals must hold the mean of all problems.

    With 192 outcomes as if independent, or with the normal law for 12, fewer do: the test would notice either.
    """
    random = np.random.default_rng(5)
    truth, n, k, times = 1.2 / 1.8, 12, 16, 1000
    held = naive = normal = 0
    for _ in range(times):
        found = levels.level(beta_table(random, n, k))
        assert found.stderr is not None
        held += found.low <= truth <= found.high
        normal += abs(found.value - truth) <= 1.96 * found.stderr
        naive += abs(found.value - truth) <= 1.96 * math.sqrt(found.value * (1 - found.value) / (n * k))
    assert 0.93 <= held / times <= 0.97
    assert normal / times < 0.93
    assert naive / times < 0.6


def test_no_spread_is_not_certainty() -> None:
    none, every = levels.level([[0, 0]] * 30), levels.level([[1, 1]] * 30)
    assert (none.value, none.stderr, none.low) == (0, 0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 30))
    assert (every.low, every.high) == (pytest.approx(0.025 ** (1 / 30)), 1)
    half = levels.level([[1, 0]] * 30)
    assert half.low == pytest.approx(0.5 * (1 - none.high))
    assert half.low < 0.5 < half.high
    one = levels.level([[1, 0]])
    assert one.stderr is None
    assert one.high - one.low > 0.95


def test_intervals_of_rare_hits_hold_the_truth() -> None:
    """The chance that all of 30 problems miss is .4 where 3 % hit: an interval of length 0 would be wrong every time."""
    random = np.random.default_rng(8)
    tables = (random.random((1000, 30, 1)) < 0.03).astype(int).tolist()
    missed = [levels.level(table) for table in tables if not any(map(sum, table))]
    assert len(missed) > 300
    assert all(found.low <= 0.03 <= found.high for found in missed)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_interval_holds_its_mean_and_stays_in_bounds(values: list[float]) -> None:
    low, high = intervals.mean_interval(values, 0, 1)
    assert 0 <= low <= sum(values) / len(values) + 1e-12
    assert sum(values) / len(values) - 1e-12 <= high <= 1


@pytest.mark.parametrize("values", [[], [0.5, 1.5], [-0.1]])
def test_no_interval(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no interval"):
        intervals.mean_interval(values, 0, 1)


def test_average_of_levels() -> None:
    parts = [Level(0.4, 0.03, 0.34, 0.49, 0.01), Level(0.8, 0.04, 0.72, 0.92, None)]
    both = levels.average(parts)
    assert both.value == pytest.approx(0.6)
    assert both.stderr == pytest.approx(0.025)
    assert (both.low, both.high) == (pytest.approx(0.6 - 0.05), pytest.approx(0.6 + 0.075))
    assert both.sampling_stderr is None
    alone = levels.average(parts[:1])
    assert (alone.low, alone.high) == (pytest.approx(0.34), pytest.approx(0.49))
    with pytest.raises(ValueError, match="nothing"):
        levels.average([])


def test_rates_have_errors() -> None:
    graded = [
        {"truncated": 0.0, "distinct": 1.0},
        {"truncated": 0.5, "distinct": 1.0},
        {"truncated": 0.0, "distinct": 0.5},
    ]
    found = levels.rates(graded)
    assert list(found) == ["truncated", "distinct"]
    assert found["truncated"].value == pytest.approx(1 / 6)
    assert found["truncated"].stderr == pytest.approx(1 / 6)
    never = levels.rates([{"truncated": 0.0}] * 30)["truncated"]
    assert never.value == 0 < never.high < 0.12
    for broken in ([], [{"a": 0.0}, {"b": 0.0}], [{"a": 2.0}]):
        with pytest.raises(ValueError, match=r"problems|interval"):
            levels.rates(broken)


def test_majority() -> None:
    answers = [[7, 7, 3], [None, None, 3], [None, None, None], [1, 2, None], [5, 5, 6]]
    hits = [[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert levels.majority(answers, hits) == [1, 1, 0, 0.5, 0]
    with pytest.raises(ValueError, match="shorter"):
        levels.majority(answers, hits[:4])
    with pytest.raises(ValueError, match="shorter"):
        levels.majority([[1, 2]], [[1]])


def test_what_guessing_scores() -> None:
    assert levels.guessed({"letters": "ABCDEFGHIJ", "gold": "C"}) == 0.1
    assert levels.guessed({"letters": "ABCD", "gold": "AD"}) == 0.5
    assert levels.guessed({"problem": "?", "answer": "25"}) == 0


@pytest.mark.parametrize(
    ("share", "n", "chance", "words"),
    [
        (0.1051, 26529, 0.1042, "the prompt shows the options"),  # the paper's SuperGPQA
        (0.45, 26529, 0.1042, None),
        (0.0, 2, 0.25, "the prompt shows the options"),  # no spread: guessing's own error is left
        (0.0, 1000, 0.25, "below guessing"),
        (0.0, 30, 0.0, "no skill"),
        (0.1, 30, 0.0, "no skill"),
        (0.7, 30, 0.0, None),
    ],
)
def test_scores_at_chance(share: float, n: int, chance: float, words: str | None) -> None:
    hits = round(share * n)
    found = levels.at_chance(levels.level([[1]] * hits + [[0]] * (n - hits)), n, chance)
    assert (found is None) == (words is None)
    assert words is None or words in (found or "")


def test_guessing_is_nearly_always_seen() -> None:
    random = np.random.default_rng(2)
    tables = (random.random((400, 200, 1)) < 0.25).astype(int).tolist()
    seen = [levels.at_chance(levels.level(table), 200, 0.25) for table in tables]
    assert sum(words is not None and "shows the options" in words for words in seen) / len(seen) > 0.98
