"""lm-evaluation-harness 0.4.13: the one place that knows its flags, its task files and its progress line."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mot_plugin.tools.advice import Advice
from mot_plugin.tools.call import OFFLINE, Command

TOOL = "lm_eval"

ADVICE: Advice = (
    (
        r"No space left on device",
        "the disk is full: free space and run again; nothing that was finished is lost",
        False,
    ),
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
    """The files that these tasks need: each task's own folder, template and neighbours. Raises KeyError(task)."""
    homes: set[str] = set()
    known = names(files)
    for task in tasks:
        homes.add(known[task].path.rpartition("/")[0])
    return tuple(file for file in files if file.path.rpartition("/")[0] in homes)


def names(files: Sequence[TaskFile]) -> dict[str, TaskFile]:
    """Task name -> the file that defines it."""
    found: dict[str, TaskFile] = {}
    for file in files:
        if file.path.endswith(".yaml"):
            parsed = yaml.load(file.text, Loader)  # noqa: S506  (a SafeLoader with one more word)
            if isinstance(parsed, dict) and isinstance(parsed.get("task"), str):
                found[parsed["task"]] = file
    return found


def needs_hub(files: Sequence[TaskFile]) -> bool:
    """Whether one of these files names a data set on a hub (`dataset: org/name` in its metadata)."""
    return any(re.search(r"^\s*dataset: *[^/\s]+/[^/\s]+\s*$", file.text, re.MULTILINE) for file in files)


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
