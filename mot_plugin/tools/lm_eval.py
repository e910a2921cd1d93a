"""lm-evaluation-harness 0.4.13: the one place that knows its flags, its task files and its progress line."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from mot_plugin.tools.advice import DISK_FULL, Advice
from mot_plugin.tools.call import OFFLINE, Command

TOOL = "lm_eval"

ADVICE: Advice = (
    DISK_FULL,
    (r"out of memory|OutOfMemoryError", "memory ran out: lower eval.batch_size in the machine file", True),
    (
        r"probability tensor contains either `?inf`?, `?nan`?",
        "the model's weights give NaN: the training before it went wrong",
        False,
    ),
    (r"Tasks? not found|were not found", "lm-eval does not find a task below eval/ of the run", False),
    (
        r"couldn't connect|offline mode|OfflineModeIsEnabled|Max retries exceeded",
        "the benchmark's data is not here: put it into a folder and name it as storage.datasets in the machine file",
        False,
    ),
)


@dataclass(frozen=True)
class TaskFile:
    """One file below eval/: its path from there, its text."""

    path: str
    text: str


class Loader(yaml.SafeLoader):
    """Task files hold `!function module.name`, which is a name to us."""


Loader.add_constructor("!function", lambda _, node: node.value)


def find(tasks: Sequence[str], files: Sequence[TaskFile]) -> tuple[TaskFile, ...]:
    """The files that these tasks need: their own, those they include, templates and code beside them. Raises KeyError(task).

    Other tasks of a folder stay behind: a change to them makes nothing stale.
    """
    known, every = names(files), {file.path: file for file in files}
    wanted = [known[task].path for task in tasks]
    for path in wanted:  # grows while it is walked: what is included may include
        included = _parsed(every[path]).get("include")
        beside = str(PurePosixPath(path).parent / str(included))
        if included and beside in every and beside not in wanted:
            wanted.append(beside)
    homes = {PurePosixPath(path).parent for path in wanted}
    return tuple(
        file
        for file in files
        if file.path in wanted or (PurePosixPath(file.path).parent in homes and not file.path.endswith(".yaml"))
    )


def names(files: Sequence[TaskFile]) -> dict[str, TaskFile]:
    """Task name -> the file that defines it."""
    named = [(_parsed(file).get("task"), file) for file in files if file.path.endswith(".yaml")]
    return {task: file for task, file in named if isinstance(task, str)}


def data(task: str, files: Sequence[TaskFile]) -> tuple[str, dict[str, Any]]:
    """Where a task's problems come from: the dotted name of its `custom_dataset` function, and what lm-eval calls it with."""
    merged = _merged(names(files)[task].path, {file.path: file for file in files})
    arguments = {**(merged.get("metadata") or {}), **(merged.get("dataset_kwargs") or {})}
    return str(merged.get("custom_dataset")), arguments


def _merged(path: str, every: Mapping[str, TaskFile]) -> dict[str, Any]:
    """A task's file over the one that it includes."""
    own = _parsed(every[path])
    included = own.get("include")
    return {**_merged(str(PurePosixPath(path).parent / str(included)), every), **own} if included else own


def needs_hub(files: Sequence[TaskFile]) -> bool:
    """Whether one of these files names a data set on a hub (`dataset: org/name` in its metadata)."""
    return any(str((_parsed(file).get("metadata") or {}).get("dataset", "")).count("/") == 1 for file in files)


def _parsed(file: TaskFile) -> dict[str, Any]:
    if file.path.endswith(".py"):
        return {}
    parsed = yaml.load(file.text, Loader)  # noqa: S506  (a SafeLoader with one more word)
    return parsed if isinstance(parsed, dict) else {}


def evaluate(
    *,
    model: str,
    tasks: Sequence[str],
    out: str,
    seed: int,
    engine: str,
    model_args: Mapping[str, Any],
    batch_size: str | int,
    device: str | None,
    datasets: str | None,
    hub: bool,
) -> Command:
    """`lm_eval run` on one model folder; the samples are kept, the chat template is the model's own."""
    science: tuple[str, ...] = ("run", "--model", engine, "--tasks", ",".join(tasks))
    science += (
        "--include_path",
        "eval",
        "--apply_chat_template",
        "--log_samples",
        "--output_path",
        f"{out}/results.json",
        "--seed",
        str(seed),
    )
    arguments: dict[str, Any] = {"pretrained": model, **model_args}
    if engine == "vllm":
        arguments.setdefault("seed", seed)  # --seed does not reach vLLM, whose default would repeat itself in every run
    place: tuple[str, ...] = ("--model_args", ",".join(f"{key}={value}" for key, value in arguments.items()))
    place += ("--batch_size", str(batch_size))
    if device:
        place += ("--device", device)
    if datasets:
        place += ("--metadata", json.dumps({"mot_data_dir": datasets}, ensure_ascii=False))
    return Command(TOOL, science, () if hub and not datasets else OFFLINE, place)


def progress(log: str) -> tuple[int, int] | None:
    """(answers, of) from the end of a log with lm-eval's progress bar; None before the first."""
    found = re.findall(r"Running generate_until requests:[^\r\n]*?(\d+)/(\d+)", log)
    return (int(found[-1][0]), int(found[-1][1])) if found else None
