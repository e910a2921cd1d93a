"""Whether answers are recognised: each row's own reference solution against its answer, by us and by math_verify alone.

    python benchmarks/verify_math500.py FILE.jsonl [--seconds 10] [--workers N]

FILE has rows with `problem`, `solution` (ends in a box) and `answer`, as MATH-500's test.jsonl. Right is every one. Because
whoever always says yes would be right too, each answer is also compared with the next row's, unless they are written alike.
Prints a table and what went wrong; ends with 1 if a solution was not recognised.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from mot_plugin.answers import by_mathematics, last_boxed, quickly
from mot_plugin.teachers.verify import Verifier

Pair = tuple[str, str]


def main(file: Path, seconds: int, workers: int | None) -> int:
    """Measure, print, and return the exit code."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    boxes = [last_boxed(row["solution"]) or "" for row in rows]
    answers = [row["answer"] for row in rows]
    own = list(zip(boxes, answers, strict=True))
    others = [pair for pair in zip(boxes, answers[1:] + answers[:1], strict=True) if quickly(*pair) is not True]
    solutions = [(row["solution"], row["answer"]) for row in rows]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, math-verify {version('math-verify')}\n"
    )
    print(f"{'':44} own solution      seconds   another row's   seconds")
    with Verifier(seconds, workers) as verifier:

        def ours(pairs: Sequence[Pair]) -> list[bool]:
            return [said == "same" for said in verifier.compare_many([(text, [gold]) for text, gold in pairs])]

        recognised = measured("Verifier", ours, own, others)
        hard = sum(quickly(*pair) is None for pair in own), sum(quickly(*pair) is None for pair in others)
    measured(
        "math_verify, both boxed, in this process", lambda pairs: [by_mathematics(*p, 5) for p in pairs], own, others
    )
    measured("math_verify, whole solution, bare gold", bare, solutions, None)
    print(
        f"\nThe Verifier asked math_verify about {hard[0]} and {hard[1]} of them; integers and text decided the others."
    )
    failures = [row for row, same in zip(rows, recognised, strict=True) if not same]
    for row in failures:
        print(f"\n{row['problem']}\n  answer   {row['answer']}\n  solution {last_boxed(row['solution'])}")
    return 1 if failures else 0


def measured(
    name: str, compare: Callable[[Sequence[Pair]], list[bool]], own: Sequence[Pair], others: Sequence[Pair] | None
) -> list[bool]:
    """Print one line of the table; what was said of the own solutions."""
    begun = time.perf_counter()
    said = compare(own)
    line = f"{name:44} {sum(said):5} of {len(own):<5} {time.perf_counter() - begun:10.2f}"
    if others is not None:
        begun = time.perf_counter()
        line += f" {sum(compare(others)):7} of {len(others):<5} {time.perf_counter() - begun:8.2f}"
    print(line, flush=True)
    return said


def bare(pairs: Sequence[Pair]) -> list[bool]:
    """math_verify as its first example shows it: the gold as it is written, the answer found by itself."""
    from math_verify import parse, verify

    return [bool(verify(parse(gold), parse(text))) for text, gold in pairs]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    sys.exit(main(given.file, given.seconds, given.workers))
