"""IFEval on answers of thinking models, with lm-eval's own checks. All prompts here are invented."""

import random
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.errors import MissingInput
from mot_plugin.evals import ifeval

pytest.importorskip("lm_eval")
try:
    CHECKS = ifeval.lm_evals_checks()
except MissingInput as missing:
    pytest.skip(str(missing), allow_module_level=True)

Instruction = tuple[str, dict[str, Any]]
Case = tuple[Instruction, str, bool, bool]

THOUGHT = (
    "<think>\nOkay, the user wants no commas, so: I write, then I check, and so on.\n\nMAYBE IN CAPITALS?\n</think>\n\n"
)
OTHERS = {
    "let_relation": None,
    "num_words": None,
    "keywords": None,
}  # a data set's row has every name, most without value


def doc(*instructions: Instruction, prompt: str = "Write about a lighthouse.") -> dict[str, Any]:
    return {
        "id": "7",
        "key": 7,
        "prompt": prompt,
        "instruction_id_list": [name for name, _ in instructions],
        "kwargs": [OTHERS | kwargs for _, kwargs in instructions],
    }


COMMA = ("punctuation:no_comma", {})
LOWER = ("change_case:english_lowercase", {})
CAPITAL = ("change_case:english_capital", {})
QUOTED = ("startend:quotation", {})
JSON = ("detectable_format:json_format", {})
TITLE = ("detectable_format:title", {})
ENDING = ("startend:end_checker", {"end_phrase": "Any other questions?"})
WORDS = ("length_constraints:number_words", {"num_words": 12, "relation": "less than"})
SENTENCES = ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"})
SHOUTS = ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"})
BULLETS = ("detectable_format:number_bullet_lists", {"num_bullets": 2})
HIGHLIGHTS = ("detectable_format:number_highlighted_sections", {"num_highlights": 1})
WANTED = ("keywords:existence", {"keywords": ["lantern", "fog"]})
UNWANTED = ("keywords:forbidden_words", {"forbidden_words": ["sea"]})
GERMAN = ("language:response_language", {"language": "de"})
REPEAT = ("combination:repeat_prompt", {"prompt_to_repeat": "Write about a lighthouse."})
PARAGRAPHS = ("length_constraints:number_paragraphs", {"num_paragraphs": 2})
SHARP = ("keywords:letter_frequency", {"letter": "#", "let_frequency": 4, "let_relation": "at least"})

# What follows the thought, and whether the instruction is followed by the strict and by the loose check.
ANSWERS: list[Case] = [
    (COMMA, "The lamp turns and the fog listens.", True, True),
    (COMMA, "The lamp turns, the fog listens.", False, False),
    (COMMA, "Sure, here it is:\nThe lamp turns and the fog listens.", False, True),  # loose drops the first line
    (COMMA, "The lamp turns.\nLet me know, if you want more!", False, True),  # or the last
    (LOWER, "the keeper climbs the stairs every evening and lights the lamp.", True, True),
    (LOWER, "The keeper climbs the stairs every evening and lights the lamp.", False, False),
    (CAPITAL, "THE KEEPER CLIMBS THE STAIRS EVERY EVENING AND LIGHTS THE LAMP.", True, True),
    (QUOTED, '"The lamp turns."', True, True),
    (QUOTED, '**"The lamp turns."**', False, True),  # loose drops asterisks
    (QUOTED, '"The lamp turns.', False, False),
    (JSON, '{"place": "lighthouse", "height": 31}', True, True),
    (JSON, '```json\n{"place": "lighthouse"}\n```', True, True),
    (JSON, 'Here is the JSON:\n```json\n{"place": "lighthouse"}\n```', False, True),
    (TITLE, "<<The Long Watch>>\n\nThe lamp turns.", True, True),
    (TITLE, "# The Long Watch\n\nThe lamp turns.", False, False),
    (ENDING, "The lamp turns.\n\nAny other questions?", True, True),
    (ENDING, "The lamp turns.\n\n**Any other questions?**", False, True),
    (ENDING, "The lamp turns.\n\nAny other questions?\n\n---\nHope that helps!", False, False),
    (WORDS, "The lamp turns and the fog listens.", True, True),
    (WORDS, "word " * 12, False, False),
    (SENTENCES, "Dr. Vane lit the lamp. It turned at 4.30 p.m. every day. Nobody came.", True, True),
    (SENTENCES, "Dr. Vane lit the lamp. It turned.", False, False),
    (SHOUTS, "The lamp said STOP and the ship said NO.", True, True),
    (SHOUTS, "The lamp said STOP.", False, False),
    (BULLETS, "* The lamp turns.\n* The fog listens.", True, True),
    (BULLETS, "1. The lamp turns.\n2. The fog listens.", False, False),
    (HIGHLIGHTS, "The *lamp turns* at night.", True, True),
    (WANTED, "A lantern in the Fog.", True, True),
    (WANTED, "A lamp in the fog.", False, False),
    (UNWANTED, "A lantern in the fog.", True, True),
    (UNWANTED, "A lantern by the sea.", False, False),
    (GERMAN, "Der Leuchtturm steht seit hundert Jahren auf dem Felsen und leuchtet jede Nacht.", True, True),
    (GERMAN, "The lighthouse has stood on the rock for a hundred years and shines every night.", False, False),
    (REPEAT, "Write about a lighthouse.\n\nThe lamp turns.", True, True),
    (PARAGRAPHS, "The lamp turns.\n***\nThe fog listens.", True, True),
    (PARAGRAPHS, "The lamp turns.\n\nThe fog listens.", False, False),
]


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("thought", [THOUGHT, "", "<think>\n\n</think>\n\n", "only the end tag, as in R1</think>\n"])
def test_instructions(case: Case, thought: str) -> None:
    instruction, answer, strict, loose = case
    expected = ifeval.Grade((strict,), (loose,), truncated=False, no_answer=False)
    assert ifeval.grade(thought + answer, doc(instruction)) == expected


@pytest.mark.parametrize("case", ANSWERS)
def test_without_a_thought_it_is_what_lm_eval_says(case: Case) -> None:
    instruction, answer, strict, loose = case
    said = CHECKS.process_results(doc(instruction), [answer])
    assert (said["inst_level_strict_acc"], said["inst_level_loose_acc"]) == ([strict], [loose])
    assert (said["prompt_level_strict_acc"], said["prompt_level_loose_acc"]) == (strict, loose)


def test_lm_evals_own_task_would_score_the_thought() -> None:
    asked = doc(COMMA, LOWER)
    text = THOUGHT + "the keeper climbs the stairs every evening and lights the lamp."
    assert ifeval.grade(text, asked).hit
    assert CHECKS.process_results(asked, [text])["inst_level_strict_acc"] == [False, False]


def test_white_space_after_the_thought_is_no_line_of_the_answer() -> None:
    text = "</think>\n\n\nSure, here it is:\nThe lamp turns."
    assert ifeval.grade(text, doc(COMMA)).loose == (True,)
    assert CHECKS.process_results(doc(COMMA), [text.removeprefix("</think>")])["inst_level_loose_acc"] == [False]


@pytest.mark.parametrize("end", ["<|im_end|>", "\n<|im_end|>\n<|endoftext|>", "</s>", " <|eot_id|> "])
def test_end_tokens_are_not_the_answers_end(end: str) -> None:
    assert ifeval.grade(f"{THOUGHT}The lamp turns. Any other questions?{end}", doc(ENDING)).hit
    assert ifeval.grade(f'{THOUGHT}"The lamp turns."{end}', doc(QUOTED)).hit


@pytest.mark.parametrize(
    "text", ["<think>the lamp turns and the fog listens.", "<think>\n", "Well <think>the lamp turns."]
)
def test_a_thought_that_was_cut_off_follows_nothing(text: str) -> None:
    expected = ifeval.Grade((False, False), (False, False), truncated=True, no_answer=False)
    assert ifeval.grade(text, doc(COMMA, UNWANTED)) == expected


@pytest.mark.parametrize("text", ["", "\n \n", f"{THOUGHT}", f"{THOUGHT} \n<|im_end|>", "<think></think>"])
def test_no_answer_follows_nothing(text: str) -> None:
    """Though nothing has no commas."""
    assert ifeval.grade(text, doc(COMMA)) == ifeval.Grade((False,), (False,), truncated=False, no_answer=True)


def test_the_last_end_of_a_thought_counts() -> None:
    text = "<think>The tag is </think>, I think, so, </think>The lamp turns."
    assert ifeval.grade(text, doc(COMMA)).hit


def test_a_hit_follows_all() -> None:
    some = ifeval.grade("The lamp turns.", doc(COMMA, JSON, UNWANTED))
    assert (some.strict, some.hit) == ((True, False, True), False)


def test_metrics_of_a_prompt() -> None:
    asked = doc(COMMA, WANTED)
    texts = [
        f"{THOUGHT}A lantern in the fog.",  # both
        f"{THOUGHT}A lantern, in the fog.",  # one
        f"{THOUGHT}Well, so:\nA lantern in the fog.",  # one, loosely both
        f"{THOUGHT}",
        "<think>A lantern in the fog.",
    ]
    expected = {
        "score": 0.2,
        "prompt_loose": 0.4,
        "followed_strict": 0.8,
        "followed_loose": 1.0,
        "instructions": 2.0,
        "truncated": 0.2,
        "no_answer": 0.2,
        "distinct": 1.0,
    }
    assert ifeval.metrics(asked, texts) == expected
    assert next(iter(ifeval.metrics(asked, texts))) == "score"
    assert all(type(value) is float for value in ifeval.metrics(asked, texts).values())
    pairs = {"instruction_strict": (4, 10), "instruction_loose": (5, 10)}
    assert ifeval.process_results(asked, [texts]) == expected | pairs
    assert ifeval.process_results(asked, [texts[0]])["score"] == 1.0
    assert ifeval.hits(asked, texts) == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_no_texts_are_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="without answers"):
        ifeval.metrics(doc(COMMA), [])


def test_instructions_are_pooled_and_not_averaged_over_prompts() -> None:
    assert ifeval.pooled([(1, 1), (0, 3)]) == 0.25
    assert ifeval.pooled([[3, 4], [1, 4]]) == CHECKS.agg_inst_level_acc([[1, 1, 1, 0], [1, 0, 0, 0]])


def test_what_lm_eval_draws_by_chance_is_the_same_every_time() -> None:
    """The benchmark has a letter that is none, for which lm-eval takes any; and langdetect samples."""
    text = "#one #two #three #four of abcdefgabcdefgabcdefg"
    grades = set()
    for seed in range(30):
        random.seed(seed)
        grades.add(ifeval.grade(text, doc(SHARP, GERMAN, SHARP)))
    assert len(grades) == 1
    random.seed(5)
    expected = random.random()
    random.seed(5)
    ifeval.grade(text, doc(SHARP))
    assert random.random() == expected


def test_languages_of_short_texts_are_detected_alike() -> None:
    short = "Tak, en dag. No, si, va."
    assert len({ifeval.grade(short, doc(GERMAN)) for _ in range(20)}) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='aA ,.\n*<>"{}#é中', max_size=60))
def test_what_is_followed_strictly_is_followed_loosely(text: str) -> None:
    every = (COMMA, QUOTED, JSON, ENDING, WORDS, SENTENCES, SHOUTS, BULLETS, PARAGRAPHS, SHARP)
    graded = ifeval.grade(text, doc(*every))
    assert all(loose or not strict for strict, loose in zip(graded.strict, graded.loose, strict=True))


def test_instructions_that_lm_eval_does_not_know() -> None:
    ifeval.check_kwargs(doc(COMMA, SENTENCES, SHARP, REPEAT))
    with pytest.raises(KeyError, match="no_semicolon"):
        ifeval.check_kwargs(doc(("punctuation:no_semicolon", {})))
    with pytest.raises(TypeError, match="number"):
        ifeval.check_kwargs(doc(("length_constraints:number_words", {"number": 4})))
    with pytest.raises(ValueError, match="nearly"):
        ifeval.check_kwargs(doc(("length_constraints:number_words", {"num_words": 4, "relation": "nearly"})))


def test_missing_packages_are_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langdetect", None)
    with pytest.raises(
        MissingInput, match=r"with langdetect, which is not installed(.|\n)*pip install 'lm-eval\[ifeval\]'"
    ):
        ifeval.lm_evals_checks.__wrapped__()


def test_missing_data_are_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(MissingInput, match=r"punkt_tab(.|\n)*nltk.downloader(.|\n)*llama-index-core(.|\n)*NLTK_DATA"):
        ifeval.lm_evals_checks.__wrapped__()
