"""How rows of a data set become problems. A new data set is a mapping of its columns, or a function here."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mot_plugin.answers import split_thinking
from mot_plugin.sources import references
from mot_plugin.sources.problems import Problem, Skipped, digest
from mot_plugin.sources.references import Gold
from mot_plugin.strict import suggest

Row = Mapping[str, Any]
Columns = Mapping[str, str]
Format = Callable[[Row, Columns], Problem | Skipped]

DEFAULT_COLUMNS = {"problem": "problem", "reference": "answer", "id": "id"}
_COLUMN_KEYS = (*DEFAULT_COLUMNS, "reference_after")

_TURN = r"<\uff5c[^\uff5c\n]{1,40}\uff5c>"  # DeepSeek's turns, with fullwidth bars
_BEFORE = re.compile(rf"^\s*(?:{_TURN}\s*)+")
_AFTER = re.compile(rf"\s*(?:{_TURN}\s*)*(?:<think>)?\s*$")
_CHAT_TOKEN = re.compile(rf"{_TURN}|<\|[A-Za-z][A-Za-z0-9_]{{2,}}\|>|</?think>")


def boba(row: Row, _: Columns) -> Problem | Skipped:
    r"""AReaL-boba-Data: `prompt` in DeepSeek's template, which goes, with a request to box the answer, which stays.

    `solutions` are boxed answers of which any will do. Rows of the small file for fine-tuning may have an `answer`
    instead, a whole trace: its final answer is then the reference, and `meta` says so.
    """
    if row.get("task", "math") != "math":
        return Skipped("not_math")
    prompt = row.get("prompt")
    problem = _AFTER.sub("", _BEFORE.sub("", prompt)) if isinstance(prompt, str) else None
    name = row.get("query_id", row.get("qid", row.get("id")))
    if row.get("solutions") is None and isinstance(row.get("answer"), str):
        gold = references.of_text(split_thinking(row["answer"]).answer)
        return _made(name, problem, gold, {"reference_from": "answer"})
    return _made(name, problem, references.of_value(row.get("solutions")), {})


def s1k(row: Row, _: Columns) -> Problem | Skipped:
    """s1K and s1K-1.1: `question`, `solution`; whatever models said in other columns is not looked at."""
    question, solution = row.get("question"), row.get("solution")
    known = {name: row[name] for name in ("cot_type", "source_type") if isinstance(row.get(name), str)}
    gold = references.of_solution(str(question or ""), solution if isinstance(solution, str) else None, row)
    return _made(row.get("id"), question, gold, known)


def by_columns(row: Row, columns: Columns) -> Problem | Skipped:
    """Any data set. `columns` says which column is the `problem`, the `reference` and the `id`; the last two may be missing.

    A reference is a text, a number or a list of which any element will do; `reference_after` is a mark in a worked
    solution after which the answer stands, `####` in GSM8K.
    """
    mapping = columns or DEFAULT_COLUMNS
    value = row.get(mapping["reference"]) if "reference" in mapping else None
    gold = references.of_value(value, mapping.get("reference_after"))
    return _made(row.get(mapping["id"]) if "id" in mapping else None, row.get(mapping["problem"]), gold, {})


FORMATS: dict[str, Format] = {"boba": boba, "s1k": s1k, "s1k-1.1": s1k, "columns": by_columns}


def wrong_columns(name: str, columns: Columns) -> Iterator[str]:
    """What is wrong with the `columns` of format `name`, in words."""
    if name != "columns":
        if columns:
            yield f"columns are for format columns; {name} knows its own"
        return
    for key in columns:
        if key not in _COLUMN_KEYS:
            yield f"columns: unknown key {key!r}{suggest(key, _COLUMN_KEYS)}; there are {', '.join(_COLUMN_KEYS)}"
    if columns and "problem" not in columns:
        yield "columns: says not which column is the problem"
    if "reference_after" in columns and "reference" not in columns:
        yield "columns: has reference_after, but no reference"


def _made(name: object, problem: object, gold: Gold, meta: dict[str, Any]) -> Problem | Skipped:
    if not isinstance(problem, str) or not problem.strip():
        return Skipped("no_problem")
    if _CHAT_TOKEN.search(problem):
        return Skipped("chat_token")
    own = str(name).strip() if isinstance(name, str | int) and not isinstance(name, bool) else ""
    return Problem(own or digest(problem), problem.strip(), gold.references, gold.unverifiable, meta)
