"""A teacher's sampling outside of a run: what it would ask, written down for another place, and the answers taken in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mot_plugin import run as runs
from mot_plugin.errors import FileError
from mot_plugin.machine import Machine
from mot_plugin.sources.problems import Problem
from mot_plugin.strict import suggest
from mot_plugin.teachers import batch, sample
from mot_plugin.teachers.drawing import Drawing
from mot_plugin.views import View


def export(
    recipe: Path, machine: Machine, teacher: str, view: View, out: Path, each: int | None, per_file: int
) -> list[Path]:
    """Write the requests that are still to be asked. Raises MotError."""
    with _drawing(recipe, machine, teacher, view) as (drawing, problems):
        return batch.export(drawing, problems, out, each, per_file)


def take(recipe: Path, machine: Machine, teacher: str, view: View, files: Sequence[Path]) -> batch.Imported:
    """Put results among the samples, where the next `run` finds them. Raises MotError."""
    with _drawing(recipe, machine, teacher, view) as (drawing, problems):
        return batch.take(drawing, problems, files)


@contextmanager
def _drawing(recipe: Path, machine: Machine, teacher: str, view: View) -> Iterator[tuple[Drawing, list[Problem]]]:
    """The drawing that the run's step would do, once the problems and the student's tokenizer are there."""
    ready = runs.prepare(recipe, machine)
    live = [name for name, one in ready.recipe.teachers.items() if one.live]
    if teacher not in live:
        hint = suggest(teacher, live) or f"; there are {', '.join(live) or 'none'}"
        raise FileError(f"{recipe}: no teacher {teacher!r} that is asked{hint}")
    folder = runs.run(recipe, machine, view, goals=("source", "student"))
    root, step = folder.root.resolve(), folder.plan()[f"traces/{teacher}"]
    config = sample.Config.model_validate_json(step.call.files[0].text)
    places = {name: str(root / getattr(config, name)) for name in ("problems", "tokenizer", "out")}
    with sample.drawing(config.model_copy(update=places)) as found:
        yield found
