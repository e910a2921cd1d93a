"""Whether `make study` left what it should: scores of every kind of experiment, and steps that recipes shared.

python recipes/quickstart/check.py RUNS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

Kind = tuple[str, str]
"""Method and purpose of a score."""
BASELINES = {("base", "main"), ("MoT", "main"), ("STD", "main"), ("MTD", "main")}
WANTED: dict[str, set[Kind]] = {
    "": BASELINES,
    "-one-shot": BASELINES | {("one-shot", "main")},
    "-matched": BASELINES | {("MTD-matched", "main")},
    "-general": BASELINES | {(method, "general") for method in ("base", "STD", "MoT")},
    "-probe": BASELINES | {(method, "probe") for method in ("base", "MTD", "MoT")},
    "-no-shifted": {("base", "main"), ("MoT", "main")},
    "-only-columns": {("base", "main"), ("MoT", "main")},
    "-only-columns-seed-1": {("base", "main"), ("MoT", "main")},
    "-only-columns-until-no-gain": {("base", "main"), ("MoT", "main")},
    "-taught": {("base", "main"), ("STD", "main")},
}
"""What each run must have scores of."""
OWN = {"-general", "-probe", "-one-shot"}
"""Recipes whose trainings are all the quickstart's."""


def wrong(runs: Path) -> list[str]:
    """Everything that is not as it should be."""
    found: list[str] = []
    main = _prints(runs / "quickstart")
    for suffix, kinds in WANTED.items():
        run = runs / f"quickstart{suffix}"
        report = json.loads((run / "report" / "scores.json").read_text(encoding="utf-8"))
        seen = {(row["method"], row["purpose"]) for row in report["scores"]}
        if seen != kinds:
            found.append(f"{run.name}: scores of {sorted(seen)}, expected {sorted(kinds)}")
        if report["missing"]:
            found.append(f"{run.name}: no scores of {', '.join(map(str, report['missing']))}")
        prints = _prints(run)
        shared = sum(main.get(name) == print_ for name, print_ in prints.items())
        print(f"{run.name:<40} {len(prints):>3} steps, {shared:>3} of them the quickstart's")
        if suffix in OWN:
            new = [name for name in prints if main.get(name) != prints[name] and "/train" in name]
            found += [f"{run.name}: trained {name} again" for name in new]
    return found


def _prints(run: Path) -> dict[str, str]:
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    return dict(plan["prints"])


if __name__ == "__main__":
    lines = wrong(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
    print("\n".join(lines) or "every kind of experiment has its scores")
    sys.exit(bool(lines))
