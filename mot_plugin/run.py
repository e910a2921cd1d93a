"""run: freeze the plan, check that it can start, run what has to run, say what came of it. `run` is also resume."""

import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from mot_plugin import claims, materials, mirror, presence, sharing, state, stopping
from mot_plugin import recipe as recipes
from mot_plugin.blocks import OWN
from mot_plugin.errors import FileError, MissingInput, MissingTool, StepFailed
from mot_plugin.executors.known import EXECUTORS, refuse
from mot_plugin.executors.work import Detached, Event, Outcome, Watcher, Work
from mot_plugin.folder import Folder, store_of
from mot_plugin.machine import Machine
from mot_plugin.materials import Materials
from mot_plugin.pages import live
from mot_plugin.plan import plan as make_plan
from mot_plugin.processes import disk_full_in_words, locate, tail
from mot_plugin.recipe import Recipe
from mot_plugin.state import Status
from mot_plugin.step import MISSING, Plan, Step
from mot_plugin.store import Store
from mot_plugin.supervise import collect
from mot_plugin.tools.call import beside
from mot_plugin.views import View


@dataclass(frozen=True)
class Prepared:
    """A plan beside what is already done of it."""

    recipe: Recipe
    machine: Machine
    gathered: Materials
    folder: Folder
    plan: Plan
    found: dict[str, Status]

    deciding: str | None = None
    """The step that says whether another round follows: nothing after it is certain yet."""
    goals: frozenset[str] = frozenset()
    """Kinds of steps that are wanted, with what they need; empty for all."""

    @property
    def todo(self) -> list[Step]:
        """The steps that have to run, in order."""
        wanted = {step.name for step in self.plan.steps if not self.goals or step.kind in self.goals}
        if self.deciding is not None and not self.goals:
            wanted = {self.deciding}
        for step in reversed(self.plan.steps):
            wanted |= set(step.needs) if step.name in wanted else set()
        return [step for step in self.plan.steps if step.name in wanted and self.found[step.name].state == "todo"]


def prepare(recipe_path: Path, machine: Machine, loaded: Recipe | None = None) -> Prepared:
    """Load, plan and compare with the store. Writes only the memory of input digests, and that if a store is there."""
    recipe = loaded or recipes.load(recipe_path)
    runs = Path(machine.storage.runs)
    folder, store = Folder(runs / recipe.name), store_of(machine, runs)
    sharing.let_the_group_write(store)
    cache = store.root / "digests.json" if store.root.is_dir() else None
    with disk_full_in_words():
        gathered = materials.gather(recipe, recipe_path, machine, cache)
    return _judged(recipe, machine, gathered, folder)


def _judged(recipe: Recipe, machine: Machine, gathered: Materials, folder: Folder) -> Prepared:
    store = store_of(machine, folder.root.parent)
    made, deciding = stopping.rounds(recipe, lambda some: make_plan(some, machine, gathered), store)
    return Prepared(recipe, machine, gathered, folder, made, state.judge(made, store, folder.parts()), deciding)


def run(recipe_path: Path, machine: Machine, view: View, goals: Iterable[str] = (), *, detach: bool = False) -> Folder:
    """Run a recipe to its report; a finished one does nothing. `goals` are kinds of steps to stop at, `corpus` for example.

    Raises MotError: bad files, missing things, failed steps. With `detach`, Detached once everything is in a queue.
    """
    wanted = frozenset(goals)
    ready = replace(prepare(recipe_path, machine), goals=wanted)
    folder = ready.folder
    _refuse_missing(ready)
    _refuse_closed(ready)
    if machine.storage.mirror:
        mirror.check(machine.storage.mirror)
    refuse(machine, ready.todo)
    with disk_full_in_words(), _locked(folder), _stoppable() as heed:
        worked, page = False, live.Page(folder, view.remark)
        while True:
            # Again, now that no other `run` can change it, and after every round that decides about the next one.
            ready = replace(_judged(ready.recipe, machine, ready.gathered, folder), goals=wanted)
            worked = worked or bool(ready.todo)
            _go(ready, recipe_path, view, page, heed, detach=detach)
            if ready.deciding is None or ready.goals:
                break
        if not ready.goals and not live.complete(folder, ready.plan.prints["report"]):
            page.last()
        if machine.storage.mirror and not ready.goals and not mirror.sent(folder, machine.storage.mirror):
            mirror.send(folder, machine.storage.mirror, view.remark)
        if not worked:
            view.nothing_to_do(folder, ready.goals)
            return folder
        shutil.rmtree(folder.root / "work", ignore_errors=True)  # empty, or left by steps that are no more
    view.finished(folder, ready.goals)
    return folder


def _go(
    ready: Prepared, recipe_path: Path, view: View, page: live.Page, heed: Callable[[], None], *, detach: bool
) -> None:
    """Freeze this plan in the run folder and run what has to run of it. Raises StepFailed."""
    folder, machine = ready.folder, ready.machine
    store = _freeze(ready, recipe_path)
    if machine.storage.keep == "selected":  # what a killed run had no time to delete
        collect(folder, ready.plan, store)
    if not ready.todo:
        return
    with (
        view.watching(folder, ready.plan, ready.todo, store) as tell,
        nullcontext(tell) if ready.goals else live.following(page, tell) as told,
    ):
        work = Work(folder.root.resolve(), ready.plan, machine, ready.todo, detach)
        try:
            outcome = EXECUTORS[machine.executor](work, _heeding(told, heed))
        except Detached as left:
            if ready.deciding is None:
                raise
            raise Detached(
                f"{left}\nThey end with {ready.deciding}, which says whether another round follows: run again after it."
            ) from None
    if outcome.failed:
        raise StepFailed(describe(ready, outcome))


def _freeze(ready: Prepared, recipe_path: Path) -> Store:
    """Write the plan and all that its steps read into the run folder; what is done already is linked."""
    store = store_of(ready.machine, ready.folder.root.parent)
    store.root.mkdir(parents=True, exist_ok=True)
    ready.folder.prepare(ready.plan, ready.machine, recipe_path)
    for step in ready.plan.steps:
        if store.fresh(ready.plan.prints[step.name]):
            ready.folder.link(ready.plan, step, store)
    return store


def announce(ready: Prepared, recipe_path: Path) -> None:
    """Let other runs know what this one will need: weights that it shares with them stay until it has had them."""
    if ready.folder.parts() != ready.plan.parts:
        with disk_full_in_words(), _locked(ready.folder):
            _freeze(ready, recipe_path)


def describe(ready: Prepared, outcome: Outcome) -> str:
    """What failed, the command to paste, the log and its last lines, what to do. One paragraph per failed step."""
    store = ready.folder.store()
    names = [step.name for step in ready.plan.steps]
    said: list[str] = []
    for name, wrong in outcome.failed.items():
        record, log = store.record(ready.plan.prints[name]), ready.folder.log(name)
        said.append(f"step {names.index(name) + 1} of {len(names)}, {name}: {wrong}")
        if record and record.command:
            said.append(f"  command   {record.command}")
        said.append(f"  log       {log}, last lines:")
        said += [f"    {line}" for line in tail(log, 8).splitlines()]
        if record and record.advice:
            said.append(f"  advice    {record.advice}")
    if outcome.blocked:
        said.append(
            f"{len(outcome.blocked)} more wait for it: {', '.join(outcome.blocked[:4])}"
            + (", ..." if outcome.blocked[4:] else "")
        )
    said.append("Nothing that was finished is lost. Run the same command again to go on from here.")
    return "\n".join(said)


def _refuse_missing(ready: Prepared) -> None:
    """Inputs and tools that the steps to run need, all of them at once, before anything starts."""
    absent = sorted(
        {name for step in ready.todo for name in step.inputs if ready.plan.parts[step.name][name] == MISSING}
    )
    if absent:
        lines = [
            f"  {name.removeprefix('inputs/')}: {ready.plan.links.get(name, name)} is not there" for name in absent
        ]
        raise MissingInput(
            "\n".join(
                [
                    f"recipe {ready.recipe.name} cannot start, inputs are missing",
                    *lines,
                    "Put them there, or mend the paths in the recipe.",
                ]
            )
        )
    tools = {command.tool for step in ready.todo for command in step.call.commands} - {OWN}
    tools |= {tool for step in ready.todo for tool in step.call.starts}
    lines = [f"  {line}" for line in presence.lost(ready.machine, tools, locate)]
    lines += [f"  {what}: no program {path!r}" for what, path in lost_beside(ready.machine, ready.todo)]
    if lines:
        raise MissingTool(
            "\n".join(
                [
                    "tools are missing",
                    *lines,
                    "Install them (`make install` in a checkout, or pip install 'mot-plugin[corpus,train,merge,eval]'),",
                    "or say how they are started, under `tools:` in a machine file.",
                ]
            )
        )


def _refuse_closed(ready: Prepared) -> None:
    """A store that somebody else shares with us so that we can read it only: noticed before hours of work."""
    if not ready.todo:
        return
    lines = sharing.closed(store_of(ready.machine, ready.folder.root.parent), *touched(ready))
    if lines:
        raise FileError(
            "\n".join(
                [
                    f"recipe {ready.recipe.name} cannot start: what others made in the store is closed",
                    *(f"  {line}" for line in lines),
                    f"{sharing.REMEDY}. Or name a store of your own (`storage: {{store: ...}}` in the machine file).",
                ]
            )
        )


def touched(ready: Prepared) -> tuple[list[str], list[str]]:
    """Fingerprints that the steps to run will write, and those of finished steps that they read."""
    todo = {step.name for step in ready.todo}
    read = {need for step in ready.todo for need in step.needs} - todo
    return [ready.plan.prints[name] for name in sorted(todo)], [ready.plan.prints[name] for name in sorted(read)]


def lost_beside(machine: Machine, todo: Iterable[Step]) -> list[tuple[str, str]]:
    """(tool, path) of programs that should lie in a tool's environment and do not; a launcher's are not looked for."""
    found: list[tuple[str, str]] = []
    for command in {command for step in todo for command in step.call.commands if command.program}:
        first, *more = machine.tool(command.tool).command
        path = Path(beside([locate(first) or first, *more], command.program)[-1])
        if path.is_absolute() and not path.exists():
            found.append((f"{command.program} in the environment of {command.tool}", str(path)))
    return sorted(set(found))


@contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    """One `run` per folder."""
    busy = f"{folder.root} is being run by another process ({{holder}})\n" + (
        f"Watch it with `mot-plugin status {folder.root}`, or stop it and run again; nothing was changed."
    )
    with claims.held(folder.claim, busy):
        yield


def _heeding(tell: Watcher, heed: Callable[[], None]) -> Watcher:
    """A watcher through which a stop is heard that was forgotten."""

    def told(event: Event, step: Step, number: int, words: str = "") -> None:
        heed()
        tell(event, step, number, words)

    return told


@contextmanager
def _stoppable() -> Iterator[Callable[[], None]]:
    """TERM and HUP stop a run as Ctrl-C does: the step's supervisor first, then us. What `nohup` ignores stays ignored.

    What is yielded raises KeyboardInterrupt, too, once one was asked for: Python forgets one that comes inside of a callback
    of its own (around a fork, in `__del__`).
    """
    asked: list[int] = []

    def heed() -> None:
        if asked:
            raise KeyboardInterrupt

    def stop(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        heed()

    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in stopping if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield heed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
