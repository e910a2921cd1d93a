"""What runs in a process with limits (`limited`) to compare two answers with math_verify, for that may never end."""

import logging
import os
import resource
from pathlib import Path

from mot_plugin.answers import by_mathematics

AGREE, LOADS = "mot_plugin.mathematics:agree", ("math_verify", "mot_plugin.mathematics:prepare")
"""The function to be called with an answer, a reference and the limit in gibibytes, and what it needs loaded."""

_TYPICAL = (
    (r"3\sqrt{2}", r"\sqrt{18}"),
    (r"\frac{1}{3}", "0.5"),
    (r"(x+1)^2", r"x^2+2x+1"),
    (r"[1,\infty)", r"(1,2)"),
    (r"\sin x", r"\text{east}"),
)


def prepare() -> None:
    """Compare some answers: what the parser and sympy make ready with the first ones takes ten times as long as one later."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that it has no limit of its own
    for predicted, reference in _TYPICAL:
        by_mathematics(predicted, reference, None)


def agree(predicted: str, reference: str, gibibytes: float) -> bool:
    """What math_verify says. It calls it False when it runs out of memory: who came near the limit ends the process."""
    at_first = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    same = by_mathematics(predicted, reference, None)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - at_first
    if not same and taken > gibibytes * 2**30 / 4:
        os._exit(1)
    return same
