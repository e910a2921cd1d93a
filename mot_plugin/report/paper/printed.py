"""The numbers that the paper prints, each once per table that prints it, as entries; and the sizes of its corpora.

numbers.csv has no number that follows from others (averages, gains): those are computed. Where our text of Table 11 has
lost a cell, there is none; a step in a row of Table 2 is the one whose cells in Table 11 agree.
"""

import csv
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, cast

from mot_plugin.report.paper.entries import Entry, Experiment, Kind, Origin

RUN = "paper"
BASELINES: Mapping[int, int] = {1: 2, 2: 2, 3: 3, 4: 4, 5: 2, 6: 11, 7: 11, 8: 8, 11: 11}
"""Which table's base each table goes by: the paper prints three of Qwen3-30B-A3B."""
PROBLEMS, REPEATS = 30, 16  # AIME, section 4.2


def entries() -> tuple[Entry, ...]:
    """Every number."""
    return tuple(_entry(row) for row in _rows("numbers.csv"))


def sizes() -> list[dict[str, Any]]:
    """Table 10's rows, named as a corpus' summary.json names them."""
    return [{**row, "kept": int(row["size"])} for row in _rows("sizes.csv")]


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files("mot_plugin.report.paper").joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())


def _entry(row: Mapping[str, str]) -> Entry:
    pool = frozenset(row["pool"].split("+")) if row["pool"] else frozenset()
    aime = row["task"].startswith("mot_aime")
    return Entry(
        Experiment(row["student"], row["source"], pool, cast(Kind, row["method"]), row["teacher"] or None),
        row["task"],
        float(row["value"]) / 100,
        round=int(row["round"]) if row["round"] else None,
        step=int(row["step"]) if row["step"] else None,
        purpose="main" if aime else "general",
        problems=PROBLEMS if aime else 0,
        repeats=REPEATS if aime else 0,
        origin=cast(Origin, row["origin"]),
        run=RUN,
        place=int(row["table"]),
        selected=bool(row["selected"]),
    )
