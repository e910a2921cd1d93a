"""What runs inside the sandbox: give up rights, set limits, say that it is ready, then become the model's program.

Its text goes to `python -I -S -c`, so it knows the standard library only. No expected output ever gets here.
"""

import builtins
import contextlib
import importlib
import json
import math
import os
import resource
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, ModuleType
from typing import Any

COMPILE_ERROR = 90  # the exit status; 1 is Python's for any other exception
# LiveCodeBench puts these before every program, first their names and then themselves: `datetime` is the module.
NAMES = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys json"
)
RECURSION, DIGITS = 50_000, 50_000  # its own settings too


class Only:
    """Finds one package in a folder full of others."""

    def __init__(self, package: str, folder: str) -> None:
        self.package, self.folder = package, folder

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Python's protocol for sys.meta_path."""
        return PathFinder.find_spec(name, [self.folder]) if name == self.package else None


def give_up(user: int | None) -> None:
    """Become the given user, who owns nothing and no other process: the kernel counts processes by user."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def limit(settings: dict[str, Any]) -> None:
    """Set limits that nothing started from here can raise again."""
    seconds = math.ceil(settings["seconds"]) + 2  # processor time of one process; its wall time is watched from outside
    wanted = {
        resource.RLIMIT_AS: settings["memory"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: settings["file"],
        resource.RLIMIT_NOFILE: settings["files"],
        resource.RLIMIT_NPROC: settings["processes"],
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (lowest, lowest))


def prelude() -> dict[str, Any]:
    """The names that a program finds without importing anything."""
    names: dict[str, Any] = {}
    modules = {name: importlib.import_module(name) for name in NAMES.split()}
    for module in (*modules.values(), builtins, importlib.import_module("typing")):
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        names.update((name, getattr(module, name)) for name in public)
    sys.setrecursionlimit(RECURSION)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(DIGITS)
    return {**names, **modules}


def compiled(source: str) -> CodeType:
    """The program, or the end of this process."""
    try:
        return compile(source, "solution.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        os._exit(COMPILE_ERROR)


def execute(source: str, name: str, names: dict[str, Any]) -> ModuleType:
    """Run the program as the module `name`. To leave by sys.exit is to end well, whatever the status."""
    module = ModuleType(name)
    module.__dict__.update(names)
    sys.modules[name] = module
    with contextlib.suppress(SystemExit):
        exec(compiled(source), module.__dict__)  # noqa: S102  (that is what the sandbox is for)
    return module


def call(source: str, function: str, names: dict[str, Any]) -> None:
    """Call a function, or a method of the class Solution, with one JSON argument a line; write its result as JSON."""
    arguments = [json.loads(line) for line in sys.stdin.read().split("\n")]
    answer = os.dup(1)
    silence(1)  # what the program prints is not its result
    module = execute(source, "solution", names)
    holder = module.Solution() if hasattr(module, "Solution") else module
    result = json.dumps(getattr(holder, function)(*arguments), default=plain)
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        file.write(result)
    os._exit(0)


def silence(number: int) -> None:
    """Let what is written to this file go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def plain(value: Any) -> Any:
    """numpy's values as Python's; anything else that JSON does not know is no right answer."""
    return value.tolist() if hasattr(value, "tolist") else {"not JSON": type(value).__name__}


def main(settings: dict[str, Any]) -> None:
    """Do it all; everything before the byte on `ready` is ours, everything after it the program's."""
    give_up(settings["user"])
    limit(settings)
    os.environ.clear()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads would reserve more address space than there is
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # -S leaves them out
    if settings["numpy"]:
        sys.meta_path.append(Only("numpy", settings["numpy"]))
    with os.fdopen(settings["program"], encoding="utf-8", errors="replace") as file:
        source = file.read()
    names = prelude()
    sys.argv = ["solution.py"]
    silence(2)
    os.write(settings["ready"], b".")
    os.close(settings["ready"])
    if settings["function"]:
        call(source, settings["function"], names)
    else:
        execute(source, "__main__", names)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
