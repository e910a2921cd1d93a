"""Evaluations in shards within whole runs, with the fake tools: shared, killed, resumed, watched."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, copy_world, make_world, wait_for

pytestmark = pytest.mark.process

EVALUATE = "mot/round-1/evaluate"


def sharded(recipe: dict[str, Any]) -> None:
    recipe["eval"]["shards"] = 2


@pytest.fixture(scope="session")
def sharded_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run whose evaluations have two shards, run to the report. To be read only."""
    made = make_world(tmp_path_factory.mktemp("sharded") / "world", rounds=1)
    made.edit(sharded)
    ended = made.run()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return made


def kept(world: World) -> list[str]:
    return sorted(file.parent.name for file in (world.runs / ".store" / "evals").glob("*/about.json"))


def test_a_recipe_with_shards(sharded_world: World) -> None:
    world = sharded_world
    assert world.starts("lm_eval") == 2 * 2, "a start for each shard of each model"
    assert len(kept(world)) == 2 * 2 * 2
    out = world.run_folder / "artifacts" / EVALUATE
    assert sorted(file.name for file in out.iterdir()) == [
        "results.json",
        "samples_mot_aime24.jsonl",
        "samples_mot_aime25.jsonl",
        "scores.json",
    ]
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert {(task["repeats"], task["shards"]) for task in scores.values()} == {(16, 2)}
    row = json.loads((out / "samples_mot_aime24.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert row["shards"] == [0] * 8 + [1] * 8
    log = (world.run_folder / "logs" / f"{EVALUATE}.log").read_text(encoding="utf-8")
    assert log.count("lm_eval run --model hf --tasks mot_aime24,mot_aime25") == 2
    assert str(world.root) not in (world.run_folder / "configs" / f"{EVALUATE}.generate.json").read_text(
        encoding="utf-8"
    )


def test_recipes_share_shards_and_not_only_steps(sharded_world: World, tmp_path: Path) -> None:
    world = copy_world(sharded_world, tmp_path / "world")
    before = kept(world)
    world.forget()
    world.edit(
        lambda recipe: (recipe.update(name="fewer"), recipe["eval"].update(tasks=["mot_aime25"])), to="fewer.yaml"
    )
    planned = world.plan("fewer.yaml")
    assert {name for name, row in planned.items() if row["state"] == "todo"} == {
        "base/evaluate",
        EVALUATE,
        "mot/round-1/select",
        "ship",
        "report",
    }
    assert world.run("fewer.yaml").returncode == 0
    assert (world.starts("lm_eval"), kept(world)) == (0, before)
    world.edit(lambda recipe: (recipe.update(name="seed"), recipe["eval"].update(seed=2)), to="seed.yaml")
    assert world.run("seed.yaml").returncode == 0
    assert world.starts("lm_eval") == 4
    assert len(kept(world)) == 2 * len(before)


@pytest.mark.parametrize("supervisor", [False, True])
def test_killed_in_the_second_shard(sharded_world: World, world: World, supervisor: bool) -> None:  # noqa: FBT001
    world.edit(sharded)
    world.fault("lm_eval", "slow", match=f"work/{EVALUATE}/shards/1/", seconds=60)
    process = world.start()
    wait_for(lambda: world.starts("lm_eval", f"work/{EVALUATE}/shards/1/"))
    os.kill(world.records()[EVALUATE]["pid"] if supervisor else process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not world.processes(), seconds=20)
    world.forget()
    again = world.run()
    assert again.returncode == 0, again.stderr
    assert world.starts("lm_eval") == 1, "the first shard was kept"
    assert world.starts("lm_eval", f"work/{EVALUATE}/shards/1/") == 1
    assert world.result() == sharded_world.result()


def test_an_engine_that_dies_is_tried_again_alone(world: World) -> None:
    world.edit(sharded)
    world.edit(lambda recipe: recipe.update(methods={"base": {}}))
    world.edit(lambda machine: machine.update(gpus=2, train={}), "machine.yaml")
    world.fault("lm_eval", "killed", match="work/base/evaluate/shards/0/")
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    seen = [row["visible"] for row in world.log("engine")]
    assert seen == ["1", os.environ.get("CUDA_VISIBLE_DEVICES")], "beside the other, and then alone"
    assert world.starts("lm_eval", "work/base/evaluate/shards/0/") == 2
    assert world.starts("lm_eval", "work/base/evaluate/shards/1/") == 1
    assert world.records()["base/evaluate"]["attempt"] == 2


def test_how_far_it_is_over_all_shards(world: World) -> None:
    """The fake says how many answers it will give and then takes its time."""
    world.edit(sharded)
    world.fault("lm_eval", "hangs", match="work/base/evaluate/shards/1/", seconds=60)
    process = world.start()

    def said() -> str:
        rows = json.loads(world.mot("status", "runs/tiny", "--json").stdout)["steps"] if world.runs.exists() else []
        return str(next((row["what"] for row in rows if row["name"] == "base/evaluate"), ""))

    wait_for(lambda: world.starts("lm_eval", "work/base/evaluate/shards/1/"))
    wait_for(lambda: said() == "64 of 128 answers", seconds=60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not world.processes()


def test_lm_eval_that_is_not_installed_is_missed_before_anything_starts(world: World) -> None:
    world.edit(lambda machine: machine["tools"]["lm_eval"].update(command=["no-such-program"]), "machine.yaml")
    said = world.run()
    assert said.returncode == 5
    assert said.stderr.startswith("error: tools are missing\n  lm_eval: no program 'no-such-program' on PATH")
    assert world.starts() == 0
