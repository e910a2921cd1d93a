"""How one training is spread over processes: an exact global batch, and DeepSpeed or FSDP where a model needs more than a GPU."""

import json
from collections.abc import Mapping
from typing import Any

Finding = tuple[tuple[str, ...], str]

DEEPSPEED = {"zero2": (2, False), "zero3": (3, False), "zero3-offload": (3, True)}
"""Stage, and whether the optimizer lies in the host's memory."""

FSDP = {
    "full_shard": "full_shard auto_wrap",
    "shard_grad_op": "shard_grad_op auto_wrap",
    "full_shard-offload": "full_shard auto_wrap offload",
}
"""transformers' words for it. `auto_wrap`: each of the model's own blocks is gathered by itself."""

# Version 2, with whole weights: its default saves none that can be merged, and exits with 0. One process of a node reads the
# model and sends it to the others, which LLaMA-Factory does only if the environment says so before the model is loaded.
_FSDP_CONFIG = {"version": 2, "cpu_ram_efficient_loading": True}
_FSDP_ENV = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}
_OURS = ("version", "cpu_ram_efficient_loading", "state_dict_type")


def refuse(train: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with how a machine file's `train:` shards a model: (path below `train`, message) of each finding."""
    found: list[Finding] = []
    for key, known in (("deepspeed", DEEPSPEED), ("fsdp", FSDP)):
        if train.get(key) not in (*known, None):
            found.append(((key,), f"must be one of {', '.join(known)}, got {train[key]!r}"))
    if train.get("fsdp") and train.get("deepspeed"):
        found.append((("fsdp",), "deepspeed is there, too: choose one of them"))
    if train.get("fsdp") and train.get("use_cpu"):
        found.append((("fsdp",), "shards over GPUs only: with use_cpu every process would silently keep a whole model"))
    if "fsdp_config" in train:
        found += _refuse_fsdp_config(train["fsdp_config"], sharded=bool(train.get("fsdp")))
    return found


def _refuse_fsdp_config(config: Any, *, sharded: bool) -> list[Finding]:
    if not isinstance(config, dict):
        return [(("fsdp_config",), f"must be a block of keys and values, got {config!r}")]
    if not sharded:
        return [(("fsdp_config",), f"has no effect without fsdp: one of {', '.join(FSDP)}")]
    fixed = [key for key in config if str(key).removeprefix("fsdp_") in _OURS]
    return [
        (("fsdp_config", key), "follows from fsdp: only this form saves weights that can be merged") for key in fixed
    ]


def settings(place: Mapping[str, Any], processes: int) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """The trainer's keys for a place's `deepspeed` or `fsdp`, and the (path, text) of the file that they name, if any.

    Raises ValueError for FSDP over a single process, which transformers refuses.
    """
    if zero := place.get("deepspeed"):
        path = f"configs/deepspeed/{zero}.json"
        return {"deepspeed": path}, (path, _deepspeed(*DEEPSPEED[zero]))
    if word := place.get("fsdp"):
        if processes == 1:
            raise ValueError(
                f"train.fsdp: {word} shards a model over several GPUs, and a training has one here: "
                "leave it out, choose `train.deepspeed: zero3-offload`, or give it more with `steps.train.gpus`"
            )
        config = {**_FSDP_CONFIG, **(place.get("fsdp_config") or {})}
        return {"fsdp": FSDP[word], "fsdp_config": config, "use_reentrant_gc": False}, None
    return {}, None


def environment(place: Mapping[str, Any], gpus: int, nodes: int) -> dict[str, str]:
    """What LLaMA-Factory's launcher and the trainer read from the environment.

    The number of processes is always said: where more GPUs are visible than planned for, the launcher would take them all.
    """
    env = {"NPROC_PER_NODE": str(max(gpus, 1))}
    if gpus > 1 or nodes > 1 or place.get("deepspeed") or place.get("fsdp"):
        env["FORCE_TORCHRUN"] = "1"
    if place.get("deepspeed") and place.get("use_cpu"):
        env["DS_ACCELERATOR"] = "cpu"
    return env | (_FSDP_ENV if place.get("fsdp") else {})


def joins_first(place: Mapping[str, Any]) -> bool:
    """Whether processes must find each other before LLaMA-Factory reads its arguments, as only `mot-plugin train` sees to.

    accelerate leaves it to nobody for ZeRO-3 on processors: each process would take itself for the only one.
    """
    return bool(place.get("use_cpu")) and DEEPSPEED.get(place.get("deepspeed") or "", (0, False))[0] == 3


def accumulation(global_batch: int, gpus: int, per_device: int, nodes: int = 1) -> int:
    """Gradient accumulation steps so that one optimizer step is exactly `global_batch` rows on `gpus` of each of `nodes`.

    Raises ValueError if there is none; it says what would do.
    """
    world = max(gpus, 1) * nodes
    if global_batch % (world * per_device) == 0:
        return global_batch // (world * per_device)
    each = f"{max(gpus, 1)} x {nodes} nodes = " if nodes > 1 else ""
    ways = [
        _way("train.per_device_train_batch_size", divisors(global_batch // world) if global_batch % world == 0 else []),
        _way("steps.train.gpus", _fewer_or_next(global_batch, nodes * per_device, gpus) if gpus else []),
        _way("steps.train.nodes", _fewer_or_next(global_batch, max(gpus, 1) * per_device, nodes) if nodes > 1 else []),
        _way("the recipe's global_batch_size", _around(global_batch, world * per_device)),
    ]
    raise ValueError(
        f"global_batch_size {global_batch} is not a multiple of {each}{world} process{'es' if world > 1 else ''} x "
        f"{per_device} rows each (train.per_device_train_batch_size); one of these makes it exact: "
        + "; ".join(way for way in ways if way)
    )


def divisors(number: int) -> list[int]:
    """All of them, in order."""
    return [one for one in range(1, number + 1) if number % one == 0]


def _fewer_or_next(global_batch: int, rows: int, now: int) -> list[int]:
    """Counts of what holds `rows` each that make the batch exact: all below `now`, and the first above it."""
    if global_batch % rows:
        return []
    exact = divisors(global_batch // rows)
    return [one for one in exact if one < now] + [one for one in exact if one > now][:1]


def _around(global_batch: int, rows: int) -> list[int]:
    below = global_batch // rows * rows
    return [one for one in (below, below + rows) if one]


def _way(key: str, values: list[int]) -> str:
    *before, last = map(str, values or ("",))
    return f"{key} {', '.join(before)}{' or ' if before else ''}{last}" if values else ""


def _deepspeed(stage: int, offload: bool) -> str:  # noqa: FBT001
    zero: dict[str, Any] = {
        "stage": stage,
        "overlap_comm": True,
        "contiguous_gradients": True,
        "reduce_bucket_size": "auto",
    }
    if stage == 3:
        zero |= {
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_gather_16bit_weights_on_model_save": True,  # else no usable weights are saved
        }
    if offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    auto = {"train_batch_size": "auto", "train_micro_batch_size_per_gpu": "auto", "gradient_accumulation_steps": "auto"}
    whole = {**auto, "gradient_clipping": "auto", "bf16": {"enabled": "auto"}, "zero_optimization": zero}
    return json.dumps({**whole, "zero_allow_untested_optimizer": True}, indent=1) + "\n"
