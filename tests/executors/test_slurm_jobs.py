"""A step as a job: what sbatch is told, a controller that is away for a moment, what Slurm refuses, ranks on two nodes."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, wait_for
from slurm_cluster import Cluster
from slurm_world import alive, calm, jobs, once, slurm_world

from mot_plugin.executors import slurm_job, slurm_queue
from mot_plugin.executors.work import Work
from mot_plugin.machine import Machine
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store
from mot_plugin.tools.call import Call

STEP = Step("mot/round-1/branches/anna", "train", "MoT", Call((), (), ()), gpus=4, nodes=2)
PLAN = Plan("tiny", (STEP,), {}, {STEP.name: "f" * 20}, {})


def work(**machine: Any) -> Work:
    """One training of two nodes."""
    return Work(Path("/runs/100%"), PLAN, Machine(name="x", executor="slurm", gpus=4, **machine), [STEP])


def test_what_sbatch_is_told() -> None:
    takes = {"train": {"gpus": 4, "nodes": 2, "cpus": 8, "memory_gb": 1.5, "hours": 0.25, "flags": ["--qos=high"]}}
    asked = work(steps=takes, nodes=2, slurm={"partition": "long", "flags": ["--account=us", "--qos=low"]})
    argv = slurm_job.sbatch(asked, STEP, "mot-x", ["7", "8"])
    assert argv[2:13] == [
        "--nodes=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=8",
        "--gres=gpu:4",
        "--mem=1536M",
        "--time=15",
        "--partition=long",
        "--account=us",
        "--qos=low",
        "--qos=high",
        "--job-name=mot-x",
    ]
    assert "--dependency=afterok:7,afterok:8,singleton" in argv
    assert "--output=/runs/100%%/logs/mot/round-1/branches/anna.slurm-%j.log" in argv
    assert {"--requeue", "--kill-on-invalid-dep=yes", "--open-mode=append"} <= {*argv}
    here = work(steps={"train": {"partition": "short"}})
    assert "--partition=short" in slurm_job.sbatch(here, STEP, "mot-x", [])


def test_the_script_makes_room_for_the_supervisor() -> None:
    lines = slurm_job.script(work(slurm={"prologue": ["module load cuda"]}), STEP).splitlines()
    assert lines[:3] == ["#!/bin/bash", "module load cuda", "export MOT_PLUGIN_SPREAD=srun"]
    assert lines[3].startswith("exec ")
    assert lines[3].endswith(f" -m mot_plugin exec /runs/100% {STEP.name} --planned {'f' * 20}")


def test_a_name_is_of_a_step_and_a_store() -> None:
    names = {slurm_job.name(Store(Path(root)), print_) for root in ("/a", "/b") for print_ in ("1", "2")}
    assert len(names) == 4
    assert slurm_job.name(Store(Path("/a")), "1") in names


def test_a_line_of_the_queue() -> None:
    line = "12\tRUNNING\tNone\tmot-1-2\tn[1-2]\tbase/student of /runs/a of b\n"
    (job,) = slurm_job.read(line + "cut off")
    assert (job.going, job.live, job.waiting, job.place) == (True, True, False, "Slurm job 12 on n[1-2]")
    assert job.of(Path("/runs/a of b"))
    assert not job.of(Path("/runs/a"))
    (held,) = slurm_job.read(line.replace("RUNNING\tNone", "PENDING\tlaunch failed requeued held"))
    assert held.held


def test_every_ending_is_said_in_words() -> None:
    assert slurm_job.ending("TIMEOUT", "train").endswith("or a longer partition")
    assert "`steps: {train: {memory_gb: ...}}`" in slurm_job.ending("OUT_OF_MEMORY", "train")
    assert slurm_job.ending("NEW_STATE", "train") == "its state is NEW_STATE"


@pytest.fixture
def world(slurm: Cluster, tmp_path: Path) -> Iterator[World]:
    """Two teachers and one round, nothing run yet."""
    made = slurm_world(tmp_path / "world")
    yield made
    slurm.clear()
    made.end_all()


def wrapped(folder: Path, program: str, lines: str, path: pytest.MonkeyPatch) -> None:
    """Put a program before Slurm's own on PATH; `$real` is the one that it stands before."""
    folder.mkdir(exist_ok=True)
    real = slurm_queue.ask(["sh", "-c", f"command -v {program}"]).strip()
    (folder / program).write_text(f"#!/bin/bash\nreal={real}; once={folder / program}.once\n{lines}\n")
    (folder / program).chmod(stat.S_IRWXU)
    path.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.process
def test_a_submission_that_was_heard_but_not_answered(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same job again would be one too many."""
    wrong = 'echo "sbatch: error: Socket timed out on send/recv operation" >&2; exit 1'
    wrapped(
        tmp_path / "bin", "sbatch", f'[ -e $once ] && exec $real "$@"; touch $once; $real "$@"; {wrong}', monkeypatch
    )
    argv = ["sbatch", "--parsable", "--job-name=mot-heard", "--output=/dev/null"]
    number = slurm_queue.submit(argv, "#!/bin/bash\nsleep 60\n", "mot-heard")
    assert [job["id"] for job in slurm.jobs() if job["name"] == "mot-heard"] == [number]


@pytest.mark.process
def test_a_controller_that_is_away_for_a_moment(
    slurm: Cluster, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other question is not answered; and ranks of the branches run on both nodes, one after the other."""
    away = 'echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1'
    wrapped(
        tmp_path / "bin",
        "squeue",
        f'[ -e $once ] && {{ rm $once; exec $real "$@"; }}; touch $once; {away}',
        monkeypatch,
    )
    two = {"steps": {"train": {"gpus": 2, "nodes": 2, "cpus": 2}, "evaluate": {"gpus": 1}}}
    world.edit(
        lambda machine: (machine.update(two), machine["train"].update(per_device_train_batch_size=1)), "machine.yaml"
    )
    ended = world.run()
    monkeypatch.undo()
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    assert ended.returncode == 0, ended.stderr
    assert once(slurm, world)
    ranks = world.log("rank")
    assert len(ranks) == 4
    for teacher in ("anna", "bert"):
        first, second = sorted(
            (row for row in ranks if teacher in " ".join(row["argv"])), key=lambda row: row["given"]["NODE_RANK"]
        )
        assert (first["given"]["NODE_RANK"], second["given"]["NODE_RANK"]) == ("0", "1")
        assert {first["node"], second["node"]} == {"n1", "n2"}
        assert (first["gpus"], second["gpus"]) == ("0,1", "0,1")
        for name, wanted in (("NNODES", "2"), ("NPROC_PER_NODE", "2")):
            assert first["given"][name] == second["given"][name] == wanted
        assert first["given"]["MASTER_PORT"] == second["given"]["MASTER_PORT"] != ""
        assert first["given"]["MASTER_ADDR"] == second["given"]["MASTER_ADDR"] != ""
    calm(slurm, world)


@pytest.mark.process
def test_steps_that_end_while_the_queue_is_asked(
    slurm: Cluster, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their jobs are in no list any more, and the plan took them for steps to run: they get no second job."""
    world.fault("llamafactory-cli", "held", match="anna")
    assert world.mot("run", "tiny.yaml", "--machine", "machine.yaml", "--detach").returncode == 0
    waits = "touch $once; until [ -e $once.go ]; do sleep 0.1; done"
    wrapped(tmp_path / "bin", "squeue", f'[ -e $once ] || {{ {waits}; }}; exec $real "$@"', monkeypatch)
    process = world.start()
    monkeypatch.undo()
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    wait_for((tmp_path / "bin" / "squeue.once").exists)
    (world.root / "go-llamafactory-cli").touch()
    wait_for(lambda: "report" in world.done())
    slurm.until(lambda: not alive(slurm, world), "all jobs have ended")
    (tmp_path / "bin" / "squeue.once.go").touch()
    out, wrong = process.communicate(timeout=120)
    assert process.returncode == 0, wrong
    assert "queued" not in out
    assert once(slurm, world)
    calm(slurm, world)


@pytest.mark.process
def test_what_slurm_refuses(slurm: Cluster, world: World) -> None:
    world.edit(lambda machine: machine["slurm"].update(partition="nowhere"), "machine.yaml")
    ended = world.run()
    assert ended.returncode == 2
    assert "invalid partition specified: nowhere" in ended.stderr
    assert "base/student" in ended.stderr
    assert jobs(slurm, world) == {}


@pytest.mark.process
def test_a_prologue_that_fails(slurm: Cluster, world: World) -> None:
    """No supervisor could say a word: what the job itself said is shown."""
    world.edit(lambda machine: machine["slurm"].update(prologue=["echo no such module >&2; exit 7"]), "machine.yaml")
    ended = world.run()
    assert ended.returncode == 3
    number = jobs(slurm, world)["base/student"][0]["id"]
    assert f"failed  base/student: Slurm job {number} ended: it failed, and the step left no word" in ended.stdout
    assert "last lines:\n    no such module\n" in ended.stderr
    assert "10 more wait for it: " in ended.stderr
    calm(slurm, world)


@pytest.mark.process
def test_no_slurm_here(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    ended = world.run()
    assert ended.returncode == 5
    assert "executor slurm: there is no program 'squeue' on PATH" in ended.stderr
    assert json.loads(world.mot("plan", "tiny.yaml", "--machine", "machine.yaml", "--json").stdout)["steps"]
