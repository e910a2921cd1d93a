"""A server for the time of a step: ready when it is handed out, gone afterwards, whatever happens to whom."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.errors import FileError, MissingTool, StepFailed
from mot_plugin.teachers.serve import PORT, Server, serving
from mot_plugin.tools import vllm

pytestmark = pytest.mark.process

FAKES = Path(__file__).parents[1] / "fakes"
PATH = os.pathsep.join([str(FAKES), str(Path(sys.executable).parent), os.environ["PATH"]])
MARK = "TEST_SERVE"
GUARD, FAKE, HELD = "guard.py", "fakes/vllm", "trap '' TERM"
ARGS = vllm.serve("some/model", name="anna", host="127.0.0.1", port=PORT, flags={"max_model_len": 64})
LOADING = """
import http.server, sys, time
from urllib.parse import urlsplit
answers, begun = eval(sys.argv[2]), time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        later = answers.get(self.path, [404])
        self.send_response(later[-1] if time.monotonic() > begun + 0.5 else later[0])
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Place:
    """A folder, and whatever runs on its behalf."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "logs" / "server.log"
        self.env = {"PATH": PATH, MARK: str(folder)}

    def fault(self, kind: str) -> None:
        """What the fake vllm is to do wrong, once."""
        file = self.folder / "faults.json"
        file.write_text(json.dumps([{"tool": "vllm", "match": "serve", "fault": kind, "times": 1, "seconds": 0}]))
        self.env |= {"FAKE_FAULTS": str(file), "FAKE_LOG": str(self.folder / "starts.jsonl")}

    def serving(self, **changes: Any) -> AbstractContextManager[Server]:
        """`serving` with the fake vllm; quicker to kill."""
        given: dict[str, Any] = {"command": ["vllm"], "args": ARGS, "env": self.env, "log": self.log}
        return serving(**{"grace_seconds": 0.5, "ready_seconds": 30, **given, **changes})

    def processes(self) -> dict[int, str]:
        """What lives and has our mark in its environment, by the kernel's word: pid and command line."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def pids(self, words: str) -> list[int]:
        """The processes with these words in their command line; what a guard starts is in its own line, too."""
        return [
            pid for pid, line in self.processes().items() if words in line and ("guard.py" in line) == (words == GUARD)
        ]

    def ended(self, seconds: float = 8) -> bool:
        """Whether all processes are gone within `seconds`."""
        until = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    left = made.processes()
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left


def ask(server: Server, timeout: float = 10) -> dict[str, Any]:
    body = json.dumps({"model": "anna", "messages": [{"role": "user", "content": "What is 2 + 3?"}], "seed": 1})
    request = urllib.request.Request(
        f"{server.url}/chat/completions", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return dict(json.loads(answer.read()))


def until(true: Callable[[], object], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_serves_and_is_gone(place: Place) -> None:
    with place.serving() as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.url.endswith("/v1")
        assert ask(server)["choices"][0]["message"]["content"]
        server.check()
        assert (len(place.pids(FAKE)), len(place.pids(GUARD))) == (1, 1)
    assert place.processes() == {}
    with pytest.raises(OSError, match="refused"):
        ask(server)
    with pytest.raises(StepFailed, match="the server "):
        server.check()


def test_an_event_loop_that_starts_later(place: Place) -> None:
    async def many(server: Server) -> list[dict[str, Any]]:
        await (await asyncio.create_subprocess_exec("true")).wait()  # the loop has children of its own to wait for
        return await asyncio.gather(*(asyncio.to_thread(ask, server) for _ in range(8)))

    with place.serving() as server:
        assert len(asyncio.run(many(server))) == 8
        server.check()
    assert place.processes() == {}


def test_two_at_once(place: Place) -> None:
    with place.serving() as one, place.serving(log=place.folder / "other.log") as other:
        assert one.url != other.url
        assert ask(one)["choices"] == ask(other)["choices"]
    assert place.processes() == {}


def test_the_log_begins_with_a_line_to_paste(place: Place) -> None:
    env = {"A": "b c", "HF_TOKEN": "hf_secret", "VLLM_CPU_KVCACHE_SPACE": "1"}
    with place.serving(env=place.env | env) as server:
        port = server.url.split(":")[2].removesuffix("/v1")
    first = place.log.read_text().split("\n")[0]
    assert first.startswith("$ A='b c' HF_TOKEN=\"$HF_TOKEN\" PATH=")
    assert "VLLM_CPU_KVCACHE_SPACE=1 vllm serve some/model --served-model-name anna" in first
    assert f"--port {port} " in first
    assert "hf_secret" not in first


def test_it_dies_at_its_start(place: Place) -> None:
    place.log.parent.mkdir()
    place.log.write_text("ValueError: No available memory for the cache blocks, an hour ago\n")
    place.fault("out-of-memory")
    begun = time.monotonic()
    with pytest.raises(StepFailed) as failed, place.serving(ready_seconds=1800):
        pytest.fail("handed out")
    assert time.monotonic() - begun < 10
    what, remedy, where, command, *last = str(failed.value).split("\n")
    assert what == "the server ended with exit code 1"
    assert (
        remedy
        == "  memory ran out: lower max_model_len, max_num_seqs or gpu_memory_utilization, or raise tensor_parallel_size"
    )
    assert where == f"  the end of {place.log}:"
    assert command.startswith("    $ FAKE_FAULTS=")
    assert last == ["    torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."]
    assert "an hour ago" in place.log.read_text()
    assert place.processes() == {}


def test_the_first_error_is_shown_before_the_last_words(place: Place) -> None:
    said = "INFO x\nWARNING OSError: this is none\nERROR ValueError: the cause\n" + "RuntimeError: see above\n" * 40
    with pytest.raises(StepFailed) as failed, place.serving(command=["sh", "-c", f"echo '{said}'; exit 3"]):
        pytest.fail("handed out")
    lines = str(failed.value).split("\n")
    assert lines[0] == "the server ended with exit code 3"
    assert lines[1:3] == [f"  the first error in {place.log}:", "    ERROR ValueError: the cause"]
    assert lines[3:] == [f"  the end of {place.log}:", *["    RuntimeError: see above"] * 15]


def test_progress_bars_and_odd_bytes_in_the_log(place: Place) -> None:
    line = r"printf 'load 0%%\rload 50%%\rload 99%%\r\n\377 bytes \n'; printf 'x%.0s' $(seq 2000); exit 1"
    with pytest.raises(StepFailed) as failed, place.serving(command=["sh", "-c", line]):
        pytest.fail("handed out")
    assert str(failed.value).split("\n")[3:] == ["    load 99%", "    \ufffd bytes", "    " + "x" * 300]


def test_it_is_killed_from_outside(place: Place) -> None:
    place.fault("killed")
    with pytest.raises(StepFailed, match="the server was killed by SIGKILL"), place.serving():
        pytest.fail("handed out")


def test_it_is_never_ready(place: Place) -> None:
    place.fault("never-ready")
    with pytest.raises(StepFailed, match=r"the server was not ready after 1 s\n"), place.serving(ready_seconds=1):
        pytest.fail("handed out")
    assert place.processes() == {}


def test_it_dies_while_it_is_asked(place: Place) -> None:
    place.fault("dies-when-asked")
    with place.serving() as server:
        server.check()
        with pytest.raises(OSError, match=r"closed|reset"):
            ask(server)
        with pytest.raises(StepFailed, match=r"exit code 1\n  memory ran out: .*\n") as failed:
            until(server.check, 3)
        assert "(EngineCore pid=1) ERROR torch.OutOfMemoryError" in str(failed.value)


@pytest.mark.parametrize("kind", ["grandchild", "own-session", "ignores-term"])
def test_what_does_not_want_to_end(place: Place, kind: str) -> None:
    """In the server's group or in a session of its own, deaf to SIGTERM: gone once the grace is over."""
    place.fault(kind)
    with place.serving() as server:
        ask(server)
        assert len(place.pids(FAKE)) == 1
        assert len(place.pids(HELD)) == (0 if kind == "ignores-term" else 1)
        begun = time.monotonic()
    assert 0.4 < time.monotonic() - begun < 6
    assert place.processes() == {}


@pytest.mark.parametrize("kind", ["grandchild", "own-session"])
def test_it_dies_and_leaves_something(place: Place, kind: str) -> None:
    place.fault(kind)
    with place.serving() as server:
        assert place.pids(HELD)
        os.kill(place.pids(FAKE)[0], signal.SIGKILL)
        assert place.ended()
        with pytest.raises(StepFailed, match="the server was killed by SIGKILL"):
            until(server.check, 3)


OWNER = """
import sys, threading, time
from pathlib import Path
from mot_plugin.teachers.serve import serving
folder = Path(sys.argv[1])
with serving(["vllm"], {args!r}, env={env!r}, log=folder / "server.log", grace_seconds=0.5) as server:
    (folder / "url").write_text(server.url)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGKILL, "own-session"), (signal.SIGTERM, ""), (signal.SIGINT, "own-session")]
)
def test_the_process_that_asked_is_ended(place: Place, number: int, kind: str) -> None:
    if kind:
        place.fault(kind)
    program = OWNER.format(args=list(ARGS), env=place.env)
    owner = subprocess.Popen([sys.executable, "-c", program, str(place.folder)], stderr=subprocess.DEVNULL)
    until((place.folder / "url").exists, 20)
    assert (len(place.pids(FAKE)), len(place.pids(HELD))) == (1, 1 if kind else 0)
    owner.send_signal(number)
    owner.wait(20)
    assert place.ended()


def test_the_process_that_asked_is_killed_before_it_is_ready(place: Place) -> None:
    place.fault("never-ready")
    program = OWNER.format(args=list(ARGS), env=place.env)
    owner = subprocess.Popen([sys.executable, "-c", program, str(place.folder)])
    until(lambda: place.pids(FAKE), 20)
    owner.kill()
    owner.wait(20)
    assert place.ended()


def test_the_guard_is_killed(place: Place) -> None:
    place.fault("grandchild")
    with place.serving() as server:
        os.kill(place.pids(GUARD)[0], signal.SIGKILL)
        until(lambda: not place.pids(FAKE))  # the kernel ends the server with it
        assert place.pids(HELD)
        with pytest.raises(StepFailed, match="the server was killed by SIGKILL"):
            until(server.check, 3)
    assert place.ended(1)


def test_a_guard_whose_parent_is_gone_already(place: Place) -> None:
    guard = Path(sys.modules[Server.__module__].__file__ or "").with_name("guard.py")
    touched = place.folder / "touched"
    ended = subprocess.run([sys.executable, guard, "1", "1", "touch", touched], check=False)
    assert (ended.returncode, touched.exists()) == (128 + signal.SIGTERM, False)


def test_a_thread_that_starts_it_may_end(place: Place) -> None:
    manager = place.serving()
    servers: list[Server] = []
    thread = threading.Thread(target=lambda: servers.append(manager.__enter__()))
    thread.start()
    thread.join()
    time.sleep(0.3)
    servers[0].check()
    ask(servers[0])
    manager.__exit__(None, None, None)
    assert place.processes() == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_the_step_fails_while_it_is_served(place: Place, error: type[BaseException]) -> None:
    with pytest.raises(error), place.serving():
        raise error
    assert place.processes() == {}


@pytest.mark.parametrize(
    ("answers", "ready"),
    [
        ({"/health": [200]}, 0),
        ({"/v1/models": [200]}, 0),
        ({"/health": [503, 200], "/v1/models": [200]}, 0.5),  # llama-server while it loads
        ({"/health": [200], "/v1/models": [500]}, 0),  # transformers' server without a hub
        ({"/health": [405], "/v1/models": [503, 200]}, 0.5),
        ({"/": [200]}, None),
        ({"/health": [503], "/v1/models": [200]}, None),
    ],
)
def test_when_any_server_is_ready(place: Place, answers: dict[str, list[int]], ready: float | None) -> None:
    given: dict[str, Any] = {"command": [sys.executable, "-c", LOADING], "args": ["{port}", repr(answers)]}
    begun = time.monotonic()
    if ready is None:
        with pytest.raises(StepFailed, match="not ready"), place.serving(**given, ready_seconds=1):
            pytest.fail("handed out")
    else:
        with place.serving(**given):
            assert ready <= time.monotonic() - begun < ready + 3
    assert place.processes() == {}


def test_no_proxy_stands_between(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with place.serving() as server:
        server.check()


def test_arguments_with_braces_stay_as_they_are(place: Place) -> None:
    given = {"command": ["sh", "-c"], "args": ['echo "$1 $2"; exit 1', "sh", '{"a": {"b": 1}}', PORT]}
    with pytest.raises(StepFailed, match=r'\n    {"a": {"b": 1}} \d+$'), place.serving(**given):
        pytest.fail("handed out")


def test_there_is_no_such_program(place: Place) -> None:
    with (
        pytest.raises(MissingTool, match="no-such-server is not installed here"),
        place.serving(command=["no-such-server"]),
    ):
        pytest.fail("handed out")


def test_a_program_of_our_own_environment_need_not_be_on_the_path(place: Place) -> None:
    args = ["-c", LOADING, PORT, "{'/health': [200]}"]
    with place.serving(
        command=[Path(sys.executable).name], args=args, env={MARK: str(place.folder), "PATH": "/nowhere"}
    ):
        assert str(Path(sys.executable).parent) in place.processes()[place.pids("HTTPServer")[0]]
    assert place.processes() == {}


def test_a_program_that_cannot_be_started(place: Place) -> None:
    program = place.folder / "server"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with (
        pytest.raises(StepFailed, match=r"exit code 127\n(?s:.*) cannot be started: "),
        place.serving(command=[str(program)]),
    ):
        pytest.fail("handed out")


def test_arguments_without_a_port(place: Place) -> None:
    with pytest.raises(FileError, match=r"do not say \{port\}"), place.serving(args=["serve", "model"]):
        pytest.fail("handed out")
