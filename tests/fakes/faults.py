"""What the three fake tools share: a log of their starts, faults on demand, and weights without any library.

FAKE_LOG names a file to which every start and end is appended. FAKE_FAULTS names a JSON list of
{"tool", "match", "rank", "fault", "times", "seconds"}: the first entry whose `match` is part of the command line, whose
`rank`, if any, is this node's, and that still has `times` left is used up once, before the start is logged. A start that is
`held` waits for the file go-TOOL beside FAKE_LOG. Each start holds a lock on every GPU that it is given until it ends,
however it ends: who finds one held by another logs `double`. With FAKE_PAUSES, whatever is logged comes after a random
pause of up to so many seconds, and before another one: what a test takes for granted about the order of things then shows.
"""

import fcntl
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

Tensors = dict[str, np.ndarray]
_HELD: list[IO[str]] = []
_DTYPES = {"F32": "<f4", "BF16": "<u2"}


@dataclass(frozen=True)
class Fault:
    """What this start is to do wrong; `kind` is empty for nothing."""

    kind: str = ""
    seconds: float = 0.0


def begin(tool: str) -> Fault:
    """Log this start, and do at once what a fault asks for before any work; the others are left to the tool."""
    fault = _next(tool)
    log("start", tool)
    _book(tool)
    if fault.kind == "exit0-nothing":
        raise SystemExit(0)
    if fault.kind == "exit1":
        print("Traceback (most recent call last):\nValueError: something odd happened")
        raise SystemExit(1)
    if fault.kind == "out-of-memory":
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
        raise SystemExit(1)
    if fault.kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault.kind.startswith("beside:"):
        _wait_for_start(fault.kind.removeprefix("beside:"))
    if fault.kind == "grandchild":
        held = subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
        log("grandchild", tool, child=held.pid)
    if fault.kind == "held":
        while not Path(os.environ["FAKE_LOG"]).with_name(f"go-{tool}").exists():
            time.sleep(0.05)
    print(f"{tool}: working", flush=True)
    time.sleep(0 if fault.kind == "hangs" else fault.seconds)  # that one sleeps later, once it has said something
    return fault


def _wait_for_start(match: str) -> None:
    """Go on once a tool has started whose command line has this part. Two that wait for each other run side by side."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        rows = [json.loads(line) for line in Path(os.environ["FAKE_LOG"]).read_text(encoding="utf-8").splitlines()]
        if any(row["event"] == "start" and match in " ".join(row["argv"]) for row in rows):
            return
        time.sleep(0.1)
    print(f"nothing like {match} ran beside this")
    raise SystemExit(1)


def disk_full(file: Path) -> None:
    """Half a file, and the words of a full disk."""
    file.write_bytes(b"\0" * 16)
    print(f"OSError: [Errno 28] No space left on device: '{file}'")
    raise SystemExit(1)


def log(event: str, tool: str, **more: Any) -> None:
    """Append one line to FAKE_LOG: what happened, and how many models' weights lie below the runs at that moment."""
    file = os.environ.get("FAKE_LOG")
    if file is None:
        return
    _pause()
    row = {"event": event, "tool": tool, "argv": sys.argv[1:], "pid": os.getpid(), "models": models(Path.cwd().parent)}
    row |= {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""), "node": _node()}
    with Path(file).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row | more) + "\n")
    _pause()


def _pause() -> None:
    if most := float(os.environ.get("FAKE_PAUSES", "0")):
        time.sleep(random.choice((0, 0, most / 8, most / 2, most)))


def _node() -> str:
    return os.environ.get("FAKE_NODE") or os.environ.get("SLURMD_NODENAME", "here")


def _book(tool: str) -> None:
    """The kernel frees what this process holds when it ends; what it starts does not inherit it."""
    for gpu in filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")):
        _HELD.append(Path(f"{os.environ.get('FAKE_LOG', '/dev/null')}.{_node()}.gpu{gpu}").open("a"))  # noqa: SIM115
        try:
            fcntl.flock(_HELD[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("double", tool, gpu=gpu)


def models(root: Path) -> int:
    """Different weight files below `root`; hard links of one file count once."""
    found = set()
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".safetensors"):
                try:
                    found.add(os.stat(os.path.join(folder, name)).st_ino)  # noqa: PTH116, PTH118  (twice as fast)
                except FileNotFoundError:
                    continue
    return len(found)


def read_weights(file: Path) -> Tensors:
    """Every tensor as float32."""
    content = file.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    found = {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        stored = np.frombuffer(content[8 + length + first : 8 + length + last], _DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        found[name] = stored.reshape(entry["shape"]).astype(np.float32)
    return found


def write_weights(file: Path, tensors: Tensors) -> None:
    """float32 arrays as they are; uint16 arrays stand for the bits of bfloat16."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, array in tensors.items():
        kind = "BF16" if array.dtype == np.uint16 else "F32"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in tensors.values()))
    file.chmod(0o600)  # as safetensors does, whatever the umask says


def rounded(array: np.ndarray) -> np.ndarray:
    """Bits of the nearest bfloat16, ties to even. A float64 of the halfway points decides: no bit tricks to get wrong."""
    below = array.astype(np.float32).view(np.uint32) >> np.uint32(16)
    low, high = ((below + step).astype(np.uint32) << np.uint32(16) for step in (np.uint32(0), np.uint32(1)))
    wanted = array.astype(np.float64)
    down = np.abs(wanted - low.view(np.float32)).astype(np.float64)
    up = np.abs(high.view(np.float32) - wanted).astype(np.float64)
    even = (below & 1) == 0
    return np.where((down < up) | ((down == up) & even), below, below + 1).astype(np.uint16)


def _next(tool: str) -> Fault:
    file = os.environ.get("FAKE_FAULTS")
    if file is None or not Path(file).exists():
        return Fault()
    with Path(f"{file}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        faults = json.loads(Path(file).read_text(encoding="utf-8"))
        for entry in faults:
            ours = entry["tool"] == tool and entry["match"] in " ".join(sys.argv)
            if ours and entry.get("rank", "") in ("", os.environ.get("NODE_RANK")) and entry["times"] > 0:
                entry["times"] -= 1
                part = Path(f"{file}.{os.getpid()}")
                part.write_text(json.dumps(faults), encoding="utf-8")
                part.replace(file)
                return Fault(entry["fault"], entry["seconds"])
    return Fault()
