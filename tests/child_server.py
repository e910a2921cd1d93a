"""A server of the tests in a process of its own, which ends with the process that started it, however that ends."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Self

TAIL_LINES = 20


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP, whatever its status."""

    status: int
    headers: Message
    content: bytes

    @property
    def body(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The message of each choice."""
        return [choice["message"] for choice in self.body["choices"]]

    @property
    def finish(self) -> str:
        """Why the first choice ended."""
        return str(self.body["choices"][0]["finish_reason"])


class ChildServer:
    """Starts a program that prints `UP http://HOST:PORT/...` once it listens, and answers GET /health there.

    The program has to end when its standard input does: the only other end of that pipe is ours, so it closes when we
    are gone, even by SIGKILL. (PR_SET_PDEATHSIG would do it too early: it fires when the starting *thread* ends.)
    """

    def __init__(self, arguments: Sequence[str], log: Path, seconds: float = 30) -> None:
        """Start `python ARGUMENTS` and wait until it is healthy. Raises RuntimeError with the log's end if it is not."""
        self.log = log
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=sink, stderr=sink, start_new_session=True
            )
        try:
            self.url = self._up(arguments, time.monotonic() + seconds)
        except BaseException:
            self.process.kill()
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def root(self) -> str:
        """The address without its path."""
        return "/".join(self.url.split("/")[:3])

    def get(self, path: str) -> Answer:
        """GET below `url`: get("/models")."""
        return _open(urllib.request.Request(self.url + path), seconds=30)

    def chat(self, prompt: str, *, key: str | None = None, timeout: float = 30, **fields: Any) -> Answer:
        """One user turn to /chat/completions. Raises what urllib and http.client raise where no whole answer comes."""
        body = {"model": "student", "messages": [{"role": "user", "content": prompt}], **fields}
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        return _open(
            urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers), timeout
        )

    def stop(self) -> None:
        """End it at once, requests in the air included; a second call does nothing."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _up(self, arguments: Sequence[str], deadline: float) -> str:
        while time.monotonic() < deadline:
            lines = self.log.read_text(errors="replace").splitlines()
            url = next((line.removeprefix("UP ") for line in lines if line.startswith("UP ")), None)
            if url and _healthy("/".join(url.split("/")[:3])):
                return url
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        raise RuntimeError(f"{' '.join(arguments)} did not come up; its last words:\n{tail}")


def _open(request: urllib.request.Request, seconds: float) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def _healthy(root: str) -> bool:
    try:
        return _open(urllib.request.Request(f"{root}/health"), seconds=5).status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
