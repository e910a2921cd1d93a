"""What the server that fails as planned says, and in which forms."""

from typing import Any

import pytest
from fault_model import STYLES, Completion, Knobs, complete
from fault_plan import as_plan
from fault_replies import message

SUM = "What is 17 + 25? Put your final answer within \\boxed{}."
SURE: dict[str, Any] = {"right": 1.0, "unboxed": 0.0, "cut": 0.0}

WHOLE = Completion("a thought", "42", closed=True, finish="stop", tokens=4)
PART = Completion("a tho", "", closed=False, finish="length", tokens=2)
MESSAGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "content": ({"content": "<think>\na thought\n</think>\n\n42"}, {"content": "<think>\na tho"}),
    "no_open": ({"content": "a thought\n</think>\n\n42"}, {"content": "a tho"}),
    "doubled_open": (
        {"content": "<think>\n<think>\na thought\n</think>\n\n42"},
        {"content": "<think>\n<think>\na tho"},
    ),
    "reasoning": ({"content": "42", "reasoning": "a thought"}, {"content": None, "reasoning": "a tho"}),
    "reasoning_content": (
        {"content": "42", "reasoning_content": "a thought"},
        {"content": "", "reasoning_content": "a tho"},
    ),
    "doubled": (
        {"content": "<think>\na thought\n</think>\n\n42", "reasoning_content": "a thought"},
        {"content": "<think>\na tho", "reasoning_content": "a tho"},
    ),
    "none": ({"content": "42"}, {"content": ""}),
}


@pytest.mark.parametrize("style", MESSAGES)
def test_every_style_of_thinking_whole_and_cut_off(style: str) -> None:
    whole, part = MESSAGES[style]
    assert message(WHOLE, style) == {"role": "assistant", **whole}
    assert message(PART, style) == {"role": "assistant", **part}


def test_a_summary_is_not_the_thought() -> None:
    said = message(WHOLE, "summary")
    assert said["content"] == "42"
    assert [detail["type"] for detail in said["reasoning_details"]] == ["reasoning.summary"]
    assert "a thought" not in str(said)
    assert set(STYLES) == {*MESSAGES, "summary"}


def test_the_model_is_right_unboxed_and_cut_as_often_as_it_should_be() -> None:
    asked: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": SUM}], "seed": seed} for seed in range(400)
    ]
    said = [complete(body, Knobs(right=0.3, unboxed=0.2, cut=0.1)) for body in asked]
    whole = [one for one in said if one.finish == "stop"]
    assert 0.06 < 1 - len(whole) / 400 < 0.14
    assert 0.24 < sum("that makes 42." in one.thought for one in whole) / len(whole) < 0.36
    assert 0.14 < sum("boxed" not in one.answer for one in whole) / len(whole) < 0.26
    assert len({one.thought for one in said}) == 400
    assert len({complete(body | {"temperature": 0}, Knobs()) for body in asked}) == 1


def test_a_token_limit_cuts_the_same_completion() -> None:
    body = {"messages": [{"role": "user", "content": SUM}], "seed": 1}
    whole = complete(body, Knobs(**SURE))
    for limit in range(1, whole.tokens):
        cut = complete(body | {"max_tokens": limit}, Knobs(**SURE))
        assert (cut.finish, cut.tokens) == ("length", limit)
        assert whole.thought.startswith(cut.thought)
        assert whole.answer.startswith(cut.answer)
        assert whole.answer != cut.answer
    assert complete(body | {"max_tokens": whole.tokens}, Knobs(**SURE)) == whole


def test_knobs_name_the_right_answers_and_rules_are_checked() -> None:
    body = {"messages": [{"role": "user", "content": "Simplify 2/4 please"}]}
    assert complete(body, Knobs(**SURE, answers={"2/4": "1/2"})).answer == "The answer is \\boxed{1/2}."
    with pytest.raises(ValueError, match="no-such"):
        as_plan([{"fault": "no-such"}], {})
    with pytest.raises(ValueError, match="backwards"):
        as_plan([], {"style": "backwards"})
    with pytest.raises(TypeError, match="sed"):
        as_plan([{"fault": "500", "match": {"sed": 1}}], {})
