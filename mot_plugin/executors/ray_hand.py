"""One step in Ray's hands: the tasks that run it, on one node or on several at once."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mot_plugin.executors import ray_place, ray_task
from mot_plugin.executors.work import Work
from mot_plugin.step import Step
from mot_plugin.supervise import FILLS_MEMORY

TRIES = 4
"""How often a step is given to Ray that loses its worker or node."""
STOP_SECONDS = 45.0
"""For supervisors to stop their commands, which have 20 s."""


@dataclass
class Hand:
    """Tasks of one step; the first one supervises it, more are the other nodes' ranks."""

    work: Work
    step: Step
    given: Mapping[str, str]
    tries: int = 0
    tasks: list[Any] = field(default_factory=list)
    group: Any = None
    started: bool = False

    def give(self) -> None:
        """To Ray, to be run as soon as it has what the step takes."""
        import ray
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        self.tries, self.started = self.tries + 1, False
        folder, nodes, meeting = str(self.work.folder), self.step.nodes, ""
        options: list[dict[str, Any]] = [self._options()]
        if nodes > 1:
            meeting = str(self._meeting())
            bundle = {name: amount for name, amount in ray_place.takes(self.work.machine, self.step).items() if amount}
            self.group = placement_group([bundle] * nodes, strategy="STRICT_SPREAD")
            options = [
                {**options[0], "scheduling_strategy": PlacementGroupSchedulingStrategy(self.group, index)}
                for index in range(nodes)
            ]
        lead, follow = (ray.remote(function).options for function in (ray_task.lead, ray_task.follow))
        first = lead(**options[0]).remote(folder, self.step.name, str(Path.cwd()), self.given, meeting)
        others = [
            follow(**more).remote(folder, self.step.name, self.given, meeting, rank)
            for rank, more in enumerate(options[1:], 1)
        ]
        self.tasks = [first, *others]

    def over(self) -> None:
        """Its first task has ended, or was lost: the others have nothing more to do. Waits for them."""
        import ray
        from ray.util.placement_group import remove_placement_group

        if self.group is not None:
            meeting = Path(self._meeting())
            meeting.mkdir(parents=True, exist_ok=True)
            (meeting / "over").touch()
            ray.wait(self.tasks, num_returns=len(self.tasks), timeout=STOP_SECONDS)
            self.stop()
            remove_placement_group(self.group)
            shutil.rmtree(meeting, ignore_errors=True)
            self.group = None

    def stop(self) -> None:
        """Ask its supervisor, or whatever runs, to stop. Does not wait."""
        import ray

        _, running = ray.wait(self.tasks, num_returns=len(self.tasks), timeout=0)
        for task in (
            running
        ):  # one that has ended must not be cancelled: Ray 2.60 may take that for a fault of its own and abort us
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(task, force=False)

    def _meeting(self) -> Path:
        return self.work.folder / "spread" / self.step.name / str(self.tries)

    def _options(self) -> dict[str, Any]:
        import ray

        asked = ray_place.takes(self.work.machine, self.step)
        wanted: dict[str, Any] = {"num_cpus": asked["CPU"], "num_gpus": asked["GPU"], "max_retries": 0}
        wanted |= {"memory": asked["memory"]} if asked["memory"] else {}
        if self.step.kind in FILLS_MEMORY and ray_place.MERGE in ray.cluster_resources():
            wanted["resources"] = {ray_place.MERGE: 1}
        return {**wanted, "name": self.step.name}
