"""The sandbox for programs that a model wrote: bubblewrap around an isolated Python that limits itself.

In the box there are the C libraries, Python's own library and numpy, all read-only, and one small empty folder in memory
that is home, temporary and current folder at once. There is no /proc, no shell, no home, no network, no other process.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mot_plugin.errors import MissingTool
from mot_plugin.evals.code.box import FIRST_TO_DIE, PYTHON, Box, Limits, interpreter, numpy, tasks

SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
# Made on the way to a file they would be for root's eyes only.
FOLDERS = ("/usr", "/etc", "/py", "/py/bin", "/site", "/box")
UNSAFE = "--metadata '{\"mot_code_unsafe\": true}'"


def bubblewrap(limits: Limits) -> Box:
    """The sandbox; whether it holds on this machine is for `proof` to say. Raises MissingTool without bwrap."""
    tool = shutil.which("bwrap")
    if tool is None:
        raise MissingTool(
            "programs that a model wrote are run in a sandbox, and bwrap is not installed\n"
            "  install the package bubblewrap of your system (apt, dnf, pacman and apk all call it that)\n"
            f"  or run them with your own rights, files and network: {UNSAFE}"
        )
    root, can = os.geteuid() == 0, _options(tool)
    argv = [
        *FIRST_TO_DIE,
        tool,
        *_namespaces(can, root=root),
        "--die-with-parent",
        "--new-session",
        "--hostname",
        "box",
    ]
    argv += _pairs("--dir", FOLDERS)
    for path in map(Path, SYSTEM):
        argv += _shown(path)
    argv += _python()
    argv += ["--dev", "/dev", "--remount-ro", "/dev"]
    if "--size" in can:  # since 0.7; without it the folder could fill the memory, so it stays read-only and empty
        argv += ["--perms", "1777", "--size", str(limits.disk), "--tmpfs", "/box"]
    argv += ["--symlink", "box", "/tmp", "--chdir", "/box", "--remount-ro", "/", "--", "/py/bin/python3"]  # noqa: S108
    # Older kernels do not count the processes of a user namespace for itself.
    kernel = tuple(int(number) for number in re.findall(r"[0-9]+", os.uname().release)[:2])
    others = 0 if root or kernel >= (5, 14) else tasks()
    return Box((*argv, *PYTHON), "/site" if numpy() else None, sandboxed=True, drops=root, others=others)


def _namespaces(can: str, *, root: bool) -> Sequence[str]:
    """Everything unshared. Root's processes go uncounted in a user namespace too, so root makes none and drops its rights."""
    if root:
        kinds = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
        return (*kinds, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    nested = ("--disable-userns",) if "--disable-userns" in can else ()  # since 0.8
    return ("--unshare-user", "--unshare-all", *nested)


def _python() -> list[str]:
    """The interpreter, its library and numpy under short names: where they lie outside may be somebody's home."""
    argv = ["--setenv", "LD_LIBRARY_PATH", "/py/lib", "--ro-bind", interpreter(), "/py/bin/python3"]
    for name in ("lib", "lib64"):
        library = Path(sys.base_prefix) / name
        if (library / f"python{sys.version_info.major}.{sys.version_info.minor}").is_dir():
            argv += ["--ro-bind", str(library), f"/py/{name}"]
    for package in numpy():
        argv += ["--ro-bind", str(package), f"/site/{package.name}"]
    return argv


@functools.cache
def _options(tool: str) -> str:
    return subprocess.run([tool, "--help"], capture_output=True, text=True, check=False).stdout


def _pairs(option: str, values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (option, value)]


def _shown(path: Path) -> Sequence[str]:
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--ro-bind", str(path), str(path)) if path.exists() else ()
