"""mot_livecodebench in the real lm-eval: all 16 programs of a problem run in the sandbox, and scored again from the samples."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.evals.code import livecodebench, problems

lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.loggers import EvaluationTracker  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.utils import make_table  # noqa: E402

sys.path.append(str(Path(__file__).parents[1] / "evals"))

import code_rows  # noqa: E402

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

EVAL = Path(__file__).parents[2] / "eval"
TASK = "mot_livecodebench"
LIMIT = 4


class Canned(LM):
    """Answers problem p rightly in the first p + 1 of its runs, with three failures after that."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def generate_until(self, requests: list[Any]) -> list[str]:
        replies = []
        runs: dict[str, int] = {}
        for request in requests:
            prompt = request.args[0]
            self.prompts.append(prompt)
            number = int(request.doc["id"].removeprefix("invented_"))
            run = runs[prompt] = runs.get(prompt, 0) + 1
            right = code_rows.solution(number, function=bool(request.doc["function"]))
            program = right if run <= number + 1 else "import os\nos.abort()"
            reply = f"<think>run {run}</think>\n```python\n{program}\n```"
            replies.append(
                {14: "no idea", 15: f"<think>{run} ```python", 16: reply.replace("import", "imp")}.get(run, reply)
            )
        return replies

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(problems, "BENCH", problems.Bench())
    code_rows.write_slice(tmp_path / "data")
    return tmp_path / "data"


def manager(data: Path, **metadata: Any) -> TaskManager:
    return TaskManager(include_path=str(EVAL), include_defaults=False, metadata={"mot_data_dir": str(data), **metadata})


def evaluate(data: Path, **more: Any) -> Any:
    return lm_eval.simple_evaluate(
        model=Canned(),
        tasks=[TASK],
        task_manager=manager(data),
        limit=LIMIT,
        bootstrap_iters=100,
        log_samples=True,
        **more,
    )


def test_the_task(data: Path) -> None:
    task = manager(data).load([TASK])["tasks"][TASK]
    assert task.config.repeats == 16
    assert task.config.generation_kwargs["max_gen_toks"] == 32768
    assert task.config.metadata["scorer"] == "livecodebench"
    assert next(iter(task.aggregation())) == "score"
    whole, function = (task.doc_to_text(task.test_docs()[number]) for number in (4, 5))
    assert "shift by 4" in whole
    assert "standard input" in whole
    assert f"```python\n{code_rows.STARTER.rstrip()}\n```" in function
    assert "standard input" not in function


def test_lm_eval_asks_before_it_runs_programs(data: Path) -> None:
    with pytest.raises(ValueError, match="marked as unsafe"):
        evaluate(data)


def test_without_a_sandbox_nothing_is_generated(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems.proof.chosen.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    model = Canned()
    with pytest.raises(Exception, match="bubblewrap"):
        lm_eval.simple_evaluate(
            model=model, tasks=[TASK], task_manager=manager(data), limit=1, confirm_run_unsafe_code=True
        )
    assert model.prompts == []


def test_every_program_is_run_and_its_verdict_stored(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = evaluate(data, confirm_run_unsafe_code=True)
    reported = results["results"][TASK]
    # Problems 0..3 are solved in 1..4 of 16 runs; run 14 has no code, 15 is cut off, 16 is no Python.
    assert reported["score,all"] == pytest.approx(10 / 64)
    assert reported["pass_at_k,all"] == 1.0
    for name, count in {"no_code": 4, "truncated": 4, "compile_error": 4, "runtime_error": 42, "ungraded": 0}.items():
        assert reported[f"{name},all"] == pytest.approx(count / 64), name
    assert reported["distinct,all"] == 1.0
    assert reported["verdicts,all"] == 64
    assert "verdicts" in make_table(results)

    tracker = EvaluationTracker(output_path=str(tmp_path / "out" / "results.json"))
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name=TASK, samples=samples[TASK])
    (file,) = (tmp_path / "out").glob(f"samples_{TASK}_*.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").strip().split("\n")]
    assert len(lines) == LIMIT
    assert all("expected" not in json.dumps(line["doc"]) and len(json.dumps(line["doc"])) < 1000 for line in lines)

    monkeypatch.setattr(problems, "BENCH", problems.Bench())  # as in another process, without data and sandbox
    monkeypatch.setenv("PATH", "")
    hits = [livecodebench.hits({**line["doc"], "verdicts": line["verdicts"]}, line["resps"][0]) for line in lines]
    assert [sum(row) for row in hits] == [1, 2, 3, 4]
    again = [livecodebench.metrics({**line["doc"], "verdicts": line["verdicts"]}, line["resps"][0]) for line in lines]
    for name in again[0]:
        assert sum(row[name] for row in again) / LIMIT == pytest.approx(reported[f"{name},all"]), name
