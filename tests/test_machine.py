"""Machine files: good ones load, each mistake gives its message, and a computer without a file gets a sensible one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mot_plugin import machine
from mot_plugin.errors import FileError


def load(folder: Path, text: str) -> machine.Machine:
    file = folder / "machine.yaml"
    file.write_text(text, encoding="utf-8")
    return machine.load(file)


def test_a_whole_file(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        """
name: box
gpus: 4
tools:
  lm_eval: {command: [/opt/vllm/bin/lm_eval, --verbose], env: {A: b}}
train: {per_device_train_batch_size: 2, deepspeed: zero2}
eval: {engine: vllm, batch_size: 8, model_args: {max_model_len: 100}}
env: {OMP_NUM_THREADS: "1"}
storage: {runs: out, store: /data/store, datasets: sets, keep: all}
retries: 0
backoff_seconds: 0.5
""",
    )
    assert made.gpu_count == 4
    assert made.tool("lm_eval").command == ["/opt/vllm/bin/lm_eval", "--verbose"]
    assert made.tool("mergekit-yaml").command == ["mergekit-yaml"]
    assert made.storage.keep == "all"


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    made = load(tmp_path, "name: small\ngpus: 0\n")
    assert (made.storage.runs, made.storage.keep, made.retries) == ("runs", "selected", 1)


MISTAKES = {
    "nothing": ("", ["line 1    name: missing"]),
    "science": (
        "name: x\ntrain: {learning_rate: 1e-5}",
        ["line 2    train.learning_rate: a recipe's key (under `sft:`)"],
    ),
    "a misspelled place": (
        "name: x\ntrain: {per_device_train_batchsize: 1}",
        ["line 2    train.per_device_train_batchsize: unknown key, did you mean 'per_device_train_batch_size'?"],
    ),
    "accumulation": (
        "name: x\ntrain: {gradient_accumulation_steps: 8}",
        [
            "line 2    train.gradient_accumulation_steps: follows from the recipe's global_batch_size, the GPUs and "
            "per_device_train_batch_size"
        ],
    ),
    "no rows": (
        "name: x\ntrain: {per_device_train_batch_size: 0}",
        ["line 2    train.per_device_train_batch_size: must be a whole number of rows, got 0"],
    ),
    "deepspeed": (
        "name: x\ntrain: {deepspeed: zero4}",
        ["line 2    train.deepspeed: must be one of zero2, zero3, zero3-offload, got 'zero4'"],
    ),
    "a tool": (
        "name: x\ntools:\n  lmeval: {command: [lm_eval]}",
        [
            "line 3    tools.lmeval: unknown tool, did you mean 'lm_eval'?; known: llamafactory-cli, mergekit-yaml, "
            "lm_eval, vllm"
        ],
    ),
    "a command as one string": (
        "name: x\ntools:\n  lm_eval: {command: srun lm_eval}",
        ["line 3    tools.lm_eval.command: must be a list, got 'srun lm_eval'"],
    ),
    "a tool in two places": (
        "name: x\ntools:\n  lm_eval:\n    venv: /opt/a\n    conda: /opt/b",
        ["line 3    tools.lm_eval: has venv and conda: one of them"],
    ),
    "docker": (
        "name: x\ntools:\n  vllm:\n    container:\n      image: vllm\n      runtime: docker",
        [
            "line 6    tools.vllm.container.runtime: docker's daemon keeps a container running when the step that started it "
            "is killed; podman takes the same images and flags"
        ],
    ),
    "a container without an image": (
        "name: x\ntools:\n  vllm: {container: {runtime: podman}}",
        ["line 3    tools.vllm.container.image: missing"],
    ),
    "no module": ("name: x\ntools:\n  vllm: {module: []}", ["line 3    tools.vllm.module: needs at least 1, got []"]),
    "engines that repeat each other": (
        "name: x\neval:\n  engine: vllm\n  model_args:\n    seed: 1\n    data_parallel_size: 8",
        [
            "line 5    eval.model_args.seed: the recipe's eval.seed decides it, another one for each shard",
            "line 6    eval.model_args.data_parallel_size: its replicas have one seed and answer the same: give the recipe "
            "eval.shards, and set gpus_per_engine here",
        ],
    ),
    "an engine on more GPUs than it has": (
        "name: x\neval: {model_args: {tensor_parallel_size: 4}, gpus_per_engine: 2}",
        ["line 2    eval: gpus_per_engine is 2, but model_args spread over 4 GPUs"],
    ),
    "GPUs": ("name: x\ngpus: many", ["line 2    gpus: must be a whole number or 'auto', got 'many'"]),
    "negative GPUs": ("name: x\ngpus: -1", ["line 2    gpus: must be at least 0 or 'auto', got -1"]),
    "an environment of numbers": ("name: x\nenv: {A: 1}", ["line 2    env.A: must be text, got 1"]),
    "several": (
        "nam: x\ngpus: 1\nstorage: {rusn: x, keep: some}\nretries: -1\nbackoff_seconds: soon\neval: {engine: sglang}",
        [
            "line 1    name: missing",
            "line 1    nam: unknown key, did you mean 'name'?",
            "line 3    storage.rusn: unknown key, did you mean 'runs'?",
            "line 3    storage.keep: must be 'selected' or 'all', got 'some'",
            "line 4    retries: must be at least 0, got -1",
            "line 5    backoff_seconds: must be a number, got 'soon'",
            "line 6    eval.engine: must be 'hf' or 'vllm', got 'sglang'",
        ],
    ),
}


@pytest.mark.parametrize(("text", "messages"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_exactly_its_message(tmp_path: Path, text: str, messages: list[str]) -> None:
    with pytest.raises(FileError) as raised:
        load(tmp_path, text)
    head, *found = str(raised.value).split("\n")
    assert head == f"{tmp_path}/machine.yaml has {len(messages)} error{'s' if len(messages) > 1 else ''}"
    assert found == [f"  {message}" for message in messages]


@pytest.mark.parametrize(
    ("lines", "gpus"),
    [
        ("{}", 1),
        ("{gpus_per_engine: 4}", 4),
        ("{model_args: {tensor_parallel_size: 2}}", 2),
        ("{model_args: {tensor_parallel_size: 2, pipeline_parallel_size: 2}}", 4),
        ("{model_args: {tensor_parallel_size: 2}, gpus_per_engine: 2}", 2),
    ],
)
def test_gpus_of_one_engine(tmp_path: Path, lines: str, gpus: int) -> None:
    (tmp_path / "machine.yaml").write_text(f"name: x\ngpus: 8\neval: {lines}\n", encoding="utf-8")
    assert machine.load(tmp_path / "machine.yaml").eval.engine_gpus == gpus


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_a_default_with_gpus(gpus: int) -> None:
    made = machine.default(gpus)
    assert (made.gpu_count, made.eval.engine) == (gpus, "vllm")
    assert made.eval.model_args["tensor_parallel_size"] == gpus


def test_a_default_without_gpus() -> None:
    made = machine.default(0)
    assert (made.gpu_count, made.eval.engine, made.eval.device) == (0, "hf", "cpu")
    assert made.train["use_cpu"] is True


@pytest.mark.parametrize(
    ("driver", "gpus"),
    [
        ("#!/bin/sh\necho 'GPU 0: H200 (UUID: a)'\necho 'GPU 1: H200 (UUID: b)'\n", 2),
        ("#!/bin/sh\necho 'GPU 0: lost'\nexit 9\n", 0),
        (None, 0),
    ],
    ids=["two", "broken", "none"],
)
def test_gpus_are_counted_as_the_driver_lists_them(tmp_path: Path, driver: str | None, gpus: int) -> None:
    """In a process of its own, whose PATH holds a driver made here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    if driver:
        (programs / "nvidia-smi").write_text(driver, encoding="utf-8")
        (programs / "nvidia-smi").chmod(0o755)
    (tmp_path / "auto.yaml").write_text("name: auto\n", encoding="utf-8")
    code = (
        "from pathlib import Path; from mot_plugin import machine; "
        "print(machine.load(None).gpu_count, machine.load(Path('auto.yaml')).gpu_count)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(programs)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(gpus), str(gpus)]
