"""`mot-plugin doctor`: what would keep a recipe from running here, before anything starts."""

from pathlib import Path
from typing import Annotated

import typer

from mot_plugin.terminal import MachineFile, console, recipe_file


def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A recipe; without one, only the place is looked at")
    ] = None,
    machine: MachineFile = None,
    executor: Annotated[
        str | None, typer.Option("--executor", metavar="serial|ray|slurm", help="Instead of what the machine file says")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Check tools, GPUs, memory, context lengths, chat templates, disks, the hub, keys and ports. Starts nothing."""
    from mot_plugin.doctor import checks, shown

    told = checks.examine(recipe_file(recipe) if recipe else None, machine, executor)
    if as_json:
        seen = list(told)
        print(shown.for_programs(seen))
    else:
        seen = shown.show(console(), told)
    raise typer.Exit(shown.exit_code(seen))
