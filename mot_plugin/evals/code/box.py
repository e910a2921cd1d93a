"""What it takes to run a program that a model wrote: its limits, and the command that starts it. The one without a sandbox."""

import contextlib
import functools
import importlib.util
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

# The interpreter is told nothing by environment or user files (-I) and looks for no installed packages (-S).
PYTHON = ("-I", "-S", "-X", "utf8", "-c", Path(__file__).with_name("inside.py").read_text(encoding="utf-8"))
# When memory runs out, the kernel is to kill what runs in here first, not the engine beside it.
FIRST_TO_DIE = ("/bin/sh", "-c", 'echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec "$@"', "sh")


@dataclass(frozen=True)
class Limits:
    """What one program may use: seconds of one test, bytes of address space per process, processes, bytes and open files.

    `file` is the largest file, `disk` all files together. Time and memory are LiveCodeBench's.
    """

    seconds: float = 6.0
    memory: int = 4 << 30
    processes: int = 16
    file: int = 16 << 20
    disk: int = 64 << 20
    files: int = 64


@dataclass(frozen=True)
class Box:
    """Ready to run programs: `argv` up to the settings, the folder with numpy in it, whether it is a sandbox at all."""

    argv: tuple[str, ...]
    numpy: str | None
    sandboxed: bool
    drops: bool = False  # the rights of root, inside
    others: int = 0  # processes outside that the kernel counts with those inside

    def user(self) -> int | None:
        """A user id for one run that nobody has, as root's processes are not counted; None to stay who one is.

        In a container it must be one of those that are mapped into it.
        """
        if not self.drops:
            return None
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().strip().split("\n")]
        top = min(max(int(first) + int(count) for first, _, count in ranges), 2**31) - 2
        return top - secrets.randbelow(min(top // 4, 2**20))


def unsafe() -> Box:
    """No sandbox: a program has the user's rights, files, processes and network; only the limits hold it."""
    packages = numpy()
    site = str(packages[0].parent) if packages else None
    return Box((*FIRST_TO_DIE, interpreter(), *PYTHON), site, sandboxed=False, others=tasks())


def interpreter() -> str:
    """This Python itself, not the link to it in a virtual environment."""
    return str(Path(sys.executable).resolve())


@functools.cache
def numpy() -> tuple[Path, ...]:
    """The folders of numpy, which LiveCodeBench's own graders have, so that some programs import it."""
    found = importlib.util.find_spec("numpy")
    if found is None or not found.submodule_search_locations:
        return ()
    package = Path(next(iter(found.submodule_search_locations)))
    return tuple(path for path in (package, package.with_name("numpy.libs")) if path.is_dir())


def tasks() -> int:
    """A number of threads that this user's processes outside will not reach while programs run."""
    count = 1000
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended in between
            if process.stat().st_uid == os.getuid():
                count += len(list((process / "task").iterdir()))
    return count
