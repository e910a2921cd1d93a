"""Slurm's commands, started here and nowhere else. Its controller may be busy or away for a while: that is no failure."""

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from mot_plugin.errors import FileError, MissingTool
from mot_plugin.executors.slurm_job import QUEUE, Job, read

TRIES = 8
"""With doubling waits between them, from a second to a minute: two minutes in all."""
PATIENT_TRIES = 36
"""Of who only watches: half an hour."""
_LONGEST = 60.0
_PASSING = (
    "timed out",
    "unable to contact",
    "not responding",
    "temporarily",
    "connection refused",
    "zero bytes",
    "transport endpoint",
    "communication",
)
_T = TypeVar("_T")
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT")


class Silent(MissingTool):
    """Slurm did not answer: it may later."""


class Refused(FileError):
    """Slurm answered no."""


def ask(argv: Iterable[str], said: str = "") -> str:
    """What one command prints. Raises Silent, Refused or MissingTool."""
    # Of a job that we ourselves run in, nothing may reach the jobs that we submit.
    outside = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_") or key in _KEPT}
    command = [*argv]
    try:
        ended = subprocess.run(
            command, input=said, env=outside, capture_output=True, text=True, check=False, timeout=_LONGEST * 2
        )
    except FileNotFoundError:
        raise MissingTool(
            f"executor slurm: there is no program {command[0]!r} on PATH; run this where jobs can be submitted"
        ) from None
    except subprocess.TimeoutExpired:
        raise Silent(f"Slurm does not answer: {command[0]} ran for {_LONGEST * 2:.0f} s") from None
    if ended.returncode == 0:
        return ended.stdout
    wrong = ended.stderr.strip() or f"{command[0]} exited with {ended.returncode}"
    raise (Silent if any(words in wrong.lower() for words in _PASSING) else Refused)(wrong)


def patiently(act: Callable[[], _T], hiccup: Callable[[str], None] = lambda _: None, tries: int = TRIES) -> _T:
    """Do it again while Slurm is silent. Raises Silent in the end."""
    for number in itertools.count(1):
        try:
            return act()
        except Silent as error:
            if number == tries:
                raise Silent(
                    f"Slurm has not answered {tries} times in a row: {error}\n"
                    "What is in its queue stays there; run the same command again once it answers."
                ) from None
            hiccup(str(error))
            time.sleep(min(2.0 ** (number - 1), _LONGEST))
    raise AssertionError


def listed(tries: int = TRIES) -> list[Job]:
    """All jobs of this user that Slurm still knows, also those that have ended."""
    return patiently(lambda: read(ask(QUEUE)), tries=tries)


def submit(argv: list[str], script: str, called: str) -> str:
    """The number of the job. A submission that was not answered may have been heard, so its name is looked for first."""
    heard: list[str] = []

    def once() -> str:
        if heard:
            there = [job.id for job in read(ask(QUEUE)) if job.name == called and job.live]
            if there:
                return there[-1]
        return ask(argv, script).strip().partition(";")[0]

    return patiently(once, heard.append)


def cancel(jobs: Iterable[Job]) -> None:
    """Take jobs out of the queue, or end them; those that have ended meanwhile are no mistake."""
    ids = [job.id for job in jobs]
    if ids:
        patiently(lambda: ask(["scancel", "--quiet", *ids]))


def away(jobs: Iterable[Job], seconds: float = 120.0) -> None:
    """Wait until nothing of cancelled jobs runs any more; a node that does not answer is not waited for without end."""
    ids, until = {job.id for job in jobs}, time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(job.id in ids and (job.live or job.state == "COMPLETING") for job in listed()):
            return
        time.sleep(0.5)
