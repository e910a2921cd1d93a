"""Step `sample`: a teacher asked until every prompt has what the recipe wants, whatever the server and the machine do meanwhile."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer

from mot_plugin.errors import CheckFailed, MissingInput, StepFailed
from mot_plugin.lengths import token_count
from mot_plugin.sources.problems import Problem, write_problems
from mot_plugin.teachers import progress, sample
from mot_plugin.teachers.traces import Sample, TraceFile
from mot_plugin.teachers.verdicts import normalise

PROMPTS = 12
Make = Callable[..., sample.Config]


@pytest.fixture
def make(tmp_path: Path, tokenizer_folder: Path, fault_server: FaultServer) -> Make:
    """A config of the step: twelve sums, asked of the server of this test."""
    problems = [
        Problem(f"sum-{n:02}", f"What is {17 + n} + {25 + n}?", (str(42 + 2 * n),), None, {}) for n in range(PROMPTS)
    ]
    write_problems(tmp_path / "problems.jsonl", problems)

    def config(out: str = "out", samples: str = "samples", place: dict[str, Any] | None = None, **changed: Any) -> Any:
        sampling = {"n": 6, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_tokens": 300}
        fields: dict[str, Any] = {
            "teacher": "anna",
            "model": "org/teacher@abc",
            "problems": str(tmp_path / "problems.jsonl"),
            "prompt": "{problem} Use \\boxed{}.",
            "row_prompt": "{problem} Use \\boxed{}.",
            "sampling": sampling | changed.pop("sampling", {}),
            "seed": 0,
            "tokenizer": str(tokenizer_folder),
            "row_tokens": 5000,
            "overlong": "resample",
            "verify": "answers",
            "out": str(tmp_path / out),
        }
        endpoint = {"url": fault_server.url, "concurrency": 4, "attempts": 3, "backoff_seconds": 0.01}
        where = {
            "samples": str(tmp_path / samples),
            "endpoint": endpoint | changed.pop("endpoint", {}),
            "name": "teacher",
        }
        return sample.Config.model_validate_json(json.dumps(fields | {"place": where | (place or {})} | changed))

    return config


def traces(config: sample.Config) -> bytes:
    return (Path(config.out) / "traces.jsonl").read_bytes()


def summary(config: sample.Config) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(config.out) / "summary.json").read_text())
    return found


def asked(server: FaultServer) -> Counter[tuple[str, int]]:
    """How often each sample was asked for."""
    return Counter((request["prompt"], request["seed"]) for request in server.requests())


def command(config: sample.Config, folder: Path) -> subprocess.Popen[bytes]:
    """The step as the supervisor starts it, in a process of its own."""
    file = folder / "sample.json"
    file.write_text(config.model_dump_json())
    return subprocess.Popen(
        [sys.executable, "-m", "mot_plugin", "step", "sample", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def test_until_correct_asks_no_more_than_it_needs(make: Make, fault_server: FaultServer) -> None:
    config = make()
    sample.run(config)
    for prompt in TraceFile(Path(config.out) / "traces.jsonl").prompts():
        verdicts = [one["meta"]["verdict"] for one in _samples(config, prompt.id)]
        assert "correct" not in verdicts[:-1]
        assert verdicts[-1] == "correct" or len(verdicts) == 6
    assert set(asked(fault_server).values()) == {1}
    found = summary(config)
    assert found["samples"] == len(fault_server.requests()) < PROMPTS * 6
    assert found["kept"] > PROMPTS / 2
    assert found["tokens_per_kept"]["until_correct"] == found["completion_tokens"] / found["kept"]
    assert found["tokens_per_kept"]["all_is_estimated"]
    assert max(request["in_flight"] for request in fault_server.requests()) <= 4


def _samples(config: sample.Config, name: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in traces(config).split(b"\n") if line]
    return next(row["samples"] for row in rows if row["id"] == name)


def test_both_modes_share_samples_and_are_measured_in_one_run(make: Make, fault_server: FaultServer) -> None:
    first = make(out="first")
    sample.run(first)
    before = len(fault_server.requests())
    every = make(out="every", sampling={"mode": "all"})
    sample.run(every)
    assert len(fault_server.requests()) == PROMPTS * 6
    assert set(asked(fault_server).values()) == {1}
    found = summary(every)
    assert not found["tokens_per_kept"]["all_is_estimated"]
    assert found["tokens_per_kept"]["until_correct"] == pytest.approx(
        summary(first)["tokens_per_kept"]["until_correct"]
    )
    assert found["tokens_per_kept"]["all"] > found["tokens_per_kept"]["until_correct"]
    again = make(out="again")
    sample.run(again)
    assert traces(again) == traces(first)
    assert len(fault_server.requests()) == PROMPTS * 6 > before


def test_done_again_it_asks_nothing(make: Make, fault_server: FaultServer) -> None:
    config = make()
    sample.run(config)
    fault_server.stop()
    again = make(out="again", place={"endpoint": None})
    sample.run(again)
    assert traces(again) == traces(config)


@pytest.mark.process
@pytest.mark.parametrize("mode", ["until_correct", "all"])
def test_killed_at_any_point_it_repeats_nothing_that_was_finished(
    make: Make, fault_server: FaultServer, tmp_path: Path, mode: str
) -> None:
    fault_server.plan(latency=0.03, jitter=0.03)
    config = make(sampling={"mode": mode})
    whole = make(out="whole", samples="others", sampling={"mode": mode})
    sample.run(whole)
    wanted, before = asked(fault_server), len(fault_server.requests())
    for kills in range(1, 4):
        process = command(config, tmp_path)
        until = time.monotonic() + 30
        while len(fault_server.requests()) < before + 9 * kills and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = command(config, tmp_path)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out.decode()
    assert traces(config) == traces(whole)
    repeated = asked(fault_server) - wanted - wanted
    assert sum(repeated.values()) <= 3 * 4, "at most what was in flight at each kill"


def test_errors_that_pass_change_nothing(make: Make, fault_server: FaultServer) -> None:
    calm = make(out="calm", samples="others")
    sample.run(calm)
    faults = ("429", "500", "drop", "truncated_json", "empty_content", "html_200")
    rules = [{"fault": fault, "prompt_contains": f"What is {17 + n} ", "times": 1} for n, fault in enumerate(faults)]
    fault_server.plan(rules)
    stormy = make()
    sample.run(stormy)
    assert traces(stormy) == traces(calm)


def test_a_refused_sample_is_recorded_with_its_reason_and_the_others_go_on(
    make: Make, fault_server: FaultServer
) -> None:
    fault_server.plan([{"fault": "400_context", "prompt_contains": "What is 20 ", "times": None}])
    config = make()
    sample.run(config)
    refused = _samples(config, "sum-03")
    assert [one["unusable"] for one in refused] == ["no_answer_from_server"] * 6
    assert "4096" in refused[0]["meta"]["error"]["message"]
    assert summary(config)["verdicts"]["no_answer_from_server"] == 6


def test_lost_samples_are_asked_again_by_the_next_run(make: Make, fault_server: FaultServer) -> None:
    calm = make(out="calm", samples="others")
    sample.run(calm)
    before = len(fault_server.requests())
    fault_server.plan([{"fault": "500", "prompt_contains": f"What is {17 + n} ", "times": None} for n in range(3)])
    config = make()
    with pytest.raises(StepFailed, match=r"samples could not be had \(http_500 \d+\)"):
        sample.run(config)
    assert not (Path(config.out) / "traces.jsonl").exists()
    fault_server.plan()
    sample.run(config)
    assert traces(config) == traces(calm)
    good = Counter(
        (request["prompt"], request["seed"]) for request in fault_server.requests()[before:] if not request["fault"]
    )
    assert set(good.values()) == {1}


def test_an_endpoint_that_is_gone_ends_the_step_soon(make: Make, fault_server: FaultServer) -> None:
    fault_server.stop()
    with pytest.raises(StepFailed, match="8 requests in a row failed, the last one with connection in 3 attempts"):
        sample.run(make())


def test_an_endpoint_that_refuses_everything_ends_the_step_soon(make: Make, fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "400_context", "times": None}])
    with pytest.raises(StepFailed, match=r"in a row failed.*http_400.*4096 tokens"):
        sample.run(make())
    assert len(fault_server.requests()) <= 12


def test_a_wrong_key_ends_the_step_at_once(make: Make, fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "401", "times": None}])
    with pytest.raises(StepFailed, match="does not let us in"):
        sample.run(make())
    assert len(fault_server.requests()) <= 4


def test_a_budget_stops_cleanly_and_more_of_it_goes_on(make: Make, fault_server: FaultServer) -> None:
    whole = make(out="whole", samples="others")
    sample.run(whole)
    spent = summary(whole)["completion_tokens"]
    before = asked(fault_server)
    poor = make(sampling={"max_tokens_total": spent // 2})
    with pytest.raises(CheckFailed, match=r"budget of [\d,]+ tokens .* is spent: \d+ of 12 prompts are done") as caught:
        sample.run(poor)
    assert "samples.jsonl" in str(caught.value)
    had = sum((asked(fault_server) - before).values())
    assert 0 < had < sum(before.values())
    rich = make(sampling={"max_tokens_total": 2 * spent})
    sample.run(rich)
    assert traces(rich) == traces(whole)
    assert asked(fault_server) == before + before


def test_without_an_endpoint_the_message_says_what_to_do(make: Make) -> None:
    with pytest.raises(MissingInput, match="12 of 12 prompts lack samples of org/teacher@abc") as caught:
        sample.run(make(place={"endpoint": None}))
    assert "mot-plugin corpus export" in str(caught.value)


@pytest.mark.parametrize("style", ["content", "no_open", "doubled_open", "reasoning", "reasoning_content", "doubled"])
def test_every_way_of_thinking_becomes_one(make: Make, fault_server: FaultServer, style: str) -> None:
    config = make(out="plain", samples="plain")
    sample.run(config)
    fault_server.plan(style=style)
    other = make(out="other", samples="other")
    sample.run(other)
    kept = [[normalise(one) for one in _all(each)] for each in (config, other)]
    assert kept[0] == kept[1]
    assert sum(isinstance(one, str) for one in kept[0]) > PROMPTS


def _all(config: sample.Config) -> list[Sample]:
    return [one for prompt in TraceFile(Path(config.out) / "traces.jsonl").prompts() for one in prompt.samples]


@pytest.mark.parametrize(("style", "verdict"), [("summary", "summary"), ("none", "unfinished")])
def test_what_has_no_thought_is_rejected_by_name(
    make: Make, fault_server: FaultServer, style: str, verdict: str
) -> None:
    fault_server.plan(style=style, cut=0)
    config = make(sampling={"n": 2})
    sample.run(config)
    assert summary(config)["kept"] == 0
    assert summary(config)["verdicts"] == {verdict: 2 * PROMPTS}


def test_a_correct_trace_that_is_too_long_does_not_end_the_drawing(make: Make, fault_server: FaultServer) -> None:
    fault_server.plan(right=1, unboxed=0, cut=0)
    every = make(out="every", sampling={"mode": "all"})
    sample.run(every)
    count, user = token_count(Path(every.tokenizer)), "What is 17 + 25? Use \\boxed{}."
    middle = statistics.median_low(count(user, str(normalise(one))) for one in _all(every))
    drop, resample = make(out="drop", row_tokens=middle, overlong="drop"), make(out="resample", row_tokens=middle)
    sample.run(drop)
    sample.run(resample)
    assert summary(drop)["samples"] == PROMPTS
    assert summary(resample)["samples"] > PROMPTS


def test_progress_is_told_while_it_goes_on(make: Make, fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.plan(latency=0.1)
    config = make()
    process = command(config, tmp_path)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    told = json.loads((Path(config.out) / "progress.json").read_text())
    assert (told["done"], told["prompts"]) == (PROMPTS, PROMPTS)
    assert told["tokens_per_second"] > 0
    assert b"12 of 12 prompts, " in out


def test_what_cannot_be_verified_is_not_asked(make: Make, fault_server: FaultServer, tmp_path: Path) -> None:
    problems = [
        Problem("proof", "Prove that 2 is even.", (), "proof", {}),
        Problem("sum", "What is 17 + 25?", ("42",), None, {}),
    ]
    write_problems(tmp_path / "problems.jsonl", problems)
    config = make()
    sample.run(config)
    assert {request["prompt"] for request in fault_server.requests()} == {"What is 17 + 25? Use \\boxed{}."}
    assert _samples(config, "proof") == []
    fault_server.plan(cut=0, unboxed=0)
    anyway = make(out="anyway", samples="others", verify="none")
    sample.run(anyway)
    assert [one["meta"]["verdict"] for one in _samples(anyway, "proof")] == ["unverified"]


def test_a_live_view_gets_one_line() -> None:
    counts = {
        "done": 112,
        "prompts": 200,
        "kept": 97,
        "asked": 300,
        "tokens": 5000,
        "budget": 10000,
        "tokens_per_second": 1234.4,
        "seconds_left": 1080,
        "verdicts": {"correct": 97, "wrong": 31, "truncated": 4, "unfinished": 2, "no_answer": 1},
        "errors": {"http_500": 2, "timeout": 1},
    }
    assert progress.brief(counts) == (
        "112 of 200 prompts, 97 kept, wrong 31, truncated 4, 3 others, 3 errors; 1,234 tok/s, 50% of budget, 18 min left"
    )
    nothing = counts | {
        "done": 0,
        "kept": 0,
        "asked": 0,
        "budget": None,
        "seconds_left": None,
        "verdicts": {},
        "errors": {},
    }
    assert progress.brief(nothing) == "0 of 200 prompts, 0 kept"
