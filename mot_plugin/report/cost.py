"""What a checkpoint took: optimizer steps, sequences, tokens and GPU time of all that had to be done before it is there.

The K branches of a MoT round count K times, as they are K trainings. Evaluations are not counted: they are measuring, not
making. Teachers' time is there only where they ran on this machine; their tokens are estimated where traces were given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mot_plugin.report.scores import Checkpoint, Method


@dataclass(frozen=True)
class Spent:
    """One step of a run that made something. None: not known.

    traces: `tokens` that a teacher generated; train: `steps` optimizer steps on `sequences` rows of `tokens` in all; merge.
    """

    kind: Literal["traces", "train", "merge"]
    method: Method | None = None
    teacher: str | None = None
    round: int | None = None
    steps: int = 0
    sequences: int | None = None
    tokens: float | None = None
    seconds: float | None = None
    gpus: int = 0
    estimated: bool = False
    """The tokens are an estimate."""


@dataclass(frozen=True)
class Cost:
    """The sum for one checkpoint; None where a part is not known. `hours` are GPU-hours, or hours where there is no GPU."""

    steps: int
    sequences: int | None
    teacher_tokens: float | None
    training_tokens: float | None
    hours: float | None

    @property
    def tokens(self) -> float | None:
        """Generated and trained on."""
        known = self.teacher_tokens is not None and self.training_tokens is not None
        return (self.teacher_tokens or 0) + (self.training_tokens or 0) if known else None


NOTHING = Cost(0, 0, 0.0, 0.0, 0.0)


def of(checkpoint: Checkpoint, spent: Sequence[Spent]) -> Cost | None:
    """What a checkpoint took, all in all; None where nothing is known of how it was made."""
    if checkpoint.method == "base":
        return NOTHING
    made = [(one, share) for one in spent if (share := _share(checkpoint, one)) > 0]
    if not any(one.kind == "train" for one, _ in made):
        return None
    own = None if checkpoint.method not in ("STD", "STD-matched") else checkpoint.teacher
    asked = [one for one in spent if one.kind == "traces" and own in (None, one.teacher)]
    trained = [(one, share) for one, share in made if one.kind == "train"]
    timed = [(one, 1.0) for one in asked if one.seconds is not None] + made
    devices = any(one.gpus for one in spent)
    return Cost(
        steps=round(sum(one.steps * share for one, share in trained)),
        sequences=_whole(_sum((one.sequences, share) for one, share in trained)),
        teacher_tokens=_sum((one.tokens, 1.0) for one in asked) if asked else None,
        training_tokens=_sum((one.tokens, share) for one, share in trained),
        hours=_sum(
            (None if one.seconds is None else one.seconds * (one.gpus if devices else 1) / 3600, share)
            for one, share in timed
        ),
    )


def _share(checkpoint: Checkpoint, one: Spent) -> float:
    """How much of a training or merge a checkpoint needs: of a training in which it was saved, the steps up to it."""
    if one.kind == "traces":
        return 0.0
    if checkpoint.method == "one-shot":
        return float(one.method == "one-shot" or (one.method == "STD" and one.kind == "train"))
    if one.method != checkpoint.method:
        return 0.0
    if checkpoint.method == "MoT":
        return float(one.round is not None and checkpoint.round is not None and one.round <= checkpoint.round)
    if one.teacher != checkpoint.teacher or checkpoint.step is None or not one.steps:
        return 0.0
    return min(1.0, checkpoint.step / one.steps)


def _sum(parts: Iterable[tuple[float | None, float]]) -> float | None:
    """The weighted sum, None if one part is."""
    total = 0.0
    for value, share in parts:
        if value is None:
            return None
        total += value * share
    return total


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
