"""Does the executor's own machinery answer, and has it what the machine file asks of it?"""

import re
import socket
from collections.abc import Iterator

from mot_plugin.blocks import OWN
from mot_plugin.doctor import known, outside
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown
from mot_plugin.errors import FileError, MissingTool
from mot_plugin.executors import ray_place
from mot_plugin.machine import ON_GPUS

SLURM = ("sbatch", "squeue", "scancel", "sinfo")
SECONDS = 10.0
_SINFO = ["sinfo", "--noheader", "--Node", "--format=%R|%G|%N"]


def check(context: Context) -> Iterator[Finding]:
    """serial needs nothing. No step may take more than a node has, whatever runs it."""
    yield from _asked_for(context)
    if context.machine.executor == "ray":
        yield from _ray(context)
    elif context.machine.executor == "slurm":
        yield from _slurm(context)
    else:
        yield ok("executor", "serial: one step after the other, here")


def _asked_for(context: Context) -> Iterator[Finding]:
    machine = context.machine
    for kind in sorted({*machine.steps, *ON_GPUS} - {"*"}):
        takes = machine.takes(kind)
        if (takes.gpus or 0) > machine.gpu_count or takes.nodes > machine.nodes:
            have = f"{machine.nodes} of {machine.gpu_count} GPUs"
            said = f"{takes.nodes} nodes of {takes.gpus} GPUs, and the machine file has {have}"
            yield error(f"steps.{kind}", said, "mend `steps:`, `gpus:` or `nodes:` in the machine file", FileError)


def _ray(context: Context) -> Iterator[Finding]:
    ours = context.environments[OWN]
    found = ours.packages.get("ray")
    if found is None:
        yield error("ray", f"{ours.where} lacks it", f"{ours.pip} 'mot-plugin[ray]'", MissingTool)
        return
    if not known.within(found, known.RAY):
        said = f"{found} in {ours.where}: its ports are open to the network without a password"
        yield error("ray", said, f"{ours.pip} 'ray{known.RAY}'", MissingTool)
        return
    yield ok("ray", f"{found} in {ours.where}")
    address = context.machine.ray.address
    if address is None:
        yield ok("cluster", "one on this computer, for the time of the run")
        yield from _on_this_computer(context)
        return
    if "//" in address:
        said = f"{address}: Ray's client protocol cannot place steps"
        yield error("cluster", said, "write HOST:PORT of the head node as ray.address", FileError)
        return
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        yield unknown("cluster", f"{address}: Ray itself looks for it")
        return
    try:
        with socket.create_connection((host, int(port)), timeout=3):
            yield ok("cluster", f"{address} answers")
    except OSError as wrong:
        said = f"{address} does not answer: {wrong.strerror or wrong}"
        yield error("cluster", said, f"start it there with `ray start --head --port={port}`, or mend ray.address")


def _on_this_computer(context: Context) -> Iterator[Finding]:
    """No node will be added that has what a step lacks."""
    cores = ray_place.cores(context.machine)
    for kind in sorted(context.kinds):
        if (cpus := context.machine.takes(kind).cpus) > cores:
            said = f"{cpus} processors, and this computer has {cores}"
            yield error(f"steps.{kind}", said, f"mend steps.{kind}.cpus in the machine file", FileError)


def _slurm(context: Context) -> Iterator[Finding]:
    absent = [name for name in SLURM if outside.found(name, context.environ) is None]
    if absent:
        said = f"no {', '.join(absent)} on PATH"
        yield error(
            "slurm", said, "run this on a login node of the cluster (Debian: apt-get install slurm-client)", MissingTool
        )
        return
    said_ = outside.ask(_SINFO, context.environ, SECONDS)
    if said_.wrong:
        yield error("slurm", f"it does not answer: {said_.wrong}", "sinfo, and ask who keeps the cluster")
        return
    nodes = [line.split("|") for line in said_.text.strip().split("\n") if line.count("|") == 2]
    yield ok("slurm", f"it answers, with {len({name for _, _, name in nodes})} nodes")
    yield from _partitions(context, nodes)


def _partitions(context: Context, nodes: list[list[str]]) -> Iterator[Finding]:
    """Each partition that is named, and whether enough of its nodes have the GPUs of a step."""
    machine = context.machine
    there = {partition for partition, _, _ in nodes}
    named = {
        kind: machine.takes(kind).partition or machine.slurm.partition
        for kind in sorted({*machine.steps, *ON_GPUS} - {"*"})
    }
    told: set[str] = set()
    for kind, partition in named.items():
        if partition is not None and partition not in there:
            if partition not in told:
                said = f"there is none; there are {', '.join(sorted(there)) or 'none at all'}"
                yield error(f"partition {partition}", said, "mend its name in the machine file", FileError)
            told.add(partition)
            continue
        takes = machine.takes(kind)
        mine = {name: gpus(gres) for one, gres, name in nodes if partition in (one, None)}
        fitting = sum(count >= (takes.gpus or 0) for count in mine.values())
        where = f"partition {partition}" if partition else "the cluster"
        if fitting < takes.nodes:
            said = f"{takes.nodes} nodes with {takes.gpus} GPUs, and {where} has {fitting}"
            yield error(f"steps.{kind}", said, f"mend `gpus`, `nodes` or `partition` of steps.{kind}", FileError)
        elif takes.gpus:
            yield ok(f"steps.{kind}", f"{takes.gpus} GPUs on {takes.nodes} of {fitting} such nodes in {where}")


def gpus(gres: str) -> int:
    """GPUs of a node, from sinfo's words: `gpu:2`, `gpu:h100:8(S:0-1)`, `(null)`."""
    return sum(int(found[1]) for found in re.finditer(r"\bgpu(?::[^:,()]+)?:(\d+)", gres))
