"""The task files of `eval/` in the real lm-eval: found, loaded, all answers kept and scored, files that we can read.

lm-eval hides a broken task file (it is "not found"), and scores one answer of sixteen when a filter is missing.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.evals import collect

lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.loggers import EvaluationTracker  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

pytestmark = pytest.mark.contract

EVAL = Path(__file__).parents[2] / "eval"
TASKS = ("mot_aime24", "mot_aime25", "mot_quickstart")
SAMPLING = {"until": [], "do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20}
METRICS = ["score", "pass_at_k", "truncated", "no_answer", "distinct"]


class Canned(LM):
    """Answers problem number p (its reference is 100 + p) rightly in the first p of its k runs, at most 4 of them."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def generate_until(self, requests: list[Any]) -> list[str]:
        replies = []
        runs: dict[str, int] = {}
        for request in requests:
            prompt = request.args[0]
            runs[prompt] = runs.get(prompt, 0) + 1
            reference = int(request.doc["answer"])
            right = runs[prompt] <= min(reference - 100, 4)
            replies.append(f"<think>run {runs[prompt]}</think>\\boxed{{{reference if right else 0}}}")
            self.prompts.append(prompt)
        return replies

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with invented problems in the places of the real ones."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, count in (("aime24", 30), ("aime25", 30), ("quickstart", 5)):
        rows = [{"id": i, "problem": f"In {name}, what is {i} + 100?", "answer": str(100 + i)} for i in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def manager(data: Path) -> TaskManager:
    """The tasks of `eval/` on the invented problems; later folders win, so mot_quickstart is the copy made here."""
    copy = data / "mot_quickstart.yaml"
    copy.write_text(
        f"include: {EVAL}/quickstart/mot_quickstart.yaml\ndataset_kwargs: {{path: {data}/quickstart.jsonl}}\n"
        "task: mot_quickstart\n",
        encoding="utf-8",
    )
    return TaskManager(
        include_path=[str(EVAL), str(data)], include_defaults=False, metadata={"mot_data_dir": str(data)}
    )


def test_lm_eval_finds_every_task() -> None:
    files = {file.stem for file in EVAL.rglob("*.yaml")}
    assert set(TaskManager(include_path=str(EVAL), include_defaults=False).all_tasks) == files
    assert files >= {*TASKS, "mot_leaderboard", "mot_gpqa_diamond", "mot_livecodebench"}


@pytest.mark.parametrize(
    ("name", "repeats", "longest"), [("mot_aime24", 16, 38912), ("mot_aime25", 16, 38912), ("mot_aime24_64", 64, 38912)]
)
def test_an_aime_task(data: Path, name: str, repeats: int, longest: int) -> None:
    task = manager(data).load([name])["tasks"][name]
    assert task.config.repeats == repeats
    assert task.config.generation_kwargs == {**SAMPLING, "max_gen_toks": longest}
    assert task.config.metadata["version"] == 1.0
    assert task.config.metadata["dataset"] == f"math-ai/{name[4:10]}"
    assert list(task.aggregation()) == METRICS


def test_the_quickstart_task(data: Path) -> None:
    task = manager(data).load(["mot_quickstart"])["tasks"]["mot_quickstart"]
    assert task.config.repeats == 4
    assert task.config.generation_kwargs == {**SAMPLING, "max_gen_toks": 160}
    assert list(task.aggregation()) == METRICS


def test_every_answer_is_kept_scored_and_collected(data: Path, tmp_path: Path) -> None:
    model = Canned()
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=list(TASKS),
        task_manager=manager(data),
        bootstrap_iters=100,
        log_samples=True,
    )
    assert len(model.prompts) == 2 * 30 * 16 + 5 * 4
    assert model.prompts[0] == (
        "In aime24, what is 0 + 100?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )
    # Problems 0..3 have 0..3 hits, the other 26 have 4: 110 of 480.
    reported = results["results"]["mot_aime24"]
    assert reported["score,all"] == pytest.approx(110 / 480)
    assert reported["pass_at_k,all"] == pytest.approx(29 / 30)
    assert reported["distinct,all"] == 1.0

    out = tmp_path / "out"
    tracker = EvaluationTracker(output_path=str(out / "results.json"))
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in TASKS:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    collect.run(collect.Config(out=str(out), tasks=list(TASKS)))

    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert {name: (task["problems"], task["repeats"]) for name, task in scores.items()} == {
        "mot_aime24": (30, 16),
        "mot_aime25": (30, 16),
        "mot_quickstart": (5, 4),
    }
    assert [sum(row) for row in scores["mot_aime25"]["hits"]] == [0, 1, 2, 3, *[4] * 26]
    for name in METRICS:
        ours = scores["mot_aime24"]["metrics"][name]
        assert ours["value"] == pytest.approx(reported[f"{name},all"])
        assert ours["stderr"] == pytest.approx(reported[f"{name}_stderr,all"])
