"""What some plans cost in all: hours, time on this machine, tokens, disk. What `plan` and `--max-gpu-hours` go by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mot_plugin.costs import disk, disk_bound, total
from mot_plugin.costs.assumed import assumed
from mot_plugin.costs.case import Case, together
from mot_plugin.costs.disk import Mark
from mot_plugin.costs.simulate import simulate
from mot_plugin.costs.total import Shared, Total
from mot_plugin.machine import Machine

BYTES_OF_TOKEN = 4
"""Of text, in the mean."""
COPIES = 2
"""Of every answer: as the engine's part that is kept, and among the step's samples."""


@dataclass(frozen=True)
class Estimate:
    """All plans together; `shared` has each by itself."""

    machine: Machine
    shared: Shared
    seconds: float
    """Wall-clock, with the machine's executor."""
    disk: Mark
    most: float
    """Bytes of weights at most: those of `disk` where steps run one after the other, else of any order."""
    assumed: tuple[str, ...]

    @property
    def whole(self) -> Total:
        """Every step that has to run, once."""
        return self.shared.whole

    @property
    def texts(self) -> float:
        """Bytes of answers and samples."""
        return COPIES * BYTES_OF_TOKEN * (self.whole.tokens - self.whole.trained)


def estimate(cases: Sequence[Case], machine: Machine) -> Estimate:
    """Of some plans on one machine, run in this order."""
    shared = total.shared([one.priced for one in cases], gpus=machine.gpu_count > 0)
    all_kept = machine.storage.keep == "all"
    loads = disk.union(disk.loads(one.ground, one.plan, one.todo, keep_all=all_kept) for one in cases)
    mark = disk.mark(loads)
    serial = machine.executor == "serial"
    seconds = shared.whole.seconds
    if not serial and machine.gpu_count:  # without any, nothing says how much runs at once
        seconds = simulate(together(cases), machine.nodes, machine.gpu_count, "fifo").makespan
    return Estimate(
        machine,
        shared,
        seconds,
        mark,
        mark.peak if serial else max(mark.peak, disk_bound.bound(loads)),
        assumed([one.ground for one in cases]),
    )


def for_programs(made: Estimate) -> dict[str, Any]:
    """Numbers as JSON has them: hours, seconds, bytes, tokens."""
    whole = made.whole
    return {
        **of_total(whole),
        "gpu_hours_without_sharing": round(made.shared.without, 3) if whole.gpus else 0.0,
        "wall_clock_seconds": round(made.seconds, 1),
        "weights_bytes_at_most": round(made.most),
        "weights_bytes_in_order": round(made.disk.peak),
        "weights_bytes_in_the_end": round(made.disk.stays),
        "texts_bytes": round(made.texts),
        "assumed": list(made.assumed),
    }


def of_total(found: Total) -> dict[str, Any]:
    """The same of a sum of prices."""
    models, generations, answers = found.generated("evaluate")
    _, samples, asked = found.generated("traces")
    return {
        "gpu_hours": round(found.hours, 3) if found.gpus else 0.0,
        "hours_one_after_the_other": round(found.seconds / 3600, 3),
        "hours_by_kind": {kind: round(hours, 3) for kind, hours in found.by_kind.items()},
        "optimizer_steps": found.steps,
        "sequences": found.sequences,
        "training_tokens": round(found.trained),
        "evaluated_models": models,
        "evaluation_generations": round(generations),
        "evaluation_tokens": round(answers),
        "teacher_samples": round(samples),
        "teacher_tokens": round(asked),
    }
