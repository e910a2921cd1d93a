"""The samples of one line on disk: an append-only file, one JSON object a sample, in the envelope of OpenAI's Batch results.

A sample is found by its prompt and its number, so every recipe that asks the same again has it already, in whatever mode.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mot_plugin import claims
from mot_plugin.errors import FileError
from mot_plugin.teachers.asking import Line

SAMPLES = "samples.jsonl"
ABOUT = "about.json"


@dataclass(frozen=True)
class Record:
    """One sample, or why there is none. `body` is the server's answer as it came, `request` what was sent for it."""

    custom_id: str
    request: dict[str, Any]
    body: dict[str, Any] | None
    error: dict[str, Any] | None
    """{"reason", "message", "attempts"}: asked again when the step runs again."""
    note: dict[str, Any]
    """When, how long, over which attempts: for people."""

    @property
    def tokens(self) -> int | None:
        """Completion tokens that the server counted; None if it did not say.

        Right for every server only because n is 1: llama.cpp counts one choice of several.
        """
        usage = (self.body or {}).get("usage")
        counted = usage.get("completion_tokens") if isinstance(usage, dict) else None
        return counted if isinstance(counted, int) else None

    def line(self) -> bytes:
        """The record as it stands in the file."""
        response = None if self.body is None else {"status_code": 200, "body": self.body}
        fields = {"custom_id": self.custom_id, "response": response, "error": self.error, "request": self.request}
        try:
            return json.dumps(fields | {"note": self.note}, ensure_ascii=False).encode() + b"\n"
        except UnicodeEncodeError:  # half a sign, which only JSON's own escapes can say
            return json.dumps(fields | {"note": self.note}).encode() + b"\n"

    @staticmethod
    def read(line: bytes) -> "Record":
        """The same back. Raises ValueError, KeyError or TypeError for what is no such line."""
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise TypeError("not a JSON object")
        response = fields["response"]
        body = None if response is None else response["body"]
        if (body is None) == (fields.get("error") is None):
            raise ValueError("neither an answer nor an error, or both")
        return Record(
            fields["custom_id"], fields.get("request") or {}, body, fields.get("error"), fields.get("note") or {}
        )


@dataclass
class Samples:
    """The samples of a line. Texts stay on disk: 12,800 long thoughts are more than a gigabyte."""

    file: Path
    _places: dict[str, tuple[int, int]] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _end: int = 0
    _descriptor: int = -1

    def __contains__(self, custom_id: str) -> bool:
        """Whether there is a sample; a recorded failure is none."""
        return custom_id in self._places and custom_id not in self._failed

    def __len__(self) -> int:
        return len(self._places) - len(self._failed)

    def read(self, custom_id: str) -> Record:
        """The last record of that sample. Raises KeyError without one."""
        start, length = self._places[custom_id]
        return Record.read(os.pread(self._descriptor, length, start))

    def append(self, record: Record) -> None:
        """Write one record to its end and to the disk: after this a kill -9 or a power cut cannot lose it."""
        line = record.line()
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError:  # a full disk: what comes next must not be written behind half a line
            os.ftruncate(self._descriptor, self._end)
            raise
        self._note(record, len(line))

    def _load(self) -> None:
        """Read the file once; a last line that a kill cut off is taken away. Raises FileError for any other broken line."""
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    os.ftruncate(self._descriptor, self._end)
                    break
                try:
                    self._note(Record.read(line), len(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise FileError(
                        f"{self.file}:{number} is not a sample ({error!r}); take that line out, and its sample is asked for again"
                    ) from None

    def _note(self, record: Record, length: int) -> None:
        self._places[record.custom_id] = self._end, length
        self._end += length
        if record.error is None:
            self._failed.discard(record.custom_id)
        else:
            self._failed.add(record.custom_id)


@contextmanager
def open_samples(root: Path, line: Line) -> Iterator[Samples]:
    """The samples of `line` below `root`, to read and to add to, by one process at a time. Raises RunConflict, FileError."""
    folder = root / line.name()
    folder.mkdir(parents=True, exist_ok=True)
    about = {"model": line.model, "sampling": line.sampling.shape(), "seed": line.seed}
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    file = folder / SAMPLES
    busy = f"{file}: another process is sampling {line.model} with these settings ({{holder}}); " + (
        "wait for it, its samples are ours too"
    )
    with claims.held(folder / "claim", busy):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            samples = Samples(file, _descriptor=descriptor)
            samples._load()
            yield samples
        finally:
            os.close(descriptor)
