"""Table: the one type that every table of a report is, whatever it is then written as."""

from dataclasses import dataclass

MISSING = "\N{EN DASH}"
NOT_APPLICABLE = "-"  # the paper's sign, for example for the gain of the base over itself


@dataclass(frozen=True)
class Span:
    """A heading over `width` columns; without text over columns that have none."""

    text: str
    width: int


@dataclass(frozen=True)
class Table:
    """Text cells, every row as long as the header; notes are sentences that stand below it.

    `spans`: headings above the header, each line as wide as it. `labels`: so many first columns name the row; what repeats
    the row above is one cell in formats that can merge cells. `rules`: rows with a line above. `bold`: (row, column).
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    spans: tuple[tuple[Span, ...], ...] = ()
    labels: int = 1
    rules: frozenset[int] = frozenset()
    bold: frozenset[tuple[int, int]] = frozenset()

    @property
    def flat_header(self) -> tuple[str, ...]:
        """The header for formats without headings over columns: `QWEN3-8B AIME24`, but plain names where no two are the same."""
        if len(set(self.header)) == len(self.header):
            return self.header
        above = [[span.text for span in line for _ in range(span.width)] for line in self.spans]
        return tuple(" ".join(filter(None, (*over, name))) for *over, name in zip(*above, self.header, strict=True))

    def height(self, row: int, column: int) -> int:
        """Over how many rows the cell of a label column goes; 0 where the row above has it already."""

        def name(at: int) -> tuple[str, ...]:
            return self.rows[at][: column + 1]

        if column >= self.labels - 1:
            return 1  # the last label is each row's own
        if row and name(row) == name(row - 1):
            return 0
        same = 1
        while row + same < len(self.rows) and name(row + same) == name(row):
            same += 1
        return same
