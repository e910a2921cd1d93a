"""Where the problems with whole numbers as answers come from: `custom_dataset` functions, called by lm-eval.

lm-eval passes a task's metadata and dataset_kwargs as keywords, `--metadata '{"mot_data_dir": "..."}'` among them,
and its model_args too: hence the `**_`, and the names that no model argument has.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mot_plugin.answers import as_integer, final_answer
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals.origin import Origin, Row, rows
from mot_plugin.sources.rows import read_rows

Doc = dict[str, str]

AIME = {
    2024: Origin("math-ai/aime24", "aime24", "test", 30),
    2025: Origin("math-ai/aime25", "aime25", "test", 30),
}


def aime(
    *, year: int, mot_data_dir: str | None = None, dataset_revision: str | None = None, **_: Any
) -> Mapping[str, Any]:
    """The 30 problems of one AIME year: id, problem, answer (all text, the answer a plain integer).

    Local copies: aime24.jsonl (or another of origin.ENDINGS), or the folder aime24/; aime25... for 2025. Rows of any of
    the common copies will do (`normalise`). Raises MissingInput without the data, FileError when the rows are not 30
    different problems with answers 0..999.
    """
    origin = AIME[year]
    docs = normalise(rows(origin, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision))
    different = len({doc["problem"] for doc in docs})
    if different != origin.count:
        raise FileError(f"AIME {year} has {origin.count} different problems, but these are {different}")
    outside = [doc["id"] for doc in docs if not 0 <= int(doc["answer"]) <= 999]
    if outside:
        raise FileError(
            f"the answers of {', '.join(outside)} are not 0..999, so these are not the problems of AIME {year}"
        )
    return _dataset(docs)


def shipped(*, path: str, **_: Any) -> Mapping[str, Any]:
    """Problems from a file of {"id", "problem", "answer"}; a relative path is one that ships with the package.

    Raises MissingInput when there is no such file, FileError when its rows are not of that kind.
    """
    # Only what runs inside lm-eval needs to know where the package lies.
    from mot_plugin import shipped as files

    file = Path(path) if Path(path).is_absolute() else files.path(*Path(path).parts)
    if not file.is_file():
        raise MissingInput(f"{file}: no such file; name a JSONL of rows with id, problem and answer")
    return _dataset(normalise(read_rows(file)))


def normalise(found: Iterable[tuple[str, Row]]) -> list[Doc]:
    """Rows of any AIME schema, each with where it stands, as {"id", "problem", "answer"}: "025" becomes "25".

    The problem is in `problem` or `question`, the answer in `answer` or boxed in `solution`, in any letter case; without
    an id of its own a row has its number, from 0. Raises FileError at the first that has no problem or no integer answer.
    """
    return [_doc(where, row, number) for number, (where, row) in enumerate(found)]


def _doc(where: str, row: Row, number: int) -> Doc:
    fields = {name.lower(): value for name, value in row.items()}
    problem = fields.get("problem") or fields.get("question")
    if not isinstance(problem, str):
        raise FileError(f"{where}: no `problem` or `question`, only {', '.join(sorted(row))}")
    given = fields.get("answer")
    written = str(given) if given is not None else final_answer(str(fields.get("solution") or ""))
    value = None if written is None else as_integer(final_answer(written) or written)
    if value is None:
        raise FileError(f"{where}: no integer in `answer` and none boxed in `solution` (found {written!r})")
    return {"id": str(fields.get("id", number)), "problem": problem, "answer": str(value)}


def _dataset(docs: list[Doc]) -> Mapping[str, Any]:
    import datasets

    return {"test": datasets.Dataset.from_list(docs)}
