"""`mot-plugin paper`: the paper's tables from the scores of runs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mot_plugin.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mot_plugin.report.plots import Figure


class Against(StrEnum):
    """What stands beside the runs' numbers."""

    paper = "paper"
    none = "none"


class Groups(StrEnum):
    """Which benchmarks Table 3 counts as sensitive to forgetting."""

    paper = "paper"
    corrected = "corrected"


class Choice(StrEnum):
    """Which checkpoint or round stands for a method."""

    best = "best"
    last = "last"


def paper(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Run folders; none for the paper's own numbers")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write Markdown, CSV, LaTeX and HTML there")
    ] = None,
    tables: Annotated[str, typer.Option("--tables", metavar="1,2,...", help="Only these")] = "",
    against: Annotated[Against, typer.Option("--against", help="What to set beside the runs")] = Against.paper,
    groups: Annotated[
        Groups, typer.Option("--grouping", help="Table 3 as printed, or with SuperGPQA and SimpleQA exchanged")
    ] = Groups.paper,
    choose: Annotated[
        Choice, typer.Option("--choose", help="The runs' best checkpoint or round by AVG, as the paper, or the last")
    ] = Choice.best,
    whole: Annotated[
        bool, typer.Option("--whole", help="Show all of the paper's students and sources, with holes")
    ] = False,
    shifted: Annotated[
        str | None, typer.Option("--shifted", metavar="TEACHER", help="The teacher of Table 6; the worst if not given")
    ] = None,
) -> None:
    """Show Tables 1 to 13 of the paper with the scores of these runs, beside the paper's own, and what fills the holes."""
    from mot_plugin.report import figures, markdown
    from mot_plugin.report.paper import all_tables, names, write
    from mot_plugin.report.paper.runs import read

    wanted = all_tables.Wanted(
        beside_paper=against is Against.paper,
        whole=whole,
        grouping=groups.value,
        rule=choose.value,
        shifted=names.key(shifted) if shifted else None,
    )
    made = all_tables.of_runs([read(run) for run in runs or []], wanted)
    numbers = _numbers(tables) or list(made)
    absent = [number for number in numbers if number not in made]
    if absent:
        raise FileError(f"--tables: there is no Table {absent[0]}; there are {min(made)} to {max(made)}")
    chosen = {number: made[number] for number in numbers}
    if out is None:
        print("\n".join(markdown.render(table) for table in chosen.values()), end="")
        return
    drawn = _figures(runs or [])
    written = [*write.write(chosen, out, drawn), *(figures.write(drawn, out / "figures") if drawn else [])]
    print(
        f"wrote {len(written)} files: {out}/paper.html, paper.tex, paper.md, and each table as md, csv, tex, html",
        file=sys.stderr,
    )


def _figures(runs: "Sequence[Path]") -> "list[Figure]":
    """Figures 1, 4 and 5 of the runs that are there as a whole, and not by their report alone."""
    from mot_plugin.report import figure_data, figures

    whole = [run for run in runs if (run / figure_data.CONFIG).is_file()]
    return figures.of_runs(figure_data.told_apart([figure_data.read(run)[0] for run in whole])) if whole else []


def _numbers(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        return [int(word) for word in words]
    except ValueError:
        raise FileError(f"--tables takes numbers, got {text!r}") from None
