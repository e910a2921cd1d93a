"""`python guard.py PARENT GRACE COMMAND...`: run a server, and leave nothing of it when it, or the process that asked, ends.

A server starts workers of its own, some in sessions of their own: killing the server alone would leave them on the GPU.
The kernel gives this process every orphan below it, and tells it when its parent ends, even by SIGKILL.
Started by `serve.py` as a file: it must come up at once, so it imports nothing of the package.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

KILLED = 128
"""Exit code of this process for a server that a signal ended: this plus the signal's number, as a shell has it."""
GIVE_UP_SECONDS = 10
"""How long after SIGKILL a process may stay (one that hangs in a driver stays for ever) before this process ends without it."""
ORPHANS_SECONDS = 1
"""Grace for what a server left that ended by itself: whoever waits for an answer of it must hear soon that none will come."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_HEARD = {*_STOP, signal.SIGUSR1, signal.SIGCHLD}


def main(parent: int, grace: float, command: list[str]) -> int:
    """Run `command` until it ends or we are told to stop, then end what it left. Its exit code; 128 + n for signal n."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # they are waited for below: nothing can come at a bad moment
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
    if os.getppid() != parent:  # it ended before the kernel was told
        return KILLED + signal.SIGTERM
    ours = os.getpid()
    server = os.fork()
    if server == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != ours:
            os._exit(KILLED + signal.SIGKILL)
        _become(command)
    code = None
    # The kernel's word comes when the thread that started us ends, too: then our parent is still the same.
    while code is None and signal.sigwait(_HEARD) not in _STOP and os.getppid() == parent:
        code = _reap(server)
    return _end_all(server, grace if code is None else min(grace, ORPHANS_SECONDS), code)


def _become(command: list[str]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program keeps what is ignored
    try:
        os.execvp(command[0], command)  # noqa: S606  (no shell: it would be one more process to end)
    except OSError as error:
        _say(f"{command[0]} cannot be started: {error}")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _end_all(server: int, grace: float, code: int | None) -> int:
    """SIGTERM for the server, which ends its workers in good order; then for what it left; SIGKILL when the grace is over."""
    until, asked = time.monotonic() + grace, set[int]()
    while True:
        ended = _reap(server)
        code = code if ended is None else ended
        left = _descendants(os.getpid())
        now = time.monotonic()
        if not left or now > until + GIVE_UP_SECONDS:
            break
        if now > until:
            _send(left, signal.SIGKILL)
        else:
            turn = {server} if server in left else left
            _send(turn - asked, signal.SIGTERM)
            asked |= turn
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    if left:
        _say(f"processes do not end, even killed: {sorted(left)}")
    return KILLED + signal.SIGKILL if code is None else code


def _reap(server: int) -> int | None:
    """Take leave of every child that has ended; the server's exit code if it is among them."""
    code = None
    with suppress(ChildProcessError):  # there is none left
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == server:
                ended = os.waitstatus_to_exitcode(status)
                code = ended if ended >= 0 else KILLED - ended
    return code


def _descendants(root: int) -> set[int]:
    """Children of `root`, their children, and so on: process ids."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            fields = (process / "stat").read_bytes().rpartition(b")")[2].split()  # a name may hold spaces and brackets
            children.setdefault(int(fields[1]), []).append(int(process.name))
    found, unseen = set[int](), [root]
    while unseen:
        below = children.get(unseen.pop(), [])
        found.update(below)
        unseen += below
    return found


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _say(line: str) -> None:
    """Into the server's log: standard output is that."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
