"""A branch trained by several processes, in every way that a machine file offers, against the same branch trained by one.

Every training here takes the same two steps on the same rows. Rows are of different lengths, so an update that averages over
rows, or over processes, differs from one that averages over tokens (paper, eq. 1) by a sixteenth of itself.
"""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from one_teacher import BATCH, planned, up_to
from safetensors.torch import load_file

from mot_plugin import run
from mot_plugin.tools import llamafactory, parallel

BIN = Path(sys.executable).parent
BRANCH = "mot/round-1/branches/columns"
STEPS = 2
SECONDS = 400
SAME = 1e-3
"""Largest difference to the one-process update, as a share of it. Measured: 1e-6 (DDP, ZeRO-2, FSDP), 1e-5 (ZeRO-3: it sums in
another order); 6e-2 where tokens are averaged per process."""

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not (BIN / "llamafactory-cli").exists(), reason="LLaMA-Factory is not in this environment"),
]
needs_deepspeed = pytest.mark.skipif(not (BIN / "deepspeed").exists(), reason="DeepSpeed is not in this environment")


@dataclass(frozen=True)
class Lab:
    """A run folder in which one process has trained the branch, its rows laid out again."""

    folder: Path
    step: run.Prepared

    def update(self, model: str | Path) -> dict[str, torch.Tensor]:
        """What a training did to every weight."""
        start = load_file(self.folder / "artifacts/base/student/model/model.safetensors")
        end = load_file(self.folder / model / "model.safetensors")
        return {name: end[name].double() - start[name].double() for name in start}

    def difference(self, model: str | Path) -> float:
        """Between a model's update and that of one process, as a share of the latter."""
        alone, other = self.update(f"artifacts/{BRANCH}/model"), self.update(model)
        length = math.sqrt(sum(float((alone[name] ** 2).sum()) for name in alone))
        return math.sqrt(sum(float(((alone[name] - other[name]) ** 2).sum()) for name in alone)) / length


def environment(more: Mapping[str, str]) -> dict[str, str]:
    mine = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return {**os.environ, **mine, **more}


def branch(place: Path, change: dict[str, Any]) -> Lab:
    """The quickstart with one teacher in a new folder, run up to its branch: every step by its own supervisor."""
    # A warm-up's first step changes nothing.
    ready = planned(place, {"mot": {"rounds": 1, "steps": STEPS}}, change, warmup_steps=0, learning_rate=3.0e-3)
    for step in up_to(ready, BRANCH):
        good(ready.folder.root, "mot_plugin", "exec", str(ready.folder.root), step, log=step)
    return Lab(ready.folder.root, ready)


def good(folder: Path, module: str, *words: str, env: Mapping[str, str] | None = None, log: str = "") -> str:
    """Run one of our commands to its end."""
    argv = [sys.executable, "-m", module, *words]
    ended = subprocess.run(
        argv, cwd=folder, env=environment(env or {}), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    file = folder / "logs" / f"{log}.log"
    said = ended.stdout + ended.stderr + (file.read_text(encoding="utf-8") if log and file.exists() else "")
    assert ended.returncode == 0, said[-5000:]
    return said


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The branch trained by one process, through the supervisor; its rows are laid out again for the others."""
    made = branch(tmp_path_factory.mktemp("lab") / "one", {})
    lay_out = made.step.plan[BRANCH].call.commands[0]
    good(made.folder, "mot_plugin", *lay_out.args)
    return made


@dataclass(frozen=True)
class Training:
    """A training in the lab, as the plan would start it on another place."""

    argv: list[str]
    env: dict[str, str]
    out: str


def training(lab: Lab, out: str, place: dict[str, Any], gpus: int, nodes: int = 1, **more: Any) -> Training:
    recipe = lab.step.recipe
    files = llamafactory.config(
        title=out,
        sft=recipe.sft,
        place={"per_device_train_batch_size": 1, "preprocessing_num_workers": 1, **place},
        gpus=gpus,
        nodes=nodes,
        global_batch=BATCH,
        start="artifacts/base/student/model",
        data=f"work/{BRANCH}/data",
        dataset="columns",
        out=f"work/{out}",
        steps=STEPS,
        save_steps=None,
        seed=trained_alone(lab)["seed"],
        exact=True,
    )
    for file in files:
        (lab.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (lab.folder / file.path).write_text(file.text, encoding="utf-8")
    config = lab.folder / files[0].path
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text(encoding="utf-8")) | more), encoding="utf-8")
    command = llamafactory.train(files[0].path, gpus, place, nodes=nodes)
    program = BIN / (command.program or command.tool)
    return Training([str(program), *command.args], dict(command.env), f"work/{out}")


def trained_alone(lab: Lab) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((lab.folder / f"configs/{BRANCH}.yaml").read_text(encoding="utf-8"))
    return config


@contextmanager
def started(lab: Lab, made: Training, more: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        made.argv,
        cwd=lab.folder,
        env=environment({**made.env, **more}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finish(lab: Lab, made: Training, more: Mapping[str, str] | None = None) -> str:
    with started(lab, made, more or {}) as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said[-5000:]
    return said


def losses(folder: Path) -> list[float]:
    lines = (folder / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["loss"] for row in map(json.loads, lines) if "loss" in row]


def test_two_processes_make_the_same_update(lab: Lab) -> None:
    made = training(lab, "two", {"use_cpu": True}, 2)
    said = finish(lab, made)
    assert f"Total train batch size (w. parallel, distributed & accumulation) = {BATCH}" in said
    assert lab.difference(made.out) < SAME
    assert losses(lab.folder / made.out) == pytest.approx(losses(lab.folder / f"artifacts/{BRANCH}/model"), rel=1e-5)


def test_an_average_per_process_would_be_seen(lab: Lab) -> None:
    """The same two processes, but each divides by its own tokens: what the bound is there to catch."""
    made = training(lab, "per-process", {"use_cpu": True}, 2, average_tokens_across_devices=False)
    finish(lab, made)
    assert lab.difference(made.out) > 30 * SAME


def test_two_nodes_make_the_same_update(lab: Lab) -> None:
    """LLaMA-Factory's launcher on each "node", with what an executor says to it: the weights of one node with two parallel."""
    made = training(lab, "nodes", {"use_cpu": True}, 1, nodes=2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with started(lab, made, {**meet, "NODE_RANK": "1"}) as other:
        said = finish(lab, made, {**meet, "NODE_RANK": "0"})
        other_said, _ = other.communicate(timeout=SECONDS)
    assert other.returncode == 0, other_said[-5000:]
    assert f"distributed & accumulation) = {BATCH}" in said
    assert lab.difference(made.out) < SAME


@needs_deepspeed
def test_a_step_trains_with_zero_2(lab: Lab, tmp_path: Path) -> None:
    """Plan, supervisor and check of a branch, as a run has them; the result has the same fingerprint as the one process's."""
    place = {"deepspeed": "zero2", "per_device_train_batch_size": 1}
    made = branch(tmp_path / "zero2", {"gpus": 2, "steps": {"train": {}, "*": {"gpus": 0}}, "train": place})
    prints = [one.step.plan.prints[BRANCH] for one in (made, lab)]
    assert prints[0] == prints[1]
    config = trained_alone(made)
    assert config["deepspeed"] == "configs/deepspeed/zero2.json" and config["gradient_accumulation_steps"] == 2
    log = (made.folder / "logs" / f"{BRANCH}.log").read_text(encoding="utf-8")
    assert "DeepSpeed" in log and "FORCE_TORCHRUN=1" in log and "NPROC_PER_NODE=2" in log
    shutil.copytree(made.folder / f"artifacts/{BRANCH}/model", lab.folder / "work" / "zero2")
    assert lab.difference("work/zero2") < SAME


@needs_deepspeed
def test_zero_3_shards_and_saves_whole_weights(lab: Lab) -> None:
    made = training(lab, "zero3", {"use_cpu": True, "deepspeed": "zero3"}, 2)
    assert made.argv[0].endswith("mot-plugin")  # LLaMA-Factory alone takes every process for the only one, and fails
    finish(lab, made)
    assert lab.difference(made.out) < SAME


def test_fsdp_shards_and_saves_whole_weights(lab: Lab) -> None:
    """accelerate shards over GPUs only; the script lets it take two processors for two GPUs, and says what became of a weight."""
    made = training(lab, "fsdp", {"fsdp": "full_shard"}, 2, use_cpu=True)
    script = Path(__file__).with_name("fsdp_on_processors.py")
    torchrun = [str(BIN / "torchrun"), "--nproc-per-node", "2", "--standalone", str(script), made.argv[-1]]
    said = finish(lab, Training(torchrun, made.env, made.out))
    assert "FSDPQwen3ForCausalLM holds 224 of 448 rows" in said
    assert lab.difference(made.out) < SAME
    assert len(list((lab.folder / made.out).glob("*.safetensors"))) == 1
    assert parallel.environment({"fsdp": "full_shard"}, 2, 1).items() <= made.env.items()
