"""What goes wrong in a cluster, on a real Slurm: killed supervisors, lost nodes, cancelled and requeued jobs, failed steps."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, wait_for
from slurm_cluster import Cluster
from slurm_world import calm, jobs, running, slurm_world

pytestmark = pytest.mark.process
ANNA, BERT, MERGE = "mot/round-1/branches/anna", "mot/round-1/branches/bert", "mot/round-1/merge"
ALIKE = ("corpus", "base")


@pytest.fixture
def world(slurm: Cluster, tmp_path: Path) -> Iterator[World]:
    """Two teachers and one round, whose first teacher's branch does not end by itself."""
    made = slurm_world(tmp_path / "world")
    made.fault("llamafactory-cli", "held", match="anna")
    yield made
    slurm.clear()
    made.end_all()


def busy(world: World) -> None:
    """Wait until that branch is being trained. Its fault is used up then: the next start is a good one."""
    wait_for(lambda: world.starts("llamafactory-cli", "anna"))


def said(process: subprocess.Popen[str], words: str) -> None:
    """Wait until a driver has said it."""
    assert process.stdout is not None
    wait_for(lambda: words in process.stdout.readline() or process.poll() is not None)
    assert process.poll() is None


def job_of(slurm: Cluster, world: World, step: str) -> dict[str, str]:
    """The last job of a step."""
    return jobs(slurm, world)[step][-1]


def states(slurm: Cluster, world: World, step: str) -> list[str]:
    """How the jobs of a step ended."""
    return [job["state"] for job in jobs(slurm, world)[step]]


def test_a_failed_branch_and_a_killed_supervisor(slurm: Cluster, world: World) -> None:
    """What does not need them goes on, what does is blocked and leaves the queue; mended, the same command makes the rest."""
    world.fault("llamafactory-cli", "exit1", match="bert", times=2)
    process = world.start()
    busy(world)
    os.kill(world.records()[ANNA]["pid"], signal.SIGKILL)
    out, wrong = process.communicate(timeout=120)
    assert process.returncode == 3
    assert ", mot/round-1/branches/bert: llamafactory-cli exited with 1\n" in wrong
    killed = job_of(slurm, world, ANNA)["id"]
    assert f", {ANNA}: Slurm job {killed} ended: it failed, and the step left no word" in wrong
    assert "5 more wait for it: mot/round-1/merge, " in wrong
    assert "blocked mot/round-1/merge" in out
    calm(slurm, world)
    assert states(slurm, world, MERGE) == ["CANCELLED"]
    assert "base/evaluate" in world.done()
    kept = {step: began for step, began in world.done().items() if step.startswith(ALIKE)}
    assert len(kept) == 4
    assert world.run().returncode == 0
    assert kept.items() <= world.done().items()
    assert states(slurm, world, MERGE) == ["CANCELLED", "COMPLETED"]
    assert (world.starts("llamafactory-cli", "anna"), world.starts("llamafactory-cli", "bert")) == (2, 3)
    calm(slurm, world)


def test_a_node_that_is_lost(slurm: Cluster, world: World) -> None:
    """Slurm runs the step again on the other node; the driver goes on watching, and what needs the step waits on."""
    process = world.start()
    busy(world)
    lost = job_of(slurm, world, ANNA)["node"]
    kept = world.done()
    slurm.lose_node(lost)
    try:
        said(process, f"{ANNA}: Slurm job {job_of(slurm, world, ANNA)['id']} waits again: ")
        _, wrong = process.communicate(timeout=120)
    finally:
        slurm.start_node(lost)
        slurm.until(lambda: "down" not in slurm.states()[lost], "the node is back")
    assert process.returncode == 0, wrong
    assert states(slurm, world, ANNA) == ["COMPLETED"]
    trained = [
        row["node"] for row in world.log() if "anna" in " ".join(row["argv"]) and row["tool"] == "llamafactory-cli"
    ]
    assert trained[0] == lost
    assert len(trained) == 2
    assert trained[1] != lost
    calm(slurm, world, kept)
    assert kept.items() <= world.done().items()


def test_a_preempted_training_goes_on_from_its_checkpoint(slurm: Cluster, world: World) -> None:
    """Somebody more important takes all GPUs; then the same job begins again, and the training where it was."""
    world.mend()
    world.fault("llamafactory-cli", "stuck", match="anna")
    world.edit(lambda recipe: recipe["methods"]["mot"].update(steps=5))
    world.edit(lambda machine: machine.update(checkpoint_every=2), "machine.yaml")
    process = world.start()
    mark = world.run_folder / "work" / ANNA / "model" / "checkpoint-2" / "mot_plugin.whole"
    wait_for(mark.exists)
    kept = world.done()
    takes = ("--partition=urgent", "--nodes=2", "--gres=gpu:2", "--job-name=urgent", "--output=/dev/null")
    urgent = slurm.ask("sbatch", "--parsable", *takes, "--wrap", "sleep 1").strip()
    said(process, f"{ANNA}: Slurm job {job_of(slurm, world, ANNA)['id']} waits again: ")
    _, wrong = process.communicate(timeout=120)
    assert process.returncode == 0, wrong
    assert [job["state"] for job in slurm.jobs() if job["id"] == urgent] == ["COMPLETED"]
    assert states(slurm, world, ANNA) == ["COMPLETED"]
    assert [row["step"] for row in world.log("from") if "anna" in " ".join(row["argv"])] == [0, 2]
    calm(slurm, world, kept)


def test_a_time_limit(slurm: Cluster, world: World) -> None:
    """A failure in words that say what to change; run again with more time, the training goes on."""
    world.mend()
    world.fault("llamafactory-cli", "stuck", match="anna")
    world.edit(lambda recipe: recipe["methods"]["mot"].update(steps=5))
    minute = {"train": {"gpus": 1, "hours": 0.01}}
    world.edit(lambda machine: machine.update(checkpoint_every=2, steps=machine["steps"] | minute), "machine.yaml")
    ended = world.run()
    assert ended.returncode == 3
    number = job_of(slurm, world, ANNA)["id"]
    assert (
        f"{ANNA}: Slurm job {number} ended: it reached its time limit: say `steps: {{train: {{hours: ...}}}}`"
        in ended.stderr
    )
    assert BERT in world.done()
    world.edit(lambda machine: machine["steps"]["train"].pop("hours"), "machine.yaml")
    again = world.run()
    assert again.returncode == 0, again.stderr
    assert [row["step"] for row in world.log("from") if "anna" in " ".join(row["argv"])] == [0, 2]
    calm(slurm, world)


def test_cancelled_and_run_again_at_once(slurm: Cluster, world: World) -> None:
    """The new job waits until the old one's processes are gone; those that waited for the old one wait for the new one."""
    process = world.start()
    busy(world)
    process.kill()
    process.communicate()
    slurm.ask("scancel", job_of(slurm, world, ANNA)["id"])
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    assert states(slurm, world, ANNA) == ["CANCELLED", "COMPLETED"]
    assert states(slurm, world, MERGE)[-1] == "COMPLETED"
    assert world.starts("llamafactory-cli", "anna") == 2
    assert world.starts("mergekit-yaml") == 1
    calm(slurm, world)


def test_cancelled_and_requeued_while_somebody_watches(slurm: Cluster, world: World) -> None:
    """A requeued job is waited for; a cancelled one is a failure, in words."""
    world.fault("mergekit-yaml", "held")
    process = world.start()
    busy(world)
    slurm.ask("scontrol", "requeue", job_of(slurm, world, ANNA)["id"])
    said(process, f"{ANNA}: Slurm job {job_of(slurm, world, ANNA)['id']} waits again: ")
    slurm.until(running(world, MERGE), "the merge runs")
    assert states(slurm, world, ANNA) == ["COMPLETED"]
    wait_for(lambda: world.starts("mergekit-yaml"))
    slurm.ask("scancel", job_of(slurm, world, MERGE)["id"])
    _, wrong = process.communicate(timeout=120)
    assert process.returncode == 3
    number = job_of(slurm, world, MERGE)["id"]
    assert f"{MERGE}: Slurm job {number} ended: it was cancelled (stopped by SIGTERM)" in wrong
    calm(slurm, world)
