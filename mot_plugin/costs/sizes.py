"""Bytes of weights that a step writes: the models that it leaves, and what lies beside them while it works."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mot_plugin.costs.ground import Ground
from mot_plugin.machine import Machine
from mot_plugin.recipe import Recipe
from mot_plugin.step import Method, Step
from mot_plugin.tools import llamafactory

HALF, SINGLE = 2, 4
"""Bytes of a parameter in 16 and in 32 bits."""


@dataclass(frozen=True)
class Sizes:
    """`models` are what the step leaves, `beside` what is deleted with them, `while_working` what is gone when it ends."""

    models: tuple[float, ...] = ()
    beside: float = 0.0
    while_working: float = 0.0

    @property
    def left(self) -> float:
        """Bytes that are there when it has ended."""
        return sum(self.models) + self.beside

    @property
    def working(self) -> float:
        """Bytes at the end of its work, just before what nobody reads is deleted."""
        return self.left + self.while_working


def sizes(ground: Ground, step: Step) -> Sizes:
    """Of one step; nothing for what writes no weights, and for choices, which are hard links."""
    made = _KINDS.get(step.kind)
    return made(ground, step) if made else Sizes()


def trained_width(recipe: Recipe, machine: Machine) -> int:
    """Bytes of a parameter in what a training leaves: 16 bits where it holds them so, else 32.

    DeepSpeed keeps masters of its own beside 16-bit weights; LLaMA-Factory makes the weights themselves float32 otherwise.
    An adapter is added to its start in float32.
    """
    sft, place = recipe.sft, machine.train
    if sft.get("finetuning_type") == llamafactory.LORA:
        return SINGLE
    held_so = sft.get("pure_bf16") or place.get("deepspeed")
    return HALF if held_so and (sft.get("bf16") or sft.get("fp16") or sft.get("pure_bf16")) else SINGLE


def checkpoints(recipe: Recipe, method: Method, steps: int) -> int:
    """Models that a training saves on its way; 0 for one that saves its end only."""
    methods = recipe.methods
    saving = {"STD": methods.std, "MTD": methods.mtd, "STD-matched": methods.matched, "MTD-matched": methods.matched}
    wanted = saving.get(method)
    return steps // wanted.save_steps if wanted else 0


def _student(ground: Ground, step: Step) -> Sizes:
    del step
    return Sizes((ground.student.bytes,))


def _train(ground: Ground, step: Step) -> Sizes:
    saved = checkpoints(ground.recipe, step.method, step.at or 0)
    each = trained_width(ground.recipe, ground.machine) * ground.student.parameters
    if ground.recipe.sft.get("finetuning_type") == llamafactory.LORA:
        return Sizes((each,) * max(1, saved), while_working=each * max(1, saved))  # mergekit's cache of the same
    full = _full_checkpoints(ground, step)
    if not saved:
        return Sizes((each,), while_working=full)
    return Sizes((each,) * saved, while_working=each + full)  # the end once more, then deleted


def _full_checkpoints(ground: Ground, step: Step) -> float:
    """Weights, two moments, and masters or (FSDP) the weights once more; the newest, and the next one being written."""
    every = ground.machine.checkpoint_every
    there = min(2, ((step.at or 0) - 1) // every) if every else 0
    state = (3 if {"deepspeed", "fsdp"} & ground.machine.train.keys() else 2) * SINGLE
    return float(there * (trained_width(ground.recipe, ground.machine) + state) * ground.student.parameters)


def _merge(ground: Ground, step: Step) -> Sizes:
    files = {file.path: file.text for file in step.call.files}
    count = ground.student.parameters
    exact = f"configs/{step.name}.accumulator.yaml" in files
    wide = f"configs/{step.name}.wide.yaml" in files
    single = "out_dtype: float32" in files.get(f"configs/{step.name}.yaml", "")
    return Sizes(
        ((SINGLE if single else HALF) * count,),
        beside=SINGLE * count if exact else 0.0,
        while_working=SINGLE * count if wide else 0.0,
    )


_KINDS: Mapping[str, Callable[[Ground, Step], Sizes]] = {
    "student": _student,
    "train": _train,
    "merge": _merge,
    "mix": _merge,
}
