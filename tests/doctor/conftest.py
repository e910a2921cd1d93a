"""A healthy place for the doctor to look at, and an empty environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from doctor_place import SIZES, TEMPLATE, Place, Venv
from fake_world import make_world


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Nothing is wrong here yet."""
    world = make_world(tmp_path / "world", rounds=1)
    made = Place(world, tmp_path / "programs")
    made.programs.mkdir()
    made.config(**SIZES)
    (world.root / "student" / "chat_template.jinja").write_text(TEMPLATE)
    (world.root / "benchmarks").mkdir()
    for task in ("aime24", "aime25"):
        (world.root / "benchmarks" / f"{task}.jsonl").touch()
    made.machine(storage={"datasets": "benchmarks"})
    monkeypatch.chdir(world.root)
    monkeypatch.setenv("PATH", str(made.programs), prepend=":")
    for name in ("MASTER_PORT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    """A new environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return Venv(tmp_path / "venv")
