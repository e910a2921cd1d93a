"""Finished parts of evaluations, found by what they are: weights, task, settings, seed. Every recipe that asks the same has them.

`<root>/<key>/` holds samples.jsonl, which is lm-eval's own (the answers once and not twice, in the order of the problems,
with the shard and the seed of each), and about.json: the settings that the key is the digest of, and what lm-eval reported.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mot_plugin import claims
from mot_plugin.evals import logged
from mot_plugin.step import digest
from mot_plugin.store import replace_text

LINK = "kept"
"""The store's folder of these, as a run folder links to it."""
SAMPLES = "samples.jsonl"
ABOUT = "about.json"
BROKEN = "broken"

_NO_WEIGHTS = frozenset(
    "README.md mergekit_config.yml training_args.bin trainer_state.json trainer_log.jsonl train_results.json "
    "all_results.json optimizer.pt scheduler.pt scaler.pt training_loss.png training_args.yaml".split()
)
"""Files beside a model's weights that tell of its training. Any other file may shape an answer."""


@dataclass(frozen=True)
class Entry:
    """One finished part."""

    folder: Path
    about: Mapping[str, Any]

    @property
    def samples(self) -> Path:
        """Its samples, one a line."""
        return self.folder / SAMPLES

    @property
    def answers(self) -> int:
        """How many there are."""
        return int(self.about["answers"])

    def rows(self) -> Iterator[dict[str, Any]]:
        """The samples."""
        return logged.rows(self.samples)


@dataclass
class Kept:
    """The folder of all of them, and what is remembered of the content of files."""

    root: Path
    broken: list[Path] = field(default_factory=list)
    """Where entries were set aside that are not what they say."""
    _digests: dict[str, str] = field(default_factory=dict)

    def find(self, settings: Mapping[str, Any]) -> Entry | None:
        """The entry of these settings, whole; None without one. One that is not whole is set aside."""
        folder = self.root / digest(settings)
        if not folder.exists():
            return None
        with suppress(OSError, ValueError, KeyError, TypeError):  # then it is not whole
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            if about["settings"] == json.loads(json.dumps(settings)) and about["sha256"] == _sha256(folder / SAMPLES):
                return Entry(folder, about)
        aside = folder.with_name(f"{folder.name}.{BROKEN}")
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(FileNotFoundError):  # another process saw it, too
            folder.rename(aside)
        self.broken.append(aside)
        return None

    def publish(
        self, settings: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any]
    ) -> Entry:
        """Keep a part whole or not at all. Where another process was quicker, its entry is the one."""
        folder = self.root / digest(settings)
        self.root.mkdir(parents=True, exist_ok=True)
        with _locked(self.root):
            found = self.find(settings)
            if found is not None:
                return found
            part = self.root / f".{folder.name}"  # of a process that was killed, perhaps
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            answers = _write_rows(part / SAMPLES, rows)
            known = {"settings": dict(settings), "sha256": _sha256(part / SAMPLES), "answers": answers, **about}
            text = json.dumps(known, indent=1, ensure_ascii=False) + "\n"
            (part / ABOUT).write_text(text, encoding="utf-8")
            for file in (part / SAMPLES, part / ABOUT):
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
            part.rename(folder)
        return Entry(folder, json.loads(text))

    def content(self, *paths: Path) -> str:
        """Digest of files by name and content, and of the files of a model folder, not those below it.

        What was read once is remembered by path, size, time of change and inode: 60 GB take a minute.
        """
        memory = self.root / "digests.json"
        before: dict[str, str] = {}
        with suppress(OSError, ValueError):  # no memory, or a broken one
            before = json.loads(memory.read_text(encoding="utf-8"))
        self._digests = dict(before)
        files = [file for path in paths for file in (_model_files(path) if path.is_dir() else [path])]
        found = digest([[file.name, self._one(file)] for file in files])
        if self._digests != before:
            with suppress(OSError):  # a full disk shall be noticed where it matters
                self.root.mkdir(parents=True, exist_ok=True)
                replace_text(memory, json.dumps(self._digests, indent=1) + "\n")
        return found

    def _one(self, file: Path) -> str:
        status = file.stat()
        key = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        if key not in self._digests:
            self._digests[key] = _sha256(file)
        return self._digests[key]


def _model_files(folder: Path) -> list[Path]:
    """What an engine may read of a model folder. Checkpoints of a training may lie below it: they are models of their own."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and not file.name.startswith((".", "rng_state")) and file.name not in _NO_WEIGHTS
    )


def _write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    answers = 0
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        for row in rows:
            answers += len(row["resps"][0])
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    return answers


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """One publication at a time: they are short."""
    with claims.held(root / ".claim"):
        yield
