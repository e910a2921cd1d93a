"""Which processes there are, from the kernel's list: children, the servers of `limited`, and whether some are gone."""

import os
import time
from pathlib import Path


def processes(parent: int) -> set[int]:
    """The children of a process that have not ended."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


def servers() -> set[int]:
    """The servers of `limited` that this process started."""
    found = set()
    for pid in processes(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"limited_server" in command:
            found.add(pid)
    return found


def gone(pids: set[int]) -> bool:
    """Whether all of them have ended, at the latest in ten seconds."""
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
