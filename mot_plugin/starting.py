"""How one command of a step is started: its argv, its environment, and the line that a person can paste."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from mot_plugin import environments, spread
from mot_plugin.blocks import OWN
from mot_plugin.folder import Folder
from mot_plugin.machine import Machine
from mot_plugin.processes import MARK, SUPERVISOR, locate
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store
from mot_plugin.tools.call import BINDS, Command, beside, filled, neighbours_first, outermost


def resolve(
    command: Command, step: Step, folder: Folder, plan: Plan, machine: Machine, store: Store
) -> tuple[list[str], dict[str, str], str]:
    """argv, environment and the line to paste."""
    tool = machine.tool(command.tool)
    prefix = (
        [sys.executable, "-m", "mot_plugin"]
        if command.tool == OWN
        else beside([locate(tool.command[0]) or tool.command[0], *tool.command[1:]], command.program)
    )
    extra = {**machine.env, **tool.env, **dict(command.env)}
    if not step.gpus:
        extra["CUDA_VISIBLE_DEVICES"] = ""
    folders = _folders(folder, plan, machine, store, step)
    prefix = filled(prefix, folders, str(folder.root), extra)
    named = filled(beside(tool.command, command.program), folders, str(folder.root), extra)
    shown, *options = [OWN] if command.tool == OWN else prefix if command.program else named
    if shutil.which(shown) is None:  # this Python's environment is not on PATH, so a shell needs the full name
        shown = locate(shown) or shown
    rest = [*command.args, *command.place]
    variables = (
        "" if command.tool == OWN else "".join(f"{key}={shlex.quote(value)} " for key, value in sorted(extra.items()))
    )
    path = extra.get("PATH", os.environ.get("PATH", os.defpath))
    if command.tool != OWN and (first := neighbours_first(prefix[0], path)) != path:
        extra["PATH"] = first
        if step.gpus or "FORCE_TORCHRUN" in extra:
            variables += f"PATH={shlex.quote(first.partition(os.pathsep)[0])}{os.pathsep}$PATH "
    pasted = f"cd {shlex.quote(str(folder.root))} && {variables}{shlex.join([shown, *options, *rest])}"
    argv, extra[MARK] = [*prefix, *rest], str(folder.work(step.name))
    extra[SUPERVISOR] = str(os.getpid())
    if folders:
        extra[BINDS] = os.pathsep.join(folders)
    if command.spread and step.nodes > 1:
        argv, shared = spread.over(step.nodes, argv, extra, os.environ)
        extra, pasted = {**extra, **shared}, f"{pasted}  # on each of {step.nodes} nodes"
    return argv, {**os.environ, **extra}, pasted


def _folders(folder: Folder, plan: Plan, machine: Machine, store: Store, step: Step) -> list[str]:
    """What a container has to see at the paths that it has here: the run, the store, and what lies outside of both."""
    if not environments.contained(machine.tools.values()):
        return []
    places = [folder.root, folder.work(step.name), store.root]
    places += [Path(target) for target in plan.links.values() if Path(target).exists()]
    return outermost(str(path) for place in places for path in (place.absolute(), place.resolve()))
