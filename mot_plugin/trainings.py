"""One training as one step: its rows laid out, LLaMA-Factory, an adapter made a whole model, and the check of what is there."""

import hashlib
from dataclasses import dataclass, replace

from mot_plugin import probes
from mot_plugin.blocks import UNION, WEIGHTS, Model, Setting, artifact, own, unique, work
from mot_plugin.corpus import order
from mot_plugin.merging import branch
from mot_plugin.report.losses import PROBE
from mot_plugin.step import Method, Step
from mot_plugin.tools import llamafactory, mergekit
from mot_plugin.tools.call import Call, Command, File, Resumable


@dataclass(frozen=True)
class Wanted:
    """What to train: `steps` optimizer steps from `start` on a teacher's corpus (None: the union of all)."""

    name: str
    method: Method
    start: Model
    teacher: str | None
    steps: int
    first_row: int = 0
    save_steps: int | None = None
    round: int | None = None

    @property
    def purpose(self) -> str:
        """What its seed is for: every round and teacher draws its own numbers."""
        return "all" if self.round is None else f"round {self.round}"

    @property
    def saved_at(self) -> tuple[int, ...]:
        """Optimizer steps after which a model is saved that the training is for; none if that is only its end."""
        return tuple(range(self.save_steps, self.steps + 1, self.save_steps)) if self.save_steps else ()

    @property
    def checkpoints(self) -> list[str]:
        """Where models are saved, below `model/` or `adapter/`."""
        return [f"/checkpoint-{at}" for at in self.saved_at] if self.save_steps else [""]


def training(s: Setting, wanted: Wanted) -> Step:
    """The step of one supervised fine-tuning (paper, eq. 1)."""
    name = wanted.name
    corpus = f"corpus/{wanted.teacher}" if wanted.teacher else UNION
    lora = s.recipe.sft.get("finetuning_type") == llamafactory.LORA
    trained = work(name, _room(lora=lora))
    yaml_files = _config(s, wanted, trained)
    exports = _exports(wanted, trained) if lora else []
    check = branch.Config(
        model=work(name, "model"),
        start=wanted.start.path,
        steps=wanted.steps,
        save_steps=wanted.save_steps,
        trained=trained if lora else None,
    )
    (lay_out, rows_file), (verify, check_file) = (
        own(name, "order", _rows(s, wanted, corpus)),
        own(name, "check-branch", check),
    )
    takes = s.machine.takes("train")
    gpus = takes.gpus or 0
    train = llamafactory.train(
        yaml_files[0].path,
        gpus,
        s.machine.train,
        probes.arguments(s),
        nodes=takes.nodes,
        checkpoint_every=s.machine.checkpoint_every,
    )
    commands = (lay_out, train, *(command for command, _ in exports), verify)
    files = (rows_file, *yaml_files, *(file for _, file in exports), check_file)
    call = Call(commands, files, _outputs(s, wanted, lora=lora), _discard(wanted, lora=lora), WEIGHTS)
    if s.machine.checkpoint_every:
        call = replace(call, resumable=Resumable(_room(lora=lora), wanted.steps, wanted.saved_at))
    needs = unique(wanted.start.step, corpus, *probes.needs(s))
    return Step(
        name,
        "train",
        wanted.method,
        call,
        needs,
        gpus,
        weights="temporary",
        teacher=wanted.teacher,
        round=wanted.round,
        at=wanted.steps,
        nodes=takes.nodes,
    )


def seed_of(*parts: object) -> int:
    """A seed for one purpose: every round and teacher gets its own, else each launch would draw the same numbers."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:4], "big") % 2**31


def _rows(s: Setting, wanted: Wanted, corpus: str) -> order.Config:
    """The rows of this training: exactly its steps times the global batch, or the corpus as it is."""
    exact = s.recipe.corpus.batching == "exact"
    stream = wanted.teacher or "union"
    return order.Config(
        corpus=artifact(corpus),
        dataset=stream,
        seed=s.recipe.seed,
        stream=stream,
        first_row=wanted.first_row if exact else 0,
        rows=wanted.steps * s.recipe.global_batch_size if exact else None,
        out=work(wanted.name, "data"),
    )


def _config(s: Setting, wanted: Wanted, out: str) -> tuple[File, ...]:
    stream, takes = wanted.teacher or "union", s.machine.takes("train")
    return llamafactory.config(
        title=wanted.name,
        sft=s.recipe.sft,
        place=s.machine.train,
        gpus=takes.gpus or 0,
        nodes=takes.nodes,
        global_batch=s.recipe.global_batch_size,
        start=wanted.start.path,
        data=work(wanted.name, "data"),
        dataset=stream,
        out=out,
        steps=wanted.steps,
        save_steps=wanted.save_steps,
        seed=seed_of(s.recipe.seed, wanted.method, wanted.purpose, stream),
        exact=s.recipe.corpus.batching == "exact",
    )


def _exports(wanted: Wanted, adapter: str) -> list[tuple[Command, File]]:
    """Every saved adapter as a whole model, so that all that follows is the same as after full training."""
    return [
        mergekit.whole(
            f"configs/{wanted.name}{place.replace('/', '.')}.adapter.yaml",
            wanted.name,
            wanted.start.path,
            f"{adapter}{place}",
            f"{work(wanted.name, 'model')}{place}",
            work(wanted.name, "cache"),
        )
        for place in wanted.checkpoints
    ]


def _room(*, lora: bool) -> str:
    """Where LLaMA-Factory writes, below the step's folder."""
    return "adapter" if lora else "model"


def _outputs(s: Setting, wanted: Wanted, *, lora: bool) -> tuple[str, ...]:
    room = _room(lora=lora)
    models = "model/checkpoint-*/*.safetensors" if wanted.save_steps else "model/*.safetensors"
    measured = (f"{room}/{PROBE}",) if s.recipe.probe_loss else ()
    return f"{room}/trainer_log.jsonl", f"{room}/trainer_state.json", models, *measured


def _discard(wanted: Wanted, *, lora: bool) -> tuple[str, ...]:
    """What nobody reads: the rows, pickled settings, and a copy that repeats the last checkpoint byte for byte."""
    room = _room(lora=lora)
    found: tuple[str, ...] = (
        "data",
        "cache",
        f"{room}/training_args.bin",
        f"{room}/README.md",
        f"{room}/checkpoint-*/training_args.bin",
    )
    if wanted.save_steps:
        found += (f"{room}/*.safetensors", f"{room}/model.safetensors.index.json")
    return found
