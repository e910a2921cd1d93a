"""Sheet: one of the paper's tables as numbers, before it is text: cells with errors, rows that can be set beside others."""

import itertools
import statistics as spread
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from mot_plugin.report import rounding
from mot_plugin.report.paper.entries import Experiment
from mot_plugin.report.table import MISSING, NOT_APPLICABLE, Span, Table

Style = Literal["score", "arrow", "change", "count"]


@dataclass(frozen=True)
class Cell:
    """A number in percent points with its error, or words. `seeds` above 1: the mean of so many, `error` their deviation."""

    value: Decimal | None = None
    error: float | None = None
    style: Style = "score"
    words: str = ""
    seeds: int = 1

    @property
    def text(self) -> str:
        """As it is printed; a hole is an en dash."""
        if self.words or self.value is None:
            return self.words or MISSING
        number = {
            "score": f"{self.value}",
            "count": f"{self.value}",
            "arrow": rounding.signed_arrow(self.value),
            "change": rounding.signed(self.value),
        }[self.style]
        return number if self.error is None else f"{number} ± {_cents(self.error)}"


NONE = Cell(words=NOT_APPLICABLE)


@dataclass(frozen=True)
class Column:
    """A column of numbers: the headings over it, its name, and whether its best number is bold in each block of rows."""

    name: str
    over: tuple[str, ...] = ()
    best: bool = False


@dataclass(frozen=True)
class Row:
    """Names in the label columns, cells; `block`: rows of one block stand between two rules.

    `origin`: whose measuring; `ranked`: whether it may be the best of its block.
    """

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    block: str = ""
    origin: str = "measured"
    ranked: bool = True


@dataclass(frozen=True)
class Sheet:
    """`wants`: what its cells are results of, so that holes can say what fills them.

    `folds`: label columns that go into the title where all rows say the same; `heads`: the same for headings over columns,
    by what each level is. So a table has the paper's layout where the runs are the paper's, and more columns where not.
    """

    number: int
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    wants: tuple[Experiment, ...] = ()
    folds: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()

    def table(self) -> Table:
        """As text."""
        folded = [place for place, name in enumerate(self.labels) if name in self.folds and self._constant(place)]
        kept = [place for place in range(len(self.labels)) if place not in folded]
        common = [f"{self.labels[place]} {self.rows[0].labels[place]}" for place in folded]
        over = [column.over for column in self.columns]
        if self.heads and len(set(over)) == 1:
            common += [f"{name} {text}" for name, text in zip(self.heads, over[0], strict=True)]
            over = []
        return Table(
            f"Table {self.number}: {self.title}" + (f" ({', '.join(common)})" if common else ""),
            (*(self.labels[place] for place in kept), *(column.name for column in self.columns)),
            tuple((*(row.labels[place] for place in kept), *(cell.text for cell in row.cells)) for row in self.rows),
            self.notes,
            _spans(len(kept), over),
            len(kept),
            frozenset(n for n in range(1, len(self.rows)) if self.rows[n].block != self.rows[n - 1].block),
            frozenset((row, len(kept) + column) for row, column in self._best()),
        )

    def _constant(self, place: int) -> bool:
        return len({row.labels[place] for row in self.rows}) == 1

    def _best(self) -> list[tuple[int, int]]:
        found = []
        for _, block in itertools.groupby(range(len(self.rows)), key=lambda number: self.rows[number].block):
            numbers = list(block)
            for place, column in enumerate(self.columns):
                rows = {n: self.rows[n] for n in numbers if self.rows[n].ranked}
                values = {n: value for n, row in rows.items() if (value := row.cells[place].value) is not None}
                if column.best and len(values) > 1:
                    top = max(values.values())
                    found += [(n, place) for n, v in values.items() if v == top]
        return found


def over_seeds(values: Sequence[Decimal | None], errors: Sequence[float | None], style: Style = "score") -> Cell:
    """One number as it is, with its standard error (points); several as their mean and standard deviation (n - 1)."""
    known = [(value, error) for value, error in zip(values, errors, strict=True) if value is not None]
    if len(known) < 2:
        return Cell(known[0][0], known[0][1], style) if known else Cell(style=style)
    numbers = [value for value, _ in known]
    return Cell(rounding.average(numbers), spread.stdev(map(float, numbers)), style, seeds=len(numbers))


def _spans(labels: int, headings: Sequence[tuple[str, ...]]) -> tuple[tuple[Span, ...], ...]:
    """One line per level; a heading that is repeated under another one above is a new one."""
    lines = []
    for level in range(max(map(len, headings), default=0)):
        line = [Span("", labels)]
        for path, group in itertools.groupby(headings, key=lambda over: over[: level + 1]):
            line.append(Span(path[level] if level < len(path) else "", len(list(group))))
        lines.append(tuple(line))
    return tuple(lines)


def _cents(error: float) -> Decimal:
    return Decimal(repr(round(error, 8))).quantize(Decimal("0.01"), ROUND_HALF_UP)
