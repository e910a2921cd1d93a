"""Where Ray runs: a cluster of this computer alone for the time of a run, or one that is there already."""

import importlib.metadata
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from mot_plugin.errors import FileError
from mot_plugin.executors import ray_guard
from mot_plugin.machine import Machine
from mot_plugin.step import Step

MERGE = "mot_merge"
"""A node's memory for merges, as a resource: one of it, where the node was started with it."""
OLDEST = (2, 60)
"""Asks for a token unless it is told not to; on a cluster it listens on every interface."""
PATIENCE_SECONDS = 60
"""Ray itself waits for minutes where nobody answers."""
_TRY = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='error')"
_SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_memory_monitor_refresh_ms": "0",  # it kills what fills the memory, as a merge does on purpose
    "RAY_USAGE_STATS_ENABLED": "0",
}
_WORKERS = {"RAY_kill_child_processes_on_worker_exit": "0"}
"""A worker that ends would kill its step's supervisor before that can end what the command started."""
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""No cluster of several computers: only then its servers listen on 127.0.0.1 and nowhere else, whatever address it is told."""


def lacking() -> str | None:
    """Why there is no Ray to use, in words; None if there is one."""
    try:
        found = importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        return "the package ray is not installed"
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        return f"ray {found} is too old, {'.'.join(map(str, OLDEST))} or newer is needed: it asks for a token"
    return None


@contextmanager
def connected(machine: Machine) -> Iterator[None]:
    """Ray, ready to take tasks. Raises FileError if there is none at the address."""
    address = machine.ray.address
    for name, value in {**_SETTINGS, **(_ALONE if address is None else {})}.items():
        os.environ.setdefault(name, value)
    import ray

    if address is not None:
        _try(address)
    heard = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with _folder() if address is None else nullcontext("") as folder:
        # A closed terminal is told to all that Ray starts, too: who has to stop, we say.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            # It prints pages about each lost worker between our lines, and no setting keeps it from that.
            ray._private.worker.print_to_stdstream = lambda *_, **__: None
            ray.init(
                **_wanted(machine, folder),
                runtime_env={"env_vars": _WORKERS},
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
            for number, handler in heard.items():  # it hears SIGTERM in its own way
                signal.signal(number, handler)
            yield
        finally:
            ray.shutdown()
            for number, handler in heard.items():
                signal.signal(number, handler)


@contextmanager
def _folder() -> Iterator[str]:
    """For a local Ray's files, guarded: what belongs to it ends when we do, and the folder is deleted."""
    folder = tempfile.mkdtemp(prefix="mot-ray-")
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", ray_guard.__file__, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield folder
    finally:
        guard.stdin.close()
        guard.wait()


def _wanted(machine: Machine, folder: str) -> dict[str, Any]:
    if not folder:
        return {"address": machine.ray.address}
    # A folder of its own: in Ray's usual one, a step that uses Ray itself would find and join this cluster.
    return {
        "address": "local",
        "num_cpus": cores(machine),
        "num_gpus": machine.gpu_count,
        "resources": {MERGE: 1},
        "object_store_memory": 80 << 20,
        "include_dashboard": False,
        "_temp_dir": folder,
    }


def cores(machine: Machine) -> int:
    """What Ray counts as processors here: the real ones, and one for each GPU, which must not wait for a corpus's core."""
    return (os.cpu_count() or 1) + machine.gpu_count


def takes(machine: Machine, step: Step) -> dict[str, float]:
    """What a step asks for on each of its nodes, in Ray's words."""
    said = machine.takes(step.kind)
    asking = step.kind == "traces" and not step.gpus  # it waits for somebody else's endpoint
    wanted = {"CPU": 0.0 if asking else float(said.cpus), "GPU": float(step.gpus)}
    return {**wanted, "memory": said.memory_gb * 1e9 if said.memory_gb else 0.0}


def lacks(asked: Mapping[str, float]) -> str | None:
    """What no node has enough of, in words; None if some node could take it."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0.0) >= amount for name, amount in asked.items()) for node in nodes):
        return None
    most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in asked}
    short = [name for name, amount in asked.items() if amount > most[name]] or [
        n for n, amount in asked.items() if amount
    ]
    return ", ".join(
        f"{_words(name, asked[name])} of one node, the largest has {_words(name, most[name])}" for name in short
    )


def _words(name: str, amount: float) -> str:
    if name == "memory":
        return f"{amount / 1e9:.0f} GB of memory"
    return f"{amount:g} {name}{'s' if amount != 1 else ''}"


def _try(address: str) -> None:
    """Raises FileError unless a cluster answers there within a minute."""
    host, _, port = address.rpartition(":")
    said = (
        "it speaks Ray's client protocol, which cannot place steps; give HOST:PORT of the head node"
        if "//" in address
        else ""
    )
    try:
        if port.isdigit() and not said:
            socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        said = str(error)
    if not said:
        said = _join(address)
    if said:
        raise FileError(
            f"no Ray cluster answers at {address}: {said}\nStart it (`ray start --head`), mend `ray: {{address: ...}}` in the "
            "machine file, or leave it out: then steps run on this computer."
        )


def _join(address: str) -> str:
    """In a process of its own: one that hangs inside of Ray hears no signal. Empty if it went well."""
    try:
        found = subprocess.run(
            [sys.executable, "-c", _TRY, address], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE_SECONDS} s"
    lines = [line for line in found.stderr.splitlines() if line.strip()]
    return lines[-1] if found.returncode and lines else "" if not found.returncode else f"exit code {found.returncode}"


def handed_on(machine: Machine) -> dict[str, str]:
    """Variables of ours that a step must see: all on this computer; elsewhere keys and the hub's, the rest is the node's own."""
    keys = {place.api_key_env for place in machine.teachers.values()}
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RAY_") and name != "CUDA_VISIBLE_DEVICES"
    }
    if machine.ray.address is None:
        return mine
    return {name: value for name, value in mine.items() if name in keys or name.startswith("HF_")}
