"""Comparisons with hard limits, in real processes that are really killed."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.answers import same_answer
from mot_plugin.teachers import verify
from mot_plugin.teachers.verify import Outcome, Verifier

ROOT = (r"2\sqrt{2}", (r"\sqrt{8}",))
DEEP = "(" * 900 + "1" + ")" * 900
HANGS = ["9^{9^{9^9}}", "(10^8)!", "3^{10^8}", r"\binom{10^9}{5 \cdot 10^8}", r"\prod_{k=1}^{10^7} k", DEEP]


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as made:
        yield made


def workers() -> set[int]:
    return {child.pid or 0 for child in multiprocessing.active_children()}


def test_outcomes(verifier: Verifier) -> None:
    assert verifier.compare(*ROOT) == "same"
    assert verifier.compare(r"3\sqrt{2}", [r"\sqrt{8}"]) == "different"
    assert verifier.compare("25", ["24", r"\boxed{25}"]) == "same"
    assert verifier.compare("0.5", ["24", r"\frac{1}{2}", "x"]) == "same"
    assert verifier.compare("25", []) == "unverifiable"
    assert (
        verifier.compare("25", ["Every even number is the sum of two primes, as far as anybody has counted."])
        == "unverifiable"
    )
    assert verifier.compare_many([]) == []


def test_many_are_answered_in_their_order(verifier: Verifier) -> None:
    asked = [(rf"{n}\sqrt{{2}}", [rf"\sqrt{{{2 * n * n + (n % 3 == 0)}}}"]) for n in range(2, 60)]
    asked[10:10] = [("25", ["25"]), ("x", []), ("24", ["25"]), asked[0], asked[1]]
    expected: list[Outcome] = ["different" if n % 3 == 0 else "same" for n in range(2, 60)]
    expected[10:10] = ["same", "unverifiable", "different", "same", "different"]
    assert verifier.compare_many(asked) == expected


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=list("0159xy{}[]()=+-^_\\$%,. /\ud800"), max_size=8))
def test_odd_input_is_compared_as_without_processes(verifier: Verifier, text: str) -> None:
    for reference in ("25", r"\frac{1}{2}"):
        outcome = verifier.compare(text, [reference])
        assert outcome in ("same", "different", "timeout")
        if outcome != "timeout":
            assert (outcome == "same") == same_answer(text, reference)


def test_integers_start_no_process() -> None:
    before = workers()
    with Verifier() as idle:
        asked = [(str(n), ["25", "026"]) for n in range(100)]
        assert idle.compare_many(asked).count("same") == 2
        assert asyncio.run(idle.compare_async("25", ["25"])) == "same"
        assert not idle.started
        assert workers() == before
        assert idle.compare(*ROOT) == "same"
        assert idle.started


def test_processes_end_with_the_block() -> None:
    before = workers()
    with Verifier(workers=2) as verifier:
        verifier.compare(*ROOT)
        assert len(workers() - before) == 2
    assert workers() == before
    assert verifier.compare(r"3\sqrt{3}", [r"\sqrt{27}"]) == "verifier_failed"
    assert workers() == before


def test_a_block_left_by_an_error_waits_for_nothing() -> None:
    before, begun = workers(), time.monotonic()
    said: list[Outcome] = []
    with pytest.raises(KeyError), Verifier(seconds=60, workers=1) as verifier:
        thread = threading.Thread(target=lambda: said.append(verifier.compare("9^{9^{9^9}}", ["25"])))
        thread.start()
        while workers() == before:
            time.sleep(0.01)
        raise KeyError
    thread.join(20)
    assert said == ["verifier_failed"]
    assert workers() == before
    assert time.monotonic() - begun < 20


def test_what_takes_too_long_is_named_and_the_pool_goes_on() -> None:
    with Verifier(seconds=1, workers=1) as verifier:
        begun = time.monotonic()
        assert verifier.compare("9^{9^{9^9}}", ["25"]) == "timeout"
        assert time.monotonic() - begun >= 1
        assert verifier.compare_many([("3^{10^8}", ["25"]), (r"3\sqrt{2}", [r"\sqrt{18}"])]) == ["timeout", "same"]
        assert verifier.compare("9^{9^{9^9}}", ["25", r"\sqrt{8}"]) == "timeout"
        assert verifier.compare("9^{9^{9^9}}", ["25", "9^{9^{9^9}}"]) == "same"
        asked_again = time.monotonic()
        assert verifier.compare_many([("9^{9^{9^9}}", ["25"])] * 100) == ["timeout"] * 100
        assert time.monotonic() - asked_again < 0.4


@pytest.mark.contract
def test_hang_probes() -> None:
    with Verifier(seconds=2) as verifier:
        begun = time.monotonic()
        assert verifier.compare_many([(text, ["25"]) for text in HANGS]) == ["timeout"] * len(HANGS)
        assert time.monotonic() - begun < 40
        assert verifier.compare(*ROOT) == "same"


@pytest.mark.contract
def test_a_memory_bomb_ends_a_worker_and_nothing_else() -> None:
    with Verifier(seconds=60, gibibytes=0.15) as verifier:
        assert verifier.compare("2^{10^9}", ["25"]) == "verifier_failed"
        assert verifier.compare(*ROOT) == "same"


def test_a_limit_that_nobody_enforces_ends_a_worker_all_the_same() -> None:
    """The parent may be gone: then the worker's own clock ends it, also within one long multiplication."""
    code = "from mot_plugin.teachers import verify; verify._GRACE = 0.0; verify._prepare_worker();"
    code += " verify._compare('9^{9^{9^9}}', '25', 0.2, 2.0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGALRM, "")


def test_killed_workers_are_replaced() -> None:
    before = workers()
    with Verifier(workers=2) as verifier:
        assert verifier.compare(*ROOT) == "same"
        for _ in range(2):
            for pid in workers() - before:
                os.kill(pid, signal.SIGKILL)
            asked = [(rf"{n}\sqrt{{5}}", [rf"\sqrt{{{5 * n * n}}}"]) for n in range(2, 40)]
            said = verifier.compare_many(asked)
            assert said.count("same") >= len(asked) - 2
            assert set(said) <= {"same", "verifier_failed"}
            verifier._asked.clear()


def test_a_pool_lost_under_work_is_replaced() -> None:
    """What waited in a broken pool is never answered by it, so it has to be asked again."""
    before = workers()
    with Verifier(workers=2) as verifier:
        asked = [(rf"{n}\sqrt{{5}}", [rf"\sqrt{{{5 * n * n}}}"]) for n in range(2, 300)]
        said: list[list[Outcome]] = []
        thread = threading.Thread(target=lambda: said.append(verifier.compare_many(asked)))
        thread.start()
        killed = 0
        while thread.is_alive() and killed < 3:
            time.sleep(0.2)
            killed += 1
            for pid in workers() - before:
                os.kill(pid, signal.SIGKILL)
        thread.join(60)
        assert not thread.is_alive()
        assert said[0].count("same") >= len(asked) - 2 * killed


def test_a_pool_that_cannot_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_prepare_worker", os.abort)
    with Verifier(workers=1) as verifier:
        assert verifier.compare(*ROOT) == "verifier_failed"
        assert verifier.compare_many([(rf"{n}\sqrt{{5}}", ["1"]) for n in range(50)]) == ["verifier_failed"] * 50


def test_threads_and_event_loops_share_one(verifier: Verifier) -> None:
    said: list[Outcome] = []
    threads = [threading.Thread(target=lambda: said.append(verifier.compare(*ROOT))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["same"] * 8

    async def all_of_them() -> list[Outcome]:
        asked = [(rf"{n}\sqrt{{7}}", [rf"\sqrt{{{7 * n * n}}}"]) for n in range(2, 30)]
        return await asyncio.gather(*(verifier.compare_async(*one) for one in asked))

    assert asyncio.run(all_of_them()) == ["same"] * 28
    assert asyncio.run(all_of_them()) == ["same"] * 28


def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    with Verifier(seconds=1, workers=1) as verifier:

        async def some() -> list[object]:
            tasks = [asyncio.create_task(verifier.compare_async("9^{9^{9^9}}", ["25"])) for _ in range(3)]
            await asyncio.sleep(0.3)
            tasks[0].cancel()
            ticks = 0
            while not tasks[2].done():
                await asyncio.sleep(0.05)
                ticks += 1
            assert ticks > 3, "the event loop stood still"
            return await asyncio.gather(*tasks, return_exceptions=True)

        cancelled, *others = asyncio.run(some())
        assert isinstance(cancelled, asyncio.CancelledError)
        assert others == ["timeout", "timeout"]


def test_code_that_looks_at_no_signal_is_killed_at_once() -> None:
    """A worker that is asked politely gets 3 seconds more, in which no other is looked after."""
    pool = verify._new_pool(1)
    assert pool.schedule(eval, args=("1 + 1",)).result(timeout=60) == 2
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        pool.schedule(eval, args=("sum(range(10**12))",), timeout=0.5).result(timeout=60)
    assert time.monotonic() - begun < 3
    pool.stop()
    pool.join()


def test_workers_load_what_compares_and_nothing_heavy() -> None:
    pool = verify._new_pool(1)
    loaded = pool.schedule(eval, args=("sorted(__import__('sys').modules)",)).result(timeout=60)
    pool.stop()
    pool.join()
    assert "math_verify" in loaded
    assert not {"torch", "numpy", "transformers", "openai", "pyarrow", "datasets"} & set(loaded)


def test_a_script_without_a_guard_gets_its_answers(tmp_path: Path) -> None:
    """Workers run the main script once more, as multiprocessing does; there they may not start workers in turn."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from mot_plugin.teachers.verify import Verifier\n"
        "with Verifier() as verifier:\n"
        r"    print(__name__, verifier.compare(r'2\sqrt{2}', [r'\sqrt{8}']))" + "\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert "__main__ same" in ended.stdout
    assert "math_verify" not in ended.stderr
