"""Judge stored outputs with lm-eval's own tasks: their prompts, stop strings, filters, metrics and sums, on texts that are there.

Only the rows are ours, in the columns that each task reads. A "model" that hands out the stored text takes the place of one that
writes: after lm-eval's own function for a finished text, which cuts at the task's stop strings and, where asked, at `</think>`.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.tasks
from evaluation_forms import Case
from lm_eval.api.model import LM
from lm_eval.models.utils import postprocess_generated_text

TASKS = Path(lm_eval.tasks.__path__[0])


@dataclass(frozen=True)
class Own:
    """A task of lm-eval: its file, the row that it reads, and where its verdict on a sample stands."""

    file: str
    row: Callable[[Case], dict[str, Any]]
    metric: str = "exact_match"
    filter: str = "none"


def letter(case: Case) -> str:
    """The reference of a question with one right letter."""
    return str(case.doc["gold"][0])


def gpqa_row(case: Case) -> dict[str, Any]:
    """GPQA's row as its task has it after shuffling the options."""
    options = {f"choice{number}": option for number, option in enumerate(case.doc["options"], 1)}
    return {"Question": "", **options, "choices": case.doc["options"], "answer": f"({letter(case)})"}


def mmlu_pro_row(case: Case) -> dict[str, Any]:
    """MMLU-Pro's row; the task of mathematics takes those of its category."""
    return {
        "question": "",
        "options": case.doc["options"],
        "answer": letter(case),
        "category": "math",
        "cot_content": "",
    }


OWN: dict[str, Own] = {
    "aime24": Own("aime/aime24.yaml", lambda case: {"Problem": "", "Answer": str(case.doc["answer"])}),
    "gpqa_diamond_cot_zeroshot, strict": Own(
        "gpqa/cot_zeroshot/gpqa_diamond_cot_zeroshot.yaml", gpqa_row, filter="strict-match"
    ),
    "gpqa_diamond_cot_zeroshot, flexible": Own(
        "gpqa/cot_zeroshot/gpqa_diamond_cot_zeroshot.yaml", gpqa_row, filter="flexible-extract"
    ),
    "mmlu_redux_generative": Own(
        "mmlu-redux/generative/mmlu_astronomy.yaml",
        lambda case: {"question": "", "choices": case.doc["options"], "answer": "ABCD".index(letter(case))},
        filter="default",
    ),
    "mmlu_pro": Own(
        "mmlu_pro/mmlu_pro_math.yaml",
        mmlu_pro_row,
        filter="custom-extract",
    ),
    "ifeval": Own("ifeval/ifeval.yaml", lambda case: dict(case.doc), metric="prompt_level_strict_acc"),
}


class Stored(LM):  # type: ignore[misc]
    """Says what is stored with the row."""

    def __init__(self, think_end: str | None) -> None:
        super().__init__()
        self.think_end = think_end

    def generate_until(self, requests: list[Any]) -> list[str]:
        return [
            postprocess_generated_text(request.doc["stored"], request.args[1].get("until"), self.think_end)
            for request in requests
        ]

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


def judge(name: str, cases: Sequence[Case], think_end: str | None) -> list[bool]:
    """What the task says of each case."""
    own = OWN[name]
    with tempfile.TemporaryDirectory() as home:
        rows = Path(home, "rows.jsonl")
        rows.write_text(
            "".join(json.dumps({**own.row(case), "stored": case.text}) + "\n" for case in cases), encoding="utf-8"
        )
        Path(home, "own.yaml").write_text(
            f"include: {TASKS / own.file}\ntask: own\ntag: null\ntask_alias: null\ndataset_path: json\ndataset_name: null\n"
            f"dataset_kwargs: {{data_files: {{test: {rows}}}, cache_dir: {home}}}\nprocess_docs: null\nnum_fewshot: 0\n"
            "training_split: null\nvalidation_split: null\nfewshot_split: null\ntest_split: test\n",
            encoding="utf-8",
        )
        manager = lm_eval.tasks.TaskManager(include_path=home, include_defaults=False)
        found = lm_eval.simple_evaluate(
            model=Stored(think_end), tasks=["own"], task_manager=manager, bootstrap_iters=0, log_samples=True
        )
    samples = sorted(
        (one for one in found["samples"]["own"] if one["filter"] == own.filter), key=lambda one: one["doc_id"]
    )
    assert len(samples) == len(cases), f"{name}: {len(samples)} verdicts of filter {own.filter}"
    return [bool(one[own.metric]) for one in samples]
