"""Constants are found again from steps that took what they say, and estimates then are what was measured."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_world import World, make_world

from mot_plugin import machine as machines
from mot_plugin import run as runs
from mot_plugin.costs import calibration_words
from mot_plugin.costs.calibrate import Calibration, calibrate
from mot_plugin.costs.fit import Point, line
from mot_plugin.costs.ground import of_run
from mot_plugin.costs.observe import observe
from mot_plugin.costs.price import price, working
from mot_plugin.folder import Folder
from mot_plugin.machine import Machine
from mot_plugin.rates import Rates
from mot_plugin.store import Record

TRUE = Rates(
    peak_tflops=312.0,
    mfu=0.41,
    generation_rate=9_000.0,
    merge_rate=800.0,
    row_share=0.3,
    startup_seconds={"train": 75.0, "evaluate": 140.0, "merge": 20.0, "corpus": 3.0, "*": 2.0},
)


def with_gpus(machine: dict[str, Any]) -> None:
    machine.update(gpus=8, train={"per_device_train_batch_size": 1}, costs={"peak_tflops": 312})
    machine["eval"] = {"engine": "vllm", "model_args": {"tensor_parallel_size": 8}}


def large(recipe: dict[str, Any]) -> None:
    """The student of the paper: known by its name, so that steps have something to do."""
    recipe.update(student="Qwen/Qwen3-8B", global_batch_size=64)
    recipe["sft"]["cutoff_len"] = 20_000
    recipe["methods"] = {
        "base": {},
        "mot": {"rounds": 3, "steps": 50},
        "std": {"steps": 250, "save_steps": 125},
        "mtd": {"steps": 250, "save_steps": 125},
    }


@pytest.fixture
def finished(tmp_path: Path) -> Callable[[float], Folder]:
    """A run whose every step has a record of what it takes with TRUE, give or take a share of it; no process ran."""

    def make(noise: float) -> Folder:
        world = make_world(tmp_path / f"world-{noise}")
        world.edit(with_gpus, "machine.yaml")
        world.edit(large)
        place = machines.load(world.root / "machine.yaml")
        place = place.model_copy(update={"storage": place.storage.model_copy(update={"runs": str(world.runs)})})
        ready = runs.prepare(world.root / "tiny.yaml", place)
        ready.folder.root.mkdir(parents=True)
        ready.folder.prepare(ready.plan, place, world.root / "tiny.yaml")
        for step in ready.plan.steps:
            if step.kind == "corpus":
                _write(ready.folder, step.name, "summary.json", {"kept": 5, "tokens": {"total": 5 * 6_000}})
        draw, truth = random.Random(1), of_run(ready.folder).at(TRUE)
        for step in ready.plan.steps:
            _record(ready.folder, step.name, step.kind, price(truth, step).seconds * (1 + noise * draw.uniform(-1, 1)))
        return ready.folder

    return make


def _write(folder: Folder, step: str, name: str, content: Any) -> None:
    file = folder.store().out(folder.plan().prints[step]) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def _record(folder: Folder, step: str, kind: str, seconds: float) -> None:
    store, fingerprint = folder.store(), folder.plan().prints[step]
    store.out(fingerprint).mkdir(parents=True, exist_ok=True)
    store.write(fingerprint, Record(step, kind, "tiny", "done", started=1e9, ended=1e9 + seconds))


def fitted(folder: Folder) -> Calibration:
    return calibrate(observe(folder), folder.machine().costs)


def test_constants_are_found_again(finished: Callable[[float], Folder]) -> None:
    made = fitted(finished(0.0))
    assert made.rates.mfu == pytest.approx(TRUE.mfu, rel=0.01)
    assert made.rates.row_share == pytest.approx(0.3)
    for kind in ("train", "corpus"):  # works that differ: 50 and 250 optimizer steps
        assert made.rates.startup(kind) == pytest.approx(TRUE.startup(kind), rel=0.01)
    # Evaluations are all alike, so that their start-up is believed to be half of one at most; the sum is right all the same.
    how = {one.name: one.how for one in made.constants}
    assert (how["mfu"], how["generation_rate"]) == ("by works that differ", "start-up as before")
    for kind in made.kinds:
        assert kind.after == pytest.approx(kind.measured, rel=0.01), kind
    assert calibration_words.whole(made.kinds).before > 1.2 * calibration_words.whole(made.kinds).measured


def test_with_noise_the_sums_are_right(finished: Callable[[float], Folder]) -> None:
    made = fitted(finished(0.2))
    assert made.rates.mfu == pytest.approx(TRUE.mfu, rel=0.25)
    for kind in made.kinds:
        assert kind.after == pytest.approx(kind.measured, rel=0.02), kind
        assert kind.single < 0.35 and (kind.n == 1 or kind.single > 0.001)
    by_name = {one.name: one for one in made.constants}
    assert by_name["mfu"].low < made.rates.mfu < by_name["mfu"].high
    assert by_name["mfu"].n == 9


def test_a_tool_that_says_how_long_it_worked_is_believed(finished: Callable[[float], Folder]) -> None:
    folder = finished(0.0)
    truth = of_run(folder).at(TRUE)
    for one in observe(folder):
        if one.step.kind == "train":
            seconds = round(working(truth, one.step, one.amount))
            clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            _write(folder, one.step.name, "model/trainer_log.jsonl", {"current_steps": 1, "elapsed_time": clock})
    assert all(one.working is not None for one in observe(folder) if one.step.kind == "train")
    made = fitted(folder)
    assert made.rates.mfu == pytest.approx(TRUE.mfu, rel=0.01)
    assert {one.how for one in made.constants if one.name == "mfu"} == {"timed by its tool"}


def test_a_training_that_went_on_from_a_checkpoint_is_left_out(finished: Callable[[float], Folder]) -> None:
    """Only the rest of it was timed."""
    folder = finished(0.0)
    first, *others = [one.step.name for one in observe(folder) if one.step.kind == "train"]
    print_ = folder.plan().prints[first]
    record = folder.store().record(print_)
    assert record
    folder.store().write(print_, dataclasses.replace(record, resumed=20, ended=record.started + 1))
    assert [one.step.name for one in observe(folder) if one.step.kind == "train"] == others
    assert fitted(folder).rates.mfu == pytest.approx(TRUE.mfu, rel=0.01)


def test_the_block_is_one_that_a_machine_file_takes(finished: Callable[[float], Folder]) -> None:
    made = fitted(finished(0.1))
    written = yaml.safe_load(calibration_words.block(made))
    assert {"mfu", "generation_rate", "merge_rate", "startup_seconds", "peak_tflops"} <= written["costs"].keys()
    taken = Machine.model_validate({"name": "here", **written})
    assert taken.costs.model_dump() == made.rates.model_dump()


def test_answers_are_counted_by_the_students_tokenizer(tmp_path: Path, finished: Callable[[float], Folder]) -> None:
    folder = finished(0.0)
    student = folder.root.parents[1] / "student"
    _write(folder, "base/student", "model/config.json", {})
    target = folder.store().out(folder.plan().prints["base/student"]) / "model" / "tokenizer.json"
    target.write_bytes((student / "tokenizer.json").read_bytes())
    texts = [["x" * 100, "x" * 300]] * 3
    rows = "".join(json.dumps({"resps": [one]}) + "\n" for one in texts)
    file = folder.store().out(folder.plan().prints["base/evaluate"]) / "samples_mot_aime24.jsonl"
    file.write_text(rows, encoding="utf-8")
    made = fitted(folder)
    assert made.rates.answer_tokens == {"mot_aime24": 200.0}  # the tokenizer has a token for every byte


POINTS = [Point(1, 12), Point(2, 14), Point(4, 18)]


def test_a_line_through_points() -> None:
    assert line(POINTS, 1).startup == pytest.approx(10)
    assert line(POINTS, 1).each == pytest.approx(2)
    alike = line([Point(2, 14), Point(2, 16)], 9)
    assert (alike.startup, alike.each) == (7, 4)  # no more than half of the shortest
    timed = line([dataclasses.replace(point, working=3 * point.work) for point in POINTS], 1)
    assert (timed.each, timed.how) == (3, "timed by its tool")
    falling = line([Point(1, 18), Point(2, 14), Point(4, 12)], 1)
    assert falling.each > 0
    assert falling.startup + falling.each * 7 / 3 == pytest.approx(44 / 3)


def test_what_cannot_be_calibrated_is_said(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    assert "is not a run folder" in world.mot("calibrate", "runs").stderr
    ready = _prepared(world)
    ready.folder.root.mkdir(parents=True)
    ready.folder.prepare(ready.plan, ready.machine, world.root / "tiny.yaml")
    said = world.mot("calibrate", "runs/tiny")
    assert (said.returncode, said.stderr) == (
        6,
        "error: runs/tiny: no step is finished yet, so there is nothing to measure by\n",
    )
    said = world.mot("calibrate", "runs/tiny", "--out", "machine.yaml")
    assert (said.returncode, "already there" in said.stderr) == (2, True)


def _prepared(world: World) -> runs.Prepared:
    place = machines.load(world.root / "machine.yaml")
    place = place.model_copy(update={"storage": place.storage.model_copy(update={"runs": str(world.runs)})})
    return runs.prepare(world.root / "tiny.yaml", place)
