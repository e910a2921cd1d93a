"""Full checkpoints of a training, from which one that was killed goes on: which of them are whole, and what of them stays.

The trainer's callback (training/checkpoints.py) marks what it has written; the supervisor chooses among what is marked.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.report.losses import PROBE
from mot_plugin.store import remove, replace_text
from mot_plugin.tools import llamafactory
from mot_plugin.tools.call import Resumable

MARK = "mot_plugin.whole"
"""Written into a checkpoint once every process has written its part of it: `state`, or `model` without the state."""
FAILURES = 3
"""After so many failures from one checkpoint it is left alone: a broken one must not be tried for ever."""
STATE = (
    *("optimizer*", "scheduler.pt", "scaler.pt", "rng_state*.pth"),
    *("global_step*", "latest", "zero_to_fp32.py"),  # DeepSpeed
    "pytorch_model_fsdp*",
)
"""What only a training that goes on reads, by the names of transformers 5.5 and DeepSpeed."""
_BEGUN = "begun.json"
_LOGS = (llamafactory.LOG, PROBE)
"""Which go on, too; the probe's callback rewinds its own."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: its folder, and its number of optimizer steps."""

    folder: Path
    steps: int

    @property
    def resumable(self) -> bool:
        """Whether optimizer, schedule and random numbers are there, too."""
        return (self.folder / MARK).read_text(encoding="utf-8") == "state"

    @property
    def readable(self) -> bool:
        """Whether this user may read all of it: one that somebody else began, in a store that is shared."""
        return all(os.access(file, os.R_OK) for file in self.folder.rglob("*"))

    def mark(self, *, state: bool) -> None:
        """Say that it is whole."""
        replace_text(self.folder / MARK, "state" if state else "model")

    def strip(self) -> None:
        """Leave the model only."""
        self.mark(state=False)  # first: half of a state must not count
        for path in (path for pattern in STATE for path in self.folder.glob(pattern)):
            remove(path)


def whole(room: Path) -> list[Checkpoint]:
    """The whole ones below an output_dir, the earliest first."""
    found = [Checkpoint(mark.parent, _steps(mark.parent)) for mark in room.glob(f"checkpoint-*/{MARK}")]
    return sorted(found, key=lambda one: one.steps)


def prune(room: Path, results: Collection[int]) -> None:
    """Of what came before the newest resumable one, keep only the models that are results."""
    for one in [one for one in whole(room) if one.resumable][:-1]:
        if one.steps in results:
            one.strip()
        else:
            remove(one.folder)


def begin(part: Path, resumable: Resumable | None, identity: str) -> Checkpoint | None:
    """Clear a step's folder for an attempt, but for what its training can go on from: that checkpoint, or None to begin anew.

    `identity` is of everything that a checkpoint depends on; one of another identity is not used.
    """
    begun = _begun(part)
    known = begun if begun and begun["identity"] == identity else None
    chosen = _usable(part, resumable, known["failures"]) if resumable and known else None
    if chosen is None:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        if resumable:
            _write(part, {"identity": identity, "failures": {}})
    else:
        _clear(part, chosen)
        _rewind(chosen.folder.with_name(llamafactory.LOG), chosen.steps)
    return chosen


def failed(part: Path, chosen: Checkpoint | None, *, sound: bool) -> None:
    """An attempt that went on from there has failed, and was not stopped. If what it left is not sound, the next begins anew."""
    begun = _begun(part)
    if not sound:
        (part / _BEGUN).unlink(missing_ok=True)
    elif begun and chosen:
        name = chosen.folder.name
        _write(part, begun | {"failures": {**begun["failures"], name: begun["failures"].get(name, 0) + 1}})


def end(part: Path, resumable: Resumable) -> None:
    """Leave of a training that has ended what it leaves without any checkpoint to go on from."""
    (part / _BEGUN).unlink(missing_ok=True)
    for folder in (part / resumable.room).glob("checkpoint-*"):
        if _steps(folder) not in resumable.results:
            remove(folder)
        elif (folder / MARK).exists():
            Checkpoint(folder, _steps(folder)).strip()
            (folder / MARK).unlink()


def _begun(part: Path) -> dict[str, Any] | None:
    """What was begun: its identity, and the failures from each checkpoint by its name."""
    try:
        found: dict[str, Any] = json.loads((part / _BEGUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _write(part: Path, begun: dict[str, Any]) -> None:
    replace_text(part / _BEGUN, json.dumps(begun))


def _usable(part: Path, resumable: Resumable, failures: Mapping[str, int]) -> Checkpoint | None:
    """The newest one that can be gone on from. With all its steps made, a training would make one more."""
    for one in reversed(whole(part / resumable.room)):
        if (
            one.steps < resumable.steps
            and failures.get(one.folder.name, 0) < FAILURES
            and one.resumable
            and one.readable
        ):
            return one
    return None


def _clear(part: Path, chosen: Checkpoint) -> None:
    """Delete everything, but for whole checkpoints up to the chosen one and the logs beside them."""
    room = chosen.folder.parent
    stays = {
        part / _BEGUN,
        room,
        *(one.folder for one in whole(room) if one.steps <= chosen.steps),
        *(room / name for name in _LOGS),
    }
    for path in [*part.iterdir(), *room.iterdir()]:
        if path not in stays:
            remove(path)


def _rewind(log: Path, steps: int) -> None:
    """Take the later steps out of the trainer's log: it writes them again. A line may have been cut short."""
    if log.is_file():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        log.write_text("".join(line for line in lines if 0 < _at(line) <= steps), encoding="utf-8")


def _at(line: str) -> int:
    try:
        return int(json.loads(line)["current_steps"])
    except (ValueError, KeyError, TypeError):
        return 0


def _steps(folder: Path) -> int:
    return int(folder.name.partition("-")[2])
