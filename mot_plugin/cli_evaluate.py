"""`mot-plugin evaluate`: the scores of any model, with their error bars."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mot_plugin.errors import FileError
from mot_plugin.terminal import MachineFile, console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mot_plugin.evals.generate import Config

Student = Literal["base", "STD", "MTD", "MoT"]


def evaluate(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A model folder, a run folder, or a hub's org/name@revision")
    ] = None,
    tasks: Annotated[str, typer.Option("--tasks", metavar="A,B,...", help="Tasks or groups of eval/")] = "",
    student: Annotated[
        Student | None, typer.Option("--student", help="Which student of the run; MoT if not given")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="An OpenAI-compatible server's, up to /v1")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="With --endpoint: what it calls the model")
    ] = None,
    concurrent: Annotated[int, typer.Option("--concurrent", min=1, help="With --endpoint: requests at a time")] = 8,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Only the first problems of each task, in its own order: a look"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="As a recipe's eval.seed")] = 1,
    shards: Annotated[
        int, typer.Option("--shards", min=1, help="As a recipe's eval.shards: each has its own seed")
    ] = 1,
    machine: MachineFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Beside the runs, in `evaluations`, if not given")
    ] = None,
) -> None:
    """Score a model on tasks, as `run` would. What has been answered before, by a run or by this, is not asked again."""
    from mot_plugin import evaluating
    from mot_plugin import machine as machines
    from mot_plugin.evals import catalogue
    from mot_plugin.subject import local, served

    chosen = catalogue.chosen([word.strip() for word in tasks.split(",") if word.strip()], catalogue.files())
    if not chosen:
        raise FileError("no tasks: name some with --tasks, for example --tasks mot_aime24,mot_aime25")
    if (model is None) == (endpoint is None) or (endpoint is None) != (name is None):
        raise FileError("name one model: a folder, a run, or a hub's; or --endpoint URL and --model NAME")
    if endpoint is not None and student is not None:
        raise FileError("--student is one of a run, and an endpoint has its own model")
    place = machines.load(machine)
    subject = served(endpoint, name or "") if endpoint else local(model or "", student)
    asked = evaluating.Asked(chosen, seed, shards, limit)
    config = evaluating.config(subject, asked, place, out, concurrent)
    said = console()
    said.print(f"{subject.label} on {', '.join(chosen)}; log {_near(config.out)}/{evaluating.LOG}", soft_wrap=True)
    with _shown(config):
        scores = evaluating.run(config)
    _print(said, scores, Path(config.out))


@contextmanager
def _shown(config: "Config") -> Iterator[None]:
    """How many answers there are, while it goes on, on a terminal. Not on standard output, which is a log's meanwhile."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from mot_plugin.teachers import progress

    def line() -> Text:
        counts = progress.read(Path(config.out))
        return Text("{done} of {of} answers".format(**counts) if counts else "loading", style="dim")

    shown = Console(stderr=True)
    if not shown.is_terminal:
        yield
        return
    with Live(get_renderable=line, console=shown, transient=True, refresh_per_second=1, redirect_stdout=False):
        yield


def _print(said: "Console", scores: Mapping[str, Any], out: Path) -> None:
    from rich.text import Text

    from mot_plugin import evaluating

    said.print(table(scores))
    for task, scored in scores.items():
        for words in evaluating.remarks(scored):
            said.print(Text(f"{task}: {words}"))
    said.print(Text("± is one standard error over problems; shares are of all answers."), style="dim")
    said.print(Text(f"every answer: {_near(out)}/samples_*.jsonl"), soft_wrap=True)
    said.print(Text(f"beside another: mot-plugin compare {_near(out)} OTHER"), soft_wrap=True)


def table(scores: Mapping[str, Any]) -> "Table":
    """A row per task: score, how many, what went wrong; and the plain average of tasks whose scores are of one kind."""
    from rich.table import Table

    from mot_plugin.evals.statistics import average_stderr
    from mot_plugin.report.rounding import average, percent, plus_minus

    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("task", "score", "n x k", "truncated", "no answer"):
        shown.add_column(title, no_wrap=True, justify="left" if title == "task" else "right")
    for task, scored in scores.items():
        metrics = scored["metrics"]
        limited = scored["problems"] < scored["problems_available"]
        rates = (metrics.get(name) for name in ("truncated", "no_answer"))
        shown.add_row(
            task + (" (limited)" if limited else ""),
            plus_minus(str(percent(metrics["score"]["value"])), metrics["score"]["stderr"]),
            f"{scored['problems']} x {scored['repeats']}",
            *("-" if rate is None else f"{rate['value']:.1%}" for rate in rates),
        )
    if len(scores) > 1 and len({scored.get("score_kind") for scored in scores.values()}) == 1:
        every = [scored["metrics"]["score"] for scored in scores.values()]
        mean = average([percent(one["value"]) for one in every])
        shown.add_row("average", plus_minus(str(mean), average_stderr([one["stderr"] for one in every])), style="bold")
    return shown


def _near(path: str | Path) -> Path:
    """Relative where that is shorter to paste."""
    whole = Path(path)
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
