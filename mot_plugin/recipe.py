"""Recipe: the science that a user wrote in one YAML file. Strict, frozen, nothing derived."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from mot_plugin import strict
from mot_plugin.sources import formats
from mot_plugin.teachers import layouts
from mot_plugin.teachers.asking import Sampling
from mot_plugin.teachers.recorded import OURS
from mot_plugin.tools import llamafactory

# Names become folders, LLaMA-Factory data set names (where `,` separates) and mergekit paths (`+` is LoRA, `@` a revision).
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Steps = Annotated[int, Field(ge=1)]

PROMPT = "{problem}\nPlease reason step by step, and put your final answer within \\boxed{}."


class Part(BaseModel):
    """A block of a recipe: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(Part):
    """The problems that teachers are asked (paper, section 4.1). Only a name where all traces are recorded ones."""

    name: str = ""
    """As tables print it; the recipe's own name if empty."""
    file: str | None = None
    """JSONL, JSON, CSV or parquet, or a folder of them, relative to the recipe; with `hub`, the path in that data set."""
    hub: str | None = None
    """A data set on the hub, `org/name@revision`."""
    format: str = "columns"
    """How a row is read: boba, s1k, or columns with a mapping of your own."""
    columns: dict[str, str] = {}
    sample: Steps | None = None
    """So many problems, drawn by the seed whatever the order of the rows; all of them if not given."""
    seed: int | None = None
    """The recipe's own if not given."""
    deduplicate: bool = True
    decontaminate: list[Slug] | None = None
    """Tasks whose problems must not be among them; those of `eval` if not given, `[]` for none."""
    license: str | None = None


class Teacher(Part):
    """One teacher: recorded traces, a model that is asked, or the student of a run."""

    traces: str | None = None
    """Recorded answers; a relative path starts at the recipe's folder."""
    format: str = "mot"
    """How the traces are written: mot is ours, one prompt per line; others are listed in docs/corpora.md."""
    columns: dict[str, str] = {}
    named: str | None = None
    """What the traces call this teacher, where they hold several."""
    model: str | None = None
    """Hub id with its revision (`org/name@revision`), a vendor's name, or a folder (`./path`).
    The machine file says where it answers."""
    run: str | None = None
    """A run folder, relative to the recipe, whose student teaches."""
    student: Literal["base", "STD", "MTD", "MoT"] = "MoT"
    """Which student of that run; of several STD ones the best."""
    sampling: Sampling | None = None
    """Other than the recipe's own."""
    prompt: str | None = None
    """What this teacher is asked, where it needs other words than the student will be trained on: `{problem}` is replaced."""
    license: str | None = None
    """Of the traces, for the data card."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("traces", "model", "run") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of traces, model and run, has {' and '.join(given) or 'none'}")
        return self

    @property
    def local(self) -> bool:
        """Whether the model is a folder."""
        return self.model is not None and self.model.startswith((".", "/", "~"))

    @property
    def live(self) -> bool:
        """Whether it is asked, and not read."""
        return self.traces is None


class Corpus(Part):
    """How traces become training rows (paper, section 4.1)."""

    overlong: Literal["resample", "drop", "truncate"] = "resample"
    """A chosen trace longer than `sft.cutoff_len`: choose another correct one, else drop the prompt; or drop at once;
    or let LLaMA-Factory cut its end."""
    verify: Literal["answers", "none"] = "answers"
    """answers: a trace is kept if its final answer is the reference. none: if it is well-formed, for sources without references."""
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
    return strict.validate(Recipe, document, _impossible)


def _impossible(document: strict.Document) -> Iterator[strict.Finding]:
    """What the types do not say. The file may be wrong in other ways too, so nothing is taken for granted."""
    data = document.data if isinstance(document.data, dict) else {}
    sft, methods, prompt = data.get("sft"), data.get("methods"), data.get("prompt", PROMPT)
    found: list[tuple[strict.Key, str]] = []
    if isinstance(methods, dict) and not methods:
        found.append((("methods",), f"names no method: one or more of {', '.join(Methods.model_fields)}"))
    for name, wanted in methods.items() if isinstance(methods, dict) else ():
        if wanted is None and name in Methods.model_fields:
            found.append((("methods", name), "is empty: give it its keys ({} if it has none), or take the line out"))
    if isinstance(prompt, str) and "{problem}" not in prompt:
        found.append((("prompt",), "has no {problem}"))
    if isinstance(data.get("teachers"), dict) and "union" in data["teachers"]:
        found.append((("teachers", "union"), "this name is taken, choose another"))
    found += list(_weights_of_strangers(methods, data.get("teachers")))
    found += list(_of_absent_methods(data))
    found += list(_probed_with_a_stranger(data.get("probe_loss"), data.get("teachers")))
    found += list(_of_live_teachers(data))
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


def _probed_with_a_stranger(probe: Any, teachers: Any) -> Iterator[tuple[strict.Key, str]]:
    name = probe.get("teacher") if isinstance(probe, dict) else None
    if isinstance(name, str) and isinstance(teachers, dict) and name not in teachers:
        yield ("probe_loss", "teacher"), f"no such teacher{strict.suggest(name, teachers)}"


def _of_absent_methods(data: dict[str, Any]) -> Iterator[tuple[strict.Key, str]]:
    """What builds on a method needs that method."""
    methods = data["methods"] if isinstance(data.get("methods"), dict) else {}
    if "one_shot" in methods and "std" not in methods:
        yield ("methods", "one_shot"), "merges the STD trainings: give methods.std too"
    if "matched" in methods:
        yield from _unmatched(methods, data.get("teachers"))
    for block in ("general", "probe"):
        wanted = data[block].get("of", ()) if isinstance(data.get(block), dict) else ()
        for name in wanted if isinstance(wanted, list) else ():
            if name in Methods.model_fields and name not in methods:
                yield (block, "of"), f"names {name}, which methods does not"


def _unmatched(methods: dict[str, Any], teachers: Any) -> Iterator[tuple[strict.Key, str]]:
    mot, every = methods.get("mot"), (methods.get("matched") or {}).get("save_steps")
    if not isinstance(mot, dict):
        yield ("methods", "matched"), "takes as many steps as MoT: give methods.mot too"
        return
    # Of one round, so that it holds however many rounds there are in the end.
    steps = mot.get("steps"), len(teachers) if isinstance(teachers, dict) else 1
    if isinstance(every, int) and every > 0 and isinstance(steps[0], int) and steps[0] * steps[1] % every:
        yield (
            ("methods", "matched", "save_steps"),
            f"must divide the {steps[0] * steps[1]} steps that a round takes in all ({steps[1]} teachers x {steps[0]})",
        )


def _of_live_teachers(data: dict[str, Any]) -> Iterator[tuple[strict.Key, str]]:
    """A teacher that is asked needs problems to be asked, and somebody's decision how."""
    source, teachers = data.get("source"), data.get("teachers")
    named = teachers.items() if isinstance(teachers, dict) else ()
    live = {name: teacher for name, teacher in named if isinstance(teacher, dict) and {"model", "run"} & teacher.keys()}
    fields = source if isinstance(source, dict) else {}
    if isinstance(source, str):
        yield ("source",), f"is a mapping: write {{name: {source}}}"
    elif live and not {"file", "hub"} & fields.keys():
        yield ("source",), f"has neither file nor hub, and {', '.join(live)} must be asked about something"
    if "hub" in fields and not fields.get("file"):
        yield ("source", "hub"), "needs `file`: the path of the rows in that data set"
    for name, teacher in live.items():
        if isinstance(teacher.get("prompt"), str) and "{problem}" not in teacher["prompt"]:
            yield ("teachers", name, "prompt"), "has no {problem}"
        if "sampling" not in teacher and "sampling" not in data:
            yield ("teachers", name), "is asked, and nothing says how: give the recipe `sampling`"
    yield from _unknown_formats(fields, dict(named))
    mapping = fields.get("columns", {})
    if fields.get("format", "columns") in formats.FORMATS and isinstance(mapping, dict):
        for message in formats.wrong_columns(fields.get("format", "columns"), mapping):
            yield ("source", "columns"), message


def _unknown_formats(source: dict[str, Any], teachers: dict[str, Any]) -> Iterator[tuple[strict.Key, str]]:
    written: list[tuple[strict.Key, Any, Collection[str]]] = [
        (("source", "format"), source.get("format"), formats.FORMATS)
    ]
    for name, teacher in teachers.items():
        if isinstance(teacher, dict):
            written.append((("teachers", name, "format"), teacher.get("format"), (OURS, *layouts.FORMATS)))
    for key, wanted, known in written:
        if isinstance(wanted, str) and wanted not in known:
            yield (
                key,
                f"no format {wanted!r}{strict.suggest(wanted, known) or '; there are ' + ', '.join(sorted(known))}",
            )
