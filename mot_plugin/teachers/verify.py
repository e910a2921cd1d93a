"""Whether answers say the same, asked of math_verify in processes of its own, each comparison with a hard limit.

What a model boxes may take for ever (`9^{9^{9^9}}`), take all memory or end the process. math_verify's own limit is for
time alone and an exception raised by a signal, in a main thread only. Here (`limited`) each comparison is a process that
the kernel ends.
"""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Self

from mot_plugin import limited
from mot_plugin.answers import quickly, verifiable
from mot_plugin.errors import StepFailed
from mot_plugin.limited import Limited, Limits
from mot_plugin.mathematics import AGREE, LOADS

Outcome = Literal["same", "different", "timeout", "verifier_failed", "unverifiable"]
_Pair = tuple[str, str]

_PATIENCE = 6.0  # times its limit of processor time that a comparison may take by the clock


class Verifier:
    """Compares answers, each pair with at most `seconds` of processor time (whole ones) and `gibibytes` of memory.

    `workers` pairs are compared at a time (the cores, 2 to 8). A context manager; its processes start with the first pair
    that takes mathematics and end with the block. One pair is compared once, however often it is asked. Threads and event
    loops may share one.
    """

    def __init__(self, seconds: int = 10, workers: int | None = None, gibibytes: float = 2.0) -> None:
        self._limits = Limits(seconds, gibibytes, _PATIENCE)
        self._limited = Limited(workers)
        self._closed = False
        self._said: dict[_Pair, Future[Outcome]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
        self._limited.close()

    @property
    def started(self) -> bool:
        """Whether anything needed mathematics so far."""
        return bool(self._said)

    def compare(self, predicted: str, references: Sequence[str]) -> Outcome:
        """`same` if the answer says the same as any of the references that can be checked, `unverifiable` if none can be.

        Otherwise `timeout` or `verifier_failed` (the process died or met its memory limit) if a comparison ended so.
        """
        return self.compare_many([(predicted, references)])[0]

    def compare_many(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[Outcome]:
        """`compare` for each of many answers with its references, at once."""
        begun = [_begun(predicted, references) for predicted, references in asked]
        waited = [one if isinstance(one, str) else [self._ask(pair) for pair in one] for one in begun]
        return [one if isinstance(one, str) else _together([said.result() for said in one]) for one in waited]

    async def compare_async(self, predicted: str, references: Sequence[str]) -> Outcome:
        """`compare` that lets the event loop go on."""
        begun = _begun(predicted, references)
        if isinstance(begun, str):
            return begun
        return _together(await asyncio.gather(*(asyncio.wrap_future(self._ask(pair)) for pair in begun)))

    def _ask(self, pair: _Pair) -> "Future[Outcome]":
        """What is said of a pair: never an exception, and nobody can cancel what others may wait for too."""
        with self._lock:
            if pair in self._said:
                return self._said[pair]
            said = self._said[pair] = Future[Outcome]()
            said.set_running_or_notify_cancel()
            if self._closed:
                said.set_result("verifier_failed")
                return said
            asked = self._limited.submit(AGREE, (*pair, self._limits.gibibytes), self._limits, LOADS)
        asked.add_done_callback(lambda done: said.set_result(_outcome(done)))
        return said


def _begun(predicted: str, references: Sequence[str]) -> Outcome | list[_Pair]:
    """The outcome if it takes no mathematics, else the pairs that do."""
    usable = [reference for reference in references if verifiable(reference)]
    if not usable:
        return "unverifiable"
    decided = {reference: quickly(predicted, reference) for reference in usable}
    if True in decided.values():
        return "same"
    return [(predicted, reference) for reference, same in decided.items() if same is None] or "different"


def _together(said: Sequence[Outcome]) -> Outcome:
    order: tuple[Outcome, ...] = ("same", "timeout", "verifier_failed", "different")
    return next(outcome for outcome in order if outcome in said)


def _outcome(call: "Future[limited.Outcome]") -> Outcome:
    if isinstance(call.exception(), StepFailed):  # no process could be kept alive for it, or the block was left
        return "verifier_failed"
    outcome = call.result()
    if outcome.end == "done":
        return "same" if outcome.value else "different"
    return "timeout" if outcome.end == "timeout" else "verifier_failed"
