"""Disks: room for the plan, a place that can be written, links between the folders, locks on file systems of others."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mot_plugin import mirror, sharing
from mot_plugin.costs.case import case
from mot_plugin.costs.estimate import estimate
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.doctor.fits import NEARLY
from mot_plugin.doctor.memory import in_words
from mot_plugin.errors import MirrorFailed, MissingTool
from mot_plugin.merging.folder import withheld
from mot_plugin.run import touched

SHARED = frozenset("nfs nfs4 lustre gpfs beegfs ceph glusterfs afs".split())
"""File systems that several computers share, and that hold hard links and renames as claims.py needs them."""
STRANGE = frozenset("cifs smb3 smbfs 9p exfat vfat".split())
"""Others, and all behind FUSE: links, renames or times may be missing there, or slow."""
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
        yield from _usable(what, folder, place)
        yield _file_system(context, what, place)
    if store.is_dir():
        yield _shared(context)
    if context.student is not None and "student" in context.kinds:
        yield _student(context.student, standing(store))
    yield _room(context, store)
    if context.machine.storage.mirror is not None:
        yield _mirror(context.machine.storage.mirror)


def standing(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _usable(what: str, folder: Path, place: Path) -> Iterator[Finding]:
    """Written, linked and taken away again: a claim is a hard link, and so are the weights of a choice."""
    name = f"folder of {what}"
    other = f"name another folder as storage.{what} in the machine file"
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".doctor-") as made:
            (Path(made) / "one").touch()
            yield from _linked(what, place, Path(made) / "one", Path(made) / "two")
    except OSError as wrong:
        yield error(name, f"{place} cannot be written: {os.strerror(wrong.errno or 0)}", other)
        return
    free = os.statvfs(place)
    if free.f_files and free.f_favail < NO_INODES:
        yield error(name, f"{place} has only {free.f_favail:,} inodes left", f"delete small files there, or {other}")
    else:
        yield ok(name, f"{folder}, can be written")


def _shared(context: Context) -> Finding:
    """Whether what other users made in the store is open to this run."""
    lines = sharing.closed(context.store, *(touched(context.ready) if context.ready else ([], [])))
    if lines:
        return error("store of others", "; ".join(lines), sharing.REMEDY)
    return ok("store of others", "nothing of it is closed to this user")


def _linked(what: str, place: Path, one: Path, two: Path) -> Iterator[Finding]:
    try:
        two.hardlink_to(one)
    except OSError as wrong:
        said = f"{place} takes none ({os.strerror(wrong.errno or 0)}): two runs could not tell who writes what"
        yield error(f"hard links of {what}", said, f"name another folder as storage.{what} in the machine file")


def _student(folder: Path, store: Path) -> Finding:
    """Whether the student's own weights can be had in the store without a copy: tried, and taken away again."""
    weights = next((file.resolve() for file in sorted(folder.glob("*.safetensors")) if file.is_file()), None)
    if weights is None:
        return unknown("student's weights", f"{folder} has none: whether they can be linked is not known")
    if withheld(weights, store):
        said = f"{weights} is for its owner alone, and a group shares {store}: they are copied"
        return warning("student's weights", said, "chmod a+r the student's files")
    try:
        with tempfile.TemporaryDirectory(dir=store, prefix=".doctor-") as made:
            (Path(made) / weights.name).hardlink_to(weights)
    except OSError as wrong:
        said = f"no hard link from {weights.parent} to {store} ({os.strerror(wrong.errno or 0)}): they are copied"
        return warning("student's weights", said, "put the student and storage.store on one disk, with one owner")
    return ok("student's weights", "linked into the store, not copied")


def _file_system(context: Context, what: str, place: Path) -> Finding:
    kind = file_system(place)
    name = f"file system of {what}"
    if kind is None:
        return unknown(name, f"of what kind that of {place} is, the kernel does not say")
    if kind in STRANGE or kind.startswith("fuse"):
        said = f"{place} is on {kind}: links, renames or times of files may be missing there, or slow"
        return warning(name, said, f"name a folder on a local or a cluster's file system as storage.{what}")
    if kind in SHARED:
        return ok(name, f"{kind}, which other computers can share")
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


def _mirror(url: str) -> Finding:
    """Whether fsspec has what it needs for this address; nothing is sent."""
    try:
        mirror.check(url)
    except MissingTool as wrong:
        return error("mirror", str(wrong), "pip install what it names, beside mot-plugin", MissingTool)
    except MirrorFailed as wrong:
        return error("mirror", str(wrong), "mend storage.mirror in the machine file", MirrorFailed)
    return ok("mirror", f"{url}: fsspec can send there, if its keys are right (not tried)")


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
