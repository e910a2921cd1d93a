"""The probe loss as steps: its rows, and every merged model's loss on them. What is trained measures itself as it goes."""

from collections.abc import Iterable, Iterator

from mot_plugin.blocks import Setting, artifact, own, unique, work
from mot_plugin.corpus import probe
from mot_plugin.report.losses import PROBE
from mot_plugin.step import Step
from mot_plugin.tools import llamafactory
from mot_plugin.tools.call import Call

ROWS = "probe-loss/rows"
KIND = "probe-loss"


def arguments(s: Setting) -> tuple[str, ...]:
    """What the command of a training is given beside its config; nothing where the recipe asks for no probe."""
    wanted = s.recipe.probe_loss
    return ("--probe", artifact(ROWS), "--every", str(wanted.every)) if wanted else ()


def needs(s: Setting) -> tuple[str, ...]:
    """The step that a training with a probe needs."""
    return (ROWS,) if s.recipe.probe_loss else ()


def rows(s: Setting) -> Iterator[Step]:
    """The rows of the probe, once for all trainings and merges."""
    wanted = s.recipe.probe_loss
    if wanted:
        corpus = f"corpus/{wanted.teacher}"
        config = probe.Config(
            corpus=artifact(corpus), dataset=wanted.teacher, seed=s.recipe.seed, rows=wanted.rows, out=work(ROWS)
        )
        command, file = own(ROWS, "probe-rows", config)
        call = Call((command,), (file,), (probe.ROWS, "dataset_info.json"))
        yield Step(ROWS, "probe-rows", "data", call, (corpus,), teacher=wanted.teacher)


def measured(s: Setting, steps: Iterable[Step]) -> Iterator[Step]:
    """The same steps, after every merge one that measures its model."""
    for step in steps:
        yield step
        if step.kind == "merge" and s.recipe.probe_loss:
            yield _measuring(s, step, s.recipe.probe_loss.teacher)


def _measuring(s: Setting, merge: Step, teacher: str) -> Step:
    """The model as a training would start from it, with all that decides about its numbers, and no step of that training."""
    name = f"{merge.name.rpartition('/')[0]}/probe-loss"
    given = ("--probe", artifact(ROWS), "--probe-only")
    files = llamafactory.config(
        title=name,
        sft=s.recipe.sft,
        place=s.machine.train,
        gpus=s.machine.gpus_for(KIND),
        global_batch=s.recipe.global_batch_size,
        start=artifact(merge.name, "model"),
        data=artifact(ROWS),
        dataset=teacher,
        out=work(name),
        steps=1,
        save_steps=None,
        seed=s.recipe.seed,
        exact=True,
        heading=f"the loss of a merged model on fixed rows; mot-plugin train <this file> {' '.join(given)}",
    )
    command = llamafactory.train(files[0].path, s.machine.gpus_for(KIND), s.machine.train, given)
    call = Call((command,), files, (PROBE,))
    return Step(
        name,
        KIND,
        merge.method,
        call,
        unique(merge.name, ROWS),
        s.machine.gpus_for(KIND),
        teacher=teacher,
        round=merge.round,
    )
