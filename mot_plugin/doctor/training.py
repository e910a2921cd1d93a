"""What a training asks for besides LLaMA-Factory: kernels, DeepSpeed, a launcher, a GPU or the word that there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mot_plugin.doctor.context import Context
from mot_plugin.doctor.environment import Environment
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.errors import FileError, MissingTool
from mot_plugin.tools import llamafactory, parallel
from mot_plugin.tools.call import beside

_PACKAGES = (
    ("enable_liger_kernel", True, "liger-kernel", "liger-kernel"),
    ("flash_attn", "fa2", "flash-attn", "flash-attn --no-build-isolation"),
)


def check(context: Context) -> Iterator[Finding]:
    """Only where something is to be trained, or nobody says what."""
    one = context.environments.get(llamafactory.TOOL)
    if one is None:
        return
    place, sft = context.machine.train, context.recipe.sft if context.recipe else {}
    if one.packages:
        yield from _packages(one, {**place, **sft}, context.machine.gpus_for("train"))
    yield from _launcher(context, one)
    yield _device(context, sft)
    yield from _checkpoints(context)


def _packages(one: Environment, said: dict[str, Any], gpus: int) -> Iterator[Finding]:
    wanted = [(key, package, name) for key, value, package, name in _PACKAGES if said.get(key) == value]
    if said.get("deepspeed"):
        wanted.append(("deepspeed", "deepspeed", "deepspeed"))
    for key, package, install in wanted:
        if found := one.packages.get(package):
            yield ok(package, f"{found}, for {key}: {_word(said[key])}")
        elif package == "flash-attn":  # LLaMA-Factory warns in its log, and takes another attention
            remedy = f"{one.pip} {install}, or write flash_attn: sdpa in the recipe"
            yield warning(package, f"{one.where} lacks it: sdpa would be used, in silence", remedy)
        else:
            lacks = f"{key}: {_word(said[key])} needs it, and {one.where} lacks it"
            yield error(package, lacks, f"{one.pip} {install}", MissingTool)
    if said.get("deepspeed") == "zero3-offload" and gpus and shutil.which("nvcc") is None:
        hint = "install the CUDA toolkit of torch's version and set CUDA_HOME, or take deepspeed: zero3"
        yield warning("nvcc", "DeepSpeed's optimizer for the processor is compiled at its first start", hint)


def _word(value: Any) -> str:
    """As a file says it."""
    return "true" if value is True else str(value)


def _launcher(context: Context, one: Environment) -> Iterator[Finding]:
    """LLaMA-Factory starts its neighbour torchrun for several parallel."""
    takes = context.machine.takes("train")
    env = parallel.environment(context.machine.train, takes.gpus or 0, takes.nodes)
    if "FORCE_TORCHRUN" not in env:
        return
    where = Path(beside(one.command, "torchrun")[-1])
    if not where.is_absolute():
        yield unknown("torchrun", f"{one.where} does not say where its programs lie")
    elif where.exists() or shutil.which("torchrun"):
        yield ok("torchrun", str(where if where.exists() else shutil.which("torchrun")))
    else:
        lost = f"{where} is not there, and {(takes.gpus or 1) * takes.nodes} processes are to be started with it"
        yield error("torchrun", lost, f"{one.pip} torch, or start LLaMA-Factory from its own environment", MissingTool)


def _device(context: Context, sft: dict[str, Any]) -> Finding:
    gpus, on_processor = context.machine.gpus_for("train"), context.machine.train.get("use_cpu") is True
    if gpus and on_processor:
        wrong = f"use_cpu: true, and {gpus} GPUs to train on"
        return error("device", wrong, "take `use_cpu` out of `train:` in the machine file", FileError)
    if not gpus and not on_processor:
        bf16 = "bf16: true ends LLaMA-Factory there" if sft.get("bf16") else "LLaMA-Factory is not told so"
        make = error if sft.get("bf16") else warning
        return make("device", f"no GPU to train on: {bf16}", "write `train: {use_cpu: true}` in the machine file")
    return ok("device", f"{gpus} GPUs" if gpus else "the processor, as the machine file says")


def _checkpoints(context: Context) -> Iterator[Finding]:
    """Full checkpoints that no training here is long enough to write."""
    every = context.machine.checkpoint_every
    longest = max((step.at or 0 for step in context.todo if step.kind == "train"), default=0)
    if every is None or not longest:
        return
    if every < longest:
        yield ok("checkpoints", f"a training that is killed repeats at most {every} of up to {longest} optimizer steps")
    else:
        said = f"one every {every} optimizer steps, and no training here takes more than {longest}: one that is killed begins anew"
        remedy = f"write `checkpoint_every: {max(1, longest // 5)}` in the machine file"
        yield warning("checkpoints", said, remedy if longest > 1 else "leave checkpoint_every out")
