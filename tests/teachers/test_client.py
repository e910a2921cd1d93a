"""One request, its retries, and what each way of failing is called: against a server that fails as planned."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer

from mot_plugin.errors import FileError, MissingInput, StepFailed
from mot_plugin.teachers.asking import Line, Sampling
from mot_plugin.teachers.client import Client, Endpoint, Failure, Reply

LINE = Line("teacher", Sampling(n=4, temperature=0.6, top_p=0.95, top_k=20, max_tokens=500, extra={"min_p": 0}), 0)
BODY = LINE.body("What is 17 + 25?", 0)


def ask(server: FaultServer, body: dict[str, Any] = BODY, **changed: Any) -> Reply | Failure:
    endpoint = Endpoint(**({"url": server.url, "attempts": 4, "backoff_seconds": 0.01, "timeout_seconds": 5} | changed))

    async def once() -> Reply | Failure:
        client = Client(endpoint)
        try:
            return await client.ask(body)
        finally:
            await client.close()

    return asyncio.run(once())


def test_a_reply_is_the_servers_own_json(fault_server: FaultServer) -> None:
    fault_server.plan(style="reasoning")
    reply = ask(fault_server)
    assert isinstance(reply, Reply)
    assert reply.attempts == 1
    assert "reasoning" in reply.body["choices"][0]["message"]
    assert reply.body["usage"]["completion_tokens"] > 0
    request = fault_server.requests()[0]
    assert request["n"] == 1
    assert request["seed"] == BODY["seed"]


@pytest.mark.parametrize(
    "fault",
    [
        "429",
        "500",
        "503",
        "refuse",
        "drop",
        "truncated_json",
        "html_200",
        "empty_content",
        "null_content",
        "no_choices",
    ],
)
def test_what_passes_is_tried_again(fault_server: FaultServer, fault: str) -> None:
    fault_server.plan([{"fault": fault, "times": 2}])
    reply = ask(fault_server)
    assert isinstance(reply, Reply), reply
    assert reply.attempts == 3
    assert len(fault_server.requests()) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("429", "http_429"),
        ("500", "http_500"),
        ("refuse", "connection"),
        ("drop", "connection"),
        ("truncated_json", "not_json"),
        ("html_200", "not_json"),
        ("empty_content", "empty"),
        ("null_content", "empty"),
        ("no_choices", "no_choice"),
    ],
)
def test_what_does_not_pass_has_a_name(fault_server: FaultServer, fault: str, reason: str) -> None:
    fault_server.plan([{"fault": fault, "times": None}])
    failure = ask(fault_server)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.attempts, failure.refused) == (reason, 4, False)


def test_a_server_that_hangs_is_given_up(fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "timeout", "times": None, "seconds": 30}])
    begun = time.monotonic()
    failure = ask(fault_server, timeout_seconds=0.3, attempts=2)
    assert isinstance(failure, Failure)
    assert failure.reason == "timeout"
    assert time.monotonic() - begun < 10


def test_a_refusal_is_not_tried_again(fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "400_context", "times": None}])
    failure = ask(fault_server)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.attempts, failure.refused) == ("http_400", 1, True)
    assert "4096" in failure.message


def test_the_server_says_how_long_to_wait(fault_server: FaultServer) -> None:
    fault_server.plan([{"fault": "429", "times": 1, "seconds": 1}])
    begun = time.monotonic()
    assert isinstance(ask(fault_server, backoff_seconds=0), Reply)
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("401", "does not let us in"),
        ("403", "does not let us in"),
        ("404_model", "has no model 'teacher'"),
        ("429_quota", "quota is used up"),
    ],
)
def test_what_can_never_succeed_stops_everything(fault_server: FaultServer, fault: str, words: str) -> None:
    fault_server.plan([{"fault": fault, "times": None}])
    with pytest.raises(StepFailed, match=words):
        ask(fault_server)
    assert len(fault_server.requests()) == 1


def test_a_key_comes_from_the_environment_and_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(tmp_path / "keyed", key="sk-secret-4711") as server:
        monkeypatch.setenv("TEACHER_KEY", "sk-secret-4711")
        assert isinstance(ask(server, api_key_env="TEACHER_KEY"), Reply)
        assert server.requests()[0]["authorized"]
        monkeypatch.setenv("TEACHER_KEY", "sk-wrong-0815")
        with pytest.raises(StepFailed, match="TEACHER_KEY") as caught:
            ask(server, api_key_env="TEACHER_KEY")
        assert "0815" not in str(caught.value)
        monkeypatch.delenv("TEACHER_KEY")
        with pytest.raises(MissingInput, match="the environment has no TEACHER_KEY"):
            ask(server, api_key_env="TEACHER_KEY")


def test_a_vendors_words_are_cleaned_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-secret-4711")
    client = Client(Endpoint(url="http://127.0.0.1:9/v1", api_key_env="TEACHER_KEY"))
    assert client._clean("Incorrect API key provided: sk-secret-4711.") == "Incorrect API key provided: (key)."
    assert "4711" not in repr(client)


def test_a_password_in_the_url_is_refused() -> None:
    with pytest.raises(FileError, match="api_key_env"):
        Client(Endpoint(url="http://user:word@127.0.0.1:9/v1"))


def test_nobody_there_is_a_connection_that_failed(tmp_path: Path) -> None:
    with FaultServer(tmp_path / "gone") as server:
        pass
    failure = ask(server, attempts=2)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.attempts, failure.refused) == ("connection", 2, False)
