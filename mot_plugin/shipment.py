"""The step that ships: the chosen student as a complete folder, with a card and its provenance."""

from collections.abc import Iterator, Sequence
from typing import Any

from mot_plugin.blocks import STUDENT, Setting, artifact, own, unique, work
from mot_plugin.corpora import PROBLEMS
from mot_plugin.machine import Machine
from mot_plugin.shipping import portable, student
from mot_plugin.shipping.provenance import Input
from mot_plugin.step import Step
from mot_plugin.tools import lm_eval
from mot_plugin.tools.call import Call

SHIP = "ship"
OUTPUTS = (
    "*.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "README.md",
    "provenance.json",
)
_WHAT = {"student": "the base student", "source": "the problems"}


def shipping(s: Setting, before: Sequence[Step]) -> Iterator[Step]:
    """Ship the recipe's MoT student; without one, the best of the trained baselines; without any training, nothing.

    An untrained student lies on the hub already, and its copy would say less than the original.
    """
    choices = [step for step in before if step.kind == "select" and step.weights == "result"]
    evaluations = {step.name: step for step in before if step.kind == "evaluate"}
    # A choice among choices (the best STD of all teachers) is one of those again.
    judged = {step.name: [evaluations[need] for need in step.needs if need in evaluations] for step in choices}
    choices = [step for step in choices if step.method == "MoT"] or [step for step in choices if judged[step.name]]
    if not choices:
        return
    methods = {step.method for step in choices}
    measured = [
        step
        for step in evaluations.values()
        if step.method in {*methods, "base"} and step.purpose in ("main", "general")
    ]
    made = portable.portable(s.recipe, dict(s.materials.traces))
    config = student.Config(
        recipe=made.data,
        cut=list(made.cut),
        mergekit=_own_merges(s, made.data),
        inputs=_inputs(s, made.places),
        candidates=[
            student.Candidate(folder=artifact(step.name), teacher=next(iter(judged[step.name])).teacher)
            for step in choices
        ],
        base=artifact(STUDENT, "model"),
        measured=[_measured(step) for step in measured],
        corpora={name: artifact(f"corpus/{name}") for name in s.recipe.teachers},
        source=artifact(PROBLEMS) if s.recipe.source.file is not None else None,
        benchmarks=_benchmarks(s),
        machine=place_of(s.machine),
        out=work(SHIP),
    )
    command, file = own(SHIP, "ship", config, labels=("machine", "mergekit"))
    needs = unique(
        STUDENT,
        *((PROBLEMS,) if s.recipe.source.file is not None else ()),
        *(f"corpus/{name}" for name in s.recipe.teachers),
        *(step.name for step in choices),
        *(step.name for step in measured),
    )
    call = Call((command,), (file,), OUTPUTS, (), ("*.safetensors",))
    yield Step(SHIP, "ship", choices[-1].method, call, needs, weights="result")


def _measured(step: Step) -> student.Measured:
    return student.Measured.model_validate(
        {
            "method": step.method,
            "teacher": step.teacher,
            "round": step.round,
            "step": step.at,
            "purpose": step.purpose,
            "scores": artifact(step.name, "scores.json"),
        }
    )


def _own_merges(s: Setting, data: dict[str, Any]) -> dict[str, str]:
    """mergekit files of the user's own, by their names in the portable recipe: shipped ones everybody has."""
    methods, found = s.recipe.methods, {}
    rounds = methods.mot.rounds if methods.mot else 0
    given = [(methods.mot.merges[:rounds], s.materials.merges[:rounds], "mot")] if methods.mot else []
    given += (
        [((methods.one_shot.merge,), (s.materials.one_shot,), "one_shot")]
        if methods.one_shot and s.materials.one_shot
        else []
    )
    for names, texts, method in given:
        moved = data["methods"][method].get("merge", "linear")
        called = [moved] * len(names) if isinstance(moved, str) else moved
        for name, (file, text), here in zip(names, texts, called, strict=True):
            if file == name:
                found[here] = text
    return found


def _inputs(s: Setting, places: dict[str, str]) -> list[Input]:
    """The outside files that a plan's fingerprints know, and what the portable recipe calls them."""
    found = []
    for name, path in places.items():
        _, room, *rest = name.split("/")
        teacher = next((one for one, link in s.materials.traces.items() if link == name), rest[0] if rest else "")
        what = _WHAT.get(room) or (f"recorded traces of {teacher}" if room == "traces" else f"the teacher {teacher}")
        found.append(Input(name=name, path=path, digest=s.materials.digests[name], what=what))
    return found


def _benchmarks(s: Setting) -> dict[str, dict[str, Any]]:
    """Task -> its data set on the hub and that one's revision, for tasks whose problems do not ship with us."""
    found = {}
    for purpose in ("main", "general"):
        suite = s.materials.suites.get(purpose)
        for task in suite.tasks if suite else ():
            _, about = lm_eval.data(task, suite.files if suite else ())
            if str(about.get("dataset", "")).count("/") == 1:  # org/name; others are files that ship with us
                found[task] = {"dataset": str(about["dataset"]), "revision": about.get("dataset_revision")}
    return found


def place_of(machine: Machine) -> dict[str, Any]:
    """What of the machine may move a result, though no fingerprint knows it; where things lie is not in it."""
    cut: list[str] = []
    place = machine.eval
    facts = {
        "gpus": machine.gpu_count,
        "train": machine.train,
        "eval": {
            "engine": place.engine,
            "batch_size": place.batch_size,
            "model_args": place.model_args,
            "device": place.device,
        },
        "merge": machine.merge.engine,
    }
    shown: dict[str, Any] = portable.shorten(facts, cut)
    return shown
