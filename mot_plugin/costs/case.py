"""Plans to be priced, alone or together: which steps have to run, what they take, and what of one waits for another's student."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mot_plugin.costs import jobs
from mot_plugin.costs.ground import Ground, ground
from mot_plugin.costs.price import Price
from mot_plugin.costs.simulate import Job
from mot_plugin.machine import Machine
from mot_plugin.materials import Materials
from mot_plugin.recipe import Recipe
from mot_plugin.step import Plan, Step
from mot_plugin.store import Store


@dataclass(frozen=True)
class Case:
    """One plan with the names of its steps that have to run, and the prices of these."""

    ground: Ground
    plan: Plan
    todo: tuple[str, ...]
    priced: tuple[tuple[str, Price], ...]
    """(fingerprint, price)."""

    @property
    def name(self) -> str:
        """The recipe's."""
        return self.ground.recipe.name


def case(
    recipe: Recipe, machine: Machine, gathered: Materials, plan: Plan, todo: Iterable[str], store: Store | None = None
) -> Case:
    """Price one plan. `store`: where finished corpora are counted."""
    stands_on, wanted = ground(recipe, machine, gathered, plan, store), tuple(todo)
    return Case(stands_on, plan, wanted, tuple(jobs.prices(stands_on, plan, wanted)))


def together(cases: Sequence[Case]) -> list[Job]:
    """All of them as the jobs of one simulation, each shared step once. What asks another run's student waits for that choice."""
    made = [jobs.jobs(one.priced, one.plan.prints, f"{one.name}: " if len(cases) > 1 else "") for one in cases]
    chosen = {one.name: one for one in cases}
    for one, own in zip(cases, made, strict=True):
        for number, job in enumerate(own):
            teacher = (
                one.ground.recipe.teachers.get(job.name.rpartition("traces/")[2]) if job.kind == "traces" else None
            )
            other = chosen.get(Path(teacher.run).name) if teacher and teacher.run else None
            if teacher and other:
                more = tuple(other.plan.prints[step.name] for step in choices(other.plan, teacher.student))
                own[number] = job.after(more)
    return jobs.joined(made)


def choices(plan: Plan, student: str) -> list[Step]:
    """The steps that a run's student of a method (base, STD, MTD, MoT) is ready after."""
    if student == "base":
        return [step for step in plan.steps if step.kind == "student"]
    return [
        step for step in plan.steps if step.kind == "select" and step.method == student and step.weights == "result"
    ]
