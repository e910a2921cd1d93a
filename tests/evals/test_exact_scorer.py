"""Scoring exact answers of any kind: which answer is graded, what is the same, and what becomes of k of them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.evals import exact
from mot_plugin.evals.exact import Grade
from mot_plugin.limited import shared

THOUGHT = "<think>Some work, first \\boxed{999}.</think>\n"

# The reference, as data sets write it, and what a model boxes for it.
RIGHT = [
    ("2", "2"),
    ("025", "25"),
    ("1000", "1{,}000"),
    ("103", "\\textbf{103}"),
    ("\\frac{1}{2}", "\\dfrac12"),
    ("\\frac{1}{2}", "0.5"),
    ("\\frac{14}{3}", "\\frac{28}{6}"),
    ("\\frac{1}{576}", "1/576"),
    ("9\\sqrt{15}", "\\sqrt{1215}"),
    ("1-\\frac{2}{\\pi}", "\\frac{\\pi-2}{\\pi}"),
    ("2^{99}", "\\frac{2^{100}}{2}"),
    ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\pi/2)"),
    ("(-\\infty,2]", "(-\\infty, 2]"),
    ("x^3+3x-6", "x^{3} + 3x - 6"),
    ("p - q", "-q+p"),
    ("\\text{Evelyn}", "Evelyn"),
    ("\\text{(C)}", "(C)"),
    ("90^\\circ", "90"),
    ("52_8", "52_{8}"),
    ("1,2", "2,1"),
    ("10\\%", "10\\%"),
    ("-\\frac{1}{3}", "\\frac{-1}{3}"),
    ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
]
WRONG = [
    ("2", "-2"),
    ("\\frac{1}{2}", "\\frac{1}{3}"),
    ("9\\sqrt{15}", "9\\sqrt{14}"),
    ("\\left( 3, \\frac{\\pi}{2} \\right)", "(\\frac{\\pi}{2}, 3)"),
    ("(-\\infty,2]", "(-\\infty, 2)"),
    ("\\text{Evelyn}", "Evely"),
    ("52_8", "52_9"),
    ("\\frac{1}{3}", "0.333"),
    ("x^3+3x-6", "x^3+3x+6"),
    ("2", "2 \\text{ or } 3"),
    ("2", "\\text{none}"),
]


@pytest.mark.parametrize(("reference", "answer"), RIGHT)
def test_forms_of_the_right_answer(reference: str, answer: str) -> None:
    assert exact.grade(f"{THOUGHT}So it is $\\boxed{{{answer}}}$.", {"answer": reference}) == Grade(hit=True)


@pytest.mark.parametrize(("reference", "answer"), WRONG)
def test_forms_of_a_wrong_answer(reference: str, answer: str) -> None:
    assert exact.grade(f"{THOUGHT}So it is $\\boxed{{{answer}}}$.", {"answer": reference}) == Grade()


@pytest.mark.parametrize("text", ["", "\\sqrt{8}", "The answer is 2\\sqrt{2}.", "\\boxed{}", "\\boxed{2\\sqrt{2}"])
def test_no_box_is_no_answer(text: str) -> None:
    assert exact.grade(THOUGHT + text, {"answer": "\\sqrt{8}"}) == Grade(no_answer=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\boxed{2\\sqrt{2}}", Grade(hit=True)),  # a model that does not think
        ("<think>\n\n</think>\n\n\\boxed{2\\sqrt{2}}", Grade(hit=True)),  # thinking switched off
        ("the template opened the thought \\boxed{1}</think>\\boxed{2\\sqrt{2}}", Grade(hit=True)),
        ("<think>I close it with </think> now \\boxed{1}</think>\\boxed{2\\sqrt{2}}<|im_end|>", Grade(hit=True)),
        ("<think>a</think>\\boxed{1}, no: **\\boxed{2\\sqrt{2}}**", Grade(hit=True)),
        ("<think>a</think>\\boxed{2\\sqrt{2}}, no: \\boxed{1}", Grade()),
        ("<think>So \\boxed{2\\sqrt{2}}, let me check", Grade(truncated=True)),
        ("I cannot help with that.", Grade(no_answer=True)),
    ],
)
def test_shapes_of_answers(text: str, expected: Grade) -> None:
    assert exact.grade(text, {"answer": "\\sqrt{8}"}) == expected


def test_metrics_are_shares_of_all_answers_to_a_problem() -> None:
    texts = ["\\boxed{2\\sqrt2}", "\\boxed{\\sqrt{8}}", "\\boxed{1}", "<think>hm", "nothing", "nothing"]
    doc = {"answer": "\\sqrt{8}"}
    expected = {
        "score": 2 / 6,
        "pass_at_k": 1.0,
        "unfinished": 0.0,
        "truncated": 1 / 6,
        "no_answer": 2 / 6,
        "distinct": 5 / 6,
    }
    assert exact.metrics(doc, texts) == expected
    assert list(exact.metrics(doc, texts)) == list(expected)
    assert exact.process_results(doc, [texts]) == expected
    assert exact.process_results(doc, ["\\boxed{\\sqrt8}"])["score"] == 1.0
    assert exact.hits(doc, texts) == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="without answers"):
        exact.metrics(doc, [])


def test_integers_start_no_process() -> None:
    shared().close()
    assert exact.hits({"answer": "25"}, ["\\boxed{025}", "\\boxed{26}", "\\boxed{}"]) == [1.0, 0.0, 0.0]
    assert not shared().started
    assert exact.hits({"answer": "\\sqrt{27}"}, ["\\boxed{3\\sqrt{3}}"]) == [1.0]
    assert shared().started


@pytest.mark.contract
def test_what_never_ends_is_unfinished_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_LIMITS", exact.Limits(2))
    begun = time.monotonic()
    texts = ["\\boxed{9^{9^{9^9}}}"] * 3 + ["\\boxed{\\sqrt{4}}"]
    grades = exact.grades({"answer": "2"}, texts)
    assert grades == [Grade(unfinished=True)] * 3 + [Grade(hit=True)]
    assert time.monotonic() - begun < 60
    begun = time.monotonic()
    assert exact.grades({"answer": "2"}, texts) == grades
    assert time.monotonic() - begun < 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet=[*r"0159xy{}[]()=+-_\$%,. /", "\ud800"], max_size=8), max_size=6))
def test_any_texts_have_grades_and_thoughts_none(texts: list[str]) -> None:
    doc = {"answer": "\\frac{1}{2}"}
    assert len(exact.grades(doc, [f"\\boxed{{{text}}}" for text in texts])) == len(texts)
    assert exact.grades(doc, [f"<think>\\boxed{{{text}}}" for text in texts]) == [Grade(truncated=True)] * len(texts)
