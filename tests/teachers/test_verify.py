"""Comparisons with hard limits, in real processes that are really killed."""

import asyncio
import contextlib
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
from process_tree import gone, processes, servers

from mot_plugin import limited
from mot_plugin.answers import same_answer
from mot_plugin.limited import Limited, Limits
from mot_plugin.mathematics import LOADS
from mot_plugin.teachers.verify import Outcome, Verifier

ROOT = (r"2\sqrt{2}", (r"\sqrt{8}",))
DEEP = "(" * 900 + "1" + ")" * 900
HANGS = ["9^{9^{9^9}}", "(10^8)!", "3^{10^8}", r"\binom{10^9}{5 \cdot 10^8}", r"\prod_{k=1}^{10^7} k", DEEP]


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as made:
        yield made


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
    before = servers()
    with Verifier() as idle:
        asked = [(str(n), ["25", "026"]) for n in range(100)]
        assert idle.compare_many(asked).count("same") == 2
        assert asyncio.run(idle.compare_async("25", ["25"])) == "same"
        assert not idle.started
        assert servers() == before
        assert idle.compare(*ROOT) == "same"
        assert idle.started


def test_processes_end_with_the_block() -> None:
    before = servers()
    with Verifier(workers=2) as verifier:
        verifier.compare(*ROOT)
        made = servers() - before
        assert len(made) == 1
    assert gone(made)
    assert servers() == before
    assert verifier.compare(r"3\sqrt{3}", [r"\sqrt{27}"]) == "verifier_failed"
    assert servers() == before


def test_a_block_left_by_an_error_waits_for_nothing() -> None:
    before, begun = servers(), time.monotonic()
    said: list[Outcome] = []
    with pytest.raises(KeyError), Verifier(seconds=60, workers=1) as verifier:
        thread = threading.Thread(target=lambda: said.append(verifier.compare("9^{9^{9^9}}", ["25"])))
        thread.start()
        while servers() == before:
            time.sleep(0.01)
        raise KeyError
    thread.join(20)
    assert said == ["verifier_failed"]
    assert servers() == before
    assert time.monotonic() - begun < 20


@pytest.mark.process
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


def roots(count: int) -> list[tuple[str, list[str]]]:
    return [(rf"{n}\sqrt{{5}}", [rf"\sqrt{{{5 * n * n}}}"]) for n in range(2, count + 2)]


@pytest.mark.process
def test_killed_workers_are_replaced() -> None:
    """What one was comparing has failed, and nothing else is lost or late."""
    before, asked = servers(), roots(60)
    with Verifier(workers=2) as verifier:
        assert verifier.compare(*ROOT) == "same"
        (server,) = servers() - before
        said: list[list[Outcome]] = []
        thread = threading.Thread(target=lambda: said.append(verifier.compare_many(asked)))
        thread.start()
        killed = 0
        while thread.is_alive() and killed < 6:
            for pid in processes(server):
                with contextlib.suppress(ProcessLookupError):  # it has just said what it was asked
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            time.sleep(0.05)
        thread.join(60)
        assert not thread.is_alive()
        assert killed
        assert said[0].count("same") >= len(asked) - killed
        assert set(said[0]) <= {"same", "verifier_failed"}
        assert verifier.compare(r"3\sqrt{2}", [r"\sqrt{18}"]) == "same"


@pytest.mark.process
def test_a_pool_lost_under_work_is_replaced() -> None:
    """What its server still owed is asked again, so nothing is lost."""
    before, asked = servers(), roots(60)
    with Verifier(workers=2) as verifier:
        assert verifier.compare(*ROOT) == "same"
        said: list[list[Outcome]] = []
        thread = threading.Thread(target=lambda: said.append(verifier.compare_many(asked)))
        thread.start()
        killed = 0
        while thread.is_alive() and killed < 3:
            for server in servers() - before:
                if calls := processes(server):  # it works
                    os.kill(server, signal.SIGKILL)
                    assert gone({server, *calls})
                    killed += 1
            time.sleep(0.1)
        thread.join(120)
        assert not thread.is_alive()
        assert killed
        assert said == [["same"] * len(asked)]


def test_a_pool_that_cannot_start_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limited, "_SERVER", "raise SystemExit('no server today')")
    with Verifier(workers=1) as verifier:
        assert verifier.compare(*ROOT) == "verifier_failed"
        assert verifier.compare_many([(rf"{n}\sqrt{{5}}", ["1"]) for n in range(50)]) == ["verifier_failed"] * 50
    assert capfd.readouterr().err == "no server today\n" * 5


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


@pytest.mark.process
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


def test_one_that_hangs_holds_up_no_other() -> None:
    with Verifier(seconds=20, workers=2) as verifier:

        async def some() -> list[Outcome]:
            hangs = asyncio.create_task(verifier.compare_async("9^{9^{9^9}}", ["25"]))
            said = await asyncio.gather(*(verifier.compare_async(*one) for one in roots(20)))
            assert not hangs.done()
            hangs.cancel()
            return said

        assert asyncio.run(some()) == ["same"] * 20


def test_workers_load_what_compares_and_nothing_heavy() -> None:
    with Limited(workers=1) as made:
        (said,) = made.call_many("builtins:eval", [("sorted(__import__('sys').modules)",)], Limits(10), LOADS)
    assert "math_verify" in said.value
    assert not {"torch", "numpy", "transformers", "openai", "pyarrow", "datasets"} & set(said.value)


@pytest.mark.process
def test_a_script_without_a_guard_gets_its_answers(tmp_path: Path) -> None:
    """Nothing runs the main script once more, as multiprocessing does."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from mot_plugin.teachers.verify import Verifier\n"
        "with Verifier() as verifier:\n"
        r"    print(__name__, verifier.compare(r'2\sqrt{2}', [r'\sqrt{8}']))" + "\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "__main__ same\n"
    assert "math_verify" not in ended.stderr
