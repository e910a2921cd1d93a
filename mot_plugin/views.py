"""What a person sees while a run goes on: a live picture on a terminal, one plain line per event elsewhere."""

import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mot_plugin import glance, state
from mot_plugin.executors.work import Event, Watcher
from mot_plugin.folder import Folder
from mot_plugin.machine import Machine
from mot_plugin.state import Status
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

MARKS = {
    "done": "[green]✔[/]",
    "failed": "[red]✘[/]",
    "blocked": "[yellow]…[/]",
    "start": "[cyan]▶[/]",
    "queued": "[dim]·[/]",
}


class View(Protocol):
    """How a run is shown."""

    def nothing_to_do(self, folder: Folder, goals: Collection[str]) -> None: ...
    def finished(self, folder: Folder, goals: Collection[str]) -> None: ...
    def remark(self, words: str) -> None: ...
    def watching(
        self, folder: Folder, plan: Plan, todo: list[Step], store: Store
    ) -> AbstractContextManager[Watcher]: ...


class Spoken:
    """What every view says alike."""

    def __init__(self, console: "Console") -> None:
        self._say = console

    def finished(self, folder: Folder, goals: Collection[str]) -> None:
        ending(self._say, folder, goals)

    def remark(self, words: str) -> None:
        self._say.print(words, markup=False, highlight=False, soft_wrap=True)


class PlainView(Spoken):
    """One line per event, for logs and pipes."""

    def nothing_to_do(self, folder: Folder, goals: Collection[str]) -> None:
        self._say.print(f"{folder.root}: everything is done; {where(folder, goals)}", soft_wrap=True)

    @contextmanager
    def watching(self, folder: Folder, plan: Plan, todo: list[Step], store: Store) -> Iterator[Watcher]:
        begun = time.time()
        width = len(str(len(todo)))

        def tell(event: Event, step: Step, number: int, words: str = "") -> None:
            if event == "tick" or (event == "queued" and not words):
                return
            record = store.record(plan.prints[step.name])
            words = {
                "start": words,
                "done": glance.result(folder, step),
                "failed": words.partition("\n")[0] or (record.error if record else None) or "",
                "blocked": "waits for a failed step",
            }.get(event, words)
            took = f" in {record.seconds:.1f} s" if event == "done" and record and record.seconds is not None else ""
            line = f"[{glance.since(begun):>7}] {number:>{width}}/{len(todo)} {event:<7} {step.name}{took}" + (
                f": {words}" if words else ""
            )
            self._say.print(line, markup=False, highlight=False, soft_wrap=True)

        yield tell


def planned(plan: Plan, found: Mapping[str, Status], machine: Machine) -> "RenderableType":
    """The plan as a table: what will run, and why."""
    from rich.console import Group
    from rich.text import Text

    todo = [step for step in plan.steps if found[step.name].state == "todo"]
    table = _table("step", "kind", "gpus", "why")
    for step in plan.steps:
        status = found[step.name]
        mark = MARKS["done"] if status.state == "done" else MARKS["start"]
        table.add_row(mark, step.name, step.kind, str(step.gpus or ""), status.why)
    head = Text.from_markup(f"[bold]{plan.recipe}[/] on {machine.name}: {len(plan.steps)} steps, {len(todo)} to run")
    return Group(head, table, Text(_counts(plan.steps)))


def _counts(steps: Sequence[Step]) -> str:
    """`4 teachers asked, 5 corpora, 25 trainings (20 MoT branches, 5 baselines), 5 merges, 31 evaluated models`."""
    branches = sum(step.kind == "train" and step.method == "MoT" for step in steps)
    words = (
        ("traces", "teacher asked", "teachers asked"),
        ("corpus", "corpus", "corpora"),
        ("train", "training", "trainings"),
        ("merge", "merge", "merges"),
    )
    said: list[str] = []
    for kind, one, many in (*words, ("evaluate", "evaluated model", "evaluated models")):
        count = sum(step.kind == kind for step in steps)
        if count:
            said.append(f"{count} {one if count == 1 else many}")
            if kind == "train" and branches:
                said[-1] += f" ({branches} MoT branches, {count - branches} baselines)"
    return ", ".join(said)


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    return table


def statuses(folder: Folder) -> "RenderableType":
    """Every step of a run with its state, for `mot-plugin status`."""
    from rich.console import Group
    from rich.text import Text

    rows = status_rows(folder)
    done = sum(row["state"] == "done" for row in rows)
    table = _table("step", "kind", "time", "what")
    marks = {"done": MARKS["done"], "running": MARKS["start"], "failed": MARKS["failed"], "todo": " "}
    for row in rows:
        seconds = row["seconds"]
        took = glance.clock(seconds) if row["state"] == "running" else "" if seconds is None else f"{seconds:.1f} s"
        table.add_row(marks[row["state"]], row["name"], row["kind"], took, row["what"])
    return Group(Text.from_markup(f"[bold]{folder.root}[/]: {done} of {len(rows)} steps done"), table)


def status_rows(folder: Folder) -> list[dict[str, Any]]:
    """The same as plain data: name, kind, state (done, running, failed, todo), seconds, what."""
    plan, store = folder.plan(), folder.store()
    found = state.judge(plan, store, {})
    rows: list[dict[str, Any]] = []
    for step in plan.steps:
        record, status = store.record(plan.prints[step.name]), found[step.name]
        row = {
            "name": step.name,
            "kind": step.kind,
            "state": status.state,
            "seconds": record.seconds if record else None,
            "what": status.why,
        }
        if status.state == "done":
            row["what"] = glance.result(folder, step) or status.why
        elif record and record.state == "running" and alive(record.host, record.pid):
            row |= {"state": "running", "seconds": time.time() - record.started, "what": glance.now(folder, step)[1]}
        elif record and record.state == "failed":
            row["state"] = "failed"
        rows.append(row)
    return rows


def alive(host: str, pid: int) -> bool:
    """Whether a recorded supervisor is still there; of another host we cannot know, and believe it."""
    return host != socket.gethostname() or Path(f"/proc/{pid}").is_dir()


def merges(folder: Folder) -> str:
    """The merges of a run in a table, and where their heat maps and numbers per layer lie."""
    from mot_plugin.report import markdown
    from mot_plugin.report import merges as measured

    steps = [step.name for step in folder.plan().steps if step.kind == "merge"]
    folders = [folder.root / "artifacts" / name for name in steps]
    table = measured.table([str(one) for one in folders])
    if table is None:
        return f"{folder.root}: no merge was measured (methods.mot.diagnose is off, or none is done yet)"
    pictures = [str(one / measured.PICTURE) for one in folders if (one / measured.PICTURE).is_file()]
    return "\n".join([markdown.render(table), "heat maps, with numbers per layer and module beside them:", *pictures])


def where(folder: Folder, goals: Collection[str]) -> str:
    """Where to look at the end of a run, or of the part of it that was wanted."""
    return (
        f"{'corpora' if 'corpus' in goals else 'problems'} below "
        f"{folder.root / 'artifacts' / ('corpus' if 'corpus' in goals else 'source')}"
        if goals
        else f"report at {folder.root / 'report' / 'index.html'}"
    )


def ending(console: "Console", folder: Folder, goals: Collection[str]) -> None:
    """The end of a run, or of the part of it that was wanted."""
    if not goals:
        report(console, folder, folder.root / "artifacts" / "report")
        return
    for step in folder.plan().steps:
        if step.kind in goals:
            console.print(f"{step.name:<24} {glance.result(folder, step)}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{where(folder, goals)}[/]", soft_wrap=True)


def report(console: "Console", folder: Folder, made: Path) -> None:
    """The end of a run: the main table, from a folder with its report, and where everything lies."""
    from mot_plugin.report import write

    console.print()
    console.print(write.render(made), markup=False, highlight=False, soft_wrap=True)
    for what, path in (("report", "report/index.html"), ("student", "student"), ("scores", "report/scores.csv")):
        if (folder.root / path).exists():
            console.print(f"[dim]{what:<8}[/] {folder.root / path}", soft_wrap=True)
