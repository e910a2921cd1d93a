"""A Table as LaTeX: a `table` float with booktabs rules. Needs \\usepackage{booktabs,multirow} and nothing else."""

import re

from mot_plugin.report.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "λ": r"$\lambda$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "≥": r"$\geq$",
    "\N{EN DASH}": "--",
}
_PATTERN = re.compile("|".join(map(re.escape, _SPECIAL)))


def render(table: Table) -> str:
    """The float, notes below the rules, ending with a newline."""
    words = re.sub(r"^Table \d+: ", "", table.title)  # LaTeX counts by itself
    caption = words[:1].upper() + words[1:]
    number = re.match(r"Table (\d+): ", table.title)
    label = [rf"\label{{tab:mot-{number[1]}}}"] if number else []
    body = _tabular(table) if table.rows else ["(nothing to show)"]
    notes = [rf"\par\smallskip{{\footnotesize {escaped(note)}\par}}" for note in table.notes]
    lines = [r"\begin{table}[t]", r"\centering", rf"\caption{{{escaped(caption)}}}", *label, *body, *notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def escaped(text: str) -> str:
    """Text with LaTeX's own signs escaped, and ours as its commands."""
    return _PATTERN.sub(lambda found: _SPECIAL[found[0]], text)


def _tabular(table: Table) -> list[str]:
    columns = "l" * table.labels + "r" * (len(table.header) - table.labels)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    for spans in table.spans:
        cells, rules, start = [], [], 1
        for span in spans:
            cells.append(rf"\multicolumn{{{span.width}}}{{c}}{{{escaped(span.text)}}}")
            if span.text:
                rules.append(rf"\cmidrule(lr){{{start}-{start + span.width - 1}}}")
            start += span.width
        lines += [" & ".join(cells) + r" \\", "".join(rules)]
    lines += [" & ".join(map(escaped, table.header)) + r" \\", r"\midrule"]
    for number in range(len(table.rows)):
        if number in table.rules and number:
            lines.append(r"\midrule")
        lines.append(" & ".join(_cells(table, number)) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _cells(table: Table, number: int) -> list[str]:
    cells = []
    for place, text in enumerate(table.rows[number]):
        shown = rf"\textbf{{{escaped(text)}}}" if (number, place) in table.bold else escaped(text)
        height = 1 if place >= table.labels else table.height(number, place)
        cells.append("" if not height else rf"\multirow[t]{{{height}}}{{*}}{{{shown}}}" if height > 1 else shown)
    return cells
