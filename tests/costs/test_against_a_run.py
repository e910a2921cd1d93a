"""The disk as the plan has it, against real runs of the fake tools: byte for byte, whatever is deleted when."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import weighing
from fake_world import FAKES, TOOLS, World, make_world
from weighing import tensors, winners

from mot_plugin import machine as machines
from mot_plugin import run as runs
from mot_plugin.costs import disk, disk_bound
from mot_plugin.costs.calibrate import calibrate
from mot_plugin.costs.calibration_words import whole
from mot_plugin.costs.disk import Load, Mark
from mot_plugin.costs.ground import ground
from mot_plugin.costs.observe import observe
from mot_plugin.folder import Folder
from mot_plugin.run import Prepared

WEIGH = Path(weighing.__file__)


def everything(recipe: dict[str, Any]) -> None:
    del recipe["methods"]["base"]
    recipe["methods"] |= {
        "std": {"steps": 2, "save_steps": 1},
        "one_shot": {},
    }


def weigh_everything(world: World) -> None:
    command = [sys.executable, str(WEIGH), str(world.root / "weights.jsonl")]
    tools = {tool: {"command": [*command, str(FAKES / tool)]} for tool in TOOLS}
    world.edit(lambda machine: machine.update(tools=tools), "machine.yaml")


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Prepared]:
    """A world that weighs, and its plan before anything ran."""
    world = make_world(tmp_path_factory.mktemp("disk") / "world", rounds=2)
    weigh_everything(world)
    world.edit(everything)
    return world, prepared(world)


@pytest.fixture(scope="module")
def ran(planned: tuple[World, Prepared]) -> Iterator[tuple[World, Prepared]]:
    """The same after its run."""
    world, before = planned
    done = world.run()
    assert done.returncode == 0, done.stderr
    yield world, before
    world.end_all()


def prepared(world: World) -> Prepared:
    place = machines.load(world.root / "machine.yaml")
    place = place.model_copy(update={"storage": place.storage.model_copy(update={"runs": str(world.runs)})})
    return runs.prepare(world.root / "tiny.yaml", place)


def loads(ready: Prepared, winner: disk.Winner | None = None) -> list[Load]:
    stands_on = ground(ready.recipe, ready.machine, ready.gathered, ready.plan, None)
    todo = [name for name, status in ready.found.items() if status.state == "todo"]
    return disk.loads(stands_on, ready.plan, todo, winner=winner)


@pytest.mark.process
def test_the_disk_is_as_full_as_the_plan_says_at_every_moment(ran: tuple[World, Prepared]) -> None:
    world, before = ran
    found = disk.mark(loads(before, winners(world.run_folder, before.plan)))
    course, seen = dict(found.course), list[tuple[str, float]]()
    for line in (world.root / "weights.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = " ".join(row["argv"])
        names = [
            name
            for name in course
            if f"configs/{name}.yaml" in text or f"artifacts/{name}/" in text or f"work/{name}/" in text
        ]
        seen.append((max(names, key=len), row["bytes"]))
    works = [(name, size) for name, size in seen if name.endswith(("train", "merge", "anna", "bert"))]
    assert len(works) == 9
    assert works == [(name, course[name]) for name, _ in works]
    assert max(size for _, size in seen) == found.peak
    assert tensors(world.runs) == found.stays


@pytest.mark.process
def test_without_knowing_the_winners_it_is_an_upper_bound(ran: tuple[World, Prepared]) -> None:
    world, before = ran
    known, unknown = (disk.mark(loads(before, winner)) for winner in (winners(world.run_folder, before.plan), None))
    model = 2440 * 4
    assert known.peak <= unknown.peak <= known.peak + model
    assert unknown.peak <= disk_bound.bound(loads(before))


@pytest.mark.process
def test_what_is_done_weighs_on_and_what_nobody_reads_is_gone(ran: tuple[World, Prepared]) -> None:
    world, before = ran
    after = prepared(world)
    found = disk.mark(loads(after, winners(world.run_folder, before.plan)))
    assert found.course == ()
    # All of it but the last models of unneeded steps: results, kept ones, the student.
    assert found == Mark(found.stays, "", disk.mark(loads(before, winners(world.run_folder, before.plan))).stays)


@pytest.mark.process
def test_calibrated_estimates_are_what_the_run_took(ran: tuple[World, Prepared]) -> None:
    """Of real processes: every kind within a tenth, all of it within a fiftieth."""
    world, _ = ran
    folder = Folder(world.run_folder)
    made = calibrate(observe(folder), folder.machine().costs)
    for kind in made.kinds:
        assert kind.after == pytest.approx(kind.measured, rel=0.1, abs=0.1), kind
    every = whole(made.kinds)
    assert every.n == len([step for step in folder.plan().steps if step.kind != "corpus"]) + 2
    assert every.after == pytest.approx(every.measured, rel=0.02)
    assert not every.measured * 0.5 < every.before < every.measured * 2, "these tools are no GPUs"


def test_all_is_kept_where_the_machine_says_so(planned: tuple[World, Prepared]) -> None:
    _, ready = planned
    stands_on = ground(ready.recipe, ready.machine, ready.gathered, ready.plan, None)
    every = disk.loads(stands_on, ready.plan, ready.found, keep_all=True)
    found = disk.mark(every)
    assert found.stays == sum(load.size.left for load in every)
    assert found.stays > disk.mark(loads(ready)).stays
