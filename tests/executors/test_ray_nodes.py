"""Steps on a Ray cluster that is there already: a training over two nodes, a driver that ends, a node that is lost."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray_nodes
from attacked import ANNA, SAID, Attacked, attacked, parent, stop
from fake_world import wait_for
from ray_nodes import Nodes

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes with two GPUs each. The last test of this file takes one of them away."""
    pytest.importorskip("ray", reason="package ray (extra ray) is not installed")
    with ray_nodes.running(gpus=2) as made:
        yield made


@pytest.fixture
def world(nodes: Nodes, tmp_path: Path) -> Iterator[Attacked]:
    """Trainings take a whole node; what the fakes must know reaches a cluster through the machine file only."""
    root = tmp_path / "world"
    fakes = {"FAKE_LOG": str(root / "starts.jsonl"), "FAKE_FAULTS": str(root / "faults.json")}
    steps = {"train": {"gpus": 2}, "evaluate": {"gpus": 1}}
    made = attacked(root, "ray", ray={"address": nodes.address}, nodes=2, steps=steps, env=fakes)
    made = Attacked(made.root, nodes.inside())
    yield made
    made.end_all()


def spread(machine: dict) -> None:  # type: ignore[type-arg]
    """One training on both nodes, with one GPU of each."""
    machine["steps"]["train"] = {"gpus": 1, "nodes": 2}


def words(said: str) -> str:
    """Without Ray's remark that a network of its own has no way out."""
    return "".join(line for line in said.splitlines(keepends=True) if "network_util.cc" not in line)


@pytest.mark.parametrize("failing", ["0", "1"])
def test_a_training_over_two_nodes(world: Attacked, failing: str) -> None:
    """Both ranks know each other; one that fails ends the attempt, and the next one meets again."""
    world.edit(spread, "machine.yaml")
    world.fault("llamafactory-cli", "exit1", match="anna", rank=failing)
    ended = world.run()
    assert (ended.returncode, words(ended.stderr)) == (0, ""), ended.stdout + ended.stderr
    # Rank 0 does the fake's work: it may have ended well before it hears that the other one failed.
    world.checked(None if failing == "0" else world.done().keys() - {ANNA})
    assert world.records()[ANNA]["attempt"] == 2
    ranks = [row for row in world.log("rank") if "branches/bert" in " ".join(row["argv"])]
    assert {row["given"]["NODE_RANK"] for row in ranks} == {"0", "1"}
    assert {row["node"] for row in ranks} == {"n1", "n2"}
    assert {row["given"]["NNODES"] for row in ranks} == {"2"}
    assert len({(row["given"]["MASTER_ADDR"], row["given"]["MASTER_PORT"]) for row in ranks}) == 1
    assert all(len(row["gpus"]) == 1 for row in ranks)
    assert not (world.run_folder / "spread").exists() or not any((world.run_folder / "spread").rglob("*.start"))


def test_a_lost_rank_has_the_step_run_again(world: Attacked) -> None:
    world.edit(spread, "machine.yaml")
    world.fault("llamafactory-cli", "slow", match="anna", times=2, seconds=600)
    process = world.start()
    wait_for(lambda: world.starts("llamafactory-cli", "anna") == 2)
    (second,) = [pid for pid, line in world.processes().items() if re.search(rf" meet \S*{ANNA}\S* 1\s*$", line)]
    os.kill(parent(second), signal.SIGKILL)
    _, said = process.communicate(timeout=180)
    assert (process.returncode, words(said)) == (0, "")
    world.checked()
    assert world.starts("llamafactory-cli", "anna") == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_ends_leaves_the_cluster_and_nothing_on_it(world: Attacked, nodes: Nodes, number: int) -> None:
    world.edit(spread, "machine.yaml")
    world.fault("llamafactory-cli", "grandchild", match="anna", times=2, seconds=600)
    ended = stop(world, lambda: len(world.log("grandchild")) == 2, number)
    assert (ended[0], words(ended[1])) == ((130, SAID) if number == signal.SIGTERM else (-signal.SIGKILL, ""))
    world.gone()
    assert all(Path(f"/proc/{pid}").exists() for pid in nodes.raylets.values())


def test_a_lost_node_s_step_runs_on_another(world: Attacked, nodes: Nodes) -> None:
    world.fault("llamafactory-cli", "grandchild", match="anna", seconds=600)
    process = world.start()
    wait_for(lambda: world.log("grandchild"))
    where = world.log("grandchild")[0]["node"]
    kept = world.done()
    os.kill(nodes.raylets[where], signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert (process.returncode, words(said)) == (0, "")
    world.checked(kept)
    assert kept.items() <= world.done().items()
    started = [row["node"] for row in world.log() if "branches/anna" in " ".join(row["argv"])]
    assert (started[0], len(started)) == (where, 2)
    assert started[1] != where
