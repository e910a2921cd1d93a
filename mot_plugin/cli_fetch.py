"""`mot-plugin fetch`: what evaluations and recipes read from the hub, for computers that cannot reach it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin.errors import FileError, MissingInput, MotError
from mot_plugin.terminal import recipe_file

if TYPE_CHECKING:
    from mot_plugin.fetching import Copy, DataSet


def fetch(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of all copies")],
    tasks: Annotated[
        list[str] | None, typer.Argument(metavar="[TASKS]...", help="Tasks or groups of eval/, or `all`")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="What this recipe reads: its source, its tasks")
    ] = None,
) -> None:
    """Copy benchmark data from the hub into a folder, and see whether the tasks can read it. Again: only what is missing."""
    from mot_plugin import fetching
    from mot_plugin import recipe as recipes
    from mot_plugin.evals import catalogue

    every, names, source = catalogue.files(), list(tasks or ()), None
    if recipe is not None:
        read = recipes.load(recipe_file(recipe))
        source = fetching.source(read)
        names += [*read.eval.tasks, *(read.source.decontaminate or ())]
    if not names:
        raise FileError("nothing to fetch: name tasks or groups of eval/, `all`, or a recipe with --recipe")
    wanted, shipped = fetching.data_sets(catalogue.chosen(names, every), every)
    missing: list[str] = []
    for one in wanted:
        if _fetched(one, to, missing):
            for task in one.tasks:
                try:
                    print(f"  {task} reads {fetching.problems(task, every, to)} problems")
                except MotError as error:
                    missing.append(f"{task} cannot read its copy: {error}")
    for task in shipped:
        print(f"{task}: its problems come with mot-plugin")
    if wanted:
        print(f"to read the copies: `storage: {{datasets: {to.resolve()}}}` in the machine file,")
        print(f"""by hand `lm_eval run ... --metadata '{{"mot_data_dir": "{to.resolve()}"}}'`""")
    if source is not None and _fetched(source, to, missing):
        try:
            file, count = fetching.source_file(source, to)
            print(f"  {count} rows; in {recipe}, instead of `hub`: `source: {{file: {file.resolve()}}}`")
        except MotError as error:
            missing.append(str(error))
    if missing:
        raise MotError("\n".join([f"{len(missing)} of what was asked for is not there", *missing]))


def _fetched(one: "DataSet", to: Path, missing: list[str]) -> "Copy | None":
    """Fetch and say so; what cannot be had is kept for the end, so that the others come first."""
    from mot_plugin import fetching

    try:
        copy = fetching.fetch(one, to)
    except MissingInput as error:
        missing.append(f"{', '.join(one.tasks) or 'the source'}: {error}")
        print(f"{one.hub}: missing, see below")
        return None
    at = copy.commit[:12] + ("" if one.revision else ", the newest")
    new = "nothing new" if not copy.new else f"{_bytes(copy.new)} new"
    print(
        f"{one.hub} at {at} ({copy.licence or 'its card names no licence'}): {_bytes(copy.size)} in {copy.folder}, {new}"
    )
    return copy


def _bytes(count: int) -> str:
    shown = float(count)
    for unit in ("bytes", "kB", "MB"):
        if shown < 1000:
            return f"{shown:.3g} {unit}"
        shown /= 1000
    return f"{shown:.3g} GB"
