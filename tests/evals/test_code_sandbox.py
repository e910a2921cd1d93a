"""Programs that mean harm, each shut in. They are really run, so a hole in the sandbox shows here and does its damage.

What is asserted is what the world outside sees; what a program says about itself proves nothing but is easier to read.
"""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mot_plugin.errors import MissingTool, StepFailed
from mot_plugin.evals.code import box, execute, proof, sandbox
from mot_plugin.evals.code.box import Box, Limits

MIB = 1 << 20
# The size of the largest file stands in the command line of every process of a box: so odd, it finds them again.
LIMITS = Limits(seconds=1, memory=512 * MIB, file=MIB + 4711, disk=4 * MIB)
MARK = str(LIMITS.file).encode()

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(scope="module")
def shut() -> Box:
    return proof.proved(LIMITS)


def run(inside: Box, program: str, folder: Path, *, given: str = "", **changed: float) -> execute.Outcome:
    file = folder / "given"
    file.write_text(given)
    longest = int(changed.get("longest", MIB))
    seconds = changed.get("seconds", 10)  # more than any needs that is to end by itself
    return execute.execute(inside, program, file, function=None, limits=LIMITS, seconds=seconds, longest=longest)


def alive() -> int:
    """How many processes of a box there are on this machine."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            count += MARK in (process / "cmdline").read_bytes()
        except OSError:
            continue
    return count


def gone() -> bool:
    """Whether all of them are gone, or will be in a moment: the kernel takes some milliseconds to kill many."""
    for _ in range(100):
        if alive() == 0:
            return True
        time.sleep(0.02)
    return False


def test_an_honest_program(shut: Box, tmp_path: Path) -> None:
    outcome = run(shut, "a, b = map(int, input().split())\nprint(a + b)", tmp_path, given="3 4\n")
    assert (outcome.end, outcome.output) == ("done", b"7\n")
    assert outcome.seconds < 1
    assert gone()


def test_a_fork_bomb(shut: Box, tmp_path: Path) -> None:
    most = 0
    watching = threading.Event()

    def watch() -> None:
        nonlocal most
        while not watching.wait(0.02):
            most = max(most, alive())

    thread = threading.Thread(target=watch)
    thread.start()
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    outcome = run(shut, bomb, tmp_path, seconds=1)
    watching.set()
    thread.join()
    assert outcome.end == "timeout"
    assert 5 < most <= LIMITS.processes + 3  # bwrap itself is two, and the shell that starts it
    assert gone()


def test_the_network(shut: Box, tmp_path: Path) -> None:
    program = """
import socket
import subprocess
import sys
def attempt(family, kind, address):
    try:
        with socket.socket(family, kind) as one:
            one.settimeout(0.3)
            one.connect(address)
            one.send(b"secret")
            return "open"
    except OSError as error:
        return type(error).__name__
port = int(input())
print(attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)))
print(attempt(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)))
print(attempt(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)))
print(attempt(socket.AF_UNIX, socket.SOCK_STREAM, "\\0mot-test"))
print([name for _, name in socket.if_nameindex()])
"""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind("\0mot-test")
        local.listen()
        server.settimeout(0)
        outcome = run(shut, program, tmp_path, given=f"{server.getsockname()[1]}\n")
        with pytest.raises(BlockingIOError):
            server.accept()
    assert outcome.end == "done"
    assert b"open" not in outcome.output
    assert outcome.output.endswith(b"['lo']\n")


def test_reading_what_is_not_its_own(shut: Box, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very secret")
    paths = [
        str(Path.home()),
        "/" + "root",
        "/home",
        "/etc/shadow",
        "/etc/passwd",
        "/proc/1/environ",
        "/sys",
        str(secret),
    ]
    paths += [str(Path(__file__)), str(Path.cwd()), "/dev/sda", "/dev/vda", "/dev/mem", "/run", "/var", "/bin/sh"]
    program = "import json, os\nprint([path for path in json.loads(input()) if os.path.lexists(path)])"
    assert run(shut, program, tmp_path, given=json.dumps(paths)).output == b"[]\n"
    outcome = run(shut, "import os\nprint(sorted(os.listdir('/')), dict(os.environ))", tmp_path)
    assert outcome.output.decode().endswith("{'OPENBLAS_NUM_THREADS': '1'}\n")
    shown = set(outcome.output.decode().partition("]")[0].strip("[").replace("'", "").split(", "))
    assert shown <= {"box", "dev", "etc", "lib", "lib64", "py", "site", "tmp", "usr"}


def test_an_infinite_loop(shut: Box, tmp_path: Path) -> None:
    started = time.monotonic()
    assert run(shut, "while True:\n    pass", tmp_path, seconds=1).end == "timeout"
    assert 1 <= time.monotonic() - started < 5
    assert gone()


def test_sleeping_forever_and_ignoring_signals(shut: Box, tmp_path: Path) -> None:
    program = """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1000)
"""
    assert run(shut, program, tmp_path, seconds=1).end == "timeout"
    assert gone()


def test_a_memory_bomb(shut: Box, tmp_path: Path) -> None:
    assert run(shut, "x = []\nwhile True:\n    x.append(bytearray(1 << 24))", tmp_path).end == "runtime_error"
    program = "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('refused')"
    assert run(shut, program, tmp_path).output == b"refused\n"


def test_it_would_be_the_first_to_be_killed_for_memory(shut: Box, tmp_path: Path) -> None:
    scores: list[str] = []

    def look() -> None:
        time.sleep(0.5)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if MARK in (process / "cmdline").read_bytes():
                    scores.append((process / "oom_score_adj").read_text().strip())
            except OSError:
                continue

    thread = threading.Thread(target=look)
    thread.start()
    run(shut, "import time\ntime.sleep(1000)", tmp_path, seconds=1)
    thread.join()
    assert scores
    assert set(scores) == {"1000"}


def test_deleting_everything(shut: Box, tmp_path: Path) -> None:
    program = """
import os, shutil
open("mine", "w").write("x")
for folder in (os.getcwd(), "/tmp", os.path.dirname(os.__file__) + "/json", "/site", "/etc"):
    shutil.rmtree(folder, ignore_errors=True)
print(os.path.exists("/box/mine"), os.path.exists("/py/lib"))
"""
    assert run(shut, program, tmp_path).output == b"False True\n"
    assert Path(json.__file__).is_file()
    assert run(shut, "import json\nprint(1)", tmp_path).output == b"1\n"


def test_changing_the_library_for_those_who_come_after(shut: Box, tmp_path: Path) -> None:
    program = """
import os, json
for path in ("/py/lib/x", json.__file__, "/site/x", "/usr/lib/x", "/etc/x", "/x", "/dev/x", "/dev/shm/x"):
    try:
        open(path, "w").write("print('owned')")
        print(path)
    except OSError:
        pass
try:
    os.mkdir("/new")
    print("new")
except OSError:
    pass
"""
    assert run(shut, program, tmp_path).output == b""


def test_writing_huge_files(shut: Box, tmp_path: Path) -> None:
    program = """
import os
total = 0
for name in range(50):
    try:
        with open(str(name), "wb", buffering=0) as file:
            for _ in range(200):
                total += file.write(bytes(1 << 16))
    except OSError:
        pass
print(total, max(os.path.getsize(name) for name in os.listdir(".")))
"""
    total, largest = map(int, run(shut, program, tmp_path).output.split())
    assert 0 < largest <= LIMITS.file
    assert total <= LIMITS.disk


def test_infinite_output(shut: Box, tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = run(shut, "while True:\n    print('x' * 1000)", tmp_path, longest=100_000)
    assert outcome.end == "too_much"
    assert 100_000 < len(outcome.output) < 100_000 + 2 * execute.CHUNK
    assert time.monotonic() - started < 5
    flood = "import os\nwhile True:\n    os.write(2, b'x' * 65536)"  # where nobody reads
    assert run(shut, flood, tmp_path, seconds=1).end == "timeout"
    assert gone()


def test_killing_its_parent_and_everybody_else(shut: Box, tmp_path: Path) -> None:
    program = """
import os, signal
for victim in (os.getppid(), 1, -1, 0, *map(int, input().split())):
    for number in (signal.SIGTERM, signal.SIGKILL):
        if victim == 0:
            continue
        try:
            os.kill(victim, number)
        except OSError:
            pass
print("done")
"""
    with subprocess.Popen(["sleep", "60"]) as bystander:
        run(shut, program, tmp_path, given=f"{os.getpid()} {os.getppid()} {bystander.pid}")
        assert bystander.poll() is None
        bystander.kill()
    assert run(shut, "print(1)", tmp_path).end == "done"
    assert gone()


def test_daemons(shut: Box, tmp_path: Path) -> None:
    """One holds the output open, one has closed everything; both have left session and group."""
    program = """
import os, time
for closing in (False, True):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            if closing:
                os.closerange(0, 20)
            time.sleep(1000)
        os._exit(0)
print("left")
"""
    started = time.monotonic()
    outcome = run(shut, program, tmp_path)
    assert (outcome.end, outcome.output) == ("done", b"left\n")
    assert time.monotonic() - started < 5
    assert gone()


def test_closing_its_output_does_not_end_the_watch(shut: Box, tmp_path: Path) -> None:
    assert run(shut, "import os, time\nos.close(1)\ntime.sleep(1000)", tmp_path, seconds=1).end == "timeout"
    assert gone()


def test_getting_rights_and_limits_back(shut: Box, tmp_path: Path) -> None:
    program = """
import ctypes, os, resource
got = []
for kind in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU"):
    number = getattr(resource, "RLIMIT_" + kind)
    try:
        resource.setrlimit(number, (resource.RLIM_INFINITY,) * 2)
        got.append(kind)
    except (OSError, ValueError):
        pass
for user in (0, 1000, 65534):
    try:
        os.setuid(user)
        got += ["user"] if os.getuid() == user and user == 0 else []
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"none", b"/box", b"tmpfs", 0, None) == 0:
    got.append("mount")
if libc.chroot(b"/box") == 0:
    got.append("chroot")
if libc.mount(None, b"/py/lib", None, 4096 | 32, None) == 0:
    got.append("remount")
print(got)
"""
    assert run(shut, program, tmp_path).output == b"[]\n"


def test_only_its_input_comes_in(shut: Box, tmp_path: Path) -> None:
    """No open files but the three, no words of ours in its command line, nothing in its folder."""
    program = """
import os, sys
def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False
print([number for number in range(3, 64) if is_open(number)], sys.argv, os.listdir("."))
try:
    os.write(0, b"x")
except OSError:
    print("read-only")
"""
    lines = run(shut, program, tmp_path).output.decode().split("\n")
    assert lines[0] == "[] ['solution.py'] []"
    assert "read-only" in lines


def test_nothing_outlives_the_one_that_watches(tmp_path: Path) -> None:
    """lm-eval is killed while a program runs: the sandbox dies with it."""
    (tmp_path / "given").write_text("")
    grading = f"""
from pathlib import Path
from mot_plugin.evals.code import execute, sandbox
from mot_plugin.evals.code.box import Limits
limits = {LIMITS!r}
box = sandbox.bubblewrap(limits)
forks = "import os, time\\nos.fork()\\nos.setsid()\\ntime.sleep(1000)"
execute.execute(box, forks, Path("given"), function=None, limits=limits, seconds=60, longest=1)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", grading], cwd=tmp_path, env=environment) as watching:
        for _ in range(200):
            if alive() >= 4:
                break
            time.sleep(0.05)
        assert alive() >= 4
        watching.kill()
    assert gone()


def test_the_probe_sees_what_is_open_without_a_sandbox() -> None:
    found = proof.attempt(box.unsafe(), Limits(processes=40))
    assert found["canary"]
    assert found["network"]
    assert "the network" in proof._escapes(found, LIMITS)
    assert "your home folder" in proof._escapes(found, LIMITS)
    assert proof._escapes(proof.attempt(proof.proved(LIMITS), LIMITS), LIMITS) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "No permissions to create"),
        ("exit 0", "did not start"),
        ('while [ "$1" != -- ]; do shift; done; shift; shift; exec PYTHON "$@"', "leaves open: .*home folder|not work"),
    ],
)
def test_a_sandbox_that_does_not_hold_is_refused(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text(f"#!/bin/sh\n{script.replace('PYTHON', box.interpreter())}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=f"(?s){message}.*mot_code_unsafe"):
        proof.proved(LIMITS)


def test_without_bwrap_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=r"(?s)not installed.*package bubblewrap.*mot_code_unsafe"):
        sandbox.bubblewrap(LIMITS)


def test_keys_in_the_environment_stay_outside(shut: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a key")
    program = "import os\nprint(dict(os.environ), *(open(f'/proc/{one}/environ').read() for one in PROCESSES))"
    assert b"HF_TOKEN" not in run(shut, program.replace("PROCESSES", "()"), tmp_path).output
    bare = run(box.unsafe(), program.replace("PROCESSES", "('self',)"), tmp_path)
    assert bare.end == "done"
    assert b"HF_TOKEN" not in bare.output


def test_no_sandbox_is_said_loudly_and_limits_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        bare = proof.chosen(without_sandbox=True, limits=LIMITS)
    assert not bare.sandboxed
    assert "WITHOUT a sandbox" in caplog.text
    assert run(bare, "print(int(input()) + 1)", tmp_path, given="6").output == b"7\n"
    assert run(bare, "while True:\n    pass", tmp_path, seconds=1).end == "timeout"
    assert run(bare, "x = bytearray(1 << 30)", tmp_path).end == "runtime_error"
    assert run(bare, "while True:\n    print('x' * 1000)", tmp_path).end == "too_much"
    where, environment = run(bare, "import os\nprint(os.getcwd())\nprint(dict(os.environ))", tmp_path).output.split(
        b"\n"
    )[:2]
    assert b"mot-code-" in where
    assert not Path(where.decode()).exists()
    assert environment == b"{'OPENBLAS_NUM_THREADS': '1'}"
    started = time.monotonic()
    left = run(bare, "import os, time\nif os.fork() == 0:\n    time.sleep(1000)\nprint('left')", tmp_path)
    assert (left.end, left.output) == ("done", b"left\n")
    assert time.monotonic() - started < 5
    assert gone()


def test_a_box_that_does_not_start_is_no_fault_of_the_program(tmp_path: Path) -> None:
    broken = Box(("/bin/sh", "-c", "echo out of processes >&2; exit 1"), None, sandboxed=True)
    with pytest.raises(StepFailed, match="out of processes"):
        run(broken, "print(1)", tmp_path)
