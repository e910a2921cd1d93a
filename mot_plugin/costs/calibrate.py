"""The machine's constants from finished steps, and how far the estimates were off before and would be after."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.costs.fit import Point, line
from mot_plugin.costs.observe import Observed
from mot_plugin.costs.price import price, starting, working
from mot_plugin.rates import Rates


@dataclass(frozen=True)
class Constant:
    """One constant: what it was and is, from how many steps, and what single steps say of it."""

    name: str
    unit: str
    was: float
    now: float
    n: int
    low: float
    high: float
    how: str = ""


@dataclass(frozen=True)
class Kind:
    """All finished steps of a kind: seconds as measured, as they were estimated and as they would be now."""

    kind: str
    n: int
    measured: float
    before: float
    after: float
    single: float
    """How far the estimate of a single step is off now, in the mean, as a share of what it took."""


@dataclass(frozen=True)
class Calibration:
    """`rates` are the machine's with what was fitted."""

    rates: Rates
    constants: tuple[Constant, ...]
    kinds: tuple[Kind, ...]
    block: dict[str, Any]
    """What belongs under `costs:` in the machine file."""


RATES: Mapping[str, tuple[str, str, str]] = {
    "train": ("mfu", "processor_tflops", "of the peak, or TFLOP/s"),
    "evaluate": ("generation_rate", "processor_generation_rate", "tokens/s x 1e9 parameters"),
    "merge": ("merge_rate", "merge_rate", "MB/s"),
}
"""Kind -> the constant of its speed on GPUs and without, and its unit."""
_MAY_LEAD = {"mix": "merge", "traces": "evaluate"}
"""Kinds that say how fast another one is where there is none of that."""
_NO_LIMIT = 1e12


def calibrate(found: Sequence[Observed], rates: Rates) -> Calibration:
    """Fit what the steps can say; what they cannot stays as it is. All of them are of one machine."""
    made, constants = dict[str, Any](), list[Constant]()
    for name, (unit, values) in _means(found).items():
        made[name] = _short(statistics.fmean(values))
        constants.append(Constant(name, unit, getattr(rates, name), made[name], len(values), min(values), max(values)))
    answers = _answers(found)
    if answers:
        made["answer_tokens"] = {**rates.answer_tokens, **answers}
    startups, kinds = dict(rates.startup_seconds), {one.step.kind for one in found}
    for kind in sorted(kinds, key=lambda kind: (kind not in RATES, kind)):
        steps = [one for one in found if one.step.kind == kind]
        if kind in RATES or (kind in _MAY_LEAD and _MAY_LEAD[kind] not in kinds):
            rate = _rate(steps, _MAY_LEAD.get(kind, kind), rates)
            if rate is not None:
                made[rate.name] = rate.now
                constants.append(rate)
        known = rates.model_copy(update=made)
        startups[kind], spread = _startup(steps, known)
        name, was = f"startup_seconds.{kind}", rates.startup(kind)
        constants.append(Constant(name, "s", was, startups[kind], len(steps), *spread))
        floor = _stream(steps, known)
        if floor > known.stream_rate:
            made["stream_rate"] = _short(1.01 * floor)
    new = rates.model_copy(update={**made, "startup_seconds": startups})
    told = {*made, "startup_seconds", *rates.model_fields_set}
    block = {name: value for name, value in new.model_dump().items() if name in told}
    return Calibration(new, tuple(constants), tuple(_kinds(found, rates, new)), block)


def _rate(steps: Sequence[Observed], kind: str, rates: Rates) -> Constant | None:
    """How fast a kind of step works; None where nothing was worked on."""
    on_gpus, without, unit = RATES[kind]
    name = on_gpus if any(one.step.gpus for one in steps) else without
    # As if the constant were 1 and no answer too long for the others: then seconds are its inverse.
    whole = rates.model_copy(update={name: 1.0, "stream_rate": _NO_LIMIT})
    points = [Point(working(one.ground.at(whole), one.step, one.amount), one.seconds, one.working) for one in steps]
    if not all(point.work > 0 and point.seconds > 0 for point in points):
        return None
    drawn = line(points, rates.startup(kind))
    speeds = [1 / each for each in drawn.eaches if each > 0]
    now = min(1.0, 1 / drawn.each) if name == "mfu" else 1 / drawn.each
    return Constant(name, unit, getattr(rates, name), _short(now), len(steps), min(speeds), max(speeds), drawn.how)


def _startup(steps: Sequence[Observed], rates: Rates) -> tuple[float, tuple[float, float]]:
    """Mean seconds that the work does not explain, and the least and most of single steps."""
    lenient = rates.model_copy(update={"stream_rate": _NO_LIMIT, "startup_seconds": {"*": 1.0}})
    left = []
    for one in steps:
        ground = one.ground.at(lenient)
        waves = starting(ground, one.step) / lenient.startup(one.step.kind)
        left.append((one.seconds - working(ground, one.step, one.amount)) / waves)
    return _short(max(0.0, statistics.fmean(left))), (min(left), max(left))


def _stream(steps: Iterable[Observed], rates: Rates) -> float:
    """The least speed of one answer that would have let all answers end in time."""
    fast = rates.model_copy(update={"stream_rate": _NO_LIMIT})
    speeds = [
        one.amount.longest / working(one.ground.at(fast), one.step, one.amount)
        for one in steps
        if one.amount.longest and working(one.ground.at(fast), one.step, one.amount)
    ]
    return max(speeds, default=0.0)


def _means(found: Sequence[Observed]) -> dict[str, tuple[str, list[float]]]:
    """Constant -> its unit and what single corpora or teachers say of it."""
    rows: list[float] = []
    for ground in {id(one.ground): one.ground for one in found}.values():
        rows += [tokens / ground.recipe.sft["cutoff_len"] for tokens in ground.seen.rows.values()]
    traced = [one for one in found if one.sample_tokens is not None and one.draws is not None]
    said = {
        "row_share": ("of cutoff_len", rows),
        "trace_share": (
            "of max_tokens",
            [one.sample_tokens / one.amount.longest for one in traced if one.sample_tokens and one.amount.longest],
        ),
        "draws": ("samples", [one.draws for one in traced if one.draws]),
    }
    return {
        name: (unit, [min(1.0, value) if name != "draws" else value for value in values])
        for name, (unit, values) in said.items()
        if values
    }


def _answers(found: Sequence[Observed]) -> dict[str, float]:
    means: dict[str, list[float]] = {}
    for one in found:
        for task, tokens in one.answer_tokens.items():
            means.setdefault(task, []).append(tokens)
    return {task: _short(statistics.fmean(values)) for task, values in sorted(means.items()) if any(values)}


def _kinds(found: Sequence[Observed], before: Rates, after: Rates) -> Iterable[Kind]:
    by_kind: dict[str, list[Observed]] = {}
    for one in found:
        by_kind.setdefault(one.step.kind, []).append(one)
    for kind, steps in sorted(by_kind.items(), key=lambda item: -sum(one.seconds for one in item[1])):
        was, now = (
            [price(one.ground.unseen().at(rates), one.step).seconds for one in steps] for rates in (before, after)
        )
        off = [abs(guess - one.seconds) / one.seconds for guess, one in zip(now, steps, strict=True) if one.seconds]
        single = statistics.fmean(off) if off else 0.0
        yield Kind(kind, len(steps), sum(one.seconds for one in steps), sum(was), sum(now), single)


def _short(value: float) -> float:
    """Four digits say more than is known."""
    return float(f"{value:.4g}")
