"""What a run cost: time and GPU-hours by kind of step and by method, and tokens, from records and summaries."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mot_plugin import glance
from mot_plugin.folder import Folder
from mot_plugin.pages.timeline import Span
from mot_plugin.report.tables import Table
from mot_plugin.step import Plan

_NONE = "\N{EN DASH}"
_ORDER = ("data", "base", "MoT", "STD", "MTD", "one-shot", "STD-matched", "MTD-matched", "report")


def gpu_hours(spans: Iterable[Span]) -> float:
    """GPUs that steps asked for, times the time that they took."""
    return sum(span.gpus * span.seconds for span in spans) / 3600


def tables(spans: Sequence[Span]) -> list[Table]:
    """By kind of step and by method. Only the last attempt of a step is counted: earlier ones keep no times."""
    gpus = any(span.gpus for span in spans)
    kinds = sorted({span.kind for span in spans}, key=lambda kind: -sum(s.seconds for s in spans if s.kind == kind))
    methods = sorted(
        {span.method for span in spans}, key=lambda name: (_ORDER.index(name) if name in _ORDER else 99, name)
    )
    by_kind = [_row(kind, [span for span in spans if span.kind == kind], gpus=gpus) for kind in kinds]
    by_method = [_row(name, [span for span in spans if span.method == name], gpus=gpus) for name in methods]
    head = ("Steps", "Time", *(("GPU-hours",) if gpus else ()), "Peak memory")
    notes = _notes(spans, gpus=gpus)
    whole = _row("all", spans, gpus=gpus)
    return [
        Table("Time by kind of step", ("Kind", *head), (*by_kind, whole), tuple(notes)),
        Table("Time by method", ("Method", *head), (*by_method, whole)),
    ]


def tokens(folder: Folder, plan: Plan) -> Table | None:
    """What teachers wrote, and what is trained on: tokens of the corpora's rows, by the student's tokenizer."""
    rows: list[tuple[str, ...]] = []
    for step in plan.steps:
        if step.kind not in ("traces", "corpus"):
            continue
        summary = _json(folder.root / "artifacts" / step.name / "summary.json")
        if step.kind == "traces" and "completion_tokens" in summary:
            rows.append(
                (step.name, "written by the teacher", f"{summary['completion_tokens']:,}", f"{summary['samples']:,}")
            )
        elif step.kind == "corpus" and "tokens" in summary:
            rows.append((step.name, "in rows to train on", f"{summary['tokens']['total']:,}", f"{summary['kept']:,}"))
    return Table("Tokens", ("Step", "What", "Tokens", "Samples or rows"), tuple(rows)) if rows else None


def _row(name: str, spans: Sequence[Span], *, gpus: bool) -> tuple[str, ...]:
    seconds = sum(span.seconds for span in spans)
    peak = max((span.peak_mb or 0 for span in spans), default=0)
    hours = (f"{gpu_hours(spans):.2f}",) if gpus else ()
    return (name, str(len(spans)), glance.clock(seconds), *hours, f"{peak:,} MB" if peak else _NONE)


def _notes(spans: Sequence[Span], *, gpus: bool) -> list[str]:
    again, shared = [s for s in spans if s.attempts > 1], [s for s in spans if s.elsewhere]
    notes = ["Of the last attempt of each step; the memory is that of its largest process."]
    if again:
        many = f"{len(again)} {'steps' if again[1:] else 'step'}"
        notes.append(f"{many} took more than one attempt; earlier ones are not in it.")
    if shared:
        many = f"{len(shared)} {'steps were' if shared[1:] else 'step was'}"
        notes.append(f"{many} made by another run and reused: their time is in it.")
    if not gpus:
        notes.append("No step asked for a GPU.")
    return notes


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return loaded
