"""All checks, by family: the one place to add another."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mot_plugin import machine as machines
from mot_plugin import recipe as recipes
from mot_plugin.doctor import (
    context,
    disk,
    endpoints,
    engines,
    executors,
    files,
    fits,
    gpus,
    hub,
    lengths,
    ports,
    templates,
    tools,
    training,
)
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error
from mot_plugin.errors import FileError, MotError
from mot_plugin.machine import Machine

Check = Callable[[Context], Iterator[Finding]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("files", files.check),
    ("tools", tools.check),
    ("training", training.check),
    ("GPUs", gpus.check),
    ("memory", fits.check),
    ("memory of engines", engines.check),
    ("executor", executors.check),
    ("context lengths", lengths.check),
    ("chat template", templates.check),
    ("disk", disk.check),
    ("hub", hub.check),
    ("teachers", endpoints.check),
    ("ports", ports.check),
)
"""Family -> its findings, in the order in which they are told."""

Told = tuple[str, Finding]
"""A finding with its family."""


def examine(recipe: Path | None, machine: Path | None, executor: str | None = None) -> Iterator[Told]:
    """Everything that can be told about a recipe in a place; without a recipe, about the place."""
    wrong: list[Finding] = []
    place = _machine(machine, executor, wrong)
    ready = None
    if recipe is not None:
        try:
            ready = context.prepare(recipe, place) if place else None
            if place is None:
                recipes.load(recipe)  # so that all mistakes are told at once
        except FileError as said:
            wrong.append(
                error(
                    "recipe",
                    f"{said}\nonly the place is looked at before",
                    "mend the recipe, or what it says of the machine file",
                    FileError,
                )
            )
    yield from (("files", finding) for finding in wrong)
    if place is None:
        return
    looked_at = context.gather(place, ready)
    for family, check in CHECKS:
        yield from ((family, finding) for finding in _all(family, check, looked_at))


def _all(family: str, check: Check, looked_at: Context) -> Iterator[Finding]:
    """What one family finds; a file that it cannot read is a finding, and ends it alone."""
    try:
        yield from check(looked_at)
    except MotError as wrong:
        yield error(family, f"{wrong}\nthe rest of it is not looked at before", "mend that file", type(wrong))
    except OSError as wrong:
        said = f"{wrong.filename or 'a file'}: {wrong.strerror or wrong}"
        yield error(family, f"{said}\nthe rest of it is not looked at before", "mend that file, or who may read it")


def _machine(file: Path | None, executor: str | None, wrong: list[Finding]) -> Machine | None:
    try:
        place = machines.load(file)
        return machines.with_executor(place, executor) if executor else place
    except FileError as said:
        wrong.append(error("machine", f"{said}\nnothing else can be looked at before", "mend the file", FileError))
        return None
