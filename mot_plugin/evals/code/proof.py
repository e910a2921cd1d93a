"""Does the sandbox hold on this machine? A program that tries to get out is run in it once, before any that a model wrote."""

import functools
import json
import logging
import secrets
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mot_plugin.errors import MissingTool, StepFailed
from mot_plugin.evals.code.box import Box, Limits, unsafe
from mot_plugin.evals.code.execute import execute
from mot_plugin.evals.code.sandbox import UNSAFE, bubblewrap

# It says what it could do; that this was too much is found outside.
PROBE = """
import os, socket, threading
home, canary, port, name = json.loads(input())
found = {"home": os.path.isdir(home) and os.listdir(home), "canary": os.path.exists(canary), "uid": os.getuid()}

def connects(family, address):
    try:
        with socket.socket(family) as one:
            one.settimeout(1)
            return one.connect(address) or True
    except OSError:
        return False

found["network"] = connects(socket.AF_INET, ("127.0.0.1", port)) or connects(socket.AF_UNIX, chr(0) + name)
found["interfaces"] = [interface for _, interface in socket.if_nameindex()]
found["environment"] = [key for key in os.environ if key != "OPENBLAS_NUM_THREADS"]
found["proc"] = os.path.exists("/proc/self")
try:
    os.setuid(0)
    found["root"] = os.getuid() == 0
except OSError:
    found["root"] = False
try:
    open("/py/lib/written", "w")
    found["writes"] = True
except OSError:
    found["writes"] = False
thread = threading.Thread(target=found.__setitem__, args=("threads", True))
thread.start()
thread.join()
found["processes"] = 0
try:
    while found["processes"] < 200:
        if os.fork() == 0:
            signal = __import__("signal")
            signal.pause()
        found["processes"] += 1
except OSError:
    pass
os.write(1, json.dumps(found).encode())
os._exit(0)
"""


@functools.cache
def chosen(*, without_sandbox: bool, limits: Limits) -> Box:
    """The box in which programs are run: bubblewrap's, once it is proved, or none if that is what was said. Asked once.

    Raises MissingTool when there is no bwrap, or when it does not shut programs in here.
    """
    if not without_sandbox:
        return proved(limits)
    logging.getLogger(__name__).warning(
        "mot_code_unsafe: programs that a model wrote are run WITHOUT a sandbox, with your rights, files and network"
    )
    return unsafe()


def proved(limits: Limits) -> Box:
    """The sandbox, after a program could not get out of it."""
    box = bubblewrap(limits)
    try:
        escapes = _escapes(attempt(box, limits), limits)
    except StepFailed as error:
        raise _refusal(f"it does not work here\n  {error}") from None
    if escapes:
        raise _refusal(f"it leaves open: {', '.join(escapes)}")
    return box


def attempt(box: Box, limits: Limits) -> Mapping[str, Any]:
    """What a program in this box could do, in the probe's words. Raises StepFailed if the box or the probe did not work."""
    name = f"mot-{secrets.token_hex(8)}"
    home = str(Path.home()).rstrip("/")  # some accounts have the root folder for a home, which is in every box
    with (
        tempfile.TemporaryDirectory(prefix="mot-proof-") as folder,
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        given = Path(folder, "given")
        given.write_text(json.dumps([home, str(given), listening.getsockname()[1], name]))
        outcome = execute(box, PROBE, given, function=None, limits=limits, seconds=20, longest=1 << 20)
    if outcome.end != "done":
        raise StepFailed(f"the program that tests the sandbox ended with {outcome.end}")
    found: dict[str, Any] = json.loads(outcome.output)
    return found


def _escapes(found: Mapping[str, Any], limits: Limits) -> list[str]:
    """What of it no program may do."""
    open_doors = {
        "your home folder": bool(found["home"]) or found["canary"],
        "the network": found["network"] or bool(set(found["interfaces"]) - {"lo"}),
        "the environment": bool(found["environment"]),
        "/proc": found["proc"],
        "the rights of root": found["uid"] == 0 or found["root"],
        "Python's own files": found["writes"],
        f"more than {limits.processes} processes": found["processes"] > limits.processes,
    }
    return [door for door, is_open in open_doors.items() if is_open]


def _refusal(reason: str) -> MissingTool:
    return MissingTool(
        f"programs that a model wrote are run in a sandbox made by bwrap, and {reason}\n"
        "  it needs user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns),\n"
        "  in a container a seccomp profile that allows them, or root with CAP_SYS_ADMIN; or evaluate on another machine\n"
        f"  or run the programs with your own rights, files and network: {UNSAFE}"
    )
