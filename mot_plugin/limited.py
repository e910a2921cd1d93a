"""Functions that might never end, each call in a process of its own whose limits the kernel keeps.

sympy may take for ever, take all memory or end the process, also within one long multiplication that hears no signal, so
the process is killed. Time is counted as the processor's: how busy the machine is with other things changes no result.
"""

import atexit
import contextlib
import functools
import itertools
import json
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, Self

from mot_plugin.errors import StepFailed
from mot_plugin.limited_server import Request

_FEWEST_WORKERS, _MOST_WORKERS = 2, 8  # one call that never ends must not hold up all others
_MOST_SERVERS = 5  # that die with no answer between: one that cannot start dies every time, others are killed once
_SERVER = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    "from mot_plugin.limited_server import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
)


@dataclass(frozen=True)
class Limits:
    """What one call may take: seconds of processor time (whole ones, at least 1) and gibibytes of memory.

    By the clock it may take `patience` times the seconds, for the machine may be busy, and who sleeps uses no processor.
    """

    seconds: int
    gibibytes: float = 2.0
    patience: float = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a call ended. `value` is what the function returned, None unless `done`.

    `timeout`: it took too long. `failed`: it raised, ran out of memory or ended its process.
    """

    end: Literal["done", "timeout", "failed"]
    value: Any = None


class Limited:
    """Makes calls, `workers` at a time (the cores, 2 to 8). A context manager; threads and event loops may share one.

    Its server starts with the first call and ends with the block: a process of one thread that knows nothing of this one,
    loads what is called and forks for every call. So no call sees another one's traces, and all see the same hash seed.
    """

    def __init__(self, workers: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0))
        self._workers = workers or min(max(cores, _FEWEST_WORKERS), _MOST_WORKERS)
        self._server: _Server | None = None
        self._owed: dict[int, tuple[Request, Future[Outcome]]] = {}
        self._numbers = itertools.count()
        self._deaths = 0  # of servers, since one answered
        self._given_up: str | None = None
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
        """End the server and all that it started, at once; what was still owed raises. A later call starts another one."""
        with self._lock:
            server, self._server = self._server, None
            lost = self._lose("was ended while it was still asked")
            self._deaths, self._given_up = 0, None
            if server is not None:
                server.process.kill()
        if server is not None:
            server.reader.join()
        _raise(lost)

    def call_many(
        self, function: str, arguments: Sequence[tuple[Any, ...]], limits: Limits, loads: Sequence[str] = ()
    ) -> list[Outcome]:
        """`submit` for each of the arguments; the outcomes in their order. Raises StepFailed as its futures do."""
        asked = [self.submit(function, one, limits, loads) for one in arguments]
        return [future.result() for future in asked]

    def submit(
        self, function: str, arguments: tuple[Any, ...], limits: Limits, loads: Sequence[str] = ()
    ) -> "Future[Outcome]":
        """Have `function` ("package.module:name") called; its arguments and what it returns are pickled.

        `loads` are modules that it imports when it is called, and functions without arguments that prepare such ones:
        the server loads and calls them once, for all calls. The future raises StepFailed when no server can be kept
        alive or this one is closed; nobody can cancel it.
        """
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        clock = limits.seconds * limits.patience
        with self._lock:
            number = next(self._numbers)
            request = Request(number, function, tuple(loads), arguments, limits.seconds, clock, limits.gibibytes)
            ready = pickle.dumps(request)  # an error in it is the caller's
            self._owed[number] = request, future
            if self._server is not None:
                self._server.requests.put(ready)
            lost = self._serve_owed() if self._server is None else []
        _raise(lost)
        return future

    def _serve_owed(self) -> "_Lost":
        """Start a server and ask it all that is owed; what is lost if none can be kept alive. The lock is held."""
        if self._given_up is None and self._deaths >= _MOST_SERVERS:
            self._given_up = f"died {_MOST_SERVERS} times"
        if self._given_up is None:
            try:
                self._server = _Server(self._workers, self._read)
            except (OSError, RuntimeError) as error:  # the machine has no process, file or thread to give
                self._given_up = f"could not be started: {error}"
        if self._server is None:
            return self._lose(self._given_up or "")
        for request, _ in self._owed.values():
            self._server.requests.put(pickle.dumps(request))
        return []

    def _lose(self, why: str) -> "_Lost":
        owed, self._owed = self._owed, {}
        return [
            (
                future,
                StepFailed(
                    f"the process that should call {request.function} {why}\n"
                    "  what it wrote above says why; if nothing, the machine is out of memory: free some and score again"
                ),
            )
            for request, future in owed.values()
        ]

    def _read(self, server: "_Server") -> None:
        """Give out the answers of a server until it ends; what it owes then is asked of another one."""
        try:
            while True:
                number, end, value = server.pipe.recv()
                with self._lock:
                    self._deaths = 0
                    owed = self._owed.pop(number, None)
                if owed is not None:
                    owed[1].set_result(Outcome(end, value))
        except (EOFError, OSError):  # it died, or was closed
            pass
        finally:
            server.end()
            with self._lock:
                lost: _Lost = []
                if self._server is server:
                    self._server = None
                    self._deaths += bool(self._owed)
                    lost = self._serve_owed() if self._owed else []
            _raise(lost)


_Lost = list[tuple[Future[Outcome], StepFailed]]


def _raise(lost: _Lost) -> None:
    """Without the lock, for what hears of it may ask for more."""
    for future, error in lost:
        future.set_exception(error)


class _Server:
    """The process, a thread that sends it requests and one that reads answers: neither ever waits for the other."""

    def __init__(self, workers: int, read: "Callable[[_Server], None]") -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            argv = [sys.executable, "-c", _SERVER, json.dumps(sys.path), str(theirs.fileno()), str(workers)]
            # Sets, and with them what sympy makes of a formula, have an order that depends on the seed of the hashes.
            self.process = subprocess.Popen(
                ["/usr/bin/env", "PYTHONHASHSEED=0", *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # an interrupt from the keyboard is for this process: it ends the other one
            )
            self.pipe = Connection(ours.detach())
        self.requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self.reader = threading.Thread(target=read, args=[self], daemon=True)
        try:
            self._writer.start()
            self.reader.start()
        except RuntimeError:
            self.process.kill()
            raise

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # the process died: who reads sees that too
            for request in iter(self.requests.get, None):
                self.pipe.send_bytes(request)

    def end(self) -> None:
        """Kill the process if it lives, and let go of all there is of it."""
        self.process.kill()
        self.process.wait()
        self.requests.put(None)
        self._writer.join()
        self.pipe.close()


@functools.cache
def shared() -> Limited:
    """The one that the scorers of this process use; it ends with the process."""
    limited = Limited()
    atexit.register(limited.close)
    return limited
