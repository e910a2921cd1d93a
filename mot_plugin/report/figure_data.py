"""What the figures of a run, or of several, are drawn from: read through the report's config, and told apart by teachers."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from mot_plugin.errors import FileError
from mot_plugin.report import cost_files, losses, write
from mot_plugin.report.cost import Spent
from mot_plugin.report.curves import Run

CONFIG = "configs/report.report.json"


def of(config: write.Config, content: write.Content) -> Run:
    """The run of a report; logs of losses are found from the current folder, as all paths of `config` are."""
    logged = tuple(
        losses.read(
            Path(one.log), one.method, one.teacher, one.round, one.steps, Path(one.merged) if one.merged else None
        )
        for one in config.trainings
    )
    probe = tuple(score for score in content.scores if score.purpose == "probe" and score.metric == config.metric)
    return Run(config.recipe, config.student, config.source, content.board, logged, probe, tuple(config.teachers))


def read(root: Path) -> tuple[Run, list[Spent]]:
    """A run folder's, finished or not. Raises FileError for a folder that is none, or not of this version."""
    file = root / CONFIG
    if not file.is_file():
        raise FileError(f"{root} is not a run folder: it has no {CONFIG} (start one with `mot-plugin run RECIPE`)")
    try:
        config = write.Config.model_validate_json(file.read_bytes())
    except ValidationError:
        raise FileError(f"{file} was not written by this version: run the recipe once more") from None
    here = config.below(root).model_copy(update={"corpora": [], "merges": []})
    return of(here, write.content(here)), cost_files.read(root)


def told_apart(runs: Sequence[Run]) -> list[Run]:
    """The same, those of one student and source named by their teachers (`MoT without r1`), or by their recipes, too."""
    found = []
    for run in runs:
        rivals = [other for other in runs if other.setting == run.setting]
        every = list(dict.fromkeys(teacher for other in rivals for teacher in other.teachers))
        name = _name(run.teachers, every)
        same = [other for other in rivals if _name(other.teachers, every) == name]
        found.append(dataclasses.replace(run, name=f"{name} ({run.name})" if len(same) > 1 else name))
    return found


def _name(own: Sequence[str], every: Sequence[str]) -> str:
    missing = [teacher for teacher in every if teacher not in own]
    if not missing:
        return "MoT"
    if len(missing) < len(own):
        return f"MoT without {', '.join(missing)}"
    return f"MoT of {', '.join(own)}"
