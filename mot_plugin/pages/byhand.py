"""How to do it again: the whole run in one command, and each step's own commands, as they can be pasted."""

import shlex
from dataclasses import dataclass

from mot_plugin.folder import Folder
from mot_plugin.pages import discreet
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store


@dataclass(frozen=True)
class Commands:
    """A step's commands in order, and the files that they read."""

    step: str
    lines: tuple[str, ...]
    files: tuple[str, ...]


def whole(folder: Folder, plan: Plan) -> str:
    """The commands of a run; paths in a recipe start at the folder that it lies in, which nobody wrote down."""
    root = shlex.quote(str(folder.root.resolve()))
    return (
        f"mot-plugin run {shlex.quote(plan.recipe + '.yaml')} --machine {root}/machine.json\n"
        f"mot-plugin status {root}\n"
        f"mot-plugin report {root} --open"
    )


def steps(plan: Plan, store: Store) -> list[Commands]:
    """Every step's commands; the last of each as it was run, with its environment, if it was."""
    return [
        Commands(step.name, _lines(plan, store, step), tuple(f.path for f in step.call.files)) for step in plan.steps
    ]


def _lines(plan: Plan, store: Store, step: Step) -> tuple[str, ...]:
    record = store.record(plan.prints[step.name])
    planned = [shlex.join([command.tool, *command.args, *command.place]) for command in step.call.commands]
    if record is not None and record.command and record.state == "done" and record.run == plan.recipe:
        planned[-1:] = [record.command]
    return tuple(discreet.text(line) for line in planned)
