"""A model that was chosen by its score, scored again with answers sampled after the choice: nothing was chosen by those."""

from collections.abc import Sequence
from dataclasses import dataclass

from mot_plugin.evals.levels import Level, average, level
from mot_plugin.evals.paired import Paired, averaged
from mot_plugin.evals.statistics import Hits


@dataclass(frozen=True)
class Resampled:
    """The score that a model was chosen by, the one of fresh answers to the same problems, and the drop between them."""

    chosen: Level
    fresh: Level
    drop: Paired


def resampled(chosen: Sequence[Hits], fresh: Sequence[Hits], seed: int = 0) -> Resampled:
    """Both scores of one model, each from a table per benchmark with the same problems in the same order.

    The numbers of answers may differ. Raises ValueError for tables that do not match.
    """
    drop = averaged(list(zip(chosen, fresh, strict=True)), seed)
    return Resampled(average([level(table) for table in chosen]), average([level(table) for table in fresh]), drop)


def sentence(found: Resampled, name: str) -> str:
    """`MoT round 3 was chosen at 72.60; fresh answers score 71.40 ± 6.80, a drop of 1.20 ± 1.05 points.`"""
    drop = found.drop.value * 100
    words = f"a drop of {drop:.2f}" if drop >= 0 else f"a rise of {-drop:.2f}"
    return (
        f"{name} was chosen at {found.chosen.value * 100:.2f}; fresh answers score {found.fresh.value * 100:.2f}"
        f"{_error(found.fresh.stderr)}, {words}{_error(found.drop.stderr)} points."
    )


def _error(stderr: float | None) -> str:
    return "" if stderr is None else f" ± {stderr * 100:.2f}"
