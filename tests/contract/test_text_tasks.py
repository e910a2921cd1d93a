"""mot_ifeval and mot_simpleqa in the real lm-eval: loaded, answered, scored, scored again from the samples, and judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer
from text_rows import ifeval_rows, simpleqa_rows, write_csv, write_jsonl

from mot_plugin import judge
from mot_plugin.errors import MissingInput
from mot_plugin.evals import collect, ifeval

lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.loggers import EvaluationTracker  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

pytestmark = pytest.mark.contract

EVAL = Path(__file__).parents[2] / "eval"
SAMPLING = {"until": [], "do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_gen_toks": 32768}
THOUGHT = "<think>\nA lamp, I think. Or: FOG, maybe?\n</think>\n\n"
LIMIT = 20


class Canned(LM):
    """Says `replies[n]` to the n-th question of every benchmark, from the first again after the last."""

    def __init__(self, replies: list[str]) -> None:
        super().__init__()
        self.replies, self.prompts = replies, list[str]()

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.prompts = [request.args[0] for request in requests]
        assert all(request.args[1] == SAMPLING for request in requests)
        return [self.replies[number % len(self.replies)] for number in range(len(requests))]

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invented rows in the places of the real ones."""
    folder = tmp_path_factory.mktemp("data")
    write_jsonl(folder / "ifeval.jsonl", ifeval_rows())
    write_csv(folder / "simpleqa.csv", simpleqa_rows())
    return folder


def evaluate(task: str, model: Canned, data: Path, out: Path) -> dict[str, Any]:
    """lm-eval's results of a task, with its files in `out`."""
    manager = TaskManager(include_path=str(EVAL), include_defaults=False, metadata={"mot_data_dir": str(data)})
    results: dict[str, Any] = lm_eval.simple_evaluate(
        model=model, tasks=[task], task_manager=manager, bootstrap_iters=100, log_samples=True, limit=LIMIT
    )
    tracker = EvaluationTracker(output_path=str(out / "results.json"))
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name=task, samples=samples[task])
    return results


def collected(task: str, out: Path) -> dict[str, Any]:
    """What step `scores` makes of it."""
    collect.run(collect.Config(out=str(out), tasks=[task]))
    entry: dict[str, Any] = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"][task]
    return entry


def skip_without_checks() -> None:
    try:
        ifeval.lm_evals_checks()
    except MissingInput as missing:
        pytest.skip(str(missing))


def test_ifeval(data: Path, tmp_path: Path) -> None:
    skip_without_checks()
    follows = [
        "The lamp turns and the fog listens.",  # no comma: yes
        "the lamp turns all night long. the fog listens to it.",  # lower case, two sentences: yes, yes
        '{"lamp": 1, "fog": 2}',  # both words, JSON, no comma: yes, yes, no
        "the lamp turns.",  # a word in capitals: no
        "# # # # and all the letters of the alphabet, four times: " + "abcdefghijklmnopqrstuvwxyz " * 4,
    ]
    model = Canned([THOUGHT + reply for reply in follows])
    results = evaluate("mot_ifeval", model, data, tmp_path)
    assert model.prompts[3] == "Write, as text number 3, about a lighthouse.  \n"
    reported = results["results"]["mot_ifeval"]
    assert {name: reported[f"{name},all"] for name in ("score", "prompt_loose")} == {"score": 0.6, "prompt_loose": 0.6}
    assert reported["instruction_strict,all"] == 6 / 8  # of a prompt's instructions the mean share would be .733
    assert reported["instruction_loose,all"] == 6 / 8
    assert reported["followed_strict,all"] / reported["instructions,all"] == pytest.approx(6 / 8)
    assert (reported["truncated,all"], reported["no_answer,all"], reported["distinct,all"]) == (0, 0, 1)

    entry = collected("mot_ifeval", tmp_path)
    assert entry["metrics"]["score"]["value"] == 0.6
    assert entry["metrics"]["score"]["stderr"] == pytest.approx(reported["score_stderr,all"])
    assert entry["hits"] == [[1], [1], [0], [0], [1]] * (LIMIT // 5)
    assert (entry["problems"], entry["problems_available"], entry["repeats"]) == (LIMIT, 541, 1)


def test_simpleqa_and_its_judge(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [f"{THOUGHT}It was Anna 0 Berg.", f"{THOUGHT}Berg, A.", "I don't know.", "<think>Anna 3 Berg", THOUGHT]
    model = Canned(replies)
    results = evaluate("mot_simpleqa", model, data, tmp_path)
    assert model.prompts[0] == 'Who, "so to say", was keeper number 0?'
    reported = {
        name: results["results"]["mot_simpleqa"][f"{name},all"] for name in ("score", "string_match", "declined")
    }
    assert reported == {"score": 1 / LIMIT, "string_match": 1 / LIMIT, "declined": 0.2}
    metadata = results["configs"]["mot_simpleqa"]["metadata"]
    assert (metadata["judge"], metadata["score_kind"]) == ("none", "string_match")
    entry = collected("mot_simpleqa", tmp_path)
    assert entry["metrics"]["truncated"]["value"] == entry["metrics"]["no_answer"]["value"] == 0.2
    assert (entry["problems"], entry["problems_available"], entry["repeats"]) == (LIMIT, 4326, 1)

    says = {"It was Anna 0 Berg": "INCORRECT", "Berg, A.": "CORRECT", "I don't know": "NOT_ATTEMPTED"}
    says["keeper number 0?"] = "CORRECT"
    answers = {asked: f"so:\nVERDICT: {said}\n" for asked, said in says.items()}
    answers = {"keeper number 0?": answers["keeper number 0?"], **answers}
    with FaultServer(tmp_path / "server") as server:
        server.plan(right=1.0, unboxed=1.0, cut=0.0, answers=answers)
        samples = str(tmp_path / "samples_mot_simpleqa.jsonl")
        folder = {"grades": str(tmp_path / "grades"), "out": str(tmp_path / "judged")}
        asked = {"samples": samples, "endpoint": {"url": server.url}, "model": "teacher", **folder}
        judge.run(judge.Config.model_validate(asked))
    judged = json.loads((tmp_path / "judged" / "scores.json").read_text(encoding="utf-8"))["tasks"][judge.TASK]
    values = {name: metric["value"] for name, metric in judged["metrics"].items()}
    assert values["score"] == 5 / LIMIT  # number 0, and all of the second kind
    assert values["incorrect"] == 3 / LIMIT
    assert values["not_attempted"] == 12 / LIMIT
    assert judged["doc_hashes"] == entry["doc_hashes"]
    assert judged["score_kind"] == "judged"


@pytest.mark.parametrize(
    ("name", "first", "hub"),
    [("mot_ifeval", "score", "google/IFEval"), ("mot_simpleqa", "score", "basicv8vc/SimpleQA")],
)
def test_the_task_files(data: Path, name: str, first: str, hub: str) -> None:
    if name == "mot_ifeval":
        skip_without_checks()
    manager = TaskManager(include_path=str(EVAL), include_defaults=False, metadata={"mot_data_dir": str(data)})
    assert name in manager.all_tasks
    task = manager.load([name])["tasks"][name]
    assert next(iter(task.aggregation())) == first
    assert (task.config.repeats, task.config.num_fewshot) == (1, 0)
    assert task.config.generation_kwargs == SAMPLING
    assert task.config.metadata["dataset"] == hub
    assert task.config.metadata["dataset_revision"] is None
    assert task.config.metadata["scorer"] == name.removeprefix("mot_")
