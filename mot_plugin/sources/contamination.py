"""Whether problems to train on are those of a benchmark: copies, or copies with a few words changed.

Competitions end many problems with the same sentence ("where m and n are relatively prime positive integers. Find
m+n."), so one shared run of eight words says little. What counts is how much of a benchmark's problem is there, a
longer run, or nearly the same letters where only the typesetting is another.

Measured against AIME 2024 and 2025: of 919 problems of the AIME before, 260 share a run of eight words with one of
them, 15 one of thirteen (all by such sentences; these are left out, the others stay), and none nearly all letters. Of
AIME 2024 in another transcription, runs of words find 10 problems of 14, and letters the other four.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mot_plugin.sources.near import Shelf, normalise

Rule = Literal["exact", "letters", "coverage", "13-gram", "review", "8-gram"]
RULES: tuple[Rule, ...] = ("exact", "letters", "coverage", "13-gram", "review", "8-gram")
"""From the surest to the weakest."""
CONTAMINATED: tuple[Rule, ...] = ("exact", "letters", "coverage", "13-gram")
"""Those by which a problem may not be trained on; `review` is for a person to look at, `8-gram` only counted."""

EIGHT, THIRTEEN = 8, 13
"""Words in a row that two problems may not have in common by chance, and hardly have by custom."""
_DROP, _REVIEW = 0.5, 0.3
LETTERS = 85.0
"""The `fuzz.ratio` of all letters and digits from which two problems are one: 79 is the most that unrelated ones had."""
_FEWEST_LETTERS = 80  # a shorter one is like too many others: "What is the sum of the digits of ..."
_OTHER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Finding:
    """Problem and benchmark's problem, by number, and the surest rule that both fall under.

    `share`, 0 to 1: how much of the benchmark's problem is there, of its different runs of eight words (of its letters
    and digits, if that is the rule).
    """

    problem: int
    benchmark: int
    rule: Rule
    share: float


def contamination(problems: Sequence[str], benchmark: Sequence[str]) -> list[Finding]:
    """Every pair with at least eight words in a row in common, or nearly the same letters, ordered by problem.

    Words are what stands between spaces in `normalise`d text, punctuation and all: without punctuation boilerplate
    reaches thirteen words. A benchmark problem of fewer than eight words, and 80 letters, is found as a copy only.
    """
    index = _Index([normalise(text) for text in benchmark])
    return [
        finding for number, problem in enumerate(problems) for finding in index.findings(number, normalise(problem))
    ]


class _Index:
    """A benchmark's problems by what is looked up."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._by_text: defaultdict[str, list[int]] = defaultdict(list)
        self._by_run: defaultdict[str, list[int]] = defaultdict(list)
        self._by_long_run: defaultdict[str, list[int]] = defaultdict(list)
        self._runs_of = [_runs(text, EIGHT) for text in texts]
        for number, text in enumerate(texts):
            self._by_text[text].append(number)
            for run in self._runs_of[number]:
                self._by_run[run].append(number)
            for run in _runs(text, THIRTEEN):
                self._by_long_run[run].append(number)
        letters = [_OTHER.sub("", text) for text in texts]
        long = [number for number in range(len(texts)) if len(letters[number]) >= _FEWEST_LETTERS]
        self._on_shelf = sorted(long, key=lambda number: len(letters[number]))
        self._shelf = Shelf(len(long), LETTERS)
        for number in self._on_shelf:
            self._shelf.put(letters[number])

    def findings(self, number: int, text: str) -> Iterator[Finding]:
        """Those of problem `number`."""
        shared = Counter(other for run in self._by_run.keys() & _runs(text, EIGHT) for other in self._by_run[run])
        letters = {self._on_shelf[place]: ratio / 100 for place, ratio in self._shelf.near(_OTHER.sub("", text))}
        equal = set(self._by_text.get(text, ()))
        long: set[int] = set()
        if shared:
            runs = self._by_long_run.keys() & _runs(text, THIRTEEN)
            long = {other for run in runs for other in self._by_long_run[run]}
        for other in sorted(shared.keys() | letters.keys() | equal):
            if other in equal:
                yield Finding(number, other, "exact", 1.0)
            elif other in letters:
                yield Finding(number, other, "letters", round(letters[other], 4))
            else:
                share = shared[other] / len(self._runs_of[other])
                yield Finding(number, other, _rule(share, long=other in long), round(share, 4))


def surest(findings: Sequence[Finding]) -> dict[int, Finding]:
    """For each problem that was found, by number, its surest finding; of equals the first."""
    best: dict[int, Finding] = {}
    for finding in sorted(findings, key=lambda one: (RULES.index(one.rule), -one.share, one.benchmark)):
        best.setdefault(finding.problem, finding)
    return best


def _rule(share: float, *, long: bool) -> Rule:
    if share >= _DROP:
        return "coverage"
    if long:
        return "13-gram"
    return "review" if share >= _REVIEW else "8-gram"


def _runs(text: str, length: int) -> set[str]:
    words = text.split(" ")
    return {" ".join(words[start : start + length]) for start in range(len(words) - length + 1)}
