"""One line about a step: what it is doing now, or what came of it. Reads small files, and does without missing ones."""

import json
import statistics
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mot_plugin.folder import Folder
from mot_plugin.report.losses import PROBE
from mot_plugin.step import Plan, Step
from mot_plugin.store import Record, Store
from mot_plugin.teachers import progress
from mot_plugin.tools import llamafactory


def now(folder: Folder, step: Step) -> tuple[float | None, str]:
    """(share done or None, words) of a running step."""
    if step.kind == "train":
        trained = _training(folder.work(step.name))
        if trained:
            at, of, loss = trained
            return at / of, f"optimizer step {at} of {of}, loss {loss:.3f}"
        return None, "loading"
    if step.kind == "evaluate":
        counts = progress.read(folder.work(step.name))
        if counts is None:
            return None, "loading"
        return counts["done"] / counts["of"], f"{counts['done']} of {counts['of']} answers"
    if step.kind == "traces" and (counts := progress.read(folder.work(step.name))):
        return counts["done"] / counts["prompts"], progress.brief(counts)
    return None, "working"


def result(folder: Folder, step: Step) -> str:
    """What a finished step left, in words."""
    out = folder.root / "artifacts" / step.name
    if step.kind == "train":
        trained = _training(out)
        return f"loss {trained[2]:.3f}" if trained and trained[2] is not None else ""
    if step.kind == "evaluate":
        tasks = _json(out / "scores.json").get("tasks", {})
        return ", ".join(_score(task, found) for task, found in tasks.items())
    if step.kind == "merge":
        found = _json(out / "diagnostics" / "diagnostics.json").get("all", {}).get("consensus")
        return f"consensus {found:.2f}" if found is not None else ""
    if step.kind == "corpus":
        summary = _json(out / "summary.json")
        return f"{summary['kept']} of {summary['prompts']} prompts" if summary else ""
    if step.kind == "source":
        summary = _json(out / "summary.json")
        return f"{summary['counts']['drawn']} of {summary['counts']['rows']} rows" if summary else ""
    if step.kind == "traces":
        return _asked(_json(out / "summary.json"))
    if step.kind == "probe-loss":
        probed = _json(out / PROBE).get("loss")  # a file of one line
        return f"probe loss {probed:.3f}" if probed is not None else ""
    if step.kind == "select":
        chosen = _json(out / "choice.json")
        return f"best so far: {chosen['label']}, {chosen['average']}" if chosen else ""
    return ""


def _training(folder: Path) -> tuple[int, int, float | None] | None:
    """Progress of a training below `folder`; one of an adapter writes beside the model that comes of it."""
    return llamafactory.progress(folder / "model") or llamafactory.progress(folder / "adapter")


def remaining(
    plan: Plan, todo: Sequence[Step], store: Store, *, running: Collection[str] = (), at: float = 0.0
) -> float | None:
    """Seconds until `todo` is done, by the median of finished steps alike; None while one is unknown.

    As many run side by side as did so far on average, but no step before those that it needs. What `running` ones have behind
    them at the moment `at` is theirs. Trainings of baselines and of branches differ in length: steps are alike by kind and method.
    """
    records = _records(plan, store)
    took = _took(plan, records)
    if _unlike(todo, took):
        return None
    expected: dict[str, float] = {}
    for step in todo:
        record = records[step.name]
        behind = max(0.0, at - record.started) if step.name in running and record else 0.0
        expected[step.name] = max(0.0, statistics.median(took.get(_alike(step), [0.0])) - behind)
    ends: dict[str, float] = {}
    for step in todo:  # in an order that works
        ends[step.name] = expected[step.name] + max((ends[need] for need in step.needs if need in ends), default=0.0)
    return max([sum(expected.values()) / _side_by_side(records.values()), *ends.values()])


def unlike(plan: Plan, todo: Sequence[Step], store: Store) -> str | None:
    """The first step to run that no finished one is like, so that nobody knows how long it takes; None if there is none."""
    return _unlike(todo, _took(plan, _records(plan, store)))


def _unlike(todo: Sequence[Step], took: Collection[tuple[str, str]]) -> str | None:
    long = ("traces", "train", "evaluate")
    return next((step.name for step in todo if step.kind in long and _alike(step) not in took), None)


def _records(plan: Plan, store: Store) -> dict[str, Record | None]:
    return {step.name: store.record(plan.prints[step.name]) for step in plan.steps}


def _took(plan: Plan, records: Mapping[str, Record | None]) -> dict[tuple[str, str], list[float]]:
    """Seconds of finished steps, by what makes steps alike."""
    took: dict[tuple[str, str], list[float]] = {}
    for step in plan.steps:
        record = records[step.name]
        if record and record.state == "done" and record.seconds is not None:
            took.setdefault(_alike(step), []).append(record.seconds)
    return took


def _side_by_side(records: Iterable[Record | None]) -> float:
    """How many steps ran at once while any did, on average: their times together against the time that they covered."""
    done = sorted((one.started, one.ended) for one in records if one and one.state == "done" and one.ended is not None)
    together = covered = 0.0
    until = 0.0
    for started, ended in done:
        together += ended - started
        covered += max(0.0, ended - max(started, until))
        until = max(until, ended)
    return max(1.0, together / covered) if covered else 1.0


def _alike(step: Step) -> tuple[str, str]:
    return step.kind, "" if step.kind == "evaluate" else step.method


def clock(seconds: float) -> str:
    """1:02:03, or 2:03."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def since(started: float) -> str:
    """Time since a moment, as a clock."""
    return clock(max(0.0, time.time() - started))


def _asked(summary: dict[str, Any]) -> str:
    """`97 of 200 prompts, 1.2 million tokens, 12,371 per kept trace`."""
    if not summary:
        return ""
    spent, kept = summary["completion_tokens"], summary["kept"]
    each = f", {spent / kept:,.0f} per kept trace" if kept else ""
    return f"{kept} of {summary['prompts']} prompts, {summary['samples']} samples, {spent:,} tokens{each}"


def _score(task: str, found: dict[str, Any]) -> str:
    score = found["metrics"]["score"]
    return f"{task} {100 * score['value']:.1f} ± {100 * score['stderr']:.1f}"


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return loaded
