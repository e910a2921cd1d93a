"""The commands that take recipes: `run` and `plan`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mot_plugin.errors import FileError
from mot_plugin.terminal import MachineFile, console, recipe_file, view

if TYPE_CHECKING:
    from mot_plugin.costs.estimate import Estimate
    from mot_plugin.run import Prepared

RecipeFiles = Annotated[
    list[Path], typer.Argument(metavar="RECIPE...", help="One or more recipes, for example recipes/quickstart.yaml")
]
MaxGpuHours = Annotated[
    float | None,
    typer.Option("--max-gpu-hours", metavar="N", min=0, help="Refuse if the estimate is higher (hours without a GPU)"),
]


def run(
    recipe: RecipeFiles,
    machine: MachineFile = None,
    plain: Annotated[bool, typer.Option("--plain", help="One line per event, also on a terminal")] = False,
    executor: Annotated[
        str | None,
        typer.Option("--executor", metavar="serial|ray|slurm", help="Instead of what the machine file says"),
    ] = None,
    max_gpu_hours: MaxGpuHours = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Submit to Slurm and return; the same command without it watches")
    ] = False,
) -> None:
    """Run recipes to their reports. Run them again to resume, or after a change: only what depends on it runs."""
    from mot_plugin import machine as machines
    from mot_plugin import several

    files, place = [recipe_file(path) for path in recipe], machines.load(machine)
    if executor is not None:
        place = machines.with_executor(place, executor)
    if detach and place.executor != "slurm":
        raise FileError(f"--detach is for the executor slurm: {place.executor} runs nothing that nobody watches")
    given = several.arrange(files, place)
    if max_gpu_hours is not None:
        from mot_plugin import overview
        from mot_plugin import run as runs

        ready = [runs.prepare(one.path, place, one.recipe) for one in given]
        _refuse_dear(ready, overview.priced(ready), max_gpu_hours)
    try:
        endings = several.run(given, place, view(plain=plain), detach=detach)
    except KeyboardInterrupt as stopped:  # what an executor leaves to go on without us, it says
        print(f"\n{str(stopped) or 'stopped; run the same command again to go on from here'}", file=sys.stderr)
        raise typer.Exit(130) from None
    if len(endings) > 1 or any(ending.ran and ending.shared for ending in endings):
        print(f"\n{several.summary(endings)}")
    failed = [ending for ending in endings if ending.code]
    if failed:
        raise typer.Exit(failed[0].code)


def plan(
    recipe: RecipeFiles,
    machine: MachineFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write every file that `run` would write")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: {steps: [...], cost}, or {recipes: [...], cost} of several")
    ] = False,
    max_gpu_hours: MaxGpuHours = None,
) -> None:
    """Show what would run, in which order, and why. Starts nothing, needs no tool and no weights."""
    from mot_plugin import folder, overview, several
    from mot_plugin import machine as machines
    from mot_plugin import run as runs

    place = machines.load(machine)
    given = several.arrange([recipe_file(path) for path in recipe], place)
    ready = [runs.prepare(one.path, place, one.recipe) for one in given]
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileError(f"{out} is not an empty folder: nothing was written")
        roots = [out if len(ready) == 1 else out / one.recipe.name for one in ready]
        written = [file for one, root in zip(ready, roots, strict=True) for file in folder.write_files(one.plan, root)]
        print(f"wrote {len(written)} files below {out}", file=sys.stderr)
    cost = overview.priced(ready)
    if as_json:
        print(json.dumps(_for_programs(ready, cost), indent=1))
    elif out is None:
        console().print(overview.one(ready[0], cost) if len(ready) == 1 else overview.several(ready, cost))
    if max_gpu_hours is not None:
        _refuse_dear(ready, cost, max_gpu_hours)


def _refuse_dear(ready: "Sequence[Prepared]", cost: "Estimate", most: float) -> None:
    from mot_plugin.costs import budget

    budget.refuse(cost, most, [one.recipe.name for one in ready])


def _for_programs(ready: "Sequence[Prepared]", cost: "Estimate") -> dict[str, Any]:
    from mot_plugin.costs import estimate

    whole = estimate.for_programs(cost)
    if len(ready) == 1:
        return {"steps": _steps(ready[0]), "cost": whole}
    rows = [
        {
            "recipe": one.recipe.name,
            "steps": _steps(one),
            "cost": estimate.of_total(alone),
            "added": estimate.of_total(added),
        }
        for one, alone, added in zip(ready, cost.shared.alone, cost.shared.added, strict=True)
    ]
    return {"recipes": rows, "cost": whole}


def _steps(ready: "Prepared") -> list[dict[str, object]]:
    return [
        {
            "name": step.name,
            "kind": step.kind,
            "method": step.method,
            "needs": list(step.needs),
            "gpus": step.gpus,
            "fingerprint": ready.plan.prints[step.name],
            "state": ready.found[step.name].state,
            "why": ready.found[step.name].why,
        }
        for step in ready.plan.steps
    ]
