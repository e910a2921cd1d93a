"""Step `select`: the best of several scored models, by the paper's rule, and the best so far when there was one before.

A score counts as it is printed: percent, rounded to two decimals with halves up. A model's average is the mean of
those, rounded the same way; the highest wins, the earliest of equals.
"""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import link_model, read_json
from mot_plugin.report.rounding import average, percent


class Candidate(BaseModel):
    """One scored model: `model` is its folder, `scores` its scores.json; `round` or `step` say when it was saved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    method: str
    round: int | None
    step: int | None
    model: str
    scores: str


class Config(BaseModel):
    """`candidates` from earliest to latest; `previous` are earlier `out`s of this step: their choices count as earlier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: list[Candidate] = []
    previous: list[str] = []
    tasks: list[str] = Field(min_length=1)
    metric: str = "score"
    out: str
    format: int = 1

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.candidates and not self.previous:
            raise ValueError("nothing to choose from: neither candidates nor previous")
        return self


class Scored(BaseModel):
    """A candidate's row in choice.json: `scores` by task and their `average`, in percent with two decimals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    method: str
    round: int | None
    step: int | None
    average: float
    scores: dict[str, float]


def run(config: Config) -> None:
    """Write `out/choice.json` and link the winner's files into `out/model`.

    Raises CheckFailed where a score is absent or no share of 0..1, or `previous` was chosen by other tasks.
    """
    rows: list[Scored] = []
    folders: list[str] = []
    considered: list[Scored] = []
    for previous in config.previous:
        best, seen = _previous(Path(previous), config)
        rows.append(best)
        folders.append(str(Path(previous) / "model"))
        considered += [row for row in seen if row not in considered]
    new = [_scored(candidate, config) for candidate in config.candidates]
    rows, considered = rows + new, considered + new
    folders += [candidate.model for candidate in config.candidates]
    place = max(range(len(rows)), key=lambda index: (rows[index].average, -index))
    if not Path(folders[place]).is_dir():
        raise CheckFailed(f"{folders[place]}: the best model ({rows[place].label}) is not there any more")
    link_model(Path(folders[place]), Path(config.out) / "model")
    choice: dict[str, Any] = rows[place].model_dump() | {
        "metric": config.metric,
        "tasks": config.tasks,
        "considered": [row.model_dump() for row in considered],
        "format": config.format,
    }
    (Path(config.out) / "choice.json").write_text(json.dumps(choice, indent=2) + "\n", encoding="utf-8")


def _scored(candidate: Candidate, config: Config) -> Scored:
    tasks = read_json(Path(candidate.scores)).get("tasks", {})
    percents = {task: percent(_share(tasks, task, config.metric, candidate.scores)) for task in config.tasks}
    return Scored(
        **candidate.model_dump(include={"label", "method", "round", "step"}),
        average=float(average(list(percents.values()))),
        scores={task: float(value) for task, value in percents.items()},
    )


def _share(tasks: dict[str, Any], task: str, metric: str, file: str) -> float:
    if task not in tasks:
        raise CheckFailed(f"{file}: has no task {task}, only {', '.join(sorted(tasks)) or 'none at all'}")
    metrics = tasks[task]["metrics"]
    if metric not in metrics:
        raise CheckFailed(f"{file}: {task} has no metric {metric}, only {', '.join(sorted(metrics)) or 'none at all'}")
    value = metrics[metric]["value"]
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise CheckFailed(f"{file}: {task} {metric} is {value}, not a share of 0..1")
    return float(value)


def _previous(folder: Path, config: Config) -> tuple[Scored, list[Scored]]:
    """The earlier choice and all it was chosen from."""
    file = folder / "choice.json"
    choice = read_json(file)
    if (choice.get("tasks"), choice.get("metric")) != (config.tasks, config.metric):
        raise CheckFailed(
            f"{file}: was chosen by {choice.get('metric')} of {choice.get('tasks')}, not by this metric and tasks"
        )
    try:
        best = Scored.model_validate({key: choice.get(key) for key in Scored.model_fields})
        return best, [Scored.model_validate(row) for row in choice["considered"]]
    except (ValidationError, KeyError) as error:
        raise CheckFailed(f"{file}: not a choice that this version wrote ({error})") from None
