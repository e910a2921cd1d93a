"""Two sheets of one table set beside each other: each row of ours, the paper's, and the difference with our error."""

from collections.abc import Iterator
from dataclasses import replace

from mot_plugin.report.paper.sheet import Cell, Row, Sheet
from mot_plugin.report.table import MISSING, NOT_APPLICABLE

WHOSE = "Numbers"
OURS = "yours"
DIFFERENCE = "difference"
NOTE = (
    "Difference: yours less the paper's, both as printed. Its ± is your own error alone: the paper prints none, and if its "
    "were as large, a difference would have to exceed about three times the ± to mean anything."
)


def beside(mine: Sheet, paper: Sheet) -> Sheet:
    """`mine` with a row of the paper's and one of differences under each that both have; as it is where they share none.

    Rows are the same that have the same labels; columns, the same headings and name. References stand below as they are.
    """
    theirs = {row.labels: row for row in paper.rows}
    there = {(column.over, column.name): place for place, column in enumerate(paper.columns)}
    places = [there.get((column.over, column.name)) for column in mine.columns]
    rows = [made for row in mine.rows for made in _three(row, theirs.get(row.labels), places)]
    if len(rows) == len(mine.rows):
        return mine
    own = {row.labels for row in mine.rows}
    rows += [
        replace(row, labels=(*row.labels, f"paper ({row.origin})"), cells=_moved(row, places), ranked=False)
        for row in paper.rows
        if row.block == "references" and row.labels not in own
    ]
    return replace(mine, labels=(*mine.labels, WHOSE), rows=tuple(rows), notes=(*mine.notes, NOTE))


def _three(row: Row, other: Row | None, places: list[int | None]) -> Iterator[Row]:
    yield replace(row, labels=(*row.labels, OURS))
    cells = _moved(other, places) if other is not None else ()
    if other is None or not any(cell.value is not None or cell.words not in ("", NOT_APPLICABLE) for cell in cells):
        return
    yield Row((*row.labels, f"paper ({other.origin})"), cells, row.block, ranked=False)
    differences = tuple(_difference(one, two) for one, two in zip(row.cells, cells, strict=True))
    if any(cell.text not in (MISSING, NOT_APPLICABLE) for cell in differences):
        yield Row((*row.labels, DIFFERENCE), differences, row.block, ranked=False)


def _moved(row: Row, places: list[int | None]) -> tuple[Cell, ...]:
    """The cells of a row of the paper's in our columns."""
    return tuple(Cell(words=NOT_APPLICABLE) if place is None else row.cells[place] for place in places)


def _difference(one: Cell, two: Cell) -> Cell:
    if one.value is not None and two.value is not None:
        return Cell(one.value - two.value, one.error, "change")
    if one.words or two.words:
        words = {one.words, two.words}
        same = "same" if len(words) == 1 else "other"
        return Cell(words=same if NOT_APPLICABLE not in words and all(words) else NOT_APPLICABLE)
    return Cell()
