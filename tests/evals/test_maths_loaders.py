"""Reading PHYBench, MATH-500 and HMMT from local copies, and from a hub that cannot be reached. All rows are invented."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub_server import serving
from maths_rows import ROWS, write

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals import maths_loaders as loaders


def load(name: str, folder: Path, **options: Any) -> Any:
    return getattr(loaders, name)(mot_data_dir=str(folder), version=1.0, pretrained="ignored", **options)["test"]


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [
        ("phybench", {"id": "0", "tag": "MECHANICS", "problem": "Push 0 times?", "answer": "$$F_0 = m_{0} g$$"}, 100),
        (
            "math500",
            {"id": "test/0.json", "problem": "0 halves?", "answer": "\\frac{0}{2}", "subject": "Algebra", "level": "1"},
            500,
        ),
        ("hmmt", {"id": "1", "problem": "Root of 0?", "answer": "\\sqrt{0}"}, 30),
    ],
)
def test_whole_benchmarks(tmp_path: Path, name: str, first: dict[str, str], count: int) -> None:
    write(tmp_path, name)
    data = load(name, tmp_path)
    assert (data[0], len(data)) == (first, count)


def test_phybench_in_the_folder_that_the_hub_gives(tmp_path: Path) -> None:
    nested = tmp_path / "PHYBench-fullques_v1"
    nested.mkdir()
    write(nested, "phybench")
    (nested / "PHYBench-onlyques_v1.json").write_text("[]", encoding="utf-8")
    assert len(load("phybench", tmp_path)) == 100


@pytest.mark.parametrize(
    ("name", "strata", "expected"), [("phybench", ["tag"], 20), ("math500", ["subject", "level"], 100)]
)
def test_a_fifth_with_all_strata(tmp_path: Path, name: str, strata: list[str], expected: int) -> None:
    write(tmp_path, name)
    whole, part = load(name, tmp_path), load(name, tmp_path, fraction=0.2)
    assert len(part) == expected
    rows = [tuple(row[column] for column in strata) for row in whole]
    taken = [tuple(row[column] for column in strata) for row in part]
    assert all(abs(taken.count(stratum) - rows.count(stratum) / 5) < 1 for stratum in set(rows))
    write(tmp_path, name, backwards=True)
    assert set(load(name, tmp_path, fraction=0.2)["id"]) == set(part["id"])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("phybench", {"answer": "\\int x dx"}, "the answers of 5 are no formulas"),
        ("phybench", {"answer": ""}, "row 6: no text in `answer`"),
        ("phybench", {"content": None}, "row 6: no text in `content`"),
        ("phybench", {"content": "Push 0 times?"}, "has 100 different problems, but these are 99"),
        ("phybench", {"id": 4}, "has 100 different problems, but these are 99"),
        ("math500", {"answer": " "}, ":6: no text in `answer`"),
        (
            "math500",
            {"answer": "It holds because every " + "long " * 40},
            r":6: nothing compares with its `answer` \(prose\)",
        ),
        ("math500", {"unique_id": None}, ":6: no text in `unique_id`"),
        ("hmmt", {"answer": None}, ":6: no text in `answer`"),
    ],
)
def test_rows_that_are_not_the_benchmarks(tmp_path: Path, name: str, change: dict[str, Any], message: str) -> None:
    write(tmp_path, name, change=(5, change))
    with pytest.raises(FileError, match=message):
        load(name, tmp_path)


def test_answers_may_be_numbers(tmp_path: Path) -> None:
    write(tmp_path, "hmmt", change=(5, {"answer": 12}))
    assert load("hmmt", tmp_path)[5]["answer"] == "12"


@pytest.mark.parametrize("name", list(ROWS))
def test_a_part_is_not_a_benchmark(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, first=7)
    with pytest.raises(FileError, match="7 rows, but the"):
        load(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"), [("phybench", "PHYBench-fullques_v1"), ("math500", "math500"), ("hmmt", "hmmt_feb_2025")]
)
def test_a_missing_copy_says_what_to_put_there(tmp_path: Path, name: str, stem: str) -> None:
    with pytest.raises(MissingInput, match=rf"{stem}\.jsonl"):
        load(name, tmp_path)


def said(name: str, environment: dict[str, str], **options: str) -> str:
    """What a process prints: the hub's address and whether to be offline are read once, at its start."""
    code = "import sys\nfrom mot_plugin.errors import MissingInput\nfrom mot_plugin.evals import maths_loaders\n"
    code += f"try: print(len(maths_loaders.{name}(**{options})['test']))\nexcept MissingInput as error: print(error)"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.contract
def test_phybench_is_one_file_of_its_hub(tmp_path: Path) -> None:
    write(tmp_path, "phybench")
    content = (tmp_path / "PHYBench-fullques_v1.json").read_bytes()
    others = {"PHYBench-onlyques_v1.json": b"[]", "PHYBench-questions_v1.json": b"[]", "README.md": b""}
    with serving({"Eureka-Lab/PHYBench": {"PHYBench-fullques_v1.json": content, **others}}) as hub:
        environment = hub.environment(tmp_path / "home")
        assert said("phybench", environment) == "100"
        assert said("phybench", environment, dataset_revision=hub.commit("Eureka-Lab/PHYBench")) == "100"
        assert hub.downloads() == ["Eureka-Lab/PHYBench PHYBench-fullques_v1.json"]
        refused = said("phybench", environment, dataset_revision="0" * 40)
    assert refused.startswith(
        f"PHYBench-fullques_v1.json of the data set Eureka-Lab/PHYBench (revision {'0' * 40}) cannot"
    )
    assert refused.endswith(
        'put PHYBench-fullques_v1.json into a folder and pass --metadata \'{"mot_data_dir": "FOLDER"}\''
    )


@pytest.mark.contract
@pytest.mark.parametrize("name", list(ROWS))
def test_without_a_network(name: str, tmp_path: Path) -> None:
    with serving({}) as hub:
        words = said(name, {**hub.environment(tmp_path), "HF_HUB_OFFLINE": "1"})
    assert "cannot be loaded" in words
    assert "mot_data_dir" in words
