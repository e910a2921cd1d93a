"""Runs that are stopped and killed: nothing goes on in secret, nothing that was done is lost, nothing is done twice."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from fake_world import World, make_world, wait_for

pytestmark = pytest.mark.process

ANNA, MERGE, EVALUATE = "mot/round-1/branches/anna", "mot/round-1/merge", "mot/round-1/evaluate"
SAID = "\nstopped; run the same command again to go on from here\n"


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the run of one round leaves when nobody disturbs it."""
    made = make_world(tmp_path_factory.mktemp("uninterrupted") / "world", rounds=1)
    assert made.run().returncode == 0
    yield made.result()


class Interrupted:
    """A run that is started and killed again and again; what was done once must stay as it was done."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kept: dict[str, float] = {}

    def until(self, ready: Callable[[], object], number: int, *, supervisor: bool = False) -> tuple[int, str]:
        """Start the run, wait for a moment, send a signal: exit code and what was said. Nothing may go on after it."""
        process = self.world.start()
        wait_for(lambda: process.poll() is not None or ready())
        pid = self.supervisor() if supervisor else process.pid
        if pid is not None and process.poll() is None:
            os.kill(pid, number)
        _, said = process.communicate(timeout=300)
        wait_for(lambda: not self.world.processes(), seconds=5)
        self.nothing_lost()
        return process.returncode, said

    def supervisor(self) -> int | None:
        """The process that supervises a step right now."""
        return next((pid for pid, line in self.world.processes().items() if " mot_plugin exec " in line), None)

    def nothing_lost(self) -> None:
        """What was done is still done, by the same attempt."""
        if (self.world.run_folder / "plan.json").is_file():
            done = self.world.done()
            assert self.kept.items() <= done.items()
            self.kept = done

    def finish(self) -> dict[str, str]:
        """Run to the end."""
        last = self.world.run()
        assert last.returncode == 0, last.stderr
        self.nothing_lost()
        assert self.world.todo() == []
        return self.world.result()


def running(world: World, step: str) -> Callable[[], bool]:
    """Whether a step's record says that it runs."""

    def asked() -> bool:
        return (world.run_folder / "plan.json").is_file() and world.records().get(step, {}).get("state") == "running"

    return asked


def started(world: World, tool: str) -> Callable[[], object]:
    """Whether one more start of a tool was logged."""
    before = world.starts(tool)
    return lambda: world.starts(tool) > before


def test_stopped_in_every_phase(world: World, uninterrupted: dict[str, str]) -> None:
    run = Interrupted(world)
    for tool in ("llamafactory-cli", "mergekit-yaml", "lm_eval"):
        world.fault(tool, "slow", match="anna" if tool == "llamafactory-cli" else "round-1", seconds=60)
    assert run.until(running(world, "corpus/bert"), signal.SIGINT) == (130, SAID)
    assert "corpus/anna" in run.kept
    assert run.until(started(world, "llamafactory-cli"), signal.SIGTERM) == (130, SAID)
    assert world.plan()[ANNA]["why"] == "was stopped"
    assert run.until(started(world, "mergekit-yaml"), signal.SIGHUP) == (130, SAID)
    assert ANNA in run.kept
    assert run.until(lambda: world.starts("lm_eval", MERGE), signal.SIGKILL)[0] == -signal.SIGKILL
    assert MERGE in run.kept
    assert world.plan()[EVALUATE]["why"] in ("was stopped", "was interrupted")
    assert run.finish() == uninterrupted
    assert world.starts("llamafactory-cli", "anna") == 2
    assert world.starts("llamafactory-cli", "bert") == 1
    assert world.starts("mergekit-yaml") == 2
    assert world.starts("lm_eval", MERGE) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_grandchild_that_ignores_sigterm(world: World, number: int) -> None:
    world.fault("llamafactory-cli", "grandchild", seconds=60)
    run = Interrupted(world)
    run.until(lambda: {row["child"] for row in world.log("grandchild")} & world.processes().keys(), number)
    assert world.log("grandchild"), "it was there, and is among the processes that had to end"


def test_killed_and_started_again_at_once(world: World, uninterrupted: dict[str, str]) -> None:
    world.fault("llamafactory-cli", "grandchild", match="anna", seconds=60)
    process = world.start()
    wait_for(lambda: world.log("grandchild"))
    process.kill()
    again = world.run()
    process.communicate(timeout=10)
    assert again.returncode == 0, again.stderr
    assert world.result() == uninterrupted
    assert world.starts("llamafactory-cli", "anna") == 2
    assert world.processes() == {}


def test_what_outlived_its_supervisor_is_ended_before_the_step_runs_again(
    world: World, uninterrupted: dict[str, str]
) -> None:
    """Driver and supervisor killed outright: the kernel ends the command, but a grandchild lives on until the next run."""
    world.fault("llamafactory-cli", "grandchild", match="anna", seconds=60)
    process = world.start()
    wait_for(lambda: world.log("grandchild"))
    process.send_signal(signal.SIGSTOP)  # so that it cannot clean up after its supervisor
    os.kill(world.records()[ANNA]["pid"], signal.SIGKILL)
    process.kill()
    process.communicate(timeout=10)
    grandchild = world.log("grandchild")[0]["child"]
    assert grandchild in world.processes()
    assert world.run().returncode == 0
    assert world.processes() == {}
    assert world.result() == uninterrupted


def test_a_driver_killed_while_its_supervisor_starts(world: World) -> None:
    """The supervisor needs some 0.3 s before it can listen to anything; the kernel has to end it."""
    run = Interrupted(world)
    run.until(run.supervisor, signal.SIGKILL)
    assert run.kept == {}


def test_killed_at_random_moments(world: World, uninterrupted: dict[str, str]) -> None:
    draw, run = random.Random(3), Interrupted(world)
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGKILL]
    for _ in range(8):
        moment = Moment(world, more=draw.choice([0, 0, 1, 1, 2]), seconds=draw.uniform(0, 0.8))
        run.until(moment.come, draw.choice(signals), supervisor=draw.random() < 0.3)
    assert run.finish() == uninterrupted


class Moment:
    """When `more` steps have finished than had before, and then so many seconds later."""

    def __init__(self, world: World, more: int, seconds: float) -> None:
        self.world, self.seconds = world, seconds
        self.goal = self.finished() + more
        self.reached: float | None = None

    def finished(self) -> int:
        return len(self.world.done()) if (self.world.run_folder / "plan.json").is_file() else 0

    def come(self) -> bool:
        """Asked every few milliseconds."""
        if self.reached is None and self.finished() >= self.goal:
            self.reached = time.monotonic()
        return self.reached is not None and time.monotonic() - self.reached >= self.seconds


def test_killed_between_artifact_and_record(finished: World) -> None:
    """The artifact is in place, the record still says `running`: the step is done again, from the shards that are kept."""
    before, step = finished.result(), "mot/round-2/evaluate"
    file = (finished.run_folder / "artifacts" / step).resolve().parent / "record.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"state": "running", "ended": None, "pid": 2**22 + 1}))
    assert finished.plan()[step]["why"] == "was interrupted"
    assert finished.todo() == [step]
    assert finished.run().returncode == 0
    assert finished.starts() == 0
    assert finished.result() == before


def test_killed_while_weights_were_deleted(finished: World) -> None:
    """The record says that they are gone, but some are still there: the next run deletes the rest."""
    model = finished.run_folder / "artifacts" / ANNA / "model"
    (model / "model.safetensors").write_bytes(b"rest")
    assert finished.run().returncode == 0
    assert not (model / "model.safetensors").exists()
    assert finished.starts() == 0
