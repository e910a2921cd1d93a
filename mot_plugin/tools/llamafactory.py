"""LLaMA-Factory 0.9.5: the one place that knows its keys, its files and its exit codes.

Every hyper-parameter of the paper's C.1 is LLaMA-Factory's own key in the recipe; here are only those that the plan sets.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mot_plugin.tools import parallel, yaml_text
from mot_plugin.tools.advice import DISK_FULL, Advice
from mot_plugin.tools.call import OFFLINE, Command, File

TOOL = "llamafactory-cli"
PLUGIN = "mot-plugin"
"""Ours in LLaMA-Factory's environment: its `train` is LLaMA-Factory's with callbacks, the same weights."""
LORA = "lora"
LOG = "trainer_log.jsonl"
"""In its output_dir, a line a step."""

PLAN_KEYS = frozenset(
    "model_name_or_path adapter_name_or_path export_dir "
    "stage do_train do_eval do_predict dataset dataset_dir eval_dataset output_dir overwrite_output_dir "
    "resume_from_checkpoint max_steps num_train_epochs save_strategy save_steps save_total_limit save_only_model logging_steps "
    "logging_nan_inf_filter disable_shuffling seed data_seed tokenized_path max_samples streaming packing neat_packing "
    "average_tokens_across_devices val_size train_sampling_strategy auto_find_batch_size dataloader_drop_last "
    "early_stopping_steps load_best_model_at_end push_to_hub".split()
)
"""Set by the plan. Some (packing, streaming, max_samples, val_size) would break the promise of exact batches."""

PLACE_KEYS = frozenset(
    "per_device_train_batch_size gradient_accumulation_steps deepspeed fsdp fsdp_config use_cpu preprocessing_num_workers "
    "dataloader_num_workers dataloader_pin_memory ddp_timeout overwrite_cache use_unsloth_gc enable_liger_kernel "
    "disable_gradient_checkpointing torch_empty_cache_steps report_to run_name plot_loss disable_tqdm low_cpu_mem_usage".split()
)
"""Say where and how fast, not what: they belong under `train:` of the machine file and stay out of the fingerprint."""

KEYS = frozenset((Path(__file__).parent / "llamafactory_keys.txt").read_text(encoding="utf-8").split())
"""Every argument name of LLaMA-Factory 0.9.5 under the pinned transformers; checked against the real parser by a contract test."""


ADVICE: Advice = (
    (
        r"out of memory|OutOfMemoryError|DefaultCPUAllocator: can't allocate",
        "memory ran out: lower per_device_train_batch_size, or choose `deepspeed: zero3`, `zero3-offload` or `fsdp` in its file",
        True,
    ),
    DISK_FULL,
    (
        r"(gradient|loss|grad_norm) is not finite",
        "lower the learning rate, or look for a broken row in the corpus",
        False,
    ),
    (
        r"not used by the HfArgumentParser: (\[.*\])",
        "LLaMA-Factory does not know these keys: mend `sft:` in the recipe",
        False,
    ),
    (r"Template .* does not exist", "mend `sft.template` in the recipe", False),
    (
        r"doesn't support bf16/gpu|Your setup doesn't support bf16",
        "no GPU was found: use a machine file with `train: {use_cpu: true}`, or mend the driver",
        False,
    ),
    (
        r"Some specified arguments are not used|is not a valid SaveStrategy|unexpected keyword argument",
        "LLaMA-Factory refuses a setting: mend `sft:` in the recipe",
        False,
    ),
    (
        r"requires the following packages|Could not import module|operator torchvision::nms does not exist",
        "the training environment is broken: torch, torchvision and torchaudio must be one set (README, Installation)",
        False,
    ),
)
"""(pattern in the log, what to do, whether trying again can help)."""


def refuse(sft: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with a recipe's `sft:` block: (path below `sft`, message) of each finding."""
    found: list[tuple[tuple[str, ...], str]] = []
    for key, value in sft.items():
        if key in PLAN_KEYS:
            found.append(((key,), "set by the plan, not by a recipe"))
        elif key in PLACE_KEYS:
            found.append(((key,), "belongs under `train:` in the machine file: a recipe does not know the machine"))
        elif key not in KEYS:
            close = "".join(difflib.get_close_matches(key, KEYS, n=1))
            owner = " It is set by the plan" if close in PLAN_KEYS else ""
            hint = f", did you mean '{close}'?{owner}" if close else ""
            found.append(((key,), f"LLaMA-Factory has no such key{hint}"))
        elif key == "finetuning_type" and value not in ("full", LORA):
            found.append(
                ((key,), f"must be full or lora, got {value!r}: nothing else leaves a model that can be merged")
            )
        elif value in ("yes", "no", "on", "off") and not key.endswith("_strategy"):
            found.append(((key,), f"write true or false: the word {value!r} would count as true"))
    for key in ("template", "cutoff_len", "learning_rate"):
        if key not in sft:
            found.append(((), f"{key} is missing: LLaMA-Factory's default would train, silently, on something else"))
    if "cutoff_len" in sft and not _is_count(sft["cutoff_len"]):
        found.append((("cutoff_len",), f"must be a whole number of tokens, got {sft['cutoff_len']!r}"))
    return found


def refuse_place(train: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """The same for a machine file's `train:` block."""
    found: list[tuple[tuple[str, ...], str]] = []
    for key, value in train.items():
        if key == "gradient_accumulation_steps":
            found.append(
                ((key,), "follows from the recipe's global_batch_size, the GPUs and per_device_train_batch_size")
            )
        elif key not in PLACE_KEYS:
            close = difflib.get_close_matches(key, PLACE_KEYS, n=1)
            hint = f", did you mean '{close[0]}'?" if close else ""
            found.append(((key,), ("a recipe's key (under `sft:`)" if key in KEYS else "unknown key") + hint))
        elif key == "per_device_train_batch_size" and not _is_count(value):
            found.append(((key,), f"must be a whole number of rows, got {value!r}"))
    return [*found, *parallel.refuse(train)]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def config(
    *,
    title: str,
    sft: Mapping[str, Any],
    place: Mapping[str, Any],
    gpus: int,
    global_batch: int,
    start: str,
    data: str,
    dataset: str,
    out: str,
    steps: int,
    save_steps: int | None,
    seed: int,
    exact: bool,
    nodes: int = 1,
    heading: str = f"one supervised fine-tuning, made by mot-plugin. By hand, in this run's folder: {TOOL} train <this file>",
) -> tuple[File, ...]:
    """The YAML of one training on `gpus` of each of `nodes`, and the DeepSpeed file if the place asks for one.

    `title` is the step's name. Raises ValueError for a place that cannot split the batch exactly.
    """
    science: dict[str, Any] = {
        "model_name_or_path": start,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        **sft,
        "dataset_dir": data,
        "dataset": dataset,
        "packing": False,
        "disable_shuffling": exact,  # exact batches: the file already holds the rows in their order
        "output_dir": out,
        "overwrite_output_dir": True,  # a leftover checkpoint would be resumed in silence, one step too far
        "max_steps": steps,
        "save_strategy": "steps" if save_steps else "no",
        **(
            {"save_steps": save_steps, "save_total_limit": max(10, steps // save_steps), "save_only_model": True}
            if save_steps
            else {}
        ),
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # its default logs a NaN loss as 0
        "average_tokens_across_devices": True,  # the loss is a token mean over the whole global batch (paper, eq. 1)
        "seed": seed,
        "data_seed": seed,
    }
    per_device = int(place.get("per_device_train_batch_size", 1))
    sharding, file = parallel.settings(place, max(gpus, 1) * nodes)
    where: dict[str, Any] = {
        "report_to": "none",
        "overwrite_cache": True,
        "disable_tqdm": True,
        "ddp_timeout": 180_000_000,
        **{key: value for key, value in place.items() if key not in ("deepspeed", "fsdp", "fsdp_config")},
        "per_device_train_batch_size": per_device,
        "gradient_accumulation_steps": parallel.accumulation(global_batch, gpus, per_device, nodes),
        **sharding,
    }
    files = (File(*file, identity=""),) if file else ()
    text = f"# {title}: {heading}\n{yaml_text.dump({**science, **where})}"
    identity = json.dumps({**science, "global_batch_size": global_batch}, sort_keys=True)
    return (File(f"configs/{title}.yaml", text, identity), *files)


def train(
    config_path: str,
    gpus: int,
    place: Mapping[str, Any],
    ours: tuple[str, ...] = (),
    *,
    nodes: int = 1,
    checkpoint_every: int | None = None,
) -> Command:
    """`llamafactory-cli train CONFIG`; through torchrun where there are several GPUs (of each of `nodes`) or DeepSpeed.

    With arguments of `ours`, or to save full checkpoints, it is `mot-plugin train CONFIG ...` in the same environment
    (mot_plugin/training/).
    """
    saving = ("--checkpoint-every", str(checkpoint_every)) if checkpoint_every else ()
    own = ours or saving or parallel.joins_first(place)
    return Command(
        TOOL,
        ("train", config_path, *ours),
        tuple(sorted({**dict(OFFLINE), **parallel.environment(place, gpus, nodes)}.items())),
        place=saving,
        program=PLUGIN if own else "",
        spread=nodes > 1,
    )


def going_on(command: Command, checkpoint: str) -> Command:
    """The same training from a full checkpoint; the settings of its YAML would delete its log and begin anew."""
    settings = (f"resume_from_checkpoint={checkpoint}", "overwrite_output_dir=false")
    return replace(command, place=(*command.place, *settings))


def progress(folder: Path) -> tuple[int, int, float | None] | None:
    """(step, of, loss) of a training that writes into `folder`, from its trainer_log.jsonl; None before its first step."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "loss" in row:
            return int(row["current_steps"]), int(row["total_steps"]), float(row["loss"])
    return None
