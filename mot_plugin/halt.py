"""stop: end a run from anywhere. Its jobs leave Slurm's queue; a process that runs it here is asked to end, its step first."""

import os
import signal
import time
from contextlib import suppress

from mot_plugin import claims
from mot_plugin.errors import RunConflict
from mot_plugin.executors import slurm_queue
from mot_plugin.folder import Folder

PATIENCE_SECONDS = 60.0


def stop(folder: Folder) -> list[str]:
    """What was stopped, in words; empty if nothing was going on. Raises RunConflict if it goes on where we cannot reach it."""
    machine, root = folder.machine(), folder.root.resolve()
    said, wrong = list[str](), None
    try:
        said += _driver(folder)
    except RunConflict as error:
        wrong = error
    if machine.executor == "slurm":  # after the driver, which might submit more
        jobs = sorted((job for job in slurm_queue.listed() if job.live and job.of(root)), key=lambda job: int(job.id))
        slurm_queue.cancel(jobs)
        if jobs:
            said.append(
                f"cancelled {len(jobs)} job{'s' if len(jobs) > 1 else ''} of Slurm: {_numbers([job.id for job in jobs])}"
            )
    if wrong is not None and not (machine.executor == "slurm" and said):  # who watches cancelled jobs ends by himself
        raise wrong
    return said


def _driver(folder: Folder) -> list[str]:
    """Ask the process that runs this to end, as Ctrl-C would."""
    holder = claims.holder(folder.claim)
    if holder is None:
        return []
    if not holder.here:
        raise RunConflict(f"{folder.root} is being run by {holder.words}: stop it there")
    with suppress(ProcessLookupError):
        os.kill(holder.pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_SECONDS
    while holder.alive:
        if time.monotonic() > until:
            raise RunConflict(f"{holder.words} was asked to end and does not")
        time.sleep(0.1)
    return [f"stopped {holder.words}"]


def _numbers(ids: list[str]) -> str:
    return ", ".join(ids[:8]) + (", ..." if ids[8:] else "")
