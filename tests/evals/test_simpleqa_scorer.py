"""SimpleQA without a judge: is the reference said in so many words? All questions here are invented."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.evals import simpleqa

THOUGHT = "<think>\nHmm, it might be Anna Berg. Or was it 1931? I don't know.\n</think>\n\n"

# question, reference, answer
SAID = [
    ("Who founded the Vell Institute?", "Anna Berg", "Anna Berg"),
    ("Who founded the Vell Institute?", "Anna Berg", "The Vell Institute was founded by **Anna Berg** in 1931."),
    ("Who founded the Vell Institute?", "Anna Berg", "\\boxed{Anna Berg}"),
    ("Who founded the Vell Institute?", "Anna Berg.", "ANNA BERG"),
    ("Who founded the Vell Institute?", "Anna Bérg", "I think it was Anna Berg, but I'm not certain."),
    ("Who founded the Vell Institute?", "The Orn Society", "It was an Orn Society project."),
    ("Who founded the Vell Institute?", "李四", "创办者是 李四 。"),
    ("Who founded the Vell Institute?", "Anna Berg", "\uff21\uff4e\uff4e\uff41 Berg"),
    ("When was it founded?", "1931", "It was founded in **1931**."),
    ("When was it founded?", "15 August 1948", "It opened on August 15, 1948."),
    ("When was it founded?", "August 15, 1948", "On the 15th of August, 1948, it opened."),
    ("When was it founded?", "Aug 15, 1948", "15 August 1948"),
    ("When was it founded?", "September 1948", "In Sept 1948, or thereabouts."),
    ("How many seats has the hall?", "12,400", "The hall has 12400 seats."),
    ("How many seats has the hall?", "12400 seats", "The hall has 12,400 seats."),
    ("How many seats did the hall of 1931 have?", "500", "The hall of 1931 had 500 seats, yes: 500."),
    ("How tall is it?", "4.2 km", "About 4.17 km."),
    ("How tall is it?", "4.20 km", "4.2 km"),
    ("How tall is it?", "25%", "Roughly 25.4 %"),
    ("Who was older, Anna Berg or Per Lund?", "Per Lund", "Per Lund"),
    ("Which ship is it?", "F-16B", "The F-16B, I believe."),
]
NOT_SAID = [
    ("Who founded the Vell Institute?", "Anna Berg", "Anna Bergström founded it."),
    ("Who founded the Vell Institute?", "Anna Berg", "Anna K. Berg"),  # another spelling: the floor misses it
    ("Who founded the Vell Institute?", "Anna Berg", "Berg, Anna"),
    ("When was it founded?", "1931", "In the 1930s."),
    ("When was it founded?", "1931", "In 19312 or 11931."),
    ("When was it founded?", "1931", "In 1931 or 1932."),  # a number among others
    ("When was it founded?", "15 August 1948", "August 1948"),
    ("When was it founded?", "15 August 1948", "August 16, 1948"),
    ("How many seats has the hall?", "12", "The hall has 12,400 seats."),
    ("How many seats has the hall?", "12,400", "12.4"),
    ("How tall is it?", "4.2 km", "4.26 km"),
    ("How tall is it?", "4.25 km", "4.2 km"),
    ("How tall is it?", "4.2 km", "4200 m"),
    ("Who was older, Anna Berg or Per Lund?", "Per Lund", "Per Lund was not older; Anna Berg was."),
    ("Which ship is it?", "F-16B", "The F-16."),
    ("What is it called?", "...", "..."),
    ("What is it called?", "The", "The"),
]
DECLINED = [
    "I don't know.",
    "I don\u2019t know who founded it.",
    "I'm sorry, but I am not sure about that.",
    "I couldn't find any reliable information on this.",
    "I do not have specific information about this institute.",
    "There is no publicly available information about its founder.",
    "The founder is not publicly known.",
    "This cannot be determined from what I know.",
    "I was unable to verify who founded it.",
    "I am not familiar with the Vell Institute.",
    "I really don't have enough data to answer.",
]
STATED = [
    "It was Per Lund.",
    "Per Lund, who did not know Anna.",
    "The institute, known for its notes, was founded by Per Lund.",
    "He could not swim.",
    "No.",
]


def doc(question: str = "Who founded the Vell Institute?", answer: str = "Anna Berg") -> dict[str, str]:
    return {"id": "x", "question": question, "answer": answer, "topic": "Science", "answer_type": "Person"}


@pytest.mark.parametrize(("question", "reference", "answer"), SAID)
def test_said(question: str, reference: str, answer: str) -> None:
    graded = simpleqa.grade(THOUGHT + answer, doc(question, reference))
    assert graded == simpleqa.Grade(hit=True, declined=False, truncated=False, no_answer=False)


@pytest.mark.parametrize(("question", "reference", "answer"), NOT_SAID)
def test_not_said(question: str, reference: str, answer: str) -> None:
    assert not simpleqa.grade(THOUGHT + answer, doc(question, reference)).hit


@pytest.mark.parametrize("answer", DECLINED)
def test_declined(answer: str) -> None:
    expected = simpleqa.Grade(hit=False, declined=True, truncated=False, no_answer=False)
    assert simpleqa.grade(THOUGHT + answer, doc()) == expected


@pytest.mark.parametrize("answer", STATED)
def test_a_wrong_statement_is_not_declined(answer: str) -> None:
    assert not simpleqa.grade(answer, doc()).declined


def test_thoughts_do_not_count() -> None:
    cut = "<think>It was Anna Berg. I don't know."
    assert simpleqa.grade(cut, doc()) == simpleqa.Grade(hit=False, declined=False, truncated=True, no_answer=False)
    for silent in ("", "<think>Anna Berg</think>", "Anna Berg</think>\n\n<|im_end|>"):
        assert simpleqa.grade(silent, doc()) == simpleqa.Grade(
            hit=False, declined=False, truncated=False, no_answer=True
        )
    assert simpleqa.grade("<think>Per Lund</think> is wrong</think>Anna Berg<|im_end|>", doc()).hit


def test_what_a_judge_is_to_see() -> None:
    assert simpleqa.answer_of(f"{THOUGHT}Anna Berg<|im_end|>\n") == "Anna Berg"
    assert simpleqa.answer_of(THOUGHT) == ""
    assert simpleqa.answer_of("<think>Anna Berg") is None


def test_metrics_are_shares_of_all_answers_to_a_question() -> None:
    texts = [f"{THOUGHT}Anna Berg", f"{THOUGHT}Anna Berg", "I don't know.", "<think>Anna Berg", THOUGHT]
    expected = {
        "score": 0.4,
        "string_match": 0.4,
        "declined": 0.2,
        "truncated": 0.2,
        "no_answer": 0.2,
        "distinct": 0.8,
    }
    assert simpleqa.metrics(doc(), texts) == expected
    assert simpleqa.process_results(doc(), [texts]) == expected
    assert simpleqa.process_results(doc(), [texts[0]])["score"] == 1.0
    assert simpleqa.hits(doc(), texts) == [1.0, 1.0, 0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="without answers"):
        simpleqa.metrics(doc(), [])


@given(st.text(max_size=40), st.text(max_size=80), st.text(max_size=40))
def test_any_text_can_be_compared(reference: str, answer: str, question: str) -> None:
    said = simpleqa.says(answer, reference, question)
    assert not (said and not answer)


@given(st.from_regex(r"[A-Z][a-z]{4,9} [A-Z][a-z]{4,9}", fullmatch=True))
def test_a_name_says_itself(name: str) -> None:
    assert simpleqa.says(f"It was {name.upper()}!", name, "Who was it?")


@given(st.decimals(min_value=0, max_value=10**12, places=3), st.integers(0, 3))
def test_a_number_says_its_rounding(number: Decimal, places: int) -> None:
    rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    assert simpleqa.says(f"About {number:,} of them.", f"{rounded}", "How many?")
