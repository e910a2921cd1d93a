"""What came of a source: its problems, what was left out and why, in a folder and in words."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mot_plugin.sources.problems import Problem, write_problems
from mot_plugin.sources.stages import STAGES, Dropped

PROBLEMS = "problems.jsonl"
DROPPED = "dropped.jsonl"
SUMMARY = "summary.json"


def write(out: Path, problems: Iterable[Problem], dropped: Iterable[Dropped], summary: dict[str, Any]) -> None:
    """Make `out` the folder of a source."""
    out.mkdir(parents=True, exist_ok=True)
    write_problems(out / PROBLEMS, problems)
    with (out / DROPPED).open("w", encoding="utf-8", newline="\n") as file:
        for one in sorted(dropped, key=lambda one: (one.stage, one.id or "", one.where or "", one.against or "")):
            said = {name: value for name, value in asdict(one).items() if value is not None}
            file.write(json.dumps(said, ensure_ascii=False) + "\n")
    text = json.dumps(summary, ensure_ascii=False, indent=2)
    (out / SUMMARY).write_text(text + "\n", encoding="utf-8", newline="\n")


def reasons(dropped: Iterable[Dropped]) -> dict[str, dict[str, int]]:
    """Stage -> reason -> how many, stages in their order."""
    counted = Counter((one.stage, one.reason) for one in dropped)
    found = {stage: {reason: n for (of, reason), n in sorted(counted.items()) if of == stage} for stage in STAGES}
    return {stage: counts for stage, counts in found.items() if counts}


def told(counts: Mapping[str, int], dropped: Iterable[Dropped]) -> str:
    """How many were left after each stage, and why the others are not, some lines."""
    left = [f"  {name:<14}{number:>8}" for name, number in counts.items()]
    out = [f"  left out, {stage}: {listed(Counter(of_stage))}" for stage, of_stage in reasons(dropped).items()]
    return "\n".join([*left, *out])


def listed(counts: Counter[str]) -> str:
    """The commonest first: "duplicate 12, near_duplicate 3"."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
