"""Reports of invented runs, as `report/scores.json` of a run folder has them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

AIME = ("mot_aime24", "mot_aime25")
GENERAL = ("mot_ceval", "mot_supergpqa", "mot_ifeval", "mot_simpleqa", "mot_mmlu_pro", "mot_mmlu_redux")
PURE = ("mot_phybench", "mot_livecodebench", "mot_gpqa_diamond")
TEACHERS = ("qwq", "qwen3-32b", "qwen3-235b", "deepseek-r1")


def row(method: str, task: str, hits: int, run: str, **more: Any) -> dict[str, Any]:
    """`hits` of 480; what is not said is the main comparison's."""
    plain = {"teacher": None, "round": None, "step": None, "purpose": "main", "share": None, "metric": "score"}
    made = {**plain, "method": method, "task": task, "value": hits / 480, "stderr": 0.05, "problems": 30, "repeats": 16}
    # The base of a student is one evaluation in all runs of it.
    own = "base" if method == "base" else run
    return {**made, "fingerprint": f"{own} {method} {sorted(more.items())}", **more}


def report(
    folder: Path,
    student: str = "Qwen3-8B",
    source: str = "BOBA-200",
    teachers: Sequence[str] = TEACHERS,
    *,
    seed: int = 1,
    better: int = 0,
    general: bool = False,
    missing: Sequence[str] = (),
) -> Path:
    """A run with base, STD, MTD and MoT at two checkpoints or rounds each; the second is the better one of MoT."""
    name, rows = folder.name, []
    for task in AIME:
        rows.append(row("base", task, 340, name))
        for place, teacher in enumerate(teachers):
            rows += [row("STD", task, 345 - 5 * place - at, name, teacher=teacher, step=50 * (at + 1)) for at in (0, 1)]
        rows += [row("MTD", task, 342 - at, name, step=50 * (at + 1)) for at in (0, 1)]
        rows += [row("MoT", task, 350 + 5 * at + better, name, round=at + 1) for at in (0, 1)]
        rows.append(row("MoT", task, 349 + better, name, round=3))
        rows.append({**row("MoT", task, 1, name, round=1), "metric": "truncated"})
    if general:
        for task in (*GENERAL, *PURE):
            rows += [
                row(method, task, 300 + 2 * n, name, purpose="general")
                for n, method in enumerate(("base", "STD", "MoT"))
            ]
    content = {
        "recipe": name,
        "student": student,
        "source": source,
        "teachers": list(teachers),
        "seed": seed,
        "scores": rows,
        "missing": list(missing),
        "verdict": [],
    }
    (folder / "report").mkdir(parents=True)
    (folder / "report/scores.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def corpora(folder: Path, teachers: Sequence[str] = TEACHERS) -> None:
    """The summaries that the report was made with."""
    paths = []
    for number, teacher in enumerate((*teachers, "ALL TEACHERS")):
        summary = {"name": f"S-{teacher.upper()}", "source": "s", "teacher": teacher, "kept": 190 + number}
        path = folder / f"artifacts/corpora/{number}/summary.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(summary), encoding="utf-8")
        paths.append(str(path.relative_to(folder)))
    (folder / "configs").mkdir()
    (folder / "configs/report.report.json").write_text(json.dumps({"corpora": paths}), encoding="utf-8")
