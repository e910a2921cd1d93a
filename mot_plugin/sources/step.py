"""Step `problems`: from a source data set to the problems that teachers are asked (paper, sec. 4.1: BOBA-200, S1K-200)."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mot_plugin.errors import CheckFailed, FileError
from mot_plugin.sources import stages
from mot_plugin.sources.account import listed, reasons, told, write
from mot_plugin.sources.benchmarks import Benchmark
from mot_plugin.sources.formats import FORMATS, wrong_columns
from mot_plugin.sources.hub import fetch
from mot_plugin.sources.problems import Problem, Skipped
from mot_plugin.sources.rows import files_of, read_rows
from mot_plugin.sources.stages import Dropped
from mot_plugin.strict import suggest


class Config(BaseModel):
    """Rows are those of `rows`, a file or folder, or of `file` in the data set `hub` ("org/name@revision").

    `benchmarks`: for each task its problems, as its own loader gives them or a file of rows with `problem` (or
    `question`) and `id`. With `keep_unverifiable` problems without a reference stay, as in the paper: they are asked,
    and lost later because no trace of theirs can be called right.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_name: str
    rows: str | None = None
    hub: str | None = None
    file: str | None = None
    format: str
    columns: dict[str, str] = {}
    sample: int | None = Field(default=None, gt=0)
    seed: int
    deduplicate: bool = True
    benchmarks: dict[str, Benchmark | str] = {}
    verify: Literal["answers", "none"] = "answers"
    keep_unverifiable: bool = True
    license: str | None = None
    out: str
    format_version: int = 1

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FORMATS:
            raise ValueError(f"no format {name!r}{suggest(name, FORMATS)}; there are {', '.join(FORMATS)}")
        return name

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.rows is None) == (self.hub is None):
            raise ValueError("needs either rows or hub")
        if (self.hub is None) != (self.file is None):
            raise ValueError("needs file with hub, and only there: the path of the rows in that data set")
        wrong = [*wrong_columns(self.format, self.columns)]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def run(config: Config) -> None:
    """Write problems.jsonl, dropped.jsonl and summary.json, ordered by id.

    Raises MissingInput without rows or a benchmark, FileError for rows that cannot be read, CheckFailed where fewer
    problems are left than `sample`, or none that can be verified.
    """
    path, commit = _located(config)
    against = {task: _texts(task, benchmark) for task, benchmark in config.benchmarks.items()}
    problems, dropped, rows = _read(config, path)
    counts = {"rows": rows, "problems": len(problems)}
    problems, gone = stages.identify(problems)
    dropped += gone
    if config.verify == "answers" and not config.keep_unverifiable:
        problems, gone = stages.verifiable(problems)
        dropped += gone
        counts["verifiable"] = len(problems)
    if config.deduplicate:
        problems, gone = stages.deduplicate(problems)
        dropped += gone
        counts["deduplicated"] = len(problems)
    problems, gone, found = stages.decontaminate(problems, against)
    dropped += gone
    counts["decontaminated"] = len(problems)
    drawn = stages.draw(problems, config.sample, config.seed)
    counts["drawn"] = len(drawn)
    _check(config, drawn, counts, dropped)
    names = {problem.id for problem in drawn}
    for task, texts in against.items():
        found[task]["review"] = [entry for entry in found[task]["review"] if entry["id"] in names]
        found[task]["sha256"] = _digest_of(texts)
    summary = _summary(config, path, commit, drawn) | {
        "counts": counts,
        "dropped": reasons(dropped),
        "benchmarks": found,
        "ids": [problem.id for problem in drawn],
    }
    write(Path(config.out), drawn, dropped, summary)


def _located(config: Config) -> tuple[Path, str | None]:
    """The rows on this disk, and of a hub's the commit."""
    if config.rows is not None:
        return Path(config.rows), None
    assert config.hub is not None and config.file is not None, "Config sees to it"
    return fetch(config.hub, config.file)


def _read(config: Config, path: Path) -> tuple[list[Problem], list[Dropped], int]:
    """All problems, what is none, and how many rows there were."""
    problems: list[Problem] = []
    dropped: list[Dropped] = []
    keys: set[str] = set()
    for where, row in read_rows(path):
        keys.update(row)
        made = FORMATS[config.format](row, config.columns)
        if isinstance(made, Skipped):
            dropped.append(Dropped("read", made.reason, where=Path(where).name))
        else:
            problems.append(made)
    if not problems:
        why = listed(Counter(one.reason for one in dropped))
        raise FileError(
            f"{path}: none of {len(dropped)} rows is a problem of format {config.format} ({why})\n"
            f"  columns there are: {', '.join(sorted(keys))}"
        )
    return problems, dropped, len(problems) + len(dropped)


def _texts(task: str, benchmark: Benchmark | str) -> list[tuple[str, str]]:
    """Id and text of a benchmark's problems. Raises MissingInput without the data, FileError if that is not what it is."""
    if isinstance(benchmark, Benchmark):
        found = list(benchmark.problems())
    else:
        found = []
        for number, (where, row) in enumerate(read_rows(Path(benchmark)), 1):
            text = row.get("problem", row.get("question"))
            if not isinstance(text, str) or not text.strip():
                raise FileError(
                    f"{where}: a problem of {task} has text in `problem` or `question`; there are {', '.join(row)}"
                )
            found.append((str(row.get("id", number)), text))
    if not found:
        raise FileError(f"benchmark {task} has no problems, so nothing could be compared with it")
    return found


def _check(config: Config, drawn: list[Problem], counts: Mapping[str, int], dropped: list[Dropped]) -> None:
    wanted = config.sample or 1
    if len(drawn) < wanted:
        head = f"{config.source_name}: {wanted} problems are wanted, {len(drawn)} are left"
        raise CheckFailed(f"{head}\n{told(counts, dropped)}")
    if config.verify == "answers" and all(problem.unverifiable for problem in drawn):
        why = listed(Counter(str(problem.unverifiable) for problem in drawn))
        raise CheckFailed(
            f"{config.source_name}: none of {len(drawn)} problems has a reference ({why})\n"
            "  name the column of the answers (columns: reference), or keep traces unverified (verify: none)"
        )


def _summary(config: Config, path: Path, commit: str | None, drawn: list[Problem]) -> dict[str, Any]:
    """What a data card needs to say; nothing in it depends on where files lie."""
    unverifiable = Counter(problem.unverifiable for problem in drawn if problem.unverifiable)
    hub = config.hub.partition("@")[0] if config.hub else None
    return {
        "source": config.source_name,
        "hub": hub,
        "revision": commit,
        "license": config.license,
        "files": [{"name": config.file or file.name, "sha256": _sha256(file)} for file in files_of(path)],
        "format": config.format,
        "seed": config.seed,
        "sample": config.sample,
        "verify": config.verify,
        "unverifiable": dict(sorted(unverifiable.items())),
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _digest_of(texts: list[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode()).hexdigest()
