"""How many rounds: all of them, or, with `until: no_gain`, as many as the scores so far ask for.

A plan is a pure function of a recipe, so a run that stops early is planned round by round: what came of the rounds that are
done says whether the next one is part of the plan. Everything done is found again by its fingerprint.
"""

import json
from collections.abc import Callable

from mot_plugin.methods import chosen_after
from mot_plugin.recipe import Recipe
from mot_plugin.step import Plan
from mot_plugin.store import Store


def rounds(recipe: Recipe, plan_of: Callable[[Recipe], Plan], store: Store) -> tuple[Plan, str | None]:
    """The plan of the rounds that are known to be wanted, and the step that decides about more; None if that is settled."""
    mot = recipe.methods.mot
    if mot is None or mot.until is None:
        return plan_of(recipe), None
    for number in range(1, mot.rounds):
        plan = plan_of(_with(recipe, number))
        deciding = chosen_after(number)
        if not store.fresh(plan.prints[deciding]):
            return plan, deciding
        choice = json.loads((store.out(plan.prints[deciding]) / "choice.json").read_text(encoding="utf-8"))
        if choice["round"] != number:  # an earlier one is at least as good
            return plan, None
    return plan_of(recipe), None


def _with(recipe: Recipe, rounds: int) -> Recipe:
    assert recipe.methods.mot is not None
    merge = recipe.methods.mot.merge
    fewer = {"rounds": rounds, "merge": merge if isinstance(merge, str) else merge[:rounds]}
    mot = recipe.methods.mot.model_copy(update=fewer)
    return recipe.model_copy(update={"methods": recipe.methods.model_copy(update={"mot": mot})})
