"""Findings for people and for programs."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mot_plugin.doctor.checks import Told
from mot_plugin.doctor.finding import Level

if TYPE_CHECKING:
    from rich.console import Console

MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("green", "ok"),
    "warning": ("yellow", "warning"),
    "error": ("red", "error"),
    "unknown": ("blue", "unknown"),
}
_WIDE = max(len(word) for _, word in MARKS.values())
_INDENT = " " * (_WIDE + 4)


def show(console: "Console", told: Iterable[Told]) -> list[Told]:
    """One line each as it comes, with what to do below it; then the counts."""
    from rich.text import Text

    seen: list[Told] = []
    for family, finding in told:
        if not seen or seen[-1][0] != family:
            console.print(Text(family, style="bold"))
        seen.append((family, finding))
        colour, word = MARKS[finding.level]
        first, *more = _lines(f"{finding.check}: {finding.found}", console.width if console.is_terminal else None)
        console.print(Text.assemble("  ", (f"{word:<{_WIDE}}", colour), f"  {first}"), soft_wrap=True)
        for other in more:
            console.print(Text(f"{_INDENT}{other}"), soft_wrap=True)
        if finding.remedy:
            # Not wrapped by us: it is to be pasted.
            console.print(Text.assemble(_INDENT, ("-> ", colour), finding.remedy), soft_wrap=True)
    console.print(Text(summary(seen), style="bold"))
    return seen


def _lines(said: str, width: int | None) -> list[str]:
    """As they are in a pipe, one line a check; on a terminal no wider than that is."""
    lines = said.split("\n")
    if width is None:
        return lines
    return [
        part
        for line in lines
        for part in textwrap.wrap(line, max(width - len(_INDENT), 40), break_long_words=False) or [""]
    ]


def summary(seen: Sequence[Told]) -> str:
    """The last line."""
    counts = Counter(finding.level for _, finding in seen)
    parts = [f"{counts['ok']} ok", _several(counts["warning"], "warning"), _several(counts["error"], "error")]
    parts += [f"{counts['unknown']} not to be told from here"] if counts["unknown"] else []
    return ", ".join(parts)


def for_programs(seen: Sequence[Told]) -> str:
    """The same as JSON."""
    rows = [
        {"family": family, "check": one.check, "level": one.level, "found": one.found, "remedy": one.remedy or None}
        for family, one in seen
    ]
    counts = Counter(finding.level for _, finding in seen)
    return json.dumps(
        {"counts": {level: counts[level] for level in MARKS}, "findings": rows}, indent=1, ensure_ascii=False
    )


def exit_code(seen: Sequence[Told]) -> int:
    """That of the first error, as `run` would end; 0 without one."""
    return next((finding.code for _, finding in seen if finding.level == "error"), 0)


def _several(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
