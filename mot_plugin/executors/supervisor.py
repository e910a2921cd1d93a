"""The one way in which an executor on this computer starts a step: a supervisor process that ends with us."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mot_plugin.folder import Folder
from mot_plugin.processes import die_with, end_leftovers, whose


def command(folder: Path, step: str) -> list[str]:
    """argv of a step's supervisor; it runs wherever the run folder is to be seen under the same path."""
    return [sys.executable, "-m", "mot_plugin", "exec", str(folder), step]


def supervise(
    folder: Path,
    step: str,
    tick: Callable[[], None],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str | None:
    """Run the step's supervisor: None, or what went wrong. It ends if we are killed; Ctrl-C stops it first, and only then us."""
    code, said = attend(command(folder, step), tick, environment, cwd)
    if code < 0:  # it had no time to end its commands
        end_leftovers(Folder(folder).work(step))
        return f"its supervisor was killed by {signal.Signals(-code).name}"
    return said.removeprefix("error: ").strip() if code else None


def end_supervisors(folder: Path) -> None:
    """Stop the supervisors of a run that are left on this computer, and wait until they have stopped their commands."""
    asked: set[int] = set()
    while left := _supervisors(folder):
        for pid in left - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        asked |= left
        time.sleep(0.1)


def _supervisors(folder: Path) -> set[int]:
    wanted = "\0".join(["mot_plugin", "exec", str(folder), ""]).encode()
    return whose("cmdline", lambda command: wanted in command)


def attend(
    argv: Sequence[str], tick: Callable[[], None], environment: Mapping[str, str] | None, cwd: Path | None
) -> tuple[int, str]:
    """Start a process that ends with us, and wait for it: (exit code, what it said on stderr)."""
    driver = os.getpid()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment,
            cwd=cwd,
            start_new_session=True,  # a Ctrl-C reaches it through us, once
            preexec_fn=lambda: die_with(driver, signal.SIGTERM),  # noqa: PLW1509  (calls one system function, loaded before; see supervise.py)
        )
        try:
            while process.poll() is None:
                tick()
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        said.seek(0)
        return process.returncode, said.read()
