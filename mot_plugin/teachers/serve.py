"""A model served for the time of a step: a server on this machine, ready when it is handed out, gone when the step is.

Any command that starts an OpenAI-compatible server will do; what its last words mean is vLLM's unless the caller knows better.
"""

import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mot_plugin.errors import FileError, MissingTool, StepFailed
from mot_plugin.teachers import guard
from mot_plugin.tools import vllm
from mot_plugin.tools.advice import Advice, advise
from mot_plugin.tools.call import BINDS, filled, neighbours_first

HOST = "127.0.0.1"
PORT = "{port}"
"""Stands in the server's arguments where the free port goes that is found when it starts."""
GRACE_SECONDS = 10
"""Between SIGTERM and SIGKILL. Longer than vLLM needs; shorter than the supervisor waits for the step itself."""

_SHOWN, _SEARCHED, _WIDE = 15, 400, 300
_UNKNOWN = (404, 405, 501)
_ERROR = re.compile(r"^(?!.*\b(?:WARNING|INFO|DEBUG)\b).*\b[A-Z]\w*(?:Error|Exception): \S")
_SECRET = re.compile(r"TOKEN|KEY$|SECRET|PASSWORD")


@dataclass(frozen=True)
class Server:
    """A server that runs. `url` is its base URL, up to and including /v1; `log` is what it says."""

    url: str
    log: Path
    _guard: "subprocess.Popen[bytes]" = field(repr=False)
    _begun: int = field(repr=False)
    """Bytes of the log from before this start."""
    _advice: Advice = field(repr=False)

    def check(self) -> None:
        """Raises StepFailed, with the log's last lines and what to do, if the server has ended."""
        code = self._guard.poll()
        if code is not None:
            raise StepFailed(self._words(f"the server {_ending(code)}"))

    def wait(self, seconds: float) -> None:
        """Until it answers. Raises StepFailed as soon as it has ended, or after `seconds`."""
        until = time.monotonic() + seconds
        while not _ready(self.url):
            self.check()
            if time.monotonic() > until:
                raise StepFailed(self._words(f"the server was not ready after {seconds:g} s"))
            time.sleep(0.1)
        self.check()

    def stop(self) -> None:
        """End it and all that it started. Returns when they are gone."""
        self._guard.terminate()
        # Ctrl-C here must not leave half of it behind: the guard is done in bounded time.
        while True:
            with suppress(KeyboardInterrupt):
                self._guard.wait()
                break
        if self._guard.returncode < 0:  # the guard itself was killed: the rest of its session
            with suppress(ProcessLookupError):
                os.killpg(self._guard.pid, signal.SIGKILL)

    def _words(self, what: str) -> str:
        lines = _last_lines(self.log, self._begun)
        remedy, _ = advise(self._advice, "\n".join(lines))
        earlier, last = lines[:-_SHOWN], lines[-_SHOWN:]
        # A worker's error stands long before the last words, which are of those that waited for it.
        first = next((line for line in earlier if _ERROR.search(line)), None)
        said = [what, *([f"  {remedy}"] if remedy else [])]
        said += [f"  the first error in {self.log}:", f"    {first[:_WIDE]}"] if first else []
        return "\n".join([*said, f"  the end of {self.log}:", *(f"    {line[:_WIDE]}" for line in last)])


@contextmanager
def serving(
    command: Sequence[str],
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    ready_seconds: float = 1800,
    grace_seconds: float = GRACE_SECONDS,
    advice: Advice = vllm.ADVICE,
) -> Iterator[Server]:
    """Start `command` with `args`, hand it out once it answers, and leave no process of it behind.

    `{port}` in either becomes a free port of this machine; `env` comes on top of our own environment; `log` is appended to.
    It needs no event loop, and disturbs none that starts later.
    Raises StepFailed where it ends early or is not ready in time, MissingTool where there is no such program.
    """
    if not any(PORT in word for word in (*command, *args)):
        raise FileError(f"the server's arguments do not say {PORT}: it would answer somewhere else than it is asked")
    port = str(_free_port())
    folders, path = os.environ.get(BINDS, "").split(os.pathsep), env.get("PATH", os.environ.get("PATH", os.defpath))
    prefix = filled(command, folders, str(Path.cwd()), env)
    program, *options = [word.replace(PORT, port) for word in (*prefix, *args)]
    found = shutil.which(program, path=path) or shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise MissingTool(f"{program} is not installed here: install it, or say in the machine file how it is started")
    argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(grace_seconds), found, *options]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        begun = output.tell()
        output.write(f"$ {_pasted(env, [program, *options])}\n".encode())
        output.flush()
        process = subprocess.Popen(
            argv,
            env={**os.environ, **env, "PATH": neighbours_first(found, path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://{HOST}:{port}/v1", log, process, begun, advice)
    try:
        server.wait(ready_seconds)
        yield server
    finally:
        server.stop()


def _pasted(env: Mapping[str, str], argv: Sequence[str]) -> str:
    """The line to paste into a shell; keys stay in the environment that the reader has."""
    variables = {key: f'"${key}"' if _SECRET.search(key) else shlex.quote(value) for key, value in sorted(env.items())}
    return " ".join([*(f"{key}={value}" for key, value in variables.items()), shlex.join(argv)])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _ready(url: str) -> bool:
    """Whether the server takes requests. /health says so; /v1/models counts only where there is no /health.

    llama-server lists its models while it still loads them, transformers' server asks the hub for such a list.
    """
    health = _status(url, "/health")
    return health == 200 or (health in _UNKNOWN and _status(url, "/v1/models") == 200)


def _status(url: str, path: str) -> int | None:
    address = url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(address, timeout=5)  # no proxy, whatever the environment says
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _ending(code: int) -> str:
    number = -code if code < 0 else code - guard.KILLED
    with suppress(ValueError):
        return f"was killed by {signal.Signals(number).name}"
    return f"ended with exit code {code}"


def _last_lines(log: Path, begun: int) -> list[str]:
    """At most 400 lines from behind; of a progress bar that redrew itself only what was last to be seen."""
    with log.open("rb") as opened:
        opened.seek(max(begun, log.stat().st_size - 200 * _SEARCHED))
        text = opened.read().decode(errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [line for line in lines if line and not vllm.NOISE.search(line)][-_SEARCHED:]
