"""Worlds for whole runs with the fake tools: a new one, and one whose run is finished."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, copy_world, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two teachers and one round, nothing run yet."""
    made = make_world(tmp_path / "world", rounds=1)
    yield made
    made.end_all()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two teachers and two rounds, run to the report. To be read only; `finished` is a copy to change."""
    made = make_world(tmp_path_factory.mktemp("whole") / 'it\'s a "world"', rounds=2)
    ended = made.run()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (made.root / "said.txt").write_text(ended.stdout, encoding="utf-8")
    return made


@pytest.fixture
def finished(whole: World, tmp_path: Path) -> Iterator[World]:
    """A copy of the finished run; its tools' starts are counted from here on."""
    made = copy_world(whole, tmp_path / "world")
    made.forget()
    yield made
    made.end_all()
