"""The paper's Table 2, typed in: its averages and gains must come out to the digit."""

from decimal import Decimal

import pytest

from mot_plugin.report import rounding, tables
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import Checkpoint, Score

TASKS = ("mot_aime24", "mot_aime25")
STUDENTS = ("8B", "14B", "30B-A3B")

# Table 2 of the paper: AIME24, AIME25, AVG for each student.
TABLE_2 = {
    "BOBA": {
        ("base", None): ("75.83 67.08 71.46", "79.17 70.00 74.59", "80.63 70.90 75.77"),
        ("MTD", None): ("76.04 68.96 72.50", "76.46 75.42 75.94", "79.38 73.96 76.67"),
        ("STD", "QWQ"): ("76.25 67.50 71.88", "79.58 73.54 76.56", "79.79 75.63 77.71"),
        ("STD", "QWEN3-32B"): ("75.42 67.71 71.57", "77.71 71.25 74.48", "81.04 76.04 78.54"),
        ("STD", "QWEN3-235B"): ("74.58 67.92 71.25", "79.17 74.79 76.98", "81.88 75.42 78.65"),
        ("STD", "DEEPSEEK-R1"): ("67.71 60.21 63.96", "74.38 67.50 70.94", "78.33 68.96 73.65"),
        ("MoT", None): ("78.33 70.63 74.48", "79.38 76.88 78.13", "82.92 78.33 80.63"),
    },
    "S1K": {
        ("base", None): ("75.83 67.08 71.46", "79.17 70.00 74.59", "80.63 70.90 75.77"),
        ("MTD", None): ("75.63 70.83 73.23", "79.17 73.34 76.26", "78.33 74.58 76.46"),
        ("STD", "QWQ"): ("76.04 68.13 72.09", "80.21 72.92 76.57", "81.46 72.92 77.19"),
        ("STD", "QWEN3-32B"): ("77.50 66.67 72.09", "79.79 72.50 76.15", "79.58 73.13 76.36"),
        ("STD", "QWEN3-235B"): ("74.38 68.54 71.46", "77.08 75.41 76.25", "79.17 76.04 77.61"),
        ("STD", "DEEPSEEK-R1"): ("70.00 61.46 65.73", "73.75 62.92 68.34", "78.54 70.63 74.59"),
        ("MoT", None): ("77.50 71.67 74.59", "81.67 75.63 78.65", "80.83 77.50 79.17"),
    },
}
# Table 1's last column.
GAINS = {
    ("BOBA", "8B"): "↑3.02",
    ("S1K", "8B"): "↑3.13",
    ("BOBA", "14B"): "↑3.54",
    ("S1K", "14B"): "↑4.06",
    ("BOBA", "30B-A3B"): "↑4.86",
    ("S1K", "30B-A3B"): "↑3.40",
}


def board(source: str, student: str) -> Board:
    scores, checkpoints = [], []
    for (method, teacher), cells in TABLE_2[source].items():
        checkpoint = Checkpoint(method, teacher, round=1 if method == "MoT" else None)
        checkpoints.append(checkpoint)
        for task, cell in zip(TASKS, cells[STUDENTS.index(student)].split(), strict=False):
            scores.append(
                Score(method, teacher, checkpoint.round, None, task, "score", float(cell) / 100, None, 30, 16, "typed")
            )
    return Board(tuple(checkpoints), TASKS, tuple(scores))


@pytest.mark.parametrize(("source", "student"), GAINS)
def test_averages_of_table_2(source: str, student: str) -> None:
    rows = {row[1]: row for row in tables.table2(board(source, student), source).rows}
    assert len(rows) == 7
    for (method, teacher), cells in TABLE_2[source].items():
        assert rows[Checkpoint(method, teacher).title][2:5] == tuple(cells[STUDENTS.index(student)].split())


@pytest.mark.parametrize(("source", "student"), GAINS)
def test_gains_of_table_1(source: str, student: str) -> None:
    base, mot = tables.table1(board(source, student), f"QWEN3-{student}", f"{source}-200").rows
    assert (base[0], base[-1]) == (f"QWEN3-{student}", "-")
    assert mot[0] == f"QWEN3-{student} + {source}-200 (MoT, round 1)"
    assert mot[-1] == GAINS[source, student]


def test_best_teacher_ties_go_to_the_first() -> None:
    best = board("S1K", "8B").best_of("STD")
    assert best is not None
    assert best.teacher == "QWQ"


def test_a_loss_points_down() -> None:
    one = board("BOBA", "8B")
    assert rounding.arrow(one.gain(Checkpoint("STD", "DEEPSEEK-R1"), BASE) or Decimal(0)) == "↓7.50"
    assert rounding.arrow(Decimal("0.00")) == "0.00"


def test_halves_go_up_in_spite_of_floats() -> None:
    for hits in range(481):
        exact = Decimal(hits) * 100 / 480
        expected = exact.quantize(Decimal("0.01"), "ROUND_HALF_UP")
        assert rounding.percent(hits / 480) == expected
        assert rounding.percent(sum([hits / 480 / 30] * 30)) == expected
    with pytest.raises(ValueError, match="no scores"):
        rounding.average([])
