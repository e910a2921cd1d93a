"""The one way in which an executor on this computer starts a step: a supervisor process that ends with us."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mot_plugin.folder import Folder
from mot_plugin.supervise import die_with, end_leftovers


def command(folder: Path, step: str) -> list[str]:
    """argv of a step's supervisor; it runs wherever the run folder is to be seen under the same path."""
    return [sys.executable, "-m", "mot_plugin", "exec", str(folder), step]


def supervise(folder: Path, step: str, tick: Callable[[], None]) -> str | None:
    """Run the step's supervisor: None, or what went wrong. It ends if we are killed; Ctrl-C stops it first, and only then us."""
    driver = os.getpid()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command(folder, step),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
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
        if process.returncode == 0:
            return None
        if process.returncode < 0:  # it had no time to end its commands
            end_leftovers(Folder(folder).work(step))
            return f"its supervisor was killed by {signal.Signals(-process.returncode).name}"
        said.seek(0)
        return said.read().removeprefix("error: ").strip()
