"""What a plan costs in optimizer steps, by method, and how many rounds of it are certain: what a fair comparison asks first."""

from collections.abc import Iterator
from dataclasses import dataclass

from mot_plugin.methods import chosen_after
from mot_plugin.recipe import Recipe
from mot_plugin.step import Method, Plan

TRAINED: tuple[Method, ...] = ("MoT", "STD", "MTD", "STD-matched", "MTD-matched")


@dataclass(frozen=True)
class Effort:
    """All trainings of one method. `longest` is the longest way of one model: a teacher's branches over all rounds, or one run."""

    method: Method
    trainings: int
    steps: int
    longest: int
    sequences: int


def efforts(plan: Plan, recipe: Recipe) -> Iterator[Effort]:
    """Of every method that trains, in the order of TRAINED."""
    for method in TRAINED:
        trained = [step for step in plan.steps if step.kind == "train" and step.method == method]
        if trained:
            by_teacher: dict[str | None, int] = {}
            for step in trained:
                by_teacher[step.teacher] = by_teacher.get(step.teacher, 0) + (step.at or 0)
            steps = sum(by_teacher.values())
            yield Effort(method, len(trained), steps, max(by_teacher.values()), steps * recipe.global_batch_size)


def words(plan: Plan, recipe: Recipe) -> str:
    """`optimizer steps of 64 sequences: MoT 1,000 (20 branches, 250 for each teacher), STD 250 for each of 4, MTD 250`."""
    said = [_one(effort) for effort in efforts(plan, recipe)]
    return f"optimizer steps of {recipe.global_batch_size} sequences: {'; '.join(said)}" if said else ""


def _one(effort: Effort) -> str:
    total = f"{effort.method} {effort.steps:,} ({effort.sequences:,} sequences)"
    if effort.method == "MoT":
        return f"{total} in {effort.trainings} branches, {effort.longest:,} with each teacher"
    if effort.trainings > 1:
        return f"{total} in {effort.trainings} trainings of {effort.longest:,}"
    return total


def rounds(plan: Plan, recipe: Recipe, deciding: str | None) -> str:
    """How far `until` has decided about the rounds; empty for a recipe that runs all of them."""
    mot = recipe.methods.mot
    if mot is None or mot.until is None:
        return ""
    known = sum(step.kind == "merge" and step.method == "MoT" for step in plan.steps)
    if deciding is not None:
        return f"rounds: {known} of at most {mot.rounds} so far; {deciding} decides about the next one"
    if known < mot.rounds:
        return f"rounds: {known} of at most {mot.rounds}; {chosen_after(known)} found no gain"
    return f"rounds: all {known}"
