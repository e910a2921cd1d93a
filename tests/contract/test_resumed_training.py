"""A training that is killed goes on from its last full checkpoint, and ends in the bits of one that was left alone."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from one_teacher import planned, up_to

from mot_plugin import checkpoints, run
from mot_plugin.store import Record

BIN = Path(sys.executable).parent
BRANCH, BASELINE = "mot/round-1/branches/columns", "std/columns/train"
STEPS, FEWER, EVERY, KILLED_AT = 24, 15, 3, 6
SECONDS = 400

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not (BIN / "llamafactory-cli").exists(), reason="LLaMA-Factory is not in this environment"),
]


@dataclass(frozen=True)
class Lab:
    """A run folder whose steps are started one by one, each by its own supervisor."""

    ready: run.Prepared

    def start(self, step: str) -> subprocess.Popen[bytes]:
        """A step's supervisor, not waited for."""
        folder = self.ready.folder.root
        env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        argv = [sys.executable, "-m", "mot_plugin", "exec", str(folder), step]
        return subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def done(self, step: str) -> Record:
        """Run a step to its end."""
        _, said = self.start(step).communicate(timeout=SECONDS)
        record = self.ready.folder.store().record(self.ready.plan.prints[step])
        log = self.ready.folder.log(step)
        assert record and record.state == "done", said.decode() + (log.read_text() if log.exists() else "")[-5000:]
        return record

    def killed(self, step: str, number: int = signal.SIGKILL, at: int = KILLED_AT) -> None:
        """Start a step and end its supervisor as soon as this checkpoint is whole."""
        mark = self.part(step) / self.room(step) / f"checkpoint-{at}" / checkpoints.MARK
        process = self.start(step)
        until = time.monotonic() + SECONDS
        while not mark.exists():
            assert process.poll() is None and time.monotonic() < until, process.communicate()[1].decode()
            time.sleep(0.002)
        process.send_signal(number)
        process.communicate(timeout=60)

    def part(self, step: str) -> Path:
        return self.ready.folder.store().part(self.ready.plan.prints[step])

    def room(self, step: str) -> str:
        resumable = self.ready.plan[step].call.resumable
        assert resumable
        return resumable.room

    def files(self, step: str) -> dict[str, str]:
        """Digests of all that a step leaves that a later one reads, and its log without times."""
        out = self.ready.folder.store().out(self.ready.plan.prints[step])
        found = {}
        for file in sorted(file for file in out.rglob("*") if file.is_file()):
            data = file.read_bytes()
            if file.name in ("progress.jsonl", "train_results.json", "all_results.json"):
                continue  # how long it took
            if file.name == "trainer_log.jsonl":
                data = json.dumps([row["loss"] for row in map(json.loads, data.splitlines()) if "loss" in row]).encode()
            if file.name == "adapter_config.json":
                config = json.loads(data)
                data = json.dumps(config | {"target_modules": sorted(config["target_modules"])}).encode()  # peft: a set
            if file.name == "trainer_state.json":
                state = json.loads(data)
                losses = [{key: row[key] for key in ("step", "loss")} for row in state["log_history"] if "loss" in row]
                data = json.dumps([state["global_step"], losses]).encode()
            found[str(file.relative_to(out))] = hashlib.sha256(data).hexdigest()
        return found


def lab(place: Path, change: dict[str, Any], steps: int = STEPS, **sft: Any) -> Lab:
    """The quickstart with one teacher in a new folder, all that its trainings need done."""
    methods = {"mot": {"rounds": 1, "steps": steps}, "std": {"steps": STEPS, "save_steps": 8}}
    made = Lab(planned(place, methods, change, **sft))
    for step in up_to(made.ready, BRANCH, BASELINE):
        if step not in (BRANCH, BASELINE):
            made.done(step)
    return made


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Both trainings by LLaMA-Factory itself, without any checkpoint to go on from."""
    made = lab(tmp_path_factory.mktemp("alone") / "lab", {})
    made.done(BRANCH)
    made.done(BASELINE)
    return made


@pytest.fixture(scope="module")
def saving(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The same place but for the checkpoints."""
    return lab(tmp_path_factory.mktemp("saving") / "lab", {"checkpoint_every": EVERY})


@pytest.mark.parametrize("step", [BRANCH, BASELINE])
def test_the_bits_of_a_training_that_was_left_alone(alone: Lab, saving: Lab, step: str) -> None:
    assert saving.ready.plan.prints == alone.ready.plan.prints
    goes_on(saving, step)
    assert saving.files(step) == alone.files(step)


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "lora": ({}, {"finetuning_type": "lora", "lora_rank": 4, "lora_alpha": 16, "lora_target": "all"}),
    "zero3": ({"gpus": 2, "steps": {"train": {}, "*": {"gpus": 0}}, "train": {"deepspeed": "zero3"}}, {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_adapters_and_shards_go_on_too(tmp_path: Path, way: str) -> None:
    """Two processes with a part of the optimizer each; a stop by a signal that lets the supervisor end it."""
    if way.startswith("zero") and not (BIN / "deepspeed").exists():
        pytest.skip("DeepSpeed is not in this environment")
    place, sft = WAYS[way]
    made = lab(tmp_path / "lab", {"checkpoint_every": EVERY, **place}, FEWER, **sft)
    assert made.done(BRANCH).resumed is None
    left_alone = made.files(BRANCH)
    shutil.rmtree(made.ready.folder.store().home(made.ready.plan.prints[BRANCH]))
    goes_on(made, BRANCH, signal.SIGTERM)
    assert made.files(BRANCH) == left_alone


def goes_on(made: Lab, step: str, number: int = signal.SIGKILL) -> None:
    """End a training in its middle and start it again: it makes the rest only."""
    made.killed(step, number)
    record = made.done(step)
    assert record.resumed is not None
    assert KILLED_AT <= record.resumed < STEPS
    assert record.resumed % EVERY == 0
