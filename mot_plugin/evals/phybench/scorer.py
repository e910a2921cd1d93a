"""Scorer of PHYBench: one formula, and how near it is to the right one.

It may take sympy long, and now and then as long as it may (`eed`): what comes of such a formula depends on how fast the
machine is. So every mark goes into lm-eval's samples with the digest of what it depends on, and scoring those samples
again compares nothing: a mark counts for as long as that digest is the same.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mot_plugin.answers import last_boxed, split_thinking
from mot_plugin.evals.logged import STORED
from mot_plugin.evals.phybench.eed import RULES, Mark, proven


@dataclass(frozen=True)
class Grade:
    """What became of one answer: its points, from 0 to 100, or why it has none.

    `parse_error`: what is boxed is no formula. `unfinished`: it could not be compared within the limits. `key` is the
    digest of rules, reference and formula that this holds for, empty where there is no formula.
    """

    points: float
    truncated: bool = False
    no_answer: bool = False
    parse_error: bool = False
    unfinished: bool = False
    key: str = ""


def grade(text: str, doc: Mapping[str, Any]) -> Grade:
    """Judge one raw answer to `doc`, a row with the right formula under `answer`: the last box after the thought."""
    return grades(doc, [text])[0]


def grades(doc: Mapping[str, Any], texts: Sequence[str]) -> list[Grade]:
    """Judge raw answers, by the marks stored in `doc` (`verdicts`, from a sample) or by comparing, several at once.

    A thought never closed is all there is: nothing in it counts. Raises MissingTool where comparing does not work.
    """
    reference = str(doc["answer"])
    boxes = [_box(text) for text in texts]
    stored = {one["key"]: Grade(**one) for one in doc.get(STORED) or () if one["key"]}
    keys = {box: _key(reference, box) for box in boxes if isinstance(box, str)}
    unknown = [box for box, key in keys.items() if key not in stored]
    marks = proven().marks(reference, unknown) if unknown else []
    known = stored | {keys[box]: _grade(mark, keys[box]) for box, mark in zip(unknown, marks, strict=True)}
    return [known[keys[box]] if isinstance(box, str) else box for box in boxes]


def _box(text: str) -> str | Grade:
    """The formula in a raw answer, or what becomes of an answer without one."""
    thought = split_thinking(text)
    if thought.reasoning is not None and not thought.closed:
        return Grade(0.0, truncated=True)
    return last_boxed(thought.answer) or Grade(0.0, no_answer=True)


def _key(reference: str, box: str) -> str:
    return hashlib.sha256(json.dumps([RULES, reference, box]).encode()).hexdigest()[:16]


def _grade(mark: Mark, key: str) -> Grade:
    return Grade(
        mark.points, parse_error=mark.problem == "unreadable", unfinished=mark.problem == "unfinished", key=key
    )


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
    """The points of each of the k raw answers to `doc`, as a share of 100."""
    return [one.points / 100 for one in grades(doc, texts)]


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one problem from its k raw answers.

    score: mean points, as a share of 100; and shares of k: accuracy: answers with all 100 points; parse_error, unfinished,
    truncated, no_answer: see `Grade`; distinct: different texts. Raises ValueError for no texts.
    """
    return _metrics(grades(doc, texts), texts)


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, Any]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters.

    Besides the metrics it gives the marks, for lm-eval to write into the samples.
    """
    kept = results[0]
    texts = [kept] if isinstance(kept, str) else kept
    found = grades(doc, texts)
    return {**_metrics(found, texts), STORED: [asdict(one) for one in found]}


def _metrics(found: Sequence[Grade], texts: Sequence[str]) -> dict[str, float]:
    k = len(texts)
    if k == 0:
        raise ValueError("a problem without answers has no score")
    return {
        "score": sum(one.points / 100 for one in found) / k,
        "accuracy": sum(one.points == 100 for one in found) / k,
        "parse_error": sum(one.parse_error for one in found) / k,
        "unfinished": sum(one.unfinished for one in found) / k,
        "truncated": sum(one.truncated for one in found) / k,
        "no_answer": sum(one.no_answer for one in found) / k,
        "distinct": len(set(texts)) / k,
    }
