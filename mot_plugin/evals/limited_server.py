"""The other side of `limited`: a process that forks for every call it is sent, and kills what takes too long."""

import ctypes
import importlib
import math
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

_PATIENCE = 10  # times its limit of processor time that a call may take by the clock: the machine may be busy

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass
class _Call:
    index: int
    process: int
    deadline: float
    late: bool = False


def serve(descriptor: int) -> None:
    """Answer calls on a socket until its other end is closed; then nothing that was started here is left."""
    parent = Connection(descriptor)
    calls: dict[Connection, _Call] = {}
    try:
        while True:
            soonest = min((call.deadline for call in calls.values() if not call.late), default=math.inf)
            for ready in wait([parent, *calls], None if soonest == math.inf else max(0.0, soonest - time.monotonic())):
                assert isinstance(ready, Connection)
                if ready is parent:
                    pipe, call = _start(parent, *parent.recv())
                    calls[pipe] = call
                else:
                    parent.send(_end(ready, calls.pop(ready)))
            for call in calls.values():
                if not call.late and call.deadline <= time.monotonic():
                    call.late = True
                    os.kill(call.process, signal.SIGKILL)
    except (EOFError, ConnectionError):
        for call in calls.values():
            os.kill(call.process, signal.SIGKILL)


def _start(
    parent: Connection, index: int, names: tuple[str, ...], arguments: tuple[Any, ...], seconds: int, gibibytes: float
) -> tuple[Connection, _Call]:
    module, _, attribute = names[0].partition(":")
    # Imported here, so that no call has to do it again.
    function = getattr([importlib.import_module(name) for name in (*names[1:], module)][-1], attribute)
    receiving, sending = Pipe(duplex=False)
    process = os.fork()
    if process == 0:
        parent.close()
        receiving.close()
        _call(sending, function, arguments, seconds, gibibytes)
    sending.close()
    return receiving, _Call(index, process, time.monotonic() + _PATIENCE * seconds)


def _call(
    sending: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: int, gibibytes: float
) -> None:
    """In the forked process, which ends here whatever happens."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + int(gibibytes * 2**30))
        _limit(resource.RLIMIT_CPU, seconds)
        _limit(resource.RLIMIT_CORE, 0)
        sending.send(function(*arguments))
        status = 0
    finally:
        os._exit(status)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _end(receiving: Connection, call: _Call) -> tuple[int, str, Any]:
    """The index of a call, how it ended and its value, once there is something to read from it or its process ended."""
    value, end = None, "done"
    with receiving:
        try:
            value = receiving.recv()
        except EOFError:
            end = "failed"
    _, status = os.waitpid(call.process, 0)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    if end == "failed" and (call.late or ended_by == signal.SIGXCPU):
        end = "timeout"
    return call.index, end, value
