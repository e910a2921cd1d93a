"""Prices as jobs of a simulation, and how wide a training is there."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mot_plugin.costs.ground import Ground
from mot_plugin.costs.price import Price, price
from mot_plugin.costs.simulate import Job
from mot_plugin.machine import Machine
from mot_plugin.step import Plan, Step

ALONE = ("merge", "mix")
"""Kinds that fill a node's memory."""


def prices(ground: Ground, plan: Plan, todo: Iterable[str]) -> list[tuple[str, Price]]:
    """(fingerprint, price) of every step of a plan that has to run."""
    wanted = set(todo)
    return [(plan.prints[step.name], price(ground, step)) for step in plan.steps if step.name in wanted]


def jobs(priced: Iterable[tuple[str, Price]], prints: Mapping[str, str], room: str = "") -> list[Job]:
    """Jobs of one plan; `prints` are its fingerprints, `room` comes before every name."""
    return [
        Job(
            fingerprint,
            f"{room}{one.step.name}",
            one.step.kind,
            one.seconds,
            tuple(prints[need] for need in one.step.needs),
            one.step.gpus,
            one.step.nodes,
            one.step.kind in ALONE,
        )
        for fingerprint, one in priced
    ]


def joined(plans: Iterable[Iterable[Job]]) -> list[Job]:
    """Several plans as one: each shared job once, as near to the given order as needs allow. Raises ValueError for a loop."""
    known: dict[str, Job] = {}
    for job in (job for plan in plans for job in plan):
        known.setdefault(job.key, job)
    given, found, done = list(known.values()), list[Job](), set[str]()
    while given:
        late = []
        for job in given:
            if all(need in done or need not in known for need in job.needs):
                found.append(job)
                done.add(job.key)
            else:
                late.append(job)
        if len(late) == len(given):
            raise ValueError(f"{late[0].name} waits for itself")
        given = late
    return found


def as_wide(step: Step, machine: Machine, gpus: int) -> Step:
    """A training on so many GPUs, on as many nodes as that takes; other steps stay as they are. Raises ValueError."""
    if step.kind != "train":
        return step
    each = min(gpus, machine.gpu_count)
    if gpus % each:
        raise ValueError(f"{gpus} GPUs of a training are no whole nodes of {machine.gpu_count}")
    return replace(step, gpus=each, nodes=gpus // each)
