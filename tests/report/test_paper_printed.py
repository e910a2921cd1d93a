"""The paper's numbers as entries, rendered: every cell beside the one that the paper prints (tests/report/printed)."""

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from mot_plugin.report import rounding
from mot_plugin.report.paper import (
    full_tables,
    general_tables,
    main_tables,
    printed,
    sizes_table,
    taught_table,
    teacher_tables,
)
from mot_plugin.report.paper.results import Results
from mot_plugin.report.paper.scene import Scene, scene
from mot_plugin.report.paper.sheet import Sheet
from mot_plugin.report.table import MISSING, Table

PRINTED = Path(__file__).parent / "printed"
LOST = "?"
"""A cell that our text of the paper has lost."""
MAKERS: dict[int, Callable[[Scene], Sheet]] = {
    1: main_tables.table1,
    2: main_tables.table2,
    3: general_tables.table3,
    4: general_tables.table4,
    5: teacher_tables.table5,
    6: teacher_tables.table6,
    7: teacher_tables.table7,
    8: teacher_tables.table8,
    9: taught_table.table9,
    10: lambda _: sizes_table.table10(printed.sizes()),
    11: full_tables.table11,
    12: full_tables.table12,
    13: full_tables.table13,
}
NUMBERS = scene(Results(printed.entries(), printed.BASELINES))
Cells = dict[tuple[str, ...], dict[str, str]]


def rendered(number: int) -> Table:
    return MAKERS[number](NUMBERS).table()


def plain(label: str) -> str:
    """Small capitals and one student's two names make no difference; nor does what the paper adds in brackets."""
    word = label.casefold().replace("\N{EN DASH}", "-")
    return {"qwen3-30b": "qwen3-30b-a3b", "base (vanilla)": "base", "(40k)": "-"}.get(word, word)


def ours(number: int) -> Cells:
    table = rendered(number)
    names = table.flat_header[table.labels :]
    return {
        tuple(map(plain, row[: table.labels])): dict(zip(names, row[table.labels :], strict=True)) for row in table.rows
    }


def theirs(number: int) -> Cells:
    labels = rendered(number).labels
    with (PRINTED / f"table{number:02d}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return {tuple(map(plain, row[:labels])): dict(zip(header[labels:], row[labels:], strict=True)) for row in rows}


@pytest.mark.parametrize("number", MAKERS)
def test_to_the_digit(number: int) -> None:
    """Rows, columns and every cell that our text of the paper has."""
    mine, printed_cells = ours(number), theirs(number)
    assert mine.keys() == printed_cells.keys()
    for row, cells in printed_cells.items():
        assert list(mine[row]) == list(cells)
        assert {c: text for c, text in mine[row].items() if cells[c] != LOST} == {
            c: text for c, text in cells.items() if text != LOST
        }


@pytest.mark.parametrize("number", [n for n in MAKERS if n != 11])
def test_in_the_order_of_the_paper(number: int) -> None:
    assert list(ours(number)) == list(theirs(number))


def test_what_table_11_has_lost() -> None:
    """69 of 372 cells; Table 2 prints six of them again, as results whose step or round can be told."""
    lost = {(row, column) for row, cells in theirs(11).items() for column, text in cells.items() if text == LOST}
    again = {place for place in lost if ours(11)[place[0]][place[1]] != MISSING}
    assert {row[0] for row, _ in lost} == {"std (qwen3-32b)", "std (deepseek-r1)", "mot (ours)"}
    assert (len(lost), sum(map(len, theirs(11).values()))) == (69, 372)
    assert sorted((row[0], row[1], column) for row, column in again) == sorted(
        [
            ("std (qwen3-32b)", "step 50", "BOBA-200 QWEN3-14B A24"),
            ("std (qwen3-32b)", "step 50", "BOBA-200 QWEN3-30B-A3B A24"),
            ("std (qwen3-32b)", "step 50", "S1K-200 QWEN3-14B A24"),
            ("mot (ours)", "round 4", "BOBA-200 QWEN3-14B A24"),
            ("mot (ours)", "round 5", "BOBA-200 QWEN3-30B-A3B A24"),
            ("mot (ours)", "round 5", "S1K-200 QWEN3-14B A24"),
        ]
    )


def test_the_paper_s_choice_is_not_always_its_best() -> None:
    """A-03: three results of Table 2 lie below another row of Table 11."""
    results, worse = NUMBERS.results, []
    for one in results.experiments:
        for chosen, points in zip(results.chosen(one), results.series(one), strict=False):
            known = [average for p in points if (average := p.average(results.tasks)) is not None]
            own = chosen.average(results.tasks)
            if own is not None and max(known) > own:
                worse.append((one.student, one.source, one.teacher or one.method, str(own), str(max(known))))
    assert sorted(worse) == [
        ("qwen3-14b", "boba-200", "MTD", "75.94", "76.04"),
        ("qwen3-14b", "s1k-200", "MTD", "76.26", "76.46"),
        ("qwen3-30b-a3b", "boba-200", "qwen3-235b", "78.65", "79.07"),
    ]


def test_three_bases_of_one_student() -> None:
    """A-01: with any other base, Tables 1, 6 and 8 do not come out."""
    averages = {
        place: str(NUMBERS.results.bases("qwen3-30b-a3b", table)[0].average(NUMBERS.tasks))
        for table, place in ((1, 2), (8, 8), (6, 11))
    }
    assert averages == {2: "75.77", 8: "75.32", 11: "77.09"}
    for number, place in ((1, 11), (6, 2), (8, 2)):
        other = scene(Results(printed.entries(), {**printed.BASELINES, number: place}))
        assert MAKERS[number](other).table().rows != rendered(number).rows


def test_scores_that_no_480_answers_give() -> None:
    """A-20: AIME scores that are no k/480 in two decimals. Five lie 0.01 beside one."""
    possible = {rounding.percent(k / 480) for k in range(481)}
    odd = {
        rounding.percent(entry.value)
        for entry in printed.entries()
        if entry.repeats and entry.experiment.method != "reference"
    } - possible
    assert sorted(map(str, odd)) == ["68.64", "70.90", "73.34", "73.53", "73.95", "75.41", "82.70"]
    near = {one for one in odd if min(abs(one - score) for score in possible) <= Decimal("0.01")}
    assert sorted(map(str, odd - near)) == ["68.64", "70.90"]
