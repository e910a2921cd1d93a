"""Figures as SVG: fit for a page, the same every time, legible; and what they say in words and numbers."""

import csv
import io
import itertools
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from figure_runs import TEACHERS, full_size, paper_choice, paper_dynamics, spent

from mot_plugin.report import drawing, drawing_text, figure_data, figures
from mot_plugin.report.board import BASE, Board
from mot_plugin.report.curves import Run
from mot_plugin.report.figures import Figure
from mot_plugin.report.plots import INK, STYLES, Line, Panel

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def made() -> list[Figure]:
    full, less, other = full_size(), full_size("less", 1, teachers=TEACHERS[:3]), full_size("other", 3, "S1K-200")
    runs = figure_data.told_apart([full, less, other])
    return [*figures.of_run(full, spent(), png=True), *figures.of_runs(runs), *figures.of_runs(paper_choice())]


@pytest.fixture(scope="module")
def drawn(made: list[Figure]) -> list[str]:
    return [text for figure in made for text in (figure.svg, figure.narrow)]


def rows(figure: Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(figure.csv)))


def named(made: Sequence[Figure], name: str) -> Figure:
    return next(figure for figure in made if figure.name == name)


def test_which_figures_there_are(made: list[Figure]) -> None:
    names = ["figure1", "figure3", "figure5", "cost", "figure1", "figure4", "figure5", "figure1"]
    assert [figure.name for figure in made] == names


def test_one_element_without_anything_from_outside(drawn: list[str]) -> None:
    for text in drawn:
        assert text.startswith("<svg ")
        assert ET.fromstring(text).tag == f"{NAMESPACE}svg"
        outside = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"http|<script|<image|@import|<!DOCTYPE|<\?xml|DejaVu", outside)
        assert re.findall(r"([^{}]*)\{", re.search(r"<style>(.*?)</style>", text)[1]) == [  # type: ignore[index]
            "svg:root",
            "@media(prefers-color-scheme:dark)",
            "svg:root",
            ".mot-figure",
            ".mot-figure text",
            ".mot-figure *",
        ], "a rule without the class would hold for the whole page"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_it_is_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_nothing_is_invisible_on_a_light_or_a_dark_page(drawn: list[str]) -> None:
    for text in drawn:
        body = text.partition("</style>")[2]
        used = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", body))
        assert used <= {"none", "currentColor", *(style.colour for style in STYLES.values())}
        assert "currentColor" in used
        assert INK not in text
        for element in ET.fromstring(text).iter(f"{NAMESPACE}text"):  # black if nobody says otherwise
            assert "fill: currentColor" in element.attrib["style"]
    for style in STYLES.values():
        if style.colour != INK:
            assert min(contrast(style.colour, page) for page in ("#ffffff", "#0d1117")) >= 3


def test_lines_differ_in_more_than_colour() -> None:
    assert len({(style.dashes, style.marker) for style in STYLES.values()}) == len(STYLES)


def test_names_are_unique_over_all_figures_of_a_page(drawn: list[str]) -> None:
    page = drawn[:8]
    ids = [name for text in page for name in re.findall(r' id="([^"]+)"', text)]
    assert len(ids) == len(set(ids)) > 0
    for text in page:
        used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
        assert {"".join(pair) for pair in used} == set(re.findall(r' id="([^"]+)"', text))


def boxes(text: str) -> list[tuple[str, float, float, float, float]]:
    """(words, left, top, right, bottom) of every text, estimated."""
    found = []
    for element in ET.fromstring(text).iter(f"{NAMESPACE}text"):
        words, style = element.text or "", element.attrib["style"]
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        width = 0.55 * drawing_text.SIZE * len(words)
        start = x - (width if "end" in style else width / 2 if "middle" in style else 0)
        found.append((words, start, y - 7, start + width, y + 1))
    return found


def test_no_words_lie_over_others_or_outside(drawn: list[str]) -> None:
    for text in drawn:
        _, _, width, height = map(float, re.search(r'viewBox="([^"]+)"', text)[1].split())  # type: ignore[index]
        placed = boxes(text)
        assert len(placed) > 8
        for place, (words, left, top, right, bottom) in enumerate(placed):
            assert left >= -1, words
            assert top >= 0, words
            assert right <= width + 1, words
            assert bottom <= height, words
            for other, a, b, c, d in placed[place + 1 :]:
                assert not (left < c and a < right and top < d and b < bottom), f"{words!r} lies over {other!r}"


def test_drawn_again_it_is_the_same(made: list[Figure]) -> None:
    again = figures.of_run(full_size.__wrapped__(), spent(), png=True)
    assert again == made[: len(again)]


def test_files(made: list[Figure], tmp_path: Path) -> None:
    files = figures.write(made[:1], tmp_path / "figures")
    assert [file.name for file in files] == ["figure1.svg", "figure1.csv", "figure1.png"]
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_figure_1_is_the_papers_table_5(made: list[Figure]) -> None:
    said = " ".join(made[-1].notes)
    assert re.findall(r"Qwen3-\w+(?:-A3B)? on [\w-]+", said) == [run.setting for run in paper_choice()]
    assert re.findall(r"best teacher ([\w-]+),", said) == ["QWQ", "QWEN3-235B", "QWEN3-235B", "QWQ", "QWEN3-235B"]
    assert "Qwen3-8B on S1K-200: QWQ and QWEN3-32B are equal, and the first one counts as best." in said


def test_figure_3_has_every_loss_in_its_numbers_and_what_to_see_in_words(made: list[Figure]) -> None:
    figure = named(made, "figure3")
    losses = [row for row in rows(figure) if row["panel"].startswith("Training loss")]
    counts = {
        name: sum(row["line"] == name for row in losses) for name in ("MoT", "STD (QWQ)", "MoT, probe", "MTD, probe")
    }
    assert counts == {"MoT": 250, "STD (QWQ)": 250, "MoT, probe": 10, "MTD, probe": 6}
    assert re.search(r"The loss of MoT is above that of STD \(QWQ\) at 2\d\d of 250 equal steps", figure.notes[0])
    assert any(note.startswith("STD (QWQ) peaks at") and note.endswith("points lower.") for note in figure.notes)
    assert "merge" in figure.svg
    places = [float(row["x"]) for row in rows(figure) if row["panel"].startswith("AVG") and row["line"] == "MoT"]
    assert places == [50, 100, 150, 200, 250]


def test_scores_alone_are_half_of_figure_3() -> None:
    (figure,) = figures.of_run(paper_dynamics())
    assert [row["y"] for row in rows(figure) if row["line"] == "MoT"] == ["72.19", "73.86", "73.34", "73.65", "73.13"]
    assert figure.notes == (
        "MoT peaks at 73.86 (round 2) and ends at 73.13, 0.73 points lower.",
        "STD (QWQ) peaks at 71.88 (step 250), its last.",
    )


def test_another_teacher_can_be_asked_for() -> None:
    figure = named(figures.of_run(full_size(), teacher="DEEPSEEK-R1"), "figure3")
    assert {"MoT", "STD (DEEPSEEK-R1)", "Base"} <= {row["line"] for row in rows(figure)}


def test_figure_5_names_both_ends_and_measures_smoothness(made: list[Figure]) -> None:
    figure = named(made, "figure5")
    words = {words for words, *_ in boxes(figure.svg)}
    assert {"checkpoint", "base", "λ, the weight of the base"} <= words
    assert figure.table is not None
    assert [row[1] for row in figure.table.rows] == ["MoT", "MTD", "MoT less MTD"]
    assert all(re.fullmatch(r"-?\d+\.\d\d \[-?\d+\.\d\d, -?\d+\.\d\d\]", cell) for cell in figure.table.rows[2][2:])
    assert any("MoT's curve is smoother" in note for note in figure.notes), "it was drawn so"
    assert any("bootstrap over problems" in note for note in figure.notes)


def test_figure_4_sets_runs_of_one_setting_against_each_other(made: list[Figure]) -> None:
    figure = named(made, "figure4")
    assert figure.title == "Figure 4: MoT against MoT without DEEPSEEK-R1, Qwen3-8B on BOBA-200"
    lines = {row["line"] for row in rows(figure)}
    assert lines == {"MoT", "MoT, probe", "MoT without DEEPSEEK-R1", "MoT without DEEPSEEK-R1, probe", "Base"}


def test_runs_are_named_by_what_they_lack() -> None:
    full, two, less = (full_size(name, 1, teachers=TEACHERS[:count]) for name, count in (("a", 4), ("b", 2), ("c", 3)))
    names = [run.name for run in figure_data.told_apart([full, two, less, full])]
    assert names == ["MoT (a)", "MoT of QWQ, QWEN3-32B", "MoT without DEEPSEEK-R1", "MoT (a)"]


def test_cost_counts_every_branch(made: list[Figure]) -> None:
    table = named(made, "cost").table
    assert table is not None
    counted = {row[0]: row[2:4] for row in table.rows}
    assert counted["MoT"] == counted["MTD-matched"] == counted["one-shot"] == ("1,000", "64,000")
    assert counted["STD (QWQ)"] == counted["MTD"] == ("250", "16,000")


def test_without_data_there_is_no_figure() -> None:
    empty = Run("r", "s", "c", Board((BASE,), ("t",), ()))
    assert figures.of_run(empty) == []
    assert figures.of_runs([empty, empty]) == []


def test_many_lines_that_end_together_keep_their_names_apart() -> None:
    lines = tuple(Line(f"a rather long name {n}", STYLES["MoT"], ((0, 1.0), (1, 50 + n / 50))) for n in range(9))
    figure = drawing.figure("many", "Many", [Panel("Title", "x", lines, (("Base", 50.0, None),))])
    placed = sorted(top for words, _, top, _, _ in boxes(figure.svg) if words.startswith(("a rather", "Base")))
    assert all(below - above >= 12 for above, below in itertools.pairwise(placed))


@pytest.mark.parametrize(
    ("wished", "expected"),
    [
        ([], []),
        ([50.0, 10.0], [50, 10]),
        ([50.0, 50.0], [45, 55]),
        ([0.0, 0.0, 0.0], [0, 10, 20]),
        ([100.0, 99.0], [100, 90]),
        ([40.0, 45.0, 52.0], [35.67, 45.67, 55.67]),
    ],
)
def test_names_give_way_as_little_as_they_can(wished: list[float], expected: list[float]) -> None:
    assert drawing_text.spread(wished, 10, 100) == pytest.approx(expected, abs=0.01)


WITHOUT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from figure_runs import full_size, spent
from mot_plugin.report import figures
assert "matplotlib" not in sys.modules, "loaded before it is needed"
sys.modules["matplotlib"] = None  # importing it now fails as if it were not installed
made = figures.of_run(full_size(), spent())
print(*[file.name for file in figures.write(made, Path(sys.argv[2]))])
print(*{figure.notes[-1] for figure in made}, sep="\\n")
assert made[-1].table.rows and not any(figure.svg or figure.narrow for figure in made)
"""


def test_without_matplotlib_the_numbers_are_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["figure1.csv figure3.csv figure5.csv cost.csv", drawing.MISSING]
    assert "pip install 'mot-plugin[report]'" in drawing.MISSING
