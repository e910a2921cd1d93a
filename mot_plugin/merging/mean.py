"""The arithmetic of mergekit's `linear` again, in numpy: is a merged tensor the mean of its branches?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mot_plugin.merging.stream_yaml import single, weight_sum
from mot_plugin.merging.weights import Checkpoint, chunks, to_bfloat16

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def mismatches(merged: Checkpoint, branches: Sequence[Checkpoint], weights: Sequence[float], name: str) -> int:
    """How many elements of the BF16 tensor `name` are not bfloat16(sum(w_k * branch_k) / sum(w_k)), bit for bit.

    Sums run in float32 in the order of `branches`, as mergekit's do (0.1.5, merge_methods/linear.py).
    """
    wrong = 0
    for start, stop in chunks(merged.tensors[name].size):
        found = merged.raw(name, start, stop)
        parts = [branch.float32(name, start, stop) for branch in branches]
        off = _differ(found, to_bfloat16(weighted_mean(parts, weights, fused=False)))
        if off.any():
            # Where a weight is not a power of two, w * x rounds, and processors that multiply and add in one
            # instruction skip that rounding. Either is right; mergekit gives one or the other by machine and version.
            suspects = [part[off] for part in parts]
            off = _differ(found[off], to_bfloat16(weighted_mean(suspects, weights, fused=True)))
        wrong += int(off.sum())
    return wrong


def weighted_mean(
    parts: Sequence[NDArray[np.float32]], weights: Sequence[float], *, fused: bool
) -> NDArray[np.float32]:
    """sum(w_k * x_k) / sum(w_k) of float32 arrays of one shape; `fused` rounds once per multiply-and-add, not twice."""
    import numpy as np

    total = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        factor = np.float32(weight)
        if fused:  # a product of two float32 is exact in float64
            total = (total.astype(np.float64) + part.astype(np.float64) * np.float64(factor)).astype(np.float32)
        else:
            total = total + part * factor
    return total / _divisor(weights)


def _divisor(weights: Sequence[float]) -> np.float32:
    """The sum of the weights as torch gives it, whose order is not the list's; where that is unknown, the list's."""
    import numpy as np

    each = [single(weight) for weight in weights]
    try:
        return np.float32(weight_sum(each))
    except ValueError:
        total = np.float32(0)
        for weight in each:
            total = np.float32(total + np.float32(weight))
        return total


def _differ(found: NDArray[np.uint16], expected: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where the bits differ; plus and minus zero count as equal."""
    differ: NDArray[np.bool_] = (found != expected) & (((found | expected) & 0x7FFF) != 0)
    return differ
