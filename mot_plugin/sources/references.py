r"""What a data set says the right answer is, and why that cannot be known where it does not say it.

A reference is what a final answer can be compared with: `204`, `\frac{1}{2}`, `B`. A worked solution is none, unless it
ends in a box; a proof never is (paper, sec. 4.1: traces are kept whose answer is right).
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.answers import last_boxed, unverifiable

_BOXES = ("\\boxed", "\\fbox")
_ANSWER_LINE = re.compile(
    r"(?:^|\n)[#*\s]*(?:the\s+)?(?:final\s+|correct\s+)?answer\s*(?:is)?\s*:\**\s*([^\n]+?)\**\s*$", re.IGNORECASE
)
_PROVE = re.compile(r"^\W*prove\b|\b(?:prove|show|demonstrate)\s+that\b", re.IGNORECASE)
_ASK = re.compile(
    r"\b(?:find|determine|compute|calculate|evaluate|solve|what|which|how\s+(?:many|much))\b|\?", re.IGNORECASE
)
_METADATA_ANSWERS = ("answer", "final_answer")
_LONGEST_METADATA = 200_000


@dataclass(frozen=True)
class Gold:
    """References, of which any will do; or none, and the reason in one word."""

    references: tuple[str, ...]
    unverifiable: str | None = None


def of_text(text: str) -> Gold:
    r"""A text that is an answer, or a solution that ends in one: boxed, after `Answer:` on the last line, or all of it.

    Different boxes are answers to the parts of a problem, of which a final answer could be compared with one only.
    """
    boxes = _boxed(text)
    if len(boxes) > 1:
        return Gold((), "several_answers")
    line = _ANSWER_LINE.search(text.rstrip())
    boxed_or_said = boxes[0] if boxes else line[1] if line else None
    if boxed_or_said is not None:
        return Gold((), "no_checkable_answer") if unverifiable(boxed_or_said) else Gold((boxed_or_said.strip(),))
    bare = text.strip()
    why = unverifiable(bare)
    if why == "empty":
        return Gold((), "no_reference")
    return Gold((), "no_answer_in_solution") if why or "\n" in bare else Gold((bare,))


def of_value(value: object, after: str | None = None) -> Gold:
    """A field: a text, a number, or a list of which any element will do. Of a text only what follows the last `after`."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        every = [of_value(element, after) for element in value]
        references = tuple(dict.fromkeys(reference for gold in every for reference in gold.references))
        reasons = [gold.unverifiable for gold in every if gold.unverifiable]
        return Gold(references) if references else Gold((), reasons[0] if reasons else "no_reference")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value)
    if after and text.strip():
        _, found, text = text.rpartition(after)
        if not found:
            return Gold((), "no_answer_in_solution")
    return of_text(text)


def of_solution(question: str, solution: str | None, kind: Mapping[str, Any]) -> Gold:
    """s1K's: `kind` is the row, for its `cot_type`, `source_type` and `metadata`.

    Code has no answer to compare. A proof is told by its origin, or by a question that asks for nothing else; worked
    solutions without a box may come from a data set that had the answer in a field of its own, kept in `metadata`.
    """
    if kind.get("cot_type") == "coding":
        return Gold((), "coding")
    if "theorem proof" in str(kind.get("source_type")).lower() or (
        _PROVE.search(question) and not _ASK.search(question)
    ):
        return Gold((), "proof")
    gold = of_text(solution or "")
    if gold.unverifiable in ("no_answer_in_solution", "no_reference"):
        other = _of_metadata(kind.get("metadata"))
        return other if other.references or other.unverifiable == "several_answers" else gold
    return gold


def _of_metadata(metadata: object) -> Gold:
    """`metadata` is the rest of the original row, as Python writes a dict."""
    if not isinstance(metadata, str) or len(metadata) > _LONGEST_METADATA:
        return Gold((), "no_reference")
    try:
        fields = ast.literal_eval(metadata)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Gold((), "no_reference")
    for name in _METADATA_ANSWERS if isinstance(fields, dict) else ():
        value = fields.get(name)
        if isinstance(value, list) and len(value) > 1:
            return Gold((), "several_answers")  # all of them are right together, not any of them
        gold = of_value(value)
        if gold.references:
            return gold
    return Gold((), "no_reference")


def _boxed(text: str) -> list[str]:
    """The different contents of all boxes, the last first."""
    contents: dict[str, str] = {}
    while True:
        content = last_boxed(text)
        if content is None:
            return list(contents.values())
        contents.setdefault("".join(content.split()), content)
        text = text[: max(text.rfind(box) for box in _BOXES)]
