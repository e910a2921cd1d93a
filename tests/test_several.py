"""Several recipes in one command: what they share is run once, weights wait for all who read them, failures stay where they are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, make_world
from live_world import SAMPLING, write_sums

from mot_plugin import machine as machines
from mot_plugin import several
from mot_plugin.errors import FileError

pytestmark = pytest.mark.process
MACHINE = ("--machine", "machine.yaml")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three teachers, one round; beside it the same without one teacher."""
    world = make_world(tmp_path / "world", rounds=2)
    (world.root / "carl.jsonl").write_bytes((world.root / "bert.jsonl").read_bytes().replace(b"bert", b"carl"))
    world.edit(lambda recipe: recipe["teachers"].update(carl={"traces": "carl.jsonl"}))
    world.edit(lambda recipe: (recipe["teachers"].pop("carl"), recipe.update(name="fewer")), to="fewer.yaml")
    return world


def trained(world: World) -> list[str]:
    """The config of every training that was started, with its run folder's name left out."""
    return [row["argv"][1] for row in world.log("start") if row["tool"] == "llamafactory-cli"]


def test_what_recipes_share_is_run_once(world: World) -> None:
    """The first round's branches are temporary, and still there when the second recipe merges them."""
    ended = world.mot("run", "tiny.yaml", "fewer.yaml", *MACHINE)
    assert ended.returncode == 0, ended.stderr
    assert len(trained(world)) == 6 + 2
    assert trained(world)[6:] == [f"configs/mot/round-2/branches/{name}.yaml" for name in ("anna", "bert")]
    *_, first, second, whole = ended.stdout.rstrip().split("\n")
    steps = {name: len(plan_of(world, name)["steps"]) for name in ("tiny", "fewer")}
    assert first == f"tiny    {steps['tiny']} steps: {steps['tiny']} run, 0 reused"
    # The student, its scores, two corpora and the two branches of the first round.
    assert second == f"fewer   {steps['fewer']} steps: {steps['fewer'] - 6} run, 6 reused (6 of tiny)"
    both = sum(steps.values())
    assert whole == f"in all  {both} steps: {both - 6} run, 6 reused"
    again = world.mot("run", "tiny.yaml", "fewer.yaml", *MACHINE)
    assert again.stdout.rstrip().split("\n")[-1] == f"in all  {both} steps: 0 run, {both} reused"
    assert len(trained(world)) == 8


def plan_of(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((world.runs / name / "plan.json").read_bytes())
    return found


def test_one_after_the_other_trains_again_what_was_deleted(world: World) -> None:
    """What the command for both saves."""
    for name in ("tiny.yaml", "fewer.yaml"):
        ended = world.mot("run", name, *MACHINE)
        assert ended.returncode == 0, ended.stderr
    assert len(trained(world)) == 6 + 4
    assert re.search(r"^fewer  \d+ steps: \d+ run, 4 reused \(4 of tiny\)$", ended.stdout, re.MULTILINE)


def test_a_failed_recipe_stops_only_its_pupils(world: World) -> None:
    world.edit(lambda recipe: recipe.update(name="pupil"), to="pupil.yaml")
    write_sums(world, range(10))
    columns = {"problem": "question", "reference": "answer", "reference_after": "####"}
    source = {"name": "SUMS", "file": "sums.jsonl", "columns": columns, "sample": 4, "decontaminate": []}
    taught = {"mot": {"run": "runs/tiny", "student": "MoT"}}
    world.edit(lambda recipe: recipe.update(source=source, sampling=SAMPLING, teachers=taught), "pupil.yaml")
    world.fault("llamafactory-cli", "exit1", match="carl", times=9)
    ended = world.mot("run", "pupil.yaml", "tiny.yaml", "fewer.yaml", *MACHINE)
    assert ended.returncode == 3
    *_, first, second, third, whole = ended.stdout.rstrip().split("\n")
    assert re.fullmatch(r"tiny    failed: step \d+ of \d+, mot/round-1/branches/carl: .*", first)
    assert second == "pupil   not run: its teacher's run tiny failed"
    assert re.fullmatch(r"fewer   (\d+) steps: \d+ run, 6 reused \(6 of tiny\)", third)
    assert whole.endswith("; 2 of 3 recipes failed")
    assert (world.runs / "fewer" / "report" / "report.md").is_file()
    assert not (world.runs / "pupil").exists()


def test_mistakes_stop_everything_before_anything(world: World) -> None:
    world.edit(lambda recipe: recipe["methods"]["mot"].update(rounds=0), to="bad.yaml")
    world.edit(lambda recipe: recipe.update(name="fewer"), to="same.yaml")
    ended = world.mot("run", "fewer.yaml", "bad.yaml", "same.yaml", *MACHINE)
    assert ended.returncode == 2
    assert "methods.mot.rounds: must be at least 1" in ended.stderr
    assert "fewer.yaml and same.yaml are both called 'fewer'" in ended.stderr
    assert not world.runs.exists()


def test_recipes_that_wait_for_each_other_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sums(world, range(10))
    source = {"name": "SUMS", "file": "sums.jsonl", "columns": {"problem": "question"}}
    for name, other in (("tiny", "fewer"), ("fewer", "tiny")):
        teachers = {"x": {"run": f"runs/{other}"}}
        world.edit(
            lambda recipe, teachers=teachers: recipe.update(teachers=teachers, source=source, sampling=SAMPLING),
            f"{name}.yaml",
        )
    monkeypatch.chdir(world.root)
    place = machines.load(Path("machine.yaml"))
    with pytest.raises(FileError, match="tiny and fewer wait for each other's students"):
        several.arrange([Path("tiny.yaml"), Path("fewer.yaml")], place)


def test_a_plan_of_several_says_what_they_share(world: World) -> None:
    said = world.mot("plan", "tiny.yaml", "fewer.yaml", *MACHINE)
    assert said.returncode == 0, said.stderr
    rows = [line.split() for line in said.stdout.split("\n")]
    assert rows[0] == "recipe steps shared to run optimizer steps scored hours alone waits for".split()
    (tiny, fewer, whole) = rows[1:4]
    assert tiny[0] == "tiny"
    assert tiny[1] == tiny[3]
    assert fewer[:3] == ["fewer", str(int(fewer[3]) + 6), "6"]
    assert (tiny[4], fewer[4], whole[5]) == ("12", "4", "16")
    assert not world.runs.exists()
    machine = json.loads(world.mot("plan", "tiny.yaml", "fewer.yaml", *MACHINE, "--json").stdout)
    assert [one["recipe"] for one in machine["recipes"]] == ["tiny", "fewer"]
    assert world.mot("plan", "tiny.yaml", "fewer.yaml", *MACHINE, "--out", "shown").returncode == 0
    assert {path.name for path in (world.root / "shown").iterdir()} == {"tiny", "fewer"}


def test_a_plan_counts_optimizer_steps(world: World) -> None:
    world.edit(lambda recipe: recipe["methods"].update(std={"steps": 4, "save_steps": 2}, matched={"save_steps": 2}))
    lines = world.mot("plan", "tiny.yaml", *MACHINE).stdout.rstrip().split("\n")
    assert next(line for line in lines if line.startswith("optimizer steps")) == (
        "optimizer steps of 4 sequences: MoT 12 (48 sequences) in 6 branches, 4 with each teacher; "
        "STD 12 (48 sequences) in 3 trainings of 4; MTD-matched 12 (48 sequences)"
    )
