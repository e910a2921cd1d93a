"""Several recipes in one go: teachers' runs before those that learn from them, shared steps once, one failure not the end."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mot_plugin import recipe as recipes
from mot_plugin import run as runs
from mot_plugin.errors import FileError, MotError
from mot_plugin.executors.work import Detached
from mot_plugin.folder import Folder, store_of
from mot_plugin.machine import Machine
from mot_plugin.recipe import Recipe
from mot_plugin.step import MISSING, Plan
from mot_plugin.views import View


@dataclass(frozen=True)
class Given:
    """A recipe, its file, and those of the other given recipes whose runs' students teach in it."""

    path: Path
    recipe: Recipe
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ending:
    """What came of one recipe."""

    name: str
    steps: int = 0
    ran: int = 0
    shared: Mapping[str, int] = field(default_factory=dict)
    """Run -> steps that were found done in its name."""
    code: int = 0
    why: str = ""
    """Why it did not end well, or did not end yet."""
    left: bool = False
    """It goes on in a queue, or waits for one that does."""

    @property
    def words(self) -> str:
        """`20 steps: 8 run, 12 reused (quickstart)`."""
        if self.code or self.left:
            return self.why
        reused = self.steps - self.ran
        others = f" ({', '.join(f'{count} of {name}' for name, count in self.shared.items())})" if self.shared else ""
        return f"{self.steps} steps: {self.ran} run, {reused} reused{others}"


def arrange(paths: Sequence[Path], machine: Machine) -> list[Given]:
    """Load all and put them in an order that works, as near to the given one as can be. Raises FileError."""
    loaded: dict[str, tuple[Path, Recipe]] = {}
    wrong: list[str] = []
    for path in paths:
        try:
            made = recipes.load(path)
        except FileError as error:
            wrong.append(str(error))
            continue
        if made.name in loaded and loaded[made.name][0] != path:
            wrong.append(
                f"{loaded[made.name][0]} and {path} are both called {made.name!r}: one run folder cannot be both"
            )
        loaded[made.name] = (path, made)
    if wrong:
        raise FileError("\n".join(wrong))
    folders = {_absolute(Path(machine.storage.runs) / name): name for name in loaded}
    waiting = {name: Given(path, made, tuple(_teaching(path, made, folders))) for name, (path, made) in loaded.items()}
    ordered: list[Given] = []
    while waiting:
        ready = next((name for name, one in waiting.items() if not set(one.after) & set(waiting)), None)
        if ready is None:
            raise FileError(f"{' and '.join(waiting)} wait for each other's students: none of them can be first")
        ordered.append(waiting.pop(ready))
    return ordered


def _teaching(path: Path, made: Recipe, folders: Mapping[str, str]) -> list[str]:
    taught = [_absolute(path.parent / Path(one.run).expanduser()) for one in made.teachers.values() if one.run]
    return [folders[folder] for folder in taught if folder in folders]


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100  (as materials does: symbolic links as the user wrote them)


def run(given: Sequence[Given], machine: Machine, view: View, *, detach: bool = False) -> list[Ending]:
    """Run each to its report; what one needs and another makes is made once. A failed one stops only those that need it.

    With `detach` none is waited for: all is handed to a queue.
    """
    if len(given) > 1:
        for one in given:
            _announce(one, machine)
    endings: dict[str, Ending] = {}
    for number, one in enumerate(given, 1):
        name = one.recipe.name
        if len(given) > 1:
            view.remark(f"\n== {name}, recipe {number} of {len(given)}")
        lost = [earlier for earlier in one.after if endings[earlier].code]
        if lost:
            endings[name] = Ending(name, code=endings[lost[0]].code, why=f"not run: its teacher's run {lost[0]} failed")
            continue
        waits = [earlier for earlier in one.after if endings[earlier].left]
        if waits:
            endings[name] = Ending(name, why=f"not submitted: its teacher's run {waits[0]} has to end first", left=True)
            continue
        endings[name] = _one(one, machine, view, alone=len(given) == 1, detach=detach)
    return list(endings.values())


def _one(one: Given, machine: Machine, view: View, *, alone: bool, detach: bool) -> Ending:
    name = one.recipe.name
    before = _done(Folder(Path(machine.storage.runs) / name), machine)
    try:
        folder = runs.run(one.path, machine, view, detach=detach)
    except Detached as left:
        view.remark(str(left))
        return Ending(name, why=str(left).partition("\n")[0], left=True)
    except MotError as error:
        if alone:
            raise
        view.remark(f"error: {error}")
        return Ending(name, code=error.exit_code, why=f"failed: {str(error).partition(chr(10))[0]}")
    return account(folder.plan(), folder, before)


def _announce(one: Given, machine: Machine) -> None:
    """What cannot be planned or begun yet says so when its turn comes."""
    try:
        ready = runs.prepare(one.path, machine, one.recipe)
        if MISSING not in {part for parts in ready.plan.parts.values() for part in parts.values()}:
            runs.announce(ready, one.path)
    except MotError:
        return


def _done(folder: Folder, machine: Machine) -> dict[str, float]:
    """Fingerprint -> when the attempt began that finished it, for all of the store."""
    store = store_of(machine, folder.root.parent)
    found: dict[str, float] = {}
    for home in store.root.glob("*/record.json"):
        record = store.record(home.parent.name)
        if record is not None and record.state == "done":
            found[home.parent.name] = record.started
    return found


def account(plan: Plan, folder: Folder, before: Mapping[str, float]) -> Ending:
    """What a run that ended well did itself, and what it found done."""
    store = folder.store()
    ran, shared = 0, dict[str, int]()
    for step in plan.steps:
        record = store.record(plan.prints[step.name])
        if record is None:  # nobody needed it: what reads it was done
            continue
        if record.started != before.get(plan.prints[step.name]):
            ran += 1
        elif record.run != plan.recipe:
            shared[record.run] = shared.get(record.run, 0) + 1
    return Ending(plan.recipe, len(plan.steps), ran, shared)


def summary(endings: Sequence[Ending]) -> str:
    """One line for each recipe, and what the sharing was worth in all."""
    width = max(len(name) for name in (*(one.name for one in endings), *(["in all"] if len(endings) > 1 else [])))
    lines = [f"{one.name:<{width}}  {one.words}" for one in endings]
    well = [one for one in endings if not one.code]
    if len(endings) > 1 and not any(one.left for one in endings):
        steps, ran = sum(one.steps for one in well), sum(one.ran for one in well)
        lines.append(f"{'in all':<{width}}  {steps} steps: {ran} run, {steps - ran} reused")
        if len(well) < len(endings):
            lines[-1] += f"; {len(endings) - len(well)} of {len(endings)} recipes failed"
    return "\n".join(lines)
