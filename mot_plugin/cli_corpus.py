"""`mot-plugin corpus ...`: training sets without the training, and a look into them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.terminal import MachineFile, RecipeFile, RunFolder, console, recipe_file, view

if TYPE_CHECKING:
    from mot_plugin.corpus.look import Corpus
    from mot_plugin.folder import Folder

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

    folder = runs.run(recipe_file(recipe), machines.load(machine), view(plain=plain), goals=("corpus",))
    _write_cards(folder)


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
    place_of = f" --machine {machine}" if machine else ""
    print("and bring the answers back with")
    print(f"  mot-plugin corpus import {recipe} {teacher} {out}/results-*.jsonl{place_of}")


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


@app.command()
def show(
    run: RunFolder,
    teacher: Annotated[
        str | None, typer.Argument(metavar="[TEACHER]", help="One teacher's corpus; all of them if not given")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="One prompt in full; the beginning of its id is enough")
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=0, help="With --id: this sample in full, not the kept one")
    ] = None,
    rejected: Annotated[
        str | None, typer.Option("--rejected", metavar="REASON", help="Prompts with such a sample, the first in full")
    ] = None,
) -> None:
    """Look at the corpora of a run, finished or not: counts, verdicts, traces and why they were rejected."""
    from mot_plugin.corpus import look
    from mot_plugin.corpus import show as pictures
    from mot_plugin.folder import Folder

    if sample is not None and identity is None:
        raise FileError("--sample is a sample of one prompt: name that with --id")
    if identity is not None and rejected is not None:
        raise FileError("--id shows one prompt, --rejected all of a kind: give one of them")
    folder, said = Folder(run), console()
    if teacher is None:
        if identity is not None or rejected is not None:
            raise FileError("--id and --rejected look into one corpus: name its teacher after the run")
        pictures.overview(said, _summaries(folder))
        return
    corpus = _corpus_of(folder, teacher)
    judged = corpus.judged()
    if identity is not None:
        one = look.find(judged, identity)
        if sample is not None and sample >= len(one.verdicts):
            raise FileError(f"{one.id} has {len(one.verdicts)} samples, counted from 0: there is no sample {sample}")
        pictures.prompt(said, corpus, one, corpus.prompts(), sample)
        return
    title = f"{teacher} on {corpus.config.source_name}: {{}} of {len(judged)} prompts"
    if rejected is None:
        kept = sum(one.kept is not None for one in judged)
        pictures.prompts(said, judged, corpus.problems(), f"{title.format(kept)} kept")
        said.print()
        pictures.explain(said, judged)
        return
    found, every = look.rejected(judged, rejected), corpus.prompts()
    problems = {name: prompt.problem for name, prompt in every.items()}
    pictures.prompts(said, found, problems, f"{title.format(len(found))} with {rejected}")
    said.print()
    pictures.prompt(said, corpus, found[0], every, found[0].example(rejected))


def _configs(folder: "Folder") -> dict[str, str]:
    """Corpus steps of a run's plan, with their configs as JSON."""
    steps = [step for step in folder.plan().steps if step.kind == "corpus"]
    return {step.name: next(file.text for file in step.call.files) for step in steps}


def _summaries(folder: "Folder") -> dict[str, dict[str, object] | None]:
    """Corpus -> its summary, None while it is not there."""
    files = {
        name.removeprefix("corpus/"): folder.root / "artifacts" / name / "summary.json" for name in _configs(folder)
    }
    return {name: json.loads(file.read_bytes()) if file.is_file() else None for name, file in files.items()}


def _corpus_of(folder: "Folder", teacher: str) -> "Corpus":
    """The corpus of one teacher. Raises FileError for a strange name, MissingInput where it is not built yet."""
    from mot_plugin.blocks import UNION
    from mot_plugin.corpus import build
    from mot_plugin.corpus.look import Corpus
    from mot_plugin.strict import suggest

    configs = _configs(folder)
    known = [name.removeprefix("corpus/") for name in configs if name != UNION]
    if UNION in configs and teacher == UNION.removeprefix("corpus/"):
        raise FileError(f"{teacher} has the rows of all teachers: look at the corpus of one, {' or '.join(known)}")
    if teacher not in known:
        hint = suggest(teacher, known) or f"; there are {', '.join(known)}"
        raise FileError(f"{folder.root} has no teacher {teacher!r}{hint}")
    step = f"corpus/{teacher}"
    corpus = Corpus(folder.root, step, build.Config.model_validate_json(configs[step]))
    if not corpus.out.is_dir():
        raise MissingInput(f"{corpus.out}: not there yet; `mot-plugin corpus build RECIPE` makes it")
    return corpus


def _write_cards(folder: "Folder") -> None:
    """Data cards again: the recipe may call things otherwise than when the corpora were made."""
    from mot_plugin.corpus import card
    from mot_plugin.corpus.facts import About

    for name, config in _configs(folder).items():
        card.write(folder.root / "artifacts" / name, About(**json.loads(config)["about"]), folder.root)
