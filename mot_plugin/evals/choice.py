"""Scorer of multiple-choice benchmarks (C-Eval, SuperGPQA, MMLU-Pro, MMLU-Redux, GPQA): one letter, right or not.

Pure functions of the row that was asked and the raw text, thinking included. A row has `letters`, the capital letters
of its options in order ("ABCD"), `options`, their texts, and `gold`, the right letters: mostly one, of which any counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.answers import split_thinking
from mot_plugin.evals.choice_letter import chosen


@dataclass(frozen=True)
class Grade:
    """What became of one answer. `letter` is the option it named, None if it named none or more than one.

    A truncated answer is never a hit and not counted as `no_answer` as well.
    """

    hit: bool
    truncated: bool
    no_answer: bool
    letter: str | None


def grade(text: str, doc: Mapping[str, Any]) -> Grade:
    """Judge one raw answer to `doc`. Nothing inside its thought counts, and a thought never closed is all there is."""
    thought = split_thinking(text)
    if thought.reasoning is not None and not thought.closed:
        return Grade(hit=False, truncated=True, no_answer=False, letter=None)
    letter = chosen(thought.answer, doc["letters"], doc["options"])
    return Grade(
        hit=letter is not None and letter in doc["gold"], truncated=False, no_answer=letter is None, letter=letter
    )


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
    """1.0 or 0.0 for each of the k raw answers to `doc`."""
    return [float(grade(text, doc).hit) for text in texts]


def read(doc: Mapping[str, Any], texts: Sequence[str]) -> list[str | None]:
    """The letter that each of the k raw answers names, None where it names none: what maj@k is voted by."""
    return [grade(text, doc).letter for text in texts]


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one question from its k raw answers, each a share of k.

    score: hits; truncated: thought not closed; no_answer: thought closed but no one option named; distinct: different
    texts. Raises ValueError for no texts.
    """
    k = len(texts)
    if k == 0:
        raise ValueError("a question without answers has no score")
    grades = [grade(text, doc) for text in texts]
    return {
        "score": sum(one.hit for one in grades) / k,
        "truncated": sum(one.truncated for one in grades) / k,
        "no_answer": sum(one.no_answer for one in grades) / k,
        "distinct": len(set(texts)) / k,
    }


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters."""
    kept = results[0]
    return metrics(doc, [kept] if isinstance(kept, str) else kept)
