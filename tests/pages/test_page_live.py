"""The page of real runs with the fake tools: new while they go on, right when they end, never in their way."""

import os
import re
import signal
from pathlib import Path

import pytest
from fake_world import World, wait_for

pytestmark = pytest.mark.process


def page(world: World) -> str:
    file = world.run_folder / "report" / "index.html"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def state(world: World) -> str:
    found = re.search(r'data-state="(\w+)"', page(world))
    return found[1] if found else ""


def test_it_follows_a_run_to_its_end(world: World) -> None:
    world.fault("llamafactory-cli", "slow", match="bert", seconds=8)
    process = world.start()
    wait_for(lambda: state(world))
    assert state(world) == "running"
    assert "data-made" in page(world)
    wait_for(lambda: world.starts("llamafactory-cli", "bert"))
    said = world.mot("report", "runs/tiny")  # by hand, from another shell
    assert said.returncode == 0, said.stderr
    assert state(world) == "running"
    assert "mot/round-1/branches/bert</b>" in page(world)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert "could not be made" not in out
    assert state(world) == "finished"
    assert re.search(r"(\d+) of \1 steps done", page(world))
    assert world.processes() == {}


def test_a_run_that_fails_says_so(world: World) -> None:
    world.fault("llamafactory-cli", "exit1", match="bert", times=9)
    assert world.run().returncode == 3
    assert state(world) == "failed"
    assert "mot/round-1/branches/bert</h3>" in page(world)
    world.mend()
    assert world.run().returncode == 0
    assert state(world) == "finished"


@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, "stopped"), (signal.SIGKILL, "running")])
def test_a_run_that_is_stopped_or_killed(world: World, number: int, left: str) -> None:
    world.fault("llamafactory-cli", "slow", match="anna", seconds=60)
    process = world.start()
    wait_for(lambda: "mot/round-1/branches/anna</b>" in page(world))
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    wait_for(lambda: not world.processes(), seconds=5)
    assert state(world) == left  # nobody could write after SIGKILL; the page says when it has no news
    assert world.mot("report", "runs/tiny").returncode == 0
    assert state(world) == "stopped"


def test_a_page_that_cannot_be_made_fails_no_run_and_is_said_once(world: World) -> None:
    (world.run_folder / "report" / "index.html" / "in-the-way").mkdir(parents=True)
    ended = world.run()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("the page report/index.html could not be made, the run goes on without it: ") == 1
    assert world.todo() == []


def test_opened_in_a_browser_and_said_where_there_is_none(finished: World, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, asked = finished.root / "browser", finished.root / "asked.txt"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{asked}"\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    assert finished.mot("report", "runs/tiny", "--open").returncode == 0
    shown = finished.run_folder / "report" / "index.html"
    assert asked.read_text().strip() == shown.resolve().as_uri()
    nothing = finished.root / "empty"
    nothing.mkdir()
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(nothing))
    said = finished.mot("report", "runs/tiny", "--open")
    assert said.returncode == 0
    assert said.stdout.rstrip().endswith(f"no browser is known here; the page is {shown.resolve()}")


def test_a_second_recipe_leaves_the_first_ones_page_alone(finished: World) -> None:
    before = page(finished)
    finished.edit(lambda recipe: recipe.update(name="other"), to="other.yaml")
    assert finished.run("other.yaml").returncode == 0
    assert page(finished) == before
    other = Path(finished.runs / "other" / "report" / "index.html").read_text(encoding="utf-8")
    assert 'data-state="finished"' in other
    assert "made by the run tiny" in other
