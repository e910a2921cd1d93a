"""Calls with limits, in real processes that are really killed."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from process_tree import gone, processes, servers

from mot_plugin import limited as limited_module
from mot_plugin.errors import StepFailed
from mot_plugin.limited import Limited, Limits, Outcome, shared

SECOND = Limits(1)


@pytest.fixture(scope="module")
def limited() -> Iterator[Limited]:
    with Limited(workers=2) as made:
        yield made


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


def test_sleeping_counts_by_the_clock(limited: Limited) -> None:
    begun = time.monotonic()
    said = limited.call_many("time:sleep", [(100,), (0.1,)], Limits(1, patience=2.0))
    assert said == [Outcome("timeout"), Outcome("done")]
    assert 2 <= time.monotonic() - begun < 20


def test_one_that_hangs_holds_up_no_other() -> None:
    with Limited(workers=2) as limited:
        hangs = limited.submit("time:sleep", (100,), Limits(60))
        assert limited.call_many("operator:floordiv", [(n, 7) for n in range(20)], SECOND)[8] == Outcome("done", 1)
        assert not hangs.done()


def test_one_core_still_makes_two_calls_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with Limited() as limited:
        hangs = limited.submit("time:sleep", (100,), SECOND)
        assert limited.call_many("operator:neg", [(1,)], SECOND) == [Outcome("done", -1)]
        assert not hangs.done()


def test_threads_share_one(limited: Limited) -> None:
    said: list[list[Outcome]] = []
    ask = lambda: said.append(limited.call_many("operator:neg", [(n,) for n in range(20)], SECOND))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [[Outcome("done", -n) for n in range(20)]] * 4


def test_what_is_said_may_ask_for_more(limited: Limited) -> None:
    further: Future[Future[Outcome]] = Future()
    first = limited.submit("operator:neg", (1,), SECOND)
    first.add_done_callback(
        lambda one: further.set_result(limited.submit("operator:neg", (one.result().value,), SECOND))
    )
    assert further.result(timeout=60).result(timeout=60) == Outcome("done", 1)


def test_many_long_messages_in_both_directions_block_nobody(limited: Limited) -> None:
    texts = [str(n) * 1_000_000 for n in range(10)]
    said = limited.call_many("builtins:str", [(text,) for text in texts], SECOND)
    assert [one.value for one in said] == texts


def test_what_cannot_be_sent_is_the_callers_error(limited: Limited) -> None:
    with pytest.raises(TypeError, match="pickle"):
        limited.submit("builtins:str", (threading.Lock(),), SECOND)
    assert limited.call_many("operator:neg", [(1,)], SECOND) == [Outcome("done", -1)]


def test_one_that_lets_go_of_its_pipe_is_ended(limited: Limited) -> None:
    """It has nothing more to say, so its server does not wait for its end."""
    lets_go = "(__import__('os').closerange(3, 99), __import__('time').sleep(100))"
    begun = time.monotonic()
    assert limited.call_many("builtins:eval", [(lets_go,), ("1",)], Limits(60)) == [
        Outcome("failed"),
        Outcome("done", 1),
    ]
    assert time.monotonic() - begun < 20


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


def test_functions_prepare_for_all_calls(limited: Limited) -> None:
    question = "__import__('mimetypes').inited"
    assert limited.call_many("builtins:eval", [(question,)], SECOND) == [Outcome("done", False)]
    assert limited.call_many("builtins:eval", [(question,)], SECOND, ["mimetypes:init"]) == [Outcome("done", True)]
    assert limited.call_many("builtins:eval", [(question,)], SECOND) == [Outcome("done", True)]


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
        os.kill(*(servers() - before), 9)  # this one has nothing to do
        assert limited.call_many("math:sqrt", [(4,)], SECOND) == [Outcome("done", 2)]


def test_a_server_that_always_dies_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with Limited() as limited:
        with pytest.raises(StepFailed, match="should call math:nothing died 5 times"):
            limited.call_many("math:nothing", [(4,)] * 3, SECOND)
        assert "has no attribute 'nothing'" in capfd.readouterr().err
        with pytest.raises(StepFailed, match="should call math:sqrt died 5 times"):  # it is not tried for ever
            limited.call_many("math:sqrt", [(4,)], SECOND)
        limited.close()
        assert limited.call_many("math:sqrt", [(4,)], SECOND) == [Outcome("done", 2)]


def test_a_machine_that_starts_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(limited_module.subprocess, "Popen", fails)
    with Limited() as limited, pytest.raises(StepFailed, match=r"math:sqrt could not be started: .* temporarily"):
        limited.call_many("math:sqrt", [(4,)], SECOND)


def test_what_is_owed_at_the_end_is_an_error() -> None:
    with Limited(workers=1) as limited:
        owed = [limited.submit("time:sleep", (100,), Limits(60)) for _ in range(3)]
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert all("was ended while it was still asked" in str(one.exception(timeout=0)) for one in owed)


def test_a_killed_server_takes_its_calls_along() -> None:
    before = servers()
    with Limited(workers=2) as limited:
        said: list[Outcome] = []
        ask = lambda: said.extend(limited.call_many("time:sleep", [(1,)] * 2, SECOND))  # noqa: E731
        thread = threading.Thread(target=ask)
        thread.start()
        while not (made := servers() - before) or len(calls := processes(*made)) < 2:
            time.sleep(0.02)
        os.kill(*made, 9)
        assert gone(made | calls)
        thread.join()
        assert said == [Outcome("done")] * 2


@pytest.mark.parametrize("last", ["", "os.kill(os.getpid(), 9)"])
def test_a_server_and_its_calls_end_with_their_parent(last: str) -> None:
    code = f"""if True:
        import os, sys, threading, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from mot_plugin.limited import Limits, shared
        from process_tree import processes, servers
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
    code = "from mot_plugin.limited import *; print(*shared().call_many('os:getppid', [()], Limits(1)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert gone({int(ended.stdout.partition("value=")[2].strip(")\n"))})


def test_the_scorers_share_one() -> None:
    assert shared() is shared()
