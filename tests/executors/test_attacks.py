"""Attacks on a run under every executor: nothing goes on in secret, no GPU is given to two, what ended well stays done."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacked import (
    AFTER_BRANCHES,
    ANNA,
    BERT,
    MERGE,
    SAID,
    STOPPING,
    Attacked,
    attacked,
    parent,
    stop,
)
from fake_world import wait_for

pytestmark = pytest.mark.process


@pytest.fixture(params=["serial", "ray"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Attacked]:
    """Two teachers, one round, two fake GPUs."""
    if request.param == "ray":
        pytest.importorskip("ray", reason="package ray (extra ray) is not installed")
    made = attacked(tmp_path / "world", request.param)
    yield made
    made.end_all()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What two rounds leave when one step runs after the other."""
    made = attacked(tmp_path_factory.mktemp("quiet") / "world", "serial", rounds=2)
    ended = made.run()
    assert ended.returncode == 0, ended.stderr
    made.checked()
    return made.result()


def test_ray_runs_side_by_side_what_serial_runs_in_a_row(tmp_path: Path, quiet: dict[str, str]) -> None:
    """Branches, and an evaluation beside the next round's training; the same scores and weights; a flaky step is tried again."""
    pytest.importorskip("ray", reason="package ray (extra ray) is not installed")
    world = attacked(tmp_path / "world", "ray", rounds=2, gpus=3)
    for one, other in ((ANNA, BERT), (BERT, ANNA), ("mot/round-2/branches/anna", MERGE)):
        world.fault("llamafactory-cli", f"beside:{other}", match=one)
    world.fault("lm_eval", "beside:mot/round-2/branches/anna", match=MERGE)
    world.fault("llamafactory-cli", "exit1", match="mot/round-2/branches/bert")
    ended = world.run()
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    world.checked()
    assert world.result() == quiet
    assert world.starts("llamafactory-cli") == 5
    assert world.records()["mot/round-2/branches/bert"]["attempt"] == 2
    trained = [row["gpus"] for row in world.log() if "mot/round-1/branches" in " ".join(row["argv"])]
    assert len(set(trained)) == 2 and all(len(gpus) == 1 for gpus in trained)
    merged = [row["gpus"] for row in world.log() if row["tool"] == "mergekit-yaml"]
    assert merged == ["", ""], "no GPU of somebody else's is to be seen"


def test_a_stopped_driver_stops_its_steps(world: Attacked) -> None:
    world.fault("llamafactory-cli", "slow", match="anna", times=9, seconds=600)
    for number in STOPPING:
        ended = stop(world, lambda: world.running(ANNA), number, group=number != signal.SIGTERM)
        assert ended == (130, SAID)
        world.gone()
        assert world.plan()[ANNA]["why"] == "was stopped"
        world.forget()
    assert stop(world, lambda: world.running(ANNA), signal.SIGKILL)[0] == -signal.SIGKILL
    kept = world.done()
    world.mend()
    again = world.run()  # at once: what the killed one left may still be there
    assert again.returncode == 0, again.stderr
    world.checked(kept)
    assert kept.items() <= world.done().items()
    assert world.starts("llamafactory-cli", "anna") == 2


def test_a_killed_supervisor_and_a_failure_that_stays_stop_only_what_needs_them(world: Attacked) -> None:
    world.fault("llamafactory-cli", "grandchild", match="anna", seconds=600)
    world.fault("llamafactory-cli", "exit1", match="bert", times=2)
    process = world.start()
    wait_for(lambda: world.log("grandchild"))
    os.kill(world.supervisor(ANNA), signal.SIGKILL)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert f"{ANNA}: its supervisor was killed by SIGKILL" in said
    assert f"{BERT}: llamafactory-cli exited with 1" in said
    assert "base/evaluate" in world.done(), "an independent step goes on"
    blocked = {line.split("blocked")[1].split(":")[0].strip() for line in out.splitlines() if " blocked " in line}
    assert blocked == AFTER_BRANCHES
    world.checked()
    before = world.done()
    world.mend()
    again = world.run()
    assert again.returncode == 0, again.stderr
    world.checked()
    assert before.items() <= world.done().items()


def test_the_same_command_twice(world: Attacked) -> None:
    world.fault("llamafactory-cli", "slow", match="anna", seconds=600)
    first = world.start()
    wait_for(lambda: world.running(ANNA))
    second = world.run()
    assert second.returncode == 4
    assert f"is being run by another process (process {first.pid} since" in second.stderr
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    world.checked()


def test_a_killed_ray_worker_s_step_runs_again(tmp_path: Path) -> None:
    """Its GPU is free for Ray at once, but not before the command has ended."""
    pytest.importorskip("ray", reason="package ray (extra ray) is not installed")
    world = attacked(tmp_path / "world", "ray", gpus=1)
    world.fault("llamafactory-cli", "grandchild", match="branches", seconds=600)
    process = world.start()
    wait_for(lambda: world.log("grandchild"))
    (running,) = [step for step in (ANNA, BERT) if world.running(step)]
    os.kill(parent(world.supervisor(running)), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    world.checked()
    assert world.starts("llamafactory-cli", running) == 2


def test_without_ray_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.metadata as m\nreal = m.version\n"
        "def version(name):\n    if name == 'ray': raise m.PackageNotFoundError(name)\n    return real(name)\n"
        "m.version = version\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    world = attacked(tmp_path / "world", "ray")
    said = world.run()
    assert said.returncode == 5
    assert said.stderr.startswith("error: executor ray: the package ray is not installed\nInstall it (pip install")
    assert not world.run_folder.exists()


@pytest.mark.parametrize(
    ("executor", "place", "words"),
    [
        (
            "serial",
            {"nodes": 2, "steps": {"train": {"nodes": 2}}},
            "a step of kind train takes 2 nodes, and here is one",
        ),
        ("ray", {"nodes": 2, "steps": {"train": {"nodes": 2}}}, "a step of kind train takes 2 nodes, and here is one"),
        (
            "ray",
            {"ray": {"address": "127.0.0.1:1"}},
            "no Ray cluster answers at 127.0.0.1:1: [Errno 111] Connection refused",
        ),
        ("ray", {"ray": {"address": "ray://h:1"}}, "it speaks Ray's client protocol"),
        ("ray", {"steps": {"train": {"gpus": 4}}}, "train: 4 GPUs of one node, the largest has 2 GPUs"),
    ],
)
def test_a_place_that_cannot_be(tmp_path: Path, executor: str, place: dict[str, object], words: str) -> None:
    if executor == "ray":
        pytest.importorskip("ray", reason="package ray (extra ray) is not installed")
    world = attacked(tmp_path / "world", executor, **place)
    said = world.run()
    assert said.returncode == 2, said.stdout + said.stderr
    assert words in said.stderr
    assert world.starts() == 0
    world.gone()
