"""Invented rows in the columns of the multiple-choice benchmarks, in any number, and folders of local copies of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mot_plugin.evals import subjects

Row = dict[str, Any]

DISCIPLINES = ("Engineering", "Law", "Medicine")
DIFFICULTIES = ("easy", "middle", "hard")


def options(number: int, count: int) -> list[str]:
    return [f"{number} and {step}" for step in range(count)]


def ceval(count: int = 1346) -> list[Row]:
    """The right answer is `number` modulo 4, as in all of these."""
    parts = list(subjects.CEVAL)
    return [
        {
            "id": number // len(parts),
            "question": f"{number} 加零等于____。",
            **dict(zip("ABCD", options(number, 4), strict=True)),
            "answer": "ABCD"[number % 4],
            "explanation": "",
            "subject": parts[number % len(parts)],
        }
        for number in range(count)
    ]


def supergpqa(count: int = 26529) -> list[Row]:
    """Three to twelve options."""
    return [
        {
            "uuid": f"u{number:05d}",
            "question": f"What is {number} plus nothing?",
            "options": options(number, 3 + number % 10),
            "answer": f"{number} and {number % 3}",
            "answer_letter": "ABC"[number % 3],
            "discipline": DISCIPLINES[number % 7 % 3],
            "field": "Sums",
            "subfield": "Small sums",
            "difficulty": DIFFICULTIES[number % 5 % 3],
            "is_calculation": True,
        }
        for number in range(count)
    ]


def mmlu_pro(count: int = 12032) -> list[Row]:
    return [
        {
            "question_id": number,
            "question": f"What is {number} plus nothing?",
            "options": [*options(number, 4 + number % 5), "N/A"],
            "answer": "ABCD"[number % 4],
            "answer_index": number % 4,
            "cot_content": "",
            "category": ("law", "physics", "other")[number % 3],
            "src": "invented",
        }
        for number in range(count)
    ]


def mmlu_redux(count: int = 5700, **changes: Any) -> list[Row]:
    """Nothing wrong with any, unless `changes` (column -> value) say so for the first."""
    found: list[Row] = [
        {
            "question": f"What is {number} plus nothing?",
            "choices": options(number, 4),
            "answer": number % 4,
            "error_type": "ok",
            "source": None,
            "correct_answer": None,
            "potential_reason": None,
            "subject": subjects.MMLU[number % len(subjects.MMLU)],
        }
        for number in range(count)
    ]
    found[0].update(changes)
    return found


def gpqa(count: int = 198) -> list[Row]:
    return [
        {
            "Record ID": f"rec{number:03d}",
            "Question": f"What is {number} plus nothing?\n",
            "Correct Answer": f"{number}\n",
            **{f"Incorrect Answer {step}": f"{number} and {step}" for step in (1, 2, 3)},
            "Subdomain": "Sums",
        }
        for number in range(count)
    ]


ROWS = {"ceval": ceval, "supergpqa": supergpqa, "mmlu_pro": mmlu_pro, "mmlu_redux": mmlu_redux, "gpqa_diamond": gpqa}


def write(folder: Path, stem: str, rows: Iterable[Row]) -> Path:
    file = folder / f"{stem}.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file
