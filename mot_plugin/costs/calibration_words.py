"""A calibration as a person reads it, and as a machine file takes it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml

from mot_plugin.costs.calibrate import Calibration, Constant, Kind

if TYPE_CHECKING:
    from rich.console import RenderableType


def tables(made: Calibration) -> "RenderableType":
    """Every constant with what it is from, and every kind of step as it was estimated before and would be now."""
    from rich.console import Group
    from rich.table import Table

    constants = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("constant", "was", "is", "n", "single steps say", "unit", "how"):
        constants.add_column(name, justify="left" if name in ("constant", "unit", "how") else "right")
    for one in made.constants:
        constants.add_row(*_constant(one))
    kinds = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in (
        "kind of step",
        "n",
        "took, s",
        "estimated before",
        "off by",
        "estimated now",
        "off by",
        "a single step",
    ):
        kinds.add_column(name, justify="left" if name == "kind of step" else "right")
    for kind in (*made.kinds, whole(made.kinds)):
        kinds.add_row(*_kind(kind))
    return Group(constants, "", kinds)


def whole(kinds: Sequence[Kind]) -> Kind:
    """All kinds together."""
    measured, n = sum(one.measured for one in kinds), sum(one.n for one in kinds)
    before, after = sum(one.before for one in kinds), sum(one.after for one in kinds)
    return Kind("in all", n, measured, before, after, sum(one.single * one.n for one in kinds) / max(1, n))


def block(made: Calibration) -> str:
    """YAML for the machine file."""
    steps = max((one.n for one in made.constants), default=0)
    head = (
        f"# Fitted by mot-plugin calibrate to {whole(made.kinds).n} finished steps (at most {steps} for one constant)\n"
    )
    return head + yaml.safe_dump({"costs": made.block}, sort_keys=False, default_flow_style=False)


def _constant(one: Constant) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.was:.4g}",
        f"{one.now:.4g}",
        str(one.n),
        f"{one.low:.3g} to {one.high:.3g}",
        one.unit,
        one.how,
    )


def _kind(one: Kind) -> tuple[str, ...]:
    return (
        one.kind,
        str(one.n),
        f"{one.measured:,.1f}",
        f"{one.before:,.1f}",
        _off(one.before, one.measured),
        f"{one.after:,.1f}",
        _off(one.after, one.measured),
        f"\N{PLUS-MINUS SIGN}{100 * one.single:.0f} %",
    )


def _off(estimated: float, measured: float) -> str:
    """`+12 %`, or `x 14` where a percentage says nothing any more."""
    if measured <= 0:
        return ""
    ratio = estimated / measured
    return f"x {ratio:,.1f}" if ratio >= 3 else f"{100 * (ratio - 1):+.0f} %"
