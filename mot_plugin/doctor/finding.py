"""Finding: one line of what the doctor says."""

from dataclasses import dataclass
from typing import Literal

from mot_plugin.errors import MotError

Level = Literal["ok", "warning", "error", "unknown"]
"""unknown: cannot be told from here (no GPU, no hub, nothing that can be asked); never left out in silence."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, what was found, what to do about it (a command to paste where there is one)."""

    check: str
    level: Level
    found: str
    remedy: str = ""
    code: int = 0
    """Exit code that the error stands for, as `run` would end."""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """It would run, and not as well as it could, or not for sure."""
    return Finding(check, "warning", found, remedy)


def error(check: str, found: str, remedy: str, kind: type[MotError] = MotError) -> Finding:
    """It would fail, or give something else than was asked."""
    return Finding(check, "error", found, remedy, kind.exit_code)


def unknown(check: str, found: str, remedy: str = "") -> Finding:
    """It cannot be told from here."""
    return Finding(check, "unknown", found, remedy)
