"""The other side of `limited`: a process that forks for every call it is sent, and kills what takes too long."""

import collections
import ctypes
import importlib
import math
import os
import resource
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NamedTuple

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Request(NamedTuple):
    """One call. `clock` is the seconds that it may take by the clock, `seconds` those by the processor."""

    number: int
    function: str
    loads: tuple[str, ...]
    arguments: tuple[Any, ...]
    seconds: int
    clock: float
    gibibytes: float


@dataclass
class _Call:
    number: int
    process: int
    deadline: float
    late: bool = False


def serve(descriptor: int, workers: int) -> None:
    """Answer requests on a socket, `workers` at a time, until its other end is closed; then nothing started here is left."""
    parent = Connection(descriptor)
    waiting: collections.deque[Request] = collections.deque()
    calls: dict[Connection, _Call] = {}
    loaded: set[str] = set()
    try:
        while True:
            while waiting and len(calls) < workers:
                pipe, call = _start(parent, waiting.popleft(), loaded)
                calls[pipe] = call
            soonest = min((call.deadline for call in calls.values() if not call.late), default=math.inf)
            for ready in wait([parent, *calls], None if soonest == math.inf else max(0.0, soonest - time.monotonic())):
                assert isinstance(ready, Connection)
                if ready is parent:
                    waiting.append(parent.recv())
                else:
                    parent.send(_end(ready, calls.pop(ready)))
            for call in calls.values():
                if not call.late and call.deadline <= time.monotonic():
                    call.late = True
                    os.kill(call.process, signal.SIGKILL)
    except (EOFError, ConnectionError):
        for call in calls.values():
            os.kill(call.process, signal.SIGKILL)


def _start(parent: Connection, request: Request, loaded: set[str]) -> tuple[Connection, _Call]:
    for name in request.loads:  # here, so that no call has to do it again
        if name not in loaded:
            found = _found(name)
            if ":" in name:
                found()
            loaded.add(name)
    function = _found(request.function)
    receiving, sending = Pipe(duplex=False)
    server = os.getpid()
    process = os.fork()
    if process == 0:
        parent.close()
        receiving.close()
        _call(sending, function, request, server)
    sending.close()
    return receiving, _Call(request.number, process, time.monotonic() + request.clock)


def _found(name: str) -> Any:
    """A module, or what it calls by a name ("package.module:name")."""
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def _call(sending: Connection, function: Any, request: Request, server: int) -> None:
    """In the forked process, which ends here whatever happens."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != server:  # it died before it could take this one along
            return
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + int(request.gibibytes * 2**30))
        _limit(resource.RLIMIT_CPU, request.seconds)
        _limit(resource.RLIMIT_CORE, 0)
        sending.send(function(*request.arguments))
        status = 0
    finally:
        os._exit(status)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _end(receiving: Connection, call: _Call) -> tuple[int, str, Any]:
    """The number of a call, how it ended and its value, once there is something to read from it or its process ended."""
    value, end = None, "done"
    with receiving:
        try:
            value = receiving.recv()
        except EOFError:
            end = "failed"
    os.kill(call.process, signal.SIGKILL)  # it has ended, or said all it can: what it may still do is not waited for
    _, status = os.waitpid(call.process, 0)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    if end == "failed" and (call.late or ended_by == signal.SIGXCPU):
        end = "timeout"
    return call.number, end, value
