"""The multiple-choice tasks in the real lm-eval, on invented rows: prompts, repeats, filter, metrics, samples."""
# ruff: noqa: RUF001  (full-width signs are what a Chinese prompt is written with)

import json
from pathlib import Path
from typing import Any

import choice_rows
import pytest

from mot_plugin.evals import choice

lm_eval = pytest.importorskip("lm_eval")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.loggers import EvaluationTracker  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

pytestmark = pytest.mark.contract

EVAL = Path(__file__).parents[2] / "eval"
SAMPLING = {"until": [], "do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_gen_toks": 32768}
METRICS = ["score", "truncated", "no_answer", "distinct"]

# task -> (questions, runs, data set on the hub)
TASKS = {
    "mot_ceval": (1346, 1, "ceval/ceval-exam"),
    "mot_supergpqa": (26529, 1, "m-a-p/SuperGPQA"),
    "mot_supergpqa_tenth": (2653, 1, "m-a-p/SuperGPQA"),
    "mot_mmlu_pro": (12032, 1, "TIGER-Lab/MMLU-Pro"),
    "mot_mmlu_redux": (5700, 1, "edinburgh-dawg/mmlu-redux-2.0"),
    "mot_gpqa_diamond": (198, 16, "Idavidrein/gpqa"),
}
ASKED = 40  # questions of each task that are really asked


class Canned(LM):
    """Of every eight answers the first five are right, then a wrong one, one that is cut off, one that says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[str]] = {}

    def generate_until(self, requests: list[Any]) -> list[str]:
        replies = []
        for number, request in enumerate(requests):
            self.asked.setdefault(request.task_name, []).append(request.args[0])
            doc = request.doc
            wrong = next(letter for letter in doc["letters"] if letter not in doc["gold"])
            thought = f"<think>Run {number}. Answer: {wrong}?"
            marker = "答案\N{FULLWIDTH COLON}" if "subject_zh" in doc else "Answer: "
            right = f"{thought}</think>\n\nBecause.\n\n**{marker}{doc['gold'][-1]}**"
            endings = [f"{thought}</think>{marker}{wrong}", thought, f"{thought}</think>I cannot say."]
            replies.append([*[right] * 5, *endings][number % 8])
        return replies

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    """The tasks of `eval/` on invented rows, as many as the real ones."""
    folder = tmp_path_factory.mktemp("data")
    for stem, make in choice_rows.ROWS.items():
        rows = make()
        if stem == "mmlu_redux":
            rows[0] |= {"error_type": "multiple_correct_answers", "correct_answer": "A and D"}
        choice_rows.write(folder, stem, rows)
    return TaskManager(include_path=str(EVAL), include_defaults=False, metadata={"mot_data_dir": str(folder)})


@pytest.fixture(scope="module")
def tasks(manager: TaskManager) -> dict[str, Any]:
    return dict(manager.load(list(TASKS))["tasks"])


@pytest.mark.parametrize("name", TASKS)
def test_a_task(tasks: dict[str, Any], name: str) -> None:
    questions, repeats, hub = TASKS[name]
    task = tasks[name]
    assert len(task.test_docs()) == questions
    assert task.config.repeats == repeats
    assert task.config.generation_kwargs == SAMPLING
    assert task.config.num_fewshot == 0
    assert list(task.aggregation()) == METRICS
    metadata = task.config.metadata
    assert (metadata["version"], metadata["scorer"], metadata["dataset"]) == (1.0, "choice", hub)
    assert metadata["dataset_revision"] is None


def test_all_tasks_ask_score_and_sample_alike(tasks: dict[str, Any]) -> None:
    keys = ("process_results", "filter_list", "generation_kwargs", "metric_list", "doc_to_target", "output_type")
    configs = [task.config.to_dict() for task in tasks.values()]
    for key in keys:
        assert len({json.dumps(config[key], default=repr, sort_keys=True) for config in configs}) == 1, key
    prompts = {name: task.config.doc_to_text for name, task in tasks.items()}
    assert len(set(prompts.values())) == 2
    assert prompts["mot_ceval"] not in [prompt for name, prompt in prompts.items() if name != "mot_ceval"]


def test_a_tenth_is_part_of_the_whole(tasks: dict[str, Any]) -> None:
    whole, tenth = (tasks[name].test_docs() for name in ("mot_supergpqa", "mot_supergpqa_tenth"))
    assert set(tenth["id"]) < set(whole["id"])


def test_metadata_from_outside_wins(tmp_path: Path) -> None:
    rows = choice_rows.mmlu_redux(error_type="wrong_groundtruth", correct_answer="3")
    choice_rows.write(tmp_path, "mmlu_redux", rows)
    metadata = {"mot_data_dir": str(tmp_path), "label_policy": "ok_only"}
    outside = TaskManager(include_path=str(EVAL), include_defaults=False, metadata=metadata)
    task = outside.load(["mot_mmlu_redux"])["tasks"]["mot_mmlu_redux"]
    assert len(task.test_docs()) == 5699
    assert task.config.metadata["label_policy"] == "ok_only"


def test_what_is_asked_and_what_is_scored(manager: TaskManager, tmp_path: Path) -> None:
    model = Canned()
    results = lm_eval.simple_evaluate(
        model=model, tasks=list(TASKS), task_manager=manager, limit=ASKED, bootstrap_iters=0, log_samples=True
    )
    assert {name: len(prompts) for name, prompts in model.asked.items()} == {
        name: ASKED * repeats for name, (_, repeats, _) in TASKS.items()
    }
    assert model.asked["mot_mmlu_pro"][2] == (
        'Here is a multiple-choice question. Reason step by step, choose one option, and end with a line "Answer: $LETTER"'
        ", where $LETTER is one of A, B, C, D, E, F.\n\nWhat is 2 plus nothing?\n\n"
        "A) 2 and 0\nB) 2 and 1\nC) 2 and 2\nD) 2 and 3\nE) 2 and 4\nF) 2 and 5"
    )
    assert model.asked["mot_ceval"][0] == (
        "以下是中国关于注册会计师的一道单项选择题。请逐步思考，选出正确的一项，并在最后一行写“答案：$LETTER”，"
        "其中 $LETTER 是 A、B、C、D 中的一个字母。\n\n0 加零等于____。\n\nA. 0 and 0\nB. 0 and 1\nC. 0 and 2\nD. 0 and 3"
    )
    for name, reported in results["results"].items():
        values = [reported[f"{metric},all"] for metric in METRICS]
        assert values == pytest.approx([5 / 8, 1 / 8, 1 / 8, 1.0]), name

    tracker = EvaluationTracker(output_path=str(tmp_path / "results.json"))
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name in TASKS:
        tracker.save_results_samples(task_name=name, samples=samples[name])
        check_samples(next(tmp_path.glob(f"samples_{name}_2*.jsonl")), repeats=TASKS[name][1])


def check_samples(file: Path, repeats: int) -> None:
    """The samples hold all that is needed to score them once more."""
    samples = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
    assert len(samples) == ASKED
    for sample in samples:
        texts = sample["resps"][0]
        assert len(texts) == repeats
        again = choice.metrics(sample["doc"], texts)
        assert again == {metric: sample[metric] for metric in METRICS}
        assert sample["target"] == sample["doc"]["gold"]
