"""Claims: who may write what, on file systems that several computers share. No flock, which some of them keep to one computer.

A claim is the highest-numbered file of a folder. Whoever finds it given back, or its holder dead, makes the next number; that is
one atomic act (a hard link), so one of several wins. The last few files stay: a folder's list may lack what came while it was read,
and then the number after an older one is taken. On the same computer the kernel says at once whether a holder lives; of another one
we see its file's time change, or not, for a while.
"""

import fcntl
import json
import os
import signal
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mot_plugin.errors import RunConflict

_FREE = 0
"""The time of a file that was given back: no clock of a computer says 1970."""
_KEPT = 8
BEAT_SECONDS = 5.0
STALE_SECONDS = 180.0
"""A holder on another computer is dead after as long without a beat; NFS shows a file's new time up to a minute late."""


@dataclass(frozen=True)
class Holder:
    """A process, as any computer can name it."""

    host: str
    boot: str
    space: str
    """Its process namespace: a container's numbers are its own."""
    pid: int
    born: str
    """When it began, in the kernel's ticks: a process number is used again."""
    since: str

    @property
    def words(self) -> str:
        """`process 12 since 2026-11-28 15:00:00`, with its computer if that is another one."""
        return f"process {self.pid}{'' if self.here else f' on {self.host}'} since {self.since}"

    @property
    def here(self) -> bool:
        """Whether our kernel knows it by this number."""
        return (self.boot, self.space) == (_boot(), _space())

    @property
    def alive(self) -> bool:
        """Of one that is `here`: whether it still runs. A zombie does not."""
        return _born(self.pid) == self.born


@dataclass
class Claim:
    """What is ours until the block ends."""

    place: Path
    number: int
    holder: Holder
    lost: bool = False
    """Another computer took us for dead, and it is its own now: write nothing more."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises RunConflict if it is not ours any more."""
        if self.lost or _latest(self.place) > self.number:
            self.lost = True
            taker = holder(self.place)
            raise RunConflict(f"{self.place.parent} was taken over by {taker.words if taker else 'another process'}")

    def _beat(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            try:
                self.check()
                os.utime(self.place / str(self.number))
            except (RunConflict, FileNotFoundError):
                self.lost = True
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except OSError:  # a file server that does not answer now may do so at the next beat
                continue


@contextmanager
def held(
    place: Path, busy: str | None = None, *, beat: float = BEAT_SECONDS, stale: float = STALE_SECONDS
) -> Iterator[Claim]:
    """Hold the claim in the folder `place` for this block. While another process holds it, wait; or raise RunConflict(`busy`).

    `{holder}` in `busy` becomes that process. If the claim is lost, this process gets SIGTERM, and the end of the block raises
    RunConflict.
    """
    place.mkdir(parents=True, exist_ok=True)
    claim = _take(place, busy, stale)
    heart = threading.Thread(target=claim._beat, args=(beat,), daemon=True)
    heart.start()
    try:
        yield claim
    finally:
        claim._ended.set()
        heart.join()
        if not claim.lost:
            os.utime(place / str(claim.number), (_FREE, _FREE))  # a full disk has room for that
    if claim.lost:
        claim.check()


def holder(place: Path) -> Holder | None:
    """Who holds it, as far as can be told at once: a dead process of this computer does not, one of another may be dead."""
    number = _latest(place)
    found = None if _free(place, number) else _read(place, number)
    return None if found is None or (found.here and not found.alive) else found


@contextmanager
def alone_here(name: str, stopped: Callable[[], bool]) -> Iterator[None]:
    """One process of ours on this computer at a time; a waiting one looks at `stopped` and goes on without if that is so.

    For what fills a computer's memory. It is about this computer alone, so flock is right here.
    """
    with (Path(tempfile.gettempdir()) / f"mot-plugin-{os.getuid()}-{name}.lock").open("a") as lock:
        while not stopped():
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.1)
        yield


@dataclass
class _Watch:
    """What was seen of a holder on another computer, by our own clock: clocks of two computers are not compared."""

    stale: float
    seen: tuple[int, int] | None = None
    since: float = 0.0
    beats: int = 0

    def lives(self, place: Path, number: int, found: Holder) -> bool:
        if found.here:
            return found.alive
        try:
            now = number, (place / str(number)).stat().st_mtime_ns
        except FileNotFoundError:
            return True  # it is changing hands: look again
        if now != self.seen:
            self.beats += self.seen is not None
            self.seen, self.since = now, time.monotonic()
        return time.monotonic() - self.since < self.stale

    def certain(self, found: Holder) -> bool:
        """Whether a living holder was seen to live."""
        return found.here or self.beats > 0


def _take(place: Path, busy: str | None, stale: float) -> Claim:
    watch, pause = _Watch(stale), 0.01
    while True:
        number = _latest(place)
        free = _free(place, number)
        found = None if free else _read(place, number)
        if free or (found is not None and not watch.lives(place, number, found)):
            me = Holder(
                socket.gethostname(), _boot(), _space(), os.getpid(), _born(os.getpid()), time.strftime("%F %T")
            )
            if _create(place / str(number + 1), me) and _latest(place) == number + 1:
                for old in _numbers(place):
                    if old <= number - _KEPT:
                        (place / str(old)).unlink(missing_ok=True)
                return Claim(place, number + 1, me)
        elif busy is not None and found is not None and watch.certain(found):
            raise RunConflict(busy.format(holder=found.words))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _numbers(place: Path) -> list[int]:
    return [int(file.name) for file in place.iterdir() if file.name.isdigit()] if place.is_dir() else []


def _latest(place: Path) -> int:
    return max(_numbers(place), default=0)


def _free(place: Path, number: int) -> bool:
    """Whether it was given back, or there never was one."""
    try:
        return number == 0 or (place / str(number)).stat().st_mtime == _FREE
    except FileNotFoundError:
        return False


def _read(place: Path, number: int) -> Holder | None:
    try:
        return Holder(**json.loads((place / str(number)).read_bytes()))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def _create(file: Path, wanted: Holder) -> bool:
    """Make the file with its whole content, or leave the one that is there."""
    part = file.with_name(f".{uuid.uuid4().hex}")
    try:
        part.write_text(json.dumps(asdict(wanted)), encoding="utf-8")
        os.link(part, file)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _space() -> str:
    return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  (it is a name, and no path)


def _born(pid: int) -> str:
    """When a process began; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
