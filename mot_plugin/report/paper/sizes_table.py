"""Table 10: the distillation data sets and their sizes, from the corpora's summary.json."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mot_plugin.report.paper import names
from mot_plugin.report.paper.sheet import Cell, Column, Row, Sheet

ALL = "ALL TEACHERS"


def source(summary: Mapping[str, Any]) -> str:
    """The key of where a corpus comes from."""
    return names.key(str(summary["source"]))


def table10(summaries: Sequence[Mapping[str, Any]]) -> Sheet:
    """One row per corpus, by source; the union of all teachers last in each."""
    found = {(names.key(str(one["source"])), names.key(str(one["teacher"]))): one for one in summaries}
    sources = list(dict.fromkeys(source for source, _ in found))
    rows = [
        Row(
            (names.printed(source), names.printed(str(one["teacher"])), names.printed(str(one["name"]))),
            (Cell(Decimal(int(one["kept"])), style="count"),),
            source,
        )
        for source in sources
        for (of, _), one in sorted(found.items(), key=lambda item: item[0][1] == names.key(ALL))
        if of == source
    ]
    labels = ("Source", "Teacher", "Distillation dataset name")
    return Sheet(10, "STD and MTD distillation data sets", labels, (Column("Size"),), tuple(rows))
