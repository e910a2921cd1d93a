"""How much weights lie on the disk at once: the plan played through in its order, with the deletions of state.py.

A choice holds its winner's weights by hard links, and what no step that has to run reads is deleted when its last reader ends.
Who wins is not known beforehand: without a word about it, the winner is the one that keeps most.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mot_plugin.costs.ground import Ground
from mot_plugin.costs.sizes import Sizes, sizes
from mot_plugin.step import Plan, Step

Winner = Callable[[Step], tuple[str, int]]
"""Of a choice: the step that it needs whose model it chose, and which of that step's models."""
Blob = tuple[str, int]
"""One model: the key of who wrote it, and its number there."""
BESIDE = -1
"""Number of what lies beside a step's models."""


@dataclass(frozen=True)
class Load:
    """One step as a disk sees it. `key` is the fingerprint: the same for the same step of several plans."""

    key: str
    name: str
    needs: tuple[str, ...]
    size: Sizes
    temporary: bool
    holds: tuple[str, int] | None = None
    """A choice: key of the step, and number of its model, that it holds by a hard link."""
    options: tuple[str, ...] = ()
    """A choice: keys of all steps among which it may choose."""
    model: float = 0.0
    """Bytes of the largest model that it leaves or may hold."""
    present: bool = False
    """It is done already."""


@dataclass(frozen=True)
class Mark:
    """The most bytes of weights at once, the step that ends with them, and what is left in the end."""

    peak: float
    during: str
    stays: float
    course: tuple[tuple[str, float], ...] = ()
    """(step, bytes at the end of its work) of every step that has to run."""


def loads(
    ground: Ground, plan: Plan, todo: Iterable[str], *, keep_all: bool = False, winner: Winner | None = None
) -> list[Load]:
    """All steps of a plan; `todo` are those that have to run."""
    running, by_name = set(todo), {step.name: step for step in plan.steps}
    found, largest = [], dict[str, float]()
    for step in plan.steps:
        options = [name for name in step.needs if by_name[name].kind in ("train", "merge", "select")]
        holds = None
        if step.kind in ("select", "ship") and options:
            name, number = winner(step) if winner and step.kind == "select" else (_keeps_most(options, by_name), 0)
            holds = (plan.prints[name], number)
        size = sizes(ground, step)
        largest[step.name] = max((*size.models, *(largest[name] for name in options if holds)), default=0.0)
        found.append(
            Load(
                plan.prints[step.name],
                step.name,
                () if step.kind == "report" else tuple(plan.prints[need] for need in step.needs),
                size,
                step.weights == "temporary" and not keep_all,
                holds,
                tuple(plan.prints[name] for name in options) if holds else (),
                largest[step.name],
                step.name not in running,
            )
        )
    return found


def _keeps_most(options: Sequence[str], by_name: Mapping[str, Step]) -> str:
    """The choice before this one, if there was one: then its model stays beside the newest."""
    return next((name for name in options if by_name[name].kind == "select"), options[0])


def union(plans: Iterable[Iterable[Load]]) -> list[Load]:
    """Plans that are run one after the other as one: what one keeps is kept, what several have is made once."""
    known: dict[str, Load] = {}
    for load in (load for plan in plans for load in plan):
        if load.key not in known or (known[load.key].temporary and not load.temporary):
            known[load.key] = load
    return list(known.values())


def readers(loads: Sequence[Load]) -> dict[str, set[str]]:
    """Key -> the steps that have to run and need it."""
    found: dict[str, set[str]] = {load.key: set() for load in loads}
    for load in loads:
        for need in load.needs if not load.present else ():
            if need in found:
                found[need].add(load.key)
    return found


def mark(loads: Sequence[Load]) -> Mark:
    """One step after the other, in this order."""
    by_key, waiting = {load.key: load for load in loads}, readers(loads)
    disk = Disk()
    for load in loads:
        if load.present and (not load.temporary or waiting[load.key]):
            disk.take(load)
    peak, during = disk.bytes, ""
    course = list[tuple[str, float]]()
    for load in loads:
        if load.present:
            continue
        if disk.bytes + load.size.working > peak:
            peak, during = disk.bytes + load.size.working, load.name
        course.append((load.name, disk.bytes + load.size.working))
        disk.take(load)
        for need in {*load.needs, load.key} & by_key.keys():
            waiting[need].discard(load.key)
            if by_key[need].temporary and not waiting[need]:
                disk.drop(need)
    return Mark(peak, during, disk.bytes, tuple(course))


@dataclass
class Disk:
    """What lies there: models, and who holds each."""

    bytes: float = 0.0
    _holders: dict[Blob, set[str]] = field(default_factory=dict)
    _sizes: dict[Blob, float] = field(default_factory=dict)
    _held: dict[str, list[Blob]] = field(default_factory=dict)

    def take(self, load: Load) -> None:
        """What a step leaves: models of its own, or another name for one that is there."""
        if load.holds is not None:
            key, number = load.holds
            there = [blob for blob in self._held.get(key, []) if blob[1] != BESIDE]
            if there:
                self._hold(load.key, [there[min(number, len(there) - 1)]])
                return
            # A choice that was made before, of a model whose maker's own name for it is gone.
        models = load.size.models if load.holds is None else (load.model,) * bool(load.model)
        blobs = {(load.key, number): size for number, size in enumerate(models)}
        if load.size.beside:
            blobs[load.key, BESIDE] = load.size.beside
        for blob, size in blobs.items():
            self._sizes[blob] = size
            self.bytes += size
        self._hold(load.key, list(blobs))

    def _hold(self, key: str, blobs: list[Blob]) -> None:
        self._held[key] = blobs
        for blob in blobs:
            self._holders.setdefault(blob, set()).add(key)

    def drop(self, key: str) -> None:
        """A step's weights are deleted; those that another one holds, too, stay."""
        for blob in self._held.pop(key, []):
            self._holders[blob].discard(key)
            if not self._holders[blob]:
                self.bytes -= self._sizes[blob]
