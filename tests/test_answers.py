"""Golden forms of final answers: what is read as which integer, what is equal, what is boxed."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.answers import (
    Thought,
    as_integer,
    by_mathematics,
    final_answer,
    last_boxed,
    quickly,
    same_answer,
    split_thinking,
    unverifiable,
    verifiable,
)

INTEGERS = {
    "25": 25,
    "025": 25,
    "000": 0,
    " 25 ": 25,
    "25.": 25,
    "25.0": 25,
    "25.00": 25,
    "-25": -25,
    "+25": 25,
    "- 25": -25,
    "\N{MINUS SIGN}25": -25,
    "1,000": 1000,
    "1{,}000": 1000,
    r"1\,000": 1000,
    r"10,\!080": 10080,
    r"1\ 000": 1000,
    "1\N{NARROW NO-BREAK SPACE}000": 1000,
    "1,234,567": 1234567,
    "1,000.0": 1000,
    r"\text{25}": 25,
    r"\textbf{25}": 25,
    r"\mathbf{25}": 25,
    r"\mathrm{1{,}000}": 1000,
    r"\boldsymbol{25}": 25,
    r"{\bf 25}": 25,
    r"\displaystyle 25": 25,
    "{25}": 25,
    r"\boxed{25}": 25,
    "$25$": 25,
    "$25$.": 25,
    r"\$25": 25,
    r"\(25\)": 25,
    r"\[25\]": 25,
    "**25**": 25,
    r"25^\circ": 25,
    r"25^{\circ}": 25,
    "25°": 25,
    r"25\degree": 25,
    "= 25": 25,
    "m+n=25": 25,
    r"m + n = \text{25}": 25,
    r"\mathbf{m+n=25}": 25,
    r"10 + 15 = 25": 25,
    "1,000 + 25 = 1,025": 1025,
    r"\gcd(50, 75) = 25": 25,
    r"\,25\,": 25,
}
NOT_INTEGERS = [
    "",
    " ",
    "25.5",
    "7 or 8",
    "x = 7 or x = 8",
    "x=1, y=25",
    r"x=7 \text{ and } y=25",
    r"x=5 \quad y=6",
    r"\pm 5",
    "7, 8",
    "7 8",
    "1,00",
    "0,123",
    "1,0000",
    r"\frac{50}{2}",
    "5^2",
    "52_8",
    r"25\%",
    r"x \neq 25",
    "x <= 25",
    r"x \not= 25",
    r"25 \pmod{100}",
    r"\{25\}",
    "25 cm",
    "٢٥",
    "x",
    "25..",
    "9" * 5000,
]


@pytest.mark.parametrize(("text", "value"), INTEGERS.items())
def test_integer_forms(text: str, value: int) -> None:
    assert as_integer(text) == value


@pytest.mark.parametrize("text", NOT_INTEGERS)
def test_what_is_not_one_integer(text: str) -> None:
    assert as_integer(text) is None


@given(st.integers(-(10**12), 10**12), st.integers(0, 3))
def test_every_integer_is_read_back(value: int, zeros: int) -> None:
    padded = ("-" if value < 0 else "") + "0" * zeros + str(abs(value))
    assert as_integer(padded) == as_integer(f"{value:,}") == as_integer(f"n = {value}.") == value


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so \boxed{25}.", "25"),
        (r"so \boxed {25}.", "25"),
        (r"so \boxed 25.", "25"),
        (r"$\boxed 25$", "25"),
        (r"\boxed25", "25"),
        (r"\fbox{25}", "25"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ \frac{1}{2} \right\}}", r"\left\{ \frac{1}{2} \right\}"),
        (r"\boxed{\boxed{25}}", "25"),
        (r"\boxed{1} and then \boxed{2", "1"),
        (r"\boxed{25} as \boxed{}", "25"),
        (r"{ \boxed{25}", "25"),
        ("\\boxed{\n25\n}", "25"),
        (r"\boxedsomething{25}", None),
        (r"\boxed", None),
        (r"\boxed{", None),
        (r"\boxed{}", None),
        ("25", None),
    ],
)
def test_last_boxed(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


def test_many_unfinished_boxes_take_no_time() -> None:
    assert last_boxed(r"\boxed{1}" + r"\boxed{" * 20_000) == "1"


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ("<think>\na\n</think>\n\nb", Thought("\na\n", "\n\nb", closed=True)),
        ("\n<think>a</think>b", Thought("a", "b", closed=True)),
        ("a</think>b", Thought("a", "b", closed=True)),
        ("<think>a", Thought("a", "", closed=False)),
        ("b", Thought(None, "b", closed=False)),
        ("", Thought(None, "", closed=False)),
        ("<think>a</think>b</think>c", Thought("a</think>b", "c", closed=True)),
    ],
)
def test_split_thinking(text: str, thought: Thought) -> None:
    assert split_thinking(text) == thought


def test_a_box_inside_the_thought_is_no_answer() -> None:
    assert final_answer(r"<think>\boxed{25} but wait") is None
    assert final_answer(r"<think>\boxed{25}</think>I do not know.") is None
    assert final_answer(r"<think>\boxed{24}</think>It is \boxed{25}.") == "25"
    assert final_answer(r"It is \boxed{25}.") == "25"


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [
        ("025", "25"),
        ("1{,}000", "1000"),
        (r"\text{25}", "25"),
        ("m+n=25", "025"),
        ("25", r"\boxed{25}"),
        ("25", r"We add them up. The answer is \boxed{25}."),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\frac12", "1/2"),
        ("0.5", r"\frac{1}{2}"),
        (r"2\sqrt{2}", r"\sqrt{8}"),
        (r"\left(1, 2\right)", "(1,2)"),
        (r"\text{Evelyn}", "evelyn"),
        (r"\text{(B)}", "B"),
        ("1+x^2", "x^2+1"),
        (r"25\text{ cm}", "25"),
        ("52_8", "52_{8}"),
        ("7, 8", "8, 7"),
        (r"17.5\%", "17.5%"),
    ],
)
def test_same(predicted: str, reference: str) -> None:
    assert same_answer(predicted, reference)


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [
        ("24", "25"),
        ("-25", "25"),
        ("7 or 8", "7"),
        ("7, 8", "7"),
        ("52_8", "52"),
        ("52_8", "52_9"),
        ("(1, 2)", "(2, 1)"),
        (r"25\%", "25"),
        ("", "25"),
        ("", ""),
        ("}{", "25"),
        (r"\frac{", r"\frac{1}{2}"),
        ("\ud800", "25"),
        (r"\begin{matrix", "25"),
    ],
)
def test_not_the_same(predicted: str, reference: str) -> None:
    assert not same_answer(predicted, reference)


@pytest.mark.parametrize(
    ("predicted", "reference", "said"),
    [
        ("025", r"so it is \boxed{25}", True),
        ("24", "25", False),
        (r"\text{Evelyn}", "evelyn", True),
        (r"\dfrac{1}{2}", r"\frac{1}{2}", True),
        ("52_8", "52_9", False),
        ("", "25", False),
        ("1" * 3000, "25", False),
        ("0.5", r"\frac{1}{2}", None),
        ("7 or 8", "7", None),
        ("9^{9^{9^9}}", "25", None),
    ],
)
def test_what_is_decided_without_mathematics(*, predicted: str, reference: str, said: bool | None) -> None:
    assert quickly(predicted, reference) is said


@given(st.sampled_from(sorted(INTEGERS)), st.sampled_from([*sorted(INTEGERS), r"\frac{1}{2}", "x"]))
def test_the_quick_way_says_what_the_whole_way_says(predicted: str, reference: str) -> None:
    decided = quickly(predicted, reference)
    assert decided is None or decided == same_answer(predicted, reference)
    if reference in INTEGERS:
        assert decided == (INTEGERS[predicted] == INTEGERS[reference])


def test_math_verify_is_told_what_stands_in_the_box() -> None:
    assert by_mathematics(r"\boxed{\sqrt{8}}", r"We know that $2\sqrt 2$ is \boxed{2\sqrt{2}}.", None)
    assert not by_mathematics(r"\sqrt{7}", r"2\sqrt{2}", 5)


@pytest.mark.parametrize(
    "reference",
    [
        *INTEGERS,
        "Evelyn",
        "B",
        r"\text{(B)}",
        "(1,2]",
        r"\frac{1}{2}",
        r"x \in (-\infty, 3] \cup [5, \infty)",
        r"\begin{pmatrix} -1/3 \\ 2/3 \\ 5/3 \end{pmatrix}",
        r"$\text{a necessary but not a sufficient condition}$",
        "17.5%",
        "yes",
        "不存在",
        "x^2 + 3x - 4",
        "so on and on for many words, as solutions go, until the end: \\boxed{25}",
        "a = 1, b = 2, c = 3, d = 4",
    ],
)
def test_what_answers_can_be_checked_against(reference: str) -> None:
    assert unverifiable(reference) is None
    assert verifiable(reference)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("$$", "empty"),
        (r"\boxed{}", "empty"),
        ("1" * 501, "long"),
        ("x + " * 200 + "x", "long"),
        ("$" * 100_000, "long"),
        ("Suppose that n is odd. Then n squared is odd as well, which was to be shown.", "prose"),
        ("The point $P$ lies on the circle because the two angles at $A$ and $B$ are equal.", "prose"),
        ("假设结论不成立则存在一个最小的反例由此可以构造出一个更小的反例矛盾所以结论成立", "prose"),
        (r"\boxed{Let the first of the two players always answer with the mirrored move}", "prose"),
        ("5 * 4 = 20\n#### 20", "derivation"),
        ("x - 3 = 1 => x = 4", "derivation"),
        (r"$x^2 = 4 \Rightarrow x = 2$", "derivation"),
        (r"\begin{align*} 2x &= 8 \\ x &= 4 \end{align*}", "derivation"),
    ],
)
def test_what_nothing_can_be_checked_against(reference: str, reason: str) -> None:
    assert unverifiable(reference) == reason
    assert not verifiable(reference)


def test_answers_of_looping_models_take_no_time() -> None:
    for text in ("x" + " " * 50_000 + "y", "$" * 50_000 + "x", "{" * 20_000 + "x" + "}" * 20_000, "1" * 50_000):
        assert not same_answer(text, "25")
        assert same_answer(text, text)


def test_outside_the_main_thread_math_verify_is_asked_too() -> None:
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(same_answer(r"2\sqrt{2}", r"\sqrt{8}")))
    thread.start()
    thread.join()
    assert results == [True]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=list("0159xy{}[]()=+-^_\\$%,. /"), max_size=10))
def test_odd_input_never_raises(text: str) -> None:
    assert isinstance(same_answer(text, "25"), bool)
    assert isinstance(same_answer("25", text), bool)
