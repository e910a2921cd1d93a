"""The wheel, installed away from the checkout: recipes, mergekit files and tasks are in it and are found."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[1]


def pip(*arguments: object, cwd: Path) -> None:
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the wheel is built with what is installed, not with what a network has")
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT, cwd=folder)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


def mot(installed: Path, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mot_plugin", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_it_needs_and_no_other(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "mot_plugin").rglob("*")
        if file.suffix in (".py", ".txt", ".html", ".css", ".js")
    }
    assert "mot_plugin/pages/templates/page.html" in package
    assert package <= names
    for folder in ("recipes", "mergekit_configs", "eval"):
        shipped = {f"mot_plugin/_files/{f.relative_to(ROOT)}" for f in (ROOT / folder).rglob("*.yaml")}
        assert shipped, folder
        assert shipped <= names
    assert "mot_plugin/_files/eval/aime/_aime_template_yaml" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "docs/"))]
    assert {name.partition("/")[0].rpartition(".")[2] for name in names} == {"mot_plugin", "dist-info"}


def test_the_installed_package_finds_its_files(installed: Path, tmp_path: Path) -> None:
    listed = mot(installed, "recipes", cwd=tmp_path)
    assert f"recipes ({installed}/mot_plugin/_files/recipes)" in listed
    for word in ("boba200", "8x80gb", "linear", "mot_aime24", "mot_quickstart"):
        assert f"\n  {word} " in listed


def test_a_copied_recipe_plans_the_same_as_in_the_checkout(installed: Path, tmp_path: Path) -> None:
    mot(installed, "recipes", "--copy", "boba200", "--to", "mine", cwd=tmp_path)
    assert "84 steps" in mot(installed, "plan", "mine/boba200.yaml", cwd=tmp_path)
    mot(installed, "plan", "mine/boba200.yaml", "--out", "wheel", cwd=tmp_path)
    mot(ROOT, "plan", "mine/boba200.yaml", "--out", "checkout", cwd=tmp_path)
    made, same = (
        {str(f.relative_to(tmp_path / side)): f.read_bytes() for f in (tmp_path / side).rglob("*") if f.is_file()}
        for side in ("wheel", "checkout")
    )
    assert "eval/aime/mot_aime24.yaml" in made
    assert "artifacts/mot/round-1/branches/qwq/model" in made["configs/mot/round-1/merge.yaml"].decode()
    assert made == same
