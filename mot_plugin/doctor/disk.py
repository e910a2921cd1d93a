"""Disks: room for the plan, a place that can be written, links between the folders, locks on file systems of others."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mot_plugin.costs.case import case
from mot_plugin.costs.estimate import estimate
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.doctor.fits import NEARLY
from mot_plugin.doctor.memory import in_words

NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs lustre gpfs beegfs ceph glusterfs 9p afs fuse.sshfs fuse.s3fs fuse.gcsfuse".split()
)
"""File systems that several computers share."""
NO_INODES = 10_000
"""Fewer free ones are too few for a run with its thousands of small files."""


def check(context: Context) -> Iterator[Finding]:
    """The folder of runs and the store."""
    runs = Path(context.machine.storage.runs).resolve()
    store = context.store.root
    told: set[Path] = set()
    for what, folder in (("runs", runs), ("store", store)):
        place = standing(folder)
        if place in told:
            continue
        told.add(place)
        yield from _writable(what, folder, place)
        yield _file_system(context, what, place)
    yield _linked(standing(runs), standing(store))
    yield _room(context, store)


def standing(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _writable(what: str, folder: Path, place: Path) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as wrong:
        said = f"{place} cannot be written: {wrong.strerror}"
        yield error(f"folder of {what}", said, f"name another folder as storage.{what} in the machine file")
        return
    free = os.statvfs(place)
    if free.f_files and free.f_favail < NO_INODES:
        said = f"{place} has only {free.f_favail:,} inodes left"
        yield error(f"folder of {what}", said, f"delete small files there, or move storage.{what} to another disk")
    else:
        yield ok(f"folder of {what}", f"{folder}, can be written")


def _file_system(context: Context, what: str, place: Path) -> Finding:
    kind = file_system(place)
    name = f"file system of {what}"
    if kind is None:
        return unknown(name, f"of what kind that of {place} is, the kernel does not say")
    if kind in NETWORK:
        said = f"{place} is on {kind}, which several computers share: they must agree about the time within a minute"
        return warning(name, said, "keep their clocks right (`chronyc tracking`), or move it to a local disk")
    if not context.local and context.machine.nodes > 1:
        said = (
            f"{place} is on {kind}, a disk of this computer: {context.machine.nodes} nodes must see it under this path"
        )
        return warning(name, said, f"name a shared folder as storage.{what} in the machine file")
    return ok(name, kind)


def file_system(place: Path) -> str | None:
    """The kind of file system that a folder is on, as the kernel calls it: that of the longest mount point on its path."""
    try:
        found = mounted(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return next((found[folder] for folder in (place, *place.parents) if folder in found), None)


def mounted(mountinfo: str) -> dict[Path, str]:
    """Mount point -> its kind; of several on one point the last, which lies on top."""
    lines = [line.partition(" - ") for line in mountinfo.split("\n")]
    return {Path(before.split()[4].replace("\\040", " ")): after.split()[0] for before, _, after in lines if after}


def _linked(runs: Path, store: Path) -> Finding:
    """Whether a file of one folder can be had in the other without a copy: tried, and taken away again."""
    try:
        with (
            tempfile.NamedTemporaryFile(dir=runs, prefix=".doctor-") as made,
            tempfile.TemporaryDirectory(dir=store) as inside,
        ):
            os.link(made.name, Path(inside) / "link")
    except OSError as wrong:
        said = f"none from {runs} to {store} ({wrong.strerror}): weights are copied, which takes time and room"
        return warning("hard links", said, "put storage.runs and storage.store on one disk, in the machine file")
    return ok("hard links", "between the folder of runs and the store")


def _room(context: Context, store: Path) -> Finding:
    """The plan's high-water mark, as `plan` tells it: weights at once with their deletions, and texts."""
    place = standing(store)
    free = shutil.disk_usage(place).free
    ready = context.ready
    if ready is None:
        return ok("room", f"{in_words(free)} free in {place}")
    names = [step.name for step in context.todo]
    one = case(ready.recipe, context.machine, ready.gathered, ready.plan, names, context.store)
    made = estimate([one], context.machine)
    need = made.most + made.texts
    if (source := one.ground.student.source) and made.most:
        return unknown("room", f"{in_words(free)} free in {place}, and {in_words(need)} at once would do if {source}")
    during = f", during {made.disk.during}" if made.disk.during else ""
    said = f"about {in_words(need)} at once{during}; {in_words(free)} are free in {place}"
    if need > free:
        return error("room", said, "name a larger disk as storage.store in the machine file, or free some")
    if need > free * NEARLY:
        return warning("room", f"{said}: that may be too little", "free some, before other programs take it")
    return ok("room", said)
