"""One command on several nodes: what a supervisor starts instead of it. How, the executor says in the supervisor's environment."""

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mot_plugin.errors import FileError
from mot_plugin.store import replace_text

WAY = "MOT_PLUGIN_SPREAD"
"""`follow`: the others wait at a meeting (meeting.py). `srun`: Slurm starts it everywhere."""
ADDRESS = "MOT_PLUGIN_ADDRESS"
"""How other nodes reach this one; its host name if not given."""
MEETING = "MOT_PLUGIN_MEETING"
"""Folder that all nodes of one step see."""
MEET = (sys.executable, "-m", "mot_plugin", "meet")


def over(
    nodes: int, argv: Sequence[str], ours: Mapping[str, str], given: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """(argv to start here, variables to add) for a command on `nodes` nodes, this one first.

    `ours` are the variables that every rank needs, `given` is the supervisor's own environment. LLaMA-Factory's launcher
    reads NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT. Raises FileError where there is only one node.
    """
    ways = {"follow": _follow, "srun": _srun}
    way = given.get(WAY)
    if way not in ways:
        raise FileError(
            f"it takes {nodes} nodes, and this executor has one: let `slurm` run it, or `ray` with an address, or set its "
            "`nodes` to 1 in the machine file"
        )
    address = given.get(ADDRESS) or socket.gethostname()
    shared = {"NNODES": str(nodes), "MASTER_ADDR": address, "MASTER_PORT": str(free_port())}
    return ways[way](nodes, argv, {**ours, **shared}, given), shared


def free_port() -> int:
    """A port of this computer that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("", 0))
        found: int = one.getsockname()[1]
        return found


def _srun(nodes: int, argv: Sequence[str], ours: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Inside of a job that has the nodes. srun hands its own environment on."""
    del ours
    ranked = ["bash", "-c", 'export NODE_RANK=$SLURM_NODEID; exec "$@"', "bash", *argv]
    cpus = given.get("SLURM_CPUS_PER_TASK")  # since 22.05, srun does not take the job's word for it
    size = ["--ntasks-per-node=1", *([f"--cpus-per-task={cpus}"] if cpus else [])]
    return ["srun", f"--nodes={nodes}", *size, "--kill-on-bad-exit=1", *ranked]


def _follow(nodes: int, argv: Sequence[str], ours: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Say what is to be started; `mot-plugin meet` starts it here and waits for the others, who read it there."""
    folder = Path(given[MEETING])
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + len(list(folder.glob("*.start")))
    asked = {"argv": list(argv), "env": dict(ours), "nodes": nodes}
    replace_text(folder / f"{number}.start", json.dumps(asked))
    return [*MEET, str(folder), "0", str(number)]
