"""lm-evaluation-harness 0.4.13: the one place that knows its flags, its task files and its progress line."""

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from mot_plugin.tools import vllm
from mot_plugin.tools.advice import DISK_FULL, Advice
from mot_plugin.tools.call import OFFLINE, Command

TOOL = "lm_eval"
DOCUMENTS = "mot_plugin.evals.documents.some"
"""Function that stands between lm-eval and a task's own loader where a shard asks only some of the problems."""

ADVICE: Advice = (
    DISK_FULL,
    (
        r"out of memory|OutOfMemoryError",
        "memory ran out: lower eval.batch_size in the machine file, or in eval.model_args what vLLM takes "
        "(max_model_len, max_num_seqs, gpu_memory_utilization)",
        True,
    ),
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
    *vllm.ADVICE,
    (
        r"was killed by SIGKILL",
        "killed from outside: most often memory ran out (see `dmesg`), or somebody stopped it",
        True,
    ),
)

SERVED = ("local-completions", "local-chat-completions")
"""Engines of lm-eval that ask an endpoint (`base_url` in model_args) for a model by its name there."""

PLACE_ARGS = frozenset(
    "tensor_parallel_size pipeline_parallel_size distributed_executor_backend gpu_memory_utilization swap_space "
    "cpu_offload_gb max_num_seqs max_num_batched_tokens enforce_eager block_size parallelize device_map "
    "device_map_option max_memory_per_gpu max_cpu_memory offload_folder num_concurrent max_retries timeout".split()
)
"""Model arguments that say only where and how fast an engine answers. Any other may change what it says."""


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
    merged = _task(task, files)
    arguments = {**(merged.get("metadata") or {}), **(merged.get("dataset_kwargs") or {})}
    return str(merged.get("custom_dataset")), arguments


def repeats(task: str, files: Sequence[TaskFile]) -> int:
    """Answers per problem that a task asks for."""
    return int(_task(task, files).get("repeats", 1))


def answer_tokens(task: str, files: Sequence[TaskFile]) -> int:
    """Tokens that one answer to this task may have; lm-eval's own default where it does not say."""
    return int((_task(task, files).get("generation_kwargs") or {}).get("max_gen_toks", 256))


def variant(task: str, files: Sequence[TaskFile], include: str, *, repeats: int, first: int = 0, every: int = 1) -> str:
    """A task file over the task's own at `include` (relative to it): other repeats, and of its problems every so many.

    Raises ValueError for a task whose problems come from no `custom_dataset` where only some of them are wanted.
    """
    lines = [f"include: {json.dumps(include)}", f"task: {task}", f"repeats: {repeats}"]
    if every > 1:
        own = _task(task, files)
        if "custom_dataset" not in own:
            raise ValueError(f"{task} has no custom_dataset, so its problems cannot be shared out")
        wanted = {"mot_loader": own["custom_dataset"], "mot_split": own["test_split"]}
        arguments = {**(own.get("dataset_kwargs") or {}), **wanted, "mot_first": first, "mot_every": every}
        lines += [f"custom_dataset: !function {DOCUMENTS}", f"dataset_kwargs: {json.dumps(arguments)}"]
    return "\n".join(lines) + "\n"


def _task(task: str, files: Sequence[TaskFile]) -> dict[str, Any]:
    return _merged(names(files)[task].path, {file.path: file for file in files})


def _merged(path: str, every: Mapping[str, TaskFile]) -> dict[str, Any]:
    """A task's file over the one that it includes."""
    own = _parsed(every[path])
    included = own.get("include")
    return {**_merged(str(PurePosixPath(path).parent / str(included)), every), **own} if included else own


def needs_hub(files: Sequence[TaskFile]) -> bool:
    """Whether one of these files names a data set on a hub (`dataset: org/name` in its metadata)."""
    return any(str((_parsed(file).get("metadata") or {}).get("dataset", "")).count("/") == 1 for file in files)


def _parsed(file: TaskFile) -> dict[str, Any]:
    return {} if file.path.endswith(".py") else parsed(file.text)


@functools.cache
def parsed(text: str) -> dict[str, Any]:
    """What a task file says, to be read only. Remembered: a plan asks dozens of times, and PyYAML takes milliseconds."""
    found = yaml.load(text, Loader)  # noqa: S506  (a SafeLoader with one more word)
    return found if isinstance(found, dict) else {}


def science(model_args: Mapping[str, Any]) -> dict[str, Any]:
    """The model arguments that may change an answer."""
    return {key: value for key, value in sorted(model_args.items()) if key not in PLACE_ARGS}


def thinking(engine: str, model_args: Mapping[str, Any]) -> dict[str, Any]:
    """Model arguments that let a model think where lm-eval would tell its chat template otherwise; empty if all is well.

    Its vLLM backend always passes `enable_thinking` on to the template, None if nobody set it, and a template that asks
    `not enable_thinking` closes the thought before the model has begun (transformers' backend passes nothing). True is taken
    only together with a `think_end_token`, at which the text would be cut: so it is one that no model writes.
    """
    if engine != "vllm" or {"enable_thinking", "think_end_token"} & model_args.keys():
        return {}
    return {"enable_thinking": True, "think_end_token": "mot-keeps-the-thought"}


def refuse(model_args: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, why) for every model argument that would make runs repeat each other."""
    why = {
        "seed": "the recipe's eval.seed decides it, another one for each shard",
        "data_parallel_size": "its replicas have one seed and answer the same: give the recipe eval.shards, "
        "and set gpus_per_engine here",
        "pretrained": "the plan says which model",
    }
    yield from ((key, why[key]) for key in model_args if key in why)


def evaluate(
    *,
    model: str,
    tasks: Sequence[str],
    include: str,
    out: str,
    seed: int,
    engine: str,
    model_args: Mapping[str, Any],
    batch_size: str | int,
    device: str | None,
    gpus: int = 0,
    metadata: Mapping[str, Any] | None = None,
    limit: int | None = None,
    unsafe: bool = False,
    online: bool = False,
) -> Command:
    """`lm_eval run` on one model folder, or on an endpoint's model; samples are kept, the chat template is the model's own.

    `gpus` are the engine's; `metadata` is what the tasks' loaders are called with besides; `unsafe` tasks run the programs
    that they ask for; only an `online` one may ask the hub.
    """
    args: tuple[str, ...] = ("run", "--model", engine, "--tasks", ",".join(tasks), "--include_path", include)
    args += ("--apply_chat_template", "--log_samples", "--output_path", f"{out}/results.json", "--seed", str(seed))
    arguments: dict[str, Any] = {"model" if engine in SERVED else "pretrained": model, **model_args}
    arguments |= thinking(engine, model_args)
    if engine == "vllm":
        if gpus > 1 and not {"tensor_parallel_size", "pipeline_parallel_size"} & arguments.keys():
            arguments["tensor_parallel_size"] = gpus
        arguments["seed"] = seed  # --seed does not reach vLLM, whose default would repeat itself in every run
    args += ("--model_args", ",".join(f"{key}={value}" for key, value in arguments.items()))
    args += ("--batch_size", str(batch_size))
    args += ("--device", device) if device else ()
    args += ("--metadata", json.dumps(metadata, ensure_ascii=False)) if metadata else ()
    args += ("--limit", str(limit)) if limit else ()
    args += ("--gen_kwargs", "seed=None") if engine in SERVED else ()  # else every request has lm-eval's own seed
    args += ("--confirm_run_unsafe_code",) if unsafe else ()
    return Command(TOOL, args, () if online else OFFLINE)


def unsafe(tasks: Sequence[str], files: Sequence[TaskFile]) -> bool:
    """Whether one of these tasks runs what the model wrote."""
    return any(_task(task, files).get("unsafe_code") for task in tasks)


def progress(log: str) -> tuple[int, int] | None:
    """(answers, of) from the end of a log with lm-eval's progress bar; None before the first.

    vLLM answers all requests with the same settings at once and has a bar of its own for these.
    """
    bars = list(re.finditer(r"(Running generate_until requests|Processed prompts):[^\r\n]*?(\d+)/(\d+)", log))
    whole = next((bar for bar in reversed(bars) if bar[1].startswith("Running")), None)
    if whole is None:
        return None
    under_way = int(bars[-1][2]) if bars[-1] is not whole else 0
    return int(whole[2]) + under_way, int(whole[3])
