"""Which steps may be handed out, and what a failure blocks: bookkeeping that all executors share. It starts nothing."""

from collections.abc import Sequence
from typing import Literal

from mot_plugin.step import Step

Ending = Literal["done", "failed", "blocked"]


class Graph:
    """The steps that have to run, in an order that works; what they need from outside of it is there."""

    def __init__(self, todo: Sequence[Step]) -> None:
        self._numbers = {step.name: number for number, step in enumerate(todo, 1)}
        self._steps = {step.name: step for step in todo}
        self._users: dict[str, list[Step]] = {step.name: [] for step in todo}
        for step in todo:
            for need in set(step.needs) & self._steps.keys():
                self._users[need].append(step)
        self._longest: dict[str, int] = {}
        for step in reversed(todo):
            self._longest[step.name] = 1 + max((self._longest[user.name] for user in self._users[step.name]), default=0)
        self._handed: set[str] = set()
        self._ended: dict[str, Ending] = {}

    def number(self, step: Step) -> int:
        """Its place among the steps to run, counted from 1."""
        return self._numbers[step.name]

    @property
    def ready(self) -> list[Step]:
        """Steps that may start now and were not handed out, in the plan's order."""
        waiting = (step for name, step in self._steps.items() if name not in self._handed and name not in self._ended)
        return [step for step in waiting if all(self._well(need) for need in step.needs)]

    @property
    def urgent(self) -> list[Step]:
        """The same, those first on which the longest chain of others waits: a branch before an evaluation."""
        return sorted(self.ready, key=lambda step: (-self._longest[step.name], self.number(step)))

    def hand_out(self, step: Step) -> None:
        """It is somebody's now, who will say how it ended."""
        assert step in self.ready, step.name
        self._handed.add(step.name)

    def end(self, step: Step, *, well: bool) -> list[Step]:
        """It ended. Returns the steps that can never start because of that, in the plan's order."""
        assert step.name in self._handed and step.name not in self._ended, step.name
        self._ended[step.name] = "done" if well else "failed"
        lost: set[str] = set()
        waiting = [] if well else [step]
        while waiting:
            for user in self._users[waiting.pop().name]:
                if user.name not in self._ended:
                    self._ended[user.name] = "blocked"
                    lost.add(user.name)
                    waiting.append(user)
        return [other for name, other in self._steps.items() if name in lost]

    @property
    def blocked(self) -> tuple[str, ...]:
        """All that waits for a failed step, in the plan's order."""
        return tuple(name for name in self._steps if self._ended.get(name) == "blocked")

    @property
    def over(self) -> bool:
        """Whether every step has ended."""
        return len(self._ended) == len(self._steps)

    def _well(self, need: str) -> bool:
        return need not in self._steps or self._ended.get(need) == "done"
