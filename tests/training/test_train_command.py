"""`mot-plugin train`: which words are ours, and which are handed on to LLaMA-Factory in their order."""

import subprocess
import sys

import pytest
import typer

from mot_plugin.cli import app

pytestmark = pytest.mark.contract  # with the real torch and Trainer, which take seconds to import

YAML = ["x.yaml", "learning_rate=1e-5", 'save_strategy="no"']
FLAGS = ["--stage", "sft", "--do_train", "--output_dir", "out", "--lora_target", "q_proj", "v_proj"]


@pytest.mark.parametrize("theirs", [YAML, FLAGS])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_what_is_not_ours_is_handed_on(theirs: list[str], at: int) -> None:
    ours = ["--probe", "a b.jsonl", "--every", "3", "--probe", "qwq"]
    command = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    given = command.make_context("train", [*theirs[:at], *ours, *theirs[at:]]).params
    assert given["arguments"] == theirs
    assert (given["probe"], given["every"], given["probe_only"]) == (["a b.jsonl", "qwq"], 3, False)


def test_a_start_is_measured_on_something() -> None:
    command = [sys.executable, "-m", "mot_plugin", "train", "x.yaml", "--probe-only"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "error: --probe-only measures a probe corpus: name one with --probe\n"
