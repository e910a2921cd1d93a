"""An estimate in a few lines that people like to read, and numbers as people say them."""

from collections.abc import Iterator

from mot_plugin.costs.estimate import Estimate

INDENT = 13
YEARS = 2
"""From so many on, days say less."""
_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def lines(made: Estimate) -> list[str]:
    """Empty where nothing has to run."""
    return list(_lines(made)) if made.whole.prices else []


def _lines(made: Estimate) -> Iterator[str]:
    whole, place = made.whole, made.machine
    unit = "GPU-hours" if whole.gpus else "hours"
    kinds = ", ".join(f"{kind} {hours(value)}" for kind, value in whole.by_kind.items() if value >= 0.05)
    yield (
        f"{unit:<{INDENT}}{hours(whole.hours)}"
        + (f": {kinds}" if kinds else "")
        + ("" if whole.gpus else " (there is no GPU)")
    )
    if len(made.shared.alone) > 1:
        saved = made.shared.without - whole.hours
        share = f" ({100 * saved / made.shared.without:.0f} %)" if made.shared.without else ""
        yield f"{'sharing':<{INDENT}}saves {hours(saved)} {unit}{share}: {hours(made.shared.without)} if every recipe ran alone"
    yield f"{'wall-clock':<{INDENT}}{duration(made.seconds)} on {place.name}, {_how(made)}"
    yield f"{'tokens':<{INDENT}}{'; '.join(_tokens(made)) or 'none'}"
    during = f" (at the end of {made.disk.during})" if made.disk.during and made.most == made.disk.peak else ""
    texts = f"; {size(made.texts)} of texts" if made.texts >= 1e6 else ""
    yield f"{'disk':<{INDENT}}weights: at most {size(made.most)} at once{during}, {size(made.disk.stays)} in the end{texts}"
    yield f"{'assumed':<{INDENT}}{'; '.join(made.assumed)}"


def _how(made: Estimate) -> str:
    place = made.machine
    if place.executor == "serial":
        return "one step after the other"
    if not place.gpu_count:
        return f"if it were one step after the other ({place.executor} runs some side by side)"
    several = f"{place.nodes} nodes of " if place.nodes > 1 else ""
    return f"side by side on {several}{place.gpu_count} GPUs ({place.executor})"


def _tokens(made: Estimate) -> Iterator[str]:
    whole = made.whole
    if whole.steps:
        yield f"{count(whole.trained)} trained on, in {whole.steps:,} optimizer steps"
    models, answers, tokens = whole.generated("evaluate")
    if models:
        yield f"{count(tokens)} in {answers:,.0f} answers of {models} evaluated model{'s' * (models > 1)}"
    teachers, samples, tokens = whole.generated("traces")
    if teachers:
        yield f"{count(tokens)} in {samples:,.0f} samples of {teachers} teacher{'s' * (teachers > 1)}"


def hours(value: float) -> str:
    """`2,347`, `92.6`, `0.31`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def count(value: float) -> str:
    """`1.47 billion`, `15 million`, `9,840`."""
    for scale, word in _SCALES:
        if value >= scale:
            return f"{value / scale:.3g} {word}"
    return f"{value:,.0f}"


def size(value: float) -> str:
    """Bytes, in powers of ten as disks are sold: `213 GB`."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value < 1000 * scale else f"{value / scale:,.0f} {unit}"
    return f"{value / 1e3:,.0f} kB"


def duration(seconds: float) -> str:
    """`176 years`, `12 days 5 h`, `20 h 30 min`, `12 min`, `41 s`."""
    minutes, whole_hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if whole_hours < 48:
        return f"{minutes // 60} h {minutes % 60} min"
    if whole_hours < YEARS * 365 * 24:
        return f"{whole_hours // 24} days {whole_hours % 24} h"
    return f"{whole_hours / 365 / 24:,.0f} years"
