"""Which GPUs of this computer the steps of a run hold, by the kernel's list of processes.

Ray knows only what it gave away: a killed worker's GPUs are free at once, while the step's command needs a moment to end.
"""

import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from mot_plugin.folder import Folder
from mot_plugin.processes import MARK, SUPERVISOR

LOOK_SECONDS = 0.25
ASKED = 20
"""Looks at an orphan that was asked to end, before it is killed."""
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def wait_for(gpus: Collection[str], run: Path, step: str, tick: Callable[[], None]) -> None:
    """Return when no other step's process of this run holds one of them. Whatever outlived its supervisor is ended."""
    asked = 0
    while gpus:
        held = [found for pid in _all() if (found := _environ(pid)) and _in_the_way(found, gpus, run, step)]
        if not held:
            return
        for found in held:
            if not _supervised(found):
                asked += 1
                with suppress(ProcessLookupError):
                    os.kill(int(found["pid"]), signal.SIGTERM if asked < ASKED else signal.SIGKILL)
        tick()
        time.sleep(LOOK_SECONDS)


def _in_the_way(found: dict[str, str], gpus: Collection[str], run: Path, step: str) -> bool:
    """What is left of the step itself, its supervisor ends."""
    works_in, folder = found.get(MARK, ""), Folder(run)
    ours = works_in.startswith(f"{folder.work('')}/") and works_in != str(folder.work(step))
    return ours and not set(gpus).isdisjoint(found.get(_VISIBLE, "").split(","))


def _supervised(found: dict[str, str]) -> bool:
    try:
        command = Path(f"/proc/{found.get(SUPERVISOR, '')}/cmdline").read_bytes()
    except OSError:
        return False
    return b"mot_plugin\0exec\0" in command


def _all() -> list[str]:
    return [process.name for process in Path("/proc").glob("[0-9]*")]


def _environ(pid: str) -> dict[str, str]:
    """Environment that a process was started with; empty for one that ended or is somebody else's."""
    try:
        parts = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return {**dict(part.split("=", 1) for part in parts if "=" in part), "pid": pid}
