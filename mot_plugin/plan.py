"""plan(): Recipe + Machine + Materials -> Plan. Pure: it reads nothing, starts nothing and can be compared as data."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mot_plugin import blocks, corpora, experiments, methods, probes, shipment
from mot_plugin.blocks import Setting, artifact, own, work
from mot_plugin.errors import FileError
from mot_plugin.machine import Machine
from mot_plugin.materials import Materials
from mot_plugin.recipe import Recipe
from mot_plugin.report import losses, write
from mot_plugin.step import Plan, Step, arrange
from mot_plugin.tools import llamafactory
from mot_plugin.tools.call import Call

METHODS: dict[str, Callable[[Setting], Iterator[Step]]] = {
    "base": methods.base,
    "mot": methods.mot,
    "std": methods.std,
    "mtd": methods.mtd,
    "one_shot": methods.one_shot,
    "matched": methods.matched,
}
"""In running order: the paper's method first, so that its result does not wait for the baselines."""


def plan(recipe: Recipe, machine: Machine, materials: Materials) -> Plan:
    """Every step of the recipe on this machine. Raises FileError for a combination that cannot work."""
    # Gathered once for as many rounds as there may be; a plan may be of fewer (stopping.py).
    rounds = recipe.methods.mot.rounds if recipe.methods.mot else 0
    setting = Setting(recipe, machine, replace(materials, merges=materials.merges[:rounds]))
    try:
        steps = [blocks.student(setting), *corpora.data(setting), *probes.rows(setting)]
        for name, steps_of in METHODS.items():
            if getattr(recipe.methods, name) is not None:
                steps += steps_of(setting)
        steps = [*probes.measured(setting, steps), *experiments.measured(setting)]
        steps += shipment.shipping(setting, steps)
        before = arrange(recipe.name, steps, materials.links, materials.digests)
        return arrange(recipe.name, [*steps, _report(setting, before)], materials.links, materials.digests)
    except ValueError as error:
        raise FileError(f"recipe {recipe.name} on machine {machine.name!r}: {error}") from None


def _report(s: Setting, before: Plan) -> Step:
    """Scores and tables of everything that was evaluated; holes where something is missing."""
    rows = [
        write.Row.model_validate(
            {
                "method": step.method,
                "teacher": step.teacher,
                "round": step.round,
                "step": step.at,
                "purpose": step.purpose,
                "share": step.share,
                "scores": artifact(step.name, "scores.json"),
                "fingerprint": before.prints[step.name],
            }
        )
        for step in before.steps
        if step.kind == "evaluate"
    ]
    rounds = [step.name for step in before.steps if step.kind == "merge" and step.method == "MoT"]
    probed = {step.round: step.name for step in before.steps if step.kind == probes.KIND and step.method == "MoT"}
    trainings = [
        _training(s, step, probed.get(step.round) if step.round == len(rounds) else None)
        for step in before.steps
        if step.kind == "train"
    ]
    summaries = [artifact(step.name, "summary.json") for step in before.steps if step.kind == "corpus"]
    config = write.Config(
        recipe=s.recipe.name,
        student=s.recipe.student.rpartition("/")[2].partition("@")[0],
        source=s.recipe.source_name,
        rows=rows,
        tasks=list(s.recipe.eval.tasks),
        metric=s.recipe.eval.metric,
        teachers=list(s.recipe.teachers),
        seed=s.recipe.seed,
        trainings=trainings,
        corpora=summaries,
        merges=[artifact(name) for name in rounds],
        out=work("report"),
    )
    command, file = own("report", "report", config)
    read = ("corpus", "train", "evaluate", probes.KIND)
    needs = (*(step.name for step in before.steps if step.kind in read), *rounds)
    return Step(
        "report", "report", "report", Call((command,), (file,), ("scores.csv", "scores.json", "report.md")), needs
    )


def _training(s: Setting, step: Step, probed: str | None) -> write.Training:
    assert step.at is not None
    room = "adapter" if s.recipe.sft.get("finetuning_type") == llamafactory.LORA else "model"
    return write.Training.model_validate(
        {
            "method": step.method,
            "teacher": step.teacher,
            "round": step.round,
            "steps": step.at,
            "step_name": step.name,
            "log": artifact(step.name, room, "trainer_log.jsonl"),
            "merged": artifact(probed, losses.PROBE) if probed else None,
        }
    )
