"""The small world of fake_world.py with its steps run by a real Slurm of two nodes."""

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from fake_world import World, make_world
from slurm_cluster import Cluster

POLL = 0.3
STEPS = {"train": {"gpus": 1}, "evaluate": {"gpus": 1}}


def slurm_world(root: Path, rounds: int = 1, **slurm: Any) -> World:
    """One GPU for each training and evaluation."""
    world = make_world(root, rounds)
    place = {"executor": "slurm", "gpus": 2, "nodes": 2, "steps": STEPS, "slurm": {"poll_seconds": POLL, **slurm}}
    world.edit(lambda machine: machine.update(place), "machine.yaml")
    return world


def prints(world: World) -> dict[str, str]:
    """Fingerprints of the run's frozen plan."""
    found: dict[str, str] = json.loads((world.run_folder / "plan.json").read_text(encoding="utf-8"))["prints"]
    return found


def jobs(cluster: Cluster, world: World) -> dict[str, list[dict[str, str]]]:
    """Step -> the jobs that were ever submitted for it by this world."""
    found: dict[str, list[dict[str, str]]] = {}
    for job in cluster.jobs():
        step, _, folder = job["comment"].partition(" of ")
        if Path(folder).is_relative_to(world.root):
            found.setdefault(step, []).append(job)
    return found


def once(cluster: Cluster, world: World) -> bool:
    """Whether every step of the plan was submitted exactly once."""
    return {step: len(all_) for step, all_ in jobs(cluster, world).items()} == dict.fromkeys(prints(world), 1)


def alive(cluster: Cluster, world: World) -> list[dict[str, str]]:
    """Jobs that still wait, run or leave."""
    over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
    return [job for all_ in jobs(cluster, world).values() for job in all_ if job["state"] not in over]


def running(world: World, step: str) -> Callable[[], bool]:
    """Whether a step's record says that it runs."""
    return lambda: (
        (world.run_folder / "plan.json").is_file() and world.records().get(step, {}).get("state") == "running"
    )


def calm(cluster: Cluster, world: World, kept: Collection[str] | None = None) -> None:
    """Nothing of the run is left, no GPU was ever given to two at once, and no command ended well twice (of steps `kept`)."""
    until = time.monotonic() + 30
    while alive(cluster, world) or world.processes():
        assert time.monotonic() < until, (alive(cluster, world), world.processes())
        time.sleep(0.1)
    assert world.log("double") == []
    assert world.ended_twice(kept) == []
