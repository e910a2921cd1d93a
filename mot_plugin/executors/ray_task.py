"""What a Ray worker does for a step: start its supervisor, or one more rank of it, in an environment that is not Ray's."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mot_plugin import spread
from mot_plugin.errors import MotError
from mot_plugin.executors import bookings
from mot_plugin.executors.supervisor import attend, supervise

OF_RAY = ("OMP_NUM_THREADS", "PYTHONBREAKPOINT", "SPT_NOENV", "CUDA_VISIBLE_DEVICES")
"""What Ray sets in a worker besides its own RAY_*: one thread (a merge wants all), its debugger, the GPUs."""


def lead(folder: str, step: str, cwd: str, given: Mapping[str, str], meeting: str) -> str | None:
    """Supervise a step: None, or what went wrong. `given` are variables of the driver; with a meeting others follow."""
    where = Path(folder)
    if not (where / "plan.json").is_file():
        return _not_there(where)
    environment = _environment(given)
    if meeting:
        import ray

        environment |= {spread.WAY: "follow", spread.MEETING: meeting, spread.ADDRESS: ray.util.get_node_ip_address()}
    seen_from = Path(cwd) if Path(cwd).is_dir() else where
    try:
        with _with_its_node() as look:
            bookings.wait_for(_gpus(), where, step, look)
            return supervise(where, step, look, environment=environment, cwd=seen_from)
    except MotError as error:
        return str(error)


def follow(folder: str, step: str, given: Mapping[str, str], meeting: str, rank: int) -> str | None:
    """Run one more rank of its commands until the meeting is over."""
    where = Path(folder)
    if not (where / "plan.json").is_file():
        return _not_there(where)
    with _with_its_node() as look:
        bookings.wait_for(_gpus(), where, step, look)
        code, said = attend([*spread.MEET, meeting, str(rank)], look, _environment(given), where)
    return f"its rank {rank} exited with {code}: {said.strip()}" if code else None


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The node's own environment as far as it is not Ray's, the driver's variables, and the GPUs that Ray gave."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_") and name not in OF_RAY}
    return {**own, **given, "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "")}


def _gpus() -> list[str]:
    return [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]


def _not_there(folder: Path) -> str:
    return (
        f"node {platform.node()} does not see {folder}: run folder and store must lie on a disk that all nodes of the "
        "cluster see under the same path"
    )


class _NodeEnded(Exception):
    """This worker's raylet is gone; Ray has the step run elsewhere."""


@contextmanager
def _with_its_node() -> Iterator[Callable[[], None]]:
    """What to call now and then: the worker of a killed raylet may go on for long, and must not. It stops its step, and ends."""
    raylet = os.getppid()

    def look() -> None:
        if os.getppid() != raylet:
            raise _NodeEnded

    try:
        yield look
    except _NodeEnded:
        os._exit(1)
