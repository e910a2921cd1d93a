"""Whether a program's answer is the expected one: LiveCodeBench's two rules (its testing_util.py)."""

import json
from decimal import Decimal, InvalidOperation


def same_output(printed: str, expected: str) -> bool:
    """Whole programs: as many lines once the ends are stripped, each the same when stripped or the same as numbers.

    Numbers are compared token by token as decimals, exactly: `1.0` is `1`, and `0.3333` is not `0.33333`.
    """
    ours, theirs = ([line.strip() for line in text.strip().split("\n")] for text in (printed, expected))
    return len(ours) == len(theirs) and all(map(_same_line, ours, theirs))


def _same_line(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    left, right = _numbers(ours), _numbers(theirs)
    return left is not None and right is not None and left == right


def _numbers(line: str) -> list[Decimal] | None:
    try:
        numbers = [Decimal(token) for token in line.split()]
    except InvalidOperation:
        return None
    return None if any(number.is_snan() for number in numbers) else numbers  # comparing those raises


def same_value(written: str, expected: str) -> bool:
    """Functions: both texts are JSON of equal values, `1` and `1.0` alike. A result came through JSON: tuples are lists."""
    try:
        # Python refuses to read integers of more than 4300 digits, and Decimal does not.
        ours, theirs = (json.loads(text, parse_int=Decimal) for text in (written, expected))
        return bool(ours == theirs)
    except (ValueError, RecursionError):
        return False
