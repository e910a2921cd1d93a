"""A plan on N nodes of G GPUs, played through by events: list scheduling, as Ray and Slurm do it.

Whenever something ends, the steps whose needs are done are looked at in the order of their rank, and each that finds room
starts (a later one may pass an earlier one that does not fit, which is Ray's way and Slurm's backfill). A step takes its
GPUs on one node, or on several whole ones; a merge has a node's memory to itself; a step without GPUs only takes a node.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Order = Literal["fifo", "longest"]
"""fifo: as they stand in the plan. longest: what the longest way to the end hangs on comes first."""


@dataclass(frozen=True)
class Job:
    """One step. `gpus` on each of `nodes`; `alone`: only one such job at a time on a node."""

    key: str
    name: str
    kind: str
    seconds: float
    needs: tuple[str, ...] = ()
    gpus: int = 0
    nodes: int = 1
    alone: bool = False

    @property
    def gpu_seconds(self) -> float:
        """Of all the GPUs that it holds."""
        return self.seconds * self.gpus * self.nodes

    def after(self, keys: tuple[str, ...]) -> "Job":
        """The same, waiting for more."""
        return replace(self, needs=(*self.needs, *keys))


@dataclass(frozen=True)
class Bar:
    """One step in a Gantt chart: when, and on which nodes."""

    job: Job
    start: float
    end: float
    nodes: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """What came of it."""

    bars: tuple[Bar, ...]
    nodes: int
    gpus: int
    """Of one node."""
    critical: tuple[Job, ...]
    """The longest chain of steps that wait for each other: no number of GPUs is faster."""

    @property
    def makespan(self) -> float:
        """Seconds until the last step has ended."""
        return max((bar.end for bar in self.bars), default=0.0)

    @property
    def work(self) -> float:
        """GPU-seconds that steps hold."""
        return sum(bar.job.gpu_seconds for bar in self.bars)

    @property
    def path(self) -> float:
        """Seconds of the longest chain."""
        return sum(job.seconds for job in self.critical)

    @property
    def utilisation(self) -> float:
        """Share of all GPUs' time that steps hold."""
        whole = self.makespan * self.nodes * self.gpus
        return self.work / whole if whole else 0.0


def simulate(jobs: Sequence[Job], nodes: int, gpus: int, order: Order = "longest") -> Schedule:
    """Play the jobs through on empty nodes. Raises ValueError for a job that no number of ends makes room for, or a loop."""
    for job in jobs:
        if job.nodes > nodes or job.gpus > gpus:
            raise ValueError(f"{job.name} takes {job.nodes} x {job.gpus} GPUs, and there are {nodes} x {gpus}")
    known = {job.key for job in jobs}
    needs = {job.key: {need for need in job.needs if need in known} for job in jobs}
    after = tails(jobs, needs)
    rank = {job.key: (-after[job.key] if order == "longest" else 0.0, number) for number, job in enumerate(jobs)}
    users: dict[str, list[Job]] = {job.key: [] for job in jobs}
    for job in jobs:
        for need in needs[job.key]:
            users[need].append(job)
    ready = sorted((job for job in jobs if not needs[job.key]), key=lambda job: rank[job.key])
    place, ends, bars, now = _Nodes(nodes, gpus), list[tuple[float, int]](), list[Bar](), 0.0
    while ready or ends:
        waiting, full = list[Job](), set[tuple[int, int, bool]]()
        for job in ready:
            shape = (job.gpus, job.nodes, job.alone)
            taken = None if shape in full else place.take(job)
            if taken is None:
                full.add(shape)  # nothing becomes free before the next end
                waiting.append(job)
                continue
            bars.append(Bar(job, now, now + job.seconds, taken))
            heapq.heappush(ends, (now + job.seconds, len(bars) - 1))
        now = ends[0][0]
        while ends and ends[0][0] == now:
            bar = bars[heapq.heappop(ends)[1]]
            place.free(bar.job, bar.nodes)
            for user in users[bar.job.key]:
                needs[user.key].discard(bar.job.key)
                if not needs[user.key]:
                    waiting.append(user)
        ready = sorted(waiting, key=lambda job: rank[job.key])
    return Schedule(tuple(bars), nodes, gpus, critical(jobs, after))


def tails(jobs: Sequence[Job], needs: Mapping[str, set[str]] | None = None) -> dict[str, float]:
    """Seconds from the start of each job to the end of all that hangs on it. Raises ValueError for jobs out of order."""
    known = {job.key for job in jobs}
    found = {job.key: job.seconds for job in jobs}
    place = {job.key: number for number, job in enumerate(jobs)}
    for number, job in reversed(list(enumerate(jobs))):
        for need in needs[job.key] if needs else known & {*job.needs}:
            if place[need] >= number:
                raise ValueError(f"{job.name} needs what comes after it")
            by = found[job.key]
            found[need] = max(found[need], by + jobs[place[need]].seconds)
    return found


def critical(jobs: Sequence[Job], after: Mapping[str, float]) -> tuple[Job, ...]:
    """The chain that takes longest, from its first job to its last."""
    chain: list[Job] = []
    options = list(jobs)
    while options:
        longest = max(options, key=lambda job: after[job.key])
        chain.append(longest)
        options = [job for job in jobs if longest.key in job.needs]
    return tuple(chain)


class _Nodes:
    """What is free on each node."""

    def __init__(self, nodes: int, gpus: int) -> None:
        self._free = [gpus] * nodes
        self._memory = [True] * nodes

    def take(self, job: Job) -> tuple[int, ...] | None:
        """Nodes with room for it, the fullest ones first; None if there are not enough."""
        fit = [
            number
            for number, free in enumerate(self._free)
            if free >= job.gpus and (self._memory[number] or not job.alone)
        ]
        if len(fit) < job.nodes:
            return None
        chosen = tuple(sorted(fit, key=lambda number: self._free[number])[: job.nodes])
        for number in chosen:
            self._free[number] -= job.gpus
            self._memory[number] = self._memory[number] and not job.alone
        return chosen

    def free(self, job: Job, nodes: tuple[int, ...]) -> None:
        """It has ended."""
        for number in nodes:
            self._free[number] += job.gpus
            self._memory[number] = self._memory[number] or job.alone
