"""What an executor is given, whom it tells, and what it says in the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mot_plugin.machine import Machine
from mot_plugin.step import Plan, Step

Event = Literal["queued", "start", "tick", "done", "failed", "blocked"]
"""queued: handed to a queue of others. tick: it goes on, look again. blocked: what it needs has failed."""


class Watcher(Protocol):
    """Told what happens; `number` counts the steps to run from 1. Several steps may be between start and end at once."""

    def __call__(self, event: Event, step: Step, number: int, words: str = "") -> None: ...


class Detached(Exception):
    """Everything is in a queue that runs it without us, as was wished. `str()` says where, and how to watch it."""


@dataclass(frozen=True)
class Work:
    """A frozen run folder (absolute) and the steps of its plan that have to run, in an order that works."""

    folder: Path
    plan: Plan
    machine: Machine
    todo: Sequence[Step]
    detach: bool = False
    """Whether nobody wants to watch: raise Detached once everything is in the queue. For executors that have one."""


@dataclass(frozen=True)
class Outcome:
    """Steps by how they ended: what the supervisor of each failed one said, and which waited for them."""

    failed: dict[str, str]
    blocked: tuple[str, ...]


class Executor(Protocol):
    """Runs all of the work that can run; a failure blocks what needs it, and everything else goes on. Raises KeyboardInterrupt."""

    def __call__(self, work: Work, tell: Watcher) -> Outcome: ...
