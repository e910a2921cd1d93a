"""What a log's words mean: pattern, what to do, whether trying again can help. Each tool module has its own list."""

import re

Advice = tuple[tuple[str, str, bool], ...]

FREE_SPACE = "the disk is full: free space and run again; nothing that was finished is lost"
DISK_FULL = (r"No space left on device", FREE_SPACE, False)
"""Every tool's: the words are the operating system's."""


def advise(known: Advice, log: str) -> tuple[str | None, bool]:
    """(what to do, whether to try again) for the first pattern found; (None, True) for a failure nobody has met yet."""
    for pattern, remedy, again in known:
        if re.search(pattern, log, re.IGNORECASE):
            return remedy, again
    return None, True
