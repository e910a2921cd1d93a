"""Where the prompts of IFEval and the questions of SimpleQA come from: `custom_dataset` functions, called by lm-eval.

Each reads the whole split of its benchmark (`origin.rows`), insists on its number of rows, and returns
{"test": datasets.Dataset}. Everything that lm-eval passes besides is ignored: hence the `**_`.
"""

import ast
import hashlib
from collections.abc import Mapping
from typing import Any

from mot_plugin.errors import FileError
from mot_plugin.evals import ifeval as checks
from mot_plugin.evals.origin import Origin, rows, text
from mot_plugin.evals.subset import stratified

Row = dict[str, Any]

IFEVAL = Origin("google/IFEval", "ifeval", "train", 541)
SIMPLEQA = {
    4326: Origin("basicv8vc/SimpleQA", "simpleqa", "test", 4326),
    4321: Origin("lighteval/SimpleQA", "simpleqa", "test", 4321),
}


def ifeval(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The 541 prompts of IFEval: id, key, prompt, instruction_id_list, kwargs (one dict an instruction; unused names: None).

    Local copies: ifeval.jsonl (or another of origin.ENDINGS) or the folder ifeval/. `fraction` asks a share of the prompts;
    there are no strata. What lm-eval's checks need is looked for first, before hours of generation. Raises MissingInput
    without it or without the data, FileError when the rows are not IFEval's.
    """
    checks.lm_evals_checks()
    found = rows(IFEVAL, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision)
    return _dataset([_ifeval_doc(where, row) for where, row in found], fraction, [])


def simpleqa(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    questions: int = 4326,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """SimpleQA: id, question, answer, topic, answer_type (all text); strata: `topic` by `answer_type`.

    `questions`: 4,326, the official set, or 4,321 of lighteval/SimpleQA, the number that the paper's scores are shares of
    (its size is inferred from them). Local copies: simpleqa.csv (the official simple_qa_test_set.csv; or another of
    origin.ENDINGS) or the folder simpleqa/; a question is in `problem` or `question`, topic and answer_type in columns of
    their own or in `metadata`. Raises MissingInput without the data, FileError when they are not SimpleQA's.
    """
    if questions not in SIMPLEQA:
        raise FileError(f"questions is {questions}, but SimpleQA has {' or '.join(map(str, SIMPLEQA))}")
    found = rows(SIMPLEQA[questions], mot_data_dir=mot_data_dir, dataset_revision=dataset_revision)
    return _dataset([_simpleqa_doc(where, row) for where, row in found], fraction, ["topic", "answer_type"])


def _ifeval_doc(where: str, row: Row) -> Row:
    text(row, "prompt", where)
    names, kwargs = row.get("instruction_id_list"), row.get("kwargs")
    if not _all(names, str) or not _all(kwargs, dict) or len(names or []) != len(kwargs or []):
        raise FileError(
            f"{where}: `instruction_id_list` and `kwargs` must be two lists of one length, of names and objects"
        )
    if not isinstance(row.get("key"), int):
        raise FileError(f"{where}: no number in `key`; its columns are {', '.join(sorted(map(str, row)))}")
    # The prompt as it is, white space too: an instruction may be to repeat it word for word.
    doc = {
        "id": str(row["key"]),
        "key": row["key"],
        "prompt": row["prompt"],
        "instruction_id_list": names,
        "kwargs": kwargs,
    }
    try:
        checks.check_kwargs(doc)
    except (ValueError, TypeError, KeyError) as error:
        raise FileError(
            f"{where}: lm-eval's checks do not know its instructions ({', '.join(names or [])}): {error}"
        ) from None
    return doc


def _simpleqa_doc(where: str, row: Row) -> Row:
    question = text(row, "problem" if "problem" in row else "question", where)
    about = {**_metadata(row.get("metadata")), **row}
    return {
        "id": hashlib.sha256(question.encode()).hexdigest()[:16],
        "question": question,
        "answer": text(row, "answer", where),
        "topic": str(about.get("topic") or ""),
        "answer_type": str(about.get("answer_type") or ""),
    }


def _metadata(written: Any) -> Mapping[str, Any]:
    """The official file writes it as a Python literal."""
    if isinstance(written, str):
        try:
            written = ast.literal_eval(written)
        except (ValueError, SyntaxError):
            return {}
    return written if isinstance(written, dict) else {}


def _all(values: Any, kind: type) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, kind) for value in values)


def _dataset(docs: list[Row], fraction: float | None, strata: list[str]) -> Mapping[str, Any]:
    import datasets

    return {"test": datasets.Dataset.from_list(stratified(docs, fraction, strata))}
