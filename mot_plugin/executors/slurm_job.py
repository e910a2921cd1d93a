"""A step as a job of Slurm: its name, what sbatch is told, and what Slurm's words about it mean."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from mot_plugin import spread
from mot_plugin.executors.supervisor import command
from mot_plugin.executors.work import Work
from mot_plugin.step import Step, digest
from mot_plugin.store import Store

WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
GOING = ("RUNNING", "CONFIGURING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT")
LEAVING = "COMPLETING"
"""It has ended, or has to; its processes are not all gone yet."""
GONE = "GONE"
"""Our own word: Slurm does not know it any more."""
NEVER = "DependencyNeverSatisfied"

_FIELDS = "%i\t%T\t%r\t%j\t%N\t%k"
_SIGN = " of "
_ENDINGS = {
    "TIMEOUT": "it reached its time limit: say `steps: {{{kind}: {{hours: ...}}}}` in the machine file, or a longer partition",
    "OUT_OF_MEMORY": "it took more memory than it had asked for: say `steps: {{{kind}: {{memory_gb: ...}}}}` in the machine file",
    "NODE_FAIL": "its node was lost",
    "BOOT_FAIL": "its node did not boot",
    "PREEMPTED": "a job of higher priority took its place",
    "DEADLINE": "it could not end before its deadline",
    "CANCELLED": "it was cancelled",
    GONE: "it is in the queue no more, and left no word (`sacct` may know)",
    "FAILED": "it failed, and the step left no word: its supervisor did not start, or was killed",
    "COMPLETED": "it ended well, and yet the step's record does not say so: is the store the same folder on all nodes?",
}


@dataclass(frozen=True)
class Job:
    """One line of squeue."""

    id: str
    state: str
    reason: str
    name: str
    nodes: str
    comment: str

    @property
    def waiting(self) -> bool:
        """It has not begun, or has to begin again."""
        return self.state in WAITING

    @property
    def going(self) -> bool:
        """It has its nodes."""
        return self.state in GOING

    @property
    def held(self) -> bool:
        """It waits for a person."""
        return self.waiting and "held" in self.reason.lower()

    @property
    def live(self) -> bool:
        """Somebody has to wait for it; one that is leaving does not run what it was for any more."""
        return self.waiting or self.going

    @property
    def place(self) -> str:
        """Words for a person: its number, and where it runs."""
        return f"Slurm job {self.id}" + (f" on {self.nodes}" if self.nodes and self.going else "")

    def of(self, folder: Path) -> bool:
        """Whether it was submitted for this run folder."""
        return self.name.startswith("mot-") and self.comment.partition(_SIGN)[2] == str(folder)


QUEUE = ("squeue", "--me", "--noheader", "--states=all", f"--format={_FIELDS}")


def read(text: str) -> list[Job]:
    """What QUEUE prints."""
    rows = [line.split("\t", 5) for line in text.splitlines()]
    return [Job(*row) for row in rows if len(row) == 6]


def name(store: Store, fingerprint: str) -> str:
    """The same step of the same store has the same name, whoever submits it from wherever."""
    return f"mot-{fingerprint}-{digest(str(store.root))[:8]}"


def log(folder: Path, step: str, job: str) -> Path:
    """What the job itself says: lines of the prologue, Slurm's own, an error of the supervisor."""
    return folder / "logs" / f"{step}.slurm-{job}.log"


def sbatch(work: Work, step: Step, called: str, after: list[str]) -> list[str]:
    """argv. What the machine file adds comes after what follows from it, and before what we recognize jobs by."""
    takes, place = work.machine.takes(step.kind), work.machine.slurm
    partition = takes.partition or place.partition
    return [
        "sbatch",
        "--parsable",
        f"--nodes={step.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={takes.cpus}",
        *([f"--gres=gpu:{step.gpus}"] if step.gpus else []),
        *([f"--mem={math.ceil(takes.memory_gb * 1024)}M"] if takes.memory_gb else []),
        *([f"--time={math.ceil(takes.hours * 60)}"] if takes.hours else []),
        *([f"--partition={partition}"] if partition else []),
        *place.flags,
        *takes.flags,
        f"--job-name={called}",
        f"--comment={step.name}{_SIGN}{work.folder}",
        # singleton: should two hosts submit the same at the same moment, the second job waits and finds it done.
        f"--dependency={','.join([*(f'afterok:{one}' for one in after), 'singleton'])}",
        "--kill-on-invalid-dep=yes",
        "--requeue",
        "--open-mode=append",
        f"--output={_escaped(work.folder)}/{log(Path(), step.name, '%j')}",
    ]


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def script(work: Work, step: Step) -> str:
    """The batch script. The supervisor takes the shell's place, so that Slurm's signals reach it."""
    run = [*command(work.folder, step.name), "--planned", work.plan.prints[step.name]]
    way = [f"export {spread.WAY}=srun"] if step.nodes > 1 else []
    return "\n".join(["#!/bin/bash", *work.machine.slurm.prologue, *way, f"exec {shlex.join(run)}", ""])


def ending(state: str, kind: str) -> str:
    """Why a job ended, if the step could not say it itself."""
    return _ENDINGS.get(state, f"its state is {state}").format(kind=kind)
