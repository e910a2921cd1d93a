"""`mot-plugin corpus ...`: training sets without the training, and a look into them."""

from pathlib import Path
from typing import Annotated

import typer

from mot_plugin.terminal import MachineFile, RecipeFile, recipe_file, view

app = typer.Typer(help="Build, sample elsewhere and look at corpora.", no_args_is_help=True, rich_markup_mode=None)

TeacherName = Annotated[str, typer.Argument(metavar="TEACHER", help="A teacher's name in the recipe")]


@app.command()
def build(
    recipe: RecipeFile,
    machine: MachineFile = None,
    plain: Annotated[bool, typer.Option("--plain", help="One line per event, also on a terminal")] = False,
) -> None:
    """Make the corpora of a recipe and stop there: problems, samples of live teachers, one training set per teacher."""
    from mot_plugin import machine as machines
    from mot_plugin import run as runs

    runs.run(recipe_file(recipe), machines.load(machine), view(plain=plain), goals=("corpus",))


@app.command()
def export(
    recipe: RecipeFile,
    teacher: TeacherName,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the requests")],
    each: Annotated[
        int | None, typer.Option("--each", min=1, help="Samples of a prompt at most; all that are missing if not given")
    ] = None,
    per_file: Annotated[int, typer.Option("--per-file", min=1, max=50_000, help="Requests in a file")] = 1000,
    machine: MachineFile = None,
) -> None:
    """Write what is still to be asked of a teacher as OpenAI Batch files, to be run elsewhere."""
    from mot_plugin import machine as machines
    from mot_plugin import offsite

    path, place = recipe_file(recipe), machines.load(machine)
    files = offsite.export(path, place, teacher, view(plain=True), out, each, per_file)
    if not files:
        print(f"nothing to ask: all samples of {teacher} are here")
        return
    print(f"{files[0]} and {len(files) - 1} more" if files[1:] else str(files[0]))
    print("ask them, for example with")
    print(f"  vllm run-batch -i {files[0]} -o {out / 'results-000.jsonl'} --model MODEL")
    print(f"and bring the answers back with\n  mot-plugin corpus import {recipe} {teacher} {out}/results-*.jsonl")


@app.command(name="import")
def take(
    recipe: RecipeFile,
    teacher: TeacherName,
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Results files of a batch")],
    machine: MachineFile = None,
) -> None:
    """Take in the results of exported requests; the next `run` or `corpus build` goes on from them."""
    from mot_plugin import machine as machines
    from mot_plugin import offsite

    found = offsite.take(recipe_file(recipe), machines.load(machine), teacher, view(plain=True), results)
    failed = ", ".join(f"{reason} {count}" for reason, count in found.failed.items())
    print(f"{found.added} samples added, {found.known} were here" + (f", failed: {failed}" if failed else ""))
