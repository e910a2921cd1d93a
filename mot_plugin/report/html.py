"""A Table as HTML: structure and text, no styling. A page brings its own style sheet (classes: rule, best, number)."""

from html import escape

from mot_plugin.report.table import NOT_APPLICABLE, Table


def render(table: Table) -> str:
    """A `figure` with caption, table and notes, ending with a newline."""
    title = f"<figcaption>{escape(table.title)}</figcaption>"
    body = _table(table) if table.rows else "<p>(nothing to show)</p>"
    notes = "".join(f'<p class="note">{escape(note)}</p>\n' for note in table.notes)
    return f'<figure class="table">\n{title}\n{body}\n{notes}</figure>\n'


def _table(table: Table) -> str:
    above = [
        "<tr>"
        + "".join(
            f'<th scope="colgroup" colspan="{span.width}">{escape(span.text)}</th>'
            if span.text
            else f'<td colspan="{span.width}"></td>'
            for span in line
        )
        + "</tr>"
        for line in table.spans
    ]
    names = "".join(
        f'<th scope="col"{_number(table, place)}>{escape(name)}</th>' for place, name in enumerate(table.header)
    )
    rows = "\n".join(_row(table, number) for number in range(len(table.rows)))
    head = "\n".join([*above, f"<tr>{names}</tr>"])
    return f"<table>\n<thead>\n{head}\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _row(table: Table, number: int) -> str:
    cells = []
    for place, text in enumerate(table.rows[number]):
        shown = escape(text)
        if place >= table.labels:
            best = f'<strong class="best">{shown}</strong>' if (number, place) in table.bold else shown
            cells.append(f"<td{_number(table, place)}>{best}</td>")
        elif height := table.height(number, place):
            over = f' scope="rowgroup" rowspan="{height}"' if height > 1 else ' scope="row"'
            cells.append(f"<th{over}>{shown}</th>")
    rule = ' class="rule"' if number in table.rules else ""
    return f"<tr{rule}>{''.join(cells)}</tr>"


def _number(table: Table, place: int) -> str:
    """Whether a column holds numbers, so that a style sheet can align it."""
    if place < table.labels:
        return ""
    cells = [row[place].lstrip("↑↓+-") for row in table.rows if row[place] != NOT_APPLICABLE]
    return ' class="number"' if any(cell[:1].isdigit() for cell in cells) else ""
