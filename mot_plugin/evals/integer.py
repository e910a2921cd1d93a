"""Scorer of benchmarks whose answers are integers (AIME): named in the tasks of `eval/`, called by lm-eval.

Pure functions of the raw text, thinking included, so that a score can be computed again from lm-eval's samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.answers import as_integer, final_answer, split_thinking


@dataclass(frozen=True)
class Grade:
    """What became of one answer. A truncated one is never a hit and not counted as `no_answer` as well."""

    hit: bool
    truncated: bool
    no_answer: bool


def grade(text: str, reference: str) -> Grade:
    """Judge one raw answer: the last box after the thinking, compared with `reference` as integers.

    Numbers inside a thought that was never closed do not count: the model had not answered yet. A text without any
    thinking tag is all answer.
    """
    thought = split_thinking(text)
    if thought.reasoning is not None and not thought.closed:
        return Grade(hit=False, truncated=True, no_answer=False)
    boxed = final_answer(text)
    if boxed is None:
        return Grade(hit=False, truncated=False, no_answer=True)
    value = as_integer(boxed)
    return Grade(hit=value is not None and value == as_integer(reference), truncated=False, no_answer=False)


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[int]:
    """1 or 0 for each of the k raw answers to `doc` (a row with the reference under `answer`)."""
    return [int(grade(text, str(doc["answer"])).hit) for text in texts]


def read(_: Mapping[str, Any], texts: Sequence[str]) -> list[int | None]:
    """The integer that each of the k raw answers gives, None where it gives none: what maj@k is voted by."""
    found = []
    for text in texts:
        thought = split_thinking(text)
        boxed = None if thought.reasoning is not None and not thought.closed else final_answer(text)
        found.append(None if boxed is None else as_integer(boxed))
    return found


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one problem from its k raw answers, each a share of k.

    score: hits; pass_at_k: 1.0 if any is a hit; truncated: thought not closed; no_answer: thought closed but nothing
    boxed; distinct: different texts. Raises ValueError for no texts.
    """
    k = len(texts)
    if k == 0:
        raise ValueError("a problem without answers has no score")
    grades = [grade(text, str(doc["answer"])) for text in texts]
    found = sum(one.hit for one in grades)
    return {
        "score": found / k,
        "pass_at_k": float(found > 0),
        "truncated": sum(one.truncated for one in grades) / k,
        "no_answer": sum(one.no_answer for one in grades) / k,
        "distinct": len(set(texts)) / k,
    }


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters."""
    kept = results[0]
    return metrics(doc, [kept] if isinstance(kept, str) else kept)
