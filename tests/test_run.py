"""Whole runs through the real command line, with the fake tools: what is done, what is done again, what is said."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from fake_world import TEACHERS, World, copy_world, wait_for, write_traces
from fakes.faults import models

pytestmark = pytest.mark.process

ROUND = [
    "mot/round-{}/branches/anna",
    "mot/round-{}/branches/bert",
    "mot/round-{}/merge",
    "mot/round-{}/evaluate",
    "mot/round-{}/select",
]


def round_steps(*numbers: int) -> list[str]:
    return [step.format(number) for number in numbers for step in ROUND]


def set_rate(world: World, rate: float) -> None:
    world.edit(lambda recipe: recipe["sft"].update(learning_rate=rate))


def set_rounds(world: World, rounds: int) -> None:
    world.edit(lambda recipe: recipe["methods"]["mot"].update(rounds=rounds))


def test_a_whole_recipe_leaves_a_report_and_a_student(whole: World) -> None:
    run = whole.run_folder
    assert (run / "report" / "report.md").is_file()
    assert len((run / "report" / "scores.csv").read_text().splitlines()) > 3 * 2
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= {file.name for file in (run / "student").iterdir()}
    assert (run / "student").resolve().is_relative_to(whole.runs / ".store")
    config = json.loads((run / "student" / "config.json").read_text())
    assert config["use_cache"] is True, "as trained, the student would answer slowly"
    assert set(whole.done()) == {
        "base/student",
        "corpus/anna",
        "corpus/bert",
        "base/evaluate",
        *round_steps(1, 2),
        "ship",
        "report",
    }
    assert not (run / "work").exists()


def test_temporary_weights_are_deleted_while_the_run_goes_on(whole: World) -> None:
    most = max(row["models"] for row in [*whole.log("start"), *whole.log("end")])
    assert most <= len(TEACHERS) + 3
    assert models(whole.runs) <= 3  # the base student, the chosen one, the last merge
    kept = sorted(str(file.parent.relative_to(whole.run_folder / "artifacts")) for file in weights(whole))
    assert kept == ["base/student/model", "mot/round-2/merge/model", "mot/round-2/select/model", "ship"]


def weights(world: World) -> list[Path]:
    artifacts = world.run_folder / "artifacts"
    return [file for step in world.records() for file in (artifacts / step).rglob("*.safetensors")]


def test_every_path_that_a_tool_sees_is_relative(whole: World) -> None:
    place = str(whole.root)
    for row in whole.log():
        assert place not in " ".join(row["argv"])
    for file in (whole.run_folder / "configs").rglob("*.*"):
        assert place not in file.read_text()


def test_plain_output_is_one_line_per_event(whole: World) -> None:
    lines = (whole.root / "said.txt").read_text().split("\n\n", 1)[0].splitlines()
    events = [
        re.fullmatch(r"\[ +\d+:\d\d\] +(\d+)/16 (start  |done   ) (\S+)( in \d+\.\d s)?(: .+)?", line) for line in lines
    ]
    assert all(events), lines
    said = [(int(event[1]), event[2].strip(), event[3]) for event in events if event]
    steps = list(whole.records())
    assert said == [(number, event, step) for number, step in enumerate(steps, 1) for event in ("start", "done")]
    assert re.search(r"round-1/branches/anna in \d+\.\d s: loss 1\.500$", "\n".join(lines), re.MULTILINE)


def test_what_plan_shows_is_what_ran(whole: World, tmp_path: Path) -> None:
    assert whole.mot("plan", "tiny.yaml", "-m", "machine.yaml", "--out", str(tmp_path / "shown")).returncode == 0
    shown = {
        file.relative_to(tmp_path / "shown"): file.read_bytes()
        for file in (tmp_path / "shown").rglob("*.*")
        if file.is_file()
    }
    assert len(shown) > 20
    assert shown == {path: (whole.run_folder / path).read_bytes() for path in shown}


def processor_seconds() -> float:
    """Of all processes that were started and have ended: how busy the computer is with other things does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_second_run_does_nothing_and_is_quick(finished: World) -> None:
    before = finished.done()
    took = []
    for _ in range(3):
        begun = processor_seconds()
        again = finished.run()
        took.append(processor_seconds() - begun)
        assert (again.returncode, again.stderr) == (0, "")
        assert again.stdout == "runs/tiny: everything is done; report at runs/tiny/report/index.html\n"
    assert min(took) < 1
    assert finished.starts() == 0
    assert finished.done() == before
    assert finished.processes() == {}


def test_another_learning_rate_trains_again_but_keeps_the_corpora(finished: World) -> None:
    set_rate(finished, 0.02)
    planned = finished.plan()
    assert [name for name, row in planned.items() if row["state"] == "todo"] == [*round_steps(1, 2), "ship", "report"]
    assert planned["mot/round-1/branches/anna"]["why"] == "changed: configs/mot/round-1/branches/anna.yaml"
    assert planned["mot/round-2/branches/anna"]["why"].endswith("step mot/round-1/merge")
    assert planned["corpus/anna"]["why"] == "done"
    old = finished.result()
    assert finished.run().returncode == 0
    new = finished.result()
    assert finished.starts("llamafactory-cli") == 4
    assert finished.starts("lm_eval") == 2
    assert {name for name in old if name.startswith(("corpus", "base"))} <= {
        name for name in new if new[name] == old.get(name)
    }
    assert new["student/model.safetensors"] != old["student/model.safetensors"]

    set_rate(finished, 0.01)  # and back: what was made before is still in the store
    assert finished.todo() == []
    assert finished.run().returncode == 0
    assert finished.starts() == 4 + 2 + 2
    assert finished.result() == old


def test_other_traces_of_one_teacher_leave_the_other_teachers_first_branch(finished: World) -> None:
    write_traces(finished.root / "bert.jsonl", "somebody else")
    planned = finished.plan()
    todo = [name for name, row in planned.items() if row["state"] == "todo"]
    needed_again = "mot/round-1/branches/anna"  # done, but its weights are gone and the new merge reads them
    assert todo == ["corpus/bert", *round_steps(1, 2), "ship", "report"]
    assert planned["corpus/bert"]["why"] == "changed: inputs/traces/bert.jsonl"
    assert planned[needed_again]["why"] == "its weights were deleted, mot/round-1/merge needs them"
    assert planned["corpus/anna"]["state"] == "done"


def test_one_more_round_runs_the_new_round_only(finished: World) -> None:
    set_rounds(finished, 3)
    assert finished.todo() == [*round_steps(3), "ship", "report"]
    assert finished.run().returncode == 0
    assert finished.starts("llamafactory-cli") == 2
    assert finished.starts("mergekit-yaml") == 1
    assert finished.starts(match="artifacts/mot/round-3/merge") == 1


def test_a_second_recipe_shares_finished_steps(finished: World) -> None:
    finished.edit(lambda recipe: recipe.update(name="other"), to="other.yaml")
    planned = finished.plan("other.yaml")
    assert planned["corpus/anna"]["why"] == "done elsewhere (run tiny)"
    assert planned["mot/round-1/branches/anna"]["why"] == "done elsewhere (run tiny), weights deleted"
    assert finished.todo("other.yaml") == ["ship", "report"]
    assert finished.run("other.yaml").returncode == 0
    assert finished.starts() == 0
    assert (finished.runs / "other" / "student" / "model.safetensors").is_file()


def test_a_longer_run_beside_it_leaves_a_run_its_student(finished: World) -> None:
    def longer(recipe: dict) -> None:
        recipe["name"] = "longer"
        recipe["methods"]["mot"]["rounds"] = 3

    before = finished.result()
    finished.edit(longer, to="longer.yaml")
    assert finished.run("longer.yaml").returncode == 0
    assert (finished.run_folder / "student" / "model.safetensors").is_file()
    assert finished.todo() == []
    assert finished.result() == before


def test_nothing_is_deleted_where_the_machine_keeps_all(world: World) -> None:
    world.edit(lambda machine: machine["storage"].update(keep="all"), "machine.yaml")
    assert world.run().returncode == 0
    assert all(
        (world.run_folder / "artifacts" / f"mot/round-1/branches/{name}/model/model.safetensors").is_file()
        for name in TEACHERS
    )


def test_what_plan_says_of_a_run_that_never_ran(world: World) -> None:
    planned = world.plan()
    assert {row["why"] for row in planned.values()} == {"never ran"}
    assert not world.runs.exists()
    shown = world.mot("plan", "tiny.yaml", "--machine", "machine.yaml").stdout
    assert "tiny on test: 11 steps, 11 to run" in shown
    assert re.search(r"mot/round-1/branches/anna +train +never ran", shown)


def test_status_while_it_runs_and_after_it_was_stopped(world: World) -> None:
    world.fault("llamafactory-cli", "slow", match="bert", seconds=60)
    process = world.start()
    wait_for(lambda: world.starts("llamafactory-cli", "bert"))
    rows = {row["name"]: row for row in json.loads(world.mot("status", "runs/tiny", "--json").stdout)["steps"]}
    assert [rows[name]["state"] for name in ("corpus/anna", "mot/round-1/branches/bert", "mot/round-1/merge")] == [
        "done",
        "running",
        "todo",
    ]
    assert rows["corpus/anna"]["what"] == "6 of 6 prompts"
    assert rows["mot/round-1/branches/anna"]["what"] == "loss 1.500"
    assert rows["mot/round-1/branches/bert"]["what"] == "loading"
    assert "runs/tiny: 5 of 11 steps done" in world.mot("status", "runs/tiny").stdout

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said == "\nstopped; run the same command again to go on from here\n"
    rows = {row["name"]: row for row in json.loads(world.mot("status", "runs/tiny", "--json").stdout)["steps"]}
    assert (rows["mot/round-1/branches/bert"]["state"], rows["mot/round-1/branches/bert"]["what"]) == (
        "todo",
        "was stopped",
    )


def test_a_run_under_nohup_outlives_its_terminal(world: World) -> None:
    world.fault("lm_eval", "slow", seconds=1)
    process = world.start_ignoring(signal.SIGHUP)
    wait_for(lambda: world.starts("lm_eval"))
    os.kill(process.pid, signal.SIGHUP)
    process.communicate(timeout=300)
    assert process.returncode == 0


def test_a_report_is_made_again_from_the_artifacts(finished: World) -> None:
    report = finished.run_folder / "report"

    def files() -> dict[str, bytes]:
        return {str(file.relative_to(report)): file.read_bytes() for file in report.rglob("*") if file.is_file()}

    finished.mot("report", "runs/tiny")  # a copy of a run lies elsewhere, which its page says
    before = files()
    assert {"index.html", "report.md", "scores.csv"} <= set(before)
    shutil.rmtree(report)
    said = finished.mot("report", "runs/tiny")
    assert said.returncode == 0
    assert "Table 2" in said.stdout
    assert files() == before
    shutil.rmtree(report)
    assert finished.run().returncode == 0
    assert files() == before


def test_the_report_of_an_unfinished_run_has_holes_and_nothing_old(finished: World) -> None:
    old = (finished.run_folder / "report" / "table2.md").read_text()
    row = next(line for line in old.splitlines() if "MoT" in line and "|" in line)
    set_rate(finished, 0.02)
    finished.fault("lm_eval", "exit1", match="round-1", times=9)
    failed = finished.run()
    assert failed.returncode == 3
    for _ in ("as the run left it", "as `report` makes it"):
        table = (finished.run_folder / "report" / "table2.md").read_text()
        assert row not in table
        now, before = (next(line.split() for line in text.splitlines() if "Base" in line) for text in (table, old))
        assert now == before
        assert "MoT" in table
        assert finished.mot("report", "runs/tiny").returncode == 0
    assert not (finished.run_folder / "student").exists(), "the student of another learning rate is not this run's"


def test_the_command_of_a_record_can_be_pasted(whole: World, tmp_path: Path) -> None:
    world = copy_world(whole, tmp_path / 'it\'s "here" $HOME')
    set_rate(world, 0.02)
    world.fault("llamafactory-cli", "exit1", match="anna", times=2)
    said = world.run()
    assert said.returncode == 3
    command = world.records()["mot/round-1/branches/anna"]["command"]
    assert f"command   {command}" in said.stderr
    pasted = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=world.environment(), check=False
    )
    assert pasted.returncode == 0, pasted.stdout + pasted.stderr
    assert (world.run_folder / "work/mot/round-1/branches/anna/model/model.safetensors").is_file()


@pytest.mark.parametrize(("command", "what"), [("status", "plan.json"), ("report", "plan.json")])
def test_a_folder_that_is_no_run(world: World, command: str, what: str) -> None:
    said = world.mot(command, "student")
    assert said.returncode == 2
    assert said.stderr.startswith("error: student is not a run folder")
    assert what in said.stderr


def test_a_plan_of_another_version_is_said_to_be_one(finished: World) -> None:
    file = finished.run_folder / "plan.json"
    file.write_text('{"recipe": "tiny", "stages": []}')
    said = finished.mot("status", "runs/tiny")
    assert (said.returncode, said.stderr) == (
        2,
        "error: runs/tiny/plan.json was not written by this version: run the recipe once more\n",
    )
    assert finished.run().returncode == 0
    assert finished.mot("status", "runs/tiny").returncode == 0
