"""A Table as CSV: one header line, one line per row, cells as they are printed."""

import csv
import io

from mot_plugin.report.table import Table


def render(table: Table) -> str:
    """The cells alone; title and notes have no place in a CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.flat_header)
    writer.writerows(table.rows)
    return text.getvalue()
