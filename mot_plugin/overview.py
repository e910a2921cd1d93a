"""What `plan` prints: one recipe step by step, several one line each, with what they share and what they cost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mot_plugin import effort, views
from mot_plugin.costs import words
from mot_plugin.costs.case import Case, case
from mot_plugin.costs.estimate import Estimate, estimate
from mot_plugin.folder import store_of
from mot_plugin.run import Prepared

if TYPE_CHECKING:
    from rich.console import RenderableType


def priced(ready: Sequence[Prepared]) -> Estimate:
    """What all that has to run of these plans costs on their machine."""
    return estimate([case_of(one) for one in ready], ready[0].machine)


def case_of(ready: Prepared) -> Case:
    """What has to run of a plan, priced."""
    store = store_of(ready.machine, ready.folder.root.parent)
    todo = [name for name, status in ready.found.items() if status.state == "todo"]
    return case(ready.recipe, ready.machine, ready.gathered, ready.plan, todo, store)


def one(ready: Prepared, cost: Estimate) -> "RenderableType":
    """Every step, then the optimizer steps of each method, what is not decided yet, and what it costs."""
    from rich.console import Group
    from rich.text import Text

    more = [effort.words(ready.plan, ready.recipe), effort.rounds(ready.plan, ready.recipe, ready.deciding)]
    return Group(
        views.planned(ready.plan, ready.found, ready.machine), *(Text(line) for line in more if line), *_costs(cost)
    )


def _costs(cost: Estimate) -> "list[RenderableType]":
    """A line for each thing that it takes, folded below its name."""
    from rich.table import Table
    from rich.text import Text

    said = words.lines(cost)
    if not said:
        return []
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for line in said:
        table.add_row(line[: words.INDENT].strip(), line[words.INDENT :])
    return [Text("\nestimated, as docs/costs.md says:", style="dim"), table]


def several(ready: Sequence[Prepared], cost: Estimate) -> "RenderableType":
    """A line for each recipe: steps, those that an earlier line has too, those that have to run, what they cost; then all."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    unit = "GPU-hours" if cost.whole.gpus else "hours"
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("recipe", "steps", "shared", "to run", "optimizer steps", "scored", unit, "alone", "waits for"):
        table.add_column(column, justify="left" if column in ("recipe", "waits for") else "right")
    seen: set[str] = set()
    to_run = trained = scored = 0
    for each, added, alone in zip(ready, cost.shared.added, cost.shared.alone, strict=True):
        new = [step for step in each.plan.steps if each.plan.prints[step.name] not in seen]
        todo = [step for step in new if each.found[step.name].state == "todo"]
        seen |= set(each.plan.prints.values())
        steps = sum(step.at or 0 for step in todo if step.kind == "train")
        models = sum(step.kind == "evaluate" for step in todo)
        to_run, trained, scored = to_run + len(todo), trained + steps, scored + models
        absent = {name for step in each.plan.steps for name in step.inputs if _missing(each, step.name, name)}
        row = [len(each.plan.steps), len(each.plan.steps) - len(new), len(todo), f"{steps:,}", models]
        row += [words.hours(added.hours), words.hours(alone.hours)]
        table.add_row(each.recipe.name, *map(str, row), ", ".join(sorted(map(_shown, absent))))
    every = sum(len(each.plan.steps) for each in ready)
    whole = [every, every - len(seen), to_run, f"{trained:,}", scored]
    whole += [words.hours(cost.whole.hours), words.hours(cost.shared.without)]
    table.add_row("in all", *map(str, whole), "", style="bold")
    said = "shared: also in a recipe above, and run once; the rest is of what has to run. alone: if it were the only recipe"
    return Group(table, Text(said), *_costs(cost))


def _missing(ready: Prepared, step: str, name: str) -> bool:
    from mot_plugin.step import MISSING

    return ready.plan.parts[step][name] == MISSING


def _shown(name: str) -> str:
    return name.removeprefix("inputs/").replace("teachers/", "teacher ")
