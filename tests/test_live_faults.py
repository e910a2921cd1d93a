"""Whole runs whose teacher fails: what is said, what is kept, how it goes on, and that a key is in no file."""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, wait_for
from fault_server import FaultServer
from live_world import (
    MACHINE,
    NOWHERE,
    asked,
    attempts,
    build,
    corpora,
    failed,
    on_disk,
    place,
    start_build,
)

from mot_plugin.errors import MissingInput, StepFailed
from mot_plugin.teachers.client import Client, Endpoint, Failure

pytestmark = pytest.mark.process

KEY = "sk-live-0123456789+/='abc\\def"
"""With signs that JSON, a shell or Python's repr write in another way."""


def test_an_endpoint_that_is_not_there(unasked: World, fault_server: FaultServer) -> None:
    fault_server.stop()
    said = failed(unasked, build(unasked))
    assert re.search(
        rf"error: {fault_server.url}: \d+ requests in a row failed, the last one with connection in 2 attempts", said
    )
    assert attempts(unasked) == 2, "the machine file's retries"
    assert "corpus/anna" in said.split("\n")[-1]
    assert f"Connect call failed ('127.0.0.1', {fault_server.port})" in said
    assert "is it up, and is this its address? It stands in the machine file, under teachers" in said


def test_an_endpoint_that_goes_away_and_comes_back(
    unasked: World, built: World, fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.plan(latency=0.15)
    process = start_build(unasked)
    wait_for(lambda: process.poll() is not None or len(on_disk(unasked)) >= 5)
    fault_server.stop()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert f"{fault_server.url}: " in err
    kept, before = on_disk(unasked), len(fault_server.requests())
    assert len(kept) >= 5
    with FaultServer(tmp_path / "fault-server", port=fault_server.port) as again:
        ended = build(unasked)
        assert ended.returncode == 0, ended.stderr
        assert not kept & set(asked(again, before))
    assert corpora(unasked) == corpora(built)


def test_a_run_to_the_report_uses_a_key_and_writes_it_nowhere(
    unasked: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNA_KEY", KEY)
    with FaultServer(tmp_path / "locked", key=KEY) as server:
        place(unasked, endpoint=server.url, api_key_env="ANNA_KEY")
        said = [unasked.run(), unasked.mot("plan", "tiny.yaml", "--machine", MACHINE, "--json", "--out", "planned")]
        said += [unasked.mot("status", "runs/tiny")]
        assert [one.returncode for one in said] == [0] * 3, said
        assert server.requests()
        assert all(request["authorized"] for request in server.requests())
    assert len(unasked.done()) == len(json.loads(said[1].stdout)["steps"])
    assert (unasked.run_folder / "report" / "report.md").is_file()
    nowhere(unasked, said)
    monkeypatch.delenv("ANNA_KEY")
    again = unasked.run()
    assert (again.returncode, again.stderr) == (0, "")
    assert "everything is done; report at runs/tiny/report/index.html" in again.stdout


def nowhere(world: World, said: list[Any]) -> None:
    """The key is in no file below the world, in no name of one, and was not said."""
    shapes = {KEY, json.dumps(KEY)[1:-1], repr(KEY)[1:-1], "0123456789+"}
    for text in [part for one in said for part in (one.stdout, one.stderr)]:
        assert not [shape for shape in shapes if shape in text], text
    files = [file for file in world.root.rglob("*") if file.is_file()]
    assert len(files) > 30
    for file in files:
        content = file.read_bytes()
        assert not [shape for shape in shapes if shape.encode() in content], file


class Quoting(BaseHTTPRequestHandler):
    """A vendor who repeats the key in whatever it says."""

    status = 401
    before = ""

    def do_POST(self) -> None:
        """An error in OpenAI's form."""
        self.rfile.read(int(self.headers["Content-Length"]))
        key = str(self.headers["Authorization"]).removeprefix("Bearer ")
        error = {
            "message": f"{self.before}Incorrect API key provided: {key}",
            "type": "error",
            "param": key,
            "code": "invalid",
        }
        content = json.dumps({"error": error}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def quoting(status: int, before: str = "") -> Iterator[str]:
    """Such a server's URL; `before` stands before the key."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Now", (Quoting,), {"status": status, "before": before}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not let us in: .*Incorrect API key provided: \\(key\\).*is ANNA_KEY right?"),
        (200, "requests in a row failed, the last one with error_in_answer in 2 attempts: .*\\(key\\)"),
    ],
)
def test_a_server_that_quotes_the_key(unasked: World, monkeypatch: pytest.MonkeyPatch, status: int, words: str) -> None:
    monkeypatch.setenv("ANNA_KEY", KEY)
    unasked.edit(lambda machine: machine.update(retries=0), MACHINE)
    with quoting(status) as url:
        place(unasked, endpoint=url, api_key_env="ANNA_KEY")
        ended = build(unasked)
    said = failed(unasked, ended)
    assert re.search(words, said, re.DOTALL), said
    nowhere(unasked, [ended])


@pytest.mark.parametrize("before", ["", 'It\'s not "so". ', "x" * 240, "x" * 246, "x" * 430, "x" * 440, "<html>" * 9])
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_no_part_of_a_key_is_in_a_message(monkeypatch: pytest.MonkeyPatch, status: int, before: str) -> None:
    """However it is quoted, and wherever a long message is cut."""
    monkeypatch.setenv("ANNA_KEY", KEY)
    with quoting(status, before) as url:
        said = asyncio.run(message(Endpoint(url=url, api_key_env="ANNA_KEY", attempts=1)))
    assert "Incorrect API key" in said or len(before) > 400
    assert KEY[:8] not in said
    assert "(key)" in said or len(before) > 400


async def message(endpoint: Endpoint) -> str:
    """What is said of one request that cannot succeed."""
    client = Client(endpoint)
    try:
        answer = await client.ask({"model": "anna", "messages": [{"role": "user", "content": "Hello?"}]})
    except StepFailed as error:
        return str(error)
    finally:
        await client.close()
    assert isinstance(answer, Failure)
    return answer.message


def test_a_key_that_is_not_set(unasked: World, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANNA_KEY", raising=False)
    place(unasked, api_key_env="ANNA_KEY")
    unasked.edit(lambda machine: machine.update(retries=0), MACHINE)
    said = failed(unasked, build(unasked))
    assert f"{fault_server.url} wants a key, and the environment has no ANNA_KEY: export it, then run again" in said
    assert fault_server.requests() == []


@pytest.mark.parametrize("key", ["sk-of-two\nlines", "sk-ключ", "sk of words", " \n"])
def test_a_key_that_no_request_can_carry(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("ANNA_KEY", key)
    with pytest.raises(MissingInput, match="ANNA_KEY") as caught:
        Client(Endpoint(url=NOWHERE, api_key_env="ANNA_KEY"))
    assert not key.strip() or key not in str(caught.value)


def test_a_line_end_behind_a_key_is_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`export KEY="$(cat file)"` takes it away, a file of variables does not."""
    monkeypatch.setenv("ANNA_KEY", f"{KEY}\r\n")
    with FaultServer(tmp_path / "locked", key=KEY) as server:
        client = Client(Endpoint(url=server.url, api_key_env="ANNA_KEY"))
        asyncio.run(client.ask({"model": "anna", "messages": [{"role": "user", "content": "What is 1 + 1?"}]}))
        assert [request["authorized"] for request in server.requests()] == [True]


def test_without_an_endpoint_the_message_says_what_to_write(unasked: World) -> None:
    place(unasked, endpoint=None)
    said = failed(unasked, build(unasked))
    assert "teacher anna: 8 of 8 prompts lack samples of org/anna@1, and nobody says where it answers" in said
    for words in ("anna: {endpoint: http://HOST:PORT/v1}", "anna: {serve: {}}", "corpus export RECIPE anna --out DIR"):
        assert words in said
    assert NOWHERE not in said
