"""A fake world whose steps an executor runs with fake GPUs, and what must be so after every attack."""

import os
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fake_world import World, make_world, wait_for

ANNA, BERT, MERGE, EVALUATE = (
    f"mot/round-1/{name}" for name in ("branches/anna", "branches/bert", "merge", "evaluate")
)
AFTER_BRANCHES = {MERGE, EVALUATE, "mot/round-1/select", "ship", "report"}
SAID = "\nstopped; run the same command again to go on from here\n"
ONE_EACH = {"train": {"gpus": 1}, "evaluate": {"gpus": 1}}


@dataclass(frozen=True)
class Attacked(World):
    """A world with an executor. `inside` is put before every command: where its network is."""

    inside: list[str] = field(default_factory=list)

    def before(self) -> list[str]:
        """Where its network is."""
        return self.inside

    def running(self, step: str) -> bool:
        """Whether a step's command has started and its record says that it runs."""
        there = (self.run_folder / "plan.json").is_file()
        return there and self.records().get(step, {}).get("state") == "running" and self.starts(match=step) > 0

    def gone(self) -> None:
        """No process is left, of ours or of an executor's own. None takes longer than the command's own patience."""
        wait_for(lambda: not self.processes(), seconds=30)

    def checked(self, kept: Collection[str] | None = None) -> None:
        """No process left, no GPU given to two at once, no command ended well twice (of the steps `kept`)."""
        self.gone()
        assert self.log("double") == []
        assert self.ended_twice(kept) == []

    def processes(self) -> dict[int, str]:
        """Also what Ray starts for itself: it does so in our environment."""
        found = {pid: line for pid, line in super().processes().items() if line}
        return {pid: line for pid, line in found.items() if "ray_nodes.py" not in line}

    def supervisor(self, step: str) -> int:
        """The process that supervises a step."""
        pid: int = self.records()[step]["pid"]
        return pid


def attacked(root: Path, executor: str, rounds: int = 1, gpus: int = 2, **place: Any) -> Attacked:
    """A new world, one GPU for a training and for an evaluation."""
    make_world(root, rounds)
    made = Attacked(root)
    wanted = {
        "executor": executor,
        "gpus": gpus,
        "steps": ONE_EACH,
        "train": {"per_device_train_batch_size": 1},
        **place,
    }
    made.edit(lambda machine: machine.update(wanted), "machine.yaml")
    return made


def parent(pid: int) -> int:
    """Process number of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def stop(world: Attacked, ready: Callable[[], object], number: int, *, group: bool = False) -> tuple[int, str]:
    """Start the run, wait for a moment, send a signal, to all that the terminal sees if asked: exit code and what was said."""
    process = world.start()
    wait_for(lambda: process.poll() is not None or ready())
    (os.killpg if group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
