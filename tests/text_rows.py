"""Invented rows in the schemas of IFEval and SimpleQA, as many as the real ones have."""

import csv
import json
from pathlib import Path
from typing import Any

KINDS: list[tuple[list[str], list[dict[str, Any]]]] = [
    (["punctuation:no_comma"], [{}]),
    (
        ["change_case:english_lowercase", "length_constraints:number_sentences"],
        [{}, {"num_sentences": 2, "relation": "at least"}],
    ),
    (
        ["keywords:existence", "detectable_format:json_format", "punctuation:no_comma"],
        [{"keywords": ["lamp", "fog"]}, {}, {}],
    ),
    (["change_case:capital_word_frequency"], [{"capital_frequency": 1, "capital_relation": "at least"}]),
    (["keywords:letter_frequency"], [{"letter": "#", "let_frequency": 4, "let_relation": "at least"}]),
]


def ifeval_rows(count: int = 541) -> list[dict[str, Any]]:
    """Prompts in the form of the original file: an instruction has only the arguments that it uses."""
    rows = []
    for number in range(count):
        names, kwargs = KINDS[number % len(KINDS)]
        prompt = f"Write, as text number {number}, about a lighthouse.  \n"
        rows.append({"key": 1000 + number, "prompt": prompt, "instruction_id_list": names, "kwargs": kwargs})
    return rows


def simpleqa_rows(count: int = 4326) -> list[dict[str, str]]:
    """Questions with the columns of the official file, whose metadata is a Python literal."""
    return [
        {
            "metadata": str(
                {"topic": ["Art", "Sports"][n % 2], "answer_type": ["Person", "Date", "Other"][n % 3], "urls": ["x"]}
            ),
            "problem": f'Who, "so to say", was keeper number {n}?',
            "answer": f"Anna {n} Berg",
        }
        for n in range(count)
    ]


def write_jsonl(file: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_csv(file: Path, rows: list[dict[str, str]]) -> None:
    """With the columns' names in the first line."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
