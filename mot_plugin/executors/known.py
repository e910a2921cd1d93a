"""The executors by the name that a machine file calls them: the one place to add another."""

from collections.abc import Mapping, Sequence

from mot_plugin.errors import FileError, MissingTool
from mot_plugin.executors import ray, ray_place, serial, slurm
from mot_plugin.executors.work import Executor
from mot_plugin.machine import Machine
from mot_plugin.step import Step

EXECUTORS: Mapping[str, Executor] = {"serial": serial.run, "ray": ray.run, "slurm": slurm.run}


def refuse(machine: Machine, todo: Sequence[Step]) -> None:
    """What the machine's executor cannot do, before anything starts. Raises MissingTool or FileError."""
    if not todo:
        return
    if machine.executor == "ray" and (lacking := ray_place.lacking()):
        raise MissingTool(
            f"executor ray: {lacking}\nInstall it (pip install 'mot-plugin[ray]'), or let another executor run the steps "
            "(`executor:` in the machine file, --executor serial)."
        )
    one_node = machine.executor == "serial" or (machine.executor == "ray" and machine.ray.address is None)
    wide = {step.kind: step.nodes for step in todo if step.nodes > 1}
    if wide and one_node:
        kind, nodes = next(iter(wide.items()))
        raise FileError(
            f"executor {machine.executor}: a step of kind {kind} takes {nodes} nodes, and here is one\nLet a cluster run it "
            f"(executor slurm, or ray with an address), or set steps.{kind}.nodes to 1 in the machine file."
        )
