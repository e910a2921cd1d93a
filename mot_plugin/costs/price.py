"""How long a step takes on a machine: its work over the machine's rates, and what starting takes."""

import math
from dataclasses import dataclass

from mot_plugin.costs.amount import Amount, amount
from mot_plugin.costs.ground import Ground
from mot_plugin.machine import Machine
from mot_plugin.step import Step

NODE_GPUS = 8
"""Up to so many GPUs talk to each other at full speed."""


@dataclass(frozen=True)
class Price:
    """What one step takes."""

    step: Step
    amount: Amount
    seconds: float

    @property
    def gpus(self) -> int:
        """GPUs that it holds, on all of its nodes."""
        return self.step.gpus * self.step.nodes

    @property
    def gpu_hours(self) -> float:
        """Of all the GPUs that it holds."""
        return self.gpus * self.seconds / 3600


def price(ground: Ground, step: Step) -> Price:
    """What this step takes on the machine that the ground names."""
    work = amount(ground, step)
    return Price(step, work, starting(ground, step) + working(ground, step, work))


def starting(ground: Ground, step: Step) -> float:
    """Seconds beside the work: an evaluation starts its engines as often as its shards must take turns."""
    waves = 1
    if step.kind == "evaluate":
        waves = math.ceil(ground.recipe.eval.shards / _engines(ground, step))
    return waves * ground.machine.costs.startup(step.kind)


def working(ground: Ground, step: Step, work: Amount) -> float:
    """Seconds of the work itself."""
    rates, seconds = ground.machine.costs, 0.0
    if work.flops:
        seconds += work.flops / training_speed(ground.machine, work, step.gpus * step.nodes)
    if work.moved:
        seconds += work.moved / (rates.merge_rate * 1e6)
    if work.generated:
        seconds += max(work.generated / generation_speed(ground, step, work), work.longest / rates.stream_rate)
    return seconds


def training_speed(machine: Machine, work: Amount, gpus: int) -> float:
    """FLOP/s of a training on so many GPUs; 0 is the processor."""
    rates = machine.costs
    if not gpus:
        return rates.processor_tflops * 1e12
    slower = rates.moe_efficiency if work.model and work.model.experts else 1.0
    wide: float = (1 - rates.width_loss) ** max(0.0, math.log2(gpus / NODE_GPUS))
    return float(rates.peak_tflops * 1e12 * rates.mfu * slower * wide * gpus)


def generation_speed(ground: Ground, step: Step, work: Amount) -> float:
    """Tokens/s of all answers together."""
    rates = ground.machine.costs
    if step.kind == "traces" and step.teacher is not None:
        place = ground.machine.teacher(step.teacher)
        if place.endpoint is not None:
            return place.concurrency * rates.stream_rate
    assert work.model is not None
    slower = rates.moe_efficiency if work.model.experts else 1.0
    billions = work.model.active / 1e9
    if not step.gpus:
        return rates.processor_generation_rate * slower / billions
    used = step.gpus
    if step.kind == "evaluate":
        used = min(step.gpus, _engines(ground, step) * ground.machine.eval.engine_gpus)
    return rates.generation_rate * slower * used / billions


def _engines(ground: Ground, step: Step) -> int:
    """Engines of an evaluation that answer at once."""
    return max(1, min(ground.recipe.eval.shards, step.gpus // ground.machine.eval.engine_gpus))
