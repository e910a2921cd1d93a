"""How the branches of a round become the next student: checked before, merged, checked after, measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mot_plugin.blocks import STUDENT, WEIGHTS, Model, Setting, artifact, own, unique, work
from mot_plugin.errors import FileError
from mot_plugin.merging import carry, carry_loss, compatible, diagnose, merged, stream, stream_yaml
from mot_plugin.step import Method, Retention, Step
from mot_plugin.tools import mergekit
from mot_plugin.tools.call import Call, Command, File

OUTPUTS = (
    "model/*.safetensors",
    "model/config.json",
    "model/tokenizer.json",
    "model/tokenizer_config.json",
    "model/generation_config.json",
)


@dataclass
class _Work:
    """Commands and files of one merge step, in the order in which they are added."""

    s: Setting
    name: str
    commands: list[Command] = field(default_factory=list)
    files: list[File] = field(default_factory=list)

    def add(self, command: Command, file: File) -> None:
        self.commands.append(command)
        self.files.append(file)

    def merge(self, part: str, text: str) -> None:
        """One mergekit file merged into the folder `part` of this step: by mergekit, or by ours to the same bits."""
        path = f"configs/{self.name}.yaml" if part == "model" else f"configs/{self.name}.{part}.yaml"
        command, file = mergekit.merge(path, f"{self.name}, {part}", text, work(self.name, part))
        if self.s.machine.merge.engine == "stream" and _streams(text, path):
            config = stream.Config(config=path, out=work(self.name, part))
            faster, settings = own(self.name, f"{part}.stream-merge", config, command="stream-merge")
            seen = (command.tool, *command.args)
            command = Command(faster.tool, faster.args, stands_for=seen)
            self.files.append(File(settings.path, settings.text, identity=""))
        self.add(command, file)


@dataclass(frozen=True)
class Merge:
    """What to merge: `branches` by teacher, all trained from `start`, by the mergekit `file` of this `text`."""

    name: str
    method: Method
    branches: Mapping[str, Model]
    start: Model
    file: str
    text: str
    weights: Mapping[str, float | int] = field(default_factory=dict)
    round: int | None = None
    carry: Literal["bfloat16", "float32"] = "bfloat16"
    diagnose: bool = True
    weights_kept: Retention = "temporary"


def merging(s: Setting, wanted: Merge) -> Step:
    """A merge as one step; names, shapes and arithmetic are checked against base student and branches."""
    name, start = wanted.name, wanted.start
    paths = {teacher: branch.path for teacher, branch in wanted.branches.items()}
    filled = mergekit.fill(
        wanted.text, wanted.file, paths, start.path, {k: float(v) for k, v in wanted.weights.items()}
    )
    found = mergekit.weights(filled)
    weights = dict(zip(paths, found, strict=True)) if found else None
    step = _Work(s, name)
    step.add(
        *own(
            name,
            "compatible",
            compatible.Config(branches=paths, start=artifact(STUDENT, "model"), out=work(name, "model")),
        )
    )
    exact = wanted.carry == "float32"
    if exact:
        _carry(step, filled, paths, weights, start, wanted.round or 1)
    else:
        step.merge("model", filled)
        if wanted.diagnose and weights:
            loss = carry_loss.Config(start=start.path, branches=paths, weights=weights, out=work(name))
            step.add(*own(name, "carry-loss", loss))
    check = merged.Config(
        model=work(name, "model"),
        start=artifact(STUDENT, "model"),
        branches={"accumulator": work(name, "accumulator")} if exact else paths,
        weights={"accumulator": 1.0} if exact else weights,
        seed=s.recipe.seed,
    )
    step.add(*own(name, "check-merge", check))
    if wanted.diagnose:
        measure = diagnose.Config(
            start=start.path,
            branches=paths,
            merged=work(name, "model"),
            base=artifact(STUDENT, "model"),
            round=wanted.round or 1,
            out=work(name, "diagnostics"),
        )
        step.add(*own(name, "diagnose", measure))
    outputs = OUTPUTS + (("accumulator/*.safetensors", "carry.json") if exact else ())
    weigh = (*WEIGHTS, "accumulator/*.safetensors") if exact else WEIGHTS
    call = Call(tuple(step.commands), tuple(step.files), outputs, ("wide",) if exact else (), weigh)
    reads_start = wanted.diagnose or exact or start.path in filled  # if not, it can go before the merge is written
    branches = (branch.step for branch in wanted.branches.values())
    needs = unique(*branches, STUDENT, *((start.step,) if reads_start else ()))
    return Step(name, "merge", wanted.method, call, needs, weights=wanted.weights_kept, round=wanted.round)


def mixture(s: Setting, name: str, model: Model, base: Model, share: float) -> Step:
    """A weighted mean of a model and the base: `share` is the base's weight (paper, section 7.2)."""
    file, text = s.materials.mixture
    paths, weights = {"base": base.path, "checkpoint": model.path}, {"base": share, "checkpoint": 1 - share}
    step = _Work(s, name)
    step.merge("model", mergekit.fill(text, file, paths, base.path, weights))
    check = merged.Config(
        model=work(name, "model"), start=base.path, branches=paths, weights=weights, seed=s.recipe.seed
    )
    step.add(*own(name, "check-merge", check))
    call = Call(tuple(step.commands), tuple(step.files), OUTPUTS, (), WEIGHTS)
    return Step(
        name, "mix", model.method, call, unique(base.step, model.step), weights="temporary", teacher=model.teacher
    )


def _streams(text: str, file: str) -> bool:
    """Whether our own engine takes this file; what it refuses is mergekit's."""
    try:
        stream_yaml.parse(text, file)
    except FileError:
        return False
    return True


def _carry(
    step: _Work, filled: str, paths: Mapping[str, str], weights: Mapping[str, float] | None, start: Model, number: int
) -> None:
    """The float32 carry (docs/method.md): an accumulator of all rounds' updates, and the student that it rounds to."""
    before = artifact(start.step, "accumulator") if number > 1 else None
    sources, each = dict(paths), list(weights.values()) if weights else None
    if weights is None:  # a method that is no mean: its own result is the one thing to add
        step.merge("wide", carry.widened(filled))
        sources = {"merge": work(step.name, "wide")}
    step.merge("accumulator", carry.accumulate(list(sources.values()), start.path, before, each))
    step.merge("model", carry.ship(work(step.name, "accumulator")))
    loss = carry_loss.Config(
        start=start.path,
        branches=sources,
        weights=dict(weights) if weights else None,
        before=before,
        after=work(step.name, "accumulator"),
        base=artifact(STUDENT, "model"),
        out=work(step.name),
    )
    step.add(*own(step.name, "carry-loss", loss))
