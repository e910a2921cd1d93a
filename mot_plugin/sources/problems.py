"""A problem that teachers are asked, and problems on disk: one a line."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.near import normalise
from mot_plugin.sources.rows import read_rows

_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    """One problem. An answer is right if it says the same as any of `references`.

    `unverifiable` is None, or why there is no reference: `no_reference`, `no_answer_in_solution`, `proof`,
    `several_answers`, `long_reference` or `coding`. `meta` is what the data set says about it, for people.
    """

    id: str
    problem: str
    references: tuple[str, ...]
    unverifiable: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A row that is no problem for us, and why: one word."""

    reason: str


def digest(problem: str) -> str:
    """The id of a problem whose data set gives none: 16 hexadecimal digits of its text, whatever its spacing and case."""
    return hashlib.sha256(normalise(problem).encode()).hexdigest()[:16]


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write one problem a line, in the order given: {"id", "problem", "references", "unverifiable", "meta"}."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(asdict(problem), ensure_ascii=False) + "\n" for problem in problems)


def read_problems(path: Path) -> list[Problem]:
    """Problems in the file's order.

    Raises MissingInput without a file, FileError with every wrong line (the first ten in words).
    """
    if not path.is_file():
        raise MissingInput(f"{path}: no such file; it should hold problems, one a line: run the step that makes it")
    problems: list[Problem] = []
    found: list[str] = []
    line_of: dict[str, str] = {}
    for where, row in read_rows(path):
        try:
            line = _Line.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "the line"
            found.append(f"  {where}: {key}: {first['msg']}, got {first['input']!r:.60}")
            continue
        if line.id in line_of:
            found.append(f"  {where}: id {line.id!r} is at {line_of[line.id]} already")
        line_of.setdefault(line.id, where)
        problems.append(Problem(line.id, line.problem, tuple(line.references), line.unverifiable, line.meta))
    if found:
        more = [f"  ... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        head = f"{path} has {len(found)} wrong line{'s' if len(found) > 1 else ''}"
        raise FileError("\n".join([head, *found[:_SHOWN], *more]))
    return problems


_Text = Annotated[str, StringConstraints(min_length=1)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Text
    problem: _Text
    references: list[_Text]
    unverifiable: _Text | None
    meta: dict[str, Any]

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.references) == (self.unverifiable is not None):
            raise ValueError("needs either references or the reason why it is unverifiable")
        return self
