"""Reads from a run folder what its steps took: the plan, each step's record, corpora's summaries, trainers' logs.

Files that are not there (yet) leave gaps, which the sums then show.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mot_plugin.report import losses
from mot_plugin.report.cost import Spent


def read(root: Path) -> list[Spent]:
    """Every training, merge and asking of teachers in the plan of a run folder that is done."""
    steps = _json(root / "plan.json").get("steps", [])
    return [*_traces(root, steps), *(one for step in steps if (one := _made(root, step)) is not None)]


def _traces(root: Path, steps: list[dict[str, Any]]) -> Iterator[Spent]:
    """One per corpus of a single teacher; what was not asked for here has no time, and its tokens are estimated."""
    for step in steps:
        summary = _json(root / "artifacts" / step["name"] / "summary.json") if step["kind"] == "corpus" else {}
        if not summary or "per_teacher" in summary:
            continue
        teacher = step["name"].rpartition("/")[2]
        asked = next((one for one in steps if one["name"] == f"traces/{teacher}"), None)
        if asked is not None:
            said = _json(root / "artifacts" / asked["name"] / "summary.json")
            yield Spent(
                "traces",
                teacher=teacher,
                tokens=said.get("completion_tokens"),
                seconds=_seconds(_record(root, asked["name"])),
                gpus=asked["gpus"],
            )
        else:
            mean = _mean(summary)
            tokens = None if mean is None else mean * summary["samples"]
            yield Spent("traces", teacher=teacher, tokens=tokens, estimated=True)


def _made(root: Path, step: dict[str, Any]) -> Spent | None:
    name, record = step["name"], _record(root, step["name"])
    seconds = _seconds(record)
    if step["kind"] not in ("train", "merge") or seconds is None or step.get("purpose", "main") != "main":
        return None
    known = {"method": step["method"], "teacher": step["teacher"], "round": step["round"], "gpus": step["gpus"]}
    if step["kind"] == "merge":
        return Spent("merge", **known, seconds=seconds)
    log = next((root / "artifacts" / name).glob("*/trainer_log.jsonl"), root / "artifacts" / name / "trainer_log.jsonl")
    logged = losses.read(log, step["method"], step["teacher"], step["round"], 0)
    steps = step.get("at") or max((at for at, _ in logged.rows), default=0)
    resumed = record.get("resumed") or 0  # the last attempt made only the steps after these
    seconds *= steps / (steps - resumed) if resumed < steps else 1
    rows = _rows(root, name)
    mean = _mean(_json(root / "artifacts" / "corpus" / (step["teacher"] or "union") / "summary.json"))
    guessed = None if rows is None or mean is None else rows * mean
    tokens = guessed if logged.tokens is None else logged.tokens
    return Spent(
        "train", **known, steps=steps, sequences=rows, tokens=tokens, seconds=seconds, estimated=logged.tokens is None
    )


def _seconds(record: dict[str, Any]) -> float | None:
    """How long a finished step's last attempt took."""
    if record.get("state") != "done" or record.get("ended") is None:
        return None
    return float(record["ended"] - record["started"])


def _record(root: Path, name: str) -> dict[str, Any]:
    """A step's record lies beside the artifact that the run folder links to; empty where there is none."""
    link = root / "artifacts" / name
    return _json(link.resolve().parent / "record.json") if link.exists() else {}


def _rows(root: Path, name: str) -> int | None:
    """How many rows were laid out for a training; None where the trainer shuffles the corpus itself."""
    rows: int | None = _json(root / "configs" / f"{name}.order.json").get("rows")
    return rows


def _mean(summary: dict[str, Any]) -> float | None:
    """Tokens per kept row, prompt included."""
    return summary["tokens"]["total"] / summary["kept"] if summary.get("kept") else None


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
