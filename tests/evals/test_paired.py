"""Differences of two models against hand computation, brute force and simulation."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mot_plugin.evals import paired, statistics

Table = list[list[int]]


def answered(random: np.random.Generator, chances: np.ndarray, k: int) -> Table:
    return (random.random((len(chances), k)) < chances[:, None]).astype(int).tolist()


def test_by_hand() -> None:
    left, right = [[1, 1], [1, 0], [1, 1], [0, 0]], [[1, 0], [0, 0], [1, 0], [0, 0]]
    found = paired.compared(left, right)
    assert found.value == pytest.approx(0.375)
    assert found.stderr == pytest.approx(0.125)  # differences .5 .5 .5 0: SD .25
    assert (found.low, found.high) == (pytest.approx(0.375 - 3.1824 * 0.125, abs=1e-4), pytest.approx(0.7728, abs=1e-4))
    assert (found.p, found.exact) == (2 / 8, True)  # three differences; all up or all down, of 8 flips
    assert found.detectable == pytest.approx((3.1824 + 0.9785) * 0.125, abs=1e-4)
    assert not found.distinguishable


def test_the_sign_is_left_minus_right() -> None:
    better, worse = [[1]] * 9 + [[0]], [[0]] * 10
    up, down = paired.compared(better, worse), paired.compared(worse, better)
    assert up.value == -down.value == 0.9
    assert (up.low, up.high) == (-down.high, -down.low)
    assert up.p == down.p == 2 / 2**9
    assert up.distinguishable
    assert down.distinguishable


def test_a_model_beside_itself() -> None:
    same = paired.compared([[1, 0], [0, 0], [1, 1]], [[1, 0], [0, 0], [1, 1]])
    assert (same.value, same.stderr, same.p, same.detectable, same.distinguishable) == (0, 0, 1, None, False)
    assert same.low < 0 < same.high  # three problems prove nothing


@pytest.mark.parametrize(("problems", "verdict"), [(1, "open"), (5, "open"), (6, "better")])
def test_always_better_on_few_problems(problems: int, verdict: str) -> None:
    found = paired.compared([[1]] * problems, [[0]] * problems)
    assert found.p == pytest.approx(2 / 2**problems)
    assert (found.low > 0) == (verdict == "better")
    assert found.distinguishable == (verdict == "better")
    assert (found.stderr is None) == (problems == 1)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_the_exact_test_counts_all_flips(eighths: list[int]) -> None:
    values = [value / 8 for value in eighths]
    sums = [
        abs(sum(s * v for s, v in zip(signs, eighths, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = sum(one >= abs(sum(eighths)) for one in sums) / len(sums)
    assert paired.sign_flip(values) == (expected, True)


@given(st.lists(st.integers(-16, 16), min_size=1, max_size=18), st.floats(1e-7, 1))
def test_ties_survive_any_scale(sixteenths: list[int], scale: float) -> None:
    """Weights like 1 / 26529 / 11 must not make equal sums unequal."""
    assert paired.sign_flip([v / 16 * scale for v in sixteenths]) == paired.sign_flip(sixteenths)


def test_drawn_flips_agree_with_counted_ones() -> None:
    """26 problems of one size: the exact p is a binomial tail."""
    values = [1 / 30] * 18 + [-1 / 30] * 8
    p, exact = paired.sign_flip(values)
    tail = 2 * sum(math.comb(26, up) for up in range(18, 27)) / 2**26
    assert not exact
    assert p == pytest.approx(tail, abs=4 * math.sqrt(tail / 10_000))
    assert paired.sign_flip(values) == (p, exact)
    assert paired.sign_flip(values, seed=1) != (p, exact)
    assert paired.sign_flip([1.0] * 200)[0] == 1 / 10_001  # never 0


def null_tables(random: np.random.Generator, n: int) -> tuple[Table, Table]:
    """Two models of equal quality that know different things: each problem's chances are drawn for either alike."""
    shared = random.beta(1.2, 0.6, size=n)
    chances = [np.clip(shared + random.normal(0, 0.15, n), 0, 1) for _ in range(2)]
    return answered(random, chances[0], 16), answered(random, chances[1], 16)


def found_at(ps: list[float], level: float) -> tuple[float, float]:
    """(share of p at or below the level, three and a half standard errors of that share)."""
    return float(np.mean(np.array(ps) <= level)), 3.5 * math.sqrt(level * (1 - level) / len(ps))


def test_drawn_p_is_uniform_when_nothing_differs() -> None:
    """A test of all answers as if they were independent is far from that: it ignores what the models know differently."""
    random = np.random.default_rng(60)
    ps, naive = [], []
    for _ in range(350):
        left, right = null_tables(random, 60)
        ps.append(paired.compared(left, right).p)
        both = [statistics.mean(left), statistics.mean(right)]
        within = math.hypot(*(statistics.sampling_stderr(table) or 0 for table in (left, right)))
        naive.append(2 * (1 - NormalDist().cdf(abs(both[0] - both[1]) / within)))
    for level in (0.05, 0.2, 0.5, 0.8):
        share, margin = found_at(ps, level)
        assert share == pytest.approx(level, abs=margin)
    share, margin = found_at(naive, 0.05)
    assert share > 0.05 + margin


def test_counted_p_is_uniform_when_nothing_differs() -> None:
    """With partial credit no two flips tie, and p is uniform but for its steps of 1 / 2^9."""
    random = np.random.default_rng(10)
    credit = random.random((1500, 2, 10, 1)).tolist()
    ps = [paired.compared(left, right).p for left, right in credit]
    for level in (0.05, 0.2, 0.5, 0.8):
        share, margin = found_at(ps, level)
        assert share == pytest.approx(level, abs=margin + 1 / 2**9)


def test_counted_p_is_never_too_small() -> None:
    """Hits and misses tie, which makes p larger, not smaller: at most a share `level` lies at or below the level."""
    random = np.random.default_rng(11)
    ps = [paired.compared(*null_tables(random, 10)).p for _ in range(1000)]
    for level in (0.05, 0.2, 0.5, 0.8):
        share, margin = found_at(ps, level)
        assert share <= level + margin


def test_intervals_of_differences_hold_the_truth() -> None:
    random = np.random.default_rng(21)
    n, k, times, held, unpaired = 15, 4, 600, 0, 0
    for _ in range(times):
        shared = random.beta(2, 2, size=n) * 0.8
        left, right = answered(random, shared + 0.1, k), answered(random, shared, k)
        found = paired.compared(left, right)
        held += found.low <= 0.1 <= found.high
        errors = [statistics.clustered_stderr(table) or 0 for table in (left, right)]
        unpaired += abs(found.value - 0.1) <= 2.14 * math.hypot(*errors)
    assert 0.92 <= held / times <= 0.975
    assert unpaired / times > 0.975  # what not pairing wastes


def test_a_detectable_difference_is_found_four_times_in_five() -> None:
    """A true difference of the promised size, with normal noise on the differences of 40 problems."""
    random = np.random.default_rng(4)
    differences = random.normal(0, 0.1, size=(1500, 40))
    size = paired.detectable([0.1 * math.sqrt(39 / 40), -0.1 * math.sqrt(39 / 40)] * 20)
    assert size is not None
    moved = differences + size
    t = moved.mean(1) / (moved.std(1, ddof=1) / math.sqrt(40))
    assert np.mean(t > 2.0227) == pytest.approx(0.8, abs=0.035)


def test_average_of_benchmarks() -> None:
    first = ([[1, 1], [1, 0], [1, 1], [0, 0]], [[1, 0], [0, 0], [1, 0], [0, 0]])
    second = ([[1], [0], [1], [0], [0], [1], [1], [0]], [[0], [1], [1], [0], [0], [1], [0], [0]])
    parts = [paired.compared(*pair) for pair in (first, second)]
    both = paired.averaged([first, second])
    assert both.value == pytest.approx((parts[0].value + parts[1].value) / 2)
    assert both.stderr == pytest.approx(math.hypot(parts[0].stderr or 0, parts[1].stderr or 0) / 2)
    assert both.detectable == pytest.approx(math.hypot(parts[0].detectable or 0, parts[1].detectable or 0) / 2)
    assert both.value - both.low == pytest.approx(math.hypot(*(part.value - part.low for part in parts)) / 2)
    # Each benchmark counts once: .5/4 thrice against 1/8 thrice, one of them down.
    weighted = [0.5 / 4] * 3 + [1 / 8, -1 / 8, 1 / 8]
    assert both.p == paired.sign_flip(weighted)[0]
    with pytest.raises(ValueError, match="no differences"):
        paired.averaged([])


def test_strata_keep_what_lies_between_benchmarks_out() -> None:
    """One benchmark 30 points up, one 30 down, hardly any noise: pooled problems would say +- 4 instead of +- 1."""
    random = np.random.default_rng(3)
    pairs = [
        (answered(random, np.full(60, chance), 16), answered(random, np.full(60, 1 - chance), 16))
        for chance in (0.65, 0.35)
    ]
    both = paired.averaged(pairs)
    pooled = paired.compared(pairs[0][0] + pairs[1][0], pairs[0][1] + pairs[1][1])
    assert both.stderr is not None
    assert pooled.stderr is not None
    assert both.value == pytest.approx(pooled.value)
    assert both.stderr < 0.6 * pooled.stderr


def test_a_benchmark_with_one_problem_leaves_no_error_to_the_average() -> None:
    both = paired.averaged([([[1]], [[0]]), ([[1], [0], [1]], [[0], [0], [0]])])
    assert (both.stderr, both.detectable, both.distinguishable) == (None, None, False)
    assert both.low < 0 < both.high


def test_problems_are_paired_by_what_they_are() -> None:
    left, right = paired.aligned([[1], [0], [1]], ["c", "a", "b"], [[1, 1], [0, 0], [0, 1]], ["b", "c", "a"])
    assert (left, right) == ([[0], [1], [1]], [[0, 1], [1, 1], [0, 0]])
    # The same problem twice: first with first.
    assert paired.aligned([[1], [0]], ["a", "a"], [[1], [0]], ["a", "a"]) == ([[1], [0]], [[1], [0]])


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ("ab", "ac", "different problems: 1 of 2 only in the first, 1 of 2 only in the second"),
        ("abc", "ab", "1 of 3 only in the first, 0 of 2"),
        ("aab", "abb", "1 of 3 only in the first, 1 of 3"),
    ],
)
def test_other_problems_are_refused(left: str, right: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired.aligned([[1]] * len(left), list(left), [[1]] * len(right), list(right))


def test_what_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="1 hashes"):
        paired.aligned([[1], [0]], ["a"], [[1]], ["a"])
    with pytest.raises(ValueError, match="cannot be paired"):
        paired.compared([[1], [0]], [[1]])
    with pytest.raises(ValueError, match="has no mean"):
        paired.compared([[1], [0, 1]], [[1], [0]])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.uuids()), min_size=1, max_size=12), st.randoms())
def test_the_order_of_problems_does_not_matter(
    rows: list[tuple[int, int, object]], random: "np.random.Generator"
) -> None:
    assume(len({row[2] for row in rows}) == len(rows))
    mixed = list(rows)
    random.shuffle(mixed)
    found = []
    for other in (rows, mixed):
        tables = paired.aligned(
            [[row[0]] for row in rows],
            [str(row[2]) for row in rows],
            [[row[1]] for row in other],
            [str(row[2]) for row in other],
        )
        found.append(paired.compared(*tables))
    assert found[0] == found[1]
