"""The score of PHYBench (arXiv 2504.16074): how far a formula is from the right one, in points from 0 to 100.

The Expression Edit Distance d is how much has to be changed in the tree of the given formula to make it the reference's,
both simplified. With r = d / (size of the reference's tree): 100 for equal formulas, else 60 - 100 r, and never below 0.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mot_plugin.errors import MissingTool
from mot_plugin.limited import Limited, Limits, Outcome, shared

RULES = 1  # raised when the same formulas get other points
_EQUAL, _SIMPLIFY, _DISTANCE = Limits(10), Limits(30), Limits(30)
_STAGES = "mot_plugin.evals.phybench.stages"
_LONGEST = 3  # times as many characters as the reference has, and the answer is not looked at

_PROOF = (
    (r"2mg + 4\frac{mv_0^2}{l}", r"4 m v_0^{2} / l + 2 g m", 100.0),
    (r"2mg + 4\frac{mv_0^2}{l}", r"2mg + 2\frac{mv_0^2}{l}", 60 - 100 * 2 / 15),
    (r"\sqrt{\frac{2g}{3R}}", r"\sqrt{\frac{g}{3R}}", 60 - 100 * 1 / 11),
    ("a+b", r"\frac{a", 0.0),
)


@dataclass(frozen=True)
class Mark:
    """Points from 0 to 100, and why nothing could be compared: no formula in the answer, or a limit that was met."""

    points: float
    problem: Literal["unreadable", "unfinished"] | None = None


class Eed:
    """Marks formulas, each pair once."""

    def __init__(self, limited: Limited) -> None:
        self._limited = limited
        self._marks: dict[tuple[str, str], Mark] = {}
        self._forms: dict[str, bytes | None] = {}

    def marks(self, reference: str, given: Sequence[str]) -> list[Mark]:
        """The mark of each of the given formulas. What has more than three times the characters of the reference gets 0."""
        new = [text for text in dict.fromkeys(given) if (reference, text) not in self._marks]
        short = [text for text in new if len(text) <= _LONGEST * len(reference)]
        found = {text: Mark(0.0) for text in new}
        different = []
        for text, said in zip(short, self._call("same", [(reference, text) for text in short], _EQUAL), strict=True):
            if said.end != "done":
                found[text] = Mark(0.0, "unfinished")
            elif said.value is None:
                found[text] = Mark(0.0, "unreadable")
            elif said.value:
                found[text] = Mark(100.0)
            else:
                different.append(text)
        found |= self._distant(reference, different)
        self._marks |= {(reference, text): mark for text, mark in found.items()}
        return [self._marks[reference, text] for text in given]

    def unreadable(self, references: Iterable[str]) -> list[str]:
        """Those that are no formulas to us, so that nothing could be compared with them."""
        texts = list(references)
        said = self._call("readable", [(text,) for text in texts], _EQUAL)
        return [text for text, outcome in zip(texts, said, strict=True) if outcome.value is not True]

    def _distant(self, reference: str, texts: Sequence[str]) -> dict[str, Mark]:
        if not texts:
            return {}
        self._simplify([reference, *texts])
        ours = self._forms[reference]
        pairs = [
            (text, (ours, theirs)) for text in texts if (theirs := self._forms[text]) is not None and ours is not None
        ]
        found = {text: Mark(0.0, "unfinished") for text in texts}
        for (text, _), said in zip(pairs, self._call("apart", [pair for _, pair in pairs], _DISTANCE), strict=True):
            if said.end == "done":
                distance, size = said.value
                found[text] = Mark(100.0 if distance == 0 else max(0.0, 60 - 100 * distance / size))
        return found

    def _simplify(self, texts: Sequence[str]) -> None:
        """Simple forms, and of what takes sympy too long or is too much for it the one that it was written in."""
        for stage, limits in (("simplified", _SIMPLIFY), ("written", _EQUAL)):
            new = [text for text in texts if self._forms.get(text) is None]
            for text, said in zip(new, self._call(stage, [(text,) for text in new], limits), strict=True):
                self._forms[text] = said.value

    def _call(self, stage: str, arguments: Sequence[tuple[object, ...]], limits: Limits) -> list[Outcome]:
        return self._limited.call_many(f"{_STAGES}:{stage}", arguments, limits, loads=[f"{_STAGES}:prepare"])


@functools.cache
def proven() -> Eed:
    """The one that this process uses, after a test of itself: a broken sympy would give everybody 0.

    Raises MissingTool when the test fails.
    """
    eed = Eed(shared())
    for reference, given, points in _PROOF:
        mark = eed.marks(reference, [given])[0]
        if abs(mark.points - points) > 1e-9:
            raise MissingTool(
                f"PHYBench's score does not work here: `{given}` for `{reference}` got {mark.points:.2f} points instead of "
                f"{points:.2f} ({mark.problem or 'compared'})\n"
                "  it is made with sympy, and known to work with sympy 1.14: install that, and see what it may have written above"
            )
    return eed
