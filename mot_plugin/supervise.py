"""`mot-plugin exec RUN STEP`: run one step, wherever an executor put it. It dies with its parent, its commands with it."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO

from mot_plugin import checkpoints, claims, environments, sharing, starting, state
from mot_plugin.blocks import OWN
from mot_plugin.errors import CheckFailed, FileError, RunConflict, StepFailed
from mot_plugin.folder import Folder, point
from mot_plugin.machine import Machine
from mot_plugin.processes import die_with, disk_full_in_words, end_leftovers, locate, tail
from mot_plugin.shipping import versions
from mot_plugin.step import Plan, Step, digest
from mot_plugin.store import Record, Store, remove
from mot_plugin.tools import llamafactory, lm_eval, mergekit, vllm
from mot_plugin.tools.advice import FREE_SPACE, Advice, advise
from mot_plugin.tools.call import Command

GRACE_SECONDS = 20
FULL_BYTES = 2**20
"""A disk with less free space is full: then the log lacks the very words that would say so."""
FILLS_MEMORY = ("merge", "mix")
"""Kinds that read whole models into a computer's memory: one of them at a time there, whoever placed them."""
FINAL = (CheckFailed.exit_code, FileError.exit_code)
"""Exit codes of our own commands that the same attempt would only repeat."""

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
    sharing.let_the_group_write(store)
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
    """Delete the weights that no step needs any more, of this run or of another one of this store."""
    for unread in state.collectable(plan, store, folder.neighbours()):
        if sharing.ours(store, plan.prints[unread.name]):  # else somebody made them who will delete them
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
        kept = checkpoints.begin(part, self.step.call.resumable, self._identity())
        self.record = replace(self.record, resumed=kept.steps if kept else None)
        point(work, part)
        alone = (
            claims.alone_here("merge", lambda: bool(self.stopped)) if self.step.kind in FILLS_MEMORY else nullcontext()
        )
        with log.open("ab") as output, alone:
            for planned in self.step.call.commands:
                command = self._going_on(planned, kept.folder.relative_to(part)) if kept else planned
                argv, env, pasted = starting.resolve(
                    command, self.step, self.folder, self.plan, self.machine, self.store
                )
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
                    checkpoints.failed(part, kept, sound=not _final(command, code))
                    return self._explain(command, code, log)
        if self.step.call.resumable:
            checkpoints.end(part, self.step.call.resumable)
        return self._promised(work)

    def _going_on(self, command: Command, checkpoint: Path) -> Command:
        if command.tool != llamafactory.TOOL:
            return command
        return llamafactory.going_on(command, f"work/{self.step.name}/{checkpoint}")

    def _identity(self) -> str:
        """Of all that a checkpoint depends on and that the fingerprint leaves out: how many processes, which versions."""
        texts = [file.text for file in self.step.call.files]
        return digest([texts, self.step.gpus, self.step.nodes, self.record.tools])

    def _promised(self, work: Path) -> tuple[str | None, bool]:
        absent = [pattern for pattern in self.step.call.outputs if not any(work.glob(pattern))]
        if absent:
            return f"the commands succeeded but left no {', '.join(absent)}", True
        for pattern in self.step.call.discard:
            for path in work.glob(pattern):
                remove(path)
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
        return f"{command.tool} {what}", again and not _final(command, code)

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


def _final(command: Command, code: int) -> bool:
    return command.tool == OWN and code in FINAL


def _next_log(home: Path) -> Path:
    return home / f"attempt-{len(list(home.glob('attempt-*.log'))) + 1}.log"
