"""What a run's tools ran on, from the records of its steps: packages with their versions, and hardware."""

from mot_plugin.step import Plan
from mot_plugin.store import Store

_Pairs = list[tuple[str, str]]


def tools(plan: Plan, store: Store) -> _Pairs:
    """(package, version); where steps had different ones, each with the tools that it was there for."""
    found: dict[str, dict[str, set[str]]] = {}
    for step in plan.steps:
        record = store.record(plan.prints[step.name])
        for tool, packages in (record.tools if record else {}).items():
            for package, version in packages.items():
                found.setdefault(package, {}).setdefault(version, set()).add(tool)
    return [(package, _versions(versions)) for package, versions in sorted(found.items())]


def hardware(plan: Plan, store: Store) -> _Pairs:
    """(part, what it is); several where steps ran in several places."""
    found: dict[str, dict[str, None]] = {}
    for step in plan.steps:
        record = store.record(plan.prints[step.name])
        for part, words in (record.hardware if record else {}).items():
            found.setdefault(part, {})[words] = None
    return [(part, "; ".join(words)) for part, words in found.items()]


def _versions(found: dict[str, set[str]]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{version} ({', '.join(sorted(tools))})" for version, tools in sorted(found.items()))
