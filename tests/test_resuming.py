"""A training that is killed goes on from its own checkpoints where the machine file asks for them, and from nothing else."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, make_world, wait_for

pytestmark = pytest.mark.process

ANNA, MTD = "mot/round-1/branches/anna", "mtd/train"
MARK = "mot_plugin.whole"
STEPS, EVERY, STUCK_AFTER = 5, 2, 3


def make(root: Path, *, every: int | None = EVERY) -> World:
    """One round of five optimizer steps, and a baseline that is saved at 3 and 6."""
    world = make_world(root, rounds=1)
    methods = {"mot": {"rounds": 1, "steps": STEPS}, "mtd": {"steps": 6, "save_steps": 3}}
    world.edit(lambda recipe: recipe.update(methods=methods))
    world.edit(lambda here: here.update({"checkpoint_every": every} if every else {}), "machine.yaml")
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One whose first branch waits after its third step, until it is killed."""
    made = make(tmp_path / "world")
    made.fault("llamafactory-cli", "stuck", match=ANNA)
    yield made
    made.end_all()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is left where nobody disturbs it and no checkpoint is written."""
    made = make(tmp_path_factory.mktemp("alone") / "world", every=None)
    assert made.run().returncode == 0
    return made.result()


def room(world: World, step: str = ANNA) -> Path:
    """Where a step's training writes."""
    return world.run_folder / "work" / step / "model"


def begun(world: World, step: str = ANNA) -> list[int]:
    """After how many optimizer steps each of its trainings began."""
    return [row["step"] for row in world.log("from") if step in " ".join(row["argv"])]


def stuck(world: World, step: str = ANNA, after: int = STUCK_AFTER) -> bool:
    """Whether its training waits."""
    log = room(world, step) / "trainer_log.jsonl"
    return log.exists() and log.read_text(encoding="utf-8").count("\n") == after


def trainer(world: World) -> int:
    """Process number of a training that waits."""
    (pid,) = [pid for pid, line in world.processes().items() if "fakes/mot-plugin train" in line]
    return pid


def begins(world: World) -> list[int]:
    """Start the run again, and end it once its training has begun: after how many steps each one did."""
    process, before = world.start(), len(begun(world))
    wait_for(lambda: len(begun(world)) > before)
    process.kill()
    process.communicate(timeout=60)
    return begun(world)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_goes_on(world: World, alone: dict[str, str], number: int) -> None:
    process = world.start()
    wait_for(lambda: stuck(world))
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    assert begun(world) == [0, EVERY]
    assert world.records()[ANNA]["resumed"] == EVERY
    assert world.result() == alone
    assert not list(world.runs.rglob("begun.json")) and not list(world.runs.rglob(MARK))


def test_a_training_that_is_killed_is_tried_again_from_there(world: World, alone: dict[str, str]) -> None:
    process = world.start()
    wait_for(lambda: stuck(world))
    os.kill(trainer(world), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert begun(world) == [0, EVERY]
    assert world.result() == alone
    log = (world.run_folder / "logs" / f"{ANNA}.log").read_text(encoding="utf-8")
    asked = f"resume_from_checkpoint=work/{ANNA}/model/checkpoint-2 overwrite_output_dir=false"
    assert asked in log, "the command that can be pasted says from where"


def test_a_baseline_keeps_only_the_models_that_it_is_for(world: World, alone: dict[str, str]) -> None:
    world.mend()
    world.fault("llamafactory-cli", "stuck", match=MTD)
    process = world.start()
    wait_for(lambda: stuck(world, MTD))
    process.kill()
    process.communicate(timeout=60)
    ended = world.run()
    assert ended.returncode == 0, ended.stderr
    assert begun(world, MTD) == [0, EVERY]
    assert world.result() == alone


def test_another_place_begins_anew(world: World) -> None:
    """A checkpoint of ZeRO's belongs to so many processes; here the rows of a device change, and the batch stays."""
    process = world.start()
    wait_for(lambda: stuck(world))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    world.edit(lambda here: here["train"].update(per_device_train_batch_size=1), "machine.yaml")
    assert begins(world) == [0, 0]


def test_half_a_checkpoint_is_none(world: World) -> None:
    process = world.start()
    wait_for(lambda: stuck(world))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (room(world) / "checkpoint-2" / MARK).unlink()
    assert begins(world) == [0, 0]


def test_a_model_that_was_found_wrong_begins_anew(world: World) -> None:
    world.mend()
    world.fault("llamafactory-cli", "nan-weights", match=ANNA)
    ended = world.run()
    assert (ended.returncode, begun(world)) == (3, [0])
    assert "NaN or Inf in" in ended.stderr + (world.run_folder / f"logs/{ANNA}.log").read_text(encoding="utf-8")
    assert begins(world) == [0, 0]


def test_a_checkpoint_that_leads_nowhere_is_given_up(world: World, alone: dict[str, str]) -> None:
    world.mend()
    world.fault("llamafactory-cli", "stuck", match=ANNA, times=4)
    world.edit(lambda here: here.update(retries=9), "machine.yaml")
    process = world.start()
    for tries in range(1, 5):
        wait_for(lambda tries=tries: len(begun(world)) == tries and stuck(world))
        os.kill(trainer(world), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert begun(world) == [0, 2, 2, 2, 0]
    assert world.result() == alone
