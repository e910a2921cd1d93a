"""Tables and verdict as text, against golden files. The evaluation is invented and drawn with a seed."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mot_plugin.evals import statistics
from mot_plugin.report import answer_rates, judged, markdown, other_purposes, tables, verdict
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.scores import Checkpoint, Score

GOLDEN = Path(__file__).parent / "golden"
TASKS = ("mot_aime24", "mot_aime25")
CHECKPOINTS = (
    BASE,
    *(Checkpoint("STD", teacher, step=step) for teacher in ("qwq", "r1") for step in (50, 100)),
    *(Checkpoint("MTD", step=step) for step in (50, 100)),
    *(Checkpoint("MoT", round=number) for number in (1, 2, 3)),
)
SKILL = dict(zip(CHECKPOINTS, (0.0, 0.05, 0.02, -0.2, -0.25, 0.0, 0.03, 0.1, 0.3, 0.12), strict=True))
SUMMARIES = [
    {
        "name": f"boba-200-{teacher}",
        "source": "boba-200",
        "teacher": teacher,
        "prompts": 200,
        "samples": samples,
        "kept": kept,
        "tokens": {"min": 812, "median": 6021, "max": 24990, "total": kept * 7000},
    }
    for teacher, samples, kept in (("qwq", 3200, 195), ("r1", 3200, 198), ("ALL TEACHERS", 6400, 393))
]


def same_text(name: str, text: str) -> None:
    """Compare with a golden file; it must exist."""
    file = GOLDEN / name
    if os.environ.get("REGENERATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    how = f"{file}: look at the difference; if it is meant: REGENERATE_GOLDEN=1 python -m pytest tests/report"
    assert file.is_file(), how
    assert text == file.read_text(encoding="utf-8"), how


def score(checkpoint: Checkpoint, task: str, hits: list[list[int]]) -> Score:
    return Score(
        method=checkpoint.method,
        teacher=checkpoint.teacher,
        round=checkpoint.round,
        step=checkpoint.step,
        task=task,
        metric="score",
        value=statistics.mean(hits),
        stderr=statistics.clustered_stderr(hits),
        problems=len(hits),
        repeats=len(hits[0]),
        fingerprint="f" * 8,
        hits=tuple(tuple(row) for row in hits),
        doc_hashes=tuple(f"{task}-{i}" for i in range(len(hits))),
    )


def evaluated(tasks: tuple[str, ...] = TASKS, *, lost: tuple[Checkpoint, ...] = ()) -> Board:
    draw = random.Random(3)
    chances = {task: [draw.random() for _ in range(30)] for task in tasks}
    scores = [
        score(one, task, [[int(draw.random() < chance + SKILL[one]) for _ in range(16)] for chance in chances[task]])
        for one in CHECKPOINTS
        for task in tasks
    ]
    kept = tuple(s for s in scores if s.checkpoint not in lost or (s.task == tasks[0] and s.method == "STD"))
    return Board(CHECKPOINTS, tasks, kept)


def report(board: Board) -> str:
    parts = [
        "".join(f"{sentence}\n" for sentence in verdict.sentences(board)),
        markdown.render(tables.table1(board, "Qwen3-8B", "boba-200")),
        markdown.render(tables.table2(board, "boba-200")),
        markdown.render(tables.table11(board)),
        *(markdown.render(table) for table in (judged.comparisons(board), judged.choices(board)) if table is not None),
    ]
    return "\n".join(parts)


def test_two_benchmarks() -> None:
    same_text("two-benchmarks.md", report(evaluated()))


def test_one_benchmark_has_no_average() -> None:
    same_text("one-benchmark.md", report(evaluated(("mot_quickstart",))))


def test_holes() -> None:
    lost = (Checkpoint("STD", "qwq", step=100), Checkpoint("MoT", round=3), Checkpoint("MTD", step=50))
    same_text("holes.md", report(evaluated(lost=lost)))


def test_nothing_there_yet() -> None:
    same_text("nothing.md", report(Board(CHECKPOINTS, TASKS, ())))


def test_corpora() -> None:
    same_text("corpora.md", markdown.render(tables.table10(SUMMARIES, ["artifacts/corpus-x/summary.json"])))


def test_one_shot_and_matched_baselines() -> None:
    """They stand in Tables 2 and 11 by their number of steps, and MoT is compared with them."""
    more = (Checkpoint("MTD-matched", step=300), Checkpoint("MTD-matched", step=600), Checkpoint("one-shot"))
    more += (Checkpoint("STD-matched", "qwq", step=600),)
    checkpoints = (BASE, *more, Checkpoint("MoT", round=1))
    solved = dict(zip(checkpoints, (2, 5, 6, 4, 9, 20), strict=True))
    hits = {one: [[int(number < count)] for number in range(24)] for one, count in solved.items()}
    board = Board(checkpoints, ("t",), tuple(score(one, "t", table) for one, table in hits.items()))
    assert [row[1] for row in tables.table2(board, "s").rows] == [
        "Base",
        "MTD-600 (ALL TEACHERS)",
        "STD-600 (qwq)",
        "One-shot merge",
        "MoT",
    ]
    assert [row[0] for row in tables.table11(board).rows][1:4] == [
        "STD-600 (qwq)",
        "MTD-600 (ALL TEACHERS)",
        "MTD-600 (ALL TEACHERS)",
    ]
    said = " ".join(verdict.sentences(board))
    for other in ("MTD-600 (ALL TEACHERS) step 600", "STD-600 (qwq) step 600", "One-shot merge"):
        assert f"MoT round 1 scores 83.33, {other} " in said
    assert "MTD-600 (ALL TEACHERS) step 600 is the best of 2" in said


def test_what_guessing_explains_is_said() -> None:
    mot = Checkpoint("MoT", round=1)
    near, far = [[int(i < 6)] for i in range(20)], [[int(i < 18)] for i in range(20)]
    scores = (replace(score(BASE, "t", near), chance=0.25), replace(score(mot, "t", far), chance=0.25))
    notes = " ".join(tables.table2(Board((BASE, mot), ("t",), scores), "s").notes)
    assert "T within 3 standard errors of guessing (25.0%)" in notes
    assert "answers are read: Base." in notes


def test_how_answers_were_given() -> None:
    board = evaluated(("mot_aime24",))
    rates = {"truncated": 0.125, "no_answer": 0.0, "pass_at_k": 0.9, "string_match": 0.5}
    one = board.scores[0]
    found = [one, *(replace(one, metric=name, value=value, stderr=0.01, hits=()) for name, value in rates.items())]
    table = answer_rates.table(board, found)
    assert table is not None
    assert table.header[3:] == ("n x k", "pass@k", "truncated", "no answer", "string match")
    assert table.rows[0][3:6] == ("30 x 16", "90.00 ± 1.00", "12.50 ± 1.00")
    assert len(table.rows) == 1
    assert answer_rates.table(board, board.scores) is None


def test_other_purposes_have_tables_of_their_own() -> None:
    base, std, mot = BASE, Checkpoint("STD"), Checkpoint("MoT", round=2)
    general = [
        replace(score(one, task, [[1, 0], [int(one == mot), 0]]), purpose="general")
        for one in (base, std, mot)
        for task in ("mot_ceval", "mot_supergpqa", "mot_ifeval")
    ]
    made = dict(other_purposes.general("S", "boba-200", ["qwq", "r1"], general))
    assert list(made) == ["table3"]
    assert made["table3"].header == ("Dataset", "Base model", "Config", "CEV", "SG", "IFE", "Avg drop")
    # Best STD has the base's outcomes, problem by problem: no error is left of their difference.
    assert [row[-1] for row in made["table3"].rows] == ["-", "0.00 ± 0.00", "↑25.00 ± 14.43"]
    assert "of a change paired by problem" in " ".join(made["table3"].notes)
    assert other_purposes.probe(general) is None
    mixed = [
        replace(score(Checkpoint(method), "mot_aime24_64", [[1], [0]]), purpose="probe", share=share)
        for method in ("MTD", "MoT")
        for share in (0.0, 0.5)
        if (method, share) != ("MoT", 0.5)
    ]
    mixed.append(replace(score(BASE, "mot_aime24_64", [[1], [1]]), purpose="probe", share=1.0))
    probed = other_purposes.probe(mixed)
    assert probed is not None
    assert probed.header == ("lambda", "MTD (ALL TEACHERS) AIME24_64", "MoT AIME24_64")
    assert [row[0] for row in probed.rows] == ["0", "0.5", "1"]
    assert probed.rows[1][2] == tables.MISSING
    assert probed.rows[2] == ("1", "100.00 ± 0.00", "100.00 ± 0.00")


def test_best_is_the_earliest_of_equals() -> None:
    rounds = tuple(Checkpoint("MoT", round=number) for number in (3, 1, 2))
    hits = [[1, 0], [0, 0]]
    board = Board(rounds, ("t",), tuple(score(one, "t", hits) for one in rounds))
    assert board.series("MoT") == [[rounds[1], rounds[2], rounds[0]]]
    assert board.best(board.series("MoT")[0]) == Checkpoint("MoT", round=1)


@pytest.mark.parametrize(("better", "expected"), [(0, "close"), (1, "close"), (8, "apart")])
def test_small_differences_are_not_distinguishable(better: int, expected: str) -> None:
    """Of ten problems, `better` are solved by MoT alone."""
    mot = Checkpoint("MoT", round=1)
    left, right = [[int(i < better)] for i in range(10)], [[0] for _ in range(10)]
    board = Board((BASE, mot), ("t",), (score(BASE, "t", right), score(mot, "t", left)))
    notes = " ".join(tables.table1(board, "student", "source").notes)
    assert ("Not distinguishable from Base" in notes) == (expected == "close")
    assert ("not distinguishable" in verdict.sentences(board)[0]) == (expected == "close")


def test_other_problems_are_not_paired() -> None:
    mot = Checkpoint("MoT", round=1)
    board = Board((BASE, mot), ("t",), (score(BASE, "t", [[0], [1]]), score(mot, "t", [[1], [1], [0]])))
    notes = " ".join(tables.table1(board, "student", "source").notes)
    assert "2 x 1 and 3 x 1 (not comparable)" in notes
    assert "Not paired with Base" in notes


def test_markdown_escapes_its_own_sign() -> None:
    table = tables.Table("T", ("a", "b"), (("x|y", "1"),))
    assert markdown.render(table) == "**T**\n\n| a    | b   |\n| ---- | --- |\n| x\\|y | 1   |\n"
