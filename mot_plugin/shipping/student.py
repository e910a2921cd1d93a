"""What a run knows of the student that it ships: which model was chosen, its scores, its corpora."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.corpus import facts
from mot_plugin.corpus.facts import About, Facts
from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import read_json
from mot_plugin.recipe import Recipe
from mot_plugin.report.scores import Checkpoint, Method, Purpose, Score, from_tasks
from mot_plugin.shipping.provenance import Input


class Part(BaseModel):
    """A block of the step's config."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Candidate(Part):
    """A choice that was made (`folder` of a step `select`), of models of this teacher if they are of one."""

    folder: str
    teacher: str | None = None


class Measured(Part):
    """An evaluated model and its scores.json."""

    method: Method
    teacher: str | None = None
    round: int | None = None
    step: int | None = None
    purpose: Purpose = "main"
    scores: str


class Config(Part):
    """What to ship, and what to say of it. Paths start at the run folder; the recipe's start nowhere on this computer.

    `candidates`: the best of them is shipped. `measured`: the base, and the models among which the choice was made.
    `corpora`: folders by teacher; `source`: the folder of the problems' step. `benchmarks`: tasks' data sets on the hub.
    """

    recipe: dict[str, Any]
    cut: list[str] = []
    mergekit: dict[str, str] = {}
    inputs: list[Input] = []
    candidates: list[Candidate] = Field(min_length=1)
    base: str
    measured: list[Measured] = []
    corpora: dict[str, str]
    source: str | None = None
    benchmarks: dict[str, dict[str, Any]] = {}
    machine: dict[str, Any] = {}
    out: str
    format: int = 1


@dataclass(frozen=True)
class Student:
    """The chosen model, and all that a card says of it. `scores` are in the recipe's metric."""

    recipe: Recipe
    folder: Path
    choice: Mapping[str, Any]
    checkpoint: Checkpoint
    scores: tuple[Score, ...]
    corpora: Mapping[str, Facts]
    benchmarks: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """What the student is called: the base, the method, the source."""
        return f"{self.base_name}-{self.checkpoint.method}-{self.recipe.source_name}"

    @property
    def base_name(self) -> str:
        """The base student without its owner and revision."""
        return self.recipe.student.rstrip("/").rpartition("/")[2].partition("@")[0]

    @property
    def hub_base(self) -> str | None:
        """The base student on the hub; None for a folder, whose name says nothing to anybody else."""
        return None if self.recipe.student_folder else self.recipe.student.partition("@")[0]

    @property
    def merged(self) -> bool:
        """Whether it is a mean of several models and not a training's checkpoint."""
        return self.checkpoint.method == "MoT" and len(self.recipe.teachers) > 1

    @property
    def licenses(self) -> dict[str, str | None]:
        """What a licence is of -> its name, or None where the recipe names none."""
        traces = {f"traces of {name}": teacher.license for name, teacher in self.recipe.teachers.items()}
        return {"base student": self.recipe.student_license, "problems": self.recipe.source.license, **traces}

    def of(self, checkpoint: Checkpoint, purpose: Purpose = "main") -> dict[str, Score]:
        """Task -> score of one model."""
        return {s.task: s for s in self.scores if s.checkpoint == checkpoint and s.purpose == purpose}

    def checkpoints(self, purpose: Purpose = "main") -> list[Checkpoint]:
        """The models that have scores, in the order in which they were given."""
        return list(dict.fromkeys(s.checkpoint for s in self.scores if s.purpose == purpose))


def read(config: Config) -> Student:
    """The best candidate, the earliest of equals. Raises CheckFailed, MissingInput, FileError for what is not there or broken."""
    recipe = Recipe.model_validate(config.recipe)
    choices = [read_json(Path(one.folder) / "choice.json") for one in config.candidates]
    place = max(range(len(choices)), key=lambda index: (choices[index]["average"], -index))
    candidate, choice = config.candidates[place], choices[place]
    folder = Path(candidate.folder) / "model"
    if not folder.is_dir():
        raise CheckFailed(f"{folder}: the chosen student is not there any more; run the recipe again")
    checkpoint = Checkpoint(choice["method"], candidate.teacher, choice["round"], choice["step"])
    scores = [
        score
        for one in config.measured
        for score in from_tasks(
            read_json(Path(one.scores))["tasks"],
            Checkpoint(one.method, one.teacher, one.round, one.step),
            "",
            one.purpose,
        )
        if score.metric == recipe.eval.metric
    ]
    source = f"{config.source}/summary.json" if config.source else None
    corpora = {}
    for name, where in config.corpora.items():
        about = About(
            student=recipe.student.rpartition("/")[2] if recipe.student_folder else recipe.student,
            template=str(recipe.sft.get("template", "")),
            source_name=recipe.source_name,
            source=source,
            source_license=recipe.source.license,
            licenses={name: recipe.teachers[name].license},
        )
        corpora[name] = facts.read(Path(where), about, Path())
    return Student(recipe, folder, choice, checkpoint, tuple(scores), corpora, config.benchmarks)
