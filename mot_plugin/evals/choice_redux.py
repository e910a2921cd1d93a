"""MMLU-Redux: what its annotators say about MMLU's labels, and which letters count as right under which policy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

POLICIES = ("corrected", "original", "ok_only")

_SEPARATORS = re.compile(r"[\s,;/&]+(?:(?:and|or)[\s,]+)?", re.IGNORECASE)
_SILENT = {"", "none", "nan", "null", "n/a", "na"}  # how tables write that nobody suggested anything


@dataclass(frozen=True)
class Label:
    """A question's options and the numbers of the right ones. `source`: "original" (MMLU's) or "corrected"."""

    options: tuple[str, ...]
    right: tuple[int, ...]
    source: str


def corrected(options: Sequence[str], answer: int, error_type: str, suggestion: str) -> Label:
    """MMLU's label `answer` (0 is A) as the annotation mends it.

    wrong_groundtruth: the option suggested, by number, letter or text. multiple_correct_answers: all those suggested,
    and `answer` as well if only one is. no_correct_answer: the suggestion takes the place of the text of `answer`,
    unless another option says it already. Where nothing is suggested, or nothing that names an option, and for the
    other types (unclear questions, unclear options, expert), the label stays MMLU's.
    """
    original = Label(tuple(options), (answer,), "original")
    suggestion = suggestion.strip()
    if suggestion.casefold() in _SILENT:
        return original
    if error_type == "no_correct_answer":
        found = _by_text(suggestion, options) or _numbers(suggestion, options, digits="")
        mended = [suggestion if number == answer and not found else text for number, text in enumerate(options)]
        return Label(tuple(mended), found or (answer,), "corrected")
    if error_type not in ("wrong_groundtruth", "multiple_correct_answers"):
        return original
    found = _numbers(suggestion, options, digits="0123456789") or _by_text(suggestion, options)
    if error_type == "multiple_correct_answers" and len(found) == 1:
        found = (*found, answer)
    return Label(tuple(options), tuple(sorted(set(found))), "corrected") if found else original


def _numbers(suggestion: str, options: Sequence[str], digits: str) -> tuple[int, ...]:
    """Options named by number ("1", "0 and 2") or letter ("B", "(A) or (C)"); none unless every word names one."""
    names = {letter: number for number, letter in enumerate("ABCDEFGHIJ"[: len(options)])}
    names |= {digit: number for number, digit in enumerate(digits[: len(options)])}
    words = [word.strip("()[].'\"") for word in _SEPARATORS.split(suggestion.strip("()[]"))]
    return tuple(names[word] for word in words) if words and all(word in names for word in words) else ()


def _by_text(suggestion: str, options: Sequence[str]) -> tuple[int, ...]:
    plain = " ".join(suggestion.split()).casefold().rstrip(".")
    return tuple(
        number for number, text in enumerate(options) if " ".join(text.split()).casefold().rstrip(".") == plain
    )
