"""A corpus on disk: rows for LLaMA-Factory, where each comes from, what was counted, and how LLaMA-Factory finds it."""

import hashlib
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import CheckFailed, FileError, MissingInput

ROWS = "corpus.jsonl"
PROVENANCE = "provenance.jsonl"
SUMMARY = "summary.json"
VERDICTS = "verdicts.jsonl"
DATASET_INFO = "dataset_info.json"


@dataclass(frozen=True)
class Row:
    """One training row. `sample` counts a teacher's samples from 0, `tokens` are those of the student's template."""

    id: str
    teacher: str
    sample: int
    tokens: int
    references: tuple[str, ...]
    user: str
    assistant: str

    def record(self) -> dict[str, Any]:
        """What is trained on."""
        turns = (("user", self.user), ("assistant", self.assistant))
        return {"messages": [{"role": role, "content": content} for role, content in turns]}

    def origin(self) -> dict[str, Any]:
        """What stands on the same line of provenance.jsonl; `sha256` is that of the assistant's text."""
        fields = {name: getattr(self, name) for name in ("id", "teacher", "sample", "tokens")}
        return fields | {"references": list(self.references), "sha256": _digest(self.assistant)}


def write(out: Path, dataset: str, rows: Sequence[Row], summary: dict[str, Any]) -> None:
    """Make `out` a corpus folder; `dataset` is its name in LLaMA-Factory's `dataset:`."""
    out.mkdir(parents=True, exist_ok=True)
    _write_lines(out / ROWS, (row.record() for row in rows))
    _write_lines(out / PROVENANCE, (row.origin() for row in rows))
    _write_json(out / SUMMARY, summary)
    write_dataset_info(out, dataset, ROWS)


def write_verdicts(out: Path, judged: Iterable[tuple[str, Sequence[str], Row | None, str | None]]) -> None:
    """For each prompt the verdict of every sample, the number of the kept one, or why none was."""
    lines = (
        {"id": name, "verdicts": list(verdicts), "kept": row.sample if row else None, "dropped": why}
        for name, verdicts, row, why in judged
    )
    _write_lines(out / VERDICTS, lines)


def read(folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """Rows and summary of a corpus folder.

    Raises MissingInput without one, FileError where its files do not belong together.
    """
    try:
        records = [json.loads(line) for line in lines(folder / ROWS)]
        origins = [json.loads(line) for line in lines(folder / PROVENANCE)]
        summary = json.loads((folder / SUMMARY).read_bytes())
        pairs = zip(records, origins, strict=True)
        rows = [_row(record, origin) for record, origin in pairs]
    except FileNotFoundError as error:
        raise MissingInput(f"{error.filename}: no such file; run the corpus step that makes this folder") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"{folder} is not a corpus that this program wrote: {error!r}; build it again") from None
    for number, (row, origin) in enumerate(zip(rows, origins, strict=True), 1):
        if row.origin() != origin:
            raise FileError(f"{folder / ROWS}:{number} is not the text that {PROVENANCE} speaks of; build it again")
    return rows, summary


def lines(path: Path) -> list[bytes]:
    """The lines of a JSONL file, without their line ends."""
    content = path.read_bytes().split(b"\n")
    return content[:-1] if content[-1] == b"" else content


def rows(corpus: Path) -> list[bytes]:
    """The training rows of a corpus folder, a line each. Raises MissingInput without them, CheckFailed if there are none."""
    path = corpus / ROWS
    try:
        found = lines(path)
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; run the corpus step that makes it") from None
    if not found:
        raise CheckFailed(f"{path} has no rows; build the corpus again")
    return found


def write_dataset_info(out: Path, dataset: str, file_name: str) -> None:
    """LLaMA-Factory's index of a data folder, with every tag: one that is left out is None to it, not the default."""
    tags = {"role": "role", "content": "content", "user": "user", "assistant": "assistant", "system": "system"}
    entry = {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {f"{name}_tag": value for name, value in tags.items()},
    }
    _write_json(out / DATASET_INFO, {dataset: entry})


def token_statistics(rows: Sequence[Row]) -> dict[str, int]:
    """Tokens per row; the median is a length that occurs (the lower one of two)."""
    tokens = [row.tokens for row in rows]
    return {"min": min(tokens), "median": statistics.median_low(tokens), "max": max(tokens), "total": sum(tokens)}


def _row(record: dict[str, Any], origin: dict[str, Any]) -> Row:
    user, assistant = (turn["content"] for turn in record["messages"])
    fields = {name: origin[name] for name in ("id", "teacher", "sample", "tokens")}
    return Row(**fields, references=tuple(origin["references"]), user=user, assistant=assistant)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n")
