"""Invented rows in the schemas of PHYBench, MATH-500 and HMMT, as many as the benchmarks have."""

import json
from pathlib import Path
from typing import Any

TAGS = ("MECHANICS", "ELECTRICITY", "OPTICS", "MODERN")
SUBJECTS = ("Algebra", "Geometry", "Number Theory")


def _phybench(n: int) -> dict[str, Any]:
    answer = f"$$F_{n} = m_{{{n}}} g$$"
    return {"id": n, "tag": TAGS[n % 4], "content": f"Push {n} times?", "solution": "By Newton.", "answer": answer}


def _math500(n: int) -> dict[str, Any]:
    row = {"problem": f"{n} halves?", "solution": f"\\boxed{{{n}/2}}", "answer": f"\\frac{{{n}}}{{2}}"}
    return {**row, "subject": SUBJECTS[n % 3], "level": n % 5 + 1, "unique_id": f"test/{n}.json"}


def _hmmt(n: int) -> dict[str, Any]:
    return {"problem_idx": n + 1, "problem": f"Root of {n}?", "answer": f"\\sqrt{{{n}}}", "problem_type": ["Algebra"]}


ROWS = {
    "phybench": ("PHYBench-fullques_v1.json", [_phybench(n) for n in range(100)]),
    "math500": ("math500.jsonl", [_math500(n) for n in range(500)]),
    "hmmt": ("hmmt_feb_2025.jsonl", [_hmmt(n) for n in range(30)]),
}


def write(
    folder: Path,
    name: str,
    *,
    first: int | None = None,
    change: tuple[int, dict[str, Any]] | None = None,
    backwards: bool = False,
) -> None:
    """Put a benchmark's file into a folder: only the `first` rows of it, one of them changed, or the last one first."""
    file, rows = ROWS[name]
    rows = [{**row, **(change[1] if change and change[0] == n else {})} for n, row in enumerate(rows[:first])]
    rows = rows[::-1] if backwards else rows
    text = json.dumps(rows, indent=1) if file.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
    (folder / file).write_text(text, encoding="utf-8")
