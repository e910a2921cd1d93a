"""PHYBench's points: known values, what equality means, and that no text can do harm. Formulas are invented or published."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mot_plugin.errors import MissingTool
from mot_plugin.evals.phybench import eed as module
from mot_plugin.evals.phybench.eed import Eed, Mark, proven
from mot_plugin.limited import Limited

HANGS = ["9^{9^{9^9}}", "x^{9^{9^{9}}} + 7^{7^{7^{7}}}", r"\sqrt{2^{10^{10}}}", r"\ln(2^{10^8}+1)", "e^{10^{10^{10}}x}"]


@pytest.fixture(scope="module")
def eed() -> Iterator[Eed]:
    with Limited(workers=2) as limited:
        yield Eed(limited)


def points(eed: Eed, reference: str, given: str) -> float:
    mark = eed.marks(reference, [given])[0]
    assert mark.problem is None
    return mark.points


# The first three are published with the benchmark's own code.
@pytest.mark.parametrize(
    ("reference", "given", "expected"),
    [
        (r"2 m g + 4\frac{mv_0^2}{l}", r"2 m g+4\frac{mv_0^2}{l}", 100),
        (r"2 m g + 4\frac{mv_0^2}{l}", r"2 m g+2\frac{mv_0^2}{l}", 60 - 100 * 2 / 15),  # 46.67
        (r"\sqrt{\frac{2g}{3R}}", r"\sqrt{\frac{g}{3R}}", 60 - 100 / 11),  # 50.91
        ("$$T = 2mg$$", r"T = 2 m g", 100),
        ("$$T = 2mg$$", "2gm", 100),
        ("a + b", "a - b", 60 - 100 * 2 / 3),  # 0: -b is a product, a node and a number more
        ("a b c", "a b d", 35),
        ("a b c d", "a b c", 40),
        ("a b c", "a b c d", 35),
        (r"\frac{2}{5}", r"\frac{3}{5}", 0),  # one node in all, and that one is wrong
        ("x", "0", 0),
        (r"\sin\theta", r"\cos\theta", 10),
        (r"a e^{-t/\tau}", r"a(1 - e^{-t/\tau})", 60 - 100 * 3 / 9),  # a - a e^{..}: a sum, an a and a -1 more
    ],
)
def test_known_points(eed: Eed, reference: str, given: str, expected: float) -> None:
    assert points(eed, reference, given) == pytest.approx(max(0, expected))


EQUAL = [
    (r"\sqrt{\frac{a}{b}}", r"\frac{\sqrt{ab}}{b}"),
    (r"\sqrt{\frac{1}{a-b}}", r"\frac{1}{\sqrt{a-b}}"),  # real in one half only, and equal there
    (r"\sqrt{a-b}\sqrt{a+b}", r"\sqrt{a^2-b^2}"),
    (r"\sin^2\theta", r"1-\cos^2\theta"),
    (r"\frac{1}{2}\sin 2\theta", r"\sin\theta\cos\theta"),
    (r"\tan\frac{\theta}{2}", r"\frac{1-\cos\theta}{\sin\theta}"),
    (r"\arctan x", r"\frac{\pi}{2} - \arctan\frac{1}{x}"),
    (r"\operatorname{arsinh} x", r"\ln(x+\sqrt{x^2+1})"),
    (r"\ln\frac{a}{b}", r"\ln a - \ln b"),
    (r"e^{-a t} e^{-b t}", r"\exp(-(a+b)t)"),
    (r"\cosh x", r"\frac{e^{x}+e^{-x}}{2}"),
    (r"\frac{\gamma-1}{2\sqrt{\gamma p_0 V_0/W}-1}", r"\frac{1-\gamma}{1-2\sqrt{\gamma p_0 V_0/W}}"),
    (r"\left(1-\left(\frac{v}{c}\right)^2\right)^{3/2}", r"\left(1-\frac{v^2}{c^2}\right)\sqrt{1-v^2/c^2}"),
    (r"0.5 k x^2", r"\frac{kx^2}{2}"),
    (r"\left|a-b\right|", r"\sqrt{(a-b)^2}"),
    ("0", "a - a"),
    (r"\sqrt{2}", r"\frac{2}{\sqrt{2}}"),
    (r"a^{2/3} b", r"\sqrt[3]{a^2} b"),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_however_it_is_written(eed: Eed, left: str, right: str) -> None:
    assert points(eed, left.ljust(60), right) == 100
    assert points(eed, right.ljust(60), left) == 100


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"\sqrt{a-b}", r"\sqrt{b-a}"),
        (r"a-b", r"\left|a-b\right|"),
        (r"\frac{1}{3}", "0.333"),
        (r"\sin x", "x"),
        (r"\pi", "3.14159265358979"),
        (r"1 + 10^{-15} x", "1"),
        (r"e", "2.718281828"),
        ("E", "e"),
    ],
)
def test_nearly_equal_is_not_equal(eed: Eed, left: str, right: str) -> None:
    assert points(eed, left.ljust(60), right) < 60


def test_what_is_three_times_as_long_is_not_looked_at(eed: Eed) -> None:
    assert eed.marks("a+b", ["a+b+0+0+0", "a+b+0+0+00"]) == [Mark(100.0), Mark(0.0)]
    assert eed.marks("a+b", [r"\boxed{a+b}"]) == [Mark(0.0)]  # so the scorer takes it out of its box first
    assert eed.marks(r"\boxed{a+b}", ["a+b"]) == [Mark(100.0)]


def test_what_cannot_be_read_is_told_apart(eed: Eed) -> None:
    assert eed.marks("a + b + c", ["", r"\frac{a", r"\int x dx", r"x \pm y"]) == [Mark(0.0, "unreadable")] * 4
    assert eed.unreadable(["a", r"\sum_n n", "b = c", ""]) == [r"\sum_n n", ""]


def test_every_pair_is_compared_once_and_in_order(eed: Eed) -> None:
    given = ["a b c", "a b d", "c b a", "a b d", "", "a b c"]
    expected = [Mark(100.0), Mark(35.0), Mark(100.0), Mark(35.0), Mark(0.0, "unreadable"), Mark(100.0)]
    rounded = [Mark(round(mark.points, 9), mark.problem) for mark in eed.marks("a b c", given)]
    assert rounded == expected
    assert eed.marks("a b c", given * 100) == eed.marks("a b c", given) * 100


def test_two_runs_agree(eed: Eed) -> None:
    given = [
        r"\frac{a b \sin(c+d)}{\sqrt{x^2+y^2}+z}",
        r"\frac{a \sin(c-d)}{\sqrt{x^2+y^2}}",
        r"\frac{a \cos(c)}{x y z}",
    ]
    reference = r"\frac{a b \sin(c+d)}{\sqrt{x^2+y^2}-z}"
    with Limited(workers=1) as limited:
        assert Eed(limited).marks(reference, given) == eed.marks(reference, given)


LEAVES = st.sampled_from(["a", "b", "c_1", r"\omega", "2", "3"])  # no \pi: a formula over its sine is none
FORMULAS = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.tuples(part, part).map(lambda two: rf"\left({two[0]} + {two[1]}\right)"),
        st.tuples(part, part).map(lambda two: rf"({two[0]}) ({two[1]})"),
        st.tuples(part, part).map(lambda two: rf"\frac{{{two[0]}}}{{{two[1]}}}"),
        part.map(lambda one: rf"\sqrt{{{one}}}"),
        part.map(lambda one: rf"\sin\left({one}\right)"),
    ),
    max_leaves=6,
)
SLOW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(FORMULAS)
def test_a_formula_is_itself_in_any_form(eed: Eed, formula: str) -> None:
    ways = [
        f"{formula} ",
        rf"\frac{{z ({formula})}}{{z}}",
        f"{formula} + z - z",
        rf"y = \left({formula}\right) \cdot 1",
        rf"-\left(-{formula}\right)",
    ]
    reference = f"$${formula}$$" + " " * 40  # long enough for the longest of them
    assert eed.marks(reference, ways) == [Mark(100.0)] * len(ways)


@SLOW
@given(FORMULAS, FORMULAS)
def test_points_are_all_or_at_most_sixty(eed: Eed, left: str, right: str) -> None:
    there = points(eed, left + " " * 200, right)
    back = points(eed, right + " " * 200, left)
    for one in (there, back):
        assert one == 100 or 0 <= one < 60
    assert (there == 100) == (back == 100)


@SLOW
@given(
    st.lists(
        st.text(alphabet=[*r"ab2\frac{}()^_+-=/|sin,. $&é", "\ud800"], max_size=30) | st.text(max_size=30),
        max_size=8,
    )
)
def test_any_texts_have_marks(eed: Eed, texts: list[str]) -> None:
    marks = eed.marks("a" * 50, texts)
    assert len(marks) == len(texts)
    assert all(0 <= mark.points <= 100 for mark in marks)


@pytest.mark.contract
def test_hang_probes_end_as_unfinished(eed: Eed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EQUAL", module.Limits(2))
    begun = time.monotonic()
    assert eed.marks("a" * 200, [*HANGS, "a^{200}"]) == [Mark(0.0, "unfinished")] * len(HANGS) + [Mark(100.0)]
    assert time.monotonic() - begun < 120


def test_what_cannot_be_simplified_is_compared_as_it_is_written(eed: Eed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of one second for a formula that takes sympy longer."""
    reference = (
        r"\left("
        + "+".join(rf"\frac{{a_{{{n}}}}}{{1+\sqrt{{b_{{{n}}}}} \sin(c_{{{n}}})}}" for n in range(12))
        + r"\right)^7"
    )
    monkeypatch.setattr(module, "_SIMPLIFY", module.Limits(1))
    assert 0 < points(eed, reference, reference.replace("a_{3}", "d")) < 60


def test_the_proof_holds() -> None:
    proven.cache_clear()
    assert proven() is proven()


def test_a_proof_that_fails_is_an_error_and_not_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    proven.cache_clear()
    monkeypatch.setattr(module, "_PROOF", (*module._PROOF, ("a b c", "a b d", 99.0)))
    with pytest.raises(
        MissingTool, match=r"not work here: `a b d` for `a b c` got 35\.00 points instead of 99\.00 .*\n.*sympy"
    ):
        proven()
