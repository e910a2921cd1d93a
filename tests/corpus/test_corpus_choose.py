"""Which samples may be trained on, and which of them is drawn."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.answers import split_thinking
from mot_plugin.corpus.choose import ACCEPTABLE, Rejected, choose, judge, normalise, preferences
from mot_plugin.corpus.traces import Prompt, Sample

NORMAL = "<think>\nfive\n\n fives\n</think>\n\nIt is \\boxed{25}."


@pytest.mark.parametrize(
    "text",
    [
        NORMAL,
        "five\n\n fives\n</think>\n\nIt is \\boxed{25}.",
        " \n<think>five\n\n fives</think>It is \\boxed{25}.\n\n",
        "<think>\n\n\nfive\n\n fives\n\n</think>\n\n\n\nIt is \\boxed{25}. ",
    ],
)
def test_all_ways_to_write_a_thought_become_one(text: str) -> None:
    assert normalise(Sample(text, "stop")) == NORMAL
    assert normalise(Sample(text, None)) == NORMAL


def test_the_inside_of_a_sample_is_left_alone() -> None:
    text = "  indented\t\n\n\ne\u0301 \u2028\r\nend  \n</think>\n\n  1\n\n\n2"
    assert (
        normalise(Sample(text, "stop")) == "<think>\n  indented\t\n\n\ne\u0301 \u2028\r\nend  \n</think>\n\n  1\n\n\n2"
    )


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        (NORMAL, "length", "truncated"),
        (NORMAL, "content_filter", "not_stopped"),
        (NORMAL, "abort", "not_stopped"),
        ("<think>\nfive \\boxed{25} but", "stop", "unfinished"),
        ("<think>\nfive", None, "unfinished"),
        ("It is \\boxed{25}.", "stop", "unfinished"),
        ("", "stop", "unfinished"),
        ("<think>\n \n</think>\n\n25", "stop", "empty_reasoning"),
        ("</think>\n\n25", "stop", "empty_reasoning"),
        ("<think>\nfive\n</think>\n\n", "stop", "empty_answer"),
        ("<think>\na\n<think>\nb\n</think>\n\n25", "stop", "nested_tags"),
        ("<think>\na\n</think>\n\nb\n</think>\n\n25", "stop", "nested_tags"),
        ("<think>\na\n</think>\n\n25 <think>", "stop", "nested_tags"),
        ("I see. <think>\na\n</think>\n\n25", "stop", "nested_tags"),
        (NORMAL + "<|im_end|>", "stop", "special_token"),
        (NORMAL.replace("fives", "fives<|endoftext|>"), "stop", "special_token"),
        (NORMAL.replace("fives", "<tool_call>"), "stop", "special_token"),
        (NORMAL.replace("fives", "<|begin_of_thought|>"), "stop", "special_token"),
        (NORMAL + "<\uff5cend\u2581of\u2581sentence\uff5c>", "stop", "special_token"),
    ],
)
def test_what_cannot_be_trained_on_is_rejected(text: str, finish_reason: str | None, reason: str) -> None:
    assert normalise(Sample(text, finish_reason)) == Rejected(reason)


def test_bars_of_formulas_are_no_chat_tokens() -> None:
    text = NORMAL.replace("fives", "if 0<|x|>y then <|a b|>")
    assert normalise(Sample(text, "stop")) == text


@given(st.text(alphabet="ab \n", min_size=1), st.text(alphabet="cd \n", min_size=1))
def test_normal_forms_stay_as_they_are(reasoning: str, answer: str) -> None:
    target = normalise(Sample(f"<think>{reasoning}</think>{answer}", "stop"))
    if isinstance(target, str):
        assert normalise(Sample(target, "stop")) == target
        thought = split_thinking(target)
        assert thought.closed
        assert (thought.reasoning or "").split() == reasoning.split()
        assert thought.answer.split() == answer.split()


def prompt_of(*answers: str, reference: str | None = "25", name: str = "p") -> Prompt:
    samples = (Sample(f"<think>\nsome thought\n</think>\n\n{answer}", "stop") for answer in answers)
    return Prompt(name, "?", reference, tuple(samples))


def test_verdicts() -> None:
    prompt = prompt_of(r"\boxed{25}", r"\boxed{24}", "25", r"\boxed{x=025}")
    assert judge(prompt) == ("correct", "wrong", "no_answer", "correct")
    early = Prompt(
        "p", "?", "25", (Sample("<think>\n\\boxed{25}\n</think>\n\nDone.", "stop"), Sample(NORMAL, "length"))
    )
    assert judge(early) == ("no_answer", "truncated")


def test_without_a_reference_what_is_well_formed_is_unverified() -> None:
    prompt = Prompt("p", "?", None, (Sample(NORMAL, "stop"), Sample(NORMAL, "length"), Sample("x", "stop")))
    assert judge(prompt) == ("unverified", "truncated", "unfinished")
    assert choose(prompt, judge(prompt), 0, "qwq") == 0


VERDICTS = st.lists(st.sampled_from(["correct", "unverified", "wrong", "truncated", "no_answer"]), max_size=16)


@given(VERDICTS, st.integers(), st.text(alphabet="qwr1-", min_size=1), st.text(min_size=1))
def test_preferences_are_all_that_is_acceptable_and_nothing_else(
    verdicts: list[str], seed: int, teacher: str, name: str
) -> None:
    prompt = prompt_of(*(r"\boxed{25}" for _ in verdicts), name=name)
    order = preferences(prompt, verdicts, seed, teacher)
    assert sorted(order) == [index for index, verdict in enumerate(verdicts) if verdict in ACCEPTABLE]
    assert order == preferences(prompt, verdicts, seed, teacher)
    assert choose(prompt, verdicts, seed, teacher) == (order[0] if order else None)


def test_every_acceptable_sample_is_as_likely() -> None:
    verdicts = ("wrong", "correct", "correct", "truncated", "correct", "correct")
    drawn = Counter(choose(prompt_of(name=f"{n}"), verdicts, 0, "qwq") for n in range(4000))
    assert set(drawn) == {1, 2, 4, 5}
    assert all(900 < count < 1100 for count in drawn.values())


def test_seed_teacher_and_prompt_each_change_the_draw() -> None:
    verdicts = ("correct",) * 16
    prompts = [prompt_of(name=f"{n}") for n in range(50)]
    first = [choose(prompt, verdicts, 0, "qwq") for prompt in prompts]
    assert len(set(first)) > 8
    assert first != [choose(prompt, verdicts, 1, "qwq") for prompt in prompts]
    assert first != [choose(prompt, verdicts, 0, "r1") for prompt in prompts]


def test_draws_are_the_same_everywhere() -> None:
    """Golden: a corpus built elsewhere, or by another Python, has the same rows."""
    assert preferences(prompt_of(name="train-001"), ("correct",) * 8, 0, "qwq")[:6] == (2, 3, 5, 7, 0, 6)
