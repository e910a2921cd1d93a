"""The commands about cost: `calibrate` fits the model's constants to finished runs, `scaling` plays plans through on many GPUs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.terminal import console, recipe_file

if TYPE_CHECKING:
    from mot_plugin.costs.scaling import Point
    from mot_plugin.report.table import Table

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


Recipes = Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="One or more, taken as one plan")]
COUNTS = "8,16,32,64,128,256,512,1024"


def scaling(
    recipe: Recipes,
    machine: Annotated[
        Path | None,
        typer.Option("--machine", "-m", metavar="FILE", help="What a node is; one with 8 GPUs if not given"),
    ] = None,
    gpus: Annotated[str, typer.Option("--gpus", metavar="N,N,...", help="How many there are, as whole nodes")] = COUNTS,
    widths: Annotated[
        str, typer.Option("--widths", metavar="N,N,...", help="GPUs of one training; the machine file's if not given")
    ] = "",
    first: Annotated[
        str,
        typer.Option(
            "--first",
            metavar="plan|longest",
            help="Which waiting step starts first: as in the plan, or the one most hangs on",
        ),
    ] = "plan",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the table, the figure and every schedule there")
    ] = None,
) -> None:
    """Play the plan through on 8 to 1024 GPUs: how long it would take, and what keeps more GPUs from helping."""
    from mot_plugin import machine as machines
    from mot_plugin import overview, several
    from mot_plugin import run as runs
    from mot_plugin.costs import scaling as scalings
    from mot_plugin.costs import scaling_table

    place = machines.load(machine) if machine is not None else machines.default(8)
    if not place.gpu_count:
        raise FileError(f"machine {place.name!r} has no GPUs to scale with: name one that has with --machine")
    if first not in ("plan", "longest"):
        raise FileError(f"--first is plan or longest, not {first!r}")
    files = [recipe_file(path) for path in recipe]
    # As they were given: where runs lie must not change what is simulated.
    given = sorted(several.arrange(files, place), key=lambda one: files.index(one.path))
    cases = [overview.case_of(runs.prepare(one.path, place)) for one in given]
    wide = _numbers("--widths", widths) or [place.takes("train").nodes * place.gpus_for("train")]
    try:
        points = scalings.scale(cases, _numbers("--gpus", gpus), wide, "fifo" if first == "plan" else "longest")
    except ValueError as error:
        raise FileError(str(error)) from None
    if not any(point.schedule.bars for point in points):
        print("everything is done: there is nothing to simulate")
        return
    title = given[0].recipe.name if len(given) == 1 else f"{len(given)} recipes as one plan"
    _show(scaling_table.table(points, title))
    if out is not None:
        _write(out, points, title)


def _show(table: "Table") -> None:
    from rich.table import Table as Shown

    shown = Shown(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, name in enumerate(table.header):
        shown.add_column(name, justify="left" if number == len(table.header) - 1 else "right")
    for number, row in enumerate(table.rows):
        shown.add_row(
            *(f"[bold]{cell}[/]" if (number, place) in table.bold else cell for place, cell in enumerate(row))
        )
    console().print(shown)
    for note in table.notes:
        console().print(note, style="dim", soft_wrap=True)


def _write(out: Path, points: "list[Point]", title: str) -> None:
    from mot_plugin.costs import scaling_figure, scaling_table
    from mot_plugin.costs.scaling import best
    from mot_plugin.report import figures, markdown

    made = scaling_figure.figure(points, f"Makespan against the number of GPUs: {title}", png=True)
    files = figures.write([made], out)
    texts = {"scaling.md": markdown.render(scaling_table.table(points, title))}
    texts |= {f"schedule-{point.gpus}.csv": scaling_table.gantt(point) for point in best(points)}
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(files) + len(texts)} files below {out}")


def _numbers(option: str, text: str) -> list[int]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdigit() and int(part) for part in found):
        raise FileError(f"{option} takes whole numbers with commas between them, not {text!r}")
    return sorted({int(part) for part in found})
