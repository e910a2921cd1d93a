"""`mot-plugin reproduce`: a student made again from its provenance.json, or what stands in the way of that."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin.errors import CheckFailed
from mot_plugin.terminal import MachineFile, view

if TYPE_CHECKING:
    from mot_plugin.reproducing import Compared
    from mot_plugin.shipping.provenance import Provenance


def reproduce(
    path: Annotated[
        Path, typer.Argument(metavar="PROVENANCE", help="A provenance.json, or the folder of a shipped student")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where to put the recipe; ./NAME-again if not given")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", metavar="DIR", help="Where traces, student and source lie, to link them")
    ] = None,
    machine: MachineFile = None,
    go: Annotated[bool, typer.Option("--run", help="Run it, and compare every file with the recorded one")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="One line per event, also on a terminal")] = False,
) -> None:
    """Compare versions, inputs and every step with what a student was made from; with --run, make it again."""
    from mot_plugin import machine as machines
    from mot_plugin import reproducing
    from mot_plugin.shipping import provenance

    found = provenance.read(path)
    folder = to or Path(f"{found.recipe_name}-again")
    recipe = reproducing.lay_out(found, folder, inputs)
    ready = reproducing.prepare(recipe, machines.load(machine))
    compared = reproducing.compare(found, path if path.is_dir() else path.parent, ready)
    _say(found, compared, recipe)
    if compared.files:
        raise CheckFailed("the files beside this provenance are not those that it speaks of: see above")
    reproducing.refuse(found, compared)
    if not go:
        print(f"next: the same command with --run, or mot-plugin run {recipe}")
        return
    other = reproducing.remake(found, ready, view(plain=plain))
    if other:
        raise CheckFailed(
            "\n".join(
                [
                    f"it was made again, and {len(other)} of {len(found.files)} files are not bit for bit the same",
                    *other,
                ]
            )
        )
    print(f"it was made again, and all {len(found.files)} files are bit for bit the same")


def _say(found: "Provenance", compared: "Compared", recipe: Path) -> None:
    made = found.made_by
    print(
        f"recipe     {found.recipe_name}, made by mot-plugin {made.get('mot-plugin')}, commit {made.get('commit') or 'unknown'}"
    )
    print(f"written    {recipe}" + "".join(f", {recipe.parent / name}" for name in found.mergekit))
    if found.cut:
        print(f"           paths that are not in the recipe any more: {', '.join(found.cut)}; fill them in")
    _list("files", compared.files, "the student beside it is as recorded, or not there")
    _list("versions", compared.versions, "as recorded")
    if compared.pip:
        print(f"           pip install {' '.join(repr(one) for one in compared.pip)}")
    _list("place", compared.places, "as recorded")
    _list("inputs", compared.inputs, f"all {len(found.inputs)} are there, with the recorded digests")
    _list("plan", compared.steps, f"all {len(found.plan)} steps have the recorded fingerprints")
    if compared.following:
        print(f"           {compared.following} more steps follow from these")
    if compared.asked:
        print(
            f"teachers   {', '.join(compared.asked)} will be asked again: other answers make other corpora, and another student"
        )


def _list(title: str, found: list[str], fine: str) -> None:
    for number, line in enumerate(found or [fine]):
        print(f"{title if number == 0 else '':<10} {line}")
