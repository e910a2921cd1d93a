"""The paper's tables in every format against golden files, and the structure that a reader of each relies on."""

import csv as csv_files
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mot_plugin.report import csv, html, latex, markdown
from mot_plugin.report.paper import all_tables, write
from mot_plugin.report.table import Span, Table

GOLDEN = Path(__file__).parent / "golden" / "paper"
TABLES = all_tables.of_runs([])
FILES = write.files(TABLES)
KEPT = [name for name in FILES if name.endswith(".md") and name != "paper.md"] + ["paper.tex", "paper.html"]

AWKWARD = Table(
    "Table 7: a & b",
    ("one", "two", "x", "x"),
    (("s_1", "50%", "1.00 ± 0.10", "<b>"), ("s_1", "$", "2.00", "a|b")),
    ("A note with `code` and \\ and ~.",),
    ((Span("", 2), Span("left", 1), Span("right", 1)),),
    labels=2,
    rules=frozenset({1}),
    bold=frozenset({(1, 2)}),
)


@pytest.mark.parametrize("name", KEPT)
def test_golden(name: str) -> None:
    file = GOLDEN / name
    if os.environ.get("REGENERATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(FILES[name], encoding="utf-8")
    how = f"{file}: look at the difference; if it is meant: REGENERATE_GOLDEN=1 python -m pytest tests/report"
    assert file.is_file(), how
    assert FILES[name] == file.read_text(encoding="utf-8"), how


class Grid(HTMLParser):
    """How many columns each row of a table covers, with cells that reach into it from above."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []
        self.open: list[str] = []
        self.hanging: list[int] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        given = dict(attrs)
        if tag == "tr":
            self.hanging = [left - 1 for left in self.hanging if left > 1]
            self.rows.append(len(self.hanging))
        if tag in ("td", "th"):
            self.rows[-1] += int(given.get("colspan") or 1)
            self.hanging += [int(given.get("rowspan") or 1)] if given.get("rowspan") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("table", [*TABLES.values(), AWKWARD], ids=lambda table: table.title[:8])
def test_html_is_a_whole_grid(table: Table) -> None:
    grid = Grid()
    grid.feed(html.render(table))
    assert not grid.open
    assert set(grid.rows) == {len(table.header)}
    assert len(grid.rows) == len(table.spans) + 1 + len(table.rows)
    assert "style" not in html.render(table)
    assert all(cell in grid.text for row in table.rows for cell in row)


def test_html_escapes() -> None:
    assert "&lt;b&gt;" in html.render(AWKWARD)
    assert '<strong class="best">2.00</strong>' in html.render(AWKWARD)
    assert html.render(AWKWARD).count("s_1") == 1


@pytest.mark.parametrize("table", [*TABLES.values(), AWKWARD], ids=lambda table: table.title[:8])
def test_latex_has_as_many_cells_in_every_row(table: Table) -> None:
    text = latex.render(table)
    begun, ended = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    assert begun == ended[::-1]
    inside = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    lines = [line for line in inside.splitlines() if line.endswith(r"\\")]
    assert len(lines) == len(table.spans) + 1 + len(table.rows)
    for line in lines:
        wide = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", line))
        assert len(re.findall(r"(?<!\\)&", line)) + 1 + wide == len(table.header)
    assert text.count("{") == text.count("}")
    assert text.isascii()


def test_latex_escapes() -> None:
    text = latex.render(AWKWARD)
    assert r"\caption{A \& b}" in text
    assert r"\multirow[t]{2}{*}{s\_1} & 50\% & 1.00 $\pm$ 0.10" in text
    assert r"\textbf{2.00}" in text
    assert r"\textbackslash{} and \textasciitilde{}" in text


@pytest.mark.parametrize("table", [*TABLES.values(), AWKWARD], ids=lambda table: table.title[:8])
def test_csv_reads_back(table: Table) -> None:
    header, *rows = csv_files.reader(io.StringIO(csv.render(table)))
    assert len(set(header)) == len(header)
    assert rows == [list(row) for row in table.rows]


def test_markdown_puts_headings_into_the_names_that_need_them() -> None:
    assert "| one | two | left x" in markdown.render(AWKWARD)
    assert "a\\|b" in markdown.render(AWKWARD)
    assert "**2.00**" in markdown.render(AWKWARD)


def test_a_document_numbers_its_tables_as_the_paper_does() -> None:
    text = write.document({number: TABLES[number] for number in (2, 9)})
    assert re.findall(r"\\setcounter\{table\}\{(\d+)\}", text) == ["1", "8"]
    assert text.rstrip().endswith(r"\end{document}")


def test_files_of_one_table(tmp_path: Path) -> None:
    written = write.write({2: TABLES[2]}, tmp_path / "out")
    assert sorted(file.name for file in written) == [
        *(f"paper.{ending}" for ending in ("html", "md", "tex")),
        *(f"table02.{ending}" for ending in ("csv", "html", "md", "tex")),
    ]
    assert all(file.read_text(encoding="utf-8").endswith("\n") for file in written)
