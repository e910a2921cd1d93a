"""Losses of trainings, from the logs that LLaMA-Factory leaves, and of the probe corpora evaluated beside them."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.report.scores import Method

PROBE = "probe_loss.jsonl"
"""Beside the trainer's log: rows {step, loss, tokens, corpus}, of a fixed corpus that is not trained on."""


@dataclass(frozen=True)
class Probe:
    """The loss of one model on a fixed corpus; step 0 is the model that the training started from."""

    step: int
    loss: float
    corpus: str


@dataclass(frozen=True)
class Losses:
    """What one training logged: (optimizer step, loss), the first step being 1, and the tokens that it saw, if it counted."""

    method: Method
    teacher: str | None
    round: int | None
    steps: int
    rows: tuple[tuple[int, float], ...] = ()
    probes: tuple[Probe, ...] = ()
    tokens: int | None = None


def read(
    log: Path, method: Method, teacher: str | None, number: int | None, steps: int, merged: Path | None = None
) -> Losses:
    """The losses of one training; those of a log that is not there (yet) are empty.

    `merged` are the probe losses of the model that the training's branch was merged into: they come after its last step.

    A row that is broken off, or has no number, is left out: the trainer may be writing, or the loss be NaN.
    """
    rows: dict[int, float] = {}
    tokens = None
    for row in _rows(log):
        tokens = row.get("total_tokens", tokens)
        if _number(row.get("loss")) and "current_steps" in row:
            rows[int(row["current_steps"])] = float(row["loss"])
    probes = [*_probes(log.with_name(PROBE)), *(_probes(merged, after=steps) if merged else ())]
    return Losses(method, teacher, number, steps, tuple(sorted(rows.items())), tuple(probes), tokens)


def _probes(file: Path, after: int = 0) -> Iterator[Probe]:
    for row in _rows(file):
        if _number(row.get("loss")) and "step" in row:
            yield Probe(after + int(row["step"]), float(row["loss"]), str(row.get("corpus", "")))


def along(
    trainings: Iterable[Losses], method: Method, teacher: str | None
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """(points, merges) of a method's losses on one teacher's corpus, x being that teacher's optimizer steps.

    MoT's rounds stand one after the other; where one begins, K branches were merged.
    """
    chosen = _chosen(trainings, method, teacher)
    points = [(_start(one) + step, loss) for one in chosen for step, loss in one.rows]
    merges = [float(_start(one)) for one in chosen if one.round is not None and one.round > 1 and one.rows]
    return tuple((float(x), loss) for x, loss in points), tuple(merges)


def probed(
    trainings: Iterable[Losses], method: Method, teacher: str | None
) -> dict[str, tuple[tuple[float, float], ...]]:
    """Probe corpus -> points, along the same axis. Step 0 of a round is the merged model, after the branch's last."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in _chosen(trainings, method, teacher):
        for probe in one.probes:
            found.setdefault(probe.corpus, []).append((float(_start(one) + probe.step), probe.loss))
    return {corpus: tuple(points) for corpus, points in found.items()}


def round_steps(trainings: Sequence[Losses]) -> int | None:
    """Optimizer steps of one MoT branch; None without any."""
    return next((one.steps for one in trainings if one.method == "MoT"), None)


def _chosen(trainings: Iterable[Losses], method: Method, teacher: str | None) -> list[Losses]:
    chosen = [one for one in trainings if (one.method, one.teacher) == (method, teacher)]
    return sorted(chosen, key=lambda one: one.round or 0)


def _start(one: Losses) -> int:
    return ((one.round or 1) - 1) * one.steps


def _number(found: Any) -> bool:
    return isinstance(found, int | float) and math.isfinite(found)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            yield row
