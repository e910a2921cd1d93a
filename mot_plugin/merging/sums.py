"""The sums over elements from which every diagnostic of a merge follows; sums of groups are the sums of their tensors'."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sums:
    """`gram` is the branches' u_i.u_j; `agreeing` of `pairs` are elements' pairs of updates of equal sign."""

    size: int
    gram: NDArray[np.float64]
    moved: NDArray[np.int64]
    agreeing: int
    pairs: int
    merged_moved: int
    step: float
    along: float
    drift: float
    base: float

    @staticmethod
    def empty(count: int) -> Sums:
        """Of no elements and `count` branches."""
        import numpy as np

        return Sums(0, np.zeros((count, count)), np.zeros(count, np.int64), 0, 0, 0, 0.0, 0.0, 0.0, 0.0)

    @staticmethod
    def of(
        updates: NDArray[np.float64], step: NDArray[np.float64], drift: NDArray[np.float64], base: NDArray[np.float64]
    ) -> Sums:
        """Of elements: the branches' updates, one a row, merged - start, merged - base, and base."""
        import numpy as np

        count = len(updates)
        kind = np.uint16 if count < 255 else np.uint32
        up = (updates > 0).sum(axis=0, dtype=kind)
        down = (updates < 0).sum(axis=0, dtype=kind)
        # How many elements went up in i branches and down in j: all pairs of signs follow from that.
        table = np.bincount(up * kind(count + 1) + down, minlength=(count + 1) ** 2).reshape(count + 1, count + 1)
        number = np.arange(2 * count + 1)
        choose = number * (number - 1) // 2  # pairs among so many
        ups, downs = np.ogrid[: count + 1, : count + 1]
        return Sums(
            size=base.size,
            gram=updates @ updates.T,
            moved=np.array([np.count_nonzero(update) for update in updates], np.int64),
            agreeing=int((table * (choose[ups] + choose[downs])).sum()),
            pairs=int((table * choose[ups + downs]).sum()),
            merged_moved=int(np.count_nonzero(step)),
            step=float(step @ step),
            along=float((updates @ step).mean()),
            drift=float(drift @ drift),
            base=float(base @ base),
        )

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def numbers(self, teachers: Sequence[str]) -> dict[str, Any]:
        """The diagnostics, as the table in `diagnose` defines them; by teacher, or by `a|b` for a pair."""
        gram = self.gram.tolist()
        count = range(len(teachers))
        norms = [math.sqrt(gram[k][k]) for k in count]
        mean = max(sum(map(sum, gram)), 0.0) / len(teachers) ** 2  # |mean update| squared
        cosines = {
            f"{teachers[i]}|{teachers[j]}": _ratio(gram[i][j], norms[i] * norms[j])
            for i, j in itertools.combinations(count, 2)
        }
        known = [cosine for cosine in cosines.values() if cosine is not None]
        alone = {}
        for k in count:
            others = [i for i in count if i != k]
            rest = max(sum(gram[i][j] for i in others for j in others), 0.0)
            alone[teachers[k]] = _ratio(sum(gram[k][j] for j in others), norms[k] * math.sqrt(rest))
        return {
            "elements": self.size,
            "norm": dict(zip(teachers, norms, strict=True)),
            "moved": {teachers[k]: _ratio(int(self.moved[k]), self.size) for k in count},
            "cosine": cosines,
            "mean_cosine": _ratio(sum(known), len(known)),
            "leave_one_out": alone,
            "sign_agreement": _ratio(self.agreeing, self.pairs),
            "consensus": _ratio(math.sqrt(mean), sum(norms) / len(norms)),
            "merged_moved": _ratio(self.merged_moved, self.size),
            "carried": _ratio(self.along, mean),
            "step": math.sqrt(self.step),
            "drift": _ratio(math.sqrt(self.drift), math.sqrt(self.base)),
        }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
