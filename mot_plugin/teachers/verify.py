"""Whether answers say the same, asked of math_verify in processes of its own, each comparison with a hard limit.

What a model boxes may take for ever (`9^{9^{9^9}}`), take all memory or end the process. math_verify's own limit is for
time alone and an exception raised by a signal, in a main thread only. Here a process is killed, and another takes its place.
"""

import asyncio
import logging
import os
import resource
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from mot_plugin.answers import by_mathematics, quickly, verifiable

if TYPE_CHECKING:
    from pebble import ProcessPool

Outcome = Literal["same", "different", "timeout", "verifier_failed", "unverifiable"]
_Pair = tuple[str, str]

_MOST_WORKERS = 8
_MOST_POOLS = 5  # one breaks when a worker dies with nothing to do; without an end to it, also if none can start
_COMPARISONS_A_WORKER = 500
_GRACE = 5.0  # seconds after the limit in which the parent should have killed a worker: else it has none any more
_GLANCE = 1.0  # seconds between looks whether the pool still lives: what waits in a broken one is never answered


class Verifier:
    """Compares answers, `seconds` at most for each pair, in `workers` processes (the cores, at most 8) of `gibibytes` each.

    A context manager; its processes start with the first pair that takes mathematics and end with the block. One pair is
    compared once, however often it is asked. Threads and event loops may share one.
    """

    def __init__(self, seconds: float = 10.0, workers: int | None = None, gibibytes: float = 2.0) -> None:
        self._seconds, self._gibibytes = seconds, gibibytes
        self._workers = workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
        self._pool: ProcessPool | None = None
        self._pools = 0
        self._closed = False
        self._asked: dict[_Pair, _Asked] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            self._end_pool()

    @property
    def started(self) -> bool:
        """Whether anything needed mathematics so far."""
        return self._pools > 0

    def compare(self, predicted: str, references: Sequence[str]) -> Outcome:
        """`same` if the answer says the same as any of the references that can be checked, `unverifiable` if none can be.

        Otherwise `timeout` or `verifier_failed` (the process died or met its memory limit) if a comparison ended so.
        """
        return self.compare_many([(predicted, references)])[0]

    def compare_many(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[Outcome]:
        """`compare` for each of many answers with its references, at once."""
        begun = [_begun(predicted, references) for predicted, references in asked]
        pairs = [pair for one in begun if not isinstance(one, str) for pair in one]
        while waiting := self._unanswered(pairs):
            wait(waiting, _GLANCE)
        return [self._ended(one) for one in begun]

    async def compare_async(self, predicted: str, references: Sequence[str]) -> Outcome:
        """`compare` that lets the event loop go on."""
        begun = _begun(predicted, references)
        if not isinstance(begun, str):
            # In a thread, because the first one waits for processes to start.
            while waiting := await asyncio.to_thread(self._unanswered, begun):
                await asyncio.wait([asyncio.wrap_future(future) for future in waiting], timeout=_GLANCE)
        return self._ended(begun)

    def _unanswered(self, pairs: Sequence[_Pair]) -> "list[Future[_Said]]":
        """What is still waited for; pairs that nobody asked yet or that were lost with their pool are asked."""
        with self._lock:
            for pair in pairs:
                if pair not in self._asked or self._asked[pair].lost:
                    self._asked[pair] = self._ask(pair)
            asked = [self._asked[pair] for pair in dict.fromkeys(pairs)]
        return [one.said for one in asked if one.lost or not one.said.done()]

    def _ended(self, begun: "Outcome | list[_Pair]") -> Outcome:
        if isinstance(begun, str):
            return begun
        said = {self._asked[pair].said.result() for pair in begun}
        order: tuple[Outcome, ...] = ("same", "timeout", "verifier_failed", "different")
        return next(outcome for outcome in order if outcome in said)

    def _ask(self, pair: _Pair) -> "_Asked":
        said: Future[_Said] = Future()
        said.set_running_or_notify_cancel()  # from here on nobody can cancel what others may wait for too
        asked = _Asked(said)
        try:
            asked.pool = self._living_pool()
            if asked.pool is None:
                said.set_result("verifier_failed")
            else:
                task = asked.pool.schedule(_compare, (*pair, self._seconds, self._gibibytes), timeout=self._seconds)
                task.add_done_callback(lambda done: said.set_result(_said(done)))
        except (RuntimeError, OSError):  # the pool broke just now, or the machine has no process or file to give
            self._end_pool()
            said.set_result("lost")
        return asked

    def _living_pool(self) -> "ProcessPool | None":
        """The pool, a new one if there is none or it broke; None if too many broke, or after the block."""
        if self._pool is None or not self._pool.active:
            self._end_pool()
            if self._closed or self._pools >= _MOST_POOLS:
                return None
            self._pools += 1
            self._pool = _new_pool(self._workers)
        return self._pool

    def _end_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


_Said = Outcome | Literal["lost"]


@dataclass
class _Asked:
    """A pair in a pool. Its future has always a result, never an exception, so that many can wait for it."""

    said: Future[_Said]
    pool: "ProcessPool | None" = None

    @property
    def lost(self) -> bool:
        if self.said.done():
            return self.said.result() == "lost"
        return self.pool is not None and not self.pool.active


def _begun(predicted: str, references: Sequence[str]) -> Outcome | list[_Pair]:
    """The outcome if it takes no mathematics, else the pairs that do."""
    usable = [reference for reference in references if verifiable(reference)]
    if not usable:
        return "unverifiable"
    decided = {reference: quickly(predicted, reference) for reference in usable}
    if True in decided.values():
        return "same"
    return [(predicted, reference) for reference, same in decided.items() if same is None] or "different"


def _said(task: "Future[bool]") -> _Said:
    """What came of a task in the pool."""
    if task.cancelled():
        return "lost"
    error = task.exception()
    if error is None:
        return "same" if task.result() else "different"
    if isinstance(error, BrokenProcessPool):
        return "lost"
    return "timeout" if isinstance(error, TimeoutError) else "verifier_failed"


def _new_pool(workers: int) -> "ProcessPool":
    """Processes that are forked from a clean one with math_verify in it, so threads do no harm and a new one costs little."""
    import multiprocessing

    from pebble import ProcessPool

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["math_verify", __name__])
    return ProcessPool(workers, max_tasks=_COMPARISONS_A_WORKER, initializer=_prepare_worker, context=context)


def _prepare_worker() -> None:
    """Set up a process that only compares: easy to kill, silent, and with math_verify loaded before the clock runs."""
    import math_verify  # noqa: F401

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once: a handler in Python waits for C code to return
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that it has no limit of its own


def _compare(predicted: str, reference: str, seconds: float, gibibytes: float) -> bool:
    """In a worker: one comparison. The process ends if it takes too much memory, or too long with no parent to say so."""
    limit = int(gibibytes * 2**30)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY:  # elsewhere somebody has set a limit already
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limit, hard))
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
    same = by_mathematics(predicted, reference, None)
    signal.setitimer(signal.ITIMER_REAL, 0)
    # math_verify calls it False when it runs out of memory: who came near the limit is not believed.
    if not same and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > limit / 2:
        os._exit(1)
    return same
