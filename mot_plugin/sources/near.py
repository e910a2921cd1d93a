"""Problems that are the same, or nearly: the same letters but for one edit in twenty."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_INSTRUCTION = re.compile(
    r"(?:please |let's )?(?:reason|think) step by step,? (?:and )?(?:put|enclose|write) your final answer (?:with)?in "
    r"\$?\\boxed\{[^{}]*\}\$?\.?"
)
_NUMBER = re.compile(r"[0-9]+")
RATIO = 95.0
_BUCKETS = 37  # keeps letters and digits apart, nearly
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Near:
    """Text number `dropped` is `ratio` per cent like text number `kept`, which is not longer."""

    dropped: int
    kept: int
    ratio: float


def normalise(text: str) -> str:
    """For comparing only: lower case, one space between words, without the sentence that asks to box the answer."""
    return " ".join(_INSTRUCTION.sub(" ", " ".join(text.lower().split())).split())


class Shelf:
    """Texts, put by length, to find those that have rapidfuzz's `fuzz.ratio` of `ratio` or more with another one.

    Exact: the ratio is 100 * (1 - edits / characters of both), edits being characters to insert or delete, and most
    texts need no comparison because there are at least as many edits as two texts differ in length, and in their
    counts of characters.
    """

    def __init__(self, capacity: int, ratio: float) -> None:
        import numpy as np

        self._ratio, self._share = ratio, 1 - ratio / 100
        self._texts: list[str] = []
        self._lengths = np.empty(capacity, np.int64)
        self._counts = np.empty((_BUCKETS, capacity), np.int16)  # one column for each text

    def put(self, text: str) -> None:
        """Put a text after the others, none of which is longer."""
        place = len(self._texts)
        self._lengths[place], self._counts[:, place] = len(text), _counts(text)
        self._texts.append(text)

    def near(self, text: str) -> Iterator[tuple[int, float]]:
        """Number, counted from 0 as they were put, and ratio of every text that is near."""
        import numpy as np
        from rapidfuzz import fuzz

        length, there = len(text), self._lengths[: len(self._texts)]
        # a text of length s can be near if abs(length - s) <= share * (length + s)
        bound = (1 - self._share) / (1 + self._share)
        first, end = np.searchsorted(there, [length * bound - _ROUNDING, length / bound + _ROUNDING])
        # of texts so long that this overflows, some are compared that need not be: it never gets too large
        edits = np.abs(self._counts[:, first:end] - _counts(text)[:, None]).sum(axis=0, dtype=np.int16)
        for place in np.flatnonzero(edits <= self._share * (there[first:end] + length) + _ROUNDING):
            number = int(first + place)
            score = fuzz.ratio(text, self._texts[number], score_cutoff=self._ratio)
            if score >= self._ratio:
                yield number, score


def near_duplicates(texts: Sequence[str], ratio: float = RATIO) -> list[Near]:
    """Which texts to leave out, so that no two of the others have a ratio of `ratio` or more, ordered by number.

    Texts with other numbers are other problems, with other answers: one digit is a small edit of a sum.

    Texts go by length, those of one length in the order given; each is compared with those kept before it.
    """
    shelf = Shelf(len(texts), ratio)
    kept: list[int] = []
    found: list[Near] = []
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        numbers = _NUMBER.findall(texts[index])
        near = next(
            (one for one in shelf.near(texts[index]) if _NUMBER.findall(texts[kept[one[0]]]) == numbers),
            None,
        )
        if near is None:
            shelf.put(texts[index])
            kept.append(index)
        else:
            found.append(Near(index, kept[near[0]], round(near[1], 2)))
    return sorted(found, key=lambda near: near.dropped)


def _counts(text: str) -> "np.ndarray":
    """How often each kind of character occurs, int16 of shape (37,)."""
    import numpy as np

    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    return np.bincount(characters % _BUCKETS, minlength=_BUCKETS).astype(np.int16)
