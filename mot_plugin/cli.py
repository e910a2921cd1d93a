"""The commands: argv to one function each, and the only place that prints errors and picks exit codes."""

import json
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from mot_plugin import (
    __version__,
    cli_corpus,
    cli_costs,
    cli_doctor,
    cli_eval,
    cli_evaluate,
    cli_fetch,
    cli_mirror,
    cli_paper,
    cli_recipes,
    cli_reproduce,
    cli_run,
    cli_stop,
    cli_train,
)
from mot_plugin.errors import MotError
from mot_plugin.terminal import RunFolder, console

app = typer.Typer(
    name="mot-plugin",
    help="Merge-of-Thought distillation: LLaMA-Factory trains, mergekit merges, lm-eval scores; this plans and reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_corpus.app, name="corpus")
app.command()(cli_run.run)
app.command()(cli_run.plan)
app.command()(cli_costs.calibrate)
app.command()(cli_costs.scaling)
app.command()(cli_doctor.doctor)
app.command()(cli_stop.stop)
app.command()(cli_recipes.ablate)
app.command()(cli_recipes.recipes)
app.command()(cli_evaluate.evaluate)
app.command()(cli_eval.compare)
app.command()(cli_fetch.fetch)
app.command()(cli_mirror.mirror)
app.command()(cli_paper.paper)
app.command()(cli_reproduce.reproduce)
app.command(context_settings=cli_train.SETTINGS)(cli_train.train)


def main() -> None:
    """Entry point. A user's mistake gives a message and its exit code, never a traceback."""
    try:
        app()
    except MotError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before `run` could listen
        sys.exit(130)
    except OSError as error:  # a full disk, a folder that may not be written: the reader's to mend, not our bug
        print(f"error: {error.strerror or error}: {error.filename or '(no file named)'}", file=sys.stderr)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version")] = False) -> None:
    """Nothing but --version."""
    if show:
        print(f"mot-plugin {__version__}")
        raise typer.Exit


@app.command()
def status(
    folder: RunFolder,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Show how far a run is, also from another shell while it goes on."""
    from mot_plugin import views
    from mot_plugin.folder import Folder

    run_folder = Folder(folder)
    if as_json:
        print(json.dumps({"steps": views.status_rows(run_folder)}, indent=1))
    else:
        console().print(views.statuses(run_folder))


@app.command()
def report(
    folder: RunFolder,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser")] = False,
    running: Annotated[bool | None, typer.Option("--running/--ended", hidden=True)] = None,
) -> None:
    """Make the report again from the artifacts, also of an unfinished run: what is missing is a hole."""
    from mot_plugin import views
    from mot_plugin.folder import Folder
    from mot_plugin.pages.render import render

    run_folder = Folder(folder)
    page = render(run_folder, running=running)
    if running is not None:  # asked by the run itself
        return
    views.report(console(), run_folder, page.parent)
    if show and not webbrowser.open(page.resolve().as_uri()):
        print(f"no browser is known here; the page is {page.resolve()}")


@app.command()
def diagnose(folder: RunFolder) -> None:
    """Show what each merge of a run did: consensus and cosines of the branches' updates, what the carry lost."""
    from mot_plugin import views
    from mot_plugin.folder import Folder

    console().print(views.merges(Folder(folder)), markup=False, soft_wrap=True)


@app.command(name="exec", hidden=True)
def execute(
    folder: RunFolder,
    step: Annotated[str, typer.Argument(metavar="STEP")],
    planned: Annotated[
        str | None, typer.Option("--planned", metavar="FINGERPRINT", help="Do nothing if the step is another by now")
    ] = None,
) -> None:
    """Supervise one step of a run: what an executor starts."""
    from mot_plugin import supervise
    from mot_plugin.folder import Folder

    supervise.execute(Folder(folder), step, planned)


@app.command(hidden=True)
def meet(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")],
    rank: Annotated[int, typer.Argument(metavar="RANK")],
    number: Annotated[int | None, typer.Argument(metavar="NUMBER")] = None,
) -> None:
    """Run one node's part of a command that runs on several."""
    from mot_plugin import meeting

    raise typer.Exit(meeting.meet(folder, rank, number))


@app.command(name="step", hidden=True)
def own_step(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    config: Annotated[Path, typer.Argument(metavar="CONFIG.json")],
) -> None:
    """Run one of our own steps on its config, in the current folder."""
    from mot_plugin import steps

    steps.run(name, config)
