"""Recipe: the science that a user wrote in one YAML file. Strict, frozen, nothing derived."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from mot_plugin import strict
from mot_plugin.tools import llamafactory

# Names become folders, LLaMA-Factory data set names (where `,` separates) and mergekit paths (`+` is LoRA, `@` a revision).
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Steps = Annotated[int, Field(ge=1)]

PROMPT = "{problem}\nPlease reason step by step, and put your final answer within \\boxed{}."


class Part(BaseModel):
    """A block of a recipe: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Teacher(Part):
    """Where one teacher's chains of thought come from."""

    traces: str
    """JSONL of recorded answers, one prompt per line; a relative path starts at the recipe's folder."""


class Corpus(Part):
    """How traces become training rows (paper, section 4.1)."""

    overlong: Literal["resample", "drop", "truncate"] = "resample"
    """A chosen trace longer than `sft.cutoff_len`: choose another correct one, else drop the prompt; or drop at once;
    or let LLaMA-Factory cut its end."""
    batching: Literal["exact", "trainer"] = "exact"
    """exact: every optimizer step sees exactly `global_batch_size` rows, in an order of ours.
    trainer: the Trainer's own epochs, each with a short last step."""


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


class Methods(Part):
    """What to run; a method that is not named does not run."""

    base: Base | None = None
    mot: Mot | None = None
    std: Std | None = None
    mtd: Mtd | None = None


class Eval(Part):
    """What every model is scored on."""

    tasks: Annotated[list[Slug], Field(min_length=1)]
    seed: int = 1
    metric: Slug = "score"
    """Metric that picks the best round and checkpoint."""


class Recipe(Part):
    """One experiment."""

    name: Slug
    student: Annotated[str, StringConstraints(min_length=1)]
    """Hub id, `org/name` or `org/name@revision`, or a folder: `./path` relative to the recipe, or absolute."""
    teachers: Annotated[dict[Slug, Teacher], Field(min_length=1)]
    methods: Methods
    sft: dict[str, Any]
    """LLaMA-Factory's own keys, passed through."""
    eval: Eval
    source: str = ""
    """Name of the data that the prompts come from, as tables print it. It is part of the corpora: a new name rebuilds them."""
    prompt: str = PROMPT
    """User turn of a training row: `{problem}` is replaced."""
    seed: int = 0
    global_batch_size: Steps = 64
    corpus: Corpus = Corpus()

    @property
    def student_folder(self) -> str | None:
        """The student's path if it is a folder, None if it is a hub id."""
        return self.student if self.student.startswith((".", "/", "~")) else None


def load(path: Path) -> Recipe:
    """Read and check a recipe. Raises FileError with every finding (exit code 2)."""
    return check(strict.read(path))


def check(document: strict.Document) -> Recipe:
    """The same for what has been parsed already."""
    return strict.validate(Recipe, document, _impossible)


def _impossible(document: strict.Document) -> Iterator[strict.Finding]:
    """What the types do not say. The file may be wrong in other ways too, so nothing is taken for granted."""
    data = document.data if isinstance(document.data, dict) else {}
    sft, methods, prompt = data.get("sft"), data.get("methods"), data.get("prompt", PROMPT)
    found: list[tuple[strict.Key, str]] = []
    if isinstance(methods, dict) and not methods:
        found.append((("methods",), "names no method: one or more of base, mot, std, mtd"))
    for name, wanted in methods.items() if isinstance(methods, dict) else ():
        if wanted is None and name in Methods.model_fields:
            found.append((("methods", name), "is empty: give it its keys ({} if it has none), or take the line out"))
    if isinstance(prompt, str) and "{problem}" not in prompt:
        found.append((("prompt",), "has no {problem}"))
    if isinstance(data.get("teachers"), dict) and "union" in data["teachers"]:
        found.append((("teachers", "union"), "this name is taken, choose another"))
    found += list(_weights_of_strangers(methods, data.get("teachers")))
    if isinstance(sft, dict):
        found += [(("sft", *key), message) for key, message in llamafactory.refuse(sft)]
    yield from ((document.line(key), key, message) for key, message in found)


def _weights_of_strangers(methods: Any, teachers: Any) -> Iterator[tuple[strict.Key, str]]:
    mot = methods.get("mot") if isinstance(methods, dict) else None
    weights = mot.get("weights") if isinstance(mot, dict) else None
    if isinstance(weights, dict) and isinstance(teachers, dict) and weights:
        for name in weights.keys() - teachers.keys():
            yield ("methods", "mot", "weights", name), f"no such teacher{strict.suggest(name, teachers)}"
        absent = sorted(teachers.keys() - weights.keys())
        if absent:
            yield ("methods", "mot", "weights"), f"names no weight for {', '.join(absent)}"
