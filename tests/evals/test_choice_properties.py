"""What holds for the scorer of letters whatever a model writes."""

import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.evals import choice

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Pieces that answers are made of, so that markers, boxes and letters meet far more often than in random characters.
PIECES = (
    *("Answer: ", "answer is ", "The correct option is ", '"answer": "', "答案\N{FULLWIDTH COLON}", "故选", "<answer>"),
    *(
        r"\boxed{",
        r"\text{",
        "}",
        "(",
        ")",
        "**",
        "$",
        "`",
        '"',
        "\n",
        "\n\n",
        " ",
        ". ",
        ", ",
        " and ",
        " or ",
        "not ",
    ),
    *("because ", "so ", "I think ", "option ", "一", "of ", "3", "-", "="),
    *LETTERS[:12],
    *LETTERS[:4].lower(),
)
answers = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)).filter(
    lambda text: "think>" not in text
)
counts = st.integers(2, 12)


def question(count: int, gold: str = "A") -> dict[str, Any]:
    options = [f"{number} apples" for number in range(count)]
    return {"id": "1", "problem": "How many?", "letters": LETTERS[:count], "options": options, "gold": gold}


@given(thought=answers, count=counts, gold=st.sampled_from("AB"))
def test_a_letter_in_a_thought_never_counts(thought: str, count: int, gold: str) -> None:
    grade = choice.grade(f"<think>{thought}</think>\n\nI am not sure.", question(count, gold))
    assert grade == choice.Grade(hit=False, truncated=False, no_answer=True, letter=None)


@given(thought=answers, count=counts)
def test_a_thought_that_was_cut_off_is_truncated(thought: str, count: int) -> None:
    grade = choice.grade(f"<think>{thought}", question(count))
    assert grade == choice.Grade(hit=False, truncated=True, no_answer=False, letter=None)


@given(thought=answers, answer=answers, count=counts)
def test_the_thought_changes_nothing(thought: str, answer: str, count: int) -> None:
    with_thought = choice.grade(f"<think>{thought}</think>{answer}", question(count))
    assert with_thought == choice.grade(answer, question(count))


@given(answer=answers, count=counts)
def test_only_letters_of_the_question_count(answer: str, count: int) -> None:
    doc = question(count)
    letter = choice.grade(answer, doc).letter
    assert letter is None or (len(letter) == 1 and letter in doc["letters"])
    everything = {**doc, "gold": LETTERS}
    assert choice.grade(answer, everything).hit == (letter is not None)


@given(count=counts, start=answers, letter=st.sampled_from(LETTERS))
def test_the_last_marker_wins(count: int, start: str, letter: str) -> None:
    grade = choice.grade(f"{start}\n\nAnswer: {letter}", question(count))
    assert grade.letter == (letter if letter in LETTERS[:count] else None)


WORDS = st.text(string.ascii_lowercase, min_size=2, max_size=8).filter(
    lambda word: word not in ("answer", "answers", "option", "choice", "letter")
)


@given(
    sentences=st.lists(st.lists(st.one_of(WORDS, st.sampled_from(LETTERS)), min_size=1, max_size=8), max_size=6),
    end=st.lists(WORDS, min_size=2, max_size=8),
)
def test_a_lone_letter_in_prose_never_counts(sentences: list[list[str]], end: list[str]) -> None:
    prose = "\n".join(f"{' '.join(words)}." for words in [*sentences, end])
    assert choice.grade(prose, question(12)).letter is None


@given(texts=st.lists(answers, min_size=1, max_size=5), count=counts)
def test_metrics_are_the_shares_of_the_grades(texts: list[str], count: int) -> None:
    doc = question(count)
    metrics = choice.metrics(doc, texts)
    assert next(iter(metrics)) == "score"
    assert metrics["score"] == sum(choice.hits(doc, texts)) / len(texts)
    assert all(type(value) is float and 0 <= value <= 1 for value in metrics.values())
    assert metrics["score"] + metrics["truncated"] + metrics["no_answer"] <= 1
