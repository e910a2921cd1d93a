"""How long some plans take on 8, 16, 32, ... GPUs, played through by events, and what keeps more GPUs from helping."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mot_plugin.costs.case import Case, together
from mot_plugin.costs.jobs import as_wide
from mot_plugin.costs.price import price
from mot_plugin.costs.simulate import Job, Order, Schedule, simulate

CHAIN = 0.95
"""From this share of the time on, it is the longest chain that takes it."""
FULL = 0.9
"""From this share of all GPUs' time on, it is the GPUs that are too few."""


@dataclass(frozen=True)
class Point:
    """One number of GPUs, and one width of trainings."""

    gpus: int
    width: int
    schedule: Schedule

    @property
    def hours(self) -> float:
        """Until everything is done."""
        return self.schedule.makespan / 3600

    @property
    def gpu_hours(self) -> float:
        """That steps hold, idle GPUs not counted."""
        return self.schedule.work / 3600

    @property
    def bound(self) -> str:
        """What it is that takes the time."""
        if self.schedule.path >= CHAIN * self.schedule.makespan:
            return "longest chain"
        if self.schedule.utilisation >= FULL:
            return "GPUs"
        return "both"


def scale(cases: Sequence[Case], counts: Iterable[int], widths: Sequence[int], order: Order = "fifo") -> list[Point]:
    """Every number of GPUs with every width that it has room for. Raises ValueError for a width that is no whole nodes."""
    machine = cases[0].ground.machine
    jobs = {width: together([as_wide_as(one, width) for one in cases]) for width in widths}
    found = []
    for count in counts:
        nodes, left = divmod(count, machine.gpu_count)
        if left or not nodes:
            raise ValueError(f"{count} GPUs are no whole nodes of {machine.gpu_count}")
        found += [
            Point(count, width, simulate(made, nodes, machine.gpu_count, order))
            for width, made in jobs.items()
            if width <= count
        ]
    return found


def as_wide_as(case: Case, width: int) -> Case:
    """The same plan with its trainings on so many GPUs each."""
    ground, priced = case.ground, []
    for fingerprint, one in case.priced:
        step = as_wide(one.step, ground.machine, width)
        priced.append((fingerprint, one if step is one.step else price(ground, step)))
    return replace(case, priced=tuple(priced))


def best(points: Iterable[Point]) -> list[Point]:
    """Of each number of GPUs the width that ends first; of equals the one that holds fewer GPUs."""
    found: dict[int, Point] = {}
    for point in points:
        other = found.get(point.gpus)
        if other is None or (point.hours, point.gpu_hours) < (other.hours, other.gpu_hours):
            found[point.gpus] = point
    return list(found.values())


def shares(chain: Sequence[Job]) -> dict[str, float]:
    """Kind of step -> its share of a chain's time, most first."""
    whole = sum(job.seconds for job in chain)
    found: dict[str, float] = {}
    for job in chain:
        found[job.kind] = found.get(job.kind, 0.0) + job.seconds / whole if whole else 0.0
    return dict(sorted(found.items(), key=lambda item: -item[1]))
