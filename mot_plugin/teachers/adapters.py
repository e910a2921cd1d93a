"""Rows of traces taken apart, whoever published them: a problem, and what a teacher said to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mot_plugin.teachers.messages import Unusable, in_our_marks, joined, text_of
from mot_plugin.teachers.traces import Sample
from mot_plugin.teachers.view import View, WrongRow

Read = tuple[str, tuple[Sample, ...]]

# As servers and vendors call the two ends; any other word is kept, and its sample counts as not stopped.
_ENDS = {
    "stop": ("stop", "eos", "eos_token", "end_turn", "stop_sequence"),
    "length": ("length", "max_tokens", "max_length", "model_length"),
}
_END_OF = {word: end for end, words in _ENDS.items() for word in words}
_ROLE = {"human": "user", "gpt": "assistant", "model": "assistant", "developer": "system"}

# The student never sees a system turn, so it may only say what goes without saying, how to lay out a thought (which becomes
# ours) or to box the answer (which a recipe's prompt asks for itself).
_LAYOUT = re.compile(r"<think>|<\|begin_of_thought\|>|<answer>")
_GOES_WITHOUT = re.compile(
    r"(?:you are qwen, created by alibaba cloud\. )?you are an? (?:helpful |ai |harmless |and ){0,4}assistant\.?"
    r"|(?:please )?reason step by step,? and put your final answer (?:with)?in \\boxed\{\}\.?"
)


def separate(view: View) -> Read:
    """`problem`, and either `text` or `reasoning` and `answer`; lists of them are several samples. Raises WrongRow."""
    problem = view.needed("problem")
    if view.names.get("text"):
        return problem, _samples(view, view.texts("text"))
    thoughts, answers = view.texts("reasoning"), view.texts("answer")
    _same_length(view, "reasoning", thoughts, answers)
    return problem, _samples(view, [joined(*pair) for pair in zip(thoughts, answers, strict=True)])


def chat(view: View) -> Read:
    """`messages`, one turn of a user and one of an assistant; `problem` where the row has it without instructions around it.

    Turns are {"role", "content"}, with or without a field for the thought, or {"from", "value"}. Raises WrongRow for more
    turns, and for a system turn that says more than how to answer: the student will not see it.
    """
    turns = view.value("messages")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise WrongRow(f"{view.called('messages')} should be a list of turns, got {turns!r:.60}")
    said = [(_role(turn), text_of({**turn, "content": turn.get("content", turn.get("value"))})) for turn in turns]
    _ignorable(view.text("system"), *(text for role, text in said if role == "system"))
    if [role for role, _ in said if role != "system"] != ["user", "assistant"]:
        roles = ", ".join(role for role, _ in said)
        raise WrongRow(f"the turns should be of a user and an assistant, got {roles or 'none'}")
    (_, asked), (_, answered) = (turn for turn in said if turn[0] != "system")
    problem = view.text("problem") or asked
    if isinstance(problem, Unusable) or not problem.strip():
        raise WrongRow("the user's turn holds no text")
    return problem, _samples(view, [answered])


def alpaca(view: View) -> Read:
    """`instruction` and `input`, joined as LLaMA-Factory joins them, and `output`. Raises WrongRow."""
    _ignorable(view.text("system"))
    if view.value("history"):
        raise WrongRow(f"{view.called('history')} holds earlier turns: only a question and its answer can be read")
    problem = "\n".join(filter(None, (view.text("instruction"), view.text("input"))))
    if not problem.strip():
        raise WrongRow(f"{view.called('instruction')} is empty, and so is {view.called('input')}")
    return problem, _samples(view, view.texts("output"))


def _samples(view: View, texts: Sequence[str | Unusable]) -> tuple[Sample, ...]:
    reasons = [""] * len(texts)
    if view.value("finish_reason") is not None:
        reasons = view.texts("finish_reason")
        _same_length(view, "finish_reason", reasons, texts)
    return tuple(_sample(text, reason) for text, reason in zip(texts, reasons, strict=True))


def _sample(text: str | Unusable, reason: str) -> Sample:
    end = _END_OF.get(reason.casefold(), reason) or None
    ours = in_our_marks(text) if isinstance(text, str) else text
    return Sample("", end, ours.reason) if isinstance(ours, Unusable) else Sample(ours, end)


def _same_length(view: View, name: str, these: Sequence[Any], those: Sequence[Any]) -> None:
    if len(these) != len(those):
        raise WrongRow(f"{view.called(name)} has {len(these)} entries for {len(those)} samples")


def _role(turn: Mapping[str, Any]) -> str:
    role = str(turn.get("role", turn.get("from")))
    return _ROLE.get(role, role)


def _ignorable(*systems: str | Unusable | None) -> None:
    for system in systems:
        text = " ".join(system.split()) if isinstance(system, str) else ""
        if text and not _LAYOUT.search(text) and not _GOES_WITHOUT.fullmatch(text.casefold()):
            raise WrongRow(f"a system turn says {text!r:.80}, and the student would not see it: take such rows out")
