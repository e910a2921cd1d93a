"""Prices added up: of one plan, and of several that share steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mot_plugin.costs.price import Price


@dataclass(frozen=True)
class Total:
    """The sum of some prices. `hours` are GPU-hours, or hours of steps where no step holds a GPU."""

    prices: tuple[Price, ...]
    gpus: bool
    hours: float
    by_kind: dict[str, float] = field(default_factory=dict)
    """Hours of each kind of step that has some, most first."""

    @property
    def seconds(self) -> float:
        """All steps one after the other."""
        return sum(one.seconds for one in self.prices)

    @property
    def steps(self) -> int:
        """Of the optimizer."""
        return sum(one.amount.steps for one in self.prices)

    @property
    def sequences(self) -> int:
        """That trainings see."""
        return sum(one.amount.sequences for one in self.prices)

    @property
    def trained(self) -> float:
        """Tokens that trainings see."""
        return sum(one.amount.trained for one in self.prices)

    def generated(self, kind: str) -> tuple[int, float, float]:
        """(steps, generations, tokens) of the evaluations or the asking of teachers."""
        found = [one for one in self.prices if one.step.kind == kind]
        return len(found), sum(one.amount.generations for one in found), sum(one.amount.generated for one in found)

    @property
    def tokens(self) -> float:
        """Trained on and generated."""
        return self.trained + sum(one.amount.generated for one in self.prices)


def total(prices: Iterable[Price], *, gpus: bool) -> Total:
    """`gpus`: whether the machine has some, so that what holds none costs nothing."""
    found = tuple(prices)
    by_kind: dict[str, float] = {}
    for one in found:
        hours = one.gpu_hours if gpus else one.seconds / 3600
        by_kind[one.step.kind] = by_kind.get(one.step.kind, 0.0) + hours
    ordered = {kind: hours for kind, hours in sorted(by_kind.items(), key=lambda item: -item[1]) if hours}
    return Total(found, gpus, sum(by_kind.values()), ordered)


@dataclass(frozen=True)
class Shared:
    """Several plans: each alone, what each adds to those before it, and all of them with every shared step once."""

    alone: tuple[Total, ...]
    added: tuple[Total, ...]
    whole: Total

    @property
    def without(self) -> float:
        """Hours if each ran in a world of its own."""
        return sum(one.hours for one in self.alone)


def shared(plans: Sequence[Sequence[tuple[str, Price]]], *, gpus: bool) -> Shared:
    """From (fingerprint, price) of every step that has to run, plan by plan."""
    seen: set[str] = set()
    added = []
    for plan in plans:
        new = [(fingerprint, one) for fingerprint, one in plan if fingerprint not in seen]
        seen |= {fingerprint for fingerprint, _ in new}
        added.append(total((one for _, one in new), gpus=gpus))
    alone = tuple(total((one for _, one in plan), gpus=gpus) for plan in plans)
    return Shared(alone, tuple(added), total((one for part in added for one in part.prices), gpus=gpus))
