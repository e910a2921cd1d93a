"""Traces that users already have, in the layout of whoever published them, as prompts with samples."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mot_plugin.errors import FileError
from mot_plugin.sources.problems import digest
from mot_plugin.sources.rows import read_rows
from mot_plugin.strict import suggest
from mot_plugin.teachers.layouts import FORMATS, Columns, Format
from mot_plugin.teachers.traces import CHAT_TOKEN, THINK_TAG, Prompt, Sample, TraceFile
from mot_plugin.teachers.view import View, WrongRow

OURS = "mot"
"""The format of our own trace files."""

_SHOWN = 10


@dataclass(frozen=True)
class Recorded:
    """One teacher's recorded traces: a file or a folder that `sources.rows` reads, in the format OURS or one of FORMATS.

    `columns` says where things stand, by our names (`problem`, `text` or `reasoning` and `answer`, `reference`, `teacher`,
    `id`, `finish_reason`, ...): all of them for the format "columns", what differs or is more for the others. `teacher`
    takes one of several teachers' rows or columns, by the name that it has in the file.
    """

    path: Path
    format: str
    columns: Mapping[str, str] = field(default_factory=dict)
    teacher: str | None = None

    def prompts(self) -> Iterator[Prompt]:
        """A prompt for each problem in the order of first rows, samples in the order of rows; all are held in memory.

        Problems are the same if they differ in spacing or case only. The id is the rows' own, the first of several by
        name, else a digest of the problem; references are those of all its rows, sorted. Raises MissingInput without a
        file, FileError with every wrong row (the first ten in words) or when `format`, `columns` or `teacher` do not fit.
        """
        if self.format == OURS:
            if self.columns:
                raise FileError(f"{self.path}: our own format has its own columns: leave `columns` out")
            return TraceFile(self.path).prompts()
        layout = FORMATS.get(self.format)
        if layout is None:
            known = ", ".join((OURS, *FORMATS))
            raise FileError(
                f"{self.path}: no format is called {self.format!r}{suggest(self.format, FORMATS)}; there are {known}"
            )
        try:
            names = layout.columns(self.columns, self.teacher)
        except FileError as error:
            raise FileError(f"{self.path} ({self.format}): {error}") from None
        reading = _Reading(self, layout, names)
        reading.read()
        return reading.prompts()


@dataclass
class _Group:
    """The rows of one problem."""

    problem: str
    ids: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    samples: list[Sample] = field(default_factory=list)


@dataclass
class _Reading:
    """One pass over the file."""

    asked: Recorded
    layout: Format
    names: Columns
    groups: dict[str, _Group] = field(default_factory=dict)
    owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of an id in the file: the digest of its problem, and where it stood first."""
    wrong: list[str] = field(default_factory=list)
    teachers: Counter[str | None] = field(default_factory=Counter)
    columns: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """The user's names that some row has a column for."""

    def read(self) -> None:
        """Take in every row. Raises MissingInput, FileError."""
        for where, row in read_rows(self.asked.path):
            if any(row.get(column, value) != value for column, value in self.layout.only.items()):
                continue
            self.columns.update(row)
            view = View(row, self.names)
            self.seen.update(name for name in self.asked.columns if name not in self.seen and view.has(name))
            try:
                if self._is_asked_for(view):
                    self._take(view, where)
            except WrongRow as error:
                self.wrong.append(f"  {where}: {error}")
        self._check_columns()
        self._check_rows()
        self._check_teachers()

    def prompts(self) -> Iterator[Prompt]:
        """What was read."""
        for key, group in self.groups.items():
            name = min(group.ids, default=key)
            yield Prompt(name, group.problem, tuple(sorted(group.references)), tuple(group.samples))

    def _is_asked_for(self, view: View) -> bool:
        """Whether the row is of the teacher that is wanted; rows without a name all are, if no other row has one."""
        teacher = view.text("teacher")
        self.teachers[teacher] += 1
        asked = self.asked.teacher
        return asked is None or teacher is None or teacher.casefold() == asked.casefold()

    def _take(self, view: View, where: str) -> None:
        problem, samples = self.layout.read(view)
        problem = problem.removeprefix(self.layout.instruction).strip()
        token = CHAT_TOKEN.search(problem) or THINK_TAG.search(problem)
        if token:
            raise WrongRow(f"the problem holds {token[0]}, which a chat template writes: take it out")
        references, own = self.layout.references(view), view.identity()
        key = digest(problem)
        if own is not None:
            owner, first = self.owners.setdefault(own, (key, where))
            if owner != key:
                raise WrongRow(f"id {own!r} is another problem's at {first}")
        group = self.groups.setdefault(key, _Group(problem))
        group.ids.update(() if own is None else (own,))
        group.references.update(references)
        group.samples.extend(samples)

    def _check_columns(self) -> None:
        if not self.columns:
            traces = " and ".join(f"{column} {value!r}" for column, value in self.layout.only.items())
            raise FileError(f"{self.asked.path}: no row has {traces}, as this format's traces have")
        for name, column in self.asked.columns.items():
            if name not in self.seen:
                raise FileError(
                    f"{self.asked.path}: no row has the column {column!r} (for {name}){suggest(column, self.columns)}\n"
                    f"  its columns: {', '.join(sorted(self.columns))}"
                )

    def _check_rows(self) -> None:
        if self.wrong:
            more = [f"  ... and {len(self.wrong) - _SHOWN} more"] if len(self.wrong) > _SHOWN else []
            every = [] if self.groups else [f"  no row is right: is {self.asked.format!r} the format of this file?"]
            head = f"{self.asked.path} has {len(self.wrong)} wrong row{'s' if len(self.wrong) > 1 else ''}"
            raise FileError("\n".join([head, *self.wrong[:_SHOWN], *more, *every]))

    def _check_teachers(self) -> None:
        path, asked, named = self.asked.path, self.asked.teacher, sorted(filter(None, self.teachers))
        words = ", ".join(f"{name} ({self.teachers[name]} rows)" for name in named)
        if named and self.teachers[None]:
            raise FileError(f"{path}: {self.teachers[None]} rows name no teacher, others do: {words}")
        if asked is None and len(named) > 1:
            raise FileError(f"{path} has rows of several teachers: set `teacher` to one of {words}")
        if not self.groups:
            raise FileError(f"{path}: no row is of the teacher {asked}{suggest(str(asked), named)}; it has {words}")
