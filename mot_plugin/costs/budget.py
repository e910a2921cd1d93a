"""--max-gpu-hours: refuse what would cost more, and say what is dear and what could be left out."""

from collections.abc import Mapping, Sequence

from mot_plugin.costs.estimate import Estimate
from mot_plugin.costs.price import Price
from mot_plugin.costs.words import hours
from mot_plugin.errors import TooDear

_METHODS: Mapping[str, str] = {
    "base": "methods.base",
    "MoT": "methods.mot",
    "STD": "methods.std",
    "MTD": "methods.mtd",
    "one-shot": "methods.one_shot",
    "STD-matched": "methods.matched",
    "MTD-matched": "methods.matched",
}
_PURPOSES = {"general": "general", "probe": "probe"}


def refuse(made: Estimate, most: float, names: Sequence[str]) -> None:
    """Raises TooDear if all that has to run costs more than `most` GPU-hours (hours where there is no GPU)."""
    whole = made.whole
    if whole.hours <= most:
        return
    unit = "GPU-hours" if whole.gpus else "hours"
    what = f"recipe {names[0]}" if len(names) == 1 else f"these {len(names)} recipes"
    lines = [f"{what} would take {hours(whole.hours)} {unit}, and --max-gpu-hours is {most:g}: nothing was started"]
    lines.append(f"  by kind of step   {_listed(whole.by_kind)}")
    if len(names) == 1:
        lines.append(f"  by block          {_listed(blocks(whole.prices, gpus=whole.gpus))}")
        lines.append(
            "Leave out a block that is not needed, train or evaluate less often (steps, save_steps, rounds, eval.tasks),"
        )
        lines.append("or give more hours; `mot-plugin plan` shows how the estimate was made.")
    else:
        added = dict(zip(names, (one.hours for one in made.shared.added), strict=True))
        lines.append(f"  by recipe         {_listed(added)}")
        lines.append("Leave out recipes (each number is what it adds to those before it), or give more hours.")
    raise TooDear("\n".join(lines))


def blocks(prices: Sequence[Price], *, gpus: bool) -> dict[str, float]:
    """Hours by the recipe's block that asks for them, most first."""
    found: dict[str, float] = {}
    for one in prices:
        name = _PURPOSES.get(one.step.purpose) or _METHODS.get(one.step.method)
        name = "probe_loss" if one.step.kind == "probe-loss" else "teachers" if one.step.kind == "traces" else name
        spent = one.gpu_hours if gpus else one.seconds / 3600
        if name and spent:
            found[name] = found.get(name, 0.0) + spent
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _listed(found: Mapping[str, float]) -> str:
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {hours(value)}" for name, value in ordered[:6] if value) + (
        ", ..." if ordered[6:] else ""
    )
