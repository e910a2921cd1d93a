"""Where the problems of our lm-eval tasks come from: `custom_dataset` functions, called by lm-eval in its own process.

lm-eval passes a task's metadata and dataset_kwargs as keywords, `--metadata '{"mot_data_dir": "..."}'` among them,
and its model_args too: hence the `**_`, and the names that no model argument has.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mot_plugin.answers import as_integer, final_answer
from mot_plugin.errors import FileError, MissingInput

Row = dict[str, str]

# year -> (data set on the hub, stem of the file in mot_data_dir, number of problems)
AIME = {2024: ("math-ai/aime24", "aime24", 30), 2025: ("math-ai/aime25", "aime25", 30)}


def aime(
    *, year: int, mot_data_dir: str | None = None, dataset_revision: str | None = None, **_: Any
) -> Mapping[str, Any]:
    """The problems of one AIME year, as {"test": datasets.Dataset} with columns id, problem, answer (all text).

    From `mot_data_dir` (aime24.jsonl or aime24.parquet, aime25...) when given, else from the hub at `dataset_revision`.
    Raises MissingInput when there is no such file or the hub cannot be reached, FileError when the rows are not 30
    different problems with answers 0..999.
    """
    hub_id, stem, count = AIME[year]
    if mot_data_dir is None:
        source, found = hub_id, _from_hub(hub_id, stem, dataset_revision)
    else:
        file = _local_file(Path(mot_data_dir), stem, hub_id)
        source, found = str(file), _read(file)
    rows = normalise(found, source)
    if len({row["problem"] for row in rows}) != count or len(rows) != count:
        different = len({row["problem"] for row in rows})
        raise FileError(f"{source}: {len(rows)} rows with {different} different problems, AIME {year} has {count}")
    outside = [row["id"] for row in rows if not 0 <= int(row["answer"]) <= 999]
    if outside:
        raise FileError(f"{source}: the answers of {', '.join(outside)} are not 0..999, so these are not AIME problems")
    return _as_dataset(rows)


def shipped(*, path: str, **_: Any) -> Mapping[str, Any]:
    """Problems from a JSONL file of {"id", "problem", "answer"}; a relative path is one that ships with the package.

    Raises MissingInput when there is no such file, FileError when its rows are not of that kind.
    """
    # Only what runs inside lm-eval needs to know where the package lies.
    from mot_plugin import shipped as files

    file = Path(path) if Path(path).is_absolute() else files.path(*Path(path).parts)
    if not file.is_file():
        raise MissingInput(f"{file}: no such file; name a JSONL of rows with id, problem and answer")
    return _as_dataset(normalise(_read(file), str(file)))


def normalise(rows: Iterable[Mapping[str, Any]], source: str) -> list[Row]:
    """Rows of any AIME schema as {"id", "problem", "answer"} of text, the answer a plain integer ("025" -> "25").

    The problem is in `problem` or `question`, the answer in `answer` or boxed in `solution`, in any letter case.
    Raises FileError naming `source` and the first row that has no problem or no integer answer.
    """
    normal = [_normal_row(row, index, source) for index, row in enumerate(rows)]
    if not normal:
        raise FileError(f"{source}: no problems in it")
    return normal


def _normal_row(row: Mapping[str, Any], index: int, source: str) -> Row:
    fields = {name.lower(): value for name, value in row.items()}
    problem = fields.get("problem") or fields.get("question")
    if not isinstance(problem, str):
        raise FileError(f"{source}, row {index + 1}: no `problem` or `question`, only {', '.join(sorted(row))}")
    given = fields.get("answer")
    written = str(given) if given is not None else final_answer(str(fields.get("solution") or ""))
    value = None if written is None else as_integer(final_answer(written) or written)
    if value is None:
        raise FileError(
            f"{source}, row {index + 1}: no integer in `answer` and none boxed in `solution` (found {written!r})"
        )
    return {"id": str(fields.get("id", index)), "problem": problem, "answer": str(value)}


def _local_file(folder: Path, stem: str, hub_id: str) -> Path:
    candidates = [folder / f"{stem}.jsonl", folder / f"{stem}.parquet"]
    for file in candidates:
        if file.is_file():
            return file
    raise MissingInput(
        f"mot_data_dir has neither {candidates[0]} nor {candidates[1].name}\n"
        f"  put the rows of the data set {hub_id} there under one of these names"
    )


def _read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        from pyarrow import parquet  # type: ignore[import-untyped]

        rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
        return rows
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise FileError(f"{file}, line {number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise FileError(f"{file}, line {number}: not a JSON object")
        found.append(row)
    return found


def _from_hub(hub_id: str, stem: str, revision: str | None) -> Iterable[Mapping[str, Any]]:
    import datasets

    try:
        rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(hub_id, split="test", revision=revision)
    except (OSError, ValueError) as error:  # offline, no such data set, no such revision: all OSError or ValueError
        raise MissingInput(
            f"the data set {hub_id} (revision {revision or 'newest'}) cannot be loaded: {error}\n"
            f'  without the hub: put {stem}.jsonl into a folder and pass --metadata \'{{"mot_data_dir": "FOLDER"}}\''
        ) from error
    return rows


def _as_dataset(rows: list[Row]) -> Mapping[str, Any]:
    import datasets

    return {"test": datasets.Dataset.from_list(rows)}
