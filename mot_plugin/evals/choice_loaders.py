"""Where the questions of the multiple-choice tasks come from: `custom_dataset` functions, called by lm-eval.

Each reads the whole split of its benchmark (`origin.rows`), insists on its number of rows, and returns
{"test": datasets.Dataset} of rows with `id`, `problem`, `letters`, `options`, `gold` and what the strata of a subset
are named after. `fraction` asks only that share of the questions (`subset.stratified`). Everything that lm-eval
passes besides is ignored: hence the `**_`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from mot_plugin.errors import FileError
from mot_plugin.evals import choice_redux, subjects
from mot_plugin.evals.origin import Origin, Row, rows, text
from mot_plugin.evals.subset import stratified

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

CEVAL = Origin("ceval/ceval-exam", "ceval", "val", 1346, configs=tuple(subjects.CEVAL), column="subject")
SUPERGPQA = Origin("m-a-p/SuperGPQA", "supergpqa", "train", 26529)
MMLU_PRO = Origin("TIGER-Lab/MMLU-Pro", "mmlu_pro", "test", 12032)
MMLU_REDUX = Origin(
    "edinburgh-dawg/mmlu-redux-2.0", "mmlu_redux", "test", 5700, configs=subjects.MMLU, column="subject"
)
GPQA = Origin(
    "Idavidrein/gpqa",
    "gpqa_diamond",
    "train",
    198,
    configs=("gpqa_diamond",),
    advice=(
        "this data set is gated: accept its terms on its page of the hub with your account, then `hf auth login` there "
        "or set HF_TOKEN;\n  until then the cell of mot_gpqa_diamond stays missing, and so does every average with it"
    ),
)


def ceval(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The 1,346 questions of C-Eval's val split, of 52 subjects; strata: `subject`.

    Local copies: ceval.jsonl (or another of origin.ENDINGS) with the column `subject`, or the folder ceval/. Raises
    MissingInput without the data, FileError when they are not C-Eval's.
    """
    docs = []
    for where, row in rows(CEVAL, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision):
        subject = text(row, "subject", where)
        if subject not in subjects.CEVAL:
            raise FileError(f"{where}: `subject` is {subject!r:.60}, none of C-Eval's 52 ({_few(CEVAL.configs)})")
        options = [_option(row[letter]) for letter in "ABCD" if letter in row]
        doc = _doc(where, f"{subject}/{row.get('id')}", text(row, "question", where), options, row.get("answer"))
        docs.append({**doc, "subject": subject, "subject_zh": subjects.CEVAL[subject]})
    return _dataset(docs, fraction, ["subject"])


def supergpqa(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The 26,529 questions of SuperGPQA; strata: `discipline` (13) by `difficulty` (3).

    Local copies: supergpqa.jsonl (the hub's SuperGPQA-all.jsonl; or another of origin.ENDINGS), or the folder
    supergpqa/. Raises MissingInput without the data, FileError when they are not SuperGPQA's.
    """
    docs = []
    for where, row in rows(SUPERGPQA, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision):
        doc = _doc(where, row.get("uuid"), text(row, "question", where), _options(row, where), row.get("answer_letter"))
        docs.append({**doc, **{column: text(row, column, where) for column in ("discipline", "difficulty")}})
    return _dataset(docs, fraction, ["discipline", "difficulty"])


def mmlu_pro(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The 12,032 questions of MMLU-Pro's test split, options that are only "N/A" left out; strata: `category` (14).

    Local copies: mmlu_pro.jsonl (or another of origin.ENDINGS), or the folder mmlu_pro/. Raises MissingInput without
    the data, FileError when they are not MMLU-Pro's.
    """
    docs = []
    for where, row in rows(MMLU_PRO, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision):
        every = _options(row, where)
        right = _index(row.get("answer"), len(every), where)
        kept = [number for number, option in enumerate(every) if option != "N/A" or number == right]
        options = [every[number] for number in kept]
        doc = _doc(where, row.get("question_id"), text(row, "question", where), options, LETTERS[kept.index(right)])
        docs.append({**doc, "category": text(row, "category", where)})
    return _dataset(docs, fraction, ["category"])


def mmlu_redux(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    label_policy: str = "corrected",
    **_: Any,
) -> Mapping[str, Any]:
    """The 5,700 questions of MMLU-Redux 2.0, of 57 subjects; strata: `subject`.

    `label_policy`: "corrected" asks all with the labels as the annotators mended them (`choice_redux.corrected`),
    "original" all with MMLU's, "ok_only" those without any fault found, which are fewer than 5,700. Local copies:
    mmlu_redux.jsonl (or another of origin.ENDINGS) with the column `subject`, or the folder mmlu_redux/. Raises
    MissingInput without the data, FileError when they are not MMLU-Redux's or there is no such policy.
    """
    if label_policy not in choice_redux.POLICIES:
        raise FileError(f"label_policy is {label_policy!r}, but it is one of {', '.join(choice_redux.POLICIES)}")
    docs = []
    for where, row in rows(MMLU_REDUX, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision):
        problem, subject, fault = (text(row, column, where) for column in ("question", "subject", "error_type"))
        if label_policy == "ok_only" and fault != "ok":
            continue
        options = _options(row, where, "choices")
        answer = _index(row.get("answer"), len(options), where)
        label = choice_redux.Label(tuple(options), (answer,), "original")
        if label_policy == "corrected":
            label = choice_redux.corrected(options, answer, fault, _option(row.get("correct_answer")))
        gold = "".join(LETTERS[number] for number in label.right)
        doc = _doc(where, None, problem, list(label.options), gold, digested=[subject, problem, *options])
        docs.append({**doc, "subject": subject, "error_type": fault, "label": label.source})
    return _dataset(docs, fraction, ["subject"])


def gpqa(*, mot_data_dir: str | None = None, dataset_revision: str | None = None, **_: Any) -> Mapping[str, Any]:
    """The 198 questions of GPQA-Diamond, never fewer; its authors ask to show them nowhere, samples files included.

    The four options stand in the order of the digests of question and option: the same for everyone, whatever the
    order of the rows. Local copies: gpqa_diamond.csv (the hub's; or another of origin.ENDINGS), or the folder
    gpqa_diamond/. Raises MissingInput without the data or without access, FileError when they are not GPQA-Diamond's.
    """
    wrong = [f"Incorrect Answer {number}" for number in (1, 2, 3)]
    docs = []
    for where, row in rows(GPQA, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision):
        problem = text(row, "Question", where)
        options = [text(row, column, where) for column in ("Correct Answer", *wrong)]
        order = sorted(range(4), key=lambda number: _digest([problem, options[number]]))
        shuffled = [options[number] for number in order]
        identity = row.get("Record ID") or _digest([problem])[:16]
        docs.append(_doc(where, identity, problem, shuffled, LETTERS[order.index(0)]))
    return _dataset(docs, None, [])


def _doc(
    where: str, identity: Any, problem: str, options: Sequence[str], gold: Any, digested: Sequence[str] | None = None
) -> dict[str, Any]:
    """A row as the tasks and the scorer want it. Without an id of its own it gets a digest of `digested`."""
    if not 2 <= len(options) <= len(LETTERS):
        raise FileError(f"{where}: {len(options)} options; a question has 2 to {len(LETTERS)}")
    letters = LETTERS[: len(options)]
    if not isinstance(gold, str) or not gold or not set(gold) <= set(letters):
        raise FileError(f"{where}: the answer is {gold!r:.20}, but its options are {letters[0]} to {letters[-1]}")
    if identity is None:
        identity = _digest(digested or [problem, *options])[:16]
    return {"id": str(identity), "problem": problem, "letters": letters, "options": list(options), "gold": gold}


def _options(row: Row, where: str, column: str = "options") -> list[str]:
    found = row.get(column)
    if not isinstance(found, list):
        raise FileError(f"{where}: no list in `{column}`; its columns are {', '.join(sorted(map(str, row)))}")
    return [_option(value) for value in found]


def _option(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _index(value: Any, count: int, where: str) -> int:
    """The number of an option that a row gives as a letter or as a number from 0."""
    letters = LETTERS[:count]
    if isinstance(value, str) and value and value in letters:
        return letters.index(value)
    if str(value).isdecimal() and int(str(value)) < count:
        return int(str(value))
    raise FileError(f"{where}: `answer` is {value!r:.20}, which is none of its {count} options")


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(" ".join(part.split()) for part in parts).encode()).hexdigest()


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}, ..."


def _dataset(docs: list[dict[str, Any]], fraction: float | None, strata: Sequence[str]) -> Mapping[str, Any]:
    import datasets

    return {"test": datasets.Dataset.from_list(stratified(docs, fraction, strata))}
