"""Scoring of integer answers: what counts as an answer, and what becomes of k of them."""

import pytest

from mot_plugin.evals import integer

THOUGHT = "<think>Some work, first \\boxed{999}.</think>\n"

# What follows a closed thought, when the reference is 25.
RIGHT = [
    r"\boxed{25}",
    r"The answer is \boxed{25}.",
    r"$\boxed{25}$",
    r"$$\boxed{25}$$",
    r"\[\boxed{25}\]",
    r"**Answer:** \boxed{25}",
    r"\boxed{025}",
    r"\boxed{ 25 }",
    r"\boxed {25}",
    r"\boxed 25",
    r"\fbox{25}",
    r"\boxed{25.0}",
    r"\boxed{25.}",
    r"\boxed{+25}",
    r"\boxed{\text{25}}",
    r"\boxed{\textbf{25}}",
    r"\boxed{\mathbf{25}}",
    r"\boxed{\mathrm{25}}",
    r"\boxed{{25}}",
    r"\boxed{$25$}",
    r"\boxed{25^\circ}",
    r"\boxed{25^{\circ}}",
    r"\boxed{m+n=25}",
    r"\boxed{m + n = 25}",
    r"\boxed{\,25\,}",
    r"\boxed{25}<|im_end|>",
    "\\boxed{25}\n\nDone.",
    r"First \boxed{7}, but rather \boxed{25}",
    r"\boxed{\boxed{25}}",
    r"\boxed{25} and then \boxed{",
]
WRONG = [
    r"\boxed{26}",
    r"\boxed{-25}",
    r"\boxed{250}",
    r"\boxed{2.5}",
    r"\boxed{25.5}",
    r"\boxed{\frac{50}{2}x}",
    r"\boxed{25} no, \boxed{24}",
    r"\boxed{24 or 25}",
    r"\boxed{x}",
    r"\boxed{25\%}",
    r"\boxed{(2, 5)}",
]
SILENT = ["", "25", "The answer is 25.", r"\boxed{}", r"\boxed{25", r"$25$", "boxed{25}"]


@pytest.mark.parametrize("text", RIGHT)
def test_forms_of_the_right_answer(text: str) -> None:
    assert integer.grade(THOUGHT + text, "25") == integer.Grade(hit=True, truncated=False, no_answer=False)


@pytest.mark.parametrize("text", WRONG)
def test_forms_of_a_wrong_answer(text: str) -> None:
    assert integer.grade(THOUGHT + text, "25") == integer.Grade(hit=False, truncated=False, no_answer=False)


@pytest.mark.parametrize("text", SILENT)
def test_no_box_is_no_answer(text: str) -> None:
    assert integer.grade(THOUGHT + text, "25") == integer.Grade(hit=False, truncated=False, no_answer=True)


@pytest.mark.parametrize(
    ("text", "reference"),
    [(r"\boxed{1,000}", "1000"), (r"\boxed{1{,}000}", "1000"), (r"\boxed{0}", "000"), (r"\boxed{7}", "007")],
)
def test_references_are_integers_too(text: str, reference: str) -> None:
    assert integer.grade(text, reference).hit


def test_a_thought_that_was_cut_off_has_no_answer() -> None:
    cut = "<think>So far I have \\boxed{25}, let me check"
    assert integer.grade(cut, "25") == integer.Grade(hit=False, truncated=True, no_answer=False)


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{25}",  # a model that does not think
        "<think>\n\n</think>\n\n\\boxed{25}",  # thinking switched off
        "the template opened the thought</think>\\boxed{25}",
        "<think>I should write </think> after this \\boxed{1}</think>\\boxed{25}",
    ],
)
def test_other_shapes_of_thinking(text: str) -> None:
    assert integer.grade(text, "25").hit


def test_metrics_are_shares_of_all_answers_to_a_problem() -> None:
    texts = [r"\boxed{25}", r"\boxed{25}", r"\boxed{1}", "<think>hm", "nothing"]
    expected = {"score": 0.4, "pass_at_k": 1.0, "truncated": 0.2, "no_answer": 0.2, "distinct": 0.8}
    assert integer.metrics({"answer": "25"}, texts) == expected
    assert integer.process_results({"answer": "25"}, [texts]) == expected
    assert integer.hits({"answer": 25}, texts) == [1, 1, 0, 0, 0]
    assert integer.read({"answer": 25}, texts) == [25, 25, 1, None, None]
    assert integer.read({}, [r"<think>\boxed{25}", r"<think>\boxed{1}</think> \boxed{025}"]) == [None, 25]


def test_one_text_from_a_filter_that_keeps_one() -> None:
    assert integer.process_results({"answer": "25"}, [r"\boxed{25}"])["score"] == 1.0


def test_no_answers_are_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="without answers"):
        integer.metrics({"answer": "25"}, [])
