"""Scorer of benchmarks whose answers are right or wrong but not only integers (MATH-500, HMMT): numbers, formulas, words.

Functions of the row that was asked and the raw texts, thinking included. Integers and equal texts are told at once; for
the rest math_verify is asked in processes that are killed when they take too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.answers import last_boxed, quickly, split_thinking
from mot_plugin.limited import Limits, shared
from mot_plugin.mathematics import AGREE, LOADS

_LIMITS = Limits(10)
_SAME: dict[tuple[str, str], bool | None] = {}  # what mathematics said of an answer and a reference: it is asked once


@dataclass(frozen=True)
class Grade:
    """What became of one answer, at most one of these. `unfinished`: math_verify met a limit, so it is no hit."""

    hit: bool = False
    truncated: bool = False
    no_answer: bool = False
    unfinished: bool = False


def grade(text: str, doc: Mapping[str, Any]) -> Grade:
    """Judge one raw answer to `doc`, a row with the reference under `answer`: the last box after the thought."""
    return grades(doc, [text])[0]


def grades(doc: Mapping[str, Any], texts: Sequence[str]) -> list[Grade]:
    """Judge raw answers, several at once. A thought never closed is all there is: nothing in it counts."""
    reference = str(doc["answer"])
    thoughts = [split_thinking(text) for text in texts]
    cut = [thought.reasoning is not None and not thought.closed for thought in thoughts]
    boxes = [None if short else last_boxed(thought.answer) for short, thought in zip(cut, thoughts, strict=True)]
    said = _same({box for box in boxes if box is not None}, reference)
    return [
        Grade(truncated=short, no_answer=not short)
        if box is None
        else Grade(said[box] is True, unfinished=said[box] is None)
        for short, box in zip(cut, boxes, strict=True)
    ]


def _same(answers: set[str], reference: str) -> dict[str, bool | None]:
    """Whether each of the answers says the same as the reference, None if that cannot be told within the limits."""
    said = {answer: quickly(answer, reference) for answer in answers}
    asked = [answer for answer in sorted(answers) if said[answer] is None]
    new = [(answer, reference) for answer in asked if (answer, reference) not in _SAME]
    arguments = [(*pair, _LIMITS.gibibytes) for pair in new]
    outcomes = shared().call_many(AGREE, arguments, _LIMITS, LOADS)
    for pair, outcome in zip(new, outcomes, strict=True):
        _SAME[pair] = outcome.value
    return said | {answer: _SAME[answer, reference] for answer in asked}


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
    """1.0 or 0.0 for each of the k raw answers to `doc`."""
    return [float(one.hit) for one in grades(doc, texts)]


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one problem from its k raw answers, each a share of k but for pass_at_k.

    score: hits; pass_at_k: 1.0 if any is a hit; truncated, no_answer, unfinished: see `Grade`; distinct: different texts.
    Raises ValueError for no texts.
    """
    k = len(texts)
    if k == 0:
        raise ValueError("a problem without answers has no score")
    found = grades(doc, texts)
    right = sum(one.hit for one in found)
    return {
        "score": right / k,
        "pass_at_k": float(right > 0),
        "unfinished": sum(one.unfinished for one in found) / k,
        "truncated": sum(one.truncated for one in found) / k,
        "no_answer": sum(one.no_answer for one in found) / k,
        "distinct": len(set(texts)) / k,
    }


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters."""
    kept = results[0]
    return metrics(doc, [kept] if isinstance(kept, str) else kept)
