"""Functions that might never end, each call in a process of its own whose limits the kernel keeps.

sympy may take for ever, take all memory or end the process, also within one long multiplication that hears no signal, so
the process is killed. Time is counted as the processor's: how busy the machine is with other things changes no result.
"""

import atexit
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, Self

from mot_plugin.errors import StepFailed

_MOST_WORKERS = 8
_MOST_SERVERS = 3  # one may be killed when the machine runs out of memory; one that cannot start dies every time
_SERVER = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    "from mot_plugin.evals.limited_server import serve; serve(int(sys.argv[2]))"
)


@dataclass(frozen=True)
class Limits:
    """What one call may take: seconds of processor time (whole ones, at least 1) and gibibytes of memory."""

    seconds: int
    gibibytes: float = 2.0


@dataclass(frozen=True)
class Outcome:
    """How a call ended. `value` is what the function returned, None unless `done`.

    `timeout`: it took too long. `failed`: it raised, ran out of memory or ended its process.
    """

    end: Literal["done", "timeout", "failed"]
    value: Any = None


class Limited:
    """Makes calls, `workers` at a time (the cores, at most 8). A context manager; threads may share one.

    Its server starts with the first call and ends with the block: a process of one thread that knows nothing of this one,
    loads what is called and forks for every call. So no call sees another one's traces, and all see the same hash seed.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
        self._server: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self.close()

    @property
    def started(self) -> bool:
        """Whether its server runs."""
        return self._server is not None

    def close(self) -> None:
        """End the server and all that it started; a later call starts another one."""
        with self._lock:
            self._end()

    def call_many(
        self, function: str, arguments: Sequence[tuple[Any, ...]], limits: Limits, loads: Sequence[str] = ()
    ) -> list[Outcome]:
        """`function` ("package.module:name") of each of the arguments, in their order; they and its values are pickled.

        `loads` are modules that it imports when it is called: the server imports them once, for all calls. Raises
        StepFailed when no server can be kept alive.
        """
        outcomes: dict[int, Outcome] = {}
        with self._lock:
            for _ in range(_MOST_SERVERS):
                with contextlib.suppress(EOFError, ConnectionError):  # the server died: what it owes is asked again
                    self._ask((function, *loads), arguments, limits, outcomes)
                    return [outcomes[index] for index in range(len(arguments))]
                self._end()
        raise StepFailed(
            f"the process that should call {function} died {_MOST_SERVERS} times\n"
            "  what it wrote above says why; if nothing, the machine is out of memory: free some and score again"
        )

    def _ask(
        self, names: tuple[str, ...], arguments: Sequence[tuple[Any, ...]], limits: Limits, outcomes: dict[int, Outcome]
    ) -> None:
        waiting = [index for index in range(len(arguments)) if index not in outcomes]
        if not waiting:
            return
        pipe = self._started()
        asked = 0
        for answered in range(len(waiting)):
            while asked < len(waiting) and asked - answered < self._workers:
                index = waiting[asked]
                pipe.send((index, names, arguments[index], limits.seconds, limits.gibibytes))
                asked += 1
            index, end, value = pipe.recv()
            outcomes[index] = Outcome(end, value)

    def _started(self) -> Connection:
        if self._pipe is None:
            ours, theirs = socket.socketpair()
            with theirs:
                argv = [sys.executable, "-c", _SERVER, json.dumps(sys.path), str(theirs.fileno())]
                # Sets, and with them what sympy makes of a formula, have an order that depends on the seed of the hashes.
                self._server = subprocess.Popen(
                    ["/usr/bin/env", "PYTHONHASHSEED=0", *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # an interrupt from the keyboard is for this process: it ends the other one
                )
            self._pipe = Connection(ours.detach())
        return self._pipe

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()  # that is the sign for the server to end
        if self._server is not None:
            self._server.wait()
        self._pipe = self._server = None


@functools.cache
def shared() -> Limited:
    """The one that the scorers of this process use; it ends with the process."""
    limited = Limited()
    atexit.register(limited.close)
    return limited
