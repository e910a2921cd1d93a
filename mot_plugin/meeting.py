"""`mot-plugin meet FOLDER RANK`: run one node's part of commands that run on several, met in a folder that all of them see.

    N.start           what to run, written by the supervisor before it starts rank 0 (spread.py)
    N.rank-R.log      what rank R > 0 says; rank 0 writes into the step's log
    N.rank-R.end      its exit code
    N.end             rank 0 has ended: nobody goes on
    over              no other command will follow

The first failure ends all. Ranks are started as commands of their node: whatever ends us ends them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

from mot_plugin.processes import die_with, tail
from mot_plugin.store import replace_text

GRACE_SECONDS = 15.0
FAREWELL_SECONDS = 30.0
"""How long rank 0 waits until the others have ended; then their nodes are lost, and whoever placed them knows."""
LOOK_SECONDS = 0.1
LOST = 70
"""Exit code of rank 0 when another rank failed."""


def meet(folder: Path, rank: int, number: int | None = None) -> int:
    """Lead the start `number` as rank 0, or follow all starts as another rank until it is over. Returns the exit code."""
    stop = _Stop()
    if rank == 0:
        assert number is not None
        code = _lead(folder, number, stop)
        if code < 0:  # as the command ended, for whoever explains it
            with suppress(OSError):  # nobody may decide how to hear SIGKILL
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        return code
    followed = 0
    while not stop.asked and not (folder / "over").exists():
        latest = max((int(file.stem) for file in folder.glob("*.start")), default=0)
        if latest > followed:
            followed = latest
            _follow(folder, rank, latest, stop)
        time.sleep(LOOK_SECONDS)
    return 128 + stop.asked if stop.asked else 0


@dataclass
class _Stop:
    """Whether somebody asked us to end."""

    asked: int = field(default=0)

    def __post_init__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.asked = number


def _lead(folder: Path, number: int, stop: _Stop) -> int:
    asked = _asked(folder, number)
    others = range(1, asked["nodes"])
    child = _start(asked, 0, None)  # in our group: what stops us stops it, too
    ends: dict[int, int | None] = dict.fromkeys(others)
    while not stop.asked:
        code = child.poll()
        ends = {rank: _ended(folder, number, rank) for rank in others}
        if code or any(ends.values()) or (code == 0 and None not in ends.values()):
            break
        time.sleep(LOOK_SECONDS)
    _end(child, whole_group=False)
    replace_text(folder / f"{number}.end", "")
    until = time.monotonic() + FAREWELL_SECONDS
    while any(_ended(folder, number, rank) is None for rank in others) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    if stop.asked:
        return -stop.asked
    # A rank that fails takes the others with it: of those that fail just after it no one knows who was first.
    bad = [rank for rank in others if ends[rank] or (child.returncode and (_ended(folder, number, rank) or 0) > 0)]
    for rank in bad:
        said, code = tail(folder / f"{number}.rank-{rank}.log", 20), _ended(folder, number, rank)
        sys.stdout.write(f"\nrank {rank} of {asked['nodes']} exited with {code}; its last lines:\n{said}\n")
    sys.stdout.flush()
    return LOST if any(ends.values()) else child.returncode


def _follow(folder: Path, rank: int, number: int, stop: _Stop) -> None:
    with (folder / f"{number}.rank-{rank}.log").open("ab") as log:
        child = _start(_asked(folder, number), rank, log)
        while child.poll() is None and not stop.asked:
            if any((folder / name).exists() for name in (f"{number}.end", f"{number + 1}.start", "over")):
                break
            time.sleep(LOOK_SECONDS)
        _end(child, whole_group=True)
    replace_text(folder / f"{number}.rank-{rank}.end", str(child.returncode))


def _start(asked: dict[str, Any], rank: int, log: IO[bytes] | None) -> subprocess.Popen[bytes]:
    us = os.getpid()
    return subprocess.Popen(
        asked["argv"],
        env={**os.environ, **asked["env"], "NODE_RANK": str(rank)},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=None if log is None else subprocess.STDOUT,
        start_new_session=rank > 0,
        preexec_fn=lambda: die_with(us, signal.SIGKILL),  # noqa: PLW1509  (this process has one thread)
    )


def _end(child: subprocess.Popen[bytes], *, whole_group: bool) -> None:
    """Ask, wait, then kill; of a group of its own also what the command left running."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM) if whole_group else child.terminate()
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if whole_group:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _asked(folder: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{number}.start").read_text(encoding="utf-8"))
    return found


def _ended(folder: Path, number: int, rank: int) -> int | None:
    """Exit code of a rank, None while it runs."""
    try:
        return int((folder / f"{number}.rank-{rank}.end").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
