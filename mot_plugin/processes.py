"""Processes and their words: where a program is, the end of its log, and that none outlives what it was started for."""

import ctypes
import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mot_plugin.errors import RunConflict, StepFailed

LEFTOVER_TRIES = 40
MARK = "MOT_PLUGIN_STEP"
"""Environment variable of a step's commands and of all that they start: the folder that the step writes into."""
SUPERVISOR = "MOT_PLUGIN_SUPERVISOR"
"""And its supervisor's process number."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec is no time to load anything


def locate(program: str) -> str | None:
    """Full path of a program: from PATH, as a pasted command would find it, else from our own environment."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))


def tail(log: Path, lines: int) -> str:
    """The last lines of a log; of a progress bar that redrew itself only what was last to be seen."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - 200 * lines - 4096))
            text = opened.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    shown = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return "\n".join([line for line in shown if line][-lines:])


def die_with(parent: int, number: int) -> None:
    """In a new process, before exec: let the kernel send it this signal when its parent ends, however that ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before the kernel was told
        os.kill(os.getpid(), number)


def end_leftovers(work: Path) -> None:
    """End what a killed supervisor left running for the step that writes into `work`. Raises RunConflict if it does not end."""
    left: set[int] = set()
    for tries in range(LEFTOVER_TRIES):
        left = _marked(work)
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if tries < LEFTOVER_TRIES // 5 else signal.SIGKILL)
        time.sleep(0.25)
    raise RunConflict(f"processes of an earlier attempt do not end: {sorted(left)}; end them and run again")


def _marked(work: Path) -> set[int]:
    """Processes started for the step that writes into `work`: the kernel's word, so there is no stale pid file."""
    mark = f"{MARK}={work}".encode()
    return whose("environ", lambda environ: mark in environ.split(b"\0"))


def whose(part: str, so: Callable[[bytes], bool]) -> set[int]:
    """Processes of which a file of /proc (`environ`, `cmdline`) is so."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            if so((process / part).read_bytes()):
                found.add(int(process.name))
    return found


@contextmanager
def disk_full_in_words() -> Iterator[None]:
    """A full disk is a mistake that a user can mend, wherever it is noticed. Raises StepFailed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise StepFailed(
            f"the disk is full{where}: free space and run again; nothing that was finished is lost"
        ) from None
