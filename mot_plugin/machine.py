"""Machine: the place where a recipe runs. It never says a learning rate; a recipe never says how many GPUs."""

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mot_plugin import environments, strict
from mot_plugin.errors import FileError
from mot_plugin.rates import Rates
from mot_plugin.tools import llamafactory, lm_eval, mergekit, vllm

TOOLS = (llamafactory.TOOL, mergekit.TOOL, lm_eval.TOOL, vllm.TOOL)


class Part(BaseModel):
    """A block of a machine file: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Eval(Part):
    """Which engine answers, and how much at once."""

    engine: Literal["hf", "vllm"] = "hf"
    batch_size: str | int = "auto"
    model_args: dict[str, Any] = {}
    """Passed through to lm-eval's --model_args."""
    device: str | None = None
    gpus_per_engine: Annotated[int, Field(ge=1)] | None = None
    """As many engines as there are GPUs for answer the recipe's `eval.shards` at once; what the model_args' parallel sizes
    say if not given."""

    @model_validator(mode="after")
    def _as_many_gpus_as_parallel(self) -> Self:
        if self.gpus_per_engine not in (None, self._parallel) and self._parallel > 1:
            raise ValueError(
                f"gpus_per_engine is {self.gpus_per_engine}, but model_args spread over {self._parallel} GPUs"
            )
        return self

    @property
    def engine_gpus(self) -> int:
        """GPUs of one engine."""
        return self.gpus_per_engine or self._parallel

    @property
    def _parallel(self) -> int:
        sizes = [self.model_args.get(f"{kind}_parallel_size", 1) for kind in ("tensor", "pipeline")]
        return math.prod(size for size in sizes if isinstance(size, int))


class Merge(Part):
    """Which program averages."""

    engine: Literal["mergekit", "stream"] = "mergekit"
    """stream: the same bits from the same file for weighted means, near the disk's own speed; other methods stay mergekit's."""


class TeacherPlace(Part):
    """Where one teacher answers: an endpoint, or a server that is started here for the time of its step."""

    endpoint: str | None = None
    """Base URL of an OpenAI-compatible API, up to and including /v1."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key. The key itself is in no file."""
    model: str | None = None
    """The endpoint's name for the model, if it is not the recipe's."""
    serve: dict[str, Any] | None = None
    """Serve the recipe's model with vLLM on this machine's GPUs: flags of `vllm serve`, by their own names."""
    server: Annotated[list[str], Field(min_length=1)] | None = None
    """Another server's argv; `{model}` and `{port}` are replaced."""
    concurrency: Annotated[int, Field(ge=1)] = 32
    """Requests at once."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 3600
    attempts: Annotated[int, Field(ge=1)] = 8
    """Tries of one request, with growing waits between them."""
    backoff_seconds: Annotated[float, Field(ge=0)] = 1
    body: dict[str, Any] = {}
    """Fields that this server wants in a request and that shape no text, such as {reasoning_format: none}."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("endpoint", "serve", "server") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}: one of them")
        return self


class Storage(Part):
    """Where runs lie; relative paths start at the folder in which the command is given."""

    runs: str = "runs"
    store: str | None = None
    """Where finished artifacts lie, shared by all runs; `.store` in `runs` if not given."""
    datasets: str | None = None
    """Local copies of the benchmarks' data (aime24.jsonl, ...) instead of the hub."""
    mirror: str | None = None
    """Where student, report and records of a finished run are copied to: any URL of fsspec, `s3://bucket/path` for example."""
    keep: Literal["selected", "all"] = "selected"
    """selected: weights that no later step reads are deleted, all but the chosen students. all: nothing is deleted."""


class Resources(Part):
    """What one step of a kind takes: the resource manager's words, and of no interest to a fingerprint."""

    gpus: Annotated[int, Field(ge=0)] | None = None
    """On each node; all of a node's for a kind that works on GPUs if not given."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Only a training spreads over several."""
    cpus: Annotated[int, Field(ge=1)] = 1
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    hours: Annotated[float, Field(gt=0)] | None = None
    """Time limit under Slurm; the partition's own if not given."""
    partition: str | None = None
    """Of Slurm, instead of `slurm.partition`."""
    flags: list[str] = []
    """Further flags of sbatch, after `slurm.flags`."""


class Ray(Part):
    """How the executor `ray` finds its resources."""

    address: str | None = None
    """A cluster that runs already (`HOST:6379`, `auto`); if not given, one on this computer alone for the time of the run."""


class Slurm(Part):
    """How the executor `slurm` submits."""

    partition: str | None = None
    flags: list[str] = []
    """Further flags of sbatch for every job: `--account=...`, `--qos=...`, `--constraint=...`."""
    prologue: list[str] = []
    """Shell lines before the step's supervisor, in every job: `module load ...`."""
    poll_seconds: Annotated[float, Field(gt=0)] = 10
    """How often `run` looks at the queue while it watches."""


ON_GPUS = ("train", "evaluate", "traces", "probe-loss")
"""Kinds of steps that take all GPUs of a node if the machine file does not say how many."""


SPREADS = ("train",)
"""Kinds that one step of may run on several nodes."""


class Machine(Part):
    """One place."""

    name: str
    gpus: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Of one node."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """How many such nodes there are; for estimates, and no step may ask for more."""
    executor: Literal["serial", "ray", "slurm"] = "serial"
    """serial: one step after the other, here. ray: side by side on this computer or on a Ray cluster. slurm: one job a step."""
    steps: dict[str, Resources] = {}
    """What a step takes, by its kind (train, evaluate, merge, ...); `"*"` is for kinds that are not named."""
    ray: Ray = Ray()
    slurm: Slurm = Slurm()
    tools: dict[str, environments.Tool] = {}
    """Where each tool lives."""
    train: dict[str, Any] = {}
    """LLaMA-Factory's keys that belong to a place: per_device_train_batch_size, deepspeed, use_cpu, workers."""
    eval: Eval = Eval()
    merge: Merge = Merge()
    teachers: dict[str, TeacherPlace] = {}
    """Where teachers answer, by their names in the recipe; `"*"` is for those that are not named."""
    env: dict[str, str] = {}
    """Environment of every command."""
    costs: Rates = Rates()
    """How fast this place is, for estimates only: what `mot-plugin calibrate` writes."""
    storage: Storage = Storage()
    checkpoint_every: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps between full checkpoints of a training, from the newest of which one that was killed goes on; it begins
    anew without."""
    retries: Annotated[int, Field(ge=0)] = 1
    """How often a step is tried again after a failure that may pass (a killed process, a full GPU)."""
    backoff_seconds: Annotated[float, Field(ge=0)] = 10
    """Wait before the first retry; doubles each time."""

    @property
    def gpu_count(self) -> int:
        """GPUs to plan for; `auto` has been resolved by `load`."""
        return 0 if self.gpus == "auto" else self.gpus

    def takes(self, kind: str) -> Resources:
        """What a step of this kind takes here, `gpus` resolved."""
        said = self.steps.get(kind) or self.steps.get("*") or Resources()
        wanted = self.gpu_count if said.gpus is None else said.gpus
        spread = said.nodes if kind in SPREADS else 1
        return said.model_copy(update={"gpus": wanted if kind in ON_GPUS else 0, "nodes": spread})

    def gpus_for(self, kind: str) -> int:
        """GPUs of one node that a step of this kind takes."""
        return self.takes(kind).gpus or 0

    def teacher(self, name: str) -> TeacherPlace:
        """Where a teacher answers: as the file says; served on the GPUs here if there are some; else nowhere yet."""
        said = self.teachers.get(name) or self.teachers.get("*")
        return said or TeacherPlace(serve={} if self.gpu_count else None)

    def tool(self, name: str) -> environments.Started:
        """How `name` is started: as the file says, else the command of that name."""
        return environments.started(name, self.tools.get(name, environments.Tool()), gpus=self.gpu_count > 0)


def load(path: Path | None) -> Machine:
    """The machine file, or what this computer looks like when none is given. Raises FileError (exit code 2)."""
    if path is None:
        return default(_visible_gpus())
    machine = strict.validate(Machine, strict.read(path), _impossible)
    tools = {name: environments.absolute(tool) for name, tool in machine.tools.items()}
    machine = machine.model_copy(update={"tools": tools})
    return machine.model_copy(update={"gpus": _visible_gpus()}) if machine.gpus == "auto" else machine


def with_executor(machine: Machine, name: str) -> Machine:
    """The same place with its steps run another way. Raises FileError for an executor that there is not."""
    known = get_args(Machine.model_fields["executor"].annotation)
    if name not in known:
        raise FileError(f"no executor {name!r}{strict.suggest(name, known)}; there are {', '.join(known)}")
    return machine.model_copy(update={"executor": name})


def _impossible(document: strict.Document) -> Iterator[strict.Finding]:
    """What the types do not say: keys of the trainer that are no place's, names of tools."""
    data = document.data if isinstance(document.data, dict) else {}
    train, tools = data.get("train"), data.get("tools")
    found: list[tuple[strict.Key, str]] = []
    if isinstance(train, dict):
        found += [(("train", *key), message) for key, message in llamafactory.refuse_place(train)]
    for name in tools if isinstance(tools, dict) else ():
        if name not in TOOLS:
            found.append((("tools", name), f"unknown tool{strict.suggest(name, TOOLS)}; known: {', '.join(TOOLS)}"))
    model_args = data["eval"].get("model_args") if isinstance(data.get("eval"), dict) else None
    if isinstance(model_args, dict):
        found += [(("eval", "model_args", key), message) for key, message in lm_eval.refuse(model_args)]
    teachers = data.get("teachers")
    for name, place in teachers.items() if isinstance(teachers, dict) else ():
        flags = place.get("serve") if isinstance(place, dict) else None
        if isinstance(flags, dict):
            found += [(("teachers", name, "serve", *key), message) for key, message in vllm.refuse(flags)]
    yield from ((document.line(key), key, message) for key, message in found)


def default(gpus: int) -> Machine:
    """A sensible machine for `gpus` GPUs of 80 GB, or for a laptop's processor when there are none."""
    if gpus:
        return Machine(
            name=f"{gpus} GPU{'s' if gpus > 1 else ''}",
            gpus=gpus,
            train={
                "per_device_train_batch_size": 1,
                "deepspeed": "zero3",
                "enable_liger_kernel": True,
                "preprocessing_num_workers": 8,
            },
            # A power of two divides every student's attention heads.
            eval=Eval(
                engine="vllm",
                batch_size="auto",
                model_args={"max_model_len": 40960, "tensor_parallel_size": 1 << (gpus.bit_length() - 1)},
            ),
        )
    return Machine(
        name="processor only",
        gpus=0,
        train={"use_cpu": True, "per_device_train_batch_size": 8, "preprocessing_num_workers": 1},
        eval=Eval(engine="hf", batch_size=128, model_args={"dtype": "float32"}, device="cpu"),
        # Tiny models on few cores: more threads spin on each other (measured 20 times slower on busy cores).
        env={"OMP_NUM_THREADS": "1"},
    )


def _visible_gpus() -> int:
    """GPUs that the NVIDIA driver lists; 0 where there is no driver."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.split("\n")) if listed.returncode == 0 else 0
