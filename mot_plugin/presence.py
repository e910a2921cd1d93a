"""Whether what a machine file says about its tools is there, asked before anything starts."""

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from mot_plugin.environments import Tool
from mot_plugin.machine import Machine

_SECONDS = 60


def lost(machine: Machine, names: Iterable[str], locate: Callable[[str], str | None]) -> list[str]:
    """What is missing, a line each: the machine file's key, and what is not there. `locate` looks on PATH."""
    return [line for name in sorted(names) for line in _lost(machine, name, locate)]


def _lost(machine: Machine, name: str, locate: Callable[[str], str | None]) -> Iterator[str]:
    tool, key = machine.tools.get(name, Tool()), f"tools.{name}"
    command = machine.tool(name).command
    if tool.venv is not None:
        yield from _in_folder(f"{key}.venv", Path(tool.venv), name)
    elif tool.conda is not None:
        yield from _in_folder(f"{key}.conda", Path(tool.conda), name)
    elif locate(command[0]) is None:
        where = f"{key}.container.runtime" if tool.container else f"{key}.module" if tool.module else name
        yield f"{where}: no program {command[0]!r} on PATH or beside this Python"
    elif tool.container is not None and (image := tool.container.file) is not None and not Path(image).exists():
        yield f"{key}.container.image: {image} is not there"
    elif tool.module is not None and (wrong := _behind(command, {**os.environ, **machine.env, **tool.env})):
        yield f"{key}.module: {' '.join(tool.module)}: {wrong}"


def _in_folder(key: str, folder: Path, name: str) -> Iterator[str]:
    if not folder.is_dir():
        yield f"{key}: {folder} is not there"
    elif not (folder / "bin" / name).is_file():
        yield f"{key}: {folder} has no bin/{name}: install it there"


def _behind(command: list[str], env: Mapping[str, str]) -> str | None:
    """What a login shell says against these modules; None if the program is there once they are loaded."""
    *before, name = command
    try:
        done = subprocess.run(
            [*before, "sh", "-c", 'command -v "$0" >/dev/null || { echo "no program $0" >&2; exit 1; }', name],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"a login shell did not answer within {_SECONDS} s"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"a login shell exited with {done.returncode}") if done.returncode else None
