"""Recipe and machine file, and what the recipe names: files that are there, a student that is whole."""

from collections.abc import Iterator
from pathlib import Path

from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok
from mot_plugin.doctor.weights import lost
from mot_plugin.errors import MissingInput
from mot_plugin.merging.folder import missing_files
from mot_plugin.step import MISSING
from mot_plugin.tools import parallel

_STUDENT = ("config.json", "tokenizer.json", "chat_template.jinja")


def check(context: Context) -> Iterator[Finding]:
    """What `load` and `plan` have accepted already is told in one line each."""
    machine, ready = context.machine, context.ready
    yield ok("machine", f"{machine.name}, {machine.gpu_count} GPUs, executor {machine.executor}")
    if ready is None:
        return
    left = len(context.todo)
    steps = len(ready.plan.steps)
    yield ok(
        "recipe", f"{ready.recipe.name}: " + (f"{left} of {steps} steps have to run" if left else "everything is done")
    )
    absent = {name for step in context.todo for name in step.inputs if ready.plan.parts[step.name][name] == MISSING}
    for name in sorted({name for step in context.todo for name in step.inputs}):
        where = ready.plan.links.get(name, name)
        if name in absent:
            plain = name.removeprefix("inputs/")
            teacher = ready.recipe.teachers.get(plain.removeprefix("teachers/"))
            first = "run its recipe first" if teacher and teacher.run else "put it there"
            yield error(plain, f"{where} is not there", f"{first}, or mend its path in the recipe", MissingInput)
    if not absent:
        yield ok("inputs", "all that the recipe names is there")
    student = ready.plan.links.get("inputs/student")
    if student is not None and "inputs/student" not in absent and "student" in context.kinds:
        yield _student(Path(student))
    if "train" in context.kinds:
        yield _batch(context)


def _student(folder: Path) -> Finding:
    absent = [*missing_files(folder, _STUDENT), *lost(folder)]
    if absent:
        hint = f"copy them there; of a hub model: hf download MODEL --local-dir {folder}"
        return error("student", f"{folder} lacks {', '.join(absent)}", hint, MissingInput)
    return ok("student", f"{folder} has its weights, tokenizer and chat template")


def _batch(context: Context) -> Finding:
    """The plan could be made, so it is divisible: say how."""
    assert context.recipe is not None
    takes, rows = context.machine.takes("train"), int(context.machine.train.get("per_device_train_batch_size", 1))
    processes = max(takes.gpus or 0, 1) * takes.nodes
    times = parallel.accumulation(context.recipe.global_batch_size, processes, rows)
    shares = f"{processes} process{'es' if processes > 1 else ''} x {rows} rows x {times} accumulation steps"
    said = f"{context.recipe.global_batch_size} rows = {shares}"
    return ok("batch", said)
