"""ray: steps side by side, each where Ray has the GPUs for it; on this computer, or on a cluster that is there already.

Ray is asked for a step once all that it needs is done. When Ray loses a worker or a node, the step is given to it again;
a command that fails is the supervisor's to try again.
"""

from dataclasses import dataclass, field
from typing import Any

from mot_plugin.errors import FileError
from mot_plugin.executors import ray_place
from mot_plugin.executors.graph import Graph
from mot_plugin.executors.ray_hand import STOP_SECONDS, TRIES, Hand
from mot_plugin.executors.supervisor import end_supervisors
from mot_plugin.executors.work import Outcome, Watcher, Work
from mot_plugin.folder import Folder
from mot_plugin.step import Step
from mot_plugin.store import Record

LOOK_SECONDS = 0.2


def run(work: Work, tell: Watcher) -> Outcome:
    """All that can run at once does. Raises FileError for a step that no node here can take, or an address without a cluster."""
    alone = work.machine.ray.address is None
    if alone:
        end_supervisors(work.folder)  # of a driver that was killed: this Ray does not know of GPUs that they hold
    with ray_place.connected(work.machine):
        if alone:
            _refuse(work)
        run = _Run(work, tell)
        try:
            return run.all()
        except KeyboardInterrupt:
            run.stop()
            raise
        finally:
            if alone:
                end_supervisors(work.folder)


def _refuse(work: Work) -> None:
    """On this computer nobody will add what a step lacks."""
    lacking = {
        step.kind: words for step in work.todo if (words := ray_place.lacks(ray_place.takes(work.machine, step)))
    }
    if lacking:
        lines = [f"  {kind}: {words}" for kind, words in lacking.items()]
        raise FileError(
            "\n".join(["steps take more than this computer has", *lines, "Mend `steps:` in the machine file."])
        )


@dataclass
class _Run:
    """The steps that are in Ray's hands now."""

    work: Work
    tell: Watcher
    hands: dict[str, Hand] = field(default_factory=dict)
    before: dict[str, Record | None] = field(default_factory=dict)
    """Records as they were when steps were given to Ray: a new one says that a supervisor has begun."""
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = Graph(self.work.todo)
        self.store = Folder(self.work.folder).store()
        self.given = ray_place.handed_on(self.work.machine)

    def all(self) -> Outcome:
        """Until every step has ended."""
        import ray

        while not self.graph.over:
            for step in self.graph.urgent:
                self._give(step)
            owners = {task: hand for hand in self.hands.values() for task in hand.tasks}
            ended, _ = ray.wait(list(owners), timeout=LOOK_SECONDS)
            self._look()
            for task in ended:
                self._ended(owners[task], task)
        return Outcome(self.failed, self.graph.blocked)

    def stop(self) -> None:
        """Stop every supervisor, and wait until they have stopped their commands."""
        import ray

        for hand in self.hands.values():
            hand.stop()
        tasks = [task for hand in self.hands.values() for task in hand.tasks]
        if tasks:
            ray.wait(tasks, num_returns=len(tasks), timeout=STOP_SECONDS)

    def _give(self, step: Step) -> None:
        self.graph.hand_out(step)
        self.before[step.name] = self.store.record(self.work.plan.prints[step.name])
        hand = self.hands[step.name] = Hand(self.work, step, self.given)
        hand.give()
        lacking = ray_place.lacks(ray_place.takes(self.work.machine, step))
        words = f"no node takes it yet: {lacking}" if lacking else ""
        self.tell("queued", step, self.graph.number(step), words)

    def _look(self) -> None:
        for name, hand in self.hands.items():
            if not hand.started:
                record = self.store.record(self.work.plan.prints[name])
                if record is not None and record.state == "running" and record != self.before[name]:
                    self._start(hand)
        for hand in [hand for hand in self.hands.values() if hand.started] or list(self.hands.values())[:1]:
            self.tell("tick", hand.step, self.graph.number(hand.step))

    def _start(self, hand: Hand) -> None:
        hand.started = True
        self.tell("start", hand.step, self.graph.number(hand.step))

    def _ended(self, hand: Hand, task: Any) -> None:
        """A task of a step has ended: the step too, unless Ray lost it."""
        import ray

        try:
            wrong: str | None = ray.get(task)
        except ray.exceptions.RayTaskError as error:  # most often: no mot-plugin in the environment of that node's Ray
            wrong = f"its Ray worker failed: {error}"
        except ray.exceptions.RayError as error:
            hand.stop()
            hand.over()
            if hand.tries < TRIES:
                hand.give()
                return
            wrong = f"Ray lost the worker or the node that it ran on, {TRIES} times: {type(error).__name__}"
        if task is not hand.tasks[0]:
            hand.tasks.remove(task)
            if wrong is None:
                return
            hand.stop()
        hand.over()
        del self.hands[hand.step.name]
        if not hand.started:
            self._start(hand)
        if wrong is not None:
            self.failed[hand.step.name] = wrong
        number = self.graph.number(hand.step)
        self.tell("done" if wrong is None else "failed", hand.step, number)
        for lost in self.graph.end(hand.step, well=wrong is None):
            self.tell("blocked", lost, self.graph.number(lost))
