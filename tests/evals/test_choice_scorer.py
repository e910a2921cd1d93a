"""Scoring of letters: what becomes of one answer, and of k of them."""

import pytest

from mot_plugin.evals import choice

DOC = {
    "id": "q1",
    "problem": "Where are proteins made?",
    "letters": "ABCD",
    "options": ["The mitochondrion", "The nucleus", "The ribosome", "The Golgi apparatus"],
    "gold": "C",
}

# Whole completions, thinking included, as Qwen3 and R1 write them.
RIGHT = [
    "<think>\nOkay, where are proteins made? Answer: A? No, that is energy.\n</think>\n\n**Answer: C**",
    "<think>\n\n</think>\n\nAnswer: C",  # thinking switched off
    "Hm, the template opened the thought. \\boxed{A}\n</think>\n\nThe ribosome translates.\n\nAnswer: C",
    "<think>I must write </think> and then Answer: A</think>\n\n\\boxed{C}",  # the tag quoted in the thought
    "Answer: C",  # a model that does not think
]
WRONG = [
    "<think>It is C, the ribosome. Answer: C</think>\n\nAnswer: B",
    "<think>C</think>\n\nThe nucleus",
]
SILENT = [
    "<think>Answer: C</think>",
    "<think>Answer: C</think>\n\n",
    "<think>Answer: C</think>\n\nI'm sorry, but I can't help with that.",
    "<think>Answer: C</think>\n\nAnswer: E",
    "",
]
CUT = ["<think>So it is C. Answer: C", "<think>", "  <think>\n\\boxed{C}\n\nC"]


@pytest.mark.parametrize("text", RIGHT)
def test_a_hit(text: str) -> None:
    assert choice.grade(text, DOC) == choice.Grade(hit=True, truncated=False, no_answer=False, letter="C")


@pytest.mark.parametrize("text", WRONG)
def test_a_miss(text: str) -> None:
    assert choice.grade(text, DOC) == choice.Grade(hit=False, truncated=False, no_answer=False, letter="B")


@pytest.mark.parametrize("text", SILENT)
def test_no_answer(text: str) -> None:
    assert choice.grade(text, DOC) == choice.Grade(hit=False, truncated=False, no_answer=True, letter=None)


@pytest.mark.parametrize("text", CUT)
def test_truncated(text: str) -> None:
    assert choice.grade(text, DOC) == choice.Grade(hit=False, truncated=True, no_answer=False, letter=None)


def test_any_of_several_right_letters_counts() -> None:
    doc = {**DOC, "gold": "AC"}
    assert choice.hits(doc, ["Answer: A", "Answer: B", "Answer: C", "Answer: A and C"]) == [1.0, 0.0, 1.0, 0.0]


def test_metrics_are_shares_of_all_answers_to_a_question() -> None:
    texts = ["Answer: C", "Answer: C", "Answer: B", "<think>hm", "nothing"]
    expected = {"score": 0.4, "truncated": 0.2, "no_answer": 0.2, "distinct": 0.8}
    assert choice.metrics(DOC, texts) == expected
    assert list(choice.metrics(DOC, texts)) == list(expected)
    assert choice.process_results(DOC, [texts]) == expected
    assert choice.hits(DOC, texts) == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_one_text_from_a_filter_that_keeps_one() -> None:
    assert choice.process_results(DOC, ["Answer: C"])["score"] == 1.0


def test_no_answers_are_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="without answers"):
        choice.metrics(DOC, [])
