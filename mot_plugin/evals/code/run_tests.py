"""Grade programs as LiveCodeBench does: every test must pass, in order, 6 s each, and the first that fails ends it.

Expected outputs stay in this process; a program sees one input at a time.
"""

import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mot_plugin.errors import StepFailed
from mot_plugin.evals.code.box import Box, Limits
from mot_plugin.evals.code.compare import same_output, same_value
from mot_plugin.evals.code.decode import Case, Cases
from mot_plugin.evals.code.execute import Outcome, execute

RULES = 1  # raise it when the same program on the same tests may get another verdict
PAUSES = (0, 1, 2)  # seconds before each try to start a sandbox: a machine may be out of processes for a moment
SPARE = 1 << 20  # bytes of output beyond twice the expected ones; more cannot be right


@dataclass(frozen=True)
class Verdict:
    """passed, wrong_answer, runtime_error, compile_error, timeout, or ungraded if no sandbox could be started.

    `test` is the number of the test that failed, from 1, and of the last one for passed.
    """

    name: str
    test: int


def key(program: str, digest: str) -> str:
    """16 hex digits of what a verdict depends on: the rules, the tests, the program."""
    return hashlib.sha256(f"{RULES} {digest} ".encode() + program.encode("utf-8", "replace")).hexdigest()[:16]


def longest_run(seconds: float, tests: int) -> float:
    """Seconds for all tests of one program together, as LiveCodeBench has it."""
    return (seconds + 1) * tests + 5


@dataclass(frozen=True)
class Grader:
    """Runs programs in a box, as many at a time as there are workers, and each only once."""

    box: Box
    limits: Limits
    workers: int
    known: dict[str, Verdict] = field(default_factory=dict)

    def verdicts(self, programs: Sequence[str], cases: Cases) -> list[Verdict]:
        """One for each program, which may repeat each other."""
        digest = cases.digest
        keys = [key(program, digest) for program in programs]
        new = {name: program for name, program in zip(keys, programs, strict=True) if name not in self.known}
        if new:
            with _inputs(cases) as inputs, _pool(min(self.workers, len(new))) as (pool, stop):
                waiting = {
                    name: pool.submit(self._grade, program, cases, inputs, stop) for name, program in new.items()
                }
                found = {name: future.result() for name, future in waiting.items()}
            self.known.update({name: verdict for name, verdict in found.items() if verdict.name != "ungraded"})
        else:
            found = {}
        return [self.known.get(name) or found[name] for name in keys]

    def _grade(self, program: str, cases: Cases, inputs: Sequence[Path], stop: threading.Event) -> Verdict:
        seconds = self.limits.seconds
        deadline = time.monotonic() + longest_run(seconds, len(cases.cases))
        for number, (case, given) in enumerate(zip(cases.cases, inputs, strict=True), 1):
            left = deadline - time.monotonic()
            if left <= 0:
                return Verdict("timeout", number)
            outcome = None if stop.is_set() else self._run(program, case, given, cases.function, min(seconds, left))
            if outcome is None:
                return Verdict("ungraded", number)
            name = _judged(outcome, case, cases.function)
            if name != "passed":
                return Verdict(name, number)
        return Verdict("passed", len(cases.cases))

    def _run(self, program: str, case: Case, given: Path, function: str | None, seconds: float) -> Outcome | None:
        longest = 2 * len(case.expected) + SPARE
        for pause in PAUSES:
            time.sleep(pause)
            try:
                return execute(
                    self.box, program, given, function=function, limits=self.limits, seconds=seconds, longest=longest
                )
            except (StepFailed, OSError):  # OSError: no process, no memory, no file left for one
                continue
        return None


def _judged(outcome: Outcome, case: Case, function: str | None) -> str:
    if outcome.end == "too_much":
        return "wrong_answer"
    if outcome.end != "done":
        return outcome.end
    same = same_value if function else same_output
    return "passed" if same(outcome.output.decode("utf-8", "replace"), case.expected) else "wrong_answer"


@contextmanager
def _inputs(cases: Cases) -> Iterator[list[Path]]:
    """The inputs as files, outside of every box, for as long as they are needed."""
    with tempfile.TemporaryDirectory(prefix="mot-tests-") as folder:
        files = [Path(folder, str(number)) for number in range(len(cases.cases))]
        for file, case in zip(files, cases.cases, strict=True):
            file.write_bytes(case.given.encode("utf-8", "replace"))
        yield files


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Threads that each watch one process. Left early (Ctrl-C), they finish the test that they are at and no more."""
    stop = threading.Event()
    with ThreadPoolExecutor(workers, thread_name_prefix="grading") as pool:
        try:
            yield pool, stop
        finally:
            stop.set()
