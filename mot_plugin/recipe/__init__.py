"""Recipe: the science that a user wrote in one YAML file. Strict, frozen, nothing derived."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from mot_plugin import strict
from mot_plugin.recipe.data import Corpus, Source, Teacher
from mot_plugin.recipe.impossible import impossible
from mot_plugin.recipe.measured import Eval, General, Probe, ProbeLoss
from mot_plugin.recipe.methods import Methods
from mot_plugin.recipe.part import PROMPT, Part, Slug, Steps
from mot_plugin.teachers.asking import Sampling


class Recipe(Part):
    """One experiment."""

    name: Slug
    student: Annotated[str, StringConstraints(min_length=1)]
    """Hub id, `org/name` or `org/name@revision`, or a folder: `./path` relative to the recipe, or absolute."""
    student_license: str | None = None
    """Of the student's weights, as the hub calls it, for the card of what is made from them."""
    teachers: Annotated[dict[Slug, Teacher], Field(min_length=1)]
    methods: Methods
    sft: dict[str, Any]
    """LLaMA-Factory's own keys, passed through."""
    eval: Eval
    general: General | None = None
    probe: Probe | None = None
    probe_loss: ProbeLoss | None = None
    source: Source = Source()
    sampling: Sampling | None = None
    """How teachers are sampled that are asked."""
    prompt: str = PROMPT
    """User turn of a training row: `{problem}` is replaced."""
    seed: int = 0
    global_batch_size: Steps = 64
    corpus: Corpus = Corpus()

    @property
    def source_name(self) -> str:
        """What tables call the source."""
        return self.source.name or self.name

    @property
    def wants_union(self) -> bool:
        """Whether something trains on all teachers' corpora together."""
        matched = self.methods.matched
        return self.methods.mtd is not None or (matched is not None and "mtd" in matched.of)

    def sampling_of(self, teacher: str) -> Sampling:
        """How this live teacher is sampled; `load` has seen to it that there is one."""
        sampling = self.teachers[teacher].sampling or self.sampling
        assert sampling is not None
        return sampling

    @property
    def student_folder(self) -> str | None:
        """The student's path if it is a folder, None if it is a hub id."""
        return self.student if self.student.startswith((".", "/", "~")) else None


def load(path: Path) -> Recipe:
    """Read and check a recipe. Raises FileError with every finding (exit code 2)."""
    return check(strict.read(path))


def check(document: strict.Document) -> Recipe:
    """The same for what has been parsed already."""
    return strict.validate(Recipe, document, impossible)
