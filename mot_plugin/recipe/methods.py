"""The methods that a recipe runs."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mot_plugin.recipe.part import Part, Slug, Steps


class Base(Part):
    """The student as it is: evaluated, never trained."""


class Std(Part):
    """Single-teacher distillation: one training per teacher, every checkpoint evaluated."""

    steps: Steps
    save_steps: Steps

    @model_validator(mode="after")
    def _whole_number_of_checkpoints(self) -> Self:
        if self.steps % self.save_steps:
            raise ValueError(
                f"steps ({self.steps}) must be a multiple of save_steps ({self.save_steps}): the end would not be evaluated"
            )
        return self


class Mtd(Std):
    """Multi-teacher distillation: one training on the union of all corpora."""


class Mot(Part):
    """Merge-of-Thought: `rounds` times a branch per teacher for `steps` optimizer steps, then a merge (paper, section 3)."""

    rounds: Steps
    steps: Steps
    merge: str | list[str] = "linear"
    """A shipped mergekit file by name, or a path to one of your own, relative to the recipe; a list gives every round its own."""
    weights: dict[Slug, float | int] = {}
    """Weight of each branch by teacher, for methods that weigh; all alike if not given."""
    carry: Literal["bfloat16", "float32"] = "bfloat16"
    """What the student is kept in between rounds. float32: what bfloat16 rounds away in one round is added to the next."""
    diagnose: bool = True
    """Measure every merge: norms, cosines and consensus of the branches' updates, what the carry loses."""
    until: Literal["no_gain"] | None = None
    """no_gain: stop after the first round whose AVG is no higher than the best so far; `rounds` is then the most."""

    @model_validator(mode="after")
    def _one_file_per_round(self) -> Self:
        if isinstance(self.merge, list) and len(self.merge) != self.rounds:
            raise ValueError(
                f"merge lists {len(self.merge)} files for {self.rounds} rounds: give one each, or one for all"
            )
        return self

    @property
    def merges(self) -> tuple[str, ...]:
        """The mergekit file of each round, as it is written in the recipe."""
        return tuple(self.merge) if isinstance(self.merge, list) else (self.merge,) * self.rounds


class OneShot(Part):
    """One merge of the finished STD trainings, each at its last checkpoint: what rounds are compared with."""

    merge: str = "linear"
    """As `methods.mot.merge`."""
    diagnose: bool = True


class Matched(Part):
    """Baselines that take as many optimizer steps as MoT takes in all: teachers x rounds x steps."""

    of: Annotated[list[Literal["std", "mtd"]], Field(min_length=1)] = ["mtd"]
    save_steps: Steps


class Methods(Part):
    """What to run; a method that is not named does not run."""

    base: Base | None = None
    mot: Mot | None = None
    std: Std | None = None
    mtd: Mtd | None = None
    one_shot: OneShot | None = None
    matched: Matched | None = None
