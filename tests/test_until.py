"""until: no_gain stops after the first round that gains nothing, keeps the best, and comes to the same after a kill."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, make_world, wait_for

pytestmark = pytest.mark.process

MOST = 4
# What the fake evaluation gives for these learning rates, worked out by running them: the AVG of each round in turn.
LOSES_AT_2, LOSES_AT_3 = 0.01, 0.02


def make(root: Path, rate: float) -> World:
    world = make_world(root, rounds=MOST)
    world.edit(lambda recipe: recipe["sft"].update(learning_rate=rate))
    world.edit(lambda recipe: recipe["methods"]["mot"].update(until="no_gain"))
    world.edit(lambda recipe: recipe["methods"].pop("base"))
    return world


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A run whose second round gains nothing."""
    world = make(tmp_path_factory.mktemp("until") / "world", LOSES_AT_2)
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    yield world
    world.end_all()


def rounds(world: World) -> list[float]:
    """AVG of each round that was evaluated, by its last choice."""
    choices = sorted((world.run_folder / "artifacts" / "mot").glob("round-*/select/choice.json"))
    seen = json.loads(choices[-1].read_bytes())["considered"]
    assert [row["round"] for row in seen] == list(range(1, len(choices) + 1))
    return [row["average"] for row in seen]


def said_of_rounds(world: World) -> str:
    said = world.mot("plan", "tiny.yaml", "--machine", "machine.yaml")
    assert said.returncode == 0, said.stderr
    return next(line for line in said.stdout.split("\n") if line.startswith("rounds:")).rstrip()


def test_it_stops_after_the_round_that_gains_nothing(stopped: World) -> None:
    first, second = rounds(stopped)
    assert second <= first
    assert not (stopped.run_folder / "artifacts" / "mot" / "round-3").exists()
    assert len([row for row in stopped.log("start") if row["tool"] == "llamafactory-cli"]) == 2 * 2
    assert said_of_rounds(stopped) == f"rounds: 2 of at most {MOST}; mot/round-2/select found no gain"


def test_report_and_student_are_of_the_best_round(stopped: World) -> None:
    run = stopped.run_folder
    report = json.loads((run / "report" / "scores.json").read_bytes())
    assert {row["round"] for row in report["scores"]} == {1, 2}
    assert report["missing"] == []
    best = run / "artifacts" / "mot" / "round-1" / "merge" / "model" / "model.safetensors"
    chosen = run / "artifacts" / "mot" / "round-1" / "select" / "model" / "model.safetensors"
    assert not best.exists(), "deleted once it was chosen"
    assert json.loads((run / "artifacts/mot/round-2/select/choice.json").read_bytes())["round"] == 1
    final = run / "artifacts" / "mot" / "round-2" / "select" / "model" / "model.safetensors"
    assert (run / "student" / "model.safetensors").read_bytes() == final.read_bytes()
    assert not chosen.exists() or chosen.read_bytes() == final.read_bytes()


def test_another_run_of_it_does_nothing(stopped: World) -> None:
    starts, before = len(stopped.log("start")), stopped.result()
    ended = stopped.run()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "everything is done" in ended.stdout
    assert len(stopped.log("start")) == starts
    assert stopped.result() == before


def test_it_goes_on_for_as_long_as_rounds_gain(tmp_path: Path) -> None:
    world = make(tmp_path / "world", LOSES_AT_3)
    assert said_of_rounds(world) == f"rounds: 1 of at most {MOST} so far; mot/round-1/select decides about the next one"
    assert world.run().returncode == 0
    first, second, third = rounds(world)
    assert first < second >= third
    assert said_of_rounds(world) == f"rounds: 3 of at most {MOST}; mot/round-3/select found no gain"
    assert json.loads((world.run_folder / "artifacts/mot/round-3/select/choice.json").read_bytes())["round"] == 2


def test_killed_in_the_undecided_and_resumed_it_is_the_same(stopped: World, tmp_path: Path) -> None:
    world = make(tmp_path / "world", LOSES_AT_2)
    process = world.start()
    wait_for(lambda: any("round-2" in " ".join(row["argv"]) for row in world.log("start")))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    wait_for(lambda: not world.processes())
    assert not (world.run_folder / "artifacts" / "mot" / "round-2" / "select" / "choice.json").exists()
    assert said_of_rounds(world) == f"rounds: 2 of at most {MOST} so far; mot/round-2/select decides about the next one"
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    assert world.result() == stopped.result()
