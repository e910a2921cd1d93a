"""What is done, what has to run, and why; and which weights nobody reads any more."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mot_plugin.step import MISSING, Plan, Step
from mot_plugin.store import Store


@dataclass(frozen=True)
class Status:
    """`done` or `todo`, and the reason in words."""

    state: Literal["done", "todo"]
    why: str


def judge(plan: Plan, store: Store, before: Mapping[str, Mapping[str, str]]) -> dict[str, Status]:
    """Status of every step, in plan order. `before` are the fingerprint parts of this run's last plan, by step name.

    Walks from the end: a step with temporary weights runs only if one that has to run reads them.
    """
    found: dict[str, Status] = {}
    for step in reversed(plan.steps):
        readers = [reader.name for reader in plan.readers(step.name) if found[reader.name].state == "todo"]
        found[step.name] = _status(plan, step, store, readers, before)
    return {step.name: found[step.name] for step in plan.steps}


def _status(
    plan: Plan, step: Step, store: Store, readers: list[str], before: Mapping[str, Mapping[str, str]]
) -> Status:
    fingerprint = plan.prints[step.name]
    record = store.record(fingerprint)
    fresh, whole = store.fresh(fingerprint), store.whole(fingerprint)
    if step.weights == "temporary":
        needed = bool(readers) and not whole
    elif step.weights == "result":
        needed = not whole
    else:
        needed = not fresh or (bool(readers) and not whole)
    if needed:
        return Status("todo", _why(plan, step, store, readers, before))
    if record is None or not fresh:
        return Status("done", "not needed: what reads it is done")
    elsewhere = "" if record.run == plan.recipe else f" elsewhere (run {record.run})"
    return Status("done", f"done{elsewhere}" + (", weights deleted" if record.deleted else ""))


def _why(plan: Plan, step: Step, store: Store, readers: list[str], before: Mapping[str, Mapping[str, str]]) -> str:
    absent = [name for name in step.inputs if plan.parts[step.name][name] == MISSING]
    if absent:
        return "input missing: " + ", ".join(os.path.relpath(plan.links.get(name, name)) for name in absent)
    record = store.record(plan.prints[step.name])
    if record is not None:
        if record.state == "running":
            return "was interrupted"
        if record.state == "cancelled":
            return "was stopped"
        if record.state == "failed":
            return f"failed: {(record.error or '').splitlines()[0]}"
        if record.deleted:
            return f"its weights were deleted, {readers[0]} needs them" if readers else "its weights were deleted"
        return "its artifact is gone"
    was, now = before.get(step.name), plan.parts[step.name]
    if was is None:
        return "never ran"
    changed = sorted(part for part in {*was, *now} if was.get(part) != now.get(part))
    return (
        f"changed: {', '.join(changed[:2])}" + (f" and {len(changed) - 2} more" if changed[2:] else "")
        if changed
        else "never ran"
    )


def collectable(plan: Plan, store: Store, others: Iterable[Plan] = ()) -> list[Step]:
    """Steps whose temporary weights are still there although nobody needs them: neither this run nor the `others`."""
    wanted = _wanted(plan, store)
    unread = [
        step
        for step in plan.steps
        if step.weights == "temporary"
        and plan.prints[step.name] not in wanted
        and store.held(plan.prints[step.name], step.call.weights)
    ]
    ours = {plan.prints[step.name] for step in unread}
    if ours:
        wanted = set().union(*(_wanted(other, store) for other in others if ours & set(other.prints.values())))
    return [step for step in unread if plan.prints[step.name] not in wanted]


def _wanted(plan: Plan, store: Store) -> set[str]:
    """Fingerprints whose weights are this run's results, or are read by a step of it that has to run."""
    found = judge(plan, store, {})
    return {
        plan.prints[step.name]
        for step in plan.steps
        if step.weights != "temporary" or any(found[reader.name].state == "todo" for reader in plan.readers(step.name))
    }
