"""The parts of a task as one: its samples, every problem once with all its answers, and results in lm-eval's shape."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import CheckFailed
from mot_plugin.evals.kept import Entry
from mot_plugin.evals.logged import STORED
from mot_plugin.evals.shards import Part

_SAME_ROW = ("doc_hash", "prompt_hash", "target_hash")


@dataclass(frozen=True)
class Finished:
    """A part and what is kept of it."""

    part: Part
    entry: Entry

    @property
    def settings(self) -> dict[str, Any]:
        """What must not differ among the parts of a task besides the problems themselves."""
        config = self.entry.about["config"]
        return {
            "generation_kwargs": config.get("generation_kwargs"),
            "version": self.entry.about["version"],
            "chat template": self.entry.about["chat_template_sha"],
        }


def merge(parts: Sequence[Finished], file: Path) -> dict[str, Any]:
    """Write the samples of one task and return its entries for results.json. Raises CheckFailed for parts that differ."""
    first = parts[0]
    for other in parts[1:]:
        for name, value in first.settings.items():
            if other.settings[name] != value:
                raise _differ(first, other, f"{name}: {value!r} and {other.settings[name]!r}")
    if len(parts) == 1:
        _link(first.entry.samples, file)
    else:
        with file.open("w", encoding="utf-8", newline="\n") as lines:
            rows = _by_problems(parts) if first.part.every > 1 else _by_repeats(parts)
            lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    about = first.entry.about
    repeats = first.part.repeats if first.part.every > 1 else sum(one.part.repeats for one in parts)
    return {
        "results": about["results"] if len(parts) == 1 else {},
        "configs": {**about["config"], "repeats": repeats},
        "versions": about["version"],
        "n-samples": _counts(parts),
        "shards": [_origin(one) for one in parts],
    }


def results(merged: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """results.json of all tasks, by task what `merge` returned."""
    names = next(iter(merged.values()))
    return {name: {task: entries[name] for task, entries in merged.items()} for name in names}


def _by_repeats(parts: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    """Rows with the answers of every part, those of the first shard first."""
    first, *others = parts
    for other in others:
        if other.entry.about["problems"] != first.entry.about["problems"]:
            raise _differ(first, other, "the number of problems")
    for rows in zip(*(one.entry.rows() for one in parts), strict=True):
        for other, row in zip(others, rows[1:], strict=True):
            for name in ("doc_id", *_SAME_ROW):
                if row.get(name) != rows[0].get(name):
                    raise _differ(first, other, f"{name} of problem {rows[0]['doc_id']}")
        yield _joined(rows)


def _by_problems(parts: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    """Rows in the order of the problems, which the parts have in turn."""
    rows = [one.entry.rows() for one in parts]
    sizes = [one.entry.about["problems"] for one in parts]
    for number in range(sum(sizes)):
        row = next(rows[number % len(parts)], None)
        if row is None or row["doc_id"] != number:
            raise _differ(parts[0], parts[number % len(parts)], f"problem {number} is in neither ({sizes} problems)")
        yield row


def _joined(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row for the same problem; lm-eval's metrics were those of a few of the answers, so they stay behind."""
    first = rows[0]
    metrics = {*first.get("metrics", ()), "metrics"} - {STORED}
    joined = {name: value for name, value in first.items() if name not in metrics}
    joined["resps"] = [[text for row in rows for text in row["resps"][0]]]
    for name in ("shards", "seeds", *((STORED,) if STORED in first else ())):
        joined[name] = [value for row in rows for value in row[name]]
    return joined


def _counts(parts: Sequence[Finished]) -> dict[str, int]:
    counts = [one.entry.about["n_samples"] for one in parts]
    if parts[0].part.every > 1:
        return {name: sum(count[name] for count in counts) for name in ("original", "effective")}
    return {name: counts[0][name] for name in ("original", "effective")}


def _origin(one: Finished) -> dict[str, Any]:
    about = one.entry.about
    own = {"shard": one.part.shard, "seed": one.part.seed, "repeats": one.part.repeats, "problems": about["problems"]}
    return {
        **own,
        **_engine(about),
        "kept": one.entry.folder.name,
        "results": about["results"],
        "lm_eval": about["lm_eval"],
    }


def _engine(about: Mapping[str, Any]) -> dict[str, Any]:
    """What answered. The template is always the model's own: `lm_eval.evaluate` says so, and an endpoint shows no digest of it."""
    known = {name: about.get("settings", {}).get(name) for name in ("engine", "model_args")}
    return {**known, "chat_template": True, "chat_template_sha": about["chat_template_sha"]}


def _link(source: Path, target: Path) -> None:
    """The same file where that is possible: answers to 26,529 questions are half a gigabyte."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _differ(first: Finished, other: Finished, what: str) -> CheckFailed:
    return CheckFailed(
        f"{first.part.task}: {first.part.title} and {other.part.title} are not of one evaluation, they differ in {what}\n"
        f"  {first.entry.folder}\n  {other.entry.folder}\n"
        "  the data or lm-eval changed in between: delete the folder that is out of date, and run again"
    )
