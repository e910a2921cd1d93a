"""Where the problems of PHYBench, MATH-500 and HMMT come from: `custom_dataset` functions, called by lm-eval.

Each reads its whole benchmark (`origin.rows`), insists on its number of different problems and on references that an
answer can be compared with, and returns {"test": datasets.Dataset}. Everything that lm-eval passes besides is ignored:
hence the `**_`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mot_plugin.answers import unverifiable
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals.origin import Origin, Row, rows, text
from mot_plugin.evals.phybench.eed import proven
from mot_plugin.evals.subset import stratified

Doc = dict[str, str]

# The hub has three files and no splits; the other two hold 400 problems without their answers, and all 500.
PHYBENCH = Origin("Eureka-Lab/PHYBench", "PHYBench-fullques_v1", "fullques", 100)
MATH500 = Origin("HuggingFaceH4/MATH-500", "math500", "test", 500)
HMMT = Origin("MathArena/hmmt_feb_2025", "hmmt_feb_2025", "train", 30)


def phybench(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The 100 problems of PHYBench whose answers are public: id, tag, problem, answer (all text); strata: `tag`.

    Local copies: PHYBench-fullques_v1.json, as on the hub (or another of origin.ENDINGS), also in a folder of that name.
    Raises MissingInput without the data, MissingTool when the score does not work here (told before hours of generation),
    FileError when the rows are not PHYBench's or hold a formula that cannot be read.
    """
    folder = _from_hub(PHYBENCH, dataset_revision) if mot_data_dir is None else _holding(PHYBENCH, Path(mot_data_dir))
    docs = []
    for where, row in rows(PHYBENCH, mot_data_dir=str(folder), dataset_revision=None):
        doc = {"id": _id(row, "id", where), "tag": text(row, "tag", where)}
        docs.append({**doc, "problem": text(row, "content", where), "answer": text(row, "answer", where)})
    unreadable = set(proven().unreadable(doc["answer"] for doc in docs))
    if unreadable:
        wrong = [doc["id"] for doc in docs if doc["answer"] in unreadable]
        raise FileError(
            f"{folder}: the answers of {', '.join(wrong[:10])} are no formulas, so nothing compares with them"
        )
    return _dataset(PHYBENCH, docs, fraction, ["tag"])


def math500(
    *,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    fraction: float | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The 500 problems of MATH-500: id, problem, answer, subject, level (all text); strata: `subject` by `level`.

    Local copies: math500.jsonl (or another of origin.ENDINGS), or the folder math500/. Raises MissingInput without the
    data, FileError when they are not MATH-500's.
    """
    docs = []
    for where, row in rows(MATH500, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision):
        doc = _exact(row, "unique_id", where)
        docs.append({**doc, "subject": text(row, "subject", where), "level": _id(row, "level", where)})
    return _dataset(MATH500, docs, fraction, ["subject", "level"])


def hmmt(*, mot_data_dir: str | None = None, dataset_revision: str | None = None, **_: Any) -> Mapping[str, Any]:
    """The 30 problems of HMMT February 2025, in MathArena's copy (CC BY-NC-SA 4.0): id, problem, answer (all text).

    Local copies: hmmt_feb_2025.jsonl (or another of origin.ENDINGS), or the folder hmmt_feb_2025/. Raises MissingInput
    without the data, FileError when they are not these problems.
    """
    found = rows(HMMT, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision)
    return _dataset(HMMT, [_exact(row, "problem_idx", where) for where, row in found])


def _exact(row: Row, number: str, where: str) -> Doc:
    answer = row.get("answer")
    answer = str(answer) if isinstance(answer, int) else text(row, "answer", where)
    reason = unverifiable(answer)
    if reason:
        raise FileError(f"{where}: nothing compares with its `answer` ({reason})")
    return {"id": _id(row, number, where), "problem": text(row, "problem", where), "answer": answer}


def _id(row: Row, column: str, where: str) -> str:
    value = row.get(column)
    return str(value) if isinstance(value, int) else text(row, column, where)


def _holding(origin: Origin, folder: Path) -> Path:
    """The folder that has the file: this one, or the copy of the data set that `hf download` puts into it."""
    nested = folder / origin.stem
    return nested if (nested / f"{origin.stem}.json").is_file() else folder


def _from_hub(origin: Origin, revision: str | None) -> Path:
    import httpx
    import huggingface_hub

    name = f"{origin.stem}.json"
    try:
        return Path(huggingface_hub.hf_hub_download(origin.hub, name, repo_type="dataset", revision=revision)).parent
    except (OSError, ValueError, httpx.HTTPError) as error:  # offline, no such revision or file, no access
        raise MissingInput(
            f"{name} of the data set {origin.hub} (revision {revision or 'newest'}) cannot be loaded: "
            f"{str(error).strip().partition(chr(10))[0]}\n"
            f'  without the hub: put {name} into a folder and pass --metadata \'{{"mot_data_dir": "FOLDER"}}\''
        ) from error


def _dataset(
    origin: Origin, docs: list[Doc], fraction: float | None = None, strata: Sequence[str] = ()
) -> Mapping[str, Any]:
    import datasets

    different = len({doc["problem"] for doc in docs}), len({doc["id"] for doc in docs})
    if different != (origin.count, origin.count):
        raise FileError(f"{origin.hub} has {origin.count} different problems, but these are {min(different)}")
    return {"test": datasets.Dataset.from_list(stratified(docs, fraction, strata))}
