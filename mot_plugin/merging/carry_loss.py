"""Step `carry-loss`: how much of a round's mean update a carry in bfloat16 loses, measured on the weights themselves.

A bfloat16 has 8 bits: a weight of 0.05 moves in steps of 0.0002, more than a round of 50 small learning rates often
asks for. The losses here are those of the carry alone; what a trainer rounds when it saves a branch, it has rounded.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.layout import layout_problems, some
from mot_plugin.merging.weights import Checkpoint, chunks, from_bfloat16, open_checkpoint, to_bfloat16

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Config(BaseModel):
    """`branches` trained from `start`; `before` and `after` are the float32 accumulators around this round's merge.

    Without `after` (a bfloat16 carry) only the round is measured. Without `before` (round 1) it is `start`. `base` is
    the student before round 1; `shadow` what a bfloat16 carry would have made of all rounds' updates so far.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str
    branches: dict[str, str] = Field(min_length=1)
    weights: dict[str, float] | None = None
    before: str | None = None
    after: str | None = None
    base: str | None = None
    shadow: str | None = None
    out: str
    format: int = 1

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.weights is not None and (self.weights.keys() != self.branches.keys() or not sum(self.weights.values())):
            raise ValueError(f"weights {self.weights} are not one for each of {sorted(self.branches)} with a sum")
        if self.after is None and (self.before or self.base or self.shadow):
            raise ValueError("before, base and shadow are compared with `after`, which is not given")
        if self.base is None and self.shadow:
            raise ValueError("shadow is compared as a change since `base`, which is not given")
        return self


@dataclass
class Tally:
    """Sums over all weights of what an update should have been and of what was carried."""

    exact: float = 0.0
    carried: float = 0.0
    both: float = 0.0
    lost: float = 0.0
    wanted: int = 0
    still: int = 0

    def add(self, exact: Array, carried: Array) -> None:
        """Count in one part of the weights."""
        import numpy as np

        self.exact += float(np.dot(exact, exact))
        self.carried += float(np.dot(carried, carried))
        self.both += float(np.dot(exact, carried))
        lost = carried - exact
        self.lost += float(np.dot(lost, lost))
        moving = exact != 0
        self.wanted += int(moving.sum())
        self.still += int((moving & (carried == 0)).sum())

    def result(self) -> dict[str, float | None]:
        """Relative L2 loss, cosine, and the share of weights that should have moved and did not; None without any."""
        lengths = math.sqrt(self.exact * self.carried)
        return {
            "relative_l2": math.sqrt(self.lost / self.exact) if self.exact else None,
            "cosine": self.both / lengths if lengths else None,
            "unmoved": self.still / self.wanted if self.wanted else None,
        }


def run(config: Config) -> None:
    """Measure, check `after` to be the accumulator asked for, and write `carry.json`. Raises CheckFailed."""
    start = open_checkpoint(config.start)
    branches = [open_checkpoint(path) for path in config.branches.values()]
    weights = [1.0] * len(branches) if config.weights is None else [config.weights[name] for name in config.branches]
    others = {
        role: open_checkpoint(path)
        for role in ("before", "after", "base", "shadow")
        if (path := getattr(config, role)) is not None
    }
    for found in (*branches, *others.values()):
        if different := layout_problems(found, start):
            raise CheckFailed("\n".join([f"{found.folder} does not fit {start.folder}", *different]))

    tallies: dict[str, Tally] = {}
    inexact = []
    for name in sorted(start.tensors):
        wrong = 0
        for begin, end in chunks(start.tensors[name].size):
            part = _Part(name, begin, end, start, branches, weights)
            wrong += _measure(part, others, tallies)
        if wrong:
            inexact.append(f"{name} ({wrong})")
    if inexact:
        raise CheckFailed(
            f"{config.after} is not accumulator + mean(branch - start): {some(inexact)} elements are off by more than "
            "float32 sums can be. Nothing of it is used; look at the merge's file and log."
        )
    sizes = sum(info.size for info in start.tensors.values())
    report: dict[str, Any] = {"weights": sizes, "update_rms": math.sqrt(tallies["round bfloat16"].exact / sizes)}
    report |= {label.replace(" ", "_"): tally.result() for label, tally in tallies.items()}
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "carry.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.writelines(_said(label, tally) for label, tally in tallies.items())


@dataclass(frozen=True)
class _Part:
    """Elements [begin, end) of one tensor in every checkpoint, in float64."""

    name: str
    begin: int
    end: int
    start: Checkpoint
    branches: list[Checkpoint]
    weights: list[float]

    def of(self, checkpoint: Checkpoint) -> Array:
        import numpy as np

        return checkpoint.float32(self.name, self.begin, self.end).astype(np.float64)

    def mean(self) -> tuple[Array, Array]:
        """The branches' weighted mean, and the mean of the magnitudes that went into it."""
        import numpy as np

        total, size = np.zeros(self.end - self.begin), np.zeros(self.end - self.begin)
        for branch, weight in zip(self.branches, self.weights, strict=True):
            product = self.of(branch) * weight
            total += product
            size += np.abs(product)
        return total / sum(self.weights), size / abs(sum(self.weights))


def _measure(part: _Part, others: dict[str, Checkpoint], tallies: dict[str, Tally]) -> int:
    """Count one part in; how many of its elements of `after` cannot be a float32 sum of what they should be."""
    import numpy as np

    start = part.of(part.start)
    mean, size = part.mean()
    _tally(tallies, "round bfloat16").add(mean - start, _rounded(mean) - start)
    if "after" not in others:
        return 0
    after = part.of(others["after"])
    before = part.of(others["before"]) if "before" in others else start
    _tally(tallies, "round float32").add(mean - start, after - before)
    if "base" in others:
        base = part.of(others["base"])
        if "shadow" in others:
            _tally(tallies, "all bfloat16").add(after - base, part.of(others["shadow"]) - base)
        _tally(tallies, "all shipped").add(after - base, _rounded(after) - base)
    # Every addition, product and the division rounds by at most half a unit of all magnitudes together.
    bound = (2 * len(part.branches) + 6) * 2.0**-24 * (np.abs(before) + np.abs(start) + size)
    return int((np.abs(after - (before + mean - start)) > bound).sum())


def _tally(tallies: dict[str, Tally], label: str) -> Tally:
    return tallies.setdefault(label, Tally())


def _rounded(values: Array) -> Array:
    import numpy as np

    return from_bfloat16(to_bfloat16(values.astype(np.float32))).astype(np.float64)


def _said(label: str, tally: Tally) -> str:
    shown = {key: "nothing moves" if value is None else f"{value:.4g}" for key, value in tally.result().items()}
    return f"{label}: " + ", ".join(f"{key} {value}" for key, value in shown.items()) + "\n"
