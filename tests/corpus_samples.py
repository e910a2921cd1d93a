"""Traces written as teachers' recorders write them, and what steps leave, read back."""

import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def completion(answer: object, thought: str = "Let me add the two numbers.", reason: str | None = "stop") -> Line:
    """A well-formed sample."""
    return {"text": f"<think>\n{thought}\n</think>\n\nIt is \\boxed{{{answer}}}.", "finish_reason": reason}


def line(name: str, *samples: Line, reference: str | list[str] | None = "25") -> Line:
    """One line of a trace file."""
    return {"id": name, "problem": f"Problem {name}?", "reference": reference, "samples": list(samples)}


def write_jsonl(path: Path, rows: list[Line]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[Line]:
    return [json.loads(row) for row in path.read_bytes().split(b"\n") if row]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
