"""`mot-plugin plan tests/golden/tiny.yaml --out DIR` against `tests/golden/tiny/`, byte for byte."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "golden"
HOW = "look at the difference; if it is meant: REGENERATE_GOLDEN=1 python -m pytest tests/test_golden.py"


def plan(recipe: Path, cwd: Path, out: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "mot_plugin", "plan", str(recipe), "-m", str(HERE / "machine.yaml"), "--out", out],
        cwd=cwd,
        check=True,
        capture_output=True,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def same_files(made: Path, golden: Path) -> None:
    """Compare with a golden folder; it must exist, and neither may have a file that the other lacks."""
    assert golden.is_dir(), f"{golden} is missing: {HOW}"
    now, then = files(made), files(golden)
    assert sorted(now) == sorted(then), f"{golden} has other files: {HOW}"
    for name, content in now.items():
        assert content.decode() == then[name].decode(), f"{golden}/{name}: {HOW}"


def test_the_files_of_the_tiny_plan(tmp_path: Path) -> None:
    plan(HERE / "tiny.yaml", tmp_path, "made")
    if os.environ.get("REGENERATE_GOLDEN"):
        shutil.rmtree(HERE / "tiny", ignore_errors=True)
        shutil.copytree(tmp_path / "made", HERE / "tiny")
    same_files(tmp_path / "made", HERE / "tiny")


def test_the_same_bytes_from_any_folder(tmp_path: Path) -> None:
    odd = tmp_path / "a b'c $HOME"
    odd.mkdir()
    shutil.copy(HERE / "tiny.yaml", odd / "other.yaml")
    plan(odd / "other.yaml", tmp_path, "here")
    plan(Path("other.yaml"), odd, "there")
    assert files(tmp_path / "here") == files(odd / "there")
    same_files(odd / "there", HERE / "tiny")


def test_planning_leaves_nothing_else_behind(tmp_path: Path) -> None:
    plan(HERE / "tiny.yaml", tmp_path, "made")
    assert [file.name for file in tmp_path.iterdir()] == ["made"]


def test_no_file_of_a_plan_knows_where_it_lies() -> None:
    found = files(HERE / "tiny")
    assert len(found) > 30
    for name, content in found.items():
        text = content.decode()
        absolute = re.findall(r"(?<![\w.}/<>*-])/(?!/)\w[^\s\"']*", text)
        assert not absolute, f"{name}: {absolute}"
        assert str(Path.home()) not in text
        assert ".." not in text.replace("...", "")


def test_a_missing_or_different_golden_fails_and_says_how_to_make_it(tmp_path: Path) -> None:
    made, golden = tmp_path / "made", tmp_path / "golden"
    made.mkdir()
    (made / "a.yaml").write_text("1\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"golden is missing: .*REGENERATE_GOLDEN=1"):
        same_files(made, golden)
    golden.mkdir()
    with pytest.raises(AssertionError, match=r"other files: .*REGENERATE_GOLDEN=1"):
        same_files(made, golden)
    (golden / "a.yaml").write_text("2\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"a\.yaml: .*REGENERATE_GOLDEN=1"):
        same_files(made, golden)
    (golden / "a.yaml").write_text("1\n", encoding="utf-8")
    same_files(made, golden)
