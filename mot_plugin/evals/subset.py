"""A part of a benchmark that keeps the shares of its strata, and is the same part for everyone."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from mot_plugin.errors import FileError

Doc = TypeVar("Doc", bound=Mapping[str, Any])


def stratified(docs: Sequence[Doc], fraction: float | None, strata: Sequence[str]) -> list[Doc]:
    """`fraction` of the docs in the order given, every stratum (equal values in the columns `strata`) with its share.

    What a share lacks in whole docs is given to the largest remainders, so the sum is the rounded fraction of all. In a
    stratum those with the smallest digests of their `id` are taken: the choice knows nothing of the order of the rows,
    and of two fractions the larger one's holds nearly all of the smaller one's. None takes everything. Raises FileError
    unless 0 < fraction <= 1.
    """
    if fraction is None:
        return list(docs)
    if not 0 < fraction <= 1:
        raise FileError(f"fraction is {fraction}, but it is the share of a benchmark to be asked: above 0, at most 1")
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, doc in enumerate(docs):
        members[tuple(str(doc[column]) for column in strata)].append(index)
    taken: set[int] = set()
    for stratum, count in _shares({name: len(found) for name, found in members.items()}, fraction).items():
        taken.update(sorted(members[stratum], key=lambda index: _digest(docs[index]))[:count])
    return [doc for index, doc in enumerate(docs) if index in taken]


def _shares(sizes: Mapping[tuple[str, ...], int], fraction: float) -> dict[tuple[str, ...], int]:
    exact = {name: size * Fraction(str(fraction)) for name, size in sizes.items()}
    counts = {name: int(share) for name, share in exact.items()}
    left = round(sum(exact.values())) - sum(counts.values())
    for name in sorted(exact, key=lambda name: (counts[name] - exact[name], name))[:left]:
        counts[name] += 1
    return counts


def _digest(doc: Mapping[str, Any]) -> str:
    return hashlib.sha256(str(doc["id"]).encode()).hexdigest()
