"""Which samples may be trained on, and which of them are right."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.answers import split_thinking
from mot_plugin.teachers.traces import Prompt, Sample
from mot_plugin.teachers.verdicts import ACCEPTABLE, Judge, Rejected, normalise
from mot_plugin.teachers.verify import Verifier

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


PROOF = "Suppose that the sum of two odd numbers were odd, then one of them would be even, which it is not."


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Verifier() as verifier:
        yield Judge("answers", verifier)


def prompt_of(*answers: str, references: tuple[str, ...] = ("25",)) -> Prompt:
    samples = (Sample(f"<think>\nsome thought\n</think>\n\n{answer}", "stop") for answer in answers)
    return Prompt("p", "?", references, tuple(samples))


def test_verdicts(judge: Judge) -> None:
    prompt = prompt_of(r"\boxed{25}", r"\boxed{24}", "25", r"\boxed{x=025}")
    assert judge.verdicts(prompt) == ("correct", "wrong", "no_answer", "correct")
    early = Prompt(
        "p", "?", ("25",), (Sample("<think>\n\\boxed{25}\n</think>\n\nDone.", "stop"), Sample(NORMAL, "length"))
    )
    assert judge.verdicts(early) == ("no_answer", "truncated")
    assert judge.verdicts(prompt_of()) == ()


def test_any_of_the_references_will_do(judge: Judge) -> None:
    prompt = prompt_of(r"\boxed{\sqrt{8}}", r"\boxed{7}", r"\boxed{8}", references=("7", PROOF, r"2\sqrt{2}"))
    assert judge.verdicts(prompt) == ("correct", "correct", "wrong")


@pytest.mark.parametrize("references", [(), (PROOF,), ("",)])
def test_without_a_usable_reference_nothing_is_right_or_wrong(judge: Judge, references: tuple[str, ...]) -> None:
    samples = (Sample(NORMAL, "stop"), Sample(NORMAL, "length"), Sample("x", "stop"))
    assert judge.verdicts(Prompt("p", "?", references, samples)) == ("unverifiable", "truncated", "unfinished")
    assert not judge.checks(references)
    assert "unverifiable" not in ACCEPTABLE


@pytest.mark.parametrize("references", [(), (PROOF,), ("24",)])
def test_where_nothing_is_checked_what_is_well_formed_is_unverified(references: tuple[str, ...]) -> None:
    samples = (Sample(NORMAL, "stop"), Sample(NORMAL, "length"), Sample("x", "stop"))
    with Verifier() as verifier:
        believing = Judge("none", verifier)
        assert believing.verdicts(Prompt("p", "?", references, samples)) == ("unverified", "truncated", "unfinished")
        assert not believing.checks(references)
        assert not verifier.started
    assert "unverified" in ACCEPTABLE


def test_many_prompts_are_judged_as_each_alone(judge: Judge) -> None:
    roots = [prompt_of(rf"\boxed{{\sqrt{{{n * n * 3}}}}}", "?", references=(rf"{n}\sqrt{{3}}",)) for n in range(2, 9)]
    prompts = [*roots, prompt_of(r"\boxed{25}", "no", r"\boxed{1}"), prompt_of(r"\boxed{1}", references=(PROOF,))]
    many = judge.verdicts_of(prompts)
    assert many == [judge.verdicts(prompt) for prompt in prompts]
    assert many[-3:] == [("correct", "no_answer"), ("correct", "no_answer", "wrong"), ("unverifiable",)]


def test_one_sample_in_an_event_loop(judge: Judge) -> None:
    prompt = prompt_of(r"\boxed{\sqrt{8}}", r"\boxed{7}", "?", references=(r"2\sqrt{2}",))

    async def ask() -> list[str]:
        return await asyncio.gather(*(judge.verdict_async(sample, prompt.references) for sample in prompt.samples))

    assert asyncio.run(ask()) == ["correct", "wrong", "no_answer"]
    assert [judge.verdict(sample, prompt.references) for sample in prompt.samples] == ["correct", "wrong", "no_answer"]


@pytest.mark.process
def test_what_takes_too_long_is_called_so() -> None:
    prompt = prompt_of(r"\boxed{9^{9^{9^9}}}", r"\boxed{25}")
    with Verifier(seconds=1) as verifier:
        judge = Judge("answers", verifier)
        assert judge.verdicts(prompt) == ("verifier_timeout", "correct")
        assert asyncio.run(judge.verdict_async(prompt.samples[0], ("26",))) == "verifier_timeout"
    assert "verifier_timeout" not in ACCEPTABLE
