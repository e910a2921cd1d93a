"""Executors: how the steps that have to run get to run. Placement and queueing are a resource manager's; `serial` needs none."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mot_plugin.folder import Folder
from mot_plugin.step import Step
from mot_plugin.supervise import die_with, end_leftovers

Event = Literal["start", "tick", "done", "failed", "blocked"]


class Watcher(Protocol):
    """Told what happens; `number` counts the steps to run from 1."""

    def __call__(self, event: Event, step: Step, number: int) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """Steps by how they ended: what the supervisor of each failed one said, and which waited for them."""

    failed: dict[str, str]
    blocked: tuple[str, ...]


def serial(folder: Path, todo: Sequence[Step], tell: Watcher) -> Outcome:
    """One after the other on this computer. A failure blocks what needs it; everything else goes on."""
    failed: dict[str, str] = {}
    blocked: list[str] = []
    for number, step in enumerate(todo, 1):
        if any(need in failed or need in blocked for need in step.needs):
            blocked.append(step.name)
            tell("blocked", step, number)
            continue
        tell("start", step, number)
        wrong = _supervise(folder, step, lambda step=step, number=number: tell("tick", step, number))  # type: ignore[misc]
        if wrong is not None:
            failed[step.name] = wrong
        tell("done" if wrong is None else "failed", step, number)
    return Outcome(failed, tuple(blocked))


def _supervise(folder: Path, step: Step, tick: Callable[[], None]) -> str | None:
    """Run the step's supervisor: None, or what went wrong. It ends if we are killed; Ctrl-C stops it first, and only then us."""
    driver = os.getpid()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "mot_plugin", "exec", str(folder), step.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # a Ctrl-C reaches it through us, once
            preexec_fn=lambda: die_with(driver, signal.SIGTERM),  # noqa: PLW1509  (calls one system function, loaded before)
        )
        try:
            while process.poll() is None:
                tick()
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode == 0:
            return None
        if process.returncode < 0:  # it had no time to end its commands
            end_leftovers(Folder(folder).work(step.name))
            return f"its supervisor was killed by {signal.Signals(-process.returncode).name}"
        said.seek(0)
        return said.read().removeprefix("error: ").strip()


EXECUTORS = {"serial": serial}
