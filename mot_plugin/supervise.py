"""`mot-plugin exec RUN STEP`: run one step, wherever an executor put it. It dies with its parent, its commands with it."""

import ctypes
import errno
import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO

from mot_plugin import claims, environments, spread, state
from mot_plugin.blocks import OWN
from mot_plugin.errors import CheckFailed, FileError, RunConflict, StepFailed
from mot_plugin.folder import Folder, point
from mot_plugin.machine import Machine
from mot_plugin.shipping import versions
from mot_plugin.step import Plan, Step
from mot_plugin.store import Record, Store
from mot_plugin.tools import llamafactory, lm_eval, mergekit, vllm
from mot_plugin.tools.advice import FREE_SPACE, Advice, advise
from mot_plugin.tools.call import BINDS, Command, beside, filled, neighbours_first, outermost

GRACE_SECONDS = 20
LEFTOVER_TRIES = 40
FULL_BYTES = 2**20
"""A disk with less free space is full: then the log lacks the very words that would say so."""
MARK = "MOT_PLUGIN_STEP"
"""Environment variable of a step's commands and of all that they start: the folder that the step writes into."""
SUPERVISOR = "MOT_PLUGIN_SUPERVISOR"
"""And its supervisor's process number."""
FILLS_MEMORY = ("merge", "mix")
"""Kinds that read whole models into a computer's memory: one of them at a time there, whoever placed them."""
FINAL = (CheckFailed.exit_code, FileError.exit_code)
"""Exit codes of our own commands that the same attempt would only repeat."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec is no time to load anything
_ADVICE: dict[str, Advice] = {tool.TOOL: tool.ADVICE for tool in (llamafactory, mergekit, lm_eval)}
_ADVICE[OWN] = vllm.ADVICE  # of a teacher that a step of ours serves: its last words are in the step's log


def execute(folder: Folder, name: str, planned: str | None = None) -> None:
    """Supervise one step to its record. Raises StepFailed (after retries) or RunConflict; returns at once if it is done.

    Another supervisor of the same step, for this run or one that shares it, is waited for: its result is ours.
    """
    folder = Folder(folder.root.resolve())
    plan, machine, store = folder.plan(), folder.machine(), folder.store()
    if name not in {step.name for step in plan.steps}:
        raise FileError(f"{folder.root} has no step {name!r} (`mot-plugin status {folder.root}` lists them)")
    step, fingerprint = plan[name], plan.prints[name]
    if planned not in (None, fingerprint):  # a job that waited in a queue while the recipe was changed
        raise RunConflict(f"{name} was planned anew after this job was submitted: run the recipe again")
    with disk_full_in_words():
        with claims.held(store.home(fingerprint) / "claim") as claim:
            end_leftovers(folder.work(name))
            if not store.whole(fingerprint):
                for need in step.needs:  # another run that shares it may have made it since this one's plan was frozen
                    folder.link(plan, plan[need], store)
                _Attempts(folder, plan, machine, store, step, claim).run()
            folder.link(plan, step, store)
        if machine.storage.keep == "selected":
            collect(folder, plan, store)


def collect(folder: Folder, plan: Plan, store: Store) -> None:
    """Delete the weights that no step needs any more, of this run or of one beside it."""
    for unread in state.collectable(plan, store, folder.neighbours()):
        store.delete(plan.prints[unread.name], unread.call.weights)


@dataclass
class _Attempts:
    """The attempts at one step."""

    folder: Folder
    plan: Plan
    machine: Machine
    store: Store
    step: Step
    claim: claims.Claim
    child: subprocess.Popen[bytes] | None = None
    stopped: int = 0
    record: Record = field(init=False)

    def run(self) -> None:
        fingerprint = self.plan.prints[self.step.name]
        self.record = Record(
            self.step.name, self.step.kind, self.plan.recipe, "running", host=socket.gethostname(), pid=os.getpid()
        )
        self._listen()
        tools = versions.of_call(self.step.call, self.machine, OWN, locate, os.environ)
        self.record = replace(self.record, tools=tools, hardware=versions.hardware())
        tries = self.machine.retries + 1
        for number in range(1, tries + 1):
            log = _next_log(self.store.home(fingerprint))
            point(self.folder.log(self.step.name), log)
            self.record = replace(self.record, attempt=number, started=time.time(), ended=None, error=None, advice=None)
            self._write(state="running")
            failure, again = self._attempt(log)
            if environments.outlives(self.machine.tools.values()):
                end_leftovers(self.folder.work(self.step.name))
            if failure is None:
                self.claim.check()
                self.store.publish(fingerprint)
                self.folder.work(self.step.name).unlink()
                self._write(state="done", ended=time.time())
                return
            self._write(state="cancelled" if self.stopped else "failed", ended=time.time(), error=failure)
            if self.stopped or not again or number == tries:
                raise StepFailed(failure)
            self._wait(self.machine.backoff_seconds * 2 ** (number - 1))

    def _attempt(self, log: Path) -> tuple[str | None, bool]:
        """Clear, run every command, check what was promised: (what went wrong, whether trying again can help)."""
        work, part = self.folder.work(self.step.name), self.store.part(self.plan.prints[self.step.name])
        shutil.rmtree(part, ignore_errors=True)  # LLaMA-Factory would resume what it finds, in silence
        part.mkdir(parents=True)
        point(work, part)
        alone = (
            claims.alone_here("merge", lambda: bool(self.stopped)) if self.step.kind in FILLS_MEMORY else nullcontext()
        )
        with log.open("ab") as output, alone:
            for command in self.step.call.commands:
                argv, env, pasted = self._resolve(command)
                self.record = replace(self.record, command=pasted)
                output.write(f"$ {pasted}\n".encode())
                output.flush()
                try:
                    code = self._start(argv, env, output)
                except OSError as error:
                    return f"{command.tool} cannot be started: {error}", False
                if self.stopped:
                    return f"stopped by {signal.Signals(self.stopped).name}", False
                if code:
                    return self._explain(command, code, log)
        return self._promised(work)

    def _promised(self, work: Path) -> tuple[str | None, bool]:
        absent = [pattern for pattern in self.step.call.outputs if not any(work.glob(pattern))]
        if absent:
            return f"the commands succeeded but left no {', '.join(absent)}", True
        for pattern in self.step.call.discard:
            for path in work.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return None, False

    def _explain(self, command: Command, code: int, log: Path) -> tuple[str, bool]:
        text = tail(log, 400)
        what = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        known = [entry for tool in self.step.call.starts or (command.tool,) for entry in _ADVICE.get(tool, ())]
        advice, again = advise(tuple(known), text)
        if code == -signal.SIGKILL and advice is None:
            advice = "killed from outside: most often memory ran out (see `dmesg`), or somebody stopped it"
        if advice is None and shutil.disk_usage(self.folder.root).free < FULL_BYTES:
            advice, again = FREE_SPACE, False
        self.record = replace(self.record, advice=advice)
        return f"{command.tool} {what}", again and not (command.tool == OWN and code in FINAL)

    def _resolve(self, command: Command) -> tuple[list[str], dict[str, str], str]:
        """argv, environment and the line to paste."""
        tool = self.machine.tool(command.tool)
        prefix = (
            [sys.executable, "-m", "mot_plugin"]
            if command.tool == OWN
            else beside([locate(tool.command[0]) or tool.command[0], *tool.command[1:]], command.program)
        )
        extra = {**self.machine.env, **tool.env, **dict(command.env)}
        if not self.step.gpus:
            extra["CUDA_VISIBLE_DEVICES"] = ""
        folders = self._folders()
        prefix = filled(prefix, folders, str(self.folder.root), extra)
        named = filled(beside(tool.command, command.program), folders, str(self.folder.root), extra)
        shown, *options = [OWN] if command.tool == OWN else prefix if command.program else named
        if shutil.which(shown) is None:  # this Python's environment is not on PATH, so a shell needs the full name
            shown = locate(shown) or shown
        rest = [*command.args, *command.place]
        variables = (
            ""
            if command.tool == OWN
            else "".join(f"{key}={shlex.quote(value)} " for key, value in sorted(extra.items()))
        )
        path = extra.get("PATH", os.environ.get("PATH", os.defpath))
        if command.tool != OWN and (first := neighbours_first(prefix[0], path)) != path:
            extra["PATH"] = first
            if self.step.gpus or "FORCE_TORCHRUN" in extra:
                variables += f"PATH={shlex.quote(first.partition(os.pathsep)[0])}{os.pathsep}$PATH "
        pasted = f"cd {shlex.quote(str(self.folder.root))} && {variables}{shlex.join([shown, *options, *rest])}"
        argv, extra[MARK] = [*prefix, *rest], str(self.folder.work(self.step.name))
        extra[SUPERVISOR] = str(os.getpid())
        if folders:
            extra[BINDS] = os.pathsep.join(folders)
        if command.spread and self.step.nodes > 1:
            argv, shared = spread.over(self.step.nodes, argv, extra, os.environ)
            extra, pasted = {**extra, **shared}, f"{pasted}  # on each of {self.step.nodes} nodes"
        return argv, {**os.environ, **extra}, pasted

    def _folders(self) -> list[str]:
        """What a container has to see at the paths that it has here: the run, the store, and what lies outside of both."""
        if not environments.contained(self.machine.tools.values()):
            return []
        places = [self.folder.root, self.folder.work(self.step.name), self.store.root]
        places += [Path(target) for target in self.plan.links.values() if Path(target).exists()]
        return outermost(str(path) for place in places for path in (place.absolute(), place.resolve()))

    def _start(self, argv: list[str], env: dict[str, str], output: IO[bytes]) -> int:
        supervisor = os.getpid()
        self.child = subprocess.Popen(
            argv,
            cwd=self.folder.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: die_with(supervisor, signal.SIGKILL),  # noqa: PLW1509  (calls one system function; our other thread only touches a file)
        )
        if self.stopped:  # the signal came before there was a child to stop
            self._terminate()
        code = self.child.wait()
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._kill(signal.SIGKILL)  # what the command left running in its group
        self.child = None
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        self.record = replace(self.record, peak_mb=max(self.record.peak_mb or 0, peak))
        return code

    def _listen(self) -> None:
        def stop(number: int, _frame: FrameType | None) -> None:
            self.stopped = number
            self._terminate()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, stop)
        signal.signal(signal.SIGALRM, lambda *_: self._kill(signal.SIGKILL) and None)

    def _terminate(self) -> None:
        if self._kill(signal.SIGTERM):
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def _kill(self, number: int) -> bool:
        if self.child is None:
            return False
        try:
            os.killpg(self.child.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _write(self, **changes: object) -> None:
        self.claim.check()
        self.record = replace(self.record, **changes)  # type: ignore[arg-type]
        self.store.write(self.plan.prints[self.step.name], self.record)


def locate(program: str) -> str | None:
    """Full path of a program: from PATH, as a pasted command would find it, else from our own environment."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))


def tail(log: Path, lines: int) -> str:
    """The last lines of a log; of a progress bar that redrew itself only what was last to be seen."""
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - 200 * lines - 4096))
            text = opened.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    shown = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return "\n".join([line for line in shown if line][-lines:])


def _next_log(home: Path) -> Path:
    return home / f"attempt-{len(list(home.glob('attempt-*.log'))) + 1}.log"


def die_with(parent: int, number: int) -> None:
    """In a new process, before exec: let the kernel send it this signal when its parent ends, however that ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before the kernel was told
        os.kill(os.getpid(), number)


def end_leftovers(work: Path) -> None:
    """End what a killed supervisor left running for the step that writes into `work`. Raises RunConflict if it does not end."""
    left: set[int] = set()
    for tries in range(LEFTOVER_TRIES):
        left = _marked(work)
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if tries < LEFTOVER_TRIES // 5 else signal.SIGKILL)
        time.sleep(0.25)
    raise RunConflict(f"processes of an earlier attempt do not end: {sorted(left)}; end them and run again")


def _marked(work: Path) -> set[int]:
    """Processes started for the step that writes into `work`: the kernel's word, so there is no stale pid file."""
    mark, found = f"{MARK}={work}".encode(), set[int]()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.add(int(process.name))
    return found


@contextmanager
def disk_full_in_words() -> Iterator[None]:
    """A full disk is a mistake that a user can mend, wherever it is noticed. Raises StepFailed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise StepFailed(
            f"the disk is full{where}: free space and run again; nothing that was finished is lost"
        ) from None
