"""The tables as files: one per table and format, and all of a format in one; figures beside them and on the page."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from mot_plugin.report import csv, html, latex, markdown
from mot_plugin.report.plots import Figure
from mot_plugin.report.table import Table

FORMATS: Mapping[str, Callable[[Table], str]] = {
    "md": markdown.render,
    "csv": csv.render,
    "tex": latex.render,
    "html": html.render,
}
STYLE = """body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1d2330; background: #fff; }
figure { margin: 0 0 2.5rem; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; border-block: 2px solid currentColor; }
svg { max-width: 60rem; width: 100%; height: auto; }
th, td { padding: .2rem .7rem; text-align: left; vertical-align: top; white-space: nowrap; font-weight: 400; }
thead th { font-weight: 600; }
th[scope=colgroup] { text-align: center; }
thead tr:last-child > *, tr.rule > * { border-bottom: 1px solid #8a93a5; }
tr.rule > * { border-bottom: 0; border-top: 1px solid #8a93a5; }
.number { text-align: right; }
.note { font-size: .87em; max-width: 60rem; margin: .4rem 0; color: #4a5366; }
@media (prefers-color-scheme: dark) { body { color: #e3e7ef; background: #14171d; } .note { color: #aab2c2; } }
"""


def files(tables: Mapping[int, Table], figures: Sequence[Figure] = ()) -> dict[str, str]:
    """File name -> text: table01.md, table01.csv, ..., and paper.md, paper.tex, paper.html with all of them."""
    made = {
        f"table{number:02d}.{ending}": render(table)
        for number, table in tables.items()
        for ending, render in FORMATS.items()
    }
    return {
        **made,
        "paper.md": "\n".join(markdown.render(table) for table in tables.values()),
        "paper.tex": document(tables),
        "paper.html": page(tables, figures),
    }


def document(tables: Mapping[int, Table]) -> str:
    """A LaTeX document with every table, numbered as in the paper."""
    body = "\n".join(
        f"\\setcounter{{table}}{{{number - 1}}}\n{latex.render(table)}" for number, table in tables.items()
    )
    head = r"""\documentclass{article}
\usepackage[a4paper,landscape,margin=1.5cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage{booktabs,multirow}
\begin{document}
\scriptsize
"""
    return f"{head}{body}\\end{{document}}\n"


def page(tables: Mapping[int, Table], figures: Sequence[Figure] = ()) -> str:
    """One page with every table and figure and a plain style of its own."""
    body = "".join([*map(html.render, tables.values()), *map(_drawing, figures)])
    head = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Tables</title>\n<style>\n{STYLE}</style>\n'
    )
    return f"{head}{body}</html>\n"


def _drawing(figure: Figure) -> str:
    notes = "".join(f'<p class="note">{escape(note)}</p>\n' for note in figure.notes)
    return (
        f'<figure class="drawing">\n<figcaption>{escape(figure.title)}</figcaption>\n{figure.svg}\n{notes}</figure>\n'
    )


def write(tables: Mapping[int, Table], out: Path, figures: Sequence[Figure] = ()) -> list[Path]:
    """Write them all into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files(tables, figures).items():
        (out / name).write_text(text, encoding="utf-8")
        written.append(out / name)
    return written
