"""The commands about cost: `calibrate` fits the model's constants to finished runs, `scaling` plays plans through on many GPUs."""

from pathlib import Path
from typing import Annotated

import typer

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.terminal import console

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders of one machine, finished or not")]


def calibrate(
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A new file for the `costs:` block of the machine file")
    ] = None,
) -> None:
    """Fit the constants of `plan`'s estimates to what finished steps took, and say how far the estimates were off."""
    from mot_plugin.costs import calibration_words
    from mot_plugin.costs.calibrate import calibrate as fit
    from mot_plugin.costs.observe import observe
    from mot_plugin.folder import Folder

    if out is not None and out.exists():
        raise FileError(f"{out} is already there, and nothing is overwritten: name a new file")
    folders = [Folder(run) for run in runs]
    found = [one for folder in folders for one in observe(folder)]
    if not found:
        raise MissingInput(f"{', '.join(map(str, runs))}: no step is finished yet, so there is nothing to measure by")
    machines = {folder.machine().name for folder in folders}
    if len(machines) > 1:
        raise FileError(f"these runs are of several machines ({', '.join(sorted(machines))}): calibrate one at a time")
    made = fit(found, folders[0].machine().costs)
    console().print(calibration_words.tables(made))
    if out is None:
        print(f"\nfor the machine file:\n\n{calibration_words.block(made)}", end="")
        return
    out.write_text(calibration_words.block(made), encoding="utf-8")
    print(f"\nwrote {out}: put its `costs:` into the machine file")
