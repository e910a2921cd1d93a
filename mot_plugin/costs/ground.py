"""What an estimate stands on: recipe, machine, how large the models are, and what finished steps have shown already."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mot_plugin import recipe as recipes
from mot_plugin.blocks import UNION
from mot_plugin.corpora import PROBLEMS
from mot_plugin.costs import answers, shape
from mot_plugin.costs.answers import Asked
from mot_plugin.costs.shape import Shape
from mot_plugin.folder import Folder
from mot_plugin.machine import Machine
from mot_plugin.materials import Materials, Suite, suites_of
from mot_plugin.rates import Rates
from mot_plugin.recipe import Recipe
from mot_plugin.step import Plan
from mot_plugin.store import Store


@dataclass(frozen=True)
class Seen:
    """What is known because it was made: tokens of a row by corpus step, and how many problems there are."""

    rows: Mapping[str, float] = field(default_factory=dict)
    problems: int | None = None


@dataclass(frozen=True)
class Ground:
    """All that prices are made from."""

    recipe: Recipe
    machine: Machine
    student: Shape
    teachers: Mapping[str, Shape]
    suites: Mapping[str, Suite]
    """By purpose: the tasks of an evaluation."""
    seen: Seen = Seen()

    @property
    def tasks(self) -> tuple[str, ...]:
        """All that are evaluated."""
        return tuple(dict.fromkeys(task for suite in self.suites.values() for task in suite.tasks))

    def asked(self, purpose: str) -> Asked:
        """What an evaluation asks one model."""
        return answers.asked(self.suites[purpose], self.machine.costs.answer_tokens)

    def at(self, rates: Rates) -> "Ground":
        """The same on a machine that is as fast as this."""
        return replace(self, machine=self.machine.model_copy(update={"costs": rates}))

    def unseen(self) -> "Ground":
        """The same before anything ran."""
        return replace(self, seen=Seen())

    @property
    def live(self) -> list[str]:
        """Teachers that are asked."""
        return [name for name, teacher in self.recipe.teachers.items() if teacher.live]

    def row_tokens(self, corpus: str) -> float:
        """Mean tokens of a training row: counted, as that of other corpora of the recipe, or a share of the longest."""
        known = self.seen.rows
        if corpus in known:
            return known[corpus]
        if known:
            return sum(known.values()) / len(known)
        return float(self.recipe.sft["cutoff_len"] * self.machine.costs.row_share)

    def corpus_of(self, teacher: str | None) -> str:
        """The step whose rows a training on this teacher reads."""
        return UNION if teacher is None else f"corpus/{teacher}"

    @property
    def problems(self) -> int:
        """What every live teacher is asked."""
        return self.seen.problems or self.recipe.source.sample or round(self.machine.costs.problems)

    def sample_tokens(self, teacher: str) -> float:
        """Mean tokens of one sample of a live teacher."""
        return self.recipe.sampling_of(teacher).max_tokens * self.machine.costs.trace_share

    def samples(self, teacher: str) -> float:
        """How many of a problem are drawn."""
        sampling = self.recipe.sampling_of(teacher)
        return sampling.n if sampling.mode == "all" else min(sampling.n, self.machine.costs.draws)


def ground(recipe: Recipe, machine: Machine, gathered: Materials, plan: Plan, store: Store | None) -> Ground:
    """Of a plan, as it was made here. `store`: where finished corpora are counted."""
    return of(recipe, machine, gathered.links, gathered.suites, seen(plan, store) if store is not None else Seen())


def of_run(folder: Folder) -> Ground:
    """Of a run folder, as it is now. Raises FileError for a folder that is no run."""
    plan = folder.plan()
    made = recipes.load(folder.root / "recipe.yaml")
    return of(made, folder.machine(), plan.links, dict(suites_of(made)), seen(plan, folder.store()))


def of(recipe: Recipe, machine: Machine, links: Mapping[str, str], suites: Mapping[str, Suite], known: Seen) -> Ground:
    """Looks at the models that are here: config.json, and the sizes of their files."""
    folder = links.get("inputs/student")
    student = shape.of_folder(recipe.student, Path(folder)) if folder else shape.of_name(recipe.student)
    teachers = {}
    for name, teacher in recipe.teachers.items():
        if teacher.live:
            called = teacher.model or Path(teacher.run or name).name
            local = links.get(f"inputs/teachers/{name}")
            found = shape.of_folder(called, Path(local)) if local else None
            teachers[name] = found or shape.of_name(called) or shape.assumed(called)
    return Ground(recipe, machine, student or shape.assumed(recipe.student), teachers, suites, known)


def seen(plan: Plan, store: Store) -> Seen:
    """What finished corpora and problems of a plan say."""
    rows, problems = {}, None
    for step in plan.steps:
        if step.kind not in ("corpus", "source"):
            continue
        summary = _json(store.out(plan.prints[step.name]) / "summary.json")
        if step.kind == "corpus" and summary.get("kept"):
            rows[step.name] = summary["tokens"]["total"] / summary["kept"]
        if step.name == PROBLEMS and summary.get("ids"):
            problems = len(summary["ids"])
    return Seen(rows, problems)


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
