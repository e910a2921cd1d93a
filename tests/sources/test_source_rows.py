"""Rows of every kind of file, and what a user is told about those that cannot be read."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from corpus_samples import write_jsonl
from pyarrow import parquet

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.rows import read_rows

ROWS = [{"problem": "1 + 1\nis?", "answer": "2"}, {"problem": "a\u2028b\u0085c", "answer": "\u00e4"}]


def as_csv() -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def as_parquet() -> bytes:
    table = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS), table)
    return table.getvalue()


LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
KINDS = {
    "x.jsonl": LINES,
    "lines.json": LINES,
    "x.json": json.dumps(ROWS).encode(),
    "x.csv": as_csv(),
    "x.parquet": as_parquet(),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_the_same_rows(tmp_path: Path, name: str, bom: bytes, zipped: bool) -> None:  # noqa: FBT001
    if bom and name.endswith(".parquet"):
        return
    content = bom + KINDS[name]
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(content) if zipped else content)
    found = list(read_rows(path))
    assert [row for _, row in found] == ROWS
    second = f"{path}:2" if name in ("x.jsonl", "lines.json") else f"{path} row 2"
    assert found[1][0] == second


def test_lines_may_end_as_on_windows_and_be_blank(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\r\n\r\n{"a": 2}\n\n')
    assert list(read_rows(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"a": 2})]


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.json", "c.jsonl.gz"):
        content = json.dumps({"in": name}).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "README.md").write_text("no rows")
    (tmp_path / ".hidden.jsonl").write_text("{")
    (tmp_path / "inner").mkdir()
    write_jsonl(tmp_path / "inner" / "d.jsonl", [{"in": "inner"}])
    assert [row["in"] for _, row in read_rows(tmp_path)] == ["a.json", "b.jsonl", "c.jsonl.gz"]


def test_a_link_is_read_as_what_it_points_to(tmp_path: Path) -> None:
    target = write_jsonl(tmp_path / "rows.jsonl", [{"a": 1}])
    (tmp_path / "source").symlink_to(target)
    assert [row for _, row in read_rows(tmp_path / "source")] == [{"a": 1}]
    blob = target.rename(tmp_path / "0123abcd")  # a hub's cache: the name with the ending is the link
    (tmp_path / "data.jsonl").symlink_to(blob)
    assert [row for _, row in read_rows(tmp_path / "data.jsonl")] == [{"a": 1}]


def test_a_long_field_of_a_csv_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n" + "x" * 200_000 + "\n")
    assert [len(row["a"]) for _, row in read_rows(tmp_path / "x.csv")] == [200_000]


def test_missing_files_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"x\.jsonl: no such file.*put it there or mend the path"):
        read_rows(tmp_path / "x.jsonl")
    with pytest.raises(MissingInput, match="file in this folder"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b"", "x.jsonl is empty"),
        ("x.json", b" [] ", "x.json is empty"),
        ("x.txt", b"{}", r"rows are read from \.jsonl, \.json, \.parquet, \.csv files, not from \.txt ones"),
        ("rows", b"{}", "not from such ones"),
        ("x.parquet", b"PAR1 no more", "not a parquet file"),
        ("x.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ("x.jsonl.gz", gzip.compress(LINES, mtime=0)[:-9], "not a whole gzip file"),
        ("x.jsonl.gz", LINES, "not a whole gzip file"),
        ("x.json", b'[{"a": 1}', "x.json: not JSON"),
        ("x.csv", b"a,b\n\xff,1\n", "not CSV in UTF-8"),
        ("x.csv", b"a,b\n1,2\n1\n1,2,3\n", "has 2 wrong rows\n.*row 2: not as many fields as the first line has names"),
        ("x.json", b'[{"a": 1}, 2]', "has 1 wrong row\n.*row 2: not a JSON object but 2"),
        ("x.jsonl", b'{"a": 1}\n[2]\n{"a":\n', "has 2 wrong rows\n.*:2: not a JSON object but .*\n.*:3: not JSON"),
        ("x.jsonl", b'{"a": "\xff"}\n', ":1: not JSON"),
        ("x.jsonl", b'{"a": "\\ud800"}\n', ":1: not JSON"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=said):
        list(read_rows(tmp_path / name))


def test_all_broken_lines_are_told_at_once_after_the_good_rows(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"a": 1}])
    (tmp_path / "b.jsonl").write_text("{\n" * 12 + '{"a": 2}\n')
    rows = read_rows(tmp_path)
    assert [next(rows)[1], next(rows)[1]] == [{"a": 1}, {"a": 2}]
    with pytest.raises(FileError) as caught:
        next(rows)
    said = str(caught.value).split("\n")
    assert said[0] == f"{tmp_path} has 12 wrong rows"
    assert said[1].startswith(f"  {tmp_path / 'b.jsonl'}:1: not JSON (")
    assert said[-1] == "  ... and 2 more"
    assert len(said) == 12
