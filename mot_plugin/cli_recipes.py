"""The commands that write recipes: `ablate` varies one, `recipes` lists and copies those that come with the package."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mot_plugin.errors import FileError
from mot_plugin.terminal import MachineFile, RecipeFile, recipe_file


def ablate(
    recipe: RecipeFile,
    merge: Annotated[str, typer.Option("--merge", metavar="A,B,...", help="mergekit files to merge with instead")] = "",
    drop_teacher: Annotated[
        str, typer.Option("--drop-teacher", metavar="A,B,...|all", help="Teachers to leave out, one at a time")
    ] = "",
    keep_teachers: Annotated[
        str, typer.Option("--keep-teachers", metavar="A,B,...", help="The only teachers, in one recipe")
    ] = "",
    rounds: Annotated[str, typer.Option("--rounds", metavar="N,M,...", help="Other numbers of rounds")] = "",
    steps: Annotated[str, typer.Option("--steps", metavar="N,M,...", help="Other numbers of steps in a round")] = "",
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,M,...", help="Other seeds, for a mean ± std")] = "",
    until: Annotated[str, typer.Option("--until", metavar="no_gain", help="Stop when a round gains nothing")] = "",
    one_shot: Annotated[bool, typer.Option("--one-shot", help="One merge of the finished STD trainings")] = False,
    matched: Annotated[bool, typer.Option("--matched", help="MTD with as many optimizer steps as MoT")] = False,
    methods: Annotated[
        str, typer.Option("--methods", metavar="A,B,...", help="Leave out all other methods, in every variant")
    ] = "",
    machine: MachineFile = None,
) -> None:
    """Write a recipe per variant beside RECIPE, comments and all, and say how many steps each shares with it."""
    from mot_plugin import ablate as ablation
    from mot_plugin import machine as machines
    from mot_plugin import run as runs

    place, path = machines.load(machine), recipe_file(recipe)
    base = runs.prepare(path, place)
    sweep = ablation.Sweep(
        merges=_listed(merge),
        without=list(base.recipe.teachers) if drop_teacher == "all" else _listed(drop_teacher),
        keep=_listed(keep_teachers),
        rounds=_numbers("rounds", rounds),
        steps=_numbers("steps", steps),
        seeds=_numbers("seeds", seeds),
        until=until or None,
        one_shot=one_shot,
        matched=matched,
        methods=_listed(methods),
    )
    for file in ablation.write(path, sweep):
        plan_of = runs.prepare(file, place).plan
        shared = len(set(plan_of.prints.values()) & set(base.plan.prints.values()))
        print(f"{file}  {len(plan_of.steps)} steps, {shared} shared with {base.recipe.name}")


def recipes(
    copy: Annotated[
        str | None,
        typer.Option("--copy", metavar="NAME", help="Copy a recipe and what it needs; `paper` for all of it"),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to")] = Path("recipes"),
) -> None:
    """List the recipes, mergekit files and tasks that come with the package, or copy a recipe to start from."""
    from mot_plugin import shipped
    from mot_plugin.strict import suggest

    root = shipped.path("recipes")
    known = {file.stem: file for file in sorted(root.glob("*.yaml"))}
    known |= {f"paper/{file.stem}": file for file in sorted((root / "paper").glob("*.yaml"))}
    if copy is None:
        _list()
    elif copy == "paper":
        _copied({name: file for name, file in known.items() if name.startswith("paper/")}, to)
        print(f"copied to {to / 'paper'}; next: mot-plugin plan {to / 'paper'}/*.yaml")
    elif copy in known or f"paper/{copy}" in known:
        name = copy if copy in known else f"paper/{copy}"
        _copied({name: known[name]}, to)
        needed = _beside(known[name])
        if needed.is_dir():
            shutil.copytree(needed, to / needed.name, dirs_exist_ok=True)
        print(f"copied to {to / name}.yaml; next: mot-plugin plan {to / name}.yaml")
    else:
        raise FileError(f"no recipe {copy!r}{suggest(copy, known) or '; there are ' + ', '.join(known)}")


def _copied(files: Mapping[str, Path], to: Path) -> None:
    there = [to / f"{name}.yaml" for name in files if (to / f"{name}.yaml").exists()]
    if there:
        raise FileError(f"{there[0]} is already there: nothing was copied (choose another folder with --to)")
    for name, file in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / f"{name}.yaml")


def _beside(file: Path) -> Path:
    """The folder of what a recipe reads: its own name's, or that of the recipe that it varies (`quickstart-probe`)."""
    own = file.with_suffix("")
    return own if own.is_dir() else file.with_name(file.stem.partition("-")[0])


def _list() -> None:
    from mot_plugin import shipped

    for title, folder_name, pattern in (
        ("recipes", "recipes", "*.yaml"),
        ("the paper's recipes", "recipes/paper", "*.yaml"),
        ("machine files", "recipes/machines", "*.yaml"),
        ("mergekit files", "mergekit_configs", "*.yaml"),
        ("evaluation tasks", "eval", "*/mot_*.yaml"),
    ):
        root = shipped.path(*folder_name.split("/"))
        files = sorted(root.glob(pattern))
        width = max(22, *(len(file.stem) for file in files))
        print(f"{title} ({root})")
        for file in files:
            print(f"  {file.stem:<{width}} {_first_comment(file)}")
    print("copy one with `mot-plugin recipes --copy NAME`")


def _first_comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(count) for count in _listed(text)]
    except ValueError:
        raise FileError(f"--{option} takes whole numbers, got {text!r}") from None
