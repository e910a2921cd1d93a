"""The groups of `eval/` as the README runs them by hand: all eleven benchmarks at once with transformers, and the groups' means."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from choice_rows import ROWS
from choice_rows import write as write_choice
from maths_rows import write as write_maths
from text_rows import ifeval_rows, simpleqa_rows, write_csv, write_jsonl

from mot_plugin.evals import catalogue, logged

lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

sys.path.append(str(Path(__file__).parents[1] / "evals"))

import code_rows  # noqa: E402

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

ROOT = Path(__file__).parents[2]
STUDENT = ROOT / "recipes" / "quickstart" / "student"
MEANS = ("mot_aime", "mot_forgetting", "mot_reasoning", "mot_transfer")
"""Groups with a mean of their own; in the others stands SimpleQA, whose score without a judge is of another kind."""


class Ready(LM):
    """Says the same to every question: right for some benchmarks, wrong for others."""

    def generate_until(self, requests: list[Any]) -> list[str]:
        return ["<think>Hm.</think>\n\nAnswer: A\n\n\\boxed{100}"] * len(requests)

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invented rows in the places of all benchmarks, as many as they have."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("aime24", "aime25"):
        rows = [{"problem": f"In {name}, what is {n} + 100?", "answer": str(100 + n)} for n in range(30)]
        write_jsonl(folder / f"{name}.jsonl", rows)
    for stem, made in ROWS.items():
        write_choice(folder, stem, made())
    write_maths(folder, "phybench")
    write_jsonl(folder / "ifeval.jsonl", ifeval_rows())
    write_csv(folder / "simpleqa.csv", simpleqa_rows())
    code_rows.write_slice(folder)
    return folder


def test_the_leaderboard_by_hand(data: Path, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "lm_eval"), "run", "--model", "hf", "--device", "cpu"]
    command += ["--model_args", f"pretrained={STUDENT},dtype=float32", "--batch_size", "64", "--include_path", "eval"]
    command += ["--tasks", "mot_leaderboard", "--apply_chat_template", "--log_samples", "--limit", "1"]
    command += ["--gen_kwargs", "max_gen_toks=64", "--metadata", json.dumps({"mot_data_dir": str(data)})]
    command += ["--confirm_run_unsafe_code", "--output_path", str(tmp_path / "out" / "results.json")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    left = logged.read(tmp_path / "out")
    tasks = catalogue.chosen(["mot_leaderboard"], catalogue.files())
    assert len(tasks) == 11
    assert set(left.results["results"]) == {*tasks, "mot_leaderboard"}
    for task in tasks:
        [row] = logged.rows(left.samples_file(task))
        assert len(row["resps"][0]) == left.results["configs"][task]["repeats"]
        assert 0 <= left.results["results"][task]["score,all"] <= 1


def test_the_means_of_the_groups(data: Path) -> None:
    manager = TaskManager(include_path=str(ROOT / "eval"), include_defaults=False, metadata={"mot_data_dir": str(data)})
    for group in (*MEANS, "mot_reasoning_related"):
        results = lm_eval.simple_evaluate(
            model=Ready(), tasks=[group], task_manager=manager, bootstrap_iters=0, limit=2, confirm_run_unsafe_code=True
        )["results"]
        tasks = catalogue.chosen([group], catalogue.files())
        scores = [results[task]["score,all"] for task in tasks]
        mean = results[group].get("score,all")
        assert mean == (pytest.approx(sum(scores) / len(scores)) if group in MEANS else None), group
        if group == "mot_aime":
            assert scores == [0.5, 0.5]
