"""PHYBench, MATH-500 and HMMT in the real lm-eval, on invented rows: prompts, repeats, filter, metrics, samples."""

import json
from pathlib import Path
from typing import Any

import maths_rows
import pytest

from mot_plugin.evals import collect

lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.loggers import EvaluationTracker  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

pytestmark = pytest.mark.contract

EVAL = Path(__file__).parents[2] / "eval"
SAMPLING = {"until": [], "do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_gen_toks": 32768}
REASON = "Please reason step by step, and put your final answer"
EXACT = ["score", "pass_at_k", "unfinished", "truncated", "no_answer", "distinct"]

# task -> (problems, runs, data set on the hub, scorer, end of the prompt, metrics)
TASKS: dict[str, tuple[int, int, str, str, str, list[str]]] = {
    "mot_phybench": (
        100,
        16,
        "Eureka-Lab/PHYBench",
        "phybench",
        f"{REASON}, one formula in LaTeX, within \\boxed{{}}.",
        ["score", "accuracy", "parse_error", "unfinished", "truncated", "no_answer", "distinct", "verdicts"],
    ),
    "mot_math500": (500, 4, "HuggingFaceH4/MATH-500", "exact", f"{REASON} within \\boxed{{}}.", EXACT),
    "mot_hmmt": (30, 16, "MathArena/hmmt_feb_2025", "exact", f"{REASON} within \\boxed{{}}.", EXACT),
}
ASKED = 8  # problems of each task that are really asked


class Canned(LM):
    """Of every four answers two are right (one of them written differently), one is nearly right, one is cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def generate_until(self, requests: list[Any]) -> list[str]:
        replies = []
        for number, request in enumerate(requests):
            self.prompts.append(request.args[0])
            answer = request.doc["answer"].strip("$")
            thought = f"<think>Run {number}. \\boxed{{0}}?"
            wrong = answer.replace("m_", "n_") if "m_" in answer else f"{answer} + 1"
            boxes = [answer, f"{answer} + 0", wrong]
            replies.append([*(f"{thought}</think>So $\\boxed{{{box}}}$." for box in boxes), thought][number % 4])
        return replies

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    """The tasks of `eval/` on invented rows, as many as the real ones."""
    folder = tmp_path_factory.mktemp("data")
    for name in maths_rows.ROWS:
        maths_rows.write(folder, name)
    return TaskManager(include_path=str(EVAL), include_defaults=False, metadata={"mot_data_dir": str(folder)})


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task(manager: TaskManager, name: str) -> None:
    problems, repeats, hub, scorer, prompt, metrics = TASKS[name]
    task = manager.load([name])["tasks"][name]
    assert len(task.dataset["test"]) == problems
    assert task.config.repeats == repeats
    assert task.config.generation_kwargs == SAMPLING
    assert task.config.metadata["version"] == 1.0
    assert (task.config.metadata["dataset"], task.config.metadata["scorer"]) == (hub, scorer)
    assert list(task.aggregation()) == metrics
    doc = task.dataset["test"][3]
    assert task.doc_to_text(doc) == f"{doc['problem']}\n{prompt}"


def test_what_is_said_of_the_data(manager: TaskManager) -> None:
    tasks = manager.load(["mot_math500", "mot_hmmt"])["tasks"]
    assert "s1K" in tasks["mot_math500"].config.metadata["note"]
    assert tasks["mot_hmmt"].config.metadata["licence"] == "CC BY-NC-SA 4.0"


@pytest.mark.parametrize("name", list(TASKS))
def test_every_answer_is_kept_scored_and_collected(manager: TaskManager, name: str, tmp_path: Path) -> None:
    _, repeats, _, scorer, _, metrics = TASKS[name]
    model = Canned()
    results = lm_eval.simple_evaluate(
        model=model, tasks=[name], task_manager=manager, bootstrap_iters=10, log_samples=True, limit=ASKED
    )
    assert len(model.prompts) == ASKED * repeats
    reported = results["results"][name]
    assert reported["truncated,all"] == reported["distinct,all"] / 4 == 0.25
    samples = results["samples"][name]
    texts = samples[1]["resps"][0]
    assert len(texts) == repeats
    if scorer == "exact":
        assert reported["score,all"] == 0.5
        assert reported["pass_at_k,all"] == 1.0
    else:
        assert reported["accuracy,all"] == 0.5
        assert reported["score,all"] == pytest.approx(0.5 + (0.6 - 1 / 3) / 4)
        assert reported["verdicts,all"] == ASKED * repeats
        assert [one["points"] for one in samples[1]["verdicts"]][:2] == [100, 100]

    out = tmp_path / "out"
    tracker = EvaluationTracker(output_path=str(out / "results.json"))
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name=name, samples=samples[name])
    collect.run(collect.Config(out=str(out), tasks=[name]))
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"][name]
    assert (scores["problems"], scores["repeats"]) == (ASKED, repeats)
    for metric in metrics:
        if metric != "verdicts":
            assert scores["metrics"][metric]["value"] == pytest.approx(reported[f"{metric},all"])
            assert scores["metrics"][metric]["stderr"] == pytest.approx(reported[f"{metric}_stderr,all"])
