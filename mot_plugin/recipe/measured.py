"""What models are measured by: the main comparison, other benchmarks, the way back to the base, losses on fixed rows."""

from typing import Annotated, Literal

from pydantic import Field

from mot_plugin.recipe.part import Part, Slug, Steps


class Eval(Part):
    """What every model is scored on."""

    tasks: Annotated[list[Slug], Field(min_length=1)]
    seed: int = 1
    shards: Steps = 1
    """Independent parts of every evaluation, each with a seed of its own: so many engines can answer at once, and a crash
    loses one part at most. Part of the result: other shards, other answers."""
    metric: Slug = "score"
    """Metric that picks the best round and checkpoint."""


class General(Part):
    """More benchmarks, for selected models only (paper, section 5.2): did the training cost anything elsewhere?"""

    tasks: Annotated[list[Slug], Field(min_length=1)]
    """Tasks or groups of eval/."""
    of: Annotated[list[Literal["base", "std", "mtd", "mot", "one_shot"]], Field(min_length=1)] = ["base", "std", "mot"]
    """Each by its selected checkpoint or round; std: the best of all teachers'."""


class Probe(Part):
    """Scores on the way from a selected model back to the base (paper, section 7.2): lambda is the base's weight."""

    tasks: Annotated[list[Slug], Field(min_length=1)]
    of: Annotated[list[Literal["std", "mtd", "mot", "one_shot"]], Field(min_length=1)] = ["mtd", "mot"]
    points: Annotated[int, Field(ge=3, le=101)] = 11
    """Values of lambda, evenly from 0 (the model) to 1 (the base)."""

    @property
    def grid(self) -> tuple[float, ...]:
        """Every lambda."""
        return tuple(round(number / (self.points - 1), 4) for number in range(self.points))


class ProbeLoss(Part):
    """The loss on fixed rows, the same ones for every training and merge (docs/training.md): what curves can be compared by."""

    teacher: Slug
    """From whose corpus the rows are."""
    every: Steps = 10
    """Optimizer steps between two measurements; the start and the end are measured too."""
    rows: Steps = 64
    """So many, drawn by the seed."""
