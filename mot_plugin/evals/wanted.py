"""What an evaluation needs: its parts, each with the settings that it is kept under, and the task files of a shard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mot_plugin import shipped
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals import shards
from mot_plugin.evals.kept import Kept
from mot_plugin.evals.shards import Part
from mot_plugin.step import digest
from mot_plugin.tools import lm_eval
from mot_plugin.tools.lm_eval import TaskFile

Settings = Mapping[str, Any]


def task_files(root: Path, tasks: Sequence[str]) -> tuple[TaskFile, ...]:
    """The files below a folder that these tasks need. Raises FileError for a task that is not among them."""
    files = [
        TaskFile(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.suffix in ("", ".yaml", ".py")
    ]
    unknown = sorted({*tasks} - lm_eval.names(files).keys())
    if unknown:
        raise FileError(f"there is no task {', '.join(unknown)} below {root}")
    return lm_eval.find(tasks, files)


def parts(
    kept: Kept,
    files: Sequence[TaskFile],
    *,
    model: str,
    engine: str,
    model_args: Mapping[str, Any],
    tasks: Sequence[str],
    seed: int,
    count: int,
    limit: int | None,
) -> dict[Part, Settings]:
    """Every part with all that its answers depend on, by shard. Raises MissingInput for a model that is not there.

    A folder is known by its content, an endpoint's model by its name only: whoever evaluates one chooses a store that lasts
    as long as the name means the same. Not among the settings: the content of data from outside (a hub, a folder of
    copies), and the versions of lm-eval and of the engine.
    """
    served = engine in lm_eval.SERVED
    if not served and not Path(model).is_dir():
        raise MissingInput(f"{model}: there is no such model folder")
    whole = {
        "model": model if served else kept.content(Path(model)),
        "engine": engine,
        "model_args": lm_eval.science({**model_args, **lm_eval.thinking(engine, model_args)}),
        "limit": limit,
    }
    repeats = {task: lm_eval.repeats(task, files) for task in tasks}
    of_task = {task: _of_task(task, files, kept) for task in tasks}
    return {
        part: {**whole, **of_task[part.task], "seed": part.seed, "shard": part.shard, "shards": part.shards}
        for part in shards.parts(repeats, seed=seed, shards=count, limit=limit)
    }


def write_files(parts: Sequence[Part], files: Sequence[TaskFile], root: Path, folder: Path) -> None:
    """Task files in `folder` for what one shard is to answer, over the tasks' own below `root`. Raises FileError."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        # Whole, as `folder` may lie behind a link (work/<step>), where `..` leads elsewhere.
        include = (root / lm_eval.names(files)[part.task].path).resolve().as_posix()
        try:
            text = lm_eval.variant(part.task, files, include, repeats=part.repeats, first=part.first, every=part.every)
        except ValueError as error:
            raise FileError(f"{error}: set eval.shards to {part.repeats} or less in the recipe") from None
        (folder / f"{part.task}.yaml").write_text(text, encoding="utf-8")


def _of_task(task: str, files: Sequence[TaskFile], kept: Kept) -> dict[str, Any]:
    """The task's files as they are written, and the problems if they ship with us."""
    path = lm_eval.data(task, files)[1].get("path")
    data = None if path is None else Path(path) if Path(path).is_absolute() else shipped.path(*str(path).split("/"))
    return {
        "task": task,
        "files": digest({file.path: file.text for file in lm_eval.find([task], files)}),
        "data": kept.content(data) if data is not None and data.exists() else None,
    }
