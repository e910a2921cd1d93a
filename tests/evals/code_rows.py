"""Invented problems in the shape of livecodebench/code_generation_lite, one JSON row each."""

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

STARTER = "class Solution:\n    def twice(self, n: int) -> int:\n        "


def pack(text: str) -> str:
    """As the data set packs hidden tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(text))).decode()


def cases(pairs: list[tuple[str, str]], kind: str) -> str:
    return json.dumps([{"input": given, "output": expected, "testtype": kind} for given, expected in pairs])


def row(number: int, *, function: bool = False, packed: bool = True) -> dict[str, Any]:
    """Problem `number`: add it to each of two numbers read (a whole program), or double it and a number (a method)."""
    pairs = [(n, 2 * (n + number)) for n in (1, 20, 300)]
    if function:
        kind, tests = "functional", [(str(n), str(twice)) for n, twice in pairs]
    else:
        kind, tests = "stdin", [(f"2\n{n} {n}\n", f"{n + number}\n{n + number}\n") for n, _ in pairs]
    hidden = cases(tests[1:], kind)
    return {
        "question_title": f"Invented {number}",
        "question_content": f"Invented problem {number}: shift by {number}, please.",
        "platform": "leetcode" if function else "atcoder",
        "question_id": f"invented_{number}",
        "contest_id": "invented",
        "contest_date": "2024-11-02T00:00:00",
        "starter_code": STARTER if function else "",
        "difficulty": ("easy", "medium", "hard")[number % 3],
        "public_test_cases": cases(tests[:1], kind),
        "private_test_cases": pack(hidden) if packed else hidden,
        "metadata": json.dumps({"func_name": "twice"} if function else {}),
    }


def solution(number: int, *, function: bool = False) -> str:
    """A right program for it."""
    if function:
        return f"{STARTER}return 2 * (n + {number})"
    return f"n = int(input())\nfor x in map(int, input().split()):\n    print(x + {number})"


def write_slice(folder: Path, count: int = 167) -> Path:
    """livecodebench/test5.jsonl below `folder`: odd problems are functions, every fourth row has its tests unpacked."""
    file = folder / "livecodebench" / "test5.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [row(n, function=n % 2 == 1, packed=n % 4 != 0) for n in range(count)]
    file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return file
