"""A Ray cluster of a head and two nodes with fake GPUs on this computer, in a network of its own where that is possible.

As a program: makes the cluster, prints one line of JSON about it, and takes it down when its input ends.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ALONE = ["unshare", "--net", "bash", "-c", 'ip link set lo up && exec "$@"', "bash"]
"""A network of its own that has a loopback device only."""


@dataclass(frozen=True)
class Nodes:
    """A running cluster."""

    process: "subprocess.Popen[str]"
    address: str
    raylets: dict[str, int]
    """Node -> the process that is the node."""
    alone: bool

    def inside(self) -> list[str]:
        """argv prefix of what is to see the cluster."""
        return ["nsenter", f"--target={self.process.pid}", "--net"] if self.alone else []


def network_of_its_own() -> bool:
    """Whether this user may make one."""
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def running(gpus: int = 2) -> Iterator[Nodes]:
    """A head without GPUs, n1 and n2 with so many fake ones each; the variable FAKE_NODE says to a step where it is."""
    alone = network_of_its_own()
    # A short path of its own, or two clusters at once would share sockets and each other's "current" one.
    folder = tempfile.mkdtemp(prefix="mot-nodes-", dir="/tmp")
    process = subprocess.Popen(
        [*(ALONE if alone else []), sys.executable, __file__, str(gpus)],
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin and process.stdout
    try:
        said = json.loads(next(line for line in process.stdout if line.startswith("{")))
        yield Nodes(process, said["address"], said["raylets"], alone)
    finally:
        process.stdin.close()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _serve(gpus: int) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    raylets: dict[str, int] = {}
    for name in ("head", "n1", "n2"):
        node: Any = cluster.add_node(
            num_cpus=4,
            num_gpus=0 if name == "head" else gpus,
            resources={"mot_merge": 1},
            object_store_memory=80 << 20,
            node_ip_address="127.0.0.1",
            include_dashboard=False,
            env_vars={"FAKE_NODE": name},
        )
        raylets[name] = node.all_processes["raylet"][0].process.pid
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
