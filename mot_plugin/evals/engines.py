"""Starts of lm-eval: as many at once as there are GPUs for, each on its own, none of them outliving this process.

Their output goes into a log each; what a person or the advice needs of it is printed into the step's own log.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mot_plugin.errors import MissingTool, StepFailed
from mot_plugin.teachers import guard
from mot_plugin.tools.advice import Advice, advise
from mot_plugin.tools.call import BINDS, filled, neighbours_first

VISIBLE = "CUDA_VISIBLE_DEVICES"
GRACE_SECONDS = 10
"""Between SIGTERM and SIGKILL; shorter than the supervisor waits for the step itself."""

_SHOWN, _KEPT_LINES, _WIDE = 5, 400, 400
_SECRET = re.compile(r"TOKEN|KEY$|SECRET|PASSWORD")


@dataclass(frozen=True)
class Start:
    """One start: what it is called, its command line, what its environment has besides ours, where its output goes."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path


@dataclass(frozen=True)
class Ended:
    """A start that has ended, and how; `wrong` is None for exit code 0."""

    start: Start
    wrong: str | None


@dataclass
class _Running:
    start: Start
    place: int
    process: "subprocess.Popen[bytes]"


def slices(gpus: int, each: int, starts: int) -> list[str | None]:
    """What each of the engines that run at once sees as VISIBLE; [None] for one engine, which sees all that we do.

    Of the GPUs that we were given, `each` after the other; what is left over stays idle.
    """
    said = os.environ.get(VISIBLE)
    names = [str(number) for number in range(gpus)] if said is None else said.split(",")
    given = [name.strip() for name in names if name.strip()][:gpus]
    at_once = max(1, min(len(given) // each, starts))
    if at_once == 1:
        return [None]
    return [",".join(given[number * each : (number + 1) * each]) for number in range(at_once)]


def run(
    starts: Sequence[Start], places: Sequence[str | None], tick: Callable[[], None]
) -> Generator[Ended, None, None]:
    """Run them all, len(places) at once, and hand each out when it has ended. After a failure no other is begun.

    `tick` is called every few milliseconds. However this ends, no process of theirs is left.
    """
    waiting, free = list(starts), list(range(len(places)))
    running: list[_Running] = []

    def fill() -> None:
        while waiting and free:
            place = free.pop(0)
            running.append(_begin(waiting.pop(0), place, places[place]))

    with _stoppable():
        try:
            fill()
            while running:
                time.sleep(0.02)
                tick()
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    free.append(one.place)
                    _sweep(one.process)
                    ended = Ended(one.start, _wrong(one))
                    if ended.wrong is not None:
                        waiting.clear()
                    _repeat(one.start)
                    fill()  # before the caller takes its time with this one
                    yield ended
        finally:
            _end(running)


def failure(ended: Ended, advice: Advice) -> StepFailed:
    """What to say about a start that failed: what to do, if anybody knows, and its log's last lines."""
    lines, head = last_lines(ended.start.log), f"{ended.start.name}: {ended.wrong}"
    remedy, _ = advise(advice, "\n".join([*lines, head]))
    known = [f"  {remedy}"] if remedy else []
    shown = [f"    {line[:_WIDE]}" for line in lines[-_SHOWN:]]
    return StepFailed("\n".join([head, *known, *shown]))


def last_lines(log: Path) -> list[str]:
    """The last lines of a log; of a progress bar that redrew itself only what was last to be seen."""
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in end(log).split("\n")]
    return [line for line in lines if line][-_KEPT_LINES:]


def end(log: Path) -> str:
    """The last text in a log; empty before the first."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - 200 * _KEPT_LINES))
            return opened.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def _begin(start: Start, place: int, visible: str | None) -> _Running:
    env = {**start.env, **({} if visible is None else {VISIBLE: visible})}
    folders = env.get(BINDS, os.environ.get(BINDS, "")).split(os.pathsep)
    program, *options = filled(start.argv, folders, str(Path.cwd()), env)
    found = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise MissingTool(f"{program} is not installed here: install it, or say in the machine file how it is started")
    shown = program if shutil.which(program) else found
    print(f"{start.name}, log {start.log}\n$ {_pasted(env, [shown, *options])}", flush=True)  # noqa: T201
    start.log.parent.mkdir(parents=True, exist_ok=True)
    with start.log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(GRACE_SECONDS), found, *options],
            env={
                **os.environ,
                **env,
                "PATH": neighbours_first(found, env.get("PATH", os.environ.get("PATH", os.defpath))),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _Running(start, place, process)


def _pasted(env: Mapping[str, str], argv: Sequence[str]) -> str:
    """The line to paste into a shell; keys stay in the environment that the reader has."""
    variables = {key: f'"${key}"' if _SECRET.search(key) else shlex.quote(value) for key, value in sorted(env.items())}
    before = "".join(f"{key}={value} " for key, value in variables.items())
    return f"cd {shlex.quote(str(Path.cwd()))} && {before}{shlex.join(argv)}"


def _wrong(one: _Running) -> str | None:
    code = one.process.returncode
    if code == 0:
        return None
    program = Path(one.start.argv[0]).name
    number = -code if code < 0 else code - guard.KILLED
    with suppress(ValueError):
        return f"{program} was killed by {signal.Signals(number).name}"
    return f"{program} ended with exit code {code}"


def _repeat(start: Start) -> None:
    """Its log into ours: the work folder, where it lies, does not outlast a failure."""
    print("\n".join([f"{start.name} said:", *last_lines(start.log)]), flush=True)  # noqa: T201  (a step's log)


def _end(running: Sequence[_Running]) -> None:
    for one in running:
        one.process.terminate()
    for one in running:
        while True:
            with suppress(KeyboardInterrupt):  # the guard is done in bounded time
                one.process.wait()
                break
        _sweep(one.process)


def _sweep(ended: "subprocess.Popen[bytes]") -> None:
    """The rest of a guard's session, if the guard itself was killed."""
    if ended.returncode < 0:
        with suppress(ProcessLookupError):
            os.killpg(ended.pid, signal.SIGKILL)


@contextmanager
def _stoppable() -> Iterator[None]:
    """TERM and HUP end this process as Ctrl-C does: not before its engines."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(guard.KILLED + number)

    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
