"""The commands: argv to one function each, and the only place that prints errors and picks exit codes."""

import json
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin import __version__, cli_corpus, cli_eval, cli_evaluate, cli_fetch, cli_paper, cli_train
from mot_plugin.errors import FileError, MotError
from mot_plugin.terminal import MachineFile, RecipeFile, RunFolder, console, recipe_file, view

if TYPE_CHECKING:
    from mot_plugin.run import Prepared

app = typer.Typer(
    name="mot-plugin",
    help="Merge-of-Thought distillation: LLaMA-Factory trains, mergekit merges, lm-eval scores; this plans and reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_corpus.app, name="corpus")
app.command()(cli_evaluate.evaluate)
app.command()(cli_eval.compare)
app.command()(cli_fetch.fetch)
app.command()(cli_paper.paper)
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
def run(
    recipe: RecipeFile,
    machine: MachineFile = None,
    plain: Annotated[bool, typer.Option("--plain", help="One line per event, also on a terminal")] = False,
) -> None:
    """Run a recipe to its report. Run it again to resume, or after a change: only what depends on it runs."""
    from mot_plugin import machine as machines
    from mot_plugin import run as runs

    try:
        runs.run(recipe_file(recipe), machines.load(machine), view(plain=plain))
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to go on from here", file=sys.stderr)
        raise typer.Exit(130) from None


@app.command()
def plan(
    recipe: RecipeFile,
    machine: MachineFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write every file that `run` would write")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: {steps: [...]}")] = False,
) -> None:
    """Show what would run, in which order, and why. Starts nothing, needs no tool and no weights."""
    from mot_plugin import folder, views
    from mot_plugin import machine as machines
    from mot_plugin import run as runs

    ready = runs.prepare(recipe_file(recipe), machines.load(machine))
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileError(f"{out} is not an empty folder: nothing was written")
        written = folder.write_files(ready.plan, out)
        print(f"wrote {len(written)} files below {out}", file=sys.stderr)
    if as_json:
        print(json.dumps({"steps": _for_programs(ready)}, indent=1))
    elif out is None:
        console().print(views.planned(ready.plan, ready.found, ready.machine))


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


@app.command()
def ablate(
    recipe: RecipeFile,
    merge: Annotated[str, typer.Option("--merge", metavar="A,B,...", help="mergekit files to merge with instead")] = "",
    drop_teacher: Annotated[
        str, typer.Option("--drop-teacher", metavar="A,B,...|all", help="Teachers to leave out, one at a time")
    ] = "",
    rounds: Annotated[str, typer.Option("--rounds", metavar="N,M,...", help="Other numbers of rounds")] = "",
    machine: MachineFile = None,
) -> None:
    """Write a recipe per variant beside RECIPE, and say how many steps each shares with it."""
    from mot_plugin import ablate as ablation
    from mot_plugin import machine as machines
    from mot_plugin import run as runs

    place, path = machines.load(machine), recipe_file(recipe)
    base = runs.prepare(path, place)
    without = list(base.recipe.teachers) if drop_teacher == "all" else _listed(drop_teacher)
    try:
        sweep = ablation.Sweep(_listed(merge), without, [int(count) for count in _listed(rounds)])
    except ValueError:
        raise FileError(f"--rounds takes whole numbers, got {rounds!r}") from None
    for file in ablation.write(path, sweep):
        plan_of = runs.prepare(file, place).plan
        shared = len(set(plan_of.prints.values()) & set(base.plan.prints.values()))
        print(f"{file}  {len(plan_of.steps)} steps, {shared} shared with {base.recipe.name}")


@app.command()
def recipes(
    copy: Annotated[str | None, typer.Option("--copy", metavar="NAME", help="Copy a recipe and what it needs")] = None,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to")] = Path("recipes"),
) -> None:
    """List the recipes, mergekit files and tasks that come with the package, or copy a recipe to start from."""
    from mot_plugin import shipped
    from mot_plugin.strict import suggest

    known = {file.stem: file for file in sorted(shipped.path("recipes").glob("*.yaml"))}
    if copy is None:
        for title, folder_name, pattern in (
            ("recipes", "recipes", "*.yaml"),
            ("machine files", "recipes/machines", "*.yaml"),
            ("mergekit files", "mergekit_configs", "*.yaml"),
            ("evaluation tasks", "eval", "*/mot_*.yaml"),
        ):
            root = shipped.path(*folder_name.split("/"))
            print(f"{title} ({root})")
            for file in sorted(root.glob(pattern)):
                print(f"  {file.stem:<22} {_first_comment(file)}")
        print("copy one with `mot-plugin recipes --copy NAME`")
        return
    if copy not in known:
        raise FileError(f"no recipe {copy!r}{suggest(copy, known) or '; there are ' + ', '.join(known)}")
    target = to / f"{copy}.yaml"
    if target.exists():
        raise FileError(f"{target} is already there: nothing was copied (choose another folder with --to)")
    to.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(known[copy], target)
    beside = known[copy].with_suffix("")
    if beside.is_dir():
        shutil.copytree(beside, to / copy, dirs_exist_ok=True)
    print(f"copied to {target}; next: mot-plugin plan {target}")


@app.command(name="exec", hidden=True)
def execute(folder: RunFolder, step: Annotated[str, typer.Argument(metavar="STEP")]) -> None:
    """Supervise one step of a run: what an executor starts."""
    from mot_plugin import supervise
    from mot_plugin.folder import Folder

    supervise.execute(Folder(folder), step)


@app.command(name="step", hidden=True)
def own_step(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    config: Annotated[Path, typer.Argument(metavar="CONFIG.json")],
) -> None:
    """Run one of our own steps on its config, in the current folder."""
    from mot_plugin import steps

    steps.run(name, config)


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _for_programs(ready: "Prepared") -> list[dict[str, object]]:
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


def _first_comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
