"""The store: finished artifacts by fingerprint, shared by all runs of a folder, each with a record written last."""

import dataclasses
import json
import os
import shutil
import stat
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

State = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Record:
    """What is known of one step's last attempt. Times are seconds since 1970."""

    step: str
    kind: str
    run: str
    state: State
    attempt: int = 1
    host: str = ""
    pid: int = 0
    started: float = 0.0
    ended: float | None = None
    error: str | None = None
    advice: str | None = None
    command: str | None = None
    """The command that failed, or the last one, as it can be pasted."""
    deleted: bool = False
    """Its weights are gone: nothing that had to run read them any more."""
    peak_mb: int | None = None
    """Largest memory of one of its processes, in MB."""
    resumed: int | None = None
    """Optimizer step from which this attempt's training went on; earlier attempts made those before."""
    tools: dict[str, dict[str, str]] = field(default_factory=dict)
    """Tool -> Python and packages of the environment that it ran in."""
    hardware: dict[str, str] = field(default_factory=dict)
    """Processor, system and GPUs that it ran on."""

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took."""
        return None if self.ended is None else self.ended - self.started


@dataclass(frozen=True)
class Store:
    """A folder of `<fingerprint>/{out/, record.json, attempt-N.log, claim/}`."""

    root: Path

    def home(self, fingerprint: str) -> Path:
        """Folder of one fingerprint."""
        return self.root / fingerprint

    def out(self, fingerprint: str) -> Path:
        """Its artifact."""
        return self.root / fingerprint / "out"

    def part(self, fingerprint: str) -> Path:
        """Where a step writes while it runs, on the disk on which its artifact is going to lie."""
        return self.root / fingerprint / "out.part"

    def record(self, fingerprint: str) -> Record | None:
        """The record; None if there is none, one that another user hides, or half of one (which only a broken disk leaves)."""
        try:
            return Record(**json.loads((self.home(fingerprint) / "record.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, PermissionError, json.JSONDecodeError, TypeError):
            return None

    def write(self, fingerprint: str, record: Record) -> None:
        """Replace the record atomically."""
        home = self.home(fingerprint)
        home.mkdir(parents=True, exist_ok=True)
        replace_text(home / "record.json", json.dumps(dataclasses.asdict(record), indent=1) + "\n")

    def fresh(self, fingerprint: str) -> bool:
        """Whether this step is done: its record says so and its artifact is there."""
        record = self.record(fingerprint)
        return record is not None and record.state == "done" and self.out(fingerprint).is_dir()

    def whole(self, fingerprint: str) -> bool:
        """Done, and its weights are still there."""
        record = self.record(fingerprint)
        return record is not None and self.fresh(fingerprint) and not record.deleted

    def publish(self, fingerprint: str) -> None:
        """Make the finished `part` the artifact; the last act is a rename."""
        out, part = self.out(fingerprint), self.part(fingerprint)
        if out.exists():
            shutil.rmtree(out)
        for path in part.rglob("*"):
            _as_umask_says(path)
            if path.is_file():  # after a power cut, a record that says "done" must not name truncated weights
                with path.open("rb") as opened:
                    os.fsync(opened.fileno())
        part.rename(out)

    def delete(self, fingerprint: str, globs: tuple[str, ...]) -> int:
        """Delete the matching files of a done artifact; returns their bytes (hard links may still hold them on disk)."""
        record, freed = self.record(fingerprint), 0
        assert record is not None
        # First: a half-deleted model must not count as whole.
        self.write(fingerprint, dataclasses.replace(record, deleted=True))
        for file in self.held(fingerprint, globs):
            with suppress(FileNotFoundError):  # another step of the run, beside this one, deletes it too
                freed += file.stat().st_size
                file.unlink()
        return freed

    def held(self, fingerprint: str, globs: tuple[str, ...]) -> list[Path]:
        """The files of a done artifact that match, as far as they are still there."""
        return (
            [file for pattern in globs for file in self.out(fingerprint).glob(pattern)]
            if self.fresh(fingerprint)
            else []
        )


def _as_umask_says(path: Path) -> None:
    """Let those read it who may read all else that we make: safetensors leaves weights to their owner alone."""
    found = path.lstat()
    linked = stat.S_ISLNK(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1)
    if linked or found.st_uid != os.geteuid():
        return  # what has another name, or another owner, is not ours alone
    umask = os.umask(0o077)  # there is no way to look that does not set it for a moment
    os.umask(umask)
    mode = stat.S_IMODE(found.st_mode)
    wanted = mode | ((0o777 if stat.S_ISDIR(found.st_mode) else 0o666) & ~umask)
    if wanted != mode:
        path.chmod(wanted)


def shared(folder: Path) -> bool:
    """Whether a group shares what is made in a folder: it has the setgid bit, and its group may write."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")  # process numbers repeat on other computers
    part.write_text(text, encoding="utf-8")
    part.replace(path)
