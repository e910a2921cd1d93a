"""Rows of a benchmark from copies of a hub's data set, with `datasets` itself and without any network."""

from pathlib import Path

import pytest

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals.origin import Origin, rows, text

PARTS = Origin("org/parts", "parts", "val", 4, configs=("one", "two"), column="subject")
WHOLE = Origin("org/whole", "whole", "train", 2)
GATED = Origin("org/gated", "gated", "train", 2, advice="ask for access there")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def hub_copy(folder: Path) -> None:
    """A data set of two parts as the hub keeps it: parquet files, and a README that says which belong to which."""
    import pyarrow
    from pyarrow import parquet

    lines = ["---", "configs:"]
    for part in ("one", "two"):
        (folder / part).mkdir(parents=True)
        for split in ("val", "test"):
            table = pyarrow.Table.from_pylist([{"id": f"{part} {split} {number}"} for number in range(2)])
            parquet.write_table(table, folder / part / f"{split}-00000-of-00001.parquet")
        lines += [f"- config_name: {part}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {part}/{split}-*" for split in ("val", "test")]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


def test_a_copy_of_a_hubs_data_set(tmp_path: Path) -> None:
    hub_copy(tmp_path / "parts")
    found = rows(PARTS, mot_data_dir=str(tmp_path), dataset_revision=None)
    assert [row for _, row in found] == [
        {"id": f"{part} val {number}", "subject": part} for part in ("one", "two") for number in range(2)
    ]
    assert found[2][0] == f"{tmp_path / 'parts'} two row 1"


def test_a_copy_with_its_one_file(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "whole-all.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n', encoding="utf-8")
    found = rows(WHOLE, mot_data_dir=str(tmp_path), dataset_revision=None)
    assert [row for _, row in found] == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_a_file_comes_before_a_folder(tmp_path: Path, ending: str) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / f"whole{ending}").write_text('{"id": "a"}\n{"id": "b"}\n', encoding="utf-8")
    found = rows(WHOLE, mot_data_dir=str(tmp_path), dataset_revision="ignored")
    assert found == [(f"{tmp_path}/whole{ending}:{number}", {"id": id_}) for number, id_ in ((1, "a"), (2, "b"))]


def test_another_number_of_rows(tmp_path: Path) -> None:
    (tmp_path / "whole.csv").write_text("id\na\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"whole\.csv: 1 rows, but the `train` split of org/whole has 2"):
        rows(WHOLE, mot_data_dir=str(tmp_path), dataset_revision=None)


def test_a_folder_that_is_no_copy(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    with pytest.raises(
        FileError, match=r"parts is not a copy of the data set org/parts(.|\n)*parts\.jsonl, with their `s"
    ):
        rows(PARTS, mot_data_dir=str(tmp_path), dataset_revision=None)
    hub_copy(tmp_path / "whole")
    with pytest.raises(FileError, match=r"whole is not a copy of the data set org/whole"):
        rows(WHOLE, mot_data_dir=str(tmp_path), dataset_revision=None)


def test_no_copy(tmp_path: Path) -> None:
    with pytest.raises(
        MissingInput, match=r"no copy of org/gated(.|\n)*gated/(.|\n)*hf download(.|\n)*ask for access there"
    ):
        rows(GATED, mot_data_dir=str(tmp_path), dataset_revision=None)


def test_a_text_is_stripped_or_missed_without_being_quoted() -> None:
    assert text({"a": " b \n"}, "a", "here") == "b"
    for row in ({"b": "secret"}, {"a": "  ", "b": "secret"}, {"a": 1, "b": "secret"}, {"a": None, "b": "secret"}):
        with pytest.raises(FileError, match=r"here: no text in `a`; its columns are (a, )?b$"):
            text(row, "a", "here")
