"""A chat message as one text in our form, however its server names the thinking; and the marks of published traces as ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mot_plugin.answers import CLOSE, OPEN, split_thinking

# vLLM up to 0.10, SGLang, llama.cpp, DeepSeek; then vLLM from 0.11 and OpenRouter.
_FIELDS = ("reasoning_content", "reasoning")

_OPENINGS = re.compile(rf"\s*{OPEN}(?:\s*{OPEN})*\n*")
_DOUBLED_OPENING = re.compile(rf"\s*{OPEN}(?:\s*{OPEN})+\n*")
_DOUBLED_CLOSING = re.compile(rf"{CLOSE}(?:\s*{CLOSE})+")

_SOLUTION = re.compile(r"(?:<\|begin_of_thought\|>)?(.*)<\|end_of_thought\|>\s*<\|begin_of_solution\|>(.*)", re.DOTALL)
_ANSWER = re.compile(r"\s*<answer>(.*)", re.DOTALL)


@dataclass(frozen=True)
class Unusable:
    """Why a message has no text to learn from.

    `refusal`; `summary` (what stands for the thought is a summary of it, or encrypted); `not_text` (pictures, sound);
    `truncated` (its own marks say that the answer was cut).
    """

    reason: str


def text_of(message: Mapping[str, Any]) -> str | Unusable:
    """The whole of what a model wrote, from an OpenAI chat message as JSON: "<think>", the thought, "</think>", the answer.

    The thought is read from `reasoning_content`, `reasoning`, `reasoning_details`, `thinking` or a `thinking` part of the
    content, the first that has text; without any, from the content itself. No verdict is spoken here: a thought that never
    ended stays open, several thoughts stay several, and `verdicts.normalise` says so.
    """
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return Unusable("refusal")
    said = _said(message.get("content"))
    if isinstance(said, Unusable):
        return said
    thought, content = said
    reasoning = _reasoning(message)
    if isinstance(reasoning, Unusable):
        return reasoning
    return joined(reasoning or thought, content)


def joined(reasoning: str, content: str) -> str:
    """One text of a thought and an answer that came apart. Tags that either still has are not written twice.

    A blank `content` leaves the thought open: it was cut, or a parser took an answer without a thought for one (vLLM's
    with thinking switched off), and neither is a trace.
    """
    if not reasoning.strip():
        return repaired(content)
    thought = _untagged(reasoning)
    if not content.strip():
        return repaired(reasoning) if CLOSE in reasoning else f"{OPEN}\n{thought}"
    again = split_thinking(repaired(content))
    if again.reasoning is not None and again.reasoning.strip() in ("", thought.strip()):
        if not again.closed:
            return f"{OPEN}\n{thought}"
        content = again.answer
    answer = content.lstrip("\n")  # servers keep or strip line feeds as they like
    return f"{OPEN}\n{thought}\n{CLOSE}\n\n{answer}"


def repaired(text: str) -> str:
    """A raw completion with its opening tag, once, and its closing tag once where two stand side by side.

    QwQ's and DeepSeek-R1's templates write the opening tag into the prompt; some models then write it again. A text without
    tags stays as it is: it has no thought.
    """
    doubled = _DOUBLED_OPENING.match(text)
    if doubled:
        text = f"{OPEN}\n{text[doubled.end() :]}"
    text = _DOUBLED_CLOSING.sub(CLOSE, text)
    before, close, _ = text.partition(CLOSE)
    return f"{OPEN}\n{text}" if close and OPEN not in before else text


def in_our_marks(text: str) -> str | Unusable:
    """A published trace with the marks of its data set as ours; a text without such marks is only `repaired`.

    Sky-T1's and OpenThoughts' <|begin_of_thought|> and <|begin_of_solution|>, and <answer> around the answer (AM-DeepSeek).
    These marks close the answer too, so one that is not closed was cut: Unusable("truncated").
    """
    marked = _SOLUTION.fullmatch(text.strip())
    if marked:
        thought, answer = marked.groups()
        answer, closed, after = answer.partition("<|end_of_solution|>")
        return joined(thought, answer + after) if closed else Unusable("truncated")
    text = repaired(text)
    before, close, answer = text.rpartition(CLOSE)
    wrapped = _ANSWER.fullmatch(answer) if close else None
    if wrapped is None:
        return text
    answer, closed, after = wrapped[1].lstrip("\n").partition("</answer>")
    return f"{before}{CLOSE}\n\n{answer}{after}" if closed else Unusable("truncated")


def _untagged(thought: str) -> str:
    """A thought from a field of its own, without tags around it; a loop, because a search would be slow in endless blanks."""
    opening = _OPENINGS.match(thought)
    thought = thought[opening.end() :] if opening else thought
    while thought.rstrip().endswith(CLOSE):
        thought = thought.rstrip().removesuffix(CLOSE)
    return thought.strip("\n")


def _reasoning(message: Mapping[str, Any]) -> str | Unusable:
    """The thought beside the content, "" without one."""
    listed = message.get("reasoning_details")
    details = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    kinds = {one.get("type") for one in details}
    traced = "\n".join(str(one.get("text") or "") for one in details if one.get("type") == "reasoning.text")
    # Where there is a summary, the plain fields repeat it (OpenRouter, Alibaba): they would be taken for the thought.
    if "reasoning.summary" in kinds or message.get("encrypted_content"):
        return traced if traced.strip() else Unusable("summary")
    plain = [message.get(name) for name in _FIELDS]
    for text in (*plain, traced, message.get("thinking")):
        if isinstance(text, str) and text.strip():
            return text
    return Unusable("summary") if "reasoning.encrypted" in kinds else ""


def _said(content: Any) -> tuple[str, str] | Unusable:
    """Thought and answer of a content that is text or a list of parts."""
    if content is None or isinstance(content, str):
        return "", content or ""
    thought: list[str] = []
    answer: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type", "text") if isinstance(part, dict) else None
        if kind in ("text", "output_text"):
            answer.append(str(part.get("text") or ""))
        elif kind == "thinking":
            inner = _said(part.get("thinking"))  # text, or text parts (Mistral)
            thought.append(inner[1] if isinstance(inner, tuple) else "")
        else:
            return Unusable({"refusal": "refusal", "redacted_thinking": "summary"}.get(str(kind), "not_text"))
    return "".join(thought), "".join(answer)
