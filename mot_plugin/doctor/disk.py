"""Disks: room for the plan, a place that can be written, links between the folders, locks on file systems of others."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.doctor.fits import size_of
from mot_plugin.doctor.memory import GIB
from mot_plugin.folder import store_of

NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs lustre gpfs beegfs ceph glusterfs 9p afs fuse.sshfs fuse.s3fs fuse.gcsfuse".split()
)
"""File systems that several computers share."""
NO_INODES = 10_000
"""Fewer free ones are too few for a run with its thousands of small files."""


def check(context: Context) -> Iterator[Finding]:
    """The folder of runs and the store."""
    runs = Path(context.machine.storage.runs).resolve()
    store = store_of(context.machine, runs).root
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
    place = standing(store)
    free = shutil.disk_usage(place).free
    if context.ready is None:
        return ok("room", f"{free / GIB:.0f} GiB free in {place}")
    need = high_water(context)
    if need is None:
        return unknown("room", f"{free / GIB:.0f} GiB free in {place}; the student is of unknown size")
    said = f"at most about {_size(need)} of {_size(free)} free in {place}"
    if need > free:
        return error("room", said, "name a larger disk as storage.store in the machine file, or free some")
    return ok("room", said)


def high_water(context: Context) -> float | None:
    """Bytes that the plan has on disk at once, at most."""
    model, ready = size_of(context), context.ready
    if model is None or ready is None:
        return None
    trained = [step for step in context.todo if step.kind == "train"]
    # In float32 without DeepSpeed; the checkpoints of one baseline stand beside each other, as do a round's branches.
    each = (2 if context.machine.train.get("deepspeed") else 4) * model.parameters
    if context.machine.storage.keep == "all":
        return each * (sum(_models(context, step.at) for step in trained) + len(context.todo))
    once = max(
        (_models(context, step.at) if step.round is None else len(ready.recipe.teachers) for step in trained), default=0
    )
    results = sum(step.weights == "result" for step in context.todo)
    return each * (once + results + 3) if trained else 0.0


def _models(context: Context, steps: int | None) -> int:
    baseline = context.ready.recipe.methods.std or context.ready.recipe.methods.mtd if context.ready else None
    return max(1, (steps or 1) // baseline.save_steps) if baseline else 1


def _size(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= 0.1 * GIB else f"{size / 2**20:.0f} MiB"
