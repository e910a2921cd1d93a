"""Every way in which servers and published traces write a thought, and the one form that comes of it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.answers import split_thinking
from mot_plugin.teachers.messages import Unusable, in_our_marks, joined, repaired, text_of
from mot_plugin.teachers.traces import Sample
from mot_plugin.teachers.verdicts import Rejected, normalise

WHOLE = "<think>\nI add.\n</think>\n\nIt is \\boxed{48}."
BARE = "It is \\boxed{48}."

# What the server sent, the text made of it, and what the normaliser says of a sample that stopped: None for our form.
GOLDEN: dict[str, tuple[dict[str, Any], str, str | None]] = {
    # nothing split: the raw text is in the content
    "Qwen3, complete": ({"content": WHOLE}, WHOLE, None),
    "R1 and QwQ: the prompt had the opening tag": (
        {"content": f"I add.\n</think>\n\n{BARE}"},
        f"<think>\nI add.\n</think>\n\n{BARE}",
        None,
    ),
    "the opening tag in the prompt and in the answer": (
        {"content": f"<think>\n<think>\nI add.\n</think>\n\n{BARE}"},
        WHOLE,
        None,
    ),
    "the closing tag twice": ({"content": f"<think>\nI add.\n</think>\n</think>\n\n{BARE}"}, WHOLE, None),
    "cut inside the thought, raw": ({"content": "<think>\nI add"}, "<think>\nI add", "unfinished"),
    "thinking switched off, raw": ({"content": BARE}, BARE, "unfinished"),
    "thinking switched off, with Qwen3's empty block": (
        {"content": f"<think>\n\n</think>\n\n{BARE}"},
        f"<think>\n\n</think>\n\n{BARE}",
        "empty_reasoning",
    ),
    "several thoughts, raw": (
        {"content": "<think>\na\n</think>\n\nb\n<think>\nc\n</think>\n\nd"},
        "<think>\na\n</think>\n\nb\n<think>\nc\n</think>\n\nd",
        "nested_tags",
    ),
    "several thoughts without the first tag": (
        {"content": "a\n</think>\n\nb\n<think>\nc\n</think>\n\nd"},
        "<think>\na\n</think>\n\nb\n<think>\nc\n</think>\n\nd",
        "nested_tags",
    ),
    # split by the server, under all names
    "vLLM 0.32": ({"content": f"\n\n{BARE}", "reasoning": "\nI add.\n"}, WHOLE, None),
    "vLLM 0.10, SGLang": ({"content": BARE, "reasoning_content": "\nI add.\n"}, WHOLE, None),
    "llama.cpp: both stripped": ({"content": BARE, "reasoning_content": "I add."}, WHOLE, None),
    "both names at once": ({"content": BARE, "reasoning_content": "I add.", "reasoning": "I add."}, WHOLE, None),
    "the old name left empty": ({"content": BARE, "reasoning_content": "", "reasoning": "I add."}, WHOLE, None),
    "OpenRouter": (
        {
            "content": BARE,
            "reasoning": "I add.",
            "reasoning_details": [{"type": "reasoning.text", "text": "I add.", "signature": None}],
        },
        WHOLE,
        None,
    ),
    "OpenRouter, details only": (
        {
            "content": BARE,
            "reasoning": None,
            "reasoning_details": [
                {"type": "reasoning.text", "text": "I add."},
                {"type": "reasoning.encrypted", "data": "AAAA"},
            ],
        },
        WHOLE,
        None,
    ),
    "a summary beside the thought": (
        {
            "content": BARE,
            "reasoning": "He adds.\nI add.",
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "He adds."},
                {"type": "reasoning.text", "text": "I add."},
            ],
        },
        WHOLE,
        None,
    ),
    "Ollama": ({"content": BARE, "thinking": "I add."}, WHOLE, None),
    "content in parts": (
        {
            "content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "\\boxed{48}."}],
            "reasoning": "I add.",
        },
        WHOLE,
        None,
    ),
    "a part is the thought": (
        {"content": [{"type": "thinking", "thinking": "I add."}, {"type": "text", "text": BARE}]},
        WHOLE,
        None,
    ),
    "a part is the thought, in parts": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "I add."}]},
                {"type": "text", "text": BARE},
            ]
        },
        WHOLE,
        None,
    ),
    "cut inside the thought, split": ({"content": None, "reasoning": "\nI add"}, "<think>\nI add", "unfinished"),
    "thinking switched off, the parser takes the answer for a thought": (
        {"content": None, "reasoning": BARE},
        f"<think>\n{BARE}",
        "unfinished",
    ),
    "the parser leaves all in the thought": (
        {"content": None, "reasoning": f"I add.\n</think>\n\n{BARE}"},
        WHOLE,
        None,
    ),
    "the thought ended and nothing came": (
        {"content": "", "reasoning": "I add.\n</think>"},
        "<think>\nI add.\n</think>",
        "empty_answer",
    ),
    "the whole block again in the content": ({"content": WHOLE, "reasoning": "I add."}, WHOLE, None),
    "the block without its opening tag again in the content": (
        {"content": f"I add.\n</think>\n\n{BARE}", "reasoning": "\nI add.\n"},
        WHOLE,
        None,
    ),
    "the cut thought again in the content": (
        {"content": "<think>\nI add", "reasoning": "I add"},
        "<think>\nI add",
        "unfinished",
    ),
    "the closing tag left in the content": ({"content": f"</think>\n\n{BARE}", "reasoning": "I add."}, WHOLE, None),
    "an empty block left in the content": (
        {"content": f"<think>\n\n</think>\n\n{BARE}", "reasoning": "I add."},
        WHOLE,
        None,
    ),
    "tags left around the thought": (
        {"content": BARE, "reasoning": "<think>\n<think>\nI add.\n</think>\n</think>\n"},
        WHOLE,
        None,
    ),
    "another thought in the content": (
        {"content": f"<think>\nAgain.\n</think>\n\n{BARE}", "reasoning": "I add."},
        f"<think>\nI add.\n</think>\n\n<think>\nAgain.\n</think>\n\n{BARE}",
        "nested_tags",
    ),
    "nothing at all": ({"content": None}, "", "unfinished"),
    "a call of a tool": ({"content": None, "tool_calls": [{"id": "1"}]}, "", "unfinished"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_all_messages_become_one_text(name: str) -> None:
    message, text, reason = GOLDEN[name]
    assert text_of({"role": "assistant", **message}) == text
    said = normalise(Sample(text, "stop"))
    assert said == (WHOLE if reason is None else Rejected(reason))
    if reason in ("unfinished", "empty_answer"):
        assert normalise(Sample(text, "length")) == Rejected("truncated")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"content": None, "refusal": "I cannot help."}, "refusal"),
        ({"content": [{"type": "refusal", "refusal": "I cannot help."}]}, "refusal"),
        ({"content": BARE, "reasoning_details": [{"type": "reasoning.summary", "summary": "He adds."}]}, "summary"),
        ({"content": BARE, "reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]}, "summary"),
        (
            {
                "content": BARE,
                "reasoning": "He adds.",
                "reasoning_details": [
                    {"type": "reasoning.summary", "summary": "He adds."},
                    {"type": "reasoning.encrypted", "data": "AAAA"},
                ],
            },
            "summary",
        ),
        ({"content": BARE, "reasoning_content": "He adds.", "encrypted_content": "AAAA"}, "summary"),
        ({"content": [{"type": "redacted_thinking", "data": "AAAA"}, {"type": "text", "text": BARE}]}, "summary"),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "not_text"),
        ({"content": 48}, "not_text"),
    ],
)
def test_what_holds_no_trace_is_named(message: dict[str, Any], reason: str) -> None:
    assert text_of(message) == Unusable(reason)


def test_a_signature_does_not_make_a_thought_a_summary() -> None:
    details = [{"type": "reasoning.encrypted", "data": "AAAA"}]
    assert text_of({"content": BARE, "reasoning": "I add.", "reasoning_details": details}) == WHOLE


def test_odd_fields_are_passed_over() -> None:
    odd = {"reasoning": {"effort": "high"}, "reasoning_details": "none", "refusal": None, "thinking": 3}
    assert text_of({"content": WHOLE, **odd}) == WHOLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<|begin_of_thought|>\n\nI add.\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n"
            + BARE
            + "\n\n<|end_of_solution|>",
            f"<think>\nI add.\n</think>\n\n{BARE}\n\n",
        ),
        (
            f"I add.<|end_of_thought|><|begin_of_solution|>{BARE}<|end_of_solution|>\n",
            WHOLE,
        ),
        (f"<think>I add.</think> <answer>{BARE}</answer>", f"<think>I add.</think>\n\n{BARE}"),
        (f"<think>\nI add.\n</think>\n<answer>\n{BARE}\n</answer>\n", f"<think>\nI add.\n</think>\n\n{BARE}\n\n"),
        (f"I add.\n</think>\n\n{BARE}", WHOLE),
        (WHOLE, WHOLE),
    ],
)
def test_published_marks_become_ours(text: str, expected: str) -> None:
    assert in_our_marks(text) == expected
    assert normalise(Sample(expected, "stop")) == WHOLE


@pytest.mark.parametrize(
    "text",
    [
        "<|begin_of_thought|>\nI add.\n<|end_of_thought|>\n<|begin_of_solution|>\nIt is \\boxed{48}",
        "<think>\nI add.\n</think>\n<answer>\nIt is \\boxed{48}",
    ],
)
def test_an_answer_whose_mark_is_not_closed_was_cut(text: str) -> None:
    assert in_our_marks(text) == Unusable("truncated")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<|begin_of_thought|>\nI add", "unfinished"),
        ("<|begin_of_thought|>a<|end_of_thought|>\n\nb", "unfinished"),
        (
            "<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b<|end_of_solution|><|im_end|>",
            "special_token",
        ),
        (
            "<|begin_of_thought|>a<|begin_of_thought|>b<|end_of_thought|><|begin_of_solution|>c<|end_of_solution|>",
            "special_token",
        ),
        ("<think>a</think><answer><think>b</answer>", "nested_tags"),
    ],
)
def test_what_is_not_in_order_is_left_to_the_normaliser(text: str, reason: str) -> None:
    ours = in_our_marks(text)
    assert isinstance(ours, str)
    assert normalise(Sample(ours, "stop")) == Rejected(reason)


def test_endless_blanks_do_not_take_long() -> None:
    blanks = "\n" * 100_000
    began = time.perf_counter()
    for text in (
        blanks,
        f"a{blanks}b",
        f"<think>{blanks}",
        f"</think>{blanks}<answer>{blanks}",
        f"<|begin_of_thought|>{blanks}",
    ):
        in_our_marks(text)
        joined(text, text)
    assert time.perf_counter() - began < 2  # a search that looks again from every blank takes minutes


def test_an_answer_about_tags_keeps_them() -> None:
    text = "<think>\na\n</think>\n\nWrite <answer>x</answer> there."
    assert in_our_marks(text) == text


PIECES = st.lists(st.sampled_from(["<think>", "</think>", "\n", " ", "a", "b"]), max_size=12).map("".join)


@given(PIECES)
def test_repairing_twice_is_repairing_once(text: str) -> None:
    once = repaired(text)
    assert repaired(once) == once
    assert [letter for letter in once if letter in "ab"] == [letter for letter in text if letter in "ab"]


@given(PIECES, PIECES)
def test_joining_never_makes_up_a_thought(reasoning: str, content: str) -> None:
    text = joined(reasoning, content)
    target = normalise(Sample(text, "stop"))
    if isinstance(target, str):
        parts = split_thinking(target)
        assert "</think>" in reasoning + content or (reasoning.strip() and content.strip())
        assert set(parts.reasoning or "") & set("ab")
        assert set(parts.answer) & set("ab")


@given(st.text(alphabet="ab \n", min_size=1), st.text(alphabet="ab \n", min_size=1))
def test_split_or_raw_a_trace_is_the_same(reasoning: str, answer: str) -> None:
    raw = normalise(Sample(f"<think>\n{reasoning}\n</think>\n\n{answer}", "stop"))
    if isinstance(raw, str):
        assert normalise(Sample(joined(reasoning, answer), "stop")) == raw
