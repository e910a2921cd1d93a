"""Ends what a local Ray leaves when its driver ends, however that ends; a program that reads its input until the driver is gone.

Of a driver that was killed, Ray's agents would try for a minute to tell a server that is gone, too.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 3.0
"""For workers to notice it by themselves: their steps' supervisors are stopped by that, too."""


def main(folder: str) -> None:
    """Wait for the driver's end, then end what is left and delete the folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    driver = os.getppid()
    sys.stdin.read()
    until = time.monotonic() + GRACE_SECONDS
    while left := holders(folder) - {driver}:  # it may end in its own time
        if time.monotonic() > until:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def holders(folder: str) -> set[int]:
    """Processes that have a file of this folder open: all that Ray starts log there, whatever they call themselves."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            if any(os.readlink(file).startswith(f"{folder}/") for file in (process / "fd").iterdir()):  # noqa: PTH115  (a name)
                found.add(int(process.name))
    return found


if __name__ == "__main__":
    main(sys.argv[1])
