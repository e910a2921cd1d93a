"""Claims: one holder at a time, whatever dies when; and of other computers, which a forged holder stands for."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_world import wait_for

from mot_plugin import claims
from mot_plugin.errors import RunConflict

COUNT = """
import sys, pathlib
from mot_plugin import claims
place, counter = map(pathlib.Path, sys.argv[1:])
for _ in range(20):
    with claims.held(place):
        number = int(counter.read_text())
        counter.write_text(str(number + 1))
"""
HOLD = """
import sys, pathlib, time
from mot_plugin import claims
with claims.held(pathlib.Path(sys.argv[1]), beat=0.05):
    print("held", flush=True)
    time.sleep(60)
"""


def start(code: str, *arguments: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def forge(place: Path, **changes: object) -> Path:
    """A holder on another computer."""
    place.mkdir(parents=True, exist_ok=True)
    there = claims.Holder("far", "another boot", "pid:[1]", 7, "100", "yesterday")
    file = place / str(claims._latest(place) + 1)
    file.write_text(json.dumps(dataclasses.asdict(there) | changes), encoding="utf-8")
    return file


@pytest.mark.process
def test_one_at_a_time(tmp_path: Path) -> None:
    """Reading and writing a counter without a claim would lose counts."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [start(COUNT, tmp_path / "claim", counter) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert counter.read_text() == "80"
    assert len(list((tmp_path / "claim").iterdir())) == claims._KEPT + 1, "earlier numbers and parts are gone"


@pytest.mark.process
def test_a_killed_holder_is_followed_at_once(tmp_path: Path) -> None:
    with start(HOLD, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        said = claims.holder(tmp_path)
        assert said is not None
        assert said.pid == process.pid
        with (
            pytest.raises(RunConflict, match=rf"busy with process {process.pid} since 2"),
            claims.held(tmp_path, "busy with {holder}"),
        ):
            pass
        process.kill()
        wait_for(lambda: not claims.holder(tmp_path))  # a zombie holds nothing
        with claims.held(tmp_path, "busy"):
            assert (claims.holder(tmp_path) or said).pid == os.getpid()
    assert claims.holder(tmp_path) is None


@pytest.mark.process
def test_who_lost_its_claim_is_told_and_stops(tmp_path: Path) -> None:
    with start(HOLD, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        forge(tmp_path)
        assert process.wait(10) == -signal.SIGTERM


def test_a_lost_claim_is_an_error_and_not_given_back(tmp_path: Path) -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    try:
        with (
            pytest.raises(RunConflict, match="taken over by process 7 on far since yesterday"),
            claims.held(tmp_path, beat=0.01),
        ):
            other = forge(tmp_path)
            wait_for(lambda: told)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert other.is_file(), "and not free"


def test_a_silent_holder_elsewhere_is_followed_after_a_while(tmp_path: Path) -> None:
    forge(tmp_path)
    assert claims.holder(tmp_path), "it may live"
    begun = time.monotonic()
    with claims.held(tmp_path, "busy", stale=0.3):
        assert time.monotonic() - begun >= 0.3
        assert sorted(file.name for file in tmp_path.iterdir()) == ["1", "2"]


def test_a_beating_holder_elsewhere_is_not(tmp_path: Path) -> None:
    file, ended = forge(tmp_path), threading.Event()

    def beat() -> None:
        while not ended.wait(0.05):
            os.utime(file)

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with (
            pytest.raises(RunConflict, match="busy: process 7 on far since yesterday"),
            claims.held(tmp_path, "busy: {holder}", stale=30),
        ):
            pass
    finally:
        ended.set()
        heart.join()


def test_a_reused_process_number_is_another_process(tmp_path: Path) -> None:
    me = {"boot": claims._boot(), "space": claims._space(), "pid": os.getpid()}
    forge(tmp_path, **me, born="1")
    assert claims.holder(tmp_path) is None
    forge(tmp_path, **me, born=claims._born(os.getpid()))
    assert claims.holder(tmp_path) is not None


def test_a_slow_process_cannot_take_what_is_anothers_by_now(tmp_path: Path) -> None:
    """It saw number 1 free, and another one was quicker: its number 2 is there already."""
    os.utime(forge(tmp_path), (0, 0))
    with claims.held(tmp_path):
        assert not claims._create(tmp_path / "2", claims.Holder("me", "b", "s", 1, "1", "now"))
        assert (claims.holder(tmp_path) or forge).pid == os.getpid()


def test_one_of_us_fills_the_memory_of_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims.tempfile, "tempdir", str(tmp_path))
    order: list[str] = []

    def second() -> None:
        with claims.alone_here("test", lambda: False):
            order.append("second")

    with claims.alone_here("test", lambda: False):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
        with claims.alone_here("test", lambda: True):
            order.append("stopped, so it did not wait")
    waiting.join()
    assert order == ["first", "stopped, so it did not wait", "second"]
