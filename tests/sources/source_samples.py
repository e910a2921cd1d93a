"""Invented rows in the schemas of published data sets, and a step's config for them."""

import random
from pathlib import Path
from typing import Any

from corpus_samples import Line, write_jsonl

from mot_plugin.sources.step import Config

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


def boba(problem: str, *answers: str, name: str = "q1", **more: Any) -> Line:
    """A row of AReaL-boba-Data."""
    prompt = f"<\uff5cUser\uff5c>\n{problem} {BOXED}<\uff5cAssistant\uff5c><think>\n"
    solutions = [f"\\boxed{{{answer}}}" for answer in answers]
    return {"prompt": prompt, "task": "math", "query_id": name, "solutions": solutions} | more


def s1k(question: str, solution: str | None, **more: Any) -> Line:
    """A row of s1K."""
    row = {"solution": solution, "question": question, "cot_type": "math", "source_type": "made/up", "metadata": "{}"}
    return row | {"cot": None, "thinking_trajectories": ["Hm."], "attempt": "\\boxed{1}"} | more


WORDS = (
    "Ada Ben Cleo Dan Eva Finn counts sorts paints lifts drops apples boats candles drums eggs flutes gloves hats inks"
    " seven nine eleven twelve red blue green tall old quick under over near behind every other third last"
).split()


def problem(number: int) -> str:
    """One of many problems, no two of which are nearly the same."""
    return " ".join(random.Random(number).choices(WORDS, k=20)) + ". How many are left?"


def config(tmp_path: Path, rows: list[Line] | Path, **more: Any) -> Config:
    """The step's config for these rows, read by columns if nothing else is said."""
    path = rows if isinstance(rows, Path) else write_jsonl(tmp_path / "rows.jsonl", rows)
    fields: dict[str, Any] = {
        "source_name": "TOY-3",
        "rows": str(path),
        "format": "columns",
        "seed": 0,
        "out": str(tmp_path / "out"),
    }
    return Config(**(fields | more))
