"""All thirteen tables at once: of runs, of the paper, or of runs beside the paper."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mot_plugin.report.paper import (
    against,
    full_tables,
    general_tables,
    holes,
    main_tables,
    printed,
    remarks,
    sizes_table,
    taught_table,
    teacher_tables,
)
from mot_plugin.report.paper.entries import Entry
from mot_plugin.report.paper.results import Results, Rule
from mot_plugin.report.paper.runs import Run, entries
from mot_plugin.report.paper.scene import Grouping, Scene, scene
from mot_plugin.report.paper.sheet import Sheet
from mot_plugin.report.table import Table

MAKERS: Mapping[int, Callable[[Scene], Sheet]] = {
    1: main_tables.table1,
    2: main_tables.table2,
    3: general_tables.table3,
    4: general_tables.table4,
    5: teacher_tables.table5,
    6: teacher_tables.table6,
    7: teacher_tables.table7,
    8: teacher_tables.table8,
    9: taught_table.table9,
    11: full_tables.table11,
    12: full_tables.table12,
    13: full_tables.table13,
}
"""Table 10 is not of scores."""
SIZES = 10
_EXCHANGED = {"mot_supergpqa": "mot_simpleqa", "mot_simpleqa": "mot_supergpqa"}


@dataclass(frozen=True)
class Wanted:
    """What to show: `beside_paper`, the paper's numbers beside those of the runs; `whole`: its whole matrix of students and
    sources, with holes. `shifted`: the teacher of Table 6. `rule`: what stands for a series of the runs'."""

    beside_paper: bool = True
    whole: bool = False
    grouping: Grouping = "paper"
    shifted: str | None = None
    rule: Rule = "best"


def of_runs(runs: Sequence[Run], wanted: Wanted = Wanted()) -> dict[int, Table]:
    """Tables by number. Without runs the paper's own."""
    paper = paper_results(wanted.grouping)
    if not runs:
        return of_paper(paper, wanted)
    mine = Results(entries(runs), rule=wanted.rule)
    shown = scene(mine, grouping=wanted.grouping, shifted=wanted.shifted)
    if wanted.whole:
        shown = replace(
            shown,
            students=_union(shown.students, paper.students),
            sources=_union(shown.sources, paper.sources),
            teachers=_union(shown.teachers, paper.teachers),
        )
    shown = replace(shown, shifted=wanted.shifted or teacher_tables.shifted(shown))
    theirs = replace(shown, results=paper, tasks=paper.tasks)
    made = {}
    for number, maker in MAKERS.items():
        sheet, other = maker(shown), maker(theirs)
        notes = [*remarks.remarks(shown, sheet), *_missing(sheet, other, mine, paper, runs)]
        paper_notes = [f"The paper: {said}" for said in remarks.of_paper(theirs, other)]
        made[number] = _finished(sheet, notes, other if wanted.beside_paper else None, paper_notes)
    made[SIZES] = _sizes(runs, shown, paper, wanted)
    return dict(sorted(made.items()))


def of_paper(paper: Results, wanted: Wanted = Wanted()) -> dict[int, Table]:
    """The paper's tables from its own numbers."""
    shown = scene(paper, grouping=wanted.grouping, shifted=wanted.shifted)
    made = {}
    for number, maker in MAKERS.items():
        sheet = maker(shown)
        made[number] = _finished(sheet, remarks.remarks(shown, sheet), None)
    made[SIZES] = sizes_table.table10(printed.sizes()).table()
    return dict(sorted(made.items()))


def paper_results(grouping: Grouping) -> Results:
    """The paper's numbers; as `corrected`, those under SG are SimpleQA's and those under SQ SuperGPQA's."""
    found: tuple[Entry, ...] = printed.entries()
    if grouping == "corrected":
        found = tuple(replace(entry, task=_EXCHANGED.get(entry.task, entry.task)) for entry in found)
    return Results(found, printed.BASELINES)


def _finished(sheet: Sheet, notes: Sequence[str], other: Sheet | None, paper_notes: Sequence[str] = ()) -> Table:
    whole = replace(sheet, notes=(*sheet.notes, *notes))
    both = whole if other is None else against.beside(whole, other)
    return (whole if both is whole else replace(both, notes=(*both.notes, *paper_notes))).table()


def _missing(sheet: Sheet, other: Sheet, mine: Results, paper: Results, runs: Sequence[Run]) -> list[str]:
    """What to run for the holes; a table without rows has none, so what the paper has there is said instead."""
    there = [one for one in other.wants if holes.there(one, sheet.number, paper)]
    said = holes.commands(dict.fromkeys((*sheet.wants, *there)), sheet.number, mine, paper, runs)
    return said or ([holes.ADVICE[sheet.number]] if not sheet.rows and sheet.number in holes.ADVICE else [])


def _sizes(runs: Sequence[Run], shown: Scene, paper: Results, wanted: Wanted) -> Table:
    summaries = [summary for run in runs for summary in run.summaries]
    own = sizes_table.table10(_once(summaries))
    sources = set(shown.sources)
    theirs = sizes_table.table10([one for one in printed.sizes() if sizes_table.source(one) in sources])
    expected = {(experiment.source, experiment) for experiment in paper.experiments if experiment.method == "MTD"}
    there = {row.labels[0].lower() for row in own.rows}
    absent = [
        one
        for source, one in sorted(expected, key=str)
        if source in sources and source not in there and one.student in shown.students
    ]
    notes = holes.commands(absent, SIZES, Results(()), paper, runs)
    return _finished(own, notes, theirs if wanted.beside_paper else None)


def _once(summaries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A corpus that several runs share is one."""
    return list({(one["source"], one["name"]): one for one in reversed(summaries)}.values())[::-1]


def _union(mine: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*mine, *others)))
