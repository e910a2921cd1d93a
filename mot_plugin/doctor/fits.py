"""Do a training and a merge fit into the memory that is here?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mot_plugin.costs import shape
from mot_plugin.costs.sizes import HALF, SINGLE, trained_width
from mot_plugin.doctor import adapter
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.doctor.memory import GIB, WHOLE, Need, Place, in_words, training
from mot_plugin.tools import llamafactory

NEARLY = 0.85
"""Of what is there: an estimate above this share is a warning, as it is no measurement."""


def check(context: Context) -> Iterator[Finding]:
    """Training on each device, a merge in the computer's memory."""
    if context.ready is None:
        return
    config, model = context.config or context.stated, size_of(context)
    if config is None or model is None:
        why = "config.json does not say its sizes" if context.config is not None else "its config.json is not here"
        yield unknown("memory", f"the student is of unknown size: {why}", _fetch(context))
        return
    if "train" in context.kinds:
        yield from _training(context, config, model)
    if "merge" in context.kinds and context.machine.merge.engine == "mergekit":
        yield _merge(context, model.parameters)


def size_of(context: Context) -> shape.Shape | None:
    """The student's size, from its config.json or what is known of its name."""
    config = context.config or context.stated
    return None if config is None else shape.of_config("student", config)


def _fetch(context: Context) -> str:
    student = context.recipe.student if context.recipe else ""
    return "" if student.startswith((".", "/", "~")) else f"hf download {student.partition('@')[0]} config.json"


def _training(context: Context, config: Mapping[str, Any], model: shape.Shape) -> Iterator[Finding]:
    place, recipe = context.machine.train, context.recipe
    assert recipe is not None
    moved = _moved(recipe.sft, config, model)
    if moved is None:
        yield unknown("memory to train", "how much this adapter trains is not known: it is far less than all weights")
        return
    weights, frozen = moved
    takes = context.machine.takes("train")
    spread = Place(
        processes=max(takes.gpus or 0, 1) * takes.nodes,
        sharding=str(place.get("deepspeed") or place.get("fsdp") or ""),
        liger=place.get("enable_liger_kernel") is True,
        rows=int(place.get("per_device_train_batch_size", 1)),
        tokens=int(recipe.sft["cutoff_len"]),
        bf16=recipe.sft.get("bf16") is True,
        gpu=bool(takes.gpus),
    )
    need = training(config, weights, spread, frozen)
    if takes.gpus:
        yield _on_gpus(context, need, spread, takes.gpus)
        if need.offloaded:
            yield _inside(
                "memory for offloaded states",
                need.offloaded / takes.nodes,
                "shard without `-offload` in the machine file",
            )
    else:
        yield _inside("memory to train", need.device, "take a smaller student, or a computer with GPUs", need)


def _moved(sft: Mapping[str, Any], config: Mapping[str, Any], model: shape.Shape) -> tuple[int, float] | None:
    """(weights that are trained, bytes of those that are not); None for an adapter that is not known well enough."""
    weights = round(model.parameters)
    if sft.get("finetuning_type") != llamafactory.LORA:
        return weights, 0.0
    targets = [name.strip() for name in str(sft.get("lora_target", "all")).split(",")]
    made = adapter.of_config(config, int(sft.get("lora_rank", adapter.RANK)), targets)
    if made is None or sft.get("additional_target"):
        return None
    single = (config.get("dtype") or config.get("torch_dtype")) == "float32"  # they stay as they are stored
    width = SINGLE if single else HALF
    return made.trained, adapter.frozen_bytes(made, weights, width, sft.get("quantization_bit"))


def _on_gpus(context: Context, need: Need, spread: Place, count: int) -> Finding:
    about = f"about {need.device / GIB:.0f} GiB on each of {spread.processes} GPUs ({need.words} GiB)"
    found = context.cards if context.local else None
    if not found:
        return unknown("memory to train", f"{about}; how much they have is not to be seen from here")
    least = min(card.total for card in found[:count])
    said = f"{about} of {least / GIB:.0f} GiB, for rows of {spread.tokens:,} tokens"
    if need.device <= NEARLY * least:
        return ok("memory to train", said)
    remedy = f"in the machine file {_less(spread)}"
    if need.device <= least:
        return warning("memory to train", f"{said}: it may not fit", remedy)
    return error("memory to train", f"{said}: it does not fit", remedy)


def _less(spread: Place) -> str:
    ways = []
    if not spread.liger:
        ways.append("`enable_liger_kernel: true`")
    if spread.rows > 1:
        ways.append("`per_device_train_batch_size: 1`")
    if spread.sharding in WHOLE:
        ways.append("`deepspeed: zero3`")
    elif not spread.sharding.endswith("-offload"):
        ways.append("`deepspeed: zero3-offload`")
    return "write " + ", ".join(ways) + " under `train:`" if ways else "take more GPUs or nodes, or larger ones"


def _inside(what: str, need: float, remedy: str, parts: Need | None = None) -> Finding:
    """Against the memory of this computer that is free now."""
    free = available()
    if free is None:
        return unknown(what, f"about {in_words(need)}; /proc/meminfo does not say what is free")
    said = f"about {in_words(need)} of {in_words(free)} free" + (
        f" ({parts.words} GiB)" if parts and parts.words else ""
    )
    if need <= NEARLY * free:
        return ok(what, said)
    if need <= free:
        return warning(what, f"{said}: it may not fit", remedy)
    return error(what, f"{said}: it does not fit", remedy)


def _merge(context: Context, weights: float) -> Finding:
    """mergekit reads all branches of a tensor at once, and the system keeps what it has read as long as there is room."""
    assert context.recipe is not None
    count = len(context.recipe.teachers) + 1
    asked = context.machine.takes("merge").memory_gb
    free = round(asked * 1e9) if asked else available() if context.local else None
    width = trained_width(context.recipe, context.machine)
    need = count * width * weights
    said = f"{count} models in {'bfloat16' if width == HALF else 'float32'} are {in_words(need)}"
    if free is None:
        return unknown("memory to merge", f"{said}; what is free where it runs is not to be seen from here")
    whose = "are asked for (steps.merge.memory_gb)" if asked else "are free"
    if need <= free:
        return ok("memory to merge", f"{said}, {in_words(free)} {whose}")
    hint = "write `merge: {engine: stream}` in the machine file (the same bits in little memory), or free memory"
    return warning("memory to merge", f"{said}, only {in_words(free)} {whose}: it would be slow, or be killed", hint)


def available() -> int | None:
    """Bytes of this computer's memory that can be had without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").split("\n")
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(found) * 1024 if found else None
