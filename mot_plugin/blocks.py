"""The steps that methods are made of: each function makes one step, or one kind of step, and knows what it needs."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from mot_plugin import selection, students
from mot_plugin.evals import collect, generate, kept
from mot_plugin.machine import Machine
from mot_plugin.materials import Materials
from mot_plugin.recipe import Recipe
from mot_plugin.report.scores import Purpose
from mot_plugin.step import Method, Step
from mot_plugin.tools import lm_eval
from mot_plugin.tools.call import Call, Command, File

OWN = "mot-plugin"
STUDENT = "base/student"
UNION = "corpus/union"
WEIGHTS = ("model/*.safetensors", "model/checkpoint-*/*.safetensors")


@dataclass(frozen=True)
class Setting:
    """What every method is planned from."""

    recipe: Recipe
    machine: Machine
    materials: Materials


@dataclass(frozen=True)
class Model:
    """A model that a step leaves: where it lies in the run folder, and how tables call it."""

    label: str
    step: str
    path: str
    method: Method
    teacher: str | None = None
    round: int | None = None
    steps: int | None = None
    share: float | None = None
    """The weight of the base in it, if it is a mixture with the base."""


def artifact(step: str, *parts: str) -> str:
    """Path of something that a finished step left."""
    return "/".join(("artifacts", step, *parts))


def work(step: str, *parts: str) -> str:
    """Path of something while the step runs."""
    return "/".join(("work", step, *parts))


def own(
    step: str, name: str, config: BaseModel, *, labels: Sequence[str] = (), command: str | None = None
) -> tuple[Command, File]:
    """One of our own commands and its config file, which is called after `name`, as the command is if it has no other.

    `labels` are keys that only name things or say where and how fast: they make no result stale. `a.b` is a key within one.
    """
    path = f"configs/{step}.{name}.json"
    known = config.model_dump()
    for label in labels:
        *outer, inner = label.split(".")
        functools.reduce(dict.__getitem__, outer, known).pop(inner)
    identity = json.dumps(known)
    return Command(OWN, ("step", command or name, path)), File(path, config.model_dump_json(indent=1) + "\n", identity)


def student(s: Setting) -> Step:
    """The base student as a local folder: from here on, nothing asks a hub."""
    local = s.recipe.student_folder
    model, _, revision = ("inputs/student", "", "") if local else s.recipe.student.partition("@")
    config = students.Config(model=model, revision=revision or None, out=work(STUDENT))
    command, file = own(STUDENT, "student", config)
    call = Call((command,), (file,), ("model/config.json", "model/tokenizer.json", "model/*.safetensors"))
    return Step(STUDENT, "student", "base", call, inputs=("inputs/student",) if local else ())


def evaluation(s: Setting, model: Model, room: str = "base", purpose: Purpose = "main") -> Step:
    """All tasks on one model, with one start of the engine for each shard; scores are computed again from the stored texts."""
    suite = s.materials.suites[purpose]
    name, tasks = f"{room}/evaluate", list(suite.tasks)
    config = generate.Config(
        model=model.path,
        tasks=tasks,
        engine=s.machine.eval.engine,
        seed=s.recipe.eval.seed,
        shards=s.recipe.eval.shards,
        include="eval",
        place=_engines(s),
        out=work(name),
    )
    command, file = own(name, "generate", config, labels=("place",))
    verify, check_file = own(name, "scores", collect.Config(out=work(name), tasks=tasks))
    files = tuple(File(f"eval/{file.path}", file.text) for file in suite.files)
    outputs = ("results.json", "scores.json", *(f"samples_{task}.jsonl" for task in tasks))
    call = Call((command, verify), (*files, file, check_file), outputs, starts=(lm_eval.TOOL,))
    return Step(
        name,
        "evaluate",
        model.method,
        call,
        (model.step,),
        s.machine.gpus_for("evaluate"),
        suite.data,
        teacher=model.teacher,
        round=model.round,
        at=model.steps,
        purpose=purpose,
        share=model.share,
    )


def _engines(s: Setting) -> generate.Place:
    place, tool = s.machine.eval, s.machine.tool(lm_eval.TOOL)
    return generate.Place(
        command=tool.command,
        env={**s.machine.env, **tool.env},
        model_args=place.model_args,
        batch_size=place.batch_size,
        device=place.device,
        gpus=s.machine.gpus_for("evaluate"),
        gpus_per_engine=place.engine_gpus,
        datasets=s.materials.datasets,
        store=kept.LINK,
    )


def choice(
    s: Setting, name: str, method: Method, judged: Sequence[tuple[Model, str]], *earlier: str, final: bool = True
) -> Step:
    """The best of these models and of earlier choices (steps), as hard links: what loses can be deleted at once."""
    candidates = [
        selection.Candidate(
            label=f"{model.teacher} {model.label}" if model.teacher else model.label,
            method=model.method,
            round=model.round,
            step=model.steps,
            model=model.path,
            scores=artifact(scored, "scores.json"),
        )
        for model, scored in judged
    ]
    config = selection.Config(
        candidates=candidates,
        previous=[artifact(step) for step in earlier],
        tasks=list(s.recipe.eval.tasks),
        metric=s.recipe.eval.metric,
        out=work(name),
    )
    command, file = own(name, "select", config)
    call = Call((command,), (file,), ("choice.json", "model/*.safetensors", "model/config.json"), (), WEIGHTS)
    needs = unique(*(model.step for model, _ in judged), *(scored for _, scored in judged), *earlier)
    return Step(name, "select", method, call, needs, weights="result" if final else "temporary")


def unique(*names: str) -> tuple[str, ...]:
    """Each name once, in the order of their first."""
    return tuple(dict.fromkeys(names))
