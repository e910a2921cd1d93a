"""Whole runs whose teacher fails: what is said, what is kept, how it goes on, and that a key is in no file."""

import contextlib
import json
import os
import re
import resource
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_world import World, copy_world, wait_for
from fault_server import FaultServer
from live_world import (
    CONCURRENCY,
    DATA,
    MACHINE,
    NOWHERE,
    asked,
    attempts,
    build,
    corpora,
    forget_anna,
    on_disk,
    place,
    start_build,
)

from mot_plugin.errors import CheckFailed
from mot_plugin.sources.problems import Problem, write_problems
from mot_plugin.teachers import sample
from mot_plugin.teachers.asking import Line, Sampling
from mot_plugin.teachers.client import Endpoint
from mot_plugin.teachers.samples import Record, open_samples

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
    assert "everything is done; report at runs/tiny/report/report.md" in again.stdout


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


@pytest.mark.parametrize(
    ("status", "before", "words"),
    [
        (401, "", "does not let us in: .*Incorrect API key provided: \\(key\\).*is ANNA_KEY right?"),
        (400, "", "requests in a row failed, the last one with http_400 in 1 attempts: .*\\(key\\)"),
        (200, 'Not "so". ', "requests in a row failed, the last one with error_in_answer in 2 attempts: .*\\(key\\)"),
        (200, "x" * 246, "x{246}Incorrect API key provided: \\(key\\)"),
    ],
)
def test_a_server_that_quotes_the_key(
    unasked: World, monkeypatch: pytest.MonkeyPatch, status: int, before: str, words: str
) -> None:
    monkeypatch.setenv("ANNA_KEY", KEY)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Now", (Quoting,), {"status": status, "before": before}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        place(unasked, endpoint=f"http://127.0.0.1:{server.server_address[1]}/v1", api_key_env="ANNA_KEY")
        unasked.edit(lambda machine: machine.update(retries=0), MACHINE)
        ended = build(unasked)
    finally:
        server.shutdown()
        server.server_close()
    said = failed(unasked, ended)
    assert re.search(words, said, re.DOTALL), said
    nowhere(unasked, [ended])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "the environment has no ANNA_KEY: export it, then run again"),
        ("sk-of-two\nlines", "ANNA_KEY"),
        ("sk-ключ", "ANNA_KEY"),
    ],
)
def test_a_key_that_can_be_none(
    unasked: World, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, key: str | None, words: str
) -> None:
    monkeypatch.delenv("ANNA_KEY", raising=False)
    if key:
        monkeypatch.setenv("ANNA_KEY", key)
    place(unasked, api_key_env="ANNA_KEY")
    unasked.edit(lambda machine: machine.update(retries=0), MACHINE)
    ended = build(unasked)
    said = failed(unasked, ended)
    assert words in said
    assert "Traceback" not in said
    assert not key or key not in ended.stderr
    assert fault_server.requests() == []


def test_without_an_endpoint_the_message_says_what_to_write(unasked: World) -> None:
    place(unasked, endpoint=None)
    said = failed(unasked, build(unasked))
    assert "teacher anna: 8 of 8 prompts lack samples of org/anna@1, and nobody says where it answers" in said
    for words in ("anna: {endpoint: http://HOST:PORT/v1}", "anna: {serve: {}}", "corpus export RECIPE anna --out DIR"):
        assert words in said
    assert NOWHERE not in said
