"""The server that fails as planned: its faults, its log, its life."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from child_server import ChildServer
from fault_plan import REFUSALS
from fault_server import FaultServer

SUM = "What is 17 + 25? Put your final answer within \\boxed{}."
BOXED = "\\boxed{42}"
SURE: dict[str, Any] = {"right": 1.0, "unboxed": 0.0, "cut": 0.0}


def test_it_says_the_same_before_and_after_a_restart(tmp_path: Path) -> None:
    def ask(server: FaultServer) -> list[bytes]:
        return [server.chat(SUM, seed=seed, temperature=0.6, n=2).content for seed in range(5)]

    with FaultServer(tmp_path) as server:
        said, port = ask(server), server.port
    with FaultServer(tmp_path, port=port) as server:
        assert server.port == port
        assert ask(server) == said
        assert [line["seed"] for line in server.requests()] == [0, 1, 2, 3, 4] * 2
    assert len(set(said)) == 5


def test_choices_and_usage(fault_server: FaultServer) -> None:
    fault_server.plan(**SURE)
    one, four = (fault_server.chat(SUM, seed=3, n=n).body for n in (1, 4))
    assert four["choices"][0] == one["choices"][0]
    assert len({choice["message"]["content"] for choice in four["choices"]}) == 4
    assert all(BOXED in choice["message"]["content"] for choice in four["choices"])
    assert one["usage"]["completion_tokens"] == len(one["choices"][0]["message"]["content"].split()) - 1  # <think>
    assert four["usage"]["completion_tokens"] > 3 * one["usage"]["completion_tokens"] / 2
    assert fault_server.get("/models").body["data"][0]["id"] == "teacher"


@pytest.mark.parametrize("fault", REFUSALS)
def test_errors_in_words(fault_server: FaultServer, fault: str) -> None:
    fault_server.plan([{"fault": fault, "seconds": 1.5}], **SURE)
    answer = fault_server.chat(SUM)
    assert (answer.status, answer.body["error"]["code"]) == REFUSALS[fault][:2]
    assert answer.headers["Retry-After"] == "1.5"
    assert BOXED in fault_server.chat(SUM).messages[0]["content"]
    assert [line["fault"] for line in fault_server.requests()] == [fault, None]


def test_answers_that_are_none(fault_server: FaultServer) -> None:
    odd = ("truncated_json", "html_200", "empty_content", "null_content", "no_choices", "wrong_n")
    fault_server.plan([{"fault": fault, "match": {"seed": seed}} for seed, fault in enumerate(odd)])
    answers = [fault_server.chat(SUM, seed=seed) for seed in range(len(odd))]
    assert {answer.status for answer in answers} == {200}
    truncated, page, empty, null, no_choices, wrong_n = answers
    with pytest.raises(ValueError, match=r"char \d+"):
        json.loads(truncated.content)
    assert page.headers.get_content_type() == "text/html"
    assert (empty.messages[0]["content"], null.messages[0]["content"]) == ("", None)
    assert (no_choices.messages, len(wrong_n.messages)) == ([], 2)


def test_connections_that_break(fault_server: FaultServer) -> None:
    rules = [{"fault": fault, "seed": seed} for seed, fault in enumerate(("refuse", "drop", "timeout"))]
    fault_server.plan(rules)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        fault_server.chat(SUM, seed=0)
    with pytest.raises(http.client.IncompleteRead):
        fault_server.chat(SUM, seed=1)
    with pytest.raises(TimeoutError):
        fault_server.chat(SUM, seed=2, timeout=0.2)
    assert [line["finished"] for line in fault_server.requests()] == [False, False, False]
    assert fault_server.chat(SUM, seed=2).status == 200


def test_a_rule_fires_so_often_for_each_prompt_and_seed(fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "503", "prompt_contains": "17", "times": 2}, {"fault": "500", "nth_request": 6}])

    def asked(prompt: str, seed: int) -> int:
        return fault_server.chat(prompt, seed=seed).status

    assert [asked(SUM, 1) for _ in range(3)] == [503, 503, 200]
    assert [asked(SUM, 2), asked("What is 1 + 1?", 1), asked("What is 1 + 1?", 1)] == [503, 200, 500]
    fault_server.plan([{"fault": "429", "times": None}])
    assert [asked(SUM, 1) for _ in range(3)] == [429] * 3


def test_the_log_counts_what_is_in_flight(fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "timeout", "seed": 99, "times": None}], latency=0.1, jitter=0.1)
    with pytest.raises(TimeoutError):
        fault_server.chat(SUM, seed=99, timeout=0.1)
    while "ended" not in fault_server.requests()[0]:  # the server sees the client leave: it is not in flight below
        time.sleep(0.01)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda seed: fault_server.chat(SUM, seed=seed), range(12)))
    requests = fault_server.requests()
    assert [line["finished"] for line in requests] == [False] + [True] * 12
    assert max(line["in_flight"] for line in requests) == 3
    assert {line["prompt"] for line in requests} == {SUM}
    assert sorted(line["seed"] for line in requests[1:]) == list(range(12))
    assert all(line["ended"] - line["time"] >= 0.1 for line in requests[1:])


def test_a_key_is_asked_for_and_not_written_down(tmp_path: Path) -> None:
    with FaultServer(tmp_path, key="open-sesame") as server:
        assert [server.chat(SUM, key=key).status for key in (None, "wrong", "open-sesame")] == [401, 401, 200]
        assert server.get("/models").status == 401
        assert [line["authorized"] for line in server.requests()] == [False, False, True]
    assert "sesame" not in "".join(file.read_text() for file in tmp_path.iterdir())


def test_the_openai_client_is_served(fault_server: FaultServer) -> None:
    openai = pytest.importorskip("openai")
    fault_server.plan([{"fault": "429", "seconds": 0}, {"fault": "503"}], style="reasoning", **SURE)
    client = openai.OpenAI(base_url=fault_server.url, api_key="none", max_retries=3)
    completion = client.chat.completions.create(
        model="teacher", messages=[{"role": "user", "content": SUM}], seed=1, extra_body={"top_k": 20}
    )
    assert completion.choices[0].message.content == "The answer is \\boxed{42}."
    assert completion.choices[0].message.model_extra["reasoning"].startswith("Attempt ")
    assert [line["fault"] for line in fault_server.requests()] == ["429", "503", None]
    assert fault_server.requests()[0]["body"]["top_k"] == 20


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_dies_with_its_parent_and_says_why_it_does_not_come_up(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from fault_server import FaultServer\n"
        "server = FaultServer(Path(sys.argv[1])); print(server.port, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert parent.stdout
    port = int(parent.stdout.readline())
    with pytest.raises(RuntimeError, match="Address already in use"):
        FaultServer(tmp_path / "second", port=port)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 10
    while listening(port) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not listening(port)


def test_a_server_that_hangs_at_start_is_ended(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="loading shards"):
        ChildServer(["-c", "import time; print('loading shards', flush=True); time.sleep(60)"], tmp_path / "log", 0.5)
