"""Faults of the tools and of the place, one at a time: exit code, message, retries, what is kept, and how it goes on."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, copy_world, make_world, wait_for

pytestmark = pytest.mark.process

ANNA, BERT, MERGE, EVALUATE = (
    f"mot/round-1/{name}" for name in ("branches/anna", "branches/bert", "merge", "evaluate")
)
BEFORE = {"base/student", "corpus/anna", "corpus/bert", "base/evaluate"}
KILLED = "killed from outside: most often memory ran out (see `dmesg`), or somebody stopped it"
FULL = "the disk is full: free space and run again; nothing that was finished is lost"


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Student, corpora and the student's evaluation are done; everything else is not."""
    made = make_world(tmp_path_factory.mktemp("begun") / "world", rounds=1)
    made.edit(lambda recipe: recipe["methods"].pop("mot"), to="base.yaml")
    assert made.run("base.yaml").returncode == 0
    made.forget()
    return made


@pytest.fixture
def started(begun: World, tmp_path: Path) -> Iterator[World]:
    """A copy of `begun`, to go on from."""
    made = copy_world(begun, tmp_path / "world")
    yield made
    made.end_all()


def failed(world: World, step: str, number: int, said: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Check everything that every failure's message has; the parts that differ are returned."""
    assert said.returncode == 3, said.stderr
    lines = said.stderr.splitlines()
    first = re.fullmatch(rf"error: step {number} of 11, {step}: (.*)", lines[0])
    assert first, lines
    record = world.records()[step]
    assert (record["state"], record["error"]) == ("failed", first[1])
    assert lines[1] == f"  command   {record['command']}"
    assert lines[1].startswith(f"  command   cd {world.run_folder} && ")
    assert lines[2] == f"  log       runs/tiny/logs/{step}.log, last lines:"
    log = (world.root / f"runs/tiny/logs/{step}.log").read_text().splitlines()
    shown = [line.removeprefix("    ") for line in lines[3:] if line.startswith("    ")]
    assert shown == [line.rstrip() for line in log if line.strip()][-8:]
    assert lines[-1] == "Nothing that was finished is lost. Run the same command again to go on from here."
    assert any(re.fullmatch(r"\d more waits? for it: .*", line) or "more wait for it: " in line for line in lines)
    advice = [line.removeprefix("  advice    ") for line in lines if line.startswith("  advice")]
    assert advice == ([record["advice"]] if record["advice"] else [])
    assert "Traceback" not in said.stderr.replace("    Traceback", "")
    return {"what": first[1], "log": "\n".join(shown), "advice": advice[0] if advice else ""}


@pytest.mark.parametrize(
    ("fault", "tries", "what", "log", "advice"),
    [
        ("exit1", 2, "llamafactory-cli exited with 1", "ValueError: something odd happened", ""),
        ("killed", 2, "llamafactory-cli killed by SIGKILL", "$ cd ", KILLED),
        (
            "out-of-memory",
            2,
            "llamafactory-cli exited with 1",
            "CUDA out of memory",
            "memory ran out: lower per_device",
        ),
        ("disk-full", 1, "llamafactory-cli exited with 1", "No space left on device", FULL),
        ("exit0-nothing", 1, "mot-plugin exited with 65", "not the training that was asked for", ""),
        ("nan-weights", 1, "mot-plugin exited with 65", "NaN or Inf in", ""),
        ("missing-tokenizer", 1, "mot-plugin exited with 65", "lacks tokenizer.json", ""),
    ],
)
def test_a_failing_training(started: World, fault: str, tries: int, what: str, log: str, advice: str) -> None:
    started.fault("llamafactory-cli", fault, match="anna", times=9)
    said = failed(started, ANNA, 5, started.run())
    assert said["what"] == what
    assert log in said["log"]
    assert said["advice"].startswith(advice) and bool(said["advice"]) == bool(advice)
    assert started.starts("llamafactory-cli", "anna") == tries
    assert set(started.done()) == BEFORE | {BERT}, "an independent branch goes on"
    assert started.plan()[ANNA]["why"] == f"failed: {what}"
    goes_on(started, {ANNA, MERGE, EVALUATE, "mot/round-1/select", "ship", "report"})


@pytest.mark.parametrize(
    ("fault", "tries", "what", "log", "advice"),
    [
        ("exit1", 2, "mergekit-yaml exited with 1", "ValueError: something odd happened", ""),
        ("killed", 2, "mergekit-yaml killed by SIGKILL", "$ cd ", KILLED),
        ("disk-full", 1, "mergekit-yaml exited with 1", "No space left on device", FULL),
        ("exit0-nothing", 1, "mot-plugin exited with 65", "no such folder", ""),
        ("nan-weights", 1, "mot-plugin exited with 65", "NaN or Inf in", ""),
    ],
)
def test_a_failing_merge(started: World, fault: str, tries: int, what: str, log: str, advice: str) -> None:
    started.fault("mergekit-yaml", fault, times=9)
    said = failed(started, MERGE, 7, started.run())
    assert (said["what"], said["advice"]) == (what, advice)
    assert log in said["log"]
    assert started.starts("mergekit-yaml") == tries
    assert set(started.done()) == BEFORE | {ANNA, BERT}
    goes_on(started, {MERGE, EVALUATE, "mot/round-1/select", "ship", "report"})


@pytest.mark.parametrize(
    ("fault", "tries", "what", "log", "advice"),
    [
        ("exit1", 2, "mot-plugin exited with 3", "ValueError: something odd happened", ""),
        ("disk-full", 1, "mot-plugin exited with 3", "No space left on device", FULL),
        ("exit0-nothing", 2, "mot-plugin exited with 3", "lm-eval wrote no results file there", ""),
        ("fewer-samples", 1, "mot-plugin exited with 65", "answers per problem were asked for", ""),
    ],
)
def test_a_failing_evaluation(started: World, fault: str, tries: int, what: str, log: str, advice: str) -> None:
    started.fault("lm_eval", fault, times=9)
    said = failed(started, EVALUATE, 8, started.run())
    assert (said["what"], said["advice"]) == (what, advice)
    assert log in said["log"]
    assert started.starts("lm_eval") == tries
    assert set(started.done()) == BEFORE | {ANNA, BERT, MERGE}
    goes_on(started, {EVALUATE, "mot/round-1/select", "ship", "report"})


def goes_on(world: World, steps: set[str]) -> None:
    """The fault is mended and the same command given again: these steps run, and nothing else."""
    world.mend()
    before = world.done()
    assert set(world.todo()) == steps
    assert world.run().returncode == 0
    after = world.done()
    assert {name: after[name] for name in before} == before
    assert set(after) == set(before) | steps
    assert world.todo() == []


@pytest.mark.parametrize("fault", ["out-of-memory", "killed", "exit1"])
def test_a_failure_that_passes_is_tried_again(started: World, fault: str) -> None:
    started.fault("llamafactory-cli", fault, match="anna")
    said = started.run()
    assert (said.returncode, said.stderr) == (0, "")
    assert started.starts("llamafactory-cli", "anna") == 2
    record = started.records()[ANNA]
    assert (record["state"], record["attempt"], record["error"], record["advice"]) == ("done", 2, None, None)
    home = (started.run_folder / "artifacts" / ANNA).resolve().parent
    assert sorted(file.name for file in home.glob("attempt-*")) == ["attempt-1.log", "attempt-2.log"]


def test_a_tokenizer_that_mergekit_did_not_copy_is_put_back(started: World) -> None:
    started.fault("mergekit-yaml", "missing-tokenizer")
    assert started.run().returncode == 0
    student = started.run_folder / "student" / "tokenizer.json"
    assert student.read_bytes() == (started.root / "student" / "tokenizer.json").read_bytes()


def test_two_failures_are_told_in_one_message(started: World) -> None:
    started.fault("llamafactory-cli", "exit1", times=9)
    said = started.run()
    assert said.returncode == 3
    heads = [line for line in said.stderr.splitlines() if " of 11, " in line]
    assert heads == [
        f"error: step 5 of 11, {ANNA}: llamafactory-cli exited with 1",
        f"step 6 of 11, {BERT}: llamafactory-cli exited with 1",
    ]
    assert said.stderr.count("  command   ") == 2
    blocked = [line.split("blocked")[1].strip() for line in said.stdout.splitlines() if " blocked " in line]
    assert blocked == [
        f"{name}: waits for a failed step" for name in (MERGE, EVALUATE, "mot/round-1/select", "ship", "report")
    ]


def test_a_tool_that_is_not_installed(started: World) -> None:
    before = (started.run_folder / "plan.json").read_bytes()
    started.edit(lambda machine: machine["tools"]["mergekit-yaml"].update(command=["no-such-program"]), "machine.yaml")
    said = started.run()
    assert said.returncode == 5
    assert said.stderr.startswith("error: tools are missing\n  mergekit-yaml: no program 'no-such-program' on PATH")
    assert "make install" in said.stderr
    assert started.starts() == 0
    assert (started.run_folder / "plan.json").read_bytes() == before, "nothing was changed"


def test_traces_that_are_not_there(started: World) -> None:
    before = (started.run_folder / "plan.json").read_bytes()
    (started.root / "anna.jsonl").unlink()
    (started.root / "bert.jsonl").unlink()
    said = started.run()
    assert said.returncode == 6
    assert said.stderr.splitlines() == [
        "error: recipe tiny cannot start, inputs are missing",
        f"  traces/anna.jsonl: {started.root}/anna.jsonl is not there",
        f"  traces/bert.jsonl: {started.root}/bert.jsonl is not there",
        "Put them there, or mend the paths in the recipe.",
    ]
    assert started.plan()["corpus/anna"]["why"] == "input missing: anna.jsonl"
    assert (started.run_folder / "plan.json").read_bytes() == before, "nothing was changed"


def test_a_second_run_of_one_folder_is_refused(started: World) -> None:
    started.fault("llamafactory-cli", "slow", match="anna", seconds=2)
    first = started.start()
    wait_for(lambda: started.starts("llamafactory-cli"))
    second = started.run()
    assert second.returncode == 4
    assert re.search(rf"runs/tiny is being run by another process \(process {first.pid} since ", second.stderr)
    assert "nothing was changed" in second.stderr
    first.communicate(timeout=300)
    assert first.returncode == 0
    assert started.starts("llamafactory-cli", "anna") == 1


def test_two_runs_at_once_share_a_step_and_do_it_once(started: World) -> None:
    started.edit(lambda recipe: recipe.update(name="twin"), to="twin.yaml")
    started.fault("llamafactory-cli", "slow", match="anna", seconds=2)
    first = started.start()
    wait_for(lambda: started.starts("llamafactory-cli"))
    second = started.run("twin.yaml")
    assert second.returncode == 0, second.stderr
    first.communicate(timeout=300)
    assert first.returncode == 0
    assert started.starts("llamafactory-cli") == 2
    assert started.starts("mergekit-yaml") == 1
    assert started.starts("lm_eval") == 1


def test_a_supervisor_that_was_killed_is_said_to_be(started: World) -> None:
    started.fault("llamafactory-cli", "grandchild", match="anna", seconds=60)
    process = started.start()
    wait_for(lambda: started.log("grandchild"))
    os.kill(started.records()[ANNA]["pid"], signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 3
    assert f"{ANNA}: its supervisor was killed by SIGKILL" in said
    assert started.processes() == {}, "not even a grandchild that ignores SIGTERM"
    assert started.plan()[ANNA]["why"] == "was interrupted"
    goes_on(started, {ANNA, MERGE, EVALUATE, "mot/round-1/select", "ship", "report"})


@pytest.fixture
def small_disk(started: World) -> Iterator[Path]:
    """The started world's runs on a disk of two megabytes."""
    aside, runs = started.root / "aside", started.runs
    runs.rename(aside)
    runs.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(runs)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk to fill: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(runs)], check=True)
        yield runs
    finally:
        started.end_all()
        subprocess.run(["umount", str(runs)], check=True)


@pytest.mark.parametrize("free", [0, 8, 24, 48, 100])
def test_a_disk_that_is_really_full(started: World, small_disk: Path, free: int) -> None:
    """However much is left, whatever it is that no longer fits: the words, the exit code, and a way on."""
    fill(small_disk, free)
    said = started.run()
    assert said.returncode == 3, said.stderr
    assert "the disk is full" in said.stderr
    assert "free space and run again; nothing that was finished is lost" in said.stderr
    (small_disk / "ballast").unlink()
    before = {name: begun for name, begun in started.done().items() if name != "report"}  # it grows with the recipe
    assert set(before) >= BEFORE
    assert started.run().returncode == 0
    assert before.items() <= started.done().items()


def fill(disk: Path, free: int) -> None:
    """Leave `free` blocks of a kilobyte."""
    left = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        file.write(b"\0" * (left.f_bavail * left.f_frsize - free * 1024))
