"""Short questions to other programs: what they print, and never longer than a few seconds."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SECONDS = 20.0


@dataclass(frozen=True)
class Said:
    """What a program printed; `wrong` says in words why it is no answer, None if it is one."""

    text: str
    wrong: str | None


def ask(argv: Sequence[str], environ: Mapping[str, str], seconds: float = SECONDS) -> Said:
    """Run a command that only answers and ends."""
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            cwd="/",  # a Python would import from where we are
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return Said("", f"there is no {argv[0]}")
    except OSError as error:
        return Said("", f"{argv[0]} cannot be started: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Said("", f"{argv[0]} did not answer within {seconds:g} s")
    if done.returncode:
        last = [line.strip() for line in (done.stderr or done.stdout).split("\n") if line.strip()][-1:]
        return Said(done.stdout, f"{argv[0]} exited with {done.returncode}" + "".join(f": {line}" for line in last))
    return Said(done.stdout, None)


def found(program: str, environ: Mapping[str, str]) -> str | None:
    """Full path of a program on this PATH."""
    return shutil.which(program, path=environ.get("PATH"))
