"""One program, one input: start it in its box, watch the clock and the output, and leave nothing behind."""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mot_plugin.errors import StepFailed
from mot_plugin.evals.code.box import Box, Limits
from mot_plugin.evals.code.inside import COMPILE_ERROR

START = 30  # seconds for the sandbox itself to start, which takes some hundredths
CHUNK = 1 << 16

End = Literal["done", "compile_error", "runtime_error", "timeout", "too_much"]


@dataclass(frozen=True)
class Outcome:
    """How a program ended, what it wrote (standard output, or its result as JSON), and the seconds from its first line."""

    end: End
    output: bytes
    seconds: float


def execute(
    box: Box, program: str, given: Path, *, function: str | None, limits: Limits, seconds: float, longest: int
) -> Outcome:
    """Run `program` with the file `given` as standard input, for at most `seconds` and `longest` bytes of output.

    With `function` that is called instead. The clock starts when the program does, not with the sandbox around it.
    Raises StepFailed if it never started: the sandbox is at fault then, not the program.
    """
    ready, told = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ready)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mot-code-", ignore_cleanup_errors=True))
        source = stack.enter_context(tempfile.TemporaryFile())
        source.write(program.encode("utf-8", "replace"))
        source.seek(0)
        settings = {
            **asdict(limits),
            "seconds": seconds,
            "processes": limits.processes + box.others,
            "user": box.user(),
            "numpy": box.numpy,
            "function": function,
            "program": source.fileno(),
            "ready": told,
        }
        process = subprocess.Popen(
            (*box.argv, json.dumps(settings)),
            stdin=stack.enter_context(given.open("rb")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd=folder,
            start_new_session=True,
            pass_fds=(told, source.fileno()),
        )
        stack.callback(_end, process, box)
        os.close(told)
        if not _readable(ready, START) or not os.read(ready, 1):
            raise StepFailed(f"the sandbox of a program did not start: {_complaint(process)}")
        started = time.monotonic()
        output, end = _watch(process, started + seconds, longest)
        return Outcome(end or _meaning(process.wait()), output, time.monotonic() - started)


def _watch(process: "subprocess.Popen[bytes]", deadline: float, longest: int) -> tuple[bytes, End | None]:
    """Its output until it ends, and why it was not left to its end, if so."""
    assert process.stdout is not None
    output, pipe = bytearray(), process.stdout.fileno()
    while (left := deadline - time.monotonic()) > 0:
        if _readable(pipe, min(left, 0.1)):
            chunk = os.read(pipe, CHUNK)
            output += chunk
            if len(output) > longest:
                return bytes(output), "too_much"
            if not chunk:
                break
        elif process.poll() is not None:
            break  # without a sandbox: something it left behind holds the other end of the pipe
    try:
        process.wait(max(0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return bytes(output), "timeout"
    return bytes(output), None


def _meaning(status: int) -> End:
    if status == 0:
        return "done"
    if status == COMPILE_ERROR:
        return "compile_error"
    # bwrap reports a signal as a shell does. Its own time was up: processor time of several threads runs faster.
    return "timeout" if status in (-signal.SIGXCPU, 128 + signal.SIGXCPU) else "runtime_error"


def _readable(pipe: int, seconds: float) -> bool:
    poll = select.poll()  # select itself knows no more than 1024 files, an engine may have more open
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(seconds * 1000))


def _end(process: "subprocess.Popen[bytes]", box: Box) -> None:
    """Kill what is left: what is in a box dies with its first process, which dies with ours; else the process group."""
    if process.poll() is None or not box.sandboxed:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def _complaint(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    said = (process.stderr.read() or b"").decode(errors="replace").strip()
    return said[-1000:] or f"nothing happened in {START} seconds; is the machine overloaded?"
