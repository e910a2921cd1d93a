"""A run on a terminal: a picture that redraws itself. How far, what runs now, what came of the last steps, when it may end."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mot_plugin import glance
from mot_plugin.executors.work import Event, Watcher
from mot_plugin.folder import Folder
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store
from mot_plugin.views import MARKS, Spoken, where

if TYPE_CHECKING:
    from rich.console import RenderableType

LINES = 8
"""Of steps, as long as not more than these run at once."""
AT_ONCE = 12
"""Of running steps that have a line."""


@dataclass
class Scene:
    """Where every step stands that was heard of, by its name."""

    queued: dict[str, tuple[Step, str]] = field(default_factory=dict)
    running: dict[str, Step] = field(default_factory=dict)
    ended: dict[str, tuple[Event, Step]] = field(default_factory=dict)

    def hear(self, event: Event, step: Step, words: str = "") -> None:
        """What an executor tells. A step may start again, and be queued again, before it ends."""
        if event == "tick":
            return
        self.queued.pop(step.name, None)
        self.running.pop(step.name, None)
        if event == "queued":
            self.queued[step.name] = (step, words)
        elif event == "start":
            self.running[step.name] = step
        else:
            self.ended[step.name] = (event, step)

    def rows(self) -> list[tuple[Event, Step]]:
        """The last steps that ended as far as there is room for them, then what runs."""
        running: list[tuple[Event, Step]] = [("start", step) for step in self.running.values()]
        room = max(LINES - len(running), 2)
        return [*list(self.ended.values())[-room:], *running[:AT_ONCE]]

    def left(self, todo: Sequence[Step]) -> list[Step]:
        """Steps that have not ended."""
        return [step for step in todo if step.name not in self.ended]

    def waiting(self) -> str:
        """One line about the queue; empty if nothing waits in it."""
        if not self.queued:
            return ""
        names = list(self.queued)
        said = next((words for _, words in self.queued.values() if words), "")
        more = f" and {len(names) - 2} more" if names[2:] else ""
        return f"queued: {', '.join(names[:2])}{more}{f' ({said})' if said else ''}"


class LiveView(Spoken):
    """For a terminal."""

    def nothing_to_do(self, folder: Folder, goals: Collection[str]) -> None:
        self._say.print(f"[green]✔[/] everything is done; {where(folder, goals)}", soft_wrap=True)

    @contextmanager
    def watching(self, folder: Folder, plan: Plan, todo: list[Step], store: Store) -> Iterator[Watcher]:
        from rich.live import Live

        begun, scene, drawn = time.time(), Scene(), [0.0]

        def shown() -> "RenderableType":
            drawn[0] = time.time()
            return picture(folder, plan, todo, store, scene, begun)

        with Live(shown(), console=self._say, refresh_per_second=4, transient=True) as live:

            def tell(event: Event, step: Step, number: int, words: str = "") -> None:
                del number
                scene.hear(event, step, words)
                if event != "tick" or time.time() - drawn[0] >= 0.25:
                    live.update(shown())

            yield tell
        for event, step in scene.ended.values():
            if event == "failed":
                self._say.print(f"{MARKS[event]} {step.name}")


def picture(
    folder: Folder, plan: Plan, todo: Sequence[Step], store: Store, scene: Scene, begun: float
) -> "RenderableType":
    """What the terminal shows at this moment."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    left = glance.remaining(plan, scene.left(todo), store, running=scene.running, at=time.time())
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    soon = f"about {glance.clock(left)} left" if left is not None else "time left not known yet"
    several = f", {len(scene.running)} running" if len(scene.running) > 1 else ""
    done = f"[bold]{plan.recipe}[/]  {len(scene.ended)} of {len(todo)} steps ended{several}"
    head.add_row(done, f"{glance.since(begun)} so far, {soon}")
    shares = 0.0
    table = Table.grid(padding=(0, 2))
    for event, step in scene.rows():
        record = store.record(plan.prints[step.name])
        if event == "start":
            part, words = glance.now(folder, step)
            shares += part or 0.0
            took = glance.since(record.started) if record else ""
        else:
            words = glance.result(folder, step) if event == "done" else (record.error or "") if record else ""
            took = f"{record.seconds:.1f} s" if record and record.seconds is not None else ""
        table.add_row(MARKS[event], step.name, took, f"[dim]{words}[/]")
    more = len(scene.running) - AT_ONCE
    lines = [f"and {more} more running"] if more > 0 else []
    lines += [scene.waiting()] if scene.queued else []
    bar = Table.grid(expand=True)  # by itself a bar has no line end, and what follows would be cut off
    bar.add_row(ProgressBar(total=len(todo), completed=len(scene.ended) + shares))
    return Group(head, bar, table, *(Text(f"·  {line}", style="dim") for line in lines))
