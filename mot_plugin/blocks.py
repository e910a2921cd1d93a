"""The steps that methods are made of: each function makes one step, or one kind of step, and knows what it needs."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from mot_plugin import selection, students
from mot_plugin.corpus import build, order, union
from mot_plugin.evals import collect
from mot_plugin.machine import Machine
from mot_plugin.materials import Materials
from mot_plugin.merging import branch, merged
from mot_plugin.recipe import Recipe
from mot_plugin.step import Method, Step
from mot_plugin.tools import llamafactory, lm_eval, mergekit
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


def artifact(step: str, *parts: str) -> str:
    """Path of something that a finished step left."""
    return "/".join(("artifacts", step, *parts))


def work(step: str, *parts: str) -> str:
    """Path of something while the step runs."""
    return "/".join(("work", step, *parts))


def seed_of(*parts: object) -> int:
    """A seed for one purpose: every round and teacher gets its own, else each launch would draw the same numbers."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:4], "big") % 2**31


def own(step: str, name: str, config: BaseModel, *, labels: Sequence[str] = ()) -> tuple[Command, File]:
    """One of our own commands and its config file. `labels` are keys that only name things: they make no result stale."""
    path = f"configs/{step}.{name}.json"
    identity = json.dumps(config.model_dump(exclude=set(labels)))
    return Command(OWN, ("step", name, path)), File(path, config.model_dump_json(indent=1) + "\n", identity)


def student(s: Setting) -> Step:
    """The base student as a local folder: from here on, nothing asks a hub."""
    local = s.recipe.student_folder
    model, _, revision = ("inputs/student", "", "") if local else s.recipe.student.partition("@")
    config = students.Config(model=model, revision=revision or None, out=work(STUDENT))
    command, file = own(STUDENT, "student", config)
    call = Call((command,), (file,), ("model/config.json", "model/tokenizer.json", "model/*.safetensors"))
    return Step(STUDENT, "student", "base", call, inputs=("inputs/student",) if local else ())


def corpora(s: Setting) -> Iterator[Step]:
    """One corpus per teacher, and their union where MTD wants it (paper, section 4.1)."""
    source = s.recipe.source or s.recipe.name
    for teacher in s.recipe.teachers:
        name = f"corpus/{teacher}"
        config = build.Config(
            teacher=teacher,
            source_name=source,
            traces=f"inputs/traces/{teacher}.jsonl",
            tokenizer=artifact(STUDENT, "model"),
            prompt=s.recipe.prompt,
            max_tokens=int(s.recipe.sft["cutoff_len"]),
            overlong=s.recipe.corpus.overlong,
            seed=s.recipe.seed,
            out=work(name),
        )
        yield _corpus(name, "corpus", config, (STUDENT,), (f"inputs/traces/{teacher}.jsonl",))
    if s.recipe.methods.mtd:
        folders = {teacher: artifact(f"corpus/{teacher}") for teacher in s.recipe.teachers}
        joined = union.Config(corpora=folders, source_name=source, name="union", out=work(UNION))
        yield _corpus(UNION, "union", joined, tuple(f"corpus/{teacher}" for teacher in s.recipe.teachers), ())


def _corpus(name: str, command_name: str, config: BaseModel, needs: tuple[str, ...], inputs: tuple[str, ...]) -> Step:
    command, file = own(name, command_name, config, labels=("source_name",))
    outputs = ("corpus.jsonl", "provenance.jsonl", "summary.json", "dataset_info.json")
    return Step(name, "corpus", "data", Call((command,), (file,), outputs), needs, inputs=inputs)


def training(
    s: Setting,
    name: str,
    method: Method,
    start: Model,
    teacher: str | None,
    first_row: int,
    steps: int,
    save_steps: int | None,
    purpose: str,
) -> Step:
    """One supervised fine-tuning on one corpus: lay out its rows, train, check what was left."""
    recipe, machine = s.recipe, s.machine
    exact = recipe.corpus.batching == "exact"
    corpus = f"corpus/{teacher}" if teacher else UNION
    stream = teacher or "union"
    rows = order.Config(
        corpus=artifact(corpus),
        dataset=stream,
        seed=recipe.seed,
        stream=stream,
        first_row=first_row if exact else 0,
        rows=steps * recipe.global_batch_size if exact else None,
        out=work(name, "data"),
    )
    yaml_files = llamafactory.config(
        title=name,
        sft=recipe.sft,
        place=machine.train,
        gpus=machine.gpu_count,
        global_batch=recipe.global_batch_size,
        start=start.path,
        data=work(name, "data"),
        dataset=stream,
        out=work(name, "model"),
        steps=steps,
        save_steps=save_steps,
        seed=seed_of(recipe.seed, method, purpose, stream),
        exact=exact,
    )
    check = branch.Config(model=work(name, "model"), start=start.path, steps=steps, save_steps=save_steps)
    (lay_out, rows_file), (verify, check_file) = own(name, "order", rows), own(name, "check-branch", check)
    train = llamafactory.train(yaml_files[0].path, machine.gpu_count, machine.train)
    discard: tuple[str, ...] = (
        "data",
        "model/training_args.bin",
        "model/README.md",
        "model/checkpoint-*/training_args.bin",
    )
    if save_steps:  # the folder itself repeats the last checkpoint, byte for byte
        discard += ("model/*.safetensors", "model/model.safetensors.index.json")
    outputs = (
        "model/trainer_log.jsonl",
        "model/trainer_state.json",
        "model/checkpoint-*/*.safetensors" if save_steps else "model/*.safetensors",
    )
    call = Call((lay_out, train, verify), (rows_file, *yaml_files, check_file), outputs, discard, WEIGHTS)
    return Step(
        name,
        "train",
        method,
        call,
        _unique(start.step, corpus),
        machine.gpu_count,
        weights="temporary",
        teacher=teacher,
    )


def merging(s: Setting, name: str, branches: Mapping[str, str], start: Model, number: int) -> Step:
    """mergekit over the branches; names, shapes and arithmetic are checked against the base student and the branches."""
    paths = {teacher: artifact(step, "model") for teacher, step in branches.items()}
    filled = mergekit.fill(s.materials.merge_text, s.materials.merge_file, paths, start.path)
    weights = mergekit.weights(filled)
    command, file = mergekit.merge(name, filled, work(name, "model"))
    check = merged.Config(
        model=work(name, "model"),
        start=artifact(STUDENT, "model"),
        branches=paths,
        weights=dict(zip(paths, weights, strict=True)) if weights else None,
        seed=s.recipe.seed,
    )
    verify, check_file = own(name, "check-merge", check)
    outputs = (
        "model/*.safetensors",
        "model/config.json",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
        "model/generation_config.json",
    )
    needs = _unique(*branches.values(), STUDENT, *((start.step,) if start.path in filled else ()))
    call = Call((command, verify), (file, check_file), outputs, (), WEIGHTS)
    assert s.recipe.methods.mot is not None
    last = number == s.recipe.methods.mot.rounds  # the last one stays: more rounds can go on from it
    return Step(name, "merge", "MoT", call, needs, weights="kept" if last else "temporary", round=number)


def evaluation(s: Setting, model: Model, room: str = "base") -> Step:
    """All tasks on one model, with one start of the engine; scores are computed again from the stored texts."""
    name, place = f"{room}/evaluate", s.machine.eval
    tasks = tuple(s.recipe.eval.tasks)
    command = lm_eval.evaluate(
        model=model.path,
        tasks=tasks,
        out=work(name),
        seed=s.recipe.eval.seed,
        engine=place.engine,
        model_args=place.model_args,
        batch_size=place.batch_size,
        device=place.device,
        datasets=s.materials.datasets,
        hub=lm_eval.needs_hub(s.materials.tasks),
    )
    verify, check_file = own(name, "scores", collect.Config(out=work(name), tasks=list(tasks)))
    files = tuple(File(f"eval/{file.path}", file.text) for file in s.materials.tasks)
    outputs = ("results.json", "scores.json", *(f"samples_{task}.jsonl" for task in tasks))
    call = Call((command, verify), (*files, check_file), outputs)
    return Step(
        name,
        "evaluate",
        model.method,
        call,
        (model.step,),
        s.machine.gpu_count,
        s.materials.task_data,
        teacher=model.teacher,
        round=model.round,
        at=model.steps,
    )


def choice(
    s: Setting, name: str, judged: Sequence[tuple[Model, str]], best: str | None = None, *, final: bool = True
) -> Step:
    """The best of these models and of the best so far, as hard links: what loses can be deleted at once."""
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
        previous=artifact(best) if best else None,
        tasks=list(s.recipe.eval.tasks),
        metric=s.recipe.eval.metric,
        out=work(name),
    )
    command, file = own(name, "select", config)
    call = Call((command,), (file,), ("choice.json", "model/*.safetensors", "model/config.json"), (), WEIGHTS)
    needs = _unique(*(model.step for model, _ in judged), *(scored for _, scored in judged), *((best,) if best else ()))
    return Step(name, "select", judged[0][0].method, call, needs, weights="result" if final else "temporary")


def _unique(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
