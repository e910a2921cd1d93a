"""How far a run is: what is done, what runs, what failed and what to do about it. In words, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mot_plugin import glance, views
from mot_plugin.folder import Folder
from mot_plugin.pages import discreet
from mot_plugin.processes import tail
from mot_plugin.step import Plan, Step
from mot_plugin.store import Record, Store

State = Literal["finished", "running", "failed", "stopped", "waiting"]
_LINES = 12


@dataclass(frozen=True)
class Failure:
    """A failed step: its place in the plan, what went wrong, the last lines of its log, the command to paste, advice."""

    number: int
    step: str
    error: str
    log: str
    lines: str
    command: str | None
    advice: str | None
    blocked: tuple[str, ...]
    """The steps that wait for it."""


@dataclass(frozen=True)
class Now:
    """A step that runs: since when, how much of it is done (0..1, None: not known), in words."""

    number: int
    step: str
    since: float
    share: float | None
    words: str


@dataclass(frozen=True)
class Standing:
    """The state of a run. `left`: seconds still to go, or None and the step to which nothing alike has finished yet."""

    state: State
    done: int
    of: int
    now: tuple[Now, ...]
    failures: tuple[Failure, ...]
    left: float | None
    unlike: str | None
    rows: tuple[dict[str, Any], ...]
    """What `mot-plugin status --json` says of each step."""


def standing(folder: Folder, plan: Plan, store: Store, *, running: bool | None, at: float) -> Standing:
    """Look at a run. `running`: whether it goes on, where that is known; otherwise what its steps say."""
    rows = views.status_rows(folder)
    records = {step.name: store.record(plan.prints[step.name]) for step in plan.steps}
    alive = {row["name"] for row in rows if row["state"] == "running"} if running is not False else set()
    now = [
        _now(folder, step, number, record)
        for number, step in enumerate(plan.steps, 1)
        if step.name in alive and (record := records[step.name])
    ]
    failures = tuple(
        _failure(folder, plan, number, record, rows)
        for number, row in enumerate(rows, 1)
        if row["state"] == "failed" and (record := records[row["name"]])
    )
    done = sum(row["state"] == "done" for row in rows)
    state: State = (
        "finished"
        if done == len(rows)
        else "running"
        if running or (now and running is None)
        else "failed"
        if failures
        else "stopped"
        if any(record is not None for record in records.values())
        else "waiting"
    )
    left, unlike = _left(plan, store, rows, failures, at) if state == "running" else (None, None)
    return Standing(state, done, len(rows), tuple(now), failures, left, unlike, tuple(rows))


def _now(folder: Folder, step: Step, number: int, record: Record) -> Now:
    share, words = glance.now(folder, step)
    return Now(number, step.name, record.started, share, words)


def _failure(folder: Folder, plan: Plan, number: int, record: Record, rows: Sequence[dict[str, Any]]) -> Failure:
    log = folder.log(record.step)
    todo = {row["name"] for row in rows if row["state"] == "todo"}
    return Failure(
        number,
        record.step,
        record.error or "",
        str(log.relative_to(folder.root)),
        discreet.text(tail(log, _LINES)),
        None if record.command is None else discreet.text(record.command),
        record.advice,
        tuple(name for name in _behind(plan, record.step) if name in todo),
    )


def _behind(plan: Plan, name: str) -> list[str]:
    """The steps that need this one, directly or through others."""
    found = {name}
    for step in plan.steps:
        if found & set(step.needs):
            found.add(step.name)
    return [step.name for step in plan.steps if step.name in found - {name}]


def _left(
    plan: Plan, store: Store, rows: Sequence[dict[str, Any]], failures: Sequence[Failure], at: float
) -> tuple[float | None, str | None]:
    """What the steps to come will take, by finished ones alike, less what the running ones have behind them."""
    blocked = {name for failure in failures for name in failure.blocked}
    open_rows = {row["name"]: row for row in rows if row["state"] in ("todo", "running") and row["name"] not in blocked}
    left = [step for step in plan.steps if step.name in open_rows]
    unlike = glance.unlike(plan, left, store)
    if unlike is not None:
        return None, unlike
    running = {name for name, row in open_rows.items() if row["state"] == "running"}
    return glance.remaining(plan, left, store, running=running, at=at), None
