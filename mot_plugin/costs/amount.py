"""What a step does, in units that no machine knows: floating point operations, tokens, bytes. docs/costs.md has the formulas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mot_plugin.costs.ground import Ground
from mot_plugin.costs.shape import Shape
from mot_plugin.step import Step
from mot_plugin.tools import llamafactory


@dataclass(frozen=True)
class Amount:
    """The work of one step; what it does not do is 0."""

    flops: float = 0.0
    steps: int = 0
    """Of the optimizer."""
    sequences: int = 0
    trained: float = 0.0
    """Tokens that a training sees."""
    generations: float = 0.0
    generated: float = 0.0
    """Tokens of all of them."""
    longest: int = 0
    """Tokens of a generation at most."""
    moved: float = 0.0
    """Bytes that a merge reads and writes."""
    model: Shape | None = None
    """Who trains or generates."""


def amount(ground: Ground, step: Step) -> Amount:
    """The work of this step."""
    made = _KINDS.get(step.kind)
    return made(ground, step) if made else Amount()


def forward(shape: Shape, tokens: float, row: float) -> float:
    """FLOPs of one forward pass: two for each weight and token, and attention to the half of the row that lies before."""
    return tokens * (2 * shape.active + 2 * shape.attention * row)


def _train(ground: Ground, step: Step) -> Amount:
    recipe, student = ground.recipe, ground.student
    steps = step.at or 0
    row = ground.row_tokens(ground.corpus_of(step.teacher))
    rows = steps * recipe.global_batch_size
    lora = recipe.sft.get("finetuning_type") == llamafactory.LORA
    # Forward is one, backward two (one where the weights themselves get no gradient), and recomputed activations one more.
    passes = 2 + (not lora) + (not ground.machine.train.get("disable_gradient_checkpointing", False))
    flops = passes * forward(student, rows * row, row)
    probe = recipe.probe_loss
    if probe:
        flops += (steps // probe.every + 2) * forward(student, probe.rows * row, row)
    saved = sum(command.tool == "mergekit-yaml" for command in step.call.commands)  # adapters made whole models
    return Amount(flops, steps, rows, rows * row, moved=saved * 2 * student.bytes, model=student)


def _probe_loss(ground: Ground, step: Step) -> Amount:
    probe, row = ground.recipe.probe_loss, ground.row_tokens(ground.corpus_of(step.teacher))
    return Amount(forward(ground.student, probe.rows * row, row) if probe else 0.0, model=ground.student)


def _evaluate(ground: Ground, step: Step) -> Amount:
    asked = ground.asked(step.purpose)
    return Amount(generations=asked.generations, generated=asked.tokens, longest=asked.longest, model=ground.student)


def _traces(ground: Ground, step: Step) -> Amount:
    assert step.teacher is not None
    count = ground.problems * ground.samples(step.teacher)
    longest = ground.recipe.sampling_of(step.teacher).max_tokens
    tokens = count * ground.sample_tokens(step.teacher)
    return Amount(generations=count, generated=tokens, longest=longest, model=ground.teachers[step.teacher])


def _merge(ground: Ground, step: Step) -> Amount:
    """Passes over whole models: the merge reads every branch and writes one; measuring reads the branches again, and more."""
    branches = len(ground.recipe.teachers)
    own = {command.args[1] for command in step.call.commands if command.args[:1] == ("step",)}
    merges = sum(command.tool == "mergekit-yaml" or bool(command.stands_for) for command in step.call.commands)
    passes = (branches + 1) * max(1, merges) + 2
    passes += (branches + 1) * ("carry-loss" in own) + (branches + 3) * ("diagnose" in own)
    return Amount(moved=passes * ground.student.bytes)


def _mix(ground: Ground, step: Step) -> Amount:
    del step
    return Amount(moved=5 * ground.student.bytes)


_KINDS: Mapping[str, Callable[[Ground, Step], Amount]] = {
    "train": _train,
    "probe-loss": _probe_loss,
    "evaluate": _evaluate,
    "traces": _traces,
    "merge": _merge,
    "mix": _mix,
}
"""Other kinds take their start-up only."""
