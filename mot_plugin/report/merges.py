"""What each merge did, from the diagnostics and the carry's losses that the merge steps left (docs/method.md)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mot_plugin.report.table import MISSING, Table

HEADER = ("Round", "Consensus", "Mean cosine", "Sign agreement", "Weights moved", "Drift from base", "Lost by bfloat16")

NOTES = (
    "Of the branches' updates, over all weights. Consensus: length of their mean over the mean of their lengths "
    "(1: the merge keeps all; 1/sqrt(K): they are unrelated). Sign agreement: 0.5 is chance.",
    "Weights moved: by the merge, as it is stored. Lost by bfloat16: length of what rounding the merged student takes away "
    "from the round's mean update, relative to it; `carry: float32` gives it back in the next round.",
)
PICTURE = "diagnostics/diagnostics.svg"


def table(folders: Sequence[str]) -> Table | None:
    """One row per merge of the run, in order; None when no merge was measured."""
    found = [(_json(folder, "diagnostics/diagnostics.json"), _json(folder, "carry.json")) for folder in folders]
    if not any(diagnostics or carry for diagnostics, carry in found):
        return None
    rows = tuple(_row(number, *pair) for number, pair in enumerate(found, 1))
    return Table("Merges: what each round did to the weights", HEADER, rows, NOTES)


def _row(number: int, diagnostics: dict[str, Any], carry: dict[str, Any]) -> tuple[str, ...]:
    whole = diagnostics.get("all", {})
    lost = carry.get("round_bfloat16", {}).get("relative_l2")
    return (
        str(number),
        _number(whole.get("consensus"), 3),
        _number(whole.get("mean_cosine"), 3),
        _number(whole.get("sign_agreement"), 3),
        _percent(whole.get("merged_moved")),
        _percent(whole.get("drift")),
        _percent(lost),
    )


def _number(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f} %"


def _json(folder: str, name: str) -> dict[str, Any]:
    path = Path(folder) / name
    if not path.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
