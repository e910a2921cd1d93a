"""Runs: the entries, corpora and holes of run folders, from their report/scores.json and the summaries it was made with."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mot_plugin.errors import FileError
from mot_plugin.report.paper import names
from mot_plugin.report.paper.entries import Entry, Experiment
from mot_plugin.report.scores import Method, Purpose, Score

SCORES = "report/scores.json"
CONFIG = "configs/report.report.json"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)

    method: Method
    teacher: str | None
    round: int | None
    step: int | None
    purpose: Purpose = "main"
    share: float | None = None
    task: str
    metric: str
    value: float
    stderr: float | None
    problems: int
    repeats: int
    fingerprint: str = ""


class _Scores(BaseModel):
    model_config = ConfigDict(frozen=True)

    recipe: str
    student: str
    source: str
    teachers: list[str] = []
    seed: int = 0
    scores: list[_Row]
    missing: list[str] = []


@dataclass(frozen=True)
class Run:
    """One run folder: `student`, `source` and `pool` by key; `summaries` of the corpora that are there, named by its source."""

    folder: str
    recipe: str
    student: str
    source: str
    pool: frozenset[str]
    entries: tuple[Entry, ...]
    missing: tuple[str, ...]
    summaries: tuple[dict[str, Any], ...]


def read(folder: Path) -> Run:
    """Raises FileError for a folder without a report of this version."""
    file = folder / SCORES
    if not file.is_file():
        raise FileError(f"{folder}: no {SCORES} there: make it with `mot-plugin report {folder}`, or name a run folder")
    try:
        found = _Scores.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise FileError(
            f"{file}: not a report of this version ({error.errors()[0]['msg']}): `mot-plugin report {folder}` makes it again"
        ) from None
    config = _config(folder)
    source = names.key(found.source)
    teachers = _teachers(found)
    experiment = Experiment(names.key(found.student), source, frozenset(teachers))
    metric = str(config.get("metric", "score"))
    return Run(
        str(folder),
        found.recipe,
        experiment.student,
        source,
        experiment.pool,
        tuple(_entry(row, experiment, found.seed, str(folder)) for row in _shown(found.scores, metric)),
        tuple(found.missing),
        tuple(_summaries(folder, config, found.source)),
    )


def entries(runs: Iterable[Run]) -> tuple[Entry, ...]:
    """Of all runs, in the order given."""
    return tuple(entry for run in runs for entry in run.entries)


def entries_of(student: str, source: str, teachers: Sequence[str], scores: Sequence[Score]) -> tuple[Entry, ...]:
    """Of one run whose scores are at hand, all in one metric."""
    of = Experiment(names.key(student), names.key(source), frozenset(map(names.key, teachers)))
    return tuple(_entry(score, of, 0, "") for score in scores)


def _teachers(found: _Scores) -> list[str]:
    """The recipe's; a report without them was written before they were, and names those that were trained on alone."""
    named = (row.teacher for row in found.scores if row.teacher)
    return [names.key(teacher) for teacher in found.teachers or dict.fromkeys(named)]


def _shown(rows: Sequence[_Row], metric: str) -> Iterator[_Row]:
    return (row for row in rows if row.metric == metric and row.purpose in ("main", "general"))


def _entry(row: _Row | Score, of: Experiment, seed: int, run: str) -> Entry:
    teacher = names.key(row.teacher) if row.teacher else None
    if row.method == "base":
        experiment = Experiment(of.student)
    else:
        pool = frozenset([teacher]) if teacher else of.pool
        experiment = Experiment(of.student, of.source, pool, row.method, teacher)
    return Entry(
        experiment,
        row.task,
        row.value,
        round=row.round,
        step=row.step,
        purpose=row.purpose,
        stderr=row.stderr,
        problems=row.problems,
        repeats=row.repeats,
        seed=seed,
        run=run,
        fingerprint=row.fingerprint,
        hits=row.hits if isinstance(row, Score) else (),
        doc_hashes=row.doc_hashes if isinstance(row, Score) else (),
    )


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    if not file.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def _summaries(folder: Path, config: dict[str, Any], source: str) -> Iterator[dict[str, Any]]:
    """Corpora are shared between recipes; what their source is called is this recipe's word."""
    for path in config.get("corpora", []):
        file = folder / path
        if file.is_file():
            one = json.loads(file.read_text(encoding="utf-8"))
            name = str(one["name"]).removeprefix(str(one["source"]).upper())
            yield {**one, "source": source, "name": source.upper() + name}
