"""Whole runs under a real Slurm: what comes of them, who gets which GPU, and what happens when somebody stops watching."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, make_world, wait_for
from slurm_cluster import Cluster
from slurm_world import calm, jobs, once, prints, running, slurm_world

pytestmark = pytest.mark.process
ANNA, BERT, MERGE = "mot/round-1/branches/anna", "mot/round-1/branches/bert", "mot/round-1/merge"
EVALUATE = "mot/round-1/evaluate"


@pytest.fixture
def world(slurm: Cluster, tmp_path: Path) -> Iterator[World]:
    """Two teachers and one round, a Slurm to run them."""
    made = slurm_world(tmp_path / "it's a world")
    yield made
    slurm.clear()
    made.end_all()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the same recipe leaves without Slurm."""
    made = make_world(tmp_path_factory.mktemp("undisturbed") / "world", rounds=1)
    assert made.run().returncode == 0
    return made.result()


def test_a_run_with_a_flaky_step(slurm: Cluster, world: World, undisturbed: dict[str, str]) -> None:
    """The supervisor tries again inside of the job; both branches run side by side, each on a GPU of its own."""
    world.fault("llamafactory-cli", "exit1", match="bert")
    world.fault("llamafactory-cli", "held", match="anna")
    process = world.start()
    wait_for(lambda: running(world, ANNA)() and BERT in world.done())
    (world.root / "go-llamafactory-cli").touch()
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert world.result() == undisturbed
    assert once(slurm, world)
    calm(slurm, world)
    given = {row["argv"][1]: (row["node"], row["gpus"]) for row in world.log() if row["tool"] == "llamafactory-cli"}
    assert len(given) == len(set(given.values())) == 2
    assert world.records()[BERT]["attempt"] == 2
    assert [row["gpus"] for row in world.log() if row["tool"] == "mergekit-yaml"] == [""]
    assert "start   mot/round-1/branches/anna: Slurm job " in out
    again = world.run()
    assert (again.returncode, "everything is done" in again.stdout) == (0, True)
    assert once(slurm, world)


def test_a_driver_that_ends_leaves_its_jobs(slurm: Cluster, world: World, undisturbed: dict[str, str]) -> None:
    """By all four signals, in different phases; the same command goes on watching, and nothing is submitted twice."""
    world.fault("llamafactory-cli", "held", match="anna")
    world.fault("mergekit-yaml", "held")
    moments = [
        (signal.SIGINT, lambda: jobs(slurm, world)),
        (signal.SIGTERM, lambda: ANNA in world.records()),
        (signal.SIGHUP, lambda: ANNA in world.records()),
        (signal.SIGKILL, lambda: MERGE in world.records()),
    ]
    for number, moment in moments:
        process = world.start()
        assert process.stdout is not None
        wait_for(lambda process=process: "queued" in process.stdout.readline() or process.poll() is not None)
        wait_for(moment)
        os.kill(process.pid, number)
        _, said = process.communicate(timeout=60)
        assert "CANCELLED" not in {job["state"] for all_ in jobs(slurm, world).values() for job in all_}
        if number == signal.SIGKILL:
            continue
        if number == signal.SIGHUP:
            (world.root / "go-llamafactory-cli").touch()
        assert process.returncode == 130
        assert "stopped watching; " in said
        assert " jobs stay in Slurm's queue and go on" in said
        assert f"`mot-plugin stop {world.run_folder.resolve()}` cancels them" in said
    (world.root / "go-mergekit-yaml").touch()
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    assert world.result() == undisturbed
    assert once(slurm, world)
    assert world.starts("llamafactory-cli") == 2
    calm(slurm, world)


def test_the_same_command_twice_at_once(slurm: Cluster, world: World, undisturbed: dict[str, str]) -> None:
    both = [world.start(), world.start()]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 4], said
    assert "is being run by another process" in "".join(said)
    assert world.result() == undisturbed
    assert once(slurm, world)
    calm(slurm, world)


def test_two_runs_share_their_jobs(slurm: Cluster, world: World) -> None:
    """The second one's steps wait for the first one's jobs; its own folder is whole in the end."""
    world.edit(lambda recipe: recipe.update(name="twin"), to="twin.yaml")
    both = ("run", "tiny.yaml", "twin.yaml", "--machine", "machine.yaml")
    left = world.mot(*both, "--detach")
    assert left.returncode == 0, left.stderr
    first, second = (line.split() for line in left.stdout.rstrip().split("\n")[-2:])
    assert first == "tiny 11 jobs are in Slurm's queue and run without being watched".split()
    assert (second[0], second[2:]) == ("twin", first[2:])  # a step may be done by then
    ended = world.mot(*both)
    assert ended.returncode == 0, ended.stderr
    assert set(jobs(slurm, world)) == set(prints(world))
    assert len(jobs(slurm, world)[ANNA]) == len(jobs(slurm, world)[EVALUATE]) == 1
    for name in prints(world):
        assert (world.runs / "twin" / "artifacts" / name).is_dir()
    assert (world.runs / "twin" / "student" / "README.md").is_file()
    calm(slurm, world)


def test_two_merges_never_fill_a_memory_together(slurm: Cluster, world: World) -> None:
    """Their jobs run at once, each on a node of its own as Slurm has it; both are this computer, and one waits for the other."""
    world.edit(lambda recipe: recipe.update(name="twin"), to="twin.yaml")
    world.edit(lambda recipe: recipe["sft"].update(learning_rate=0.02), "twin.yaml")
    world.fault("mergekit-yaml", "held")
    both = ("run", "tiny.yaml", "twin.yaml", "--machine", "machine.yaml")
    left = world.mot(*both, "--detach")
    assert left.returncode == 0, left.stderr
    wait_for(lambda: len(merges(slurm, world)) == 2)
    wait_for(lambda: world.starts("mergekit-yaml"))
    time.sleep(2)  # one that did not wait would begin meanwhile
    (world.root / "go-mergekit-yaml").touch()
    ended = world.mot(*both)
    assert ended.returncode == 0, ended.stderr
    rows = [json.loads(line) for line in (world.root / "starts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["event"] for row in rows if row["tool"] == "mergekit-yaml"] == ["start", "end", "start", "end"]
    calm(slurm, world, kept=())  # both runs' commands have the same words


def merges(slurm: Cluster, world: World) -> list[dict[str, str]]:
    """The jobs of merges, if all of them run."""
    found = jobs(slurm, world).get(MERGE, [])
    return found if all(job["state"] == "RUNNING" for job in found) else []


def test_stop_from_another_shell(slurm: Cluster, world: World) -> None:
    """It ends the process that watches and this run's jobs, and no others."""
    submit = ("sbatch", "--parsable", "--output=/dev/null", "--wrap", "sleep 300")
    other = slurm.ask(*submit, "--job-name=mot-of-somebody-else").strip()
    world.fault("llamafactory-cli", "held", match="anna")
    left = world.mot("run", "tiny.yaml", "--machine", "machine.yaml", "--detach")
    assert left.returncode == 0, left.stderr
    assert "11 jobs are in Slurm's queue and run without being watched\n" in left.stdout
    process = world.start()
    wait_for(lambda: world.starts("llamafactory-cli", "anna"))
    assert once(slurm, world)
    said = world.mot("stop", str(world.run_folder))
    assert said.returncode == 0, said.stderr
    assert "stopped process " in said.stdout
    assert "cancelled " in said.stdout
    assert process.wait(30) == 130
    process.communicate()
    calm(slurm, world)
    assert [job["state"] for job in slurm.jobs() if job["id"] == other] == ["RUNNING"]
    assert world.records()[ANNA]["state"] == "cancelled"
    assert world.plan()[ANNA]["why"] == "was stopped"
    world.mend()
    assert world.run().returncode == 0
    assert world.mot("stop", str(world.run_folder)).stdout == f"nothing of {world.run_folder} is going on\n"


def test_an_edited_recipe_while_its_jobs_wait(slurm: Cluster, world: World) -> None:
    """What the new plan does not know leaves the queue first; what it still wants is not submitted again."""
    for teacher in ("anna", "bert"):
        world.fault("llamafactory-cli", "held", match=teacher)
    process = world.start()
    wait_for(lambda: world.starts("llamafactory-cli") == 2)
    process.kill()
    process.communicate()
    kept, before = prints(world), jobs(slurm, world)
    world.mend()
    world.edit(lambda recipe: recipe["sft"].update(learning_rate=0.02))
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    changed = {step for step, print_ in prints(world).items() if kept[step] != print_}
    assert {ANNA, BERT, MERGE} <= changed
    for step, all_ in jobs(slurm, world).items():
        assert len(all_) == (2 if step in changed else 1), step
        if step in changed:
            assert [job["state"] for job in all_] == ["CANCELLED", "COMPLETED"]
    assert set(before) == set(prints(world))
    calm(slurm, world)
