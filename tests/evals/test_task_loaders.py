"""Reading benchmark problems from any of their common shapes. All rows here are invented."""

import json
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals import loaders


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def invented(count: int = 30) -> list[dict[str, Any]]:
    return [{"id": f"p{i}", "problem": f"What is {i} plus one?", "answer": str(i + 1)} for i in range(count)]


@pytest.mark.parametrize(
    "row",
    [
        {"problem": "How many?", "answer": "025"},
        {"problem": "How many?", "answer": 25},
        {"problem": "How many?", "answer": "\\boxed{25}"},
        {"question": "How many?", "answer": "25"},
        {"Problem": "How many?", "Answer": 25, "Solution": "long, \\boxed{1}"},
        {"problem": "How many?", "solution": "\\boxed{025}"},
        {"problem": "How many?", "answer": None, "solution": "Count them: \\boxed{25}."},
    ],
)
def test_schemas(row: dict[str, Any]) -> None:
    assert loaders.normalise([("here", row)]) == [{"id": "0", "problem": "How many?", "answer": "25"}]


def test_ids_are_kept() -> None:
    rows = [{"ID": "2024-I-1", "problem": "a", "answer": 1}, {"id": 5, "problem": "b", "answer": 2}]
    assert [row["id"] for row in loaders.normalise(("here", row) for row in rows)] == ["2024-I-1", "5"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "How many?", "answer": "25"}, "here: no `problem` or `question`, only answer, text"),
        ({"problem": "How many?", "answer": "about 25"}, "here: no integer in `answer`"),
        ({"problem": "How many?"}, "none boxed in `solution` .found None."),
    ],
)
def test_rows_that_are_not_problems(row: dict[str, Any], message: str) -> None:
    with pytest.raises(FileError, match=message):
        loaders.normalise([("here", row)])


def test_aime_from_a_folder(tmp_path: Path) -> None:
    rows = invented()
    rows[3]["problem"] += "\u2028"  # a line separator inside a problem does not end its row
    write(tmp_path, "aime24.jsonl", rows)
    data = loaders.aime(year=2024, mot_data_dir=str(tmp_path), version=1.0, pretrained="ignored")["test"]
    assert data.column_names == ["id", "problem", "answer"]
    assert data[4] == {"id": "p4", "problem": "What is 4 plus one?", "answer": "5"}


def test_aime_from_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(invented()), tmp_path / "aime25.parquet")
    assert len(loaders.aime(year=2025, mot_data_dir=str(tmp_path))["test"]) == 30


def test_aime_from_a_copy_of_the_hubs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "aime25").mkdir()
    (tmp_path / "aime25" / "README.md").write_text("---\nlicense: apache-2.0\n---\nInvented.\n", encoding="utf-8")
    write(tmp_path / "aime25", "test.jsonl", invented())
    data = loaders.aime(year=2025, mot_data_dir=str(tmp_path), local="aime25")["test"]
    assert data[29] == {"id": "p29", "problem": "What is 29 plus one?", "answer": "30"}


def test_aime_has_thirty_different_problems_below_a_thousand(tmp_path: Path) -> None:
    write(tmp_path, "aime24.jsonl", invented(29))
    with pytest.raises(FileError, match=r"aime24\.jsonl: 29 rows, but the `test` split of math-ai/aime24 has 30"):
        loaders.aime(year=2024, mot_data_dir=str(tmp_path))
    write(tmp_path, "aime24.jsonl", [*invented(29), invented()[0]])
    with pytest.raises(FileError, match="AIME 2024 has 30 different problems, but these are 29"):
        loaders.aime(year=2024, mot_data_dir=str(tmp_path))
    write(tmp_path, "aime24.jsonl", [*invented(29), {"id": "big", "problem": "Big?", "answer": 1000}])
    with pytest.raises(FileError, match=r"answers of big are not 0\.\.999"):
        loaders.aime(year=2024, mot_data_dir=str(tmp_path))
    write(tmp_path, "aime24.jsonl", [*invented(29), {"id": "no", "problem": "None?"}])
    with pytest.raises(FileError, match=r"aime24\.jsonl:30: no integer in `answer`"):
        loaders.aime(year=2024, mot_data_dir=str(tmp_path))


def test_a_missing_folder_says_what_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(
        MissingInput, match=r"copy of math-ai/aime24: neither \S+aime24\.jsonl (.|\n)*hf download .*math-ai/aime24"
    ):
        loaders.aime(year=2024, mot_data_dir=str(tmp_path))


def test_shipped_takes_an_absolute_path(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.jsonl", invented(3))
    assert len(loaders.shipped(path=str(file), version=1.0)["test"]) == 3
    with pytest.raises(MissingInput, match="no such file"):
        loaders.shipped(path=str(tmp_path / "other.jsonl"))
    file.write_text('{"problem": "a", "answer": 1}\nnonsense\n', encoding="utf-8")
    with pytest.raises(FileError, match=r"mine\.jsonl:2: not JSON"):
        loaders.shipped(path=str(file))
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(FileError, match="is empty"):
        loaders.shipped(path=str(file))


def test_shipped_takes_a_path_inside_the_package() -> None:
    with pytest.raises(MissingInput, match=r"recipes/quickstart/there-is-none\.jsonl"):
        loaders.shipped(path="recipes/quickstart/there-is-none.jsonl")
