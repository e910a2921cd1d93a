"""The paper's tables from the reports of runs: holes and what fills them, seeds, and the paper's numbers beside."""

from pathlib import Path

import pytest
from paper_runs import TEACHERS, corpora, report

from mot_plugin.errors import FileError
from mot_plugin.report.paper import all_tables, holes
from mot_plugin.report.paper.all_tables import Wanted, of_runs
from mot_plugin.report.paper.runs import read
from mot_plugin.report.paper.scene import scene
from mot_plugin.report.table import MISSING, Table

ALONE = Wanted(beside_paper=False)


def made(*folders: Path, wanted: Wanted = ALONE) -> dict[int, Table]:
    return of_runs([read(folder) for folder in folders], wanted)


def cells(table: Table, *labels: str) -> tuple[str, ...]:
    """The row that these are the labels of."""
    return next(row[table.labels :] for row in table.rows if row[: table.labels] == labels)


def notes(table: Table) -> str:
    return "\n".join(table.notes)


def test_one_run(tmp_path: Path) -> None:
    tables = made(report(tmp_path / "one", general=True))
    assert list(tables) == list(range(1, 14))
    assert cells(tables[1], "QWEN3-8B") == ("70.83 ± 5.00", "70.83 ± 5.00", "70.83 ± 3.54", "-")
    assert cells(tables[1], "QWEN3-8B + BOBA-200 (MoT)")[2:] == ("73.96 ± 3.54", "↑3.13 ± 5.00")
    assert "MoT of QWEN3-8B on BOBA-200 72.71 at round 3 (best 73.96 at round 2)" in notes(tables[1])
    assert "AIME24 30 x 16, AIME25 30 x 16; ± is one standard error" in notes(tables[2])
    assert cells(tables[5], "QWEN3-8B") == ("QWQ",)
    assert cells(tables[6], "QWEN3-8B") == ("-2.08 ± 5.00",)
    assert "The teacher: DEEPSEEK-R1" in notes(tables[6])
    assert cells(tables[3], "BOBA", "QWEN3-8B", "MoT")[3] == "↑0.83 ± 4.08"
    assert [row[1] for row in tables[11].rows if row[0] == "MoT (ours)"] == ["Round 1", "Round 2", "Round 3"]


def test_a_tie_goes_to_the_first_teacher_and_is_said(tmp_path: Path) -> None:
    folder = report(tmp_path / "one", teachers=("b", "a"))
    text = (folder / "report/scores.json").read_text(encoding="utf-8")
    (folder / "report/scores.json").write_text(text.replace(str(340 / 480), str(345 / 480)), encoding="utf-8")
    table = made(folder)[5]
    assert cells(table, "QWEN3-8B") == ("B",)
    assert "Tied: QWEN3-8B on BOBA-200 (B, A)." in table.notes


def test_what_no_run_has_is_a_hole_with_its_command(tmp_path: Path) -> None:
    one, other = report(tmp_path / "one"), report(tmp_path / "other", "Qwen3-14B", "s1k200")
    tables = made(one, other)
    assert set(cells(tables[1], "QWEN3-8B + S1K-200 (MoT)")) == {MISSING}
    assert (
        "`mot-plugin run recipes/paper/qwen3-8b-s1k200.yaml`, `mot-plugin run recipes/paper/qwen3-14b-boba200.yaml`"
        in notes(tables[1])
    )
    for number, variant in ((7, "no-r1"), (12, "no-r1")):
        assert not tables[number].rows
        assert f"`mot-plugin run recipes/paper/qwen3-8b-boba200-{variant}.yaml`" in notes(tables[number])
    whole = made(one, wanted=Wanted(beside_paper=False, whole=True))
    assert len(whole[2].header) == 2 + 9
    assert "recipes/paper/qwen3-30b-a3b-boba200-peers.yaml" in notes(whole[13])


def test_an_unfinished_run_is_to_be_run_again(tmp_path: Path) -> None:
    folder = report(tmp_path / "one", missing=["STD (qwq) step 50"])
    text = (folder / "report/scores.json").read_text(encoding="utf-8")
    (folder / "report/scores.json").write_text(text.replace('"MTD"', '"MTD-matched"'), encoding="utf-8")
    table = made(folder)[2]
    assert cells(table, "BOBA", "MTD (ALL TEACHERS)") == (MISSING,) * 3
    assert cells(table, "BOBA", "MTD, steps as MoT (ALL TEACHERS)")[0] == "71.25 ± 5.00"
    assert f"{folder} is not finished (1 models without scores)" in notes(table)


def test_what_no_recipe_made_yet_has_advice(tmp_path: Path) -> None:
    tables = made(report(tmp_path / "one", "my-student", "my-problems", ("a", "b", "c")))
    for number, word in ((7, "--drop-teacher"), (8, "--keep-teachers"), (9, "student: MoT"), (13, "--keep-teachers")):
        assert (tables[number].rows, word in notes(tables[number])) == ((), True)


def test_another_teacher_for_table_6(tmp_path: Path) -> None:
    table = made(report(tmp_path / "one"), wanted=Wanted(beside_paper=False, shifted="qwq"))[6]
    assert cells(table, "QWEN3-8B") == ("+1.05 ± 5.00",)
    assert "QWQ, as asked; DEEPSEEK-R1 is the one with the lowest" in notes(table)


def test_strangers_have_no_shipped_recipe(tmp_path: Path) -> None:
    tables = made(report(tmp_path / "one", "my-student"), report(tmp_path / "two", "Qwen3-8B", "my-problems"))
    assert "in no recipe that comes with the package: MoT of MY-STUDENT on MY-PROBLEMS." in notes(tables[1])


def test_two_seeds_are_a_mean_with_a_deviation(tmp_path: Path) -> None:
    tables = made(report(tmp_path / "one"), report(tmp_path / "two", seed=2, better=12))
    # 355 and 367 of 480: 73.96 and 76.46; the base is one evaluation, so it has its standard error
    assert cells(tables[1], "QWEN3-8B + BOBA-200 (MoT)")[2:] == ("75.21 ± 1.77", "↑4.38 ± 1.77")
    assert cells(tables[1], "QWEN3-8B")[2] == "70.83 ± 3.54"
    assert "run with 2 seeds: mean ± standard deviation" in notes(tables[1])


def test_the_last_instead_of_the_best(tmp_path: Path) -> None:
    tables = made(report(tmp_path / "one"), wanted=Wanted(beside_paper=False, rule="last"))
    assert cells(tables[1], "QWEN3-8B + BOBA-200 (MoT)")[2] == "72.71 ± 3.54"
    assert "chosen by nobody" in notes(tables[1])
    assert "flatters" not in notes(tables[1])


def test_every_recipe_that_tables_ask_for_is_shipped() -> None:
    """The paper's own layout without any run: whatever it has a number for, some recipe makes."""
    paper = all_tables.paper_results("paper")
    asked = {
        (one, holes.recipe(one, number, paper))
        for number, maker in all_tables.MAKERS.items()
        for one in maker(scene(paper)).wants
        if one.method != "base"
    }
    assert len(asked) > 40
    assert {one for one, name in asked if name is None} == set()


def test_one_seed_twice_counts_once_and_is_said(tmp_path: Path) -> None:
    table = made(report(tmp_path / "one"), report(tmp_path / "two", better=12))[1]
    assert cells(table, "QWEN3-8B + BOBA-200 (MoT)")[2] == "73.96 ± 3.54"
    assert "the first run given counts: MoT of QWEN3-8B on BOBA-200." in notes(table)


def test_without_a_teacher_and_with_few(tmp_path: Path) -> None:
    tables = made(
        report(tmp_path / "all"),
        report(tmp_path / "no-r1", teachers=TEACHERS[:3], better=-12),
        report(tmp_path / "peers", teachers=TEACHERS[:2], better=6),
    )
    assert tables[7].title.endswith("(Dataset BOBA-200, Without DEEPSEEK-R1)")
    assert cells(tables[7], "QWEN3-8B") == ("-2.50 ± 5.00",)
    assert [row[0] for row in tables[8].rows] == [
        "Base",
        "STD: only QWQ",
        "STD: only QWEN3-32B",
        "MoT: QWQ + QWEN3-32B",
        "MoT: ALL TEACHERS",
    ]
    assert cells(tables[12], "QWEN3-8B", "Round 2")[2] == "71.46 ± 3.54"
    assert cells(tables[13], "Round 2")[2] == "75.21 ± 3.54"


def test_a_student_that_teaches(tmp_path: Path) -> None:
    tables = made(report(tmp_path / "all"), report(tmp_path / "taught", teachers=["qwen3-14b-mot"], general=True))
    table = tables[9]
    assert table.header[-4:] == ("PhyBench", "LiveCodeBench", "GPQA-Diamond", "AVG")
    # AIME of its own best checkpoint (345 of 480), the rest of its run's best STD (302); AVG of all five
    assert cells(table, "QWEN3-14B", "QWEN3-8B", "MoT")[-1] == "66.50 ± 2.24"
    assert set(cells(table, "QWEN3-14B", "QWEN3-8B", "Base")) == {MISSING}
    assert "QWEN3-14B-MOT" not in {row[1] for row in tables[2].rows}


def test_beside_the_paper(tmp_path: Path) -> None:
    table = made(report(tmp_path / "one"), wanted=Wanted())[1]
    label = "QWEN3-8B + BOBA-200 (MoT)"
    assert cells(table, label, "yours")[2:] == ("73.96 ± 3.54", "↑3.13 ± 5.00")
    assert cells(table, label, "paper (measured)") == ("78.33", "70.63", "74.48", "↑3.02")
    assert cells(table, label, "difference")[2:] == ("-0.52 ± 3.54", "+0.11 ± 5.00")
    assert cells(table, "OPENAI-O1", "paper (reported)") == ("74.30", "79.20", "76.75", "-")
    assert "Reported by others and copied: DEEPSEEK-R1" in notes(table)


def test_strangers_stand_alone(tmp_path: Path) -> None:
    folder = report(tmp_path / "one", "my-student", "my-problems", ("a", "b"))
    assert {n: t.rows for n, t in made(folder, wanted=Wanted()).items()} == {n: t.rows for n, t in made(folder).items()}


def test_groups_as_printed_and_corrected(tmp_path: Path) -> None:
    """A-14: what the paper prints under SG is, corrected, SimpleQA's; its averages stay."""
    folder = report(tmp_path / "one", general=True)
    printed, corrected = made(folder, wanted=Wanted())[3], made(folder, wanted=Wanted(grouping="corrected"))[3]
    assert printed.header[4:7] == ("CEV", "SG", "IFE")
    assert corrected.header[4:7] == ("CEV", "SQ", "IFE")
    one, other = (cells(table, "BOBA", "QWEN3-8B", "MoT", "paper (measured)") for table in (printed, corrected))
    assert one == other
    assert one[:4] == ("83.73", "10.09", "82.04", "↓-0.61")


def test_sizes_of_corpora(tmp_path: Path) -> None:
    folder = report(tmp_path / "one")
    corpora(folder)
    table = made(folder, wanted=Wanted())[10]
    assert cells(table, "BOBA-200", "QWQ", "BOBA-200-QWQ", "yours") == ("190",)
    assert cells(table, "BOBA-200", "QWQ", "BOBA-200-QWQ", "difference") == ("-5",)
    assert not [note for note in table.notes if "Missing" in note]


def test_no_report_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="mot-plugin report"):
        read(tmp_path)
    folder = report(tmp_path / "one")
    (folder / "report/scores.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileError, match="not a report of this version"):
        read(folder)
