"""The steps that make training data: problems of a source, what live teachers say to them, one corpus per teacher, their union."""

from collections.abc import Iterator

from pydantic import BaseModel

from mot_plugin.blocks import STUDENT, UNION, Setting, artifact, own, work
from mot_plugin.corpus import build, union
from mot_plugin.corpus.facts import About
from mot_plugin.machine import TeacherPlace
from mot_plugin.recipe.data import Teacher
from mot_plugin.sources import step as problems
from mot_plugin.step import Step
from mot_plugin.teachers import sample
from mot_plugin.teachers.client import Endpoint
from mot_plugin.tools import vllm
from mot_plugin.tools.call import Call

PROBLEMS = "source/problems"
SOURCE_INPUT = "inputs/source"


def data(s: Setting) -> Iterator[Step]:
    """Everything from the source to the corpora (paper, section 4.1)."""
    if s.recipe.source.file is not None:
        yield _problems(s)
    for name, teacher in s.recipe.teachers.items():
        if teacher.live:
            yield _traces(s, name, teacher)
        yield _corpus_of(s, name, teacher)
    if s.recipe.wants_union:
        folders = {teacher: artifact(f"corpus/{teacher}") for teacher in s.recipe.teachers}
        joined = union.Config(
            corpora=folders, source_name=s.recipe.source_name, name="union", about=_about(s), out=work(UNION)
        )
        needs = (*((PROBLEMS,) if joined.about.source else ()), *(f"corpus/{teacher}" for teacher in s.recipe.teachers))
        yield _corpus(UNION, "union", joined, needs, ())


def _problems(s: Setting) -> Step:
    """The source's problems: deduplicated, without the benchmarks', N of them."""
    source = s.recipe.source
    config = problems.Config(
        source_name=s.recipe.source_name,
        rows=None if source.hub else SOURCE_INPUT,
        hub=source.hub,
        file=source.file if source.hub else None,
        format=source.format,
        columns=source.columns,
        sample=source.sample,
        seed=s.recipe.seed if source.seed is None else source.seed,
        deduplicate=source.deduplicate,
        benchmarks=dict(s.materials.benchmarks),
        verify=s.recipe.corpus.verify,
        license=source.license,
        out=work(PROBLEMS),
    )
    # Where a copy of a benchmark lies is the machine's business, as it is in its evaluation.
    copies = tuple(f"benchmarks.{task}.arguments.mot_data_dir" for task in s.materials.benchmarks)
    command, file = own(PROBLEMS, "problems", config, labels=("source_name", "license", *copies))
    inputs = () if source.hub else (SOURCE_INPUT,)
    call = Call((command,), (file,), ("problems.jsonl", "dropped.jsonl", "summary.json"))
    return Step(PROBLEMS, "source", "data", call, inputs=(*inputs, *s.materials.benchmark_data))


def _traces(s: Setting, name: str, teacher: Teacher) -> Step:
    """What one live teacher says: asked at its endpoint, or at a server that runs for the time of this step."""
    step, place = f"traces/{name}", s.machine.teacher(name)
    folder = f"inputs/teachers/{name}"
    config = sample.Config(
        teacher=name,
        model=s.materials.folders.get(name) or str(teacher.model),
        problems=artifact(PROBLEMS, "problems.jsonl"),
        prompt=teacher.prompt or s.recipe.prompt,
        row_prompt=s.recipe.prompt,
        sampling=s.recipe.sampling_of(name),
        seed=s.recipe.seed,
        tokenizer=artifact(STUDENT, "model"),
        row_tokens=int(s.recipe.sft["cutoff_len"]),
        overlong=s.recipe.corpus.overlong,
        verify=s.recipe.corpus.verify,
        place=_place(s, name, place, folder if name in s.materials.folders else str(teacher.model)),
        out=work(step),
    )
    # The budget is a wish about money: a larger one goes on with the same traces.
    command, file = own(step, "sample", config, labels=("place", "sampling.max_tokens_total"))
    inputs = (folder,) if name in s.materials.folders else ()
    gpus = s.machine.gpus_for("traces") if place.serve is not None else 0
    call = Call((command,), (file,), ("traces.jsonl", "summary.json"))
    return Step(step, "traces", "data", call, (STUDENT, PROBLEMS), gpus, inputs, teacher=name)


def _place(s: Setting, name: str, place: TeacherPlace, model: str) -> sample.Place:
    limits = place.model_dump(include={"concurrency", "timeout_seconds", "attempts", "backoff_seconds"})
    endpoint = Endpoint(url=place.endpoint or "", api_key_env=place.api_key_env, **limits)
    server = None
    if place.serve is not None:
        tool = s.machine.tool(vllm.TOOL)
        flags = {"tensor_parallel_size": s.machine.gpus_for("traces") or 1, **place.serve}
        args = vllm.serve(model, name=name, host="127.0.0.1", port="{port}", flags=flags)
        server = sample.Server(command=tool.command, args=list(args), env={**dict(vllm.ENV), **tool.env})
    elif place.server is not None:
        program, *rest = [part.replace("{model}", model) for part in place.server]
        server = sample.Server(command=[program], args=rest)
    return sample.Place(
        samples=s.materials.samples,
        endpoint=endpoint if server or place.endpoint else None,
        server=server,
        name=place.model or (name if place.serve is not None else None),
        body=place.body,
    )


def _corpus_of(s: Setting, name: str, teacher: Teacher) -> Step:
    """One teacher's training rows, from recorded traces or those that it was just asked for."""
    step = f"corpus/{name}"
    recorded = s.materials.traces.get(name)
    sourced = s.recipe.source.file is not None
    config = build.Config(
        teacher=name,
        source_name=s.recipe.source_name,
        traces=recorded or artifact(f"traces/{name}", "traces.jsonl"),
        trace_format=teacher.format,
        columns=teacher.columns,
        named=teacher.named,
        problems=artifact(PROBLEMS, "problems.jsonl") if sourced else None,
        tokenizer=artifact(STUDENT, "model"),
        prompt=s.recipe.prompt,
        max_tokens=int(s.recipe.sft["cutoff_len"]),
        overlong=s.recipe.corpus.overlong,
        verify=s.recipe.corpus.verify,
        seed=s.recipe.seed,
        asked=artifact(f"traces/{name}", "summary.json") if teacher.live else None,
        about=_about(s, name),
        out=work(step),
    )
    needs = (STUDENT, *((PROBLEMS,) if sourced else ()), *((f"traces/{name}",) if teacher.live else ()))
    return _corpus(step, "corpus", config, needs, (recorded,) if recorded else ())


def _about(s: Setting, *teachers: str) -> About:
    """What the data card of these teachers' corpus calls things; of all teachers' without a name."""
    student, folder = s.recipe.student, s.recipe.student_folder
    return About(
        student=folder.rstrip("/").rpartition("/")[2] if folder else student,
        template=str(s.recipe.sft["template"]),
        source_name=s.recipe.source_name,
        source=artifact(PROBLEMS, "summary.json") if s.recipe.source.file is not None else None,
        source_license=s.recipe.source.license,
        licenses={name: s.recipe.teachers[name].license for name in teachers or s.recipe.teachers},
    )


def _corpus(name: str, command_name: str, config: BaseModel, needs: tuple[str, ...], inputs: tuple[str, ...]) -> Step:
    command, file = own(name, command_name, config, labels=("source_name", "about"))
    outputs = ("corpus.jsonl", "provenance.jsonl", "summary.json", "dataset_info.json", "README.md")
    return Step(name, "corpus", "data", Call((command,), (file,), outputs), needs, inputs=inputs)
