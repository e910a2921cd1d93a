"""Scoring PHYBench answers as thinking models write them: which formula is graded, and what becomes of k of them."""

import json

import pytest

from mot_plugin.evals.phybench import eed, scorer
from mot_plugin.evals.phybench.scorer import Grade
from mot_plugin.limited import shared

DOC = {"id": "1", "tag": "MECHANICS", "answer": "$$T_2 = 2mg + 4m \\frac{v_0^2}{l}$$"}
RIGHT, NEAR, NEAR_POINTS = "2mg + \\frac{4mv_0^2}{l}", "2mg + \\frac{2mv_0^2}{l}", 60 - 100 * 2 / 15
# `@` stands for the right formula, `~` for one that is nearly right.
QWEN = """<think>
Okay, let's see. The tension at the bottom is... First I'd guess \\boxed{3mg}. Wait, no, that's for
release from rest. Let me check the energy again: $\\frac12 m v^2 = ...$
</think>

To find the tension in the string at the lowest point, we use **energy conservation** and **Newton's second law**.

---

### Step 1
$$
T - mg = \\frac{m v^2}{l}
$$

### Final Answer

$$
\\boxed{@}
$$
"""
R1 = """Hmm, so the string is massless. The template opened this thought. \\boxed{0}
</think>

The tension is

\\[
T_2 = @
\\]

Therefore, the final answer is:

\\[
\\boxed{T_2 = @}
\\]"""

ANSWERS = [
    (QWEN, Grade(100.0)),
    (R1, Grade(100.0)),
    ("<think>\n\n</think>\n\n\\boxed{@}", Grade(100.0)),  # thinking switched off
    ("\\boxed{@}", Grade(100.0)),  # a model that does not think
    ("<think>a</think>\\boxed{3mg} no, rather $\\boxed{@}$.", Grade(100.0)),
    ("<think>I write </think> now</think>\\boxed{@}<|im_end|>", Grade(100.0)),
    ("<think>a</think>\\boxed{T_2 = @ \\quad \\text{(at the lowest point)}}", Grade(100.0)),
    ("<think>a</think>\\boxed{\\boxed{@}}", Grade(100.0)),
    ("<think>a</think>$\\boxed{\\displaystyle 2m\\left(g + \\dfrac{2v_{0}^{2}}{l}\\right)}$", Grade(100.0)),
    ("<think>a</think>\\boxed{2 m g + 4 m v_0^2 / l}", Grade(100.0)),
    (QWEN.replace("@", "~"), Grade(NEAR_POINTS)),
    ("<think>a</think>\\boxed{~} or \\boxed{", Grade(NEAR_POINTS)),
    ("<think>a</think>\\boxed{x}", Grade(0.0)),
    ("<think>a</think>\\boxed{@" + "+ 0" * 30 + "}", Grade(0.0)),  # more than three times the reference
    ("<think>\\boxed{@}", Grade(0.0, truncated=True)),
    ("<think>" + QWEN, Grade(100.0)),
    ("", Grade(0.0, no_answer=True)),
    ("<think>a</think>", Grade(0.0, no_answer=True)),
    ("<think>a</think>The tension is $@$.", Grade(0.0, no_answer=True)),
    ("I'm sorry, I can't help with that.", Grade(0.0, no_answer=True)),
    ("<think>a</think>\\boxed{}", Grade(0.0, no_answer=True)),
    ("<think>a</think>\\boxed{\\text{See above}}", Grade(0.0, parse_error=True)),
    ("<think>a</think>\\boxed{\\frac{2mg}{}", Grade(0.0, no_answer=True)),  # the box is not closed
    ("<think>a</think>\\boxed{\\frac{2mg}{l}(}", Grade(0.0, parse_error=True)),
    ("<think>a</think>\\boxed{\\int_0^l T dx}", Grade(0.0, parse_error=True)),
]


def filled(text: str) -> str:
    return text.replace("@", RIGHT).replace("~", NEAR)


@pytest.mark.parametrize(("text", "expected"), ANSWERS)
def test_answers(text: str, expected: Grade) -> None:
    found = scorer.grade(filled(text), DOC)
    assert found.points == pytest.approx(expected.points)
    assert Grade(expected.points, found.truncated, found.no_answer, found.parse_error, found.unfinished) == expected


def test_many_are_graded_as_one_by_one() -> None:
    texts = [filled(text) for text, _ in ANSWERS]
    assert scorer.grades(DOC, texts) == [scorer.grade(text, DOC) for text in texts]


def test_metrics_are_means_over_all_answers_to_a_problem() -> None:
    right, near = filled(QWEN), filled(QWEN.replace("@", "~"))
    texts = [right, right, near, "<think>hm", "nothing", "\\boxed{(}", "\\boxed{x}", right]
    expected = {
        "score": (3 + NEAR_POINTS / 100) / 8,
        "accuracy": 3 / 8,
        "parse_error": 1 / 8,
        "unfinished": 0,
        "truncated": 1 / 8,
        "no_answer": 1 / 8,
        "distinct": 6 / 8,
    }
    assert scorer.metrics(DOC, texts) == pytest.approx(expected)
    assert list(scorer.metrics(DOC, texts)) == list(expected)
    noted = scorer.process_results(DOC, [texts])
    assert [Grade(**one) for one in noted.pop("verdicts")] == scorer.grades(DOC, texts)
    assert noted == scorer.metrics(DOC, texts)
    assert scorer.hits(DOC, texts) == pytest.approx([1, 1, NEAR_POINTS / 100, 0, 0, 0, 0, 1])
    assert all(type(value) is float for value in [*scorer.metrics(DOC, texts).values(), *scorer.hits(DOC, texts)])


def test_one_text_from_a_filter_that_keeps_one() -> None:
    assert scorer.process_results(DOC, [filled(QWEN)])["score"] == 1.0


def test_samples_are_scored_again_by_their_marks() -> None:
    texts = [filled(text) for text, _ in ANSWERS]
    noted = scorer.process_results(DOC, [texts])
    sample = {**DOC, "verdicts": json.loads(json.dumps(noted["verdicts"]))}
    hits = scorer.hits(DOC, texts)
    eed.proven.cache_clear()
    shared().close()
    assert scorer.hits(sample, texts) == hits
    assert scorer.process_results(sample, [texts]) == noted
    assert scorer.metrics({**sample, "verdicts": None}, ["<think>", "no box"])["no_answer"] == 0.5
    assert not shared().started  # nothing was compared
    assert scorer.hits({**sample, "answer": "2mg"}, texts)[0] < 1
    assert shared().started


def test_marks_of_other_formulas_or_rules_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = scorer.grade(filled("\\boxed{~}"), DOC)
    stolen = {"points": 100.0, "key": "0" * 16}
    assert scorer.hits({**DOC, "verdicts": [stolen]}, [filled("\\boxed{~}")]) == [wrong.points / 100]
    told = {"points": 7.0, "key": wrong.key}
    assert scorer.hits({**DOC, "verdicts": [told]}, [filled("\\boxed{~}")]) == [0.07]
    monkeypatch.setattr(scorer, "RULES", 2)
    assert scorer.hits({**DOC, "verdicts": [told]}, [filled("\\boxed{~}")]) == [wrong.points / 100]


def test_no_answers_are_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="without answers"):
        scorer.metrics(DOC, [])
