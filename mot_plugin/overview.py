"""What `plan` prints: one recipe step by step, several one line each, with what they share and what they cost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mot_plugin import effort, views
from mot_plugin.run import Prepared

if TYPE_CHECKING:
    from rich.console import RenderableType


def one(ready: Prepared) -> "RenderableType":
    """Every step, then the optimizer steps of each method and what is not decided yet."""
    from rich.console import Group
    from rich.text import Text

    more = [effort.words(ready.plan, ready.recipe), effort.rounds(ready.plan, ready.recipe, ready.deciding)]
    return Group(views.planned(ready.plan, ready.found, ready.machine), *(Text(line) for line in more if line))


def several(ready: Sequence[Prepared]) -> "RenderableType":
    """A line for each recipe: steps, those that an earlier line has too, those that have to run, optimizer steps."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("recipe", "steps", "shared", "to run", "optimizer steps", "scored", "waits for"):
        table.add_column(column, justify="left" if column in ("recipe", "waits for") else "right")
    seen: set[str] = set()
    to_run = trained = scored = 0
    for each in ready:
        new = [step for step in each.plan.steps if each.plan.prints[step.name] not in seen]
        todo = [step for step in new if each.found[step.name].state == "todo"]
        seen |= set(each.plan.prints.values())
        steps = sum(step.at or 0 for step in todo if step.kind == "train")
        models = sum(step.kind == "evaluate" for step in todo)
        to_run, trained, scored = to_run + len(todo), trained + steps, scored + models
        absent = {name for step in each.plan.steps for name in step.inputs if _missing(each, step.name, name)}
        row = [len(each.plan.steps), len(each.plan.steps) - len(new), len(todo), f"{steps:,}", models]
        table.add_row(each.recipe.name, *map(str, row), ", ".join(sorted(map(_shown, absent))))
    every = sum(len(each.plan.steps) for each in ready)
    table.add_row("in all", *map(str, (every, every - len(seen), to_run, f"{trained:,}", scored)), "", style="bold")
    return Group(
        table, Text("shared: also in a recipe above, and run once; optimizer steps and models of what has to run")
    )


def _missing(ready: Prepared, step: str, name: str) -> bool:
    from mot_plugin.step import MISSING

    return ready.plan.parts[step][name] == MISSING


def _shown(name: str) -> str:
    return name.removeprefix("inputs/").replace("teachers/", "teacher ")
