"""A Table as Markdown whose columns also line up in a terminal."""

from mot_plugin.report.table import Table


def render(table: Table) -> str:
    """Title, table and notes, ending with a newline. A table without rows says so."""
    parts = [f"**{table.title}**", "", *(_lines(table) if table.rows else ["(nothing to show)"])]
    for note in table.notes:
        parts += ["", note]
    return "\n".join(parts) + "\n"


def _lines(table: Table) -> list[str]:
    rows = [
        tuple(f"**{cell}**" if (number, place) in table.bold else cell for place, cell in enumerate(row))
        for number, row in enumerate(table.rows)
    ]
    grid = [tuple(cell.replace("|", r"\|") for cell in row) for row in (table.flat_header, *rows)]
    widths = [max(3, *(len(cell) for cell in column)) for column in zip(*grid, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in grid
    ]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]
