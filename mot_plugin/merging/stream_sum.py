"""The arithmetic of mergekit's `linear` and `task_arithmetic` on one block of weights, bit for bit, in the cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mot_plugin.merging.stream_yaml import Formula

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 2**16
"""Elements computed in one go: 256 KB as float32, so that all temporaries stay in a core's own cache."""

_LIMITS = {"F32": math.inf, "BF16": (2 - 2.0**-8) * 2.0**127, "F16": 65520.0}
"""Magnitudes from which on a float32 becomes Inf when it is rounded to the dtype."""

_NORMAL = 2.0**-126  # the smallest float32 of full precision

_LOWEST = {"BF16": -16, "F16": -125, "F32": 0, "F64": 0}
"""For 2**k from this k on, a value of the dtype, read as float32, times 2**k is exact, subnormal or not."""


class Merger:
    """Merges blocks by a formula. Holds the temporaries, so each thread needs its own."""

    def __init__(self, formula: Formula) -> None:
        import numpy as np

        self.formula = formula
        self.total, self.part, self.base = (np.empty(BLOCK, np.float32) for _ in range(3))
        self.carry = np.empty(BLOCK, np.uint32)
        self.wide, self.other = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64)

    def merge(self, stored: Sequence[NDArray[Any]], dtypes: Sequence[str], out: NDArray[Any]) -> bool:
        """Write the merge of `stored` (in the order of the formula's inputs) to `out`; whether all of it is finite.

        BF16 comes and goes as its bits in uint16. At most BLOCK elements.
        """
        import numpy as np

        formula, size = self.formula, out.size
        total, part, divisor = self.total[:size], self.part[:size], formula.divisor
        total.fill(0)
        with np.errstate(all="ignore"):  # what overflows is found below
            if formula.base is None:
                for number, (raw, dtype, weight) in enumerate(zip(stored, dtypes, formula.weights, strict=True)):
                    widen(raw, dtype, part)
                    self._add(total, part, dtype, weight, first=number == 0)
                if divisor is not None:
                    np.divide(total, np.float32(divisor), out=total)
            else:
                base = self.base[:size]
                widen(stored[-1], dtypes[-1], base)
                for raw, dtype, weight in zip(stored[:-1], dtypes[:-1], formula.weights, strict=True):
                    widen(raw, dtype, part)
                    np.subtract(part, base, out=part)
                    np.multiply(part, np.float32(weight), out=part)
                    np.add(total, part, out=total)
                if divisor is not None:
                    np.divide(total, np.float32(divisor), out=total)
                if formula.scale != 1:
                    np.multiply(total, np.float32(formula.scale), out=total)
                np.add(base, total, out=total)
            self._narrow(total, out)
        limit = _LIMITS[formula.dtype]
        return bool(-limit < total.min() and total.max() < limit)  # a NaN makes both false

    def _add(
        self, total: NDArray[np.float32], part: NDArray[np.float32], dtype: str, weight: float, *, first: bool
    ) -> None:
        """total += weight * part, rounded once as by a fused multiply-add (torch's addcmul, with AVX2 or better)."""
        import numpy as np

        if not exact(dtype, weight):
            wide, other = self.wide[: total.size], self.other[: total.size]
            if not first:
                fused(total, part, weight, wide, other)
                return
            np.copyto(wide, part)
            np.multiply(wide, np.float64(weight), out=wide)  # exact
            np.add(wide, 0.0, out=wide)  # -0 becomes 0
            np.copyto(total, wide, casting="unsafe")
            return
        if weight != 1:
            np.multiply(part, np.float32(weight), out=part)
        np.add(total, part, out=total)

    def _narrow(self, total: NDArray[np.float32], out: NDArray[Any]) -> None:
        """Round float32 to the formula's dtype, halves to even."""
        import numpy as np

        if self.formula.dtype != "BF16":
            np.copyto(out, total, casting="unsafe")
            return
        bits, carry = total.view(np.uint32), self.carry[: total.size]
        # Just under half a unit, and the lowest kept bit, carries exactly when rounding goes up.
        np.right_shift(bits, np.uint32(16), out=carry)
        np.bitwise_and(carry, np.uint32(1), out=carry)
        np.add(carry, np.uint32(0x7FFF), out=carry)
        np.add(carry, bits, out=carry)
        np.right_shift(carry, np.uint32(16), out=carry)
        np.copyto(out, carry, casting="unsafe")


def exact(dtype: str, weight: float) -> bool:
    """Whether `weight` times a value stored as `dtype` is a float32 without rounding, unless it overflows."""
    mantissa, exponent = math.frexp(weight)
    return weight == 0 or (abs(mantissa) == 0.5 and exponent - 1 >= _LOWEST[dtype])


def widen(raw: NDArray[Any], dtype: str, out: NDArray[np.float32]) -> None:
    """Stored numbers as float32, which is exact for all but F64."""
    import numpy as np

    if dtype != "BF16":
        np.copyto(out, raw, casting="unsafe")
        return
    bits = out.view(np.uint32)
    np.copyto(bits, raw)
    np.left_shift(bits, np.uint32(16), out=bits)


def fused(
    total: NDArray[np.float32],
    part: NDArray[np.float32],
    weight: float,
    wide: NDArray[np.float64],
    other: NDArray[np.float64],
) -> None:
    """total = float32(total + weight * part), rounded once. `wide` and `other` are temporaries.

    In float64 the product of two float32 is exact and the sum rounds to 53 bits. Rounding that again to 24 bits is right
    except where it stands exactly between two float32 but the true sum does not, or below the normal numbers.
    """
    import numpy as np

    np.copyto(other, part)
    np.multiply(other, np.float64(weight), out=other)
    np.copyto(wide, total)
    np.add(wide, other, out=wide)
    tail = other.view(np.int64)
    np.left_shift(wide.view(np.int64), 35, out=tail)  # the 29 bits that float32 has no room for
    halfway = tail == np.iinfo(np.int64).min
    np.abs(wide, out=other)
    if other.min() < _NORMAL:
        halfway |= other < _NORMAL
    places = np.flatnonzero(halfway)
    if places.size:
        wide[places] = _odd(total[places].astype(np.float64), part[places] * np.float64(weight), wide[places])
    np.copyto(total, wide, casting="unsafe")


def _odd(first: NDArray[np.float64], second: NDArray[np.float64], rounded: NDArray[np.float64]) -> NDArray[np.float64]:
    """first + second cut to 53 bits, the last bit 1 if anything was cut: rounding that again to fewer bits is right."""
    import numpy as np

    back = rounded - first
    error = (first - (rounded - back)) + (second - back)  # what rounding lost, exactly
    bits = rounded.copy().view(np.int64)
    inexact = (error != 0) & ((bits & 1) == 0)
    away = (error > 0) == (rounded > 0)  # the next number away from zero has the next higher bits
    bits[inexact] += np.where(away[inexact], 1, -1)
    return bits.view(np.float64)
