"""The paper's arithmetic of printed numbers: percent with two decimals, halves rounded up, averages of printed scores.

All 42 averages of the paper's Tables 2 and 9 come out this way and in no other; full precision stays in the JSON.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


def percent(share: float) -> Decimal:
    """A share (0..1) as percent with two decimals: 0.70625 -> 70.63."""
    # Ten decimals first: a float a hair below 0.70625 is that number with the noise of a sum.
    return (Decimal(repr(round(share, 10))) * 100).quantize(_CENT, ROUND_HALF_UP)


def average(printed: Sequence[Decimal]) -> Decimal:
    """AVG of scores as printed: 75.83 and 67.08 -> 71.46. Raises ValueError for none."""
    if not printed:
        raise ValueError("the average of no scores")
    return (sum(printed, Decimal(0)) / len(printed)).quantize(_CENT, ROUND_HALF_UP)


def arrow(change: Decimal) -> str:
    """A change of a printed score: the sign as an arrow, then the size."""
    return f"{'↑' if change > 0 else '↓' if change < 0 else ''}{abs(change)}"


def plus_minus(value: str, stderr: float | None) -> str:
    """`value`, with its standard error (a share, 0..1) in percent when there is one."""
    return value if stderr is None else f"{value} ± {percent(stderr)}"


def probability(p: float) -> str:
    """`p 0.012`; what is smaller than three decimals can say is no zero."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def signed(change: Decimal) -> str:
    """`-7.50` and `+0.10`, and 0.00 without a sign, as Tables 6 and 7 print changes."""
    return f"{change:+}" if change else f"{abs(change)}"


def signed_arrow(change: Decimal) -> str:
    """`↓-0.89` and `↑0.10`: the sign as an arrow and once more before a loss, as Tables 3 and 4 print it."""
    return f"{'↑' if change > 0 else '↓' if change < 0 else ''}{change if change else abs(change)}"
