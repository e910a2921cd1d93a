"""What a terminal shows while several steps run at once, and when it may end."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from mot_plugin import glance, live_view
from mot_plugin.folder import Folder
from mot_plugin.live_view import LINES, Scene
from mot_plugin.step import Plan, Step, arrange
from mot_plugin.store import Record, Store
from mot_plugin.tools.call import Call
from mot_plugin.views import PlainView


def step(name: str, kind: str, *needs: str) -> Step:
    return Step(name, kind, "MoT", Call((), (), (name,)), needs)  # type: ignore[arg-type]


def rounds(count: int) -> Plan:
    """Two branches, a merge and an evaluation a round."""
    steps: list[Step] = []
    for number in range(1, count + 1):
        before = [f"merge-{number - 1}"] if number > 1 else []
        steps += [step(f"{one}-{number}", "train", *before) for one in ("anna", "bert")]
        steps += [step(f"merge-{number}", "merge", f"anna-{number}", f"bert-{number}")]
        steps += [step(f"evaluate-{number}", "evaluate", f"merge-{number}")]
    return arrange("tiny", steps, {}, {})


def ran(plan: Plan, store: Store, name: str, started: float, seconds: float | None) -> None:
    """Write a record: done after so many seconds, or running."""
    record = Record(name, plan[name].kind, "tiny", "running", started=started)
    if seconds is not None:
        record = replace(record, state="done", ended=started + seconds)
        store.out(plan.prints[name]).mkdir(parents=True)
    store.write(plan.prints[name], record)


def first_round(plan: Plan, store: Store, *, together: bool) -> None:
    """Trainings of 100 s, a merge of 10, an evaluation of 50."""
    ran(plan, store, "anna-1", 0, 100)
    ran(plan, store, "bert-1", 0 if together else 100, 100)
    ran(plan, store, "merge-1", 200, 10)
    ran(plan, store, "evaluate-1", 210, 50)


def test_time_left_of_steps_in_a_row_is_their_sum(tmp_path: Path) -> None:
    plan, store = rounds(2), Store(tmp_path)
    assert glance.remaining(plan, list(plan.steps), store) is None, "nothing alike was done yet"
    first_round(plan, store, together=False)
    left = list(plan.steps)[4:]
    assert glance.remaining(plan, left, store) == 100 + 100 + 10 + 50
    ran(plan, store, "anna-2", 260, None)
    assert glance.remaining(plan, left, store, running={"anna-2"}, at=300) == 60 + 100 + 10 + 50


def test_time_left_of_steps_side_by_side_is_never_below_the_longest_chain(tmp_path: Path) -> None:
    plan, store = rounds(2), Store(tmp_path)
    first_round(plan, store, together=True)  # 260 s of work in 160 s
    left = list(plan.steps)[4:]
    assert glance.remaining(plan, left, store) == 260 / (260 / 160) == 100 + 10 + 50
    ran(plan, store, "anna-2", 260, None)
    found = glance.remaining(plan, left, store, running={"anna-2"}, at=350)
    assert found == 100 + 10 + 50, "bert has not begun: the chain behind it is what lasts"


def test_a_scene_of_several_steps() -> None:
    plan = rounds(2)
    names = {one.name: one for one in plan.steps}
    scene = Scene()
    scene.hear("queued", names["anna-1"])
    scene.hear("queued", names["bert-1"], "no node takes it yet")
    assert scene.waiting() == "queued: anna-1, bert-1 (no node takes it yet)"
    scene.hear("start", names["anna-1"])
    scene.hear("start", names["bert-1"])
    scene.hear("tick", names["anna-1"])
    scene.hear("done", names["bert-1"])
    assert scene.rows() == [("done", names["bert-1"]), ("start", names["anna-1"])]
    scene.hear("queued", names["anna-1"])  # its worker was lost
    assert (scene.rows(), scene.waiting()) == ([("done", names["bert-1"])], "queued: anna-1")
    assert [one.name for one in scene.left(plan.steps)][:2] == ["anna-1", "merge-1"]


def test_the_picture_shows_all_that_runs(tmp_path: Path) -> None:
    plan, store = rounds(6), Store(tmp_path / ".store")
    first_round(plan, store, together=True)
    folder, scene = Folder(tmp_path / "tiny"), Scene()
    for name in ("anna-1", "bert-1", "merge-1", "evaluate-1"):
        scene.hear("done", plan[name])
    for name in ("anna-2", "bert-2"):
        ran(plan, store, name, 260, None)
        scene.hear("start", plan[name])
    console = Console(file=io.StringIO(), width=100)
    console.print(live_view.picture(folder, plan, plan.steps, store, scene, begun=0))
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert said[0].startswith("tiny  4 of 24 steps ended, 2 running")
    assert [line.split()[:2] for line in said[2:]] == [
        ["✔", "anna-1"],
        ["✔", "bert-1"],
        ["✔", "merge-1"],
        ["✔", "evaluate-1"],
        ["▶", "anna-2"],
        ["▶", "bert-2"],
    ]
    assert len(scene.rows()) <= LINES


def test_plain_lines_say_only_what_a_queue_has_to_say(tmp_path: Path) -> None:
    plan, store = rounds(1), Store(tmp_path / ".store")
    console = Console(file=io.StringIO(), width=200)
    with PlainView(console).watching(Folder(tmp_path / "tiny"), plan, list(plan.steps), store) as tell:
        tell("queued", plan["anna-1"], 1)
        tell("queued", plan["bert-1"], 2, "Slurm job 7")
        tell("start", plan["anna-1"], 1)
        tell("start", plan["bert-1"], 2)
        tell("done", plan["anna-1"], 1)
    said = [line.partition("] ")[2] for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert said == ["2/4 queued  bert-1: Slurm job 7", "1/4 start   anna-1", "2/4 start   bert-1", "1/4 done    anna-1"]
