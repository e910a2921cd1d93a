"""Calls with limits, in real processes that are really killed."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mot_plugin.errors import StepFailed
from mot_plugin.evals.limited import Limited, Limits, Outcome, shared

SECOND = Limits(1)


@pytest.fixture(scope="module")
def limited() -> Iterator[Limited]:
    with Limited(workers=2) as made:
        yield made


def processes(parent: int) -> set[int]:
    """The children of a process, from the kernel's list."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


def servers() -> set[int]:
    return {pid for pid in processes(os.getpid()) if b"limited_server" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_values_come_in_the_order_of_the_arguments(limited: Limited) -> None:
    said = limited.call_many("operator:floordiv", [(n, 7) for n in range(100)], SECOND)
    assert said == [Outcome("done", n // 7) for n in range(100)]
    assert limited.call_many("operator:floordiv", [], SECOND) == []


def test_what_raises_or_ends_its_process_failed_and_nothing_else(limited: Limited) -> None:
    said = limited.call_many("operator:floordiv", [(1, 0), (7, 2), (None, 1)], SECOND)
    assert said == [Outcome("failed"), Outcome("done", 3), Outcome("failed")]
    assert limited.call_many("os:_exit", [(0,)], SECOND) == [Outcome("failed")]
    assert limited.call_many("os:abort", [()], SECOND) == [Outcome("failed")]
    assert limited.call_many("threading:Lock", [()], SECOND) == [Outcome("failed")]  # no pickle of that


def test_one_long_multiplication_is_ended(limited: Limited) -> None:
    begun = time.monotonic()
    said = limited.call_many("operator:pow", [(7, 10**9), (7, 2)], SECOND)
    assert said == [Outcome("timeout"), Outcome("done", 49)]
    assert time.monotonic() - begun < 15


def test_memory_has_a_limit(limited: Limited) -> None:
    said = limited.call_many("builtins:bytearray", [(2**29,), (2**20,)], Limits(5, gibibytes=0.25))
    assert [one.end for one in said] == ["failed", "done"]


@pytest.mark.contract
def test_sleeping_counts_by_the_clock(limited: Limited) -> None:
    begun = time.monotonic()
    assert limited.call_many("time:sleep", [(100,), (0.1,)], SECOND) == [Outcome("timeout"), Outcome("done")]
    assert 9 < time.monotonic() - begun < 20


def test_hashes_have_one_seed_and_calls_no_memory(limited: Limited) -> None:
    said = limited.call_many("builtins:hash", [("text",)] * 3, SECOND)
    with Limited(workers=1) as other:
        assert other.call_many("builtins:hash", [("text",)], SECOND) == said[:1]
    assert len(set(said)) == 1
    pids = [one.value for one in limited.call_many("os:getpid", [()] * 20, SECOND)]
    assert len(set(pids)) == 20


def test_what_a_call_writes_goes_nowhere(capfd: pytest.CaptureFixture[str], limited: Limited) -> None:
    limited.call_many("builtins:print", [("hello",)], SECOND)
    limited.call_many("operator:floordiv", [(1, 0)], SECOND)
    assert capfd.readouterr() == ("", "")


def test_modules_are_loaded_once_for_all_calls(limited: Limited) -> None:
    question = "'colorsys' in __import__('sys').modules"
    assert limited.call_many("builtins:eval", [(question,)], SECOND) == [Outcome("done", False)]
    assert limited.call_many("builtins:eval", [(question,)], SECOND, loads=["colorsys"]) == [Outcome("done", True)]


def test_a_killed_server_is_replaced() -> None:
    with Limited(workers=2) as limited:
        before = servers()
        assert limited.call_many("math:sqrt", [(4,)], SECOND) == [Outcome("done", 2)]
        (server,) = servers() - before
        killer = threading.Timer(0.5, lambda: os.kill(server, 9))
        killer.start()
        said = limited.call_many("time:sleep", [(0.2,)] * 10, SECOND)
        killer.join()
        assert said == [Outcome("done")] * 10
        assert gone({server})


def test_a_server_that_always_dies_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with Limited() as limited, pytest.raises(StepFailed, match="should call math:nothing died 3 times"):
        limited.call_many("math:nothing", [(4,)], SECOND)
    assert "has no attribute 'nothing'" in capfd.readouterr().err


def test_a_killed_server_takes_its_calls_along() -> None:
    before = servers()
    with Limited(workers=2) as limited:
        thread = threading.Thread(target=limited.call_many, args=("time:sleep", [(3,)] * 2, SECOND))
        thread.start()
        while not (made := servers() - before) or len(calls := processes(*made)) < 2:
            time.sleep(0.02)
        os.kill(*made, 9)
        assert gone(made | calls)
        thread.join()


@pytest.mark.parametrize("last", ["", "os.kill(os.getpid(), 9)"])
def test_a_server_and_its_calls_end_with_their_parent(last: str) -> None:
    code = f"""if True:
        import os, sys, threading, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from mot_plugin.evals.limited import Limits, shared
        from test_limited import processes, servers
        call = lambda: shared().call_many("time:sleep", [(100,)], Limits(60))
        threading.Thread(target=call, daemon=True).start()
        while not (made := servers()) or not (calls := processes(*made)):
            time.sleep(0.02)
        print(*made, *calls, flush=True)
        {last or "os._exit(0)"}
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert len(ended.stdout.split()) == 2, ended.stderr
    assert gone(set(map(int, ended.stdout.split())))


def test_an_ended_program_leaves_no_server() -> None:
    code = "from mot_plugin.evals.limited import *; print(*shared().call_many('os:getppid', [()], Limits(1)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert gone({int(ended.stdout.partition("value=")[2].strip(")\n"))})


def test_the_scorers_share_one() -> None:
    assert shared() is shared()
