"""The program in an answer: what stands in its last complete code fence, read as CommonMark and LiveCodeBench do."""

import re

_FENCE = re.compile(r"([ \t]*)(`{3,})([^`]*)")
_BARE = re.compile(r"\s*(?:<\|\w+\|>\s*)*")  # after a closing fence: nothing, or an end-of-turn token left in the text


def program(answer: str) -> str | None:
    """The content of the last pair of fences, whatever its language tag; None if there is no pair with content.

    As in LiveCodeBench (extraction_utils.py) the last block counts, even if it only shows an output, and an answer without
    fences or with one that is never closed holds no program. Unlike there, an unclosed fence after a closed one does not
    pair with it, backticks inside a line are no fence, and an indented block (in a list) loses its fence's indentation.
    """
    last: str | None = None
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in answer.split("\n"):
        fence = _FENCE.fullmatch(line)
        if fence and opened and len(fence[2]) >= len(opened[2]) and _BARE.fullmatch(fence[3]):
            last, opened = "\n".join(lines), None
        elif fence and (opened is None or fence[3].strip()):
            # A fence with a language opens a block even inside one: the one before was never closed.
            opened, lines = fence, []
        elif opened:
            lines.append(_outdented(line, len(opened[1])))
    return last if last is not None and last.strip() else None


def _outdented(line: str, width: int) -> str:
    """The line without the first `width` of its leading blanks, or without all if there are fewer."""
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(width, blanks) :]
